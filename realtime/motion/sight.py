"""The plate as a frame sees it, at the size of views, and how little two pictures have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime import ops
from realtime.background.exposure import Exposure
from realtime.background.plate import SEEN, UNSEEN, Plate
from realtime.motion.glance import View, equalised

NOISE_CONTRAST = 10.0  # grey levels of an equalised view that may be nothing but noise


@dataclass(frozen=True)
class Sight:
    """The plate as a frame sees it, at view size.

    color: (h, w, 3) uint8 BGR in the anchor's exposure, the frame's own pixels where the plate is UNSEEN; contrast: the
    same, equalised; known: (h, w) uint8, 255 where it is not UNSEEN; seen: (h, w) uint8, 255 where it is SEEN.
    """

    color: np.ndarray
    contrast: np.ndarray
    known: np.ndarray
    seen: np.ndarray

    def exposed(self, exposure: Exposure) -> np.ndarray:
        """The colours as a frame of this exposure shows them, (h, w, 3) uint8."""
        return self.color if exposure.neutral else ops.to_uint8(exposure.apply(self.color))

    @staticmethod
    def of(plate: Plate, motion: np.ndarray, view: View, foreseen: Foresight | None = None) -> Sight:
        """foreseen: what may have been read already."""
        read = None if foreseen is None else foreseen.seen_from(motion, view, plate)
        color, trust = read or plate.home.fetch(*_read(plate, motion, view.size))
        unseen = ops.equals(trust, UNSEEN)
        ops.copy_where(view.color, unseen, color)
        return Sight(color, equalised(color), ~unseen, ops.equals(trust, SEEN))


class Foresight:
    """The plate as the latest frame shows it, read once that was learnt: what the next frame is held against.

    From a device it comes with the next pictures that are fetched, so that it is not waited for. A camera that has
    moved since sees it from a little beside; what lies beyond its edge is then unseen.
    """

    def __init__(self, plate: Plate, motion: np.ndarray, size: tuple[int, int]) -> None:
        """motion: of the latest frame; size: of its view."""
        self._plate, self._changes = plate, plate.changes
        self._motion, self._size = motion, size
        self._read = plate.home.fetch_later(*_read(plate, motion, size))

    def holds(self, plate: Plate) -> bool:
        """Whether it is what the plate knows now."""
        return plate is self._plate and plate.changes == self._changes

    def seen_from(self, motion: np.ndarray, view: View, plate: Plate) -> tuple[np.ndarray, np.ndarray] | None:
        """Colours, (h, w, 3) uint8, and trust, (h, w) uint8, as a view of another motion shows them; None where the
        plate, or the size of views, has changed.
        """
        if not self.holds(plate) or view.size != self._size:
            return None
        color, trust = self._read()
        if np.array_equal(motion, self._motion):
            return color.copy(), trust
        step = view.from_frame(motion @ np.linalg.inv(self._motion))
        return ops.warp(color, step, self._size, cubic=False), ops.warp_levels(trust, step, self._size, SEEN)


def _read(plate: Plate, motion: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The plate as a frame of this motion shows it, at a view's size."""
    height, width = plate.frame_size
    return plate.read_scaled(motion, ops.Region(0, height, 0, width), size, cubic=False)


def disagreement(first: np.ndarray, second: np.ndarray, usable: np.ndarray) -> float:
    """How little two pictures have in common: 0 the same, about 1 unrelated. Blind to exposure.

    first, second: (h, w) uint8 equalised views, aligned; usable: (h, w) uint8, the pixels to compare.
    Mean absolute difference over that of two unrelated pictures of the same contrast; plain pictures agree.
    """
    thinned = slice(None, None, 3), slice(None, None, 3)
    chosen = usable[thinned] > 0
    if np.count_nonzero(chosen) < 100:
        return 0.0
    a, b = first[thinned][chosen].astype(np.float32), second[thinned][chosen].astype(np.float32)
    contrast = float(np.hypot(a.std(), b.std())) * 0.8  # E|a - b| of independent normal values
    return float(np.abs(a - b - np.median(a - b)).mean()) / (contrast + NOISE_CONTRAST)
