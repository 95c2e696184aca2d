"""Who is not erased and stands still: to an object that passes in front, such people are background.

They may go at any time, so they are no background that a plate should trust (`realtime.background.plate.Evidence`).
Whoever moves would leave limbs in it, so the plate learns nothing of them.
"""

from __future__ import annotations

import cv2
import numpy as np

from realtime import masks, ops
from realtime.background.recent import Recent
from realtime.hole import beside
from realtime.motion.glance import View

BEFORE = 5  # frames for which somebody must have stood still
MOVES = 0.04  # share of the height around what has changed in which all counts as moving
AROUND = 0.3  # share of the height over which people move as one, since their clothes may be plain
UNREST = 0.03  # share of people that must have changed there for them to move
APART = 0.08  # share of the height around the objects in which what is not theirs may be a limb that was left out


class Bystanders:
    """Tells who stands still in one shot. State: the latest pictures."""

    def __init__(self) -> None:
        self._recent = Recent(BEFORE)

    def forget(self) -> None:
        """Start anew: the next frame is not looked at, or a step is missing."""
        self._recent.forget()

    def step(self, view: View, step: np.ndarray, matte: np.ndarray, foreign: np.ndarray) -> np.ndarray:
        """Where the next frame shows people who stand still: uint8, at the view's size or smaller.

        matte: (h, w) float32 of any size, of the objects that are erased; foreign: (h, w) uint8 likewise, what is
        neither theirs nor background; step: 3x3, pixels of the frame before -> this frame's.
        """
        picture, past = self._recent.step(view, step)
        size = picture.shape[0], picture.shape[1]
        if past is None:
            return np.zeros(size, np.uint8)
        before, motion = past
        shown = ops.warp_mask(np.full(size, 255, np.uint8), motion, size)  # by the camera then as well
        # Misregistered edges are thin lines.
        moved = ops.opened(masks.unlike(picture, ops.warp(before, motion, size, cubic=False)), 1) & shown
        people, window = ~beside(foreign, size), (round(AROUND * size[0]),) * 2
        unrest = cv2.blur(people & moved, window) > UNREST * cv2.blur(people, window).astype(np.float32)
        restless = ops.grow_square(moved, round(MOVES * size[0])) | np.negative(unrest.view(np.uint8))
        objects = ops.at_least(ops.resize(matte, size), masks.OFF)
        return people & shown & ~restless & ~ops.grow_square(objects, round(APART * size[0]))
