"""Before, mask and after, side by side in one picture."""

from __future__ import annotations

import cv2
import numpy as np

PANEL_WIDTH = 640
"""Panels are at most this wide (px): three 4K pictures in a row are more than an H.264 file takes."""

_TINT = (60, 20, 220)  # BGR: crimson, rare in footage
_GAP = 4  # px between two panels, and even, so that the sum of even panels stays even


def preview_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) of the preview of a picture of that size; both even, as H.264 wants them."""
    panel_height, panel_width = _panel_size(height, width)
    return panel_height, 3 * panel_width + 2 * _GAP


def _panel_size(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, PANEL_WIDTH / width)
    return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)


def side_by_side(before: np.ndarray, hole: np.ndarray, after: np.ndarray) -> np.ndarray:
    """before | before with the hole tinted | after.

    before, after: (H, W, 3) uint8 BGR. hole: (H, W) uint8, 255 = replaced. Returns `preview_size` (h, w, 3) uint8 BGR.
    """
    height, width = _panel_size(*before.shape[:2])
    first = _shrink(before, height, width)
    share = _shrink(hole, height, width)[..., None].astype(np.uint16)  # 0 to 255
    tint = np.array(_TINT, np.uint16)
    half = (first.astype(np.uint16) + tint) // 2
    marked = ((first * (255 - share) + half * share) // 255).astype(np.uint8)
    gap = np.full((height, _GAP, 3), 255, np.uint8)
    return np.hstack([first, gap, marked, gap, _shrink(after, height, width)])


def _shrink(image: np.ndarray, height: int, width: int) -> np.ndarray:
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
