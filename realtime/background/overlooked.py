"""Who is found late, or was let go for a while, stands in the plate as background: to erase them shows them again.

The frames of a shot vote on every point that shows what the plate shows: against an object where the network finds
none, for one where it is sure of one. Where most are for it, and the two pictures surely show the same thing, the plate
holds the object. What is plain proves nothing: a dark coat before a dark wall shows what the wall shows.
"""

from __future__ import annotations

import cv2
import numpy as np

from realtime import masks, ops
from realtime.background.recent import SIDE
from realtime.motion.flow import DenseFlow
from realtime.motion.glance import View
from realtime.ops import Region

CELLS = 36  # to the shorter side of the picture, for votes: who sways a little still shows the same
SURE = 0.8  # a matte from which it is a vote
WEIGHT = 2.0  # of a vote for an object: who stays in the picture is worse than what is invented
ENOUGH = 16.0  # votes in favour
LATELY = 30.0  # votes against what hangs together with an object that was overlooked, and is taken for part of it
MOST = 150.0  # votes against that are remembered
SMALLEST = 6  # cells that hang together and are worth a look
WINDOW = 0.07  # share of the height over which two pictures are compared
TEXTURE = 5.0  # grey levels of standard deviation there that are no noise
ALIKE = 0.7  # correlation of two pictures that show the same
PROOF = 0.3  # share of a part in which both must have texture that is alike
OTHERWISE = 0.1  # share in which one may have texture that the other has not


class Overlooked:
    """Tells what the plate of one shot holds of objects. State: the votes."""

    def __init__(self) -> None:
        self._votes: np.ndarray | None = None
        self._flow = DenseFlow()

    def forget(self) -> None:
        """Start anew: the next frame is not looked at, or a step is missing."""
        self._votes = None

    def step(
        self, view: View, step: np.ndarray, matte: np.ndarray, expected: np.ndarray, seen: np.ndarray
    ) -> np.ndarray | None:
        """Where the plate shows an object itself, as far as the next frame tells: (h, w) uint8, of a size of its own;
        None where it does so nowhere.

        matte: (h, w) float32 of any size, of the objects that are erased; expected: (h, w, 3) uint8, the plate as this
        view should show it; seen: (h, w) uint8, 255 where that is SEEN; step: 3x3, pixels of the frame before -> this
        frame's.
        """
        size = view.reduced(CELLS)
        matte, known = ops.resize(matte, size), ops.at_least(ops.resize(seen, size), 255)
        same = known & ~masks.unlike(ops.resize(view.color, size), ops.resize(expected, size))
        sure = ops.at_least(matte, SURE) & same
        votes = self._carried(view, step, size)
        votes[sure > 0] += WEIGHT
        votes[(same & ~ops.at_least(matte, masks.OFF)) > 0] -= 1
        votes[known == 0] = 0
        self._votes = np.clip(votes, -MOST, ENOUGH)
        proven = np.zeros_like(sure)
        for region, part in masks.clusters(sure & ops.at_least(self._votes, ENOUGH)):
            if ops.count(part) >= SMALLEST:
                if self._is_the_same(view, expected, region, part):
                    proven |= part
                else:
                    self._votes[part > 0] = 0  # to be looked at again some frames later
        if not proven.any():
            return None
        # With all of it that was not background for long, and what was invented beside that.
        whole = ops.at_least(matte, masks.ON) & ops.at_least(self._votes, -LATELY)
        found = ops.select_parts(whole, proven, least=1)
        self._votes[found > 0] = 0
        return found

    def _carried(self, view: View, step: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The votes until now, where the camera has carried them."""
        if self._votes is None or self._votes.shape != size:
            return np.zeros(size, np.float32)
        return ops.warp_soft(self._votes, view.from_frame(step, size), size)

    def _is_the_same(self, view: View, expected: np.ndarray, region: Region, part: np.ndarray) -> bool:
        """Whether view and plate surely show one thing in a part, (h, w) uint8 with its region, though it may sway."""
        size = view.reduced(SIDE)
        scale = size[0] / part.shape[0]
        here = Region(*(round(bound * scale) for bound in region)).expanded_within(8, *size).slices
        picture, plate = (
            cv2.cvtColor(ops.resize(each, size)[here], cv2.COLOR_BGR2GRAY) for each in (view.color, expected)
        )
        flow = self._flow(picture, plate)
        rows, columns = np.indices(picture.shape, dtype=np.float32)
        aligned = cv2.remap(plate, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR)
        within = ops.at_least(ops.resize(part, size), 128)[here] > 0
        window = round(WINDOW * size[0]) | 1
        alike, otherwise = _compared(picture.astype(np.float32), aligned.astype(np.float32), window)
        return bool(alike[within].mean() > PROOF and otherwise[within].mean() < OTHERWISE)


def _compared(a: np.ndarray, b: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Where two (h, w) float32 pictures have one texture in windows of `side` pixels, and where they have different
    ones: (h, w) bool each."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (side, side))

    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    correlation = (mean(a * b) - mean_a * mean_b) / np.sqrt(np.maximum(variances[0] * variances[1], 1e-6))
    plain = TEXTURE**2
    alike = (np.minimum(*variances) > plain) & (correlation > ALIKE)
    return alike, (np.maximum(*variances) > plain) & (correlation < ALIKE / 2)
