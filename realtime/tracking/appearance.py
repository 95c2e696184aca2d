"""What an object looks like: the distribution of its colours, to tell whether it is still the same, and to find it."""

from __future__ import annotations

import cv2
import numpy as np

from realtime import ops
from realtime.ops import Region

BINS = [12, 12, 12]  # of lightness, green-red and blue-yellow (CIE Lab as OpenCV scales it)
RANGES = [0, 256, 0, 256, 0, 256]
CHANNELS = [0, 1, 2]
KEPT = 0.95  # share of the model that one more look leaves as it was


class Appearance:
    """A colour histogram in Lab that follows slow changes of light. State: the histogram, its sum 1."""

    def __init__(self, lab: np.ndarray, matte: np.ndarray):
        """lab: (h, w, 3) uint8; matte: (h, w) float32, the object."""
        self._histogram = _histogram(lab, _core(matte))

    def distance(self, lab: np.ndarray, matte: np.ndarray) -> float:
        """How unlike the object what the matte covers is: 0 the same, 1 nothing in common (Bhattacharyya)."""
        return cv2.compareHist(self._histogram, _histogram(lab, _core(matte)), cv2.HISTCMP_BHATTACHARYYA)

    def learn(self, lab: np.ndarray, matte: np.ndarray) -> None:
        """Take in one more look of it."""
        self._histogram = KEPT * self._histogram + (1 - KEPT) * _histogram(lab, _core(matte))

    def likelihood(self, lab: np.ndarray, mask: np.ndarray, reach: int) -> np.ndarray:
        """How likely each pixel's colour is the object's rather than its surroundings': (h, w) float32 in [0, 1].

        mask: (h, w) uint8, where the object is about; reach: pixels around it that count as its surroundings.
        """
        around = ops.grow_square(mask, reach) & np.bitwise_not(ops.grow_square(mask, 2))
        beside = _histogram(lab, around)
        share = (self._histogram / (self._histogram + beside + 1e-5)).astype(np.float32)
        return _looked_up(lab, share)

    def find(self, lab: np.ndarray, size: tuple[int, int], taken: np.ndarray) -> Region:
        """Where, in a picture, a (height, width) box holds most of the object's colours and few others.

        taken: (h, w) uint8, 255 where it cannot be. Ratio histogram back-projection (Swain and Ballard, 1991).
        """
        everything = _histogram(lab, None)
        ratio = np.minimum(self._histogram / (everything + 1e-4), 4.0).astype(np.float32)
        likely = _looked_up(lab, ratio)
        likely -= float(likely.mean())
        likely[taken > 0] = -4.0
        height, width = (max(3, min(side, limit)) for side, limit in zip(size, likely.shape, strict=True))
        score = cv2.boxFilter(likely, -1, (width, height), borderType=cv2.BORDER_CONSTANT)
        _, _, _, (x, y) = cv2.minMaxLoc(score)
        y0, x0 = max(0, y - height // 2), max(0, x - width // 2)
        return Region(y0, min(lab.shape[0], y0 + height), x0, min(lab.shape[1], x0 + width))


def _looked_up(lab: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Each pixel's entry in a histogram-shaped table, (h, w) float32."""
    first, second, third = (lab[..., c].astype(np.int32) * BINS[c] // 256 for c in CHANNELS)
    return values[first, second, third]


def _core(matte: np.ndarray) -> np.ndarray:
    """Where the matte is sure, (h, w) uint8; the edge mixes with the background, but thin things have nothing else."""
    mask = np.negative((matte >= 0.5).view(np.uint8))
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8))
    return inner if cv2.countNonZero(inner) * 3 >= cv2.countNonZero(mask) else mask


def _histogram(lab: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    histogram = cv2.calcHist([lab], CHANNELS, mask, BINS, RANGES)
    # Light moves colours into neighbouring bins: let each count a little there too.
    for axis in range(3):
        histogram = 0.6 * histogram + 0.2 * (_shifted(histogram, axis, 1) + _shifted(histogram, axis, -1))
    return (histogram / max(1e-9, float(histogram.sum()))).astype(np.float32)


def _shifted(histogram: np.ndarray, axis: int, by: int) -> np.ndarray:
    """Shifted by one bin, the outermost repeated."""
    padded = np.pad(histogram, [(1, 1) if each == axis else (0, 0) for each in range(3)], mode="edge")
    return np.take(padded, range(1 - by, 1 - by + histogram.shape[axis]), axis)
