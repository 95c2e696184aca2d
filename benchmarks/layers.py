"""What makes a composite's background more than one picture: a layer that stands nearer, and parts that move."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

_FINE = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]])  # pixel -> pixel of the picture enlarged twice
_POST = 22  # pixels that a post is wide


@dataclass(frozen=True)
class Layer:
    """Things that stand at one distance before the world.

    colour: (h, w, 3) float32 BGR times alpha; alpha: (h, w) float32 in [0, 1]; both in pixels of twice the world's
    size. cameras: per frame 3x3, pixels of the world's size at this distance -> pixels of the frame.
    """

    colour: np.ndarray
    alpha: np.ndarray
    cameras: list[np.ndarray]

    @classmethod
    def wall(
        cls, texture: np.ndarray, cameras: list[np.ndarray], *, top: int, posts: Iterable[int], size: tuple[int, int]
    ) -> Layer:
        """A wall from y = `top` down, with posts that rise above it at some x; texture: (h, w, 3) float32 BGR, repeated
        as a mirror; size: (width, height) of the layer, pixels of the world's size.
        """
        width, height = 2 * size[0], 2 * size[1]
        rows, columns = np.indices((height, width), dtype=np.float32)
        shape = rows > 2 * top + 6 * np.sin(columns / 37) + 4 * np.sin(columns / 11)
        for x in posts:
            shape |= (np.abs(columns - 2 * x) < _POST) & (rows > 2 * top - 240 + 40 * np.sin(x))
        alpha = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), 1.0)
        fine = cv2.resize(texture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        colour = cv2.remap(fine, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return cls(colour * alpha[..., None], alpha, cameras)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of the world's size."""
        return self.alpha.shape[1] // 2, self.alpha.shape[0] // 2

    def first(self, frames: int) -> Layer:
        """The layer of the first so many frames."""
        return replace(self, cameras=self.cameras[:frames])

    def seen(self, index: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Colour and alpha of a frame of (H, W) = `shape`, at twice that size."""
        matrix = _FINE @ self.cameras[index] @ np.linalg.inv(_FINE)
        size = 2 * shape[1], 2 * shape[0]
        return cv2.warpPerspective(self.colour, matrix, size), cv2.warpPerspective(self.alpha, matrix, size)


@dataclass(frozen=True)
class Motion:
    """What moves by itself in a world: all of it sways, like leaves and water, and a screen changes.

    screens: what the screen shows in turn, (h, w, 3) float32 BGR each, in pixels of twice the world's size; corner:
    (x, y) of it in the world; hold: frames for which it shows one of them; sway: the largest shift, world pixels.
    """

    screens: Sequence[np.ndarray]
    corner: tuple[int, int]
    hold: int
    sway: float
    fps: int

    def moved(self, fine: np.ndarray, index: int) -> np.ndarray:
        """The world, (h, w, 3) float32 at twice its size, as it is in a frame."""
        rows, columns = np.indices(fine.shape[:2], dtype=np.float32)
        time = 2 * np.pi * index / self.fps
        x = np.sin(columns / 31 + rows / 47 + 0.7 * time) + np.sin(rows / 19 - 1.1 * time)
        y = np.sin(columns / 23 - rows / 41 - 0.9 * time)
        moved = cv2.remap(fine, columns + self.sway * x, rows + self.sway * y, cv2.INTER_CUBIC, None, 3)
        screen = self.screens[index // self.hold % len(self.screens)]
        left, top = 2 * self.corner[0], 2 * self.corner[1]
        moved[top : top + screen.shape[0], left : left + screen.shape[1]] = screen
        return moved


def figures(pictures: Iterable[np.ndarray], size: tuple[int, int]) -> list[np.ndarray]:
    """Pictures as a screen of (H, W) = `size` world pixels shows them: float32, at twice that size."""
    return [
        cv2.resize(each, (2 * size[1], 2 * size[0]), interpolation=cv2.INTER_AREA).astype(np.float32)
        for each in pictures
    ]
