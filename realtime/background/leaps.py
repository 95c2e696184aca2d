"""Tells somebody passing from a background that moves by itself: the one leaps, the other goes on.

Water and leaves change from frame to frame by about as much as they did before. Where a pixel changes by far more,
something has come in front of it, or has gone, though its colour may be one that the background shows as well.
"""

from __future__ import annotations

import cv2
import numpy as np

from realtime import ops

FORGETS = 31.0 / 32.0  # of the strongest change, in a frame
LEAP = 1.25, 12.0  # times the usual change, and grey levels more, from which on one is a leap
SURPRISE = 1.25, 6.0  # the same that may be learnt at once
RETURNS = 10  # frames in the open after which a pixel must go on from what was believed of it


class Leaps:
    """Tells what leaps. State: the picture before, by how much at most each pixel changed from frame to frame of late,
    and what was believed of it last.
    """

    def __init__(self, picture: np.ndarray) -> None:
        """picture: (h, w, 3) float32 BGR, the first."""
        self._before, self._believed = picture, picture.copy()
        self._usual = np.zeros(picture.shape[:2], np.float32)

    def carry(self, matrix: np.ndarray, size: tuple[int, int]) -> None:
        """Move all that is known with the camera."""
        layers = self._before, self._believed, self._usual
        self._before, self._believed, self._usual = (ops.warp(each, matrix, size, cubic=False) for each in layers)

    def step(self, picture: np.ndarray, open_for: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What leaps, and what goes on from what was believed last, or is only just seen again: (h, w) uint8 each.

        picture: (h, w, 3) float32 BGR, the next; open_for: (h, w) uint8, frames in a row in which the background showed
        up to now.
        """
        change = strongest(cv2.absdiff(picture, self._before))
        limit = LEAP[0] * self._usual + LEAP[1]
        known = ops.at_least(open_for, 1)
        leaps = known & cv2.compare(change, limit, cv2.CMP_GT)
        most = SURPRISE[0] * self._usual + SURPRISE[1]
        cv2.copyTo(cv2.min(cv2.max(change, self._usual * FORGETS), most), known, self._usual)
        self._before = picture
        goes_on = ops.not_below(limit, strongest(cv2.absdiff(picture, self._believed)))
        return leaps, goes_on | ~ops.at_least(open_for, RETURNS)

    def believe(self, where: np.ndarray) -> None:
        """The latest picture shows the background where a (h, w) uint8 mask is set."""
        cv2.copyTo(self._before, where, self._believed)


def strongest(change: np.ndarray) -> np.ndarray:
    """The highest of a (h, w, 3) picture's channels."""
    blue, green, red = cv2.split(change)
    return cv2.max(cv2.max(blue, green), red)
