"""Somebody who was found late is carried back: the first frames that show them are erased too, if they still wait.

A network needs a few frames of somebody who comes in before it finds them, and misses a limb now and then. What is new
in a frame's mask is moved back by optical flow into the frames before, for as long as these show the same there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np

from realtime import ops
from realtime.finding import Finding
from realtime.motion.flow import DenseFlow
from realtime.ops import HOST, Home

FRAMES = 5  # that somebody is carried back by, at most
SIZE = 320  # pixels of the longer side at which flow is computed
NEAR = 0.05  # share of the height: what is new reaches further than this beyond what was masked before
WIDE = 0.02  # share of the height: there it is as wide as a limb
SMALLEST = 0.001  # share of the picture that is somebody
SAME = 14.0  # grey levels by which two frames may differ where they show the same, in the median
SHRINKS = 0.3  # share of their size that somebody keeps from frame to frame, at least


class Held(Protocol):
    """What holds a finding that may yet be added to."""

    finding: Finding


T = TypeVar("T", bound=Held)


@dataclass
class _Waiting(Generic[T]):
    """A frame that may yet be added to. image: (H, W, 3) uint8 BGR; mask: (h, w) uint8, what was found in it, small."""

    held: T
    image: np.ndarray
    mask: np.ndarray

    @cached_property
    def gray(self) -> np.ndarray:
        """The picture, (h, w) uint8, small."""
        return cv2.cvtColor(ops.resize(self.image, self.mask.shape), cv2.COLOR_BGR2GRAY)


class Hindsight(Generic[T]):
    """Adds to the masks of frames what later ones tell. State: the latest frames."""

    def __init__(self, home: Home = HOST) -> None:
        """home: where the findings' masks are."""
        self._home = home
        self._waiting: deque[_Waiting[T]] = deque(maxlen=FRAMES + 1)
        self._flow = DenseFlow()

    def add(self, image: np.ndarray, held: T) -> list[T]:
        """The next frame, (H, W, 3) uint8 BGR, and its finding's holder. Returns those whose finding is another now."""
        finding, size = held.finding, _reduced(image)
        if finding.cut or finding.found is None:  # masks from outside are meant so
            self._waiting.clear()
        if finding.found is None:
            return []
        self._waiting.append(_Waiting(held, image, ops.at_least(ops.resize(finding.found, size), 128)))
        # Who was just chosen is erased from then on.
        return [] if len(self._waiting) == 1 or finding.imprint is not None else self._carry_back()

    def release(self, held: T) -> None:
        """The oldest frame is not to be added to any more, if it is this one's."""
        if self._waiting and self._waiting[0].held is held:
            self._waiting.popleft()

    def _carry_back(self) -> list[T]:
        """Look for somebody new in the latest frame, and for the same in those before."""
        waiting, changed = list(self._waiting), list[T]()
        if waiting[-1].mask.shape != waiting[-2].mask.shape:
            return changed
        somebody = _new(waiting[-1].mask, waiting[-2].mask)
        for later, earlier in zip(waiting[:0:-1], waiting[-2::-1], strict=True):
            if not somebody.any() or earlier.mask.shape != later.mask.shape:
                break
            before = self._moved_back(somebody, earlier, later)
            if ops.count(before) < SHRINKS * ops.count(somebody):
                break
            somebody = before
            earlier.mask = earlier.mask | somebody
            earlier.held.finding = earlier.held.finding.and_mask(ops.grow_square(somebody, 1), self._home)
            changed.append(earlier.held)
        return changed

    def _moved_back(self, somebody: np.ndarray, earlier: _Waiting[T], later: _Waiting[T]) -> np.ndarray:
        """Where an earlier frame shows what a later one shows in a mask, (h, w) uint8; empty where it doesn't."""
        flow = self._flow(earlier.gray, later.gray)
        rows, columns = np.indices(somebody.shape, dtype=np.float32)
        to = columns + flow[..., 0], rows + flow[..., 1]
        before = ops.at_least(cv2.remap(somebody, *to, cv2.INTER_LINEAR), 128)
        differs = cv2.absdiff(cv2.remap(later.gray, *to, cv2.INTER_LINEAR), earlier.gray)[before > 0]
        return before if differs.size and np.median(differs) < SAME else np.zeros_like(somebody)


def _new(mask: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The parts of a (h, w) uint8 mask that reach far beyond that of the frame before, as far as they are new."""
    height = mask.shape[0]
    far = ops.opened(mask & ~ops.grow_square(before, max(2, round(NEAR * height))), max(1, round(WIDE * height / 2)))
    if not far.any():
        return far
    return ops.select_parts(mask & ~ops.grow_square(before, 1), far, least=round(SMALLEST * mask.size))


def _reduced(image: np.ndarray) -> tuple[int, int]:
    height, width = image.shape[:2]
    scale = min(1.0, SIZE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
