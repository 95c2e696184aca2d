"""What the plate holds of an object that stood in the open until now, and that was background as far as it knew."""

from __future__ import annotations

import cv2
import numpy as np

from realtime import masks, ops
from realtime.motion.glance import View
from realtime.motion.sight import Sight

AROUND = 0.03  # share of the height by which an object's imprint may be larger than its mask
BEHIND = 0.6  # share of an object in front of which the plate must show something else for that to be believed
SOLID = 0.02  # share of the height: where the plate shows something else over less than this, that is the object too


def imprint(begun: np.ndarray, mask: np.ndarray, view: View, expected: np.ndarray, sight: Sight) -> np.ndarray:
    """Where the plate shows the object itself, and must forget it: (h, w) uint8 at view size.

    begun: uint8 mask of any size, what is erased from this frame on; mask: the same of all that is erased; expected:
    (h, w, 3) uint8, the plate as this view should show it. Where the plate shows something else than the frame over
    most of an object, that has only just come there, and it is what stands behind. Where it does so beside all masks,
    the object may have stood there before: the frame knows better.
    """
    object_ = ops.at_least(ops.resize(begun, view.size), 64)
    object_ = ops.grow_square(object_, max(2, round(AROUND * view.size[0])))
    behind = masks.unlike(view.color, expected) & sight.known
    side = max(3, round(SOLID * view.size[0]) * 2 + 1)
    kernel = np.ones((side, side), np.uint8)
    behind = cv2.morphologyEx(cv2.morphologyEx(behind, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
    behind = behind & _newcomers(ops.at_least(ops.resize(begun, view.size), 64), behind)
    beside = np.bitwise_not(ops.grow_square(ops.at_least(ops.resize(mask, view.size), 1) | object_, 2))
    return (object_ & np.bitwise_not(behind)) | (masks.unlike(view.color, expected) & sight.known & beside)


def _newcomers(objects: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """Those objects, and what is around them, of which most is `behind`, (h, w) uint8; others moved in their place."""
    _, labels = cv2.connectedComponents(objects)
    total = np.bincount(labels.ravel())
    other = np.bincount(labels.ravel(), weights=(behind > 0).ravel(), minlength=len(total))
    come = other > BEHIND * total
    come[0] = False
    return ops.grow_square(np.negative(come[labels].view(np.uint8)), max(2, round(AROUND * objects.shape[0])) + 1)
