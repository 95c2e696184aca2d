"""Ways to spoil a picture: masks of what is missing, by kind. Seeded."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from engines.holes import blob, strokes


def noise(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Half of all pixels."""
    return (rng.random(shape) < 0.5).astype(np.uint8) * 255


def text(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Lines of letters across the picture."""
    mask = np.zeros(shape, np.uint8)
    size = shape[0] / 160
    for y in range(round(22 * size), shape[0] + 1, round(32 * size)):
        letters = "".join(rng.choice(list("abcdefghiklmnoprstuvwxyz ")) for _ in range(24))
        place = -int(rng.integers(0, 20)), y
        cv2.putText(mask, letters, place, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * size, 255, max(1, round(2 * size)))
    return mask


def scratches(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A dozen thin lines."""
    mask = np.zeros(shape, np.uint8)
    for _ in range(12):
        (x0, x1), (y0, y1) = rng.integers(0, shape[1], 2).tolist(), rng.integers(0, shape[0], 2).tolist()
        cv2.line(mask, (x0, y0), (x1, y1), 255, max(1, shape[0] // 64))
    return mask


def shapes(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A few closed shapes and thick strokes."""
    return blob(rng, shape) | blob(rng, shape) | strokes(rng, shape)


CORRUPTIONS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "noise": noise,
    "text": text,
    "scratches": scratches,
    "shapes": shapes,
}
