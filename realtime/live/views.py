"""The picture of each view of the window, as a function of what the eraser gave and what the user looks at."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from realtime import ops
from realtime.background.plate import GUESSED, SEEN
from realtime.live.ui import Carry, UiState, View
from realtime.ops import Region

if TYPE_CHECKING:
    from realtime.live.text import Color
    from realtime.result import Result
    from realtime.tracking.things import Thing

TINT = 0.55  # share of the hue in a tinted object
SEEN_COLOR: Color = (90, 190, 60)  # BGR: green
GUESSED_COLOR: Color = (30, 170, 255)  # amber
VISIBLE_COLOR: Color = (60, 50, 230)  # red

_TRUST_TINT = 0.6
_GHOST = 0.65  # share of an object's own pixels in the ghost that follows the pointer
_GOLDEN = 0.618034  # of a turn of the colour wheel: neighbouring numbers get hues far apart


def draw_view(result: Result, state: UiState) -> np.ndarray:
    """What the window shows of a frame, (H, W, 3) uint8 BGR. To be read only: it may be one of the result's arrays."""
    if state.original:
        return result.frame.image
    match state.view:
        case View.BEFORE_AFTER:
            split = min(max(round(state.divider), 0), state.width)
            return np.concatenate([result.frame.image[:, :split], result.image[:, split:]], axis=1)
        case View.MASK:
            return np.asarray(cv2.cvtColor(result.hole, cv2.COLOR_GRAY2BGR))
        case View.TRUST:
            return _trust(result)
    carried = _carried(result, state)
    if carried is None and not _visible(result):
        return result.image
    picture = result.image.copy()
    for thing in _visible(result):
        shape = smoothed(_showing(result, thing), picture.shape[0])
        if thing.state == "candidate":
            tint(picture, thing.roi, shape, hue(thing.number), TINT)
        outline(picture, thing, shape)
    if carried is not None:
        assert isinstance(state.drag, Carry)
        x, y = (round(moved + by) for moved, by in zip(carried.moved, state.drag.by, strict=True))
        ghost(picture, result.frame.image, carried, x, y)
    return picture


@lru_cache(maxsize=256)
def hue(number: int) -> Color:
    """The solid colour of an object, BGR: the same as long as it keeps its number."""
    red, green, blue = colorsys.hsv_to_rgb((0.55 + number * _GOLDEN) % 1.0, 0.85, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


def tint(picture: np.ndarray, roi: Region, mask: np.ndarray, color: Color, share: float) -> None:
    """Mix a colour into the pixels of `roi` that mask, (h, w) uint8, names; in place."""
    inner = picture[roi.slices]
    solid = np.full_like(inner, color)
    mixed = cv2.addWeighted(solid, share, inner, 1 - share, 0)
    cv2.copyTo(mixed, ops.at_least(mask, 128), inner)


def _visible(result: Result) -> Iterable[Thing]:
    """The objects that are not erased: candidates, and those that the user gave back."""
    return [thing for thing in result.things if thing.state in ("candidate", "kept") and thing.mask.size]


def _showing(result: Result, thing: Thing) -> np.ndarray:
    """The object's mask without what the hole covers, as of one that was given back only now."""
    return thing.mask & ~result.hole[thing.roi.slices]


def smoothed(mask: np.ndarray, height: int) -> np.ndarray:
    """The mask without the steps that it has from a small network, for a picture of this height."""
    side = 2 * max(1, round(height / 120)) + 1
    return ops.at_least(cv2.blur(cv2.blur(mask, (side, side)), (side, side)), 128)


def outline(picture: np.ndarray, thing: Thing, shape: np.ndarray) -> None:
    offset = thing.roi.x0, thing.roi.y0
    contours, _ = cv2.findContours(shape, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=offset)
    lines = [cv2.approxPolyDP(contour, 0.8, True) for contour in contours]
    thickness = max(1, round(picture.shape[0] / 400))
    cv2.polylines(picture, lines, True, hue(thing.number), thickness, cv2.LINE_AA)


def _trust(result: Result) -> np.ndarray:
    """The result in grey, with colours for what its hole is made of and for the objects that still show."""
    gray = cv2.convertScaleAbs(cv2.cvtColor(result.image, cv2.COLOR_BGR2GRAY), alpha=0.8)
    picture = np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR))
    if result.roi is not None:
        trust = result.trust[result.roi.slices]
        tint(picture, result.roi, ops.equals(trust, SEEN), SEEN_COLOR, _TRUST_TINT)
        tint(picture, result.roi, ops.equals(trust, GUESSED), GUESSED_COLOR, _TRUST_TINT)
    for thing in _visible(result):
        tint(picture, thing.roi, _showing(result, thing), VISIBLE_COLOR, _TRUST_TINT)
    return picture


def _carried(result: Result, state: UiState) -> Thing | None:
    """The object that the user is moving, where the frame still has it."""
    if not isinstance(state.drag, Carry):
        return None
    number = state.drag.number
    return next((thing for thing in result.things if thing.number == number and thing.mask.size), None)


def ghost(picture: np.ndarray, frame: np.ndarray, thing: Thing, dx: int, dy: int) -> None:
    """Mix an object's pixels into the picture where it would be put; in place."""
    height, width = picture.shape[:2]
    target = thing.roi.moved(dy, dx)
    y0, y1, x0, x1 = max(0, target.y0), min(height, target.y1), max(0, target.x0), min(width, target.x1)
    if y0 >= y1 or x0 >= x1:
        return
    mask = thing.mask[y0 - target.y0 : y1 - target.y0, x0 - target.x0 : x1 - target.x0]
    inner, object_ = picture[y0:y1, x0:x1], frame[y0 - dy : y1 - dy, x0 - dx : x1 - dx]
    cv2.copyTo(cv2.addWeighted(object_, _GHOST, inner, 1 - _GHOST, 0), ops.at_least(mask, 128), inner)
