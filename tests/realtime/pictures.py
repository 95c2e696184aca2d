"""Made pictures for the tests of the core: a textured world, a camera over it, a disc that walks through."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

from realtime.frame import Frame

TIME_BASE = Fraction(1, 30)


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8: smooth blobs of several sizes, full of corners, not periodic."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cell, strength in ((4, 25), (10, 40), (40, 60)):
        noise = rng.normal(0, 1, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        total += strength * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total + 128, 5, 250).astype(np.uint8)


def look(world: np.ndarray, camera: np.ndarray, height: int, width: int) -> np.ndarray:
    """What a camera sees: `camera` maps world pixels to frame pixels."""
    return cv2.warpPerspective(world, camera, (width, height), flags=cv2.INTER_CUBIC)


def disc(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    """(H, W) uint8 mask of a disc."""
    rows, columns = np.indices((height, width))
    return (((columns - x) ** 2 + (rows - y) ** 2) < radius**2).astype(np.uint8) * 255


def put(image: np.ndarray, mask: np.ndarray, color: tuple[int, int, int] = (20, 20, 230)) -> np.ndarray:
    """The picture with a plain object drawn where the mask is set."""
    return np.where(mask[..., None] > 0, np.array(color, np.uint8), image)


def frame(image: np.ndarray, index: int) -> Frame:
    return Frame(np.ascontiguousarray(image), index, index, TIME_BASE)


def psnr(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    """Decibels over the pixels where the mask is set."""
    error = (a.astype(np.float64) - b.astype(np.float64))[where > 0]
    return float(10 * np.log10(255**2 / max(1e-9, float(np.mean(error**2)))))
