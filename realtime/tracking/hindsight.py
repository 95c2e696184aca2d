"""Somebody who was found late is carried back: the first frames that show them are erased too, in a second pass.

A network needs a few frames of somebody who comes in before it finds them. What is new in a frame's mask is moved back
by optical flow into the frames before, for as long as these show the same there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import cv2
import numpy as np

from realtime import ops
from realtime.finding import Finding
from realtime.motion.flow import dense_flow

FRAMES = 5  # that somebody is carried back by, at most
SIZE = 320  # pixels of the longer side at which flow is computed
NEAR = 0.05  # share of the height: what is new lies further than this from what was masked before
SMALLEST = 0.001  # share of the picture that is somebody
SAME = 14.0  # grey levels by which two frames may differ where they show the same, in the median
SHRINKS = 0.3  # share of their size that somebody keeps from frame to frame, at least


@dataclass
class _Waiting:
    """A finding that may yet be added to. gray: (h, w) uint8, the frame, small; mask: (h, w) uint8, the same."""

    finding: Finding
    gray: np.ndarray
    mask: np.ndarray


class Hindsight:
    """Holds findings back for FRAMES frames, and adds to their masks what later ones tell."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._dis = dense_flow()

    def add(self, image: np.ndarray, finding: Finding) -> list[Finding]:
        """The next frame's finding, and its picture, (H, W, 3) uint8 BGR. Returns those that are complete by now."""
        complete = self.end() if finding.cut else []
        height, width = image.shape[:2]
        scale = min(1.0, SIZE / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        gray = cv2.cvtColor(ops.resize(image, size), cv2.COLOR_BGR2GRAY)
        self._waiting.append(_Waiting(finding, gray, ops.at_least(ops.resize(finding.mask, size), 128)))
        # Masks from outside are meant so, and who was just chosen is erased from then on.
        if finding.patience > 1 and finding.imprint is None:
            self._carry_back()
        if len(self._waiting) > FRAMES:
            complete.append(self._waiting.popleft().finding)
        return complete

    def end(self) -> list[Finding]:
        """No more will come of this shot: the rest."""
        rest = [each.finding for each in self._waiting]
        self._waiting.clear()
        return rest

    def _carry_back(self) -> None:
        """Look for somebody new in the latest frame, and for the same in those before."""
        waiting = list(self._waiting)
        if len(waiting) < 2 or waiting[-1].gray.shape != waiting[-2].gray.shape:
            return
        somebody = _new(waiting[-1].mask, waiting[-2].mask)
        for later, earlier in zip(waiting[:0:-1], waiting[-2::-1], strict=True):
            if not somebody.any() or earlier.gray.shape != later.gray.shape or later.finding.cut:
                return
            before = self._moved_back(somebody, earlier, later)
            if ops.count(before) < SHRINKS * ops.count(somebody):
                return
            somebody = before
            earlier.mask = earlier.mask | somebody
            height, width = earlier.finding.mask.shape
            there = ops.at_least(ops.resize(ops.grow_square(somebody, 1), (height, width)), 128)
            earlier.finding = replace(earlier.finding, mask=earlier.finding.mask | there)

    def _moved_back(self, somebody: np.ndarray, earlier: _Waiting, later: _Waiting) -> np.ndarray:
        """Where an earlier frame shows what a later one shows in a mask, (h, w) uint8; empty where it doesn't."""
        height, width = somebody.shape
        if min(height, width) < 16:
            return np.zeros_like(somebody)
        flow = self._dis.calc(earlier.gray, later.gray, np.zeros((height, width, 2), np.float32))
        rows, columns = np.indices((height, width), dtype=np.float32)
        to = columns + flow[..., 0], rows + flow[..., 1]
        before = ops.at_least(cv2.remap(somebody, *to, cv2.INTER_LINEAR), 128)
        differs = cv2.absdiff(cv2.remap(later.gray, *to, cv2.INTER_LINEAR), earlier.gray)[before > 0]
        return before if differs.size and np.median(differs) < SAME else np.zeros_like(somebody)


def _new(mask: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The parts of a (h, w) uint8 mask that do not hang together with that of the frame before."""
    near = ops.grow_square(before, max(2, round(NEAR * mask.shape[0])))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    new = stats[:, cv2.CC_STAT_AREA] >= SMALLEST * mask.size
    new[np.unique(labels[near > 0])] = False
    new[0] = False
    return np.negative(new[labels].view(np.uint8)) & mask
