"""A frame between the eraser's two halves: observed, and not yet rendered."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from realtime import ops
from realtime.background.memory import Memory
from realtime.background.parallax import Layer
from realtime.background.plate import GUESSED, SEEN, UNSEEN, Plate
from realtime.finding import Finding
from realtime.frame import Frame
from realtime.hole import Hole
from realtime.ops import Region
from realtime.timing import StageTimer


@dataclass
class Pending:
    """A frame that was observed and waits to be rendered.

    image: the frame's picture where the eraser works, its own or a copy on a device; plate, motion, epoch: the shot's
    plate, and the 3x3 matrix from its anchor of that epoch to this frame's pixels; hole: None where nothing is to be
    erased; background, (h, w, 3) uint8 BGR in the plate's exposure, and trust, (h, w) uint8: what the plate knew of
    hole.roi when the frame was observed; mistakes: of the plate, as many as were known by then; memory: what the whole
    shot shows, where a first pass has learnt it; second, second_memory: the other layer of a background at two
    distances.
    """

    frame: Frame
    image: np.ndarray
    finding: Finding
    plate: Plate
    motion: np.ndarray
    epoch: int
    hole: Hole | None
    background: np.ndarray
    trust: np.ndarray
    timer: StageTimer
    memory: Memory | None = None
    second: Layer | None = None
    second_memory: Memory | None = None
    mistakes: int = field(init=False)

    def __post_init__(self) -> None:
        self.mistakes = self.plate.mistakes

    @property
    def nbytes(self) -> int:
        """Memory that waiting costs; the frame's own planes are estimated by its size in BGR."""
        found = (getattr(self.finding, each.name) for each in fields(self.finding))
        arrays = [self.background, self.trust, self.frame.image, *(one for one in found if hasattr(one, "nbytes"))]
        if self.hole is not None:
            arrays += [self.hole.inside, self.hole.alpha]
        arrays += [thing.mask for thing in self.finding.things]
        arrays += [one.matte for one in self.finding.displaced]
        if self.image is not self.frame.image:
            arrays.append(self.image)
        if self.frame.native is not None:
            arrays.append(self.frame.image)
        return sum(array.nbytes for array in arrays)

    @property
    def present_motion(self) -> np.ndarray:
        """Its motion from the plate's present anchor, 3x3."""
        return self.motion @ np.linalg.inv(self.plate.since(self.epoch))

    def known(self, roi: Region) -> tuple[np.ndarray, np.ndarray]:
        """What the plates know of a rectangle of the frame by now: background and trust."""
        return known(self.plate, self.present_motion, self.second, roi)

    def read_again(self) -> tuple[np.ndarray, np.ndarray]:
        """Background and trust of its hole, now: what was SEEN keeps its past, unless that was a mistake; else it takes
        what was learnt since.
        """
        assert self.hole is not None
        roi, background, trust = self.hole.roi, self.background, self.trust
        if self.plate.mistakes != self.mistakes and self.plate.epoch == self.epoch:
            _, now = self.known(roi)
            ops.put(trust, ~ops.equals(now, SEEN), UNSEEN)
        stale = ~ops.equals(trust, SEEN)
        shown = stale & ops.at_least(self.hole.alpha, 1)
        window, stale = ops.neighbourhood(shown, 0), ops.cropped(stale, shown)
        if window is None:
            return background, trust
        color, now = self.known(window.moved(roi.y0, roi.x0))
        here = trust[window.slices]
        better = stale[window.slices] & ops.not_below(now, here)
        ops.copy_where(color, better, background[window.slices])
        ops.copy_where(now, better, here)
        unseen = stale & ~ops.equals(trust, SEEN)
        window = ops.neighbourhood(unseen, 0)
        if self.memory is not None and window is not None:
            color, ever = self._remembered(self.memory, window.moved(roi.y0, roi.x0))
            here = trust[window.slices]
            better = unseen[window.slices] & ops.at_least(ever, GUESSED) & ops.not_below(ever, here)
            ops.copy_where(color, better, background[window.slices])
            ops.copy_where(ever, better, here)
        return background, trust

    def _remembered(self, memory: Memory, roi: Region) -> tuple[np.ndarray, np.ndarray]:
        """What the whole shot shows of a rectangle of the frame, as `known` gives it."""
        recalled = memory.recall(self.epoch, self.motion, roi)
        if self.second is not None and self.second_memory is not None:
            second = self.second
            recalled = second.joined(recalled, self.second_memory.recall(second.epoch, second.motion, roi))
        color, trust = map(self.plate.home.sent, recalled)
        return color, trust


def known(plate: Plate, motion: np.ndarray, second: Layer | None, roi: Region) -> tuple[np.ndarray, np.ndarray]:
    """Background and trust of a rectangle, as `Plate.read` gives them, of both layers."""
    first = plate.read(motion, roi)
    return first if second is None or not roi.height else second.joined(first, second.read(roi))
