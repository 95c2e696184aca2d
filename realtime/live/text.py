"""Text on pictures: with the font that OpenCV has built in from version 5 on, with strokes (Hershey) before."""

from __future__ import annotations

import cv2
import numpy as np

Color = tuple[int, int, int]

REGULAR, BOLD = 400, 600
_FONT = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None
_STROKES = cv2.FONT_HERSHEY_SIMPLEX


def draw_text(
    image: np.ndarray, text: str, at: tuple[int, int], size: int, color: Color, weight: int = REGULAR
) -> None:
    """Draw one line in place, its baseline starting at `at` (x, y); size: of the font, pixels; color: BGR."""
    if _FONT is not None:
        # A wrap range wider than the picture keeps OpenCV from breaking the line at the picture's edge.
        cv2.putText(image, text, at, color, _FONT, size, weight, 0, (at[0], at[0] + 100 * size * max(1, len(text))))
    else:
        cv2.putText(image, text, at, _STROKES, _stroke_scale(size), color, _stroke_width(size, weight), cv2.LINE_AA)


def text_width(text: str, size: int, weight: int = REGULAR) -> int:
    """How many pixels the line takes."""
    if not text:
        return 0
    if _FONT is not None:
        x, _, width, _ = cv2.getTextSize((1, 1), text, (0, 0), _FONT, size, weight, 0, (0, 100 * size * len(text)))
        return int(x + width)
    return int(cv2.getTextSize(text, _STROKES, _stroke_scale(size), _stroke_width(size, weight))[0][0])


def wrapped(text: str, size: int, width: int) -> list[str]:
    """The text in lines of at most `width` pixels, broken between words; a longer word keeps its own line."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _stroke_scale(size: int) -> float:
    return size / 30  # capitals are 21 pixels high at scale 1, and 0.7 of the size in most fonts


def _stroke_width(size: int, weight: int) -> int:
    return max(1, round(size * weight / REGULAR / 16))
