"""Bookkeeping of what a clip shows of its background: for each hole pixel, when was that point of the world in view?

Works in world pixels, from the cameras and masks alone, and errs by a pixel towards "not shown" at a mask's border.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

OUTSIDE, BEFORE, LATER, NEVER = 0, 1, 2, 3  # values of the maps that `classify` returns
_NOT = 30000  # "no such frame", larger than any frame index


def classify(
    masks: Sequence[np.ndarray], cameras: Sequence[np.ndarray], world_size: tuple[int, int]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Say of every masked pixel of every frame whether, and when, another frame shows its point of the world.

    masks: per frame (H, W) uint8, non-zero = covered. cameras: per frame 3x3, world -> frame, pixels, centres at
    integers. world_size: (width, height) of the world in pixels.

    Returns two lists of (H, W) arrays, one of each per frame:
    label uint8: OUTSIDE the mask; BEFORE = shown by an earlier frame; LATER = shown, but only by a later frame; NEVER.
    wait int16: frames until the next frame that shows it, or -1 where no later frame does (and outside the mask).
    """
    count = len(masks)
    views = [_view(masks[i], cameras[i], world_size) for i in range(count)]
    labels = [np.full(masks[0].shape, OUTSIDE, np.uint8) for _ in range(count)]
    waits = [np.full(masks[0].shape, -1, np.int16) for _ in range(count)]

    first = np.full(world_size[::-1], _NOT, np.int16)
    for index in range(count):
        before = _read(first, masks[index], cameras[index]) < index
        labels[index][masks[index] > 0] = NEVER
        labels[index][before & (masks[index] > 0)] = BEFORE
        first[views[index] & (first == _NOT)] = index

    following = np.full(world_size[::-1], _NOT, np.int16)
    for index in reversed(range(count)):
        when = _read(following, masks[index], cameras[index])
        later = (when < _NOT) & (masks[index] > 0)
        labels[index][later & (labels[index] == NEVER)] = LATER
        waits[index][later] = when[later] - index
        following[views[index]] = index
    return labels, waits


def _view(mask: np.ndarray, camera: np.ndarray, world_size: tuple[int, int]) -> np.ndarray:
    """(world height, world width) bool: points wholly inside this frame and at least a pixel away from its mask."""
    clear = 1 - cv2.dilate((mask > 0).astype(np.float32), np.ones((3, 3), np.uint8))
    inverse = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return cv2.warpPerspective(clear, camera, world_size, flags=inverse, borderMode=cv2.BORDER_CONSTANT) > 0.99


def _read(world: np.ndarray, mask: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """The world's map as the camera sees it, int16, nearest world pixel; _NOT outside the world."""
    size = mask.shape[::-1]
    return cv2.warpPerspective(
        world, camera, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=_NOT
    )
