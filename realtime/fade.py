"""What replaces a guess fades in: neither the real background nor a better guess may pop up behind a hidden object."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime import ops
from realtime.ops import Region
from realtime.plate import GUESSED, Plate

SHARE = 0.15  # of what is left to change, per frame
DONE = 2.0  # grey levels, in the strongest channel: nobody sees a step this small


@dataclass
class _Shown:
    """The hole of the frame that was rendered last: its picture, where it may still change, and where it lay.

    picture: (h, w, 3) uint8; soft: (h, w) uint8, 255 in the hole where a guess was shown or is fading still; region: of
    the frame; motion: from the present anchor of `plate`.
    """

    plate: Plate
    motion: np.ndarray
    epoch: int
    region: Region
    picture: np.ndarray
    soft: np.ndarray

    def seen_from(self, motion: np.ndarray, region: Region) -> tuple[np.ndarray, np.ndarray]:
        """Picture and `soft` as a region of another frame would show them; `soft` is 0 where they reach no further."""
        step = motion @ self.plate.since(self.epoch) @ np.linalg.inv(self.motion)
        step = ops.translation(-region.x0, -region.y0) @ step @ ops.translation(self.region.x0, self.region.y0)
        size = region.height, region.width
        return ops.warp(self.picture, step, size, cubic=False), ops.warp_mask(self.soft, step, size)


class Fade:
    """Carries what the hole showed from frame to frame. State: the hole that was rendered last."""

    def __init__(self) -> None:
        self._shown: _Shown | None = None

    def step(
        self,
        picture: np.ndarray,
        inside: np.ndarray,
        trust: np.ndarray,
        plate: Plate,
        motion: np.ndarray,
        region: Region,
    ) -> np.ndarray:
        """The picture to show of the next frame's hole.

        picture: (h, w, 3) uint8 BGR, erased; inside: (h, w) uint8, the hole; trust: (h, w) uint8, of what fills it;
        motion: present anchor of the plate -> frame pixels; region: of the frame. Returns (h, w, 3) uint8, equal to
        `picture` outside the hole and wherever no guess was shown lately.
        """
        shown, changing = self._shown, None
        if shown is not None and shown.plate is plate and shown.soft.any():
            before, soft = shown.seen_from(motion, region)
            far = ops.at_least(ops.strongest(cv2.absdiff(picture, before)), DONE)
            changing = soft & inside & far
            if changing.any():
                picture = picture.copy()
                cv2.copyTo(cv2.addWeighted(picture, SHARE, before, 1 - SHARE, 0), changing, picture)
        soft = inside & ~ops.at_least(trust, GUESSED + 1)
        if changing is not None:
            soft |= changing
        self._shown = _Shown(plate, motion, plate.epoch, region, picture, soft)
        return picture
