"""A fill that is made elsewhere than in the eraser's thread, while a quick one bridges the hole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime import ops
from realtime.background.exposure import Exposure
from realtime.background.plate import Plate
from realtime.ops import Region

MARGIN = 0.08  # share of the frame's height that a fill reaches beyond the picture


@dataclass(frozen=True)
class Place:
    """Where a fill belongs. plate, motion, epoch, exposure: as in `realtime.pending.Pending`; roi: in the frame."""

    plate: Plate
    motion: np.ndarray
    epoch: int
    exposure: Exposure
    roi: Region

    def remember(self, filled: np.ndarray, unknown: np.ndarray) -> None:
        """Store the roi's fill, (h, w, 3) uint8, in the plate as GUESSED where `unknown`, (h, w) uint8, is set."""
        # A moving camera will soon show what lies just outside the picture: carry the guess on over its edge, mirrored,
        # since a repeated edge is a streak.
        margin = round(MARGIN * self.plate.frame_size[0])
        filled, unknown = map(self.plate.home.sent, (filled, unknown))
        guess = ops.pad(self.exposure.remove(filled), margin, mirrored=True)
        guessed = ops.pad(unknown, margin)
        motion = self.motion @ np.linalg.inv(self.plate.since(self.epoch))
        self.plate.write_guess(guess, motion, self.roi.expanded(margin), guessed)

    def resized(self, plate: Plate) -> Place:
        """The same place on a plate that goes on from this one's present anchor at another size."""
        before, now = self.plate.frame_size, plate.frame_size
        to_new = ops.scaling(before, now)
        motion = to_new @ self.motion @ np.linalg.inv(self.plate.since(self.epoch)) @ np.linalg.inv(to_new)
        (x0, y0), _, (x1, y1), _ = np.rint(ops.transform_points(to_new, ops.region_corners(self.roi)) + 0.5)
        roi = Region(max(0, int(y0)), min(now[0], int(y1)), max(0, int(x0)), min(now[1], int(x1)))
        return Place(plate, motion, plate.epoch, self.exposure, roi)


@dataclass(frozen=True)
class FillJob:
    """A fill to be made: give `image`, (H, W, 3) uint8 BGR, and `mask`, (H, W) uint8, 255 = unknown, to a filler."""

    image: np.ndarray
    mask: np.ndarray
    place: Place


def quick_fill(picture: np.ndarray, unknown: np.ndarray, coarse: int = 1) -> np.ndarray:
    """A smooth bridge over what is unknown: (h, w, 3) uint8, unknown: (h, w) uint8, 255 there.

    coarse: pixels of the picture to one of the bridge, each way; a bridge for a moment need not be fine.
    """
    values, known = ops.to_float(picture), ops.to_weight(~unknown)
    if coarse == 1:
        return ops.to_uint8(ops.push_pull(values, known))
    size = max(1, known.shape[0] // coarse), max(1, known.shape[1] // coarse)
    small, weights = ops.mean_of_known(values, known, size, coarse)
    smooth = ops.to_uint8(ops.resize(ops.push_pull(small, weights), (known.shape[0], known.shape[1])))
    ops.copy_where(picture, ~unknown, smooth)
    return smooth
