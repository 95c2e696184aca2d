"""The latest pictures of a shot, and where the camera has carried each since."""

from __future__ import annotations

import numpy as np

from realtime import ops
from realtime.motion.glance import View

SIDE = 144  # pixels of the shorter side of the pictures that tell who moves: as many as a matte has


class Recent:
    """Remembers the `count` latest pictures, small, all of one size. State: these, how the camera moved since each."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._past: list[tuple[np.ndarray, np.ndarray]] = []

    def forget(self) -> None:
        """Start anew: the next frame is not looked at, or a step is missing."""
        self._past.clear()

    def step(self, view: View, step: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
        """Remember the next picture; a view of another size starts anew.

        step: 3x3, pixels of the frame before -> this frame's. Returns the picture, (h, w, 3) uint8; and the one `count`
        frames before it with the 3x3 matrix from its pixels to this one's, None where it is not known.
        """
        size = view.reduced(SIDE)
        picture, motion = ops.resize(view.color, size), view.from_frame(step, size)
        if self._past and self._past[0][0].shape != picture.shape:
            self.forget()
        past = [(before, motion @ matrix) for before, matrix in self._past]
        self._past = [*past, (picture, np.eye(3))][-self._count :]
        return picture, past[0] if len(past) == self._count else None
