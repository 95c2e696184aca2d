"""Charts as pictures, drawn with OpenCV alone: bars, stacked bars, curves. All are (H, W, 3) uint8 BGR, on white."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

COLOURS = (
    (170, 96, 28), (40, 120, 220), (60, 150, 60), (60, 60, 200), (160, 80, 150), (130, 130, 40), (90, 90, 90),
    (230, 180, 120), (120, 190, 245), (140, 210, 140), (140, 140, 235), (215, 160, 210), (190, 190, 110),
)  # fmt: skip
BLACK, GREY = (20, 20, 20), (215, 215, 215)
ROW, MARGIN = 20, 28  # pixels
_FONT, _SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.42


@dataclass(frozen=True)
class Curve:
    """A line through (x, y) points; marked: the index of a point to be ringed, None for none."""

    name: str
    points: Sequence[tuple[float, float]]
    marked: int | None = None


def bars(title: str, rows: Sequence[tuple[str, float]], width: int = 1000) -> np.ndarray:
    """A bar and its value for each (label, value >= 0)."""
    return stacked(title, [(label, {"": value}) for label, value in rows], width)


def stacked(title: str, rows: Sequence[tuple[str, Mapping[str, float]]], width: int = 1000) -> np.ndarray:
    """For each label the parts of a whole one after another, each >= 0, and their sum; same names, same colours."""
    names = list(dict.fromkeys(name for _, parts in rows for name in parts))
    legend = [name for name in names if name]
    left = 16 + max((_width(label) for label, _ in rows), default=0)
    most = max((sum(parts.values()) for _, parts in rows), default=0.0) or 1.0
    scale = (width - left - MARGIN - 70) / most
    picture = _paper(2 * MARGIN + ROW * len(rows) + (ROW if legend else 0) + 8, width, title)
    for number, (label, parts) in enumerate(rows):
        y = MARGIN + 8 + ROW * number
        _write(picture, label, 8, y + 14)
        start = float(left)
        for name, value in parts.items():
            end = start + value * scale
            colour = COLOURS[names.index(name) % len(COLOURS)]
            if round(end) > round(start):
                cv2.rectangle(picture, (round(start), y + 2), (round(end) - 1, y + ROW - 4), colour, cv2.FILLED)
            start = end
        _write(picture, f"{sum(parts.values()):.3g}", round(start) + 6, y + 14)
    _legend(picture, legend, left, picture.shape[0] - ROW)
    return picture


def curves(title: str, lines: Sequence[Curve], across: str, up: str, size: tuple[int, int] = (520, 820)) -> np.ndarray:
    """Curves over common axes from the smallest to the largest values. across, up: what the axes show."""
    height, width = size
    points = np.array([point for line in lines for point in line.points], np.float64)
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    left, right, top, bottom = 70, width - 24, 54, height - 70
    picture = _paper(height, width, title)

    def place(x: float, y: float) -> tuple[int, int]:
        return (
            round(left + (x - x0) / ((x1 - x0) or 1.0) * (right - left)),
            round(bottom - (y - y0) / ((y1 - y0) or 1.0) * (bottom - top)),
        )

    for share in np.linspace(0, 1, 6):
        x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
        cv2.line(picture, place(x0, y), place(x1, y), GREY, 1)
        _write(picture, f"{y:.3g}", 8, place(x0, y)[1] + 4)
        _write(picture, f"{x:.3g}", place(x, y0)[0] - 10, bottom + 18)
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        places = [place(*point) for point in line.points]
        cv2.polylines(picture, [np.array(places, np.int32)], False, colour, 2, cv2.LINE_AA)
        if line.marked is not None:
            cv2.circle(picture, places[line.marked], 7, colour, 2, cv2.LINE_AA)
    _write(picture, up, 8, 34)
    _write(picture, across, right - _width(across), bottom + 36)
    _legend(picture, [line.name for line in lines], left, height - 12)
    return picture


def _paper(height: int, width: int, title: str) -> np.ndarray:
    picture = np.full((height, width, 3), 255, np.uint8)
    _write(picture, title, 8, 18)
    return picture


def _legend(picture: np.ndarray, names: Sequence[str], x: int, y: int) -> None:
    for number, name in enumerate(names):
        cv2.rectangle(picture, (x, y - 9), (x + 9, y), COLOURS[number % len(COLOURS)], cv2.FILLED)
        _write(picture, name, x + 14, y)
        x += 30 + _width(name)


def _write(picture: np.ndarray, text: str, x: int, y: int) -> None:
    cv2.putText(picture, text, (x, y), _FONT, _SIZE, BLACK, 1, cv2.LINE_AA)


def _width(text: str) -> int:
    return int(cv2.getTextSize(text, _FONT, _SIZE, 1)[0][0])
