"""Where the picture lies in the window, which may have any size and shape."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, slots=True)
class Placement:
    """The picture, `scale` times as large, with its left top corner at window pixel (left, top).

    size: (height, width) in the window. Both coordinates are (x, y) with pixel centres at integers.
    """

    left: int
    top: int
    size: tuple[int, int]
    scale: float

    @classmethod
    def fit(cls, picture: tuple[int, int], window: tuple[int, int]) -> Placement:
        """As large as a window of (height, width) can show a picture of (height, width), in its middle."""
        scale = min(window[0] / picture[0], window[1] / picture[1])
        height, width = (max(1, round(side * scale)) for side in picture)
        return cls((window[1] - width) // 2, (window[0] - height) // 2, (height, width), scale)

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """The picture's coordinates of a window pixel; outside the picture where that is."""
        return (x - self.left + 0.5) / self.scale - 0.5, (y - self.top + 0.5) / self.scale - 0.5

    def to_window(self, x: float, y: float) -> tuple[float, float]:
        """The window's coordinates of a picture pixel."""
        return (x + 0.5) * self.scale - 0.5 + self.left, (y + 0.5) * self.scale - 0.5 + self.top

    def draw(self, picture: np.ndarray, window: tuple[int, int]) -> np.ndarray:
        """The window's content: the picture in its place, black around it. A new (height, width, 3) uint8 array."""
        if self.size == window:
            return picture.copy() if picture.shape[:2] == window else self._scaled(picture)
        canvas = np.zeros((*window, 3), np.uint8)
        height, width = self.size
        canvas[self.top : self.top + height, self.left : self.left + width] = self._scaled(picture)
        return canvas

    def _scaled(self, picture: np.ndarray) -> np.ndarray:
        """The picture at its size in the window."""
        interpolation = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        return cv2.resize(picture, self.size[::-1], interpolation=interpolation)
