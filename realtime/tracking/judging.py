"""What an answer is worth: mattes held against clicks, against each other, and against a class's matte.

Mattes are (h, w) float32 in [0, 1] of one size, masks (h, w) uint8, clicks (x, y) in their pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from realtime import ops
from realtime.masks import ON
from realtime.tracking import grabcut
from realtime.tracking.objects import CLICK_RADIUS
from realtime.tracking.parts import deepest, value_at

WHOLE_FRAME = 0.7  # share of the picture that no clicked object covers
MEMBER = 0.05  # share of a group that is too little for one of its people
GROUP = 1.2  # times its height that a part is wide from which on it is several people
CLOSE = 0.05  # share of the height up to which what the network left out of a person lies beside its answer
LIMB = 0.2  # share of a person that one who is seen but for a limb may lack
UPRIGHT = 0.6  # share of a part's height from which on an answer is a whole person of it
NEIGHBOURS = 0.2  # share of the height around an object in which people are told apart from it
STRANGERS = 12  # clicks that do so, at most
SCRAP, MOST = 0.3, 0.6  # shares of a person that are too little of one, and that are one


def without(matte: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """A class's matte without the objects that are kept, and without what sticks to them and to nobody else."""
    _, labels = cv2.connectedComponents(ops.at_least(matte, ON))
    near = ops.grow(keep, 2)
    total = np.bincount(labels.ravel())
    kept = np.bincount(labels.ravel(), weights=(near > 0).ravel(), minlength=len(total))
    whole = kept * 3 > total * 2
    whole[0] = False
    near |= ops.grow(np.negative(whole[labels].view(np.uint8)), 2)
    return np.where(near > 0, np.float32(0), matte)


def answers(answer: np.ndarray, inside: Sequence[tuple[float, float]], before: np.ndarray) -> bool:
    """Whether a network's answer is one to the user's clicks, or, without clicks, to the matte it was given."""
    area = np.count_nonzero(answer >= ON)
    if not 4 <= area <= WHOLE_FRAME * answer.size:
        return False
    if inside:
        return all(value_at(answer, x, y) >= ON for x, y in inside)
    return alike(ops.at_least(answer, ON), ops.at_least(before, ON))


def united(answer: np.ndarray, part: np.ndarray | None) -> np.ndarray:
    """A network's answer to a click on a part of the class's matte: most of that is all of it, a scrap is a mistake.

    In between, several people may share the part, and the answer is one of them.
    """
    if part is None:
        return answer
    inside = part >= ON
    cover = float((inside & (answer >= ON)).sum()) / max(1.0, float(inside.sum()))
    if cover < SCRAP:
        return answer if cover > MEMBER and _shared(part, answer) else part
    return np.maximum(answer, near(part, answer)) if cover > MOST else answer


def near(part: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """What of a class's matte is of the same person as a network's answer, zero elsewhere.

    A limb that the network left out may reach anywhere; others who hang together with them, as a crowd behind somebody
    does, are more than a limb: of those only what the answer encloses is taken, or it would creep on from look to look.
    """
    inside, radius = ops.at_least(answer, ON), max(2, round(CLOSE * answer.shape[0]))
    close = ops.grow(inside, radius)
    rest = cv2.countNonZero(ops.at_least(part, ON) & ~close)
    if rest <= LIMB * cv2.countNonZero(inside):
        return part
    return np.where(ops.shrink(ops.grow_square(inside, radius), radius) > 0, part, np.float32(0))


def _shared(part: np.ndarray, answer: np.ndarray) -> bool:
    """Whether a part of the class's matte holds several people, of whom the answer is one."""
    whole, one = (ops.bounding_region(ops.at_least(matte, ON)) for matte in (part, answer))
    assert whole is not None, "a part has pixels"
    return whole.width > GROUP * whole.height or (one is not None and one.height > UPRIGHT * whole.height)


def clicked_away(
    matte: np.ndarray, inside: Sequence[tuple[float, float]], outside: Sequence[tuple[float, float]]
) -> np.ndarray:
    """A matte without the parts that a click beside the object lies on; where a click on it lies there too, less."""
    _, labels = cv2.connectedComponents(ops.at_least(matte, ON))
    belongs = {int(value_at(labels, x, y)) for x, y in inside}
    clicked = grabcut.discs(matte.shape, outside, CLICK_RADIUS * matte.shape[0])
    away = set(np.unique(labels[clicked > 0]).tolist()) - belongs - {0}
    gone = clicked | np.negative(np.isin(labels, list(away)).view(np.uint8))
    return np.where(ops.grow(gone, 1) > 0, np.float32(0), matte)


def beside(matte: np.ndarray, own: np.ndarray) -> np.ndarray:
    """What of a class's matte is of others than the object with the matte `own`, zero elsewhere."""
    return np.where(ops.grow(ops.at_least(own, ON), 2) > 0, np.float32(0), matte)


def apart(others: np.ndarray, own: np.ndarray) -> list[tuple[float, float]]:
    """Points that surely lie on others than an object, around it: where the disc of a click has room, side by side.

    others: their matte; own: (h, w) uint8, 255 = the object.
    """
    height = others.shape[0]
    free = ops.at_least(others, ON) & ~ops.grow(own, 2) & ops.grow_square(own, round(NEIGHBOURS * height))
    points: list[tuple[float, float]] = []
    while len(points) < STRANGERS:
        point, depth = deepest(free)
        if depth < CLICK_RADIUS * height:
            break
        points.append(point)
        free &= ~grabcut.discs(free.shape, [point], 2 * CLICK_RADIUS * height)
    return points


def alike(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two masks share more than half of their union."""
    return cv2.countNonZero(first & second) * 2 > cv2.countNonZero(first | second)


def covered(matte: np.ndarray, by: np.ndarray) -> bool:
    """Whether most of a matte lies in another."""
    inside = matte >= ON
    return bool(np.count_nonzero(inside & (by >= ON)) * 2 > np.count_nonzero(inside))
