"""Contact sheets: what each method makes of the same frames, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

LINE = 20  # pixels that a line of text takes


def contact_sheet(
    columns: Sequence[str], rows: Sequence[tuple[str | None, Sequence[np.ndarray]]], width: int
) -> np.ndarray:
    """Lay pictures out with a heading above each column and a label above each row.

    rows: label, if any, and one (H, W, 3) uint8 BGR picture per column; pictures are scaled to `width` pixels.
    Returns (h, w, 3) uint8 BGR.
    """
    strips = [np.concatenate([_text(name, width) for name in columns], axis=1)]
    for label, pictures in rows:
        if label is not None:
            strips.append(_text(label, width * len(columns), shade=70))
        strips.append(np.concatenate([_fit(picture, width) for picture in pictures], axis=1))
    return np.concatenate(strips, axis=0)


def overlay(frame: np.ndarray, mask: np.ndarray, tint: tuple[int, int, int] = (40, 40, 255)) -> np.ndarray:
    """The frame with the mask tinted, red by default; (H, W, 3) uint8 BGR, mask (H, W) uint8, tint BGR."""
    tinted = cv2.addWeighted(frame, 0.5, np.full_like(frame, tint), 0.5, 0)
    return np.where(mask[..., None] > 0, tinted, frame)


def close_up(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The part of a picture around a mask: half as wide, as high as the mask with some margin; (h, w, 3) uint8."""
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    if not rows.size:
        rows, columns = np.array([height // 2]), np.array([width // 2])
    top, bottom = max(0, rows.min() - height // 10), min(height, rows.max() + 1 + height // 10)
    left = int(np.clip(columns.mean() - width / 4, 0, width - width // 2))
    return picture[top:bottom, left : left + width // 2]


def _fit(picture: np.ndarray, width: int) -> np.ndarray:
    if picture.shape[1] == width:
        return picture
    height = round(picture.shape[0] * width / picture.shape[1])
    method = cv2.INTER_AREA if picture.shape[1] > width else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=method)


def _text(text: str, width: int, shade: int = 30) -> np.ndarray:
    strip = np.full((LINE, width, 3), shade, np.uint8)
    cv2.putText(strip, text, (6, LINE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return strip
