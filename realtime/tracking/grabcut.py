"""Cuts out an object by its colours alone, where no network knows it: GrabCut (Rother et al., SIGGRAPH 2004).

Pictures are small, (h, w, 3) uint8 BGR; points are (x, y) in their pixels; masks are (h, w) uint8, 255 = object. Only
the object's surroundings are looked at, so the cost does not grow with the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from realtime import ops
from realtime.ops import Region

Points = Sequence[tuple[float, float]]

CLICK_RADII = 0.07, 0.13, 0.22, 0.36  # of a clicked object, in shares of the picture's height, that are tried
SEED = 0.25  # share of that radius around the click that surely belongs to the object
ITERATIONS = 4


def from_clicks(small: np.ndarray, inside: Points, outside: Points) -> np.ndarray:
    """The object that all points `inside` lie on and none `outside` does: of several sizes the best delimited one."""
    height, width = small.shape[:2]
    centre = np.mean(inside, axis=0)
    spread = float(np.linalg.norm(np.asarray(inside) - centre, axis=1).max())
    edges = _contrast(small)
    best, best_score = discs((height, width), inside, max(2.0, 0.02 * height)), -np.inf
    for share in CLICK_RADII:
        radius = spread + share * height
        region = _around(centre, 1.5 * radius, height, width)
        hint = np.full((height, width), cv2.GC_BGD, np.uint8)
        hint[discs((height, width), [centre], 1.35 * radius) > 0] = cv2.GC_PR_BGD
        hint[discs((height, width), [centre], 0.7 * radius) > 0] = cv2.GC_PR_FGD
        hint[discs((height, width), inside, max(1.5, SEED * share * height)) > 0] = cv2.GC_FGD
        hint[discs((height, width), outside, max(1.5, SEED * share * height)) > 0] = cv2.GC_BGD
        mask = _joined(_cut(small, hint, region), inside)
        score = _delimited(mask, edges, hint)
        if score > best_score:
            best, best_score = mask, score
    return best


def from_box(small: np.ndarray, box: Region, outside: Points = ()) -> np.ndarray:
    """The object that fills a box."""
    height, width = small.shape[:2]
    hint = np.full((height, width), cv2.GC_BGD, np.uint8)
    hint[box.slices] = cv2.GC_PR_FGD
    middle = Region(
        box.y0 + box.height // 3, box.y1 - box.height // 3, box.x0 + box.width // 3, box.x1 - box.width // 3
    )
    hint[discs((height, width), outside, 2.0) > 0] = cv2.GC_BGD
    region = box.expanded_within(max(4, max(box.height, box.width) // 3), height, width)
    mask = _cut(small, hint, region)
    inner = mask[middle.slices]
    if cv2.countNonZero(mask) * 8 < box.height * box.width or (inner.size and not inner.any()):
        mask = np.zeros((height, width), np.uint8)  # no colours of its own: the box is all that is known
        mask[box.slices] = 255
    return mask


def refit(small: np.ndarray, mask: np.ndarray, likely: np.ndarray, outside: Points = ()) -> np.ndarray:
    """A mask that was carried here, drawn anew along the edges of this picture.

    likely: (h, w) float32, how likely each pixel's colour is the object's rather than its surroundings'.
    """
    height, width = mask.shape
    bounds = ops.bounding_region(mask)
    if bounds is None:
        return mask
    ring = max(3, round(0.25 * cv2.countNonZero(mask) ** 0.5))
    near = ops.grow(mask, ring)
    hint = np.full((height, width), cv2.GC_BGD, np.uint8)
    hint[near > 0] = cv2.GC_PR_BGD
    hint[(near > 0) & (likely > 0.7)] = cv2.GC_PR_FGD
    hint[(mask > 0) & (likely > 0.3)] = cv2.GC_PR_FGD
    hint[(ops.shrink(mask, ring) > 0) & (likely > 0.7)] = cv2.GC_FGD
    hint[discs((height, width), outside, 2.0) > 0] = cv2.GC_BGD
    return _cut(small, hint, bounds.expanded_within(4 * ring, height, width)) & near


def discs(size: tuple[int, ...], points: Points | np.ndarray, radius: float) -> np.ndarray:
    """Discs around points, (h, w) uint8."""
    mask = np.zeros(size[:2], np.uint8)
    for x, y in points:
        cv2.circle(mask, (round(float(x)), round(float(y))), max(1, round(radius)), 255, -1)
    return mask


def _cut(small: np.ndarray, hint: np.ndarray, region: Region) -> np.ndarray:
    """GrabCut within a region, by a map of hints (GC_BGD, ...), which hold where there is too little to go by."""
    mask = np.zeros(hint.shape, np.uint8)
    inner = np.ascontiguousarray(hint[region.slices])
    front = np.count_nonzero((inner == cv2.GC_FGD) | (inner == cv2.GC_PR_FGD))
    if front >= 10 and inner.size - front >= 10:
        picture = np.ascontiguousarray(small[region.slices])
        cv2.setRNGSeed(0)  # its colour clusters start at random
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(picture, inner, (0, 0, 0, 0), *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    mask[region.slices] = np.where((inner == cv2.GC_FGD) | (inner == cv2.GC_PR_FGD), np.uint8(255), np.uint8(0))
    return mask


def _joined(mask: np.ndarray, points: Points) -> np.ndarray:
    """The parts of a mask that the points lie on, with their gaps closed."""
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) | discs(mask.shape, points, 1.0)
    _, labels = cv2.connectedComponents(mask)
    wanted = {int(labels[row, column]) for column, row in (_nearest(point, mask.shape) for point in points)}
    joined = np.negative(np.isin(labels, list(wanted - {0})).view(np.uint8))
    return cv2.morphologyEx(joined, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))


def _delimited(mask: np.ndarray, edges: np.ndarray, hint: np.ndarray) -> float:
    """How well a mask's rim lies on the picture's edges; less where the search ended before the object did."""
    rim = (mask & np.bitwise_not(cv2.erode(mask, np.ones((3, 3), np.uint8)))) > 0
    if np.count_nonzero(rim) < 6:
        return -np.inf
    open_end = cv2.dilate(np.negative((hint == cv2.GC_BGD).view(np.uint8)), np.ones((5, 5), np.uint8)) > 0
    return float(edges[rim & ~open_end].sum() / np.count_nonzero(rim)) if (rim & ~open_end).any() else 0.0


def _contrast(small: np.ndarray) -> np.ndarray:
    """How strong an edge each pixel lies on, (h, w) float32 in [0, 1]: its rank, so that no single strong edge wins."""
    soft = cv2.GaussianBlur(small, (0, 0), 1.0)
    strength = ops.strongest(cv2.morphologyEx(soft, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    counts = np.bincount(strength.ravel(), minlength=256).cumsum()
    return (counts / counts[-1]).astype(np.float32)[strength]


def _around(centre: np.ndarray, reach: float, height: int, width: int) -> Region:
    x, y = (round(float(value)) for value in centre)
    return Region(y, y + 1, x, x + 1).expanded_within(round(reach), height, width)


def _nearest(point: tuple[float, float], size: tuple[int, ...]) -> tuple[int, int]:
    """The (column, row) of the pixel that a point lies on."""
    return min(max(round(point[0]), 0), size[1] - 1), min(max(round(point[1]), 0), size[0] - 1)
