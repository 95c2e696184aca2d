"""What moves along with an object though its mask leaves it out: a limb, a bag, a held thing, a shadow.

The plate tells such parts from the background once it knows that (`realtime.hole.belongings`); before, their motion
does: beside the mask, a picture before explains the present one better by optical flow than by the camera's motion.
Where the surroundings move by themselves, as leaves and water do, and as what stands nearer does past a moving camera,
that says nothing.
"""

from __future__ import annotations

import cv2
import numpy as np

from realtime import masks, ops
from realtime.background.leaps import strongest
from realtime.background.recent import Recent
from realtime.motion.flow import DenseFlow
from realtime.motion.glance import View

BEFORE = 2  # frames over which it is told: slow parts move too little in one, and what has just come free takes as many
GAIN = 6.0  # grey levels by which flow must explain a picture better, in the mean over WINDOW x WINDOW pixels
WINDOW = 5
OBJECTS = 4  # the largest ones are looked at
SMALLEST = 12  # pixels of an object's longer side from which it is
REACH = 6  # the share of that, one in so many, in which parts are sought
GAP = 2  # pixels between parts that hang together
ENCLOSED = 0.02  # share of the picture: what is enclosed by moving parts and no larger moves, too, though it is plain
UNREST = 0.05  # share of the surroundings that may move before nothing is told


class Along:
    """Tells what moves along with the objects of one shot. State: the latest pictures."""

    def __init__(self) -> None:
        self._flow = DenseFlow(finest=1)
        self._recent = Recent(BEFORE)

    def forget(self) -> None:
        """Start anew: the next frame is not looked at, or a step is missing."""
        self._recent.forget()

    def step(self, view: View, step: np.ndarray, matte: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
        """What moves along in the next frame, beside the objects: uint8, at the view's size or smaller.

        matte: (h, w) float32 of any size, of the objects; others: (h, w) uint8 likewise, what is neither theirs nor
        background; step: 3x3, pixels of the frame before -> this frame's.
        """
        picture, past = self._recent.step(view, step)
        size = picture.shape[0], picture.shape[1]
        objects = ops.at_least(ops.resize(matte, size), masks.ON)
        known = objects if others is None else objects | ops.grow_square(ops.at_least(ops.resize(others, size), 1), GAP)
        found = np.zeros_like(objects)
        if past is None:
            return found
        for number, (box, body) in enumerate(masks.clusters(objects)):
            side = max(box.height, box.width)
            if number == OBJECTS or side < SMALLEST:
                break
            reach = max(4, side // REACH)
            here = box.expanded_within(2 * reach + WINDOW, *size).slices
            moving = _moving(self._flow, *past, picture, here)
            found[here] |= _parts(moving, body[here], known[here], reach, round(ENCLOSED * objects.size))
        return found & ~known


def _moving(
    flow: DenseFlow, before: np.ndarray, motion: np.ndarray, after: np.ndarray, here: tuple[slice, slice]
) -> np.ndarray:
    """Where a part of a (H, W, 3) uint8 picture moved otherwise than the camera: (h, w) uint8.

    before: a picture of the same size; motion: 3x3, its pixels -> those of `after`, by the camera alone.
    """
    now = after[here]
    size = now.shape[0], now.shape[1]
    resting = ops.warp(before, ops.translation(-here[1].start, -here[0].start) @ motion, size, cubic=False)
    gray_now, gray_resting = (cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in (now, resting))
    back = flow(gray_now, gray_resting)
    y, x = np.indices(size, dtype=np.float32)
    sources = x + back[..., 0], y + back[..., 1]
    moved = cv2.remap(resting, *sources, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    at_rest, in_motion = (strongest(cv2.absdiff(each, now)).astype(np.float32) for each in (resting, moved))
    return ops.at_least(cv2.blur(at_rest - in_motion, (WINDOW, WINDOW)), GAIN)


def _parts(moving: np.ndarray, body: np.ndarray, known: np.ndarray, reach: int, enclosed: int) -> np.ndarray:
    """The parts of `moving` that hang together with a body, with what they enclose; nothing amid unrest.

    body: (h, w) uint8; known: the same of all that is known to move; reach: pixels; enclosed: the most pixels of what
    is plain.
    """
    near = ops.grow_square(body, reach)
    around = ~ops.grow_square(known, reach)
    if ops.count(moving & around) > UNREST * ops.count(around):
        return np.zeros_like(body)
    joined = cv2.morphologyEx(moving & near | body, cv2.MORPH_CLOSE, np.ones((2 * GAP + 1, 2 * GAP + 1), np.uint8))
    return masks.closed(ops.select_parts(joined, body, least=1), enclosed) & near
