"""The latest pictures of a shot, and where the camera has carried each since."""

from __future__ import annotations

import numpy as np


class Recent:
    """Remembers the `count` latest pictures, all of one size. State: these, and how the camera moved since each."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._past: list[tuple[np.ndarray, np.ndarray]] = []

    def forget(self) -> None:
        """Start anew: the next frame is not looked at, or a step is missing."""
        self._past.clear()

    def step(self, picture: np.ndarray, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Remember the next picture; the one `count` frames before it, None where that is not known.

        motion: 3x3, pixels of the picture before -> this one's. Returns the picture and the 3x3 matrix from its pixels
        to this one's. A picture of another size starts anew.
        """
        if self._past and self._past[0][0].shape != picture.shape:
            self.forget()
        past = [(before, motion @ matrix) for before, matrix in self._past]
        self._past = [*past, (picture, np.eye(3))][-self._count :]
        return past[0] if len(past) == self._count else None
