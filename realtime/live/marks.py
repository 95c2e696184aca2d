"""What the user is in the middle of, drawn over the window: box, brush, stroke, move, divider."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.live.placement import Placement
from realtime.live.text import Color
from realtime.live.ui import Carry, Choose, Slide, Stroke, Tool, UiState, View, dragged_box
from realtime.live.views import VISIBLE_COLOR

_WHITE, _DARK = (255, 255, 255), (30, 30, 30)
_STROKE_SHARE = 0.5
_SUBPIXEL = 3  # bits of a coordinate's fraction in OpenCV's drawing functions


def draw_marks(window: np.ndarray, placement: Placement, state: UiState) -> None:
    """Draw the marks in place on the window's content, (h, w, 3) uint8 BGR."""
    unit = max(1, round(window.shape[0] / 480))
    if state.view is View.BEFORE_AFTER and not state.original:
        _divider(window, placement, state, unit)
    match state.drag:
        case Choose(wandered=True) as choose:
            box = dragged_box(state, choose)
            if box is not None:
                first = placement.to_window(box.x - 0.5, box.y - 0.5)
                last = placement.to_window(box.x + box.w - 0.5, box.y + box.h - 0.5)
                _frame(window, (round(first[0]), round(first[1])), (round(last[0]), round(last[1])), unit)
        case Stroke(points, erase):
            _stroke(window, placement, state, points, VISIBLE_COLOR if erase else _WHITE)
        case Carry(start=start, now=now):
            _twice(window, [np.array([placement.to_window(*start), placement.to_window(*now)])], False, unit)
    if state.tool is Tool.BRUSH and state.pointer is not None and not isinstance(state.drag, Slide):
        around = _circle(placement.to_window(*state.pointer), state.radius * placement.scale)
        _twice(window, [around], True, unit)


def _divider(window: np.ndarray, placement: Placement, state: UiState, unit: int) -> None:
    """A line with a handle in its middle, between the last column of "before" and the first of "after"."""
    height = placement.size[0]
    x, _ = placement.to_window(state.divider - 0.5, 0)
    rows, edge = slice(placement.top, placement.top + height), round(x + 0.5)
    window[rows, max(0, edge - 2 * unit) : max(0, edge + 2 * unit)] = _DARK
    window[rows, max(0, edge - unit) : max(0, edge + unit)] = _WHITE
    reach, middle = max(8, height // 45), placement.top + (height - 1) / 2
    center, fraction = (round(x * 8), round(middle * 8)), _SUBPIXEL
    cv2.circle(window, center, reach * 8, _WHITE, -1, cv2.LINE_AA, fraction)
    cv2.circle(window, center, reach * 8, _DARK, unit, cv2.LINE_AA, fraction)
    for side in (-1, 1):
        tip, base = x + side * 0.65 * reach, x + side * 0.2 * reach
        arrow = np.array([(tip, middle), (base, middle - 0.4 * reach), (base, middle + 0.4 * reach)])
        cv2.fillPoly(window, [_fixed(arrow)], _DARK, cv2.LINE_AA, fraction)


def _stroke(
    window: np.ndarray, placement: Placement, state: UiState, points: tuple[tuple[float, float], ...], color: Color
) -> None:
    """The brush's way so far, as wide as the brush, half transparent."""
    way = np.array([placement.to_window(*point) for point in points])
    radius = max(1, round(state.radius * placement.scale))
    x0, y0 = np.maximum(np.floor(way.min(axis=0)).astype(int) - radius - 2, 0)
    x1, y1 = np.minimum(np.ceil(way.max(axis=0)).astype(int) + radius + 3, window.shape[1::-1])
    if x0 >= x1 or y0 >= y1:
        return
    inner = window[y0:y1, x0:x1]
    painted = inner.copy()
    cv2.polylines(painted, [_fixed(way - (x0, y0))], False, color, 2 * radius + 1, cv2.LINE_AA, _SUBPIXEL)
    cv2.addWeighted(painted, _STROKE_SHARE, inner, 1 - _STROKE_SHARE, 0, inner)


def _circle(center: tuple[float, float], radius: float) -> np.ndarray:
    """Points around a circle, (n, 2)."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.array(center) + max(radius, 1.0) * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _frame(window: np.ndarray, first: tuple[int, int], last: tuple[int, int], unit: int) -> None:
    """A white rectangle with a dark rim."""
    cv2.rectangle(window, first, last, _DARK, 3 * unit)
    cv2.rectangle(window, first, last, _WHITE, unit)


def _twice(window: np.ndarray, lines: list[np.ndarray], closed: bool, unit: int) -> None:
    """White lines with a dark rim, to be seen on any picture."""
    points = [_fixed(line) for line in lines]
    cv2.polylines(window, points, closed, _DARK, 3 * unit, cv2.LINE_AA, _SUBPIXEL)
    cv2.polylines(window, points, closed, _WHITE, unit, cv2.LINE_AA, _SUBPIXEL)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Points in the fixed-point numbers of OpenCV's drawing functions; far outside, where those overflow, clipped."""
    return np.asarray(np.rint(np.clip(points, -4000, 30000) * 2**_SUBPIXEL), np.int32)
