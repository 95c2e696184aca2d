"""Draws objects elsewhere than they are: cut out of the frame by their mattes, laid over the erased picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime import ops
from realtime.ops import Region
from realtime.refine import sharpened

SHRINK = 0.35  # matte value that becomes transparent: the outermost rim shows the old background


@dataclass(frozen=True)
class Displaced:
    """An object to be drawn elsewhere. matte: (h, w) float32, smaller than the frame; dx, dy: frame pixels."""

    matte: np.ndarray
    dx: float
    dy: float


def draw(frame: np.ndarray, objects: list[Displaced], image: np.ndarray, alpha: np.ndarray) -> Region | None:
    """Draw objects of a frame displaced into its erased picture, in place.

    frame, image: (H, W, 3) uint8 BGR; alpha: (H, W) uint8, becomes what is drawn where that is more. Returns the
    rectangle that was drawn in, None where all of it lies outside the picture.
    """
    total = None
    for one in objects:
        region = _draw(frame, one, image, alpha)
        if region is not None:
            total = region if total is None else total.united(region)
    return total


def _draw(frame: np.ndarray, one: Displaced, image: np.ndarray, alpha: np.ndarray) -> Region | None:
    height, width = frame.shape[:2]
    dx, dy = round(one.dx), round(one.dy)
    opaque = sharpened(one.matte, frame)
    if opaque is None:
        return None
    region, matte = opaque
    matte = np.clip((matte - SHRINK) / (1 - 2 * SHRINK), 0.0, 1.0)
    there = region.moved(dy, dx)
    shown = Region(max(0, there.y0), min(height, there.y1), max(0, there.x0), min(width, there.x1))
    if shown.height <= 0 or shown.width <= 0:
        return None
    source = shown.moved(-dy, -dx)
    inner = source.moved(-region.y0, -region.x0).slices
    weight = ops.to_uint8(cv2.GaussianBlur(matte, (0, 0), max(0.8, height / 600))[inner] * np.float32(255))
    image[shown.slices] = ops.composite(image[shown.slices], frame[source.slices], weight)
    alpha[shown.slices] = cv2.max(alpha[shown.slices], weight)
    return shown
