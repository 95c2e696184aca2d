"""Connected parts of a class's matte: what counts as one object where the network tells only classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from realtime import ops
from realtime.masks import OFF, ON, clusters

SMALLEST = 0.001  # share of the picture below which a part is nothing to choose


@dataclass(frozen=True)
class Part:
    """One part. number: its own for as long as it is in sight; mask: (h, w) uint8, 255 = part."""

    number: int
    mask: np.ndarray


class Parts:
    """Numbers the parts of one shot's mattes. State: the parts of the latest picture."""

    def __init__(self, numbers: Iterator[int]):
        """numbers: where new ones come from; shared with the followed objects, so that a part can become one."""
        self._numbers = numbers
        self.latest: tuple[Part, ...] = ()

    def update(self, matte: np.ndarray, taken: np.ndarray) -> None:
        """The parts of the next picture, without those that lie mostly where `taken`, (h, w) uint8, is set."""
        unclaimed = [part for part in self.latest if part.mask.shape == matte.shape]
        parts = []
        for part in split(matte, taken):
            overlaps = [cv2.countNonZero(part & other.mask) for other in unclaimed]
            best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
            known = best is not None and overlaps[best] > 0
            number = unclaimed.pop(best).number if known and best is not None else next(self._numbers)
            parts.append(Part(number, part))
        self.latest = tuple(parts)

    def at(self, x: float, y: float) -> Part | None:
        """The part at a pixel (x, y)."""
        return next((part for part in self.latest if value_at(part.mask, x, y)), None)


def split(matte: np.ndarray, taken: np.ndarray) -> Iterator[np.ndarray]:
    """The parts of a matte, (h, w) uint8 each, largest first, without specks and without those mostly in `taken`."""
    for _, part in clusters(ops.at_least(matte, ON)):
        area = cv2.countNonZero(part)
        if area >= SMALLEST * matte.size and cv2.countNonZero(part & taken) * 2 <= area:
            yield part


def value_at(image: np.ndarray, x: float, y: float) -> float:
    """The value of the pixel that (x, y) lies on, or of the nearest one."""
    row, column = min(max(round(y), 0), image.shape[0] - 1), min(max(round(x), 0), image.shape[1] - 1)
    return float(image[row, column])


def deepest(mask: np.ndarray) -> tuple[tuple[float, float], float]:
    """The pixel (x, y) that lies deepest in a (h, w) uint8 mask, and how deep, pixels; the picture ends there too."""
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    _, depth, _, (x, y) = cv2.minMaxLoc(cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1])
    return (float(x), float(y)), float(depth)


def part_at(matte: np.ndarray, x: float, y: float) -> np.ndarray | None:
    """The matte of the part that a pixel lies on, zero elsewhere; None where there is none."""
    if value_at(matte, x, y) < ON:
        return None
    _, labels = cv2.connectedComponents(ops.at_least(matte, OFF))
    return np.where(labels == int(value_at(labels, x, y)), matte, np.float32(0))


def hanging_together(matte: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """A matte's connected parts that overlap `anchor`, (h, w) uint8; zero elsewhere."""
    _, labels = cv2.connectedComponents(ops.at_least(matte, OFF))
    kept = np.zeros(labels.max() + 1, bool)
    kept[labels[anchor > 0]] = True
    kept[0] = False
    return np.where(kept[labels], matte, np.float32(0))


def claimed(matte: np.ndarray, carried: np.ndarray, reach: int) -> tuple[np.ndarray, bool]:
    """What of a class's matte belongs to the object whose carried matte is given, zero elsewhere; whether it shares it.

    Parts that are mostly within `reach` pixels of it belong to it wholly. A larger part is shared with others: of that
    only what the carried matte covers is its own, or it would grow over them from look to look.
    """
    own = ops.at_least(carried, ON)
    _, labels = cv2.connectedComponents(ops.at_least(matte, OFF))
    total = np.bincount(labels.ravel())
    near = np.bincount(labels.ravel(), weights=(ops.grow(own, reach) > 0).ravel(), minlength=len(total))
    whole = near * 2 > total
    whole[0] = False
    shared = ops.grow(own, 1) & np.negative((~whole[labels] & (labels > 0)).view(np.uint8))
    return np.where(whole[labels] | (shared > 0), matte, np.float32(0)), cv2.countNonZero(
        shared
    ) * 4 > cv2.countNonZero(own)
