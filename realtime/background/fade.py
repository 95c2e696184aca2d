"""What replaces a guess fades in: neither the real background nor a better guess may pop up behind a hidden object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime import ops
from realtime.background.plate import GUESSED, Plate
from realtime.ops import Region

SHARE = 0.15  # of what is left to change, per frame
LASTS = 20  # frames: then nothing is left to be seen of the change
NOTICED = 8.0  # grey levels, averaged over 5 x 5 pixels, that are a change and no resampling


@dataclass
class _Shown:
    """The hole of the frame that was rendered last: its picture, what of it was guessed, and where it lay.

    picture: (h, w, 3) uint8; guessed: (h, w) uint8, 255 in the hole where a guess was shown; left: (h, w) uint8, frames
    for which a pixel still changes; region: of the frame; motion: from the anchor of `epoch` of `plate`.
    """

    plate: Plate
    motion: np.ndarray
    epoch: int
    region: Region
    picture: np.ndarray
    guessed: np.ndarray
    left: np.ndarray

    def seen_from(self, motion: np.ndarray, region: Region) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Picture, `guessed` and `left` as a region of another frame would show them; 0 where they reach no further."""
        step = motion @ self.plate.since(self.epoch) @ np.linalg.inv(self.motion)
        step = ops.translation(-region.x0, -region.y0) @ step @ ops.translation(self.region.x0, self.region.y0)
        size = region.height, region.width
        picture = ops.warp(self.picture, step, size, cubic=False)
        return picture, ops.warp_mask(self.guessed, step, size), ops.warp_nearest(self.left, step, size)


class Fade:
    """Carries what the hole showed from frame to frame: the hole that was rendered last. It does not change."""

    def __init__(self, shown: _Shown | None = None) -> None:
        self._shown = shown

    def step(
        self,
        picture: np.ndarray,
        inside: np.ndarray,
        trust: np.ndarray,
        plate: Plate,
        motion: np.ndarray,
        region: Region,
    ) -> tuple[np.ndarray, Fade]:
        """The picture to show of the next frame's hole, and what to carry on from there.

        picture: (h, w, 3) uint8 BGR, erased; inside: (h, w) uint8, the hole; trust: (h, w) uint8, of what fills it;
        motion: present anchor of the plate -> frame pixels; region: of the frame. Returns (h, w, 3) uint8, equal to
        `picture` outside the hole and wherever no guess was shown lately.
        """
        shown, left = self._shown, ops.zeros_like(inside)
        fades = shown is not None and not (ops.surely_empty(shown.guessed) and ops.surely_empty(shown.left))
        if shown is not None and shown.plate is plate and fades:
            before, guessed, left = shown.seen_from(motion, region)
            left = ops.fading(picture, before, guessed, left, inside, noticed=NOTICED, lasts=LASTS)
            if not ops.surely_empty(left):
                picture = ops.blend_where(picture, before, left, SHARE)
        guessed = inside & ~ops.at_least(trust, GUESSED + 1)
        return picture, Fade(_Shown(plate, motion, plate.epoch, region, picture, guessed, left))
