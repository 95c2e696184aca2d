"""What a hole leaves of people, and what it erases for nothing, for every threshold and growth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from engines.data import Picture
from engines.measure import iou
from realtime import masks, ops
from realtime.segment import Segmenter, centred

PERSON = "person"


@dataclass(frozen=True)
class Study:
    """Means over all pictures, as shares of the picture, (thresholds, growths) each.

    leftover: person outside the hole; damage: hole where nobody is. box_*: (thresholds,), with the rectangles around
    the mask's parts as the hole, as GONE compares box, mask and dilated mask. iou: (thresholds,), of the mask itself,
    mean over the pictures with people. growths: shares of the picture's height. What labels call unsure is neither.
    """

    thresholds: tuple[float, ...]
    growths: tuple[float, ...]
    leftover: np.ndarray
    damage: np.ndarray
    box_leftover: np.ndarray
    box_damage: np.ndarray
    iou: np.ndarray

    def cost(self, weight: float) -> np.ndarray:
        """weight * leftover + damage, (thresholds, growths)."""
        return weight * self.leftover + self.damage

    def best(self, weight: float) -> tuple[int, int]:
        """Where that is smallest: indices of threshold and growth, the largest threshold of equals."""
        costs = self.cost(weight)[::-1]
        row, column = np.unravel_index(int(costs.argmin()), costs.shape)
        return len(self.thresholds) - 1 - int(row), int(column)


def study(
    segmenter: Segmenter, pictures: Sequence[Picture], thresholds: Sequence[float], growths: Sequence[float]
) -> Study:
    """Run the network once on each picture, and cut its matte as the eraser does, at each threshold.

    segmenter: its engine's card has the threshold 0.5, so that it gives the network's own matte.
    """
    holes = np.zeros((2, len(thresholds), len(growths)))
    boxes = np.zeros((2, len(thresholds)))
    ious: list[list[float]] = []
    for picture in pictures:
        assert picture.mask is not None
        matte, person, nobody = segmenter.matte(picture.image, (PERSON,)), picture.mask > 127, picture.mask == 0
        found = [cut(matte, threshold, person.shape) for threshold in thresholds]
        for row, mask in enumerate(found):
            holes[:, row] += _shares(mask, person, nobody, [growth * len(person) for growth in growths])
            boxes[:, row] += _wrong(_boxes(mask) > 0, person, nobody)
        if person.any():
            known = person | nobody
            ious.append([iou((mask > 0) & known, person) for mask in found])
    leftover, damage = holes / len(pictures)
    box_leftover, box_damage = boxes / len(pictures)
    mean_iou = np.mean(ious, axis=0)
    return Study(tuple(thresholds), tuple(growths), leftover, damage, box_leftover, box_damage, mean_iou)


def cut(matte: np.ndarray, threshold: float, size: tuple[int, ...]) -> np.ndarray:
    """The mask of a first frame, (H, W) uint8, at a threshold; matte: (h, w) float32, as the network gives it."""
    smooth = masks.MaskSmoother().step(centred(matte, threshold), np.eye(3))
    return ops.at_least(ops.resize(smooth, (size[0], size[1])), masks.ON)


def _shares(mask: np.ndarray, person: np.ndarray, nobody: np.ndarray, radii: Sequence[float]) -> np.ndarray:
    """Leftover and damage of the mask grown by each radius in pixels, (2, radii)."""
    if not mask.any():
        return np.repeat(_wrong(mask > 0, person, nobody)[:, None], len(radii), axis=1)
    away = cv2.distanceTransform(~mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.stack([_wrong(away <= radius, person, nobody) for radius in radii], axis=1)


def _wrong(hole: np.ndarray, person: np.ndarray, nobody: np.ndarray) -> np.ndarray:
    return np.array([np.count_nonzero(person & ~hole), np.count_nonzero(hole & nobody)]) / person.size


def _boxes(mask: np.ndarray) -> np.ndarray:
    boxes = np.zeros_like(mask)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    for x, y, w, h, _ in stats[1:]:
        boxes[y : y + h, x : x + w] = 255
    return boxes
