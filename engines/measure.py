"""What the networks are judged by. `run` stands for a network on any runtime: NumPy in, NumPy out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from engines.data import Picture
from engines.guidance import CLICK_RADIUS
from engines.holes import random_hole

Run = Callable[[np.ndarray], np.ndarray]
AREA = 288 * 512  # pixels that a picture is scaled to, in its own aspect, before the segmenter sees it
SIDE = 640  # pixels: pictures that segmenters are measured on have their own size, or this one


def working_size(height: int, width: int, area: int = AREA, multiple: int = 32) -> tuple[int, int]:
    """(H, W), multiples of `multiple`, of about `area` pixels and nearly the picture's aspect."""
    scale = (area / (height * width)) ** 0.5
    return tuple(max(multiple, round(side * scale / multiple) * multiple) for side in (height, width))  # type: ignore[return-value]


def to_network(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 BGR -> (1, 3, *size) float32 RGB in [0, 1]."""
    shrinks = image.shape[0] > size[0] or image.shape[1] > size[1]
    image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.ascontiguousarray(image[None, ..., ::-1].transpose(0, 3, 1, 2), dtype=np.float32) / 255


def matte_of(run: Run, image: np.ndarray, area: int = AREA) -> np.ndarray:
    """(H, W) float32 matte of the first class, at the picture's own size."""
    height, width = image.shape[:2]
    matte = run(to_network(image, working_size(height, width, area)))[0, 0]
    return cv2.resize(matte, (width, height), interpolation=cv2.INTER_LINEAR)


def iou(found: np.ndarray, true: np.ndarray) -> float:
    """Intersection over union of two masks, (H, W) bool; 1 where both are empty."""
    union = int(np.count_nonzero(found | true))
    return int(np.count_nonzero(found & true)) / union if union else 1.0


def segmenter_figures(
    run: Run,
    people: Sequence[Picture],
    backgrounds: Sequence[Picture],
    boxed: Sequence[Picture],
    area: int = AREA,
    threshold: float = 0.5,
) -> dict[str, float]:
    """Mean IoU per picture at a threshold, over all and by source; false area of people-free pictures; fit with boxes.

    iou_trusted: over the pictures in which no unlabelled passer-by counts as a fault.
    projection_iou and outside_boxes: as `box_fit` gives them.
    """
    scores: dict[str, list[float]] = {}
    for picture in people:
        assert picture.mask is not None
        found, true = matte_of(run, picture.image, area) > threshold, picture.mask > 127
        score = iou(found, true)
        for name in ("iou", f"iou_{picture.prefix}", *(("iou_trusted",) if picture.trusted else ())):
            scores.setdefault(name, []).append(score)
    for picture in backgrounds:
        false = float((matte_of(run, picture.image, area) > threshold).mean())
        for name in ("false_area", f"false_area_{picture.prefix}"):
            scores.setdefault(name, []).append(false)
    for picture in boxed:
        projection, outside = box_fit(matte_of(run, picture.image, area) > threshold, picture)
        scores.setdefault("projection_iou", []).append(projection)
        if outside is not None:
            scores.setdefault("outside_boxes", []).append(outside)
    return {name: float(np.mean(values)) for name, values in scores.items()}


def box_fit(found: np.ndarray, picture: Picture) -> tuple[float, float | None]:
    """How a mask, (H, W) bool, fits a picture's boxes.

    First the IoU of the rows and columns that the mask and the boxes' union touch, mean of both directions; then the
    share of the area outside every box that is marked, None where there is no such area.
    """
    inside = picture.inside_boxes()
    sides = []
    for axis in (0, 1):
        a, b = found.any(axis), inside.any(axis)
        sides.append((a & b).sum() / max(1, (a | b).sum()))
    return float(np.mean(sides)), None if inside.all() else float(found[~inside].mean())


def pieces(mask: np.ndarray, least: float = 0.01) -> list[np.ndarray]:
    """The connected pieces of a mask, (H, W) bool, that hold `least` of the picture, the largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    order = sorted(range(1, count), key=lambda piece: -int(stats[piece, cv2.CC_STAT_AREA]))
    return [labels == piece for piece in order if stats[piece, cv2.CC_STAT_AREA] >= least * mask.size]


GuidedRun = Callable[[np.ndarray, np.ndarray], Sequence[np.ndarray]]  # image, guidance -> matte of classes, object


class PlacedClick(NamedTuple):
    """x, y: pixels; inside: whether it says that the object is there, or that it is not."""

    x: int
    y: int
    inside: bool


Ask = Callable[[np.ndarray, Sequence[PlacedClick]], np.ndarray]  # matte before, all clicks so far -> matte of any size


def click_ious(ask: Ask, thing: np.ndarray, size: tuple[int, int], clicks: int = 3) -> list[float]:
    """IoU with an object, (H, W) bool, after each click; every click goes where the largest fault is deepest.

    size: (H, W) in whose pixels the clicks are, and the matte of the click before, as float32 in [0, 1] (Sofiiuk,
    Petrov and Konushin, "Reviving Iterative Training with Mask Guidance for Interactive Segmentation", ICIP 2022).
    """
    true = cv2.resize(thing.astype(np.uint8), size[::-1]) > 0
    before: np.ndarray = np.zeros(size, np.float32)
    placed: list[PlacedClick] = []
    ious: list[float] = []
    for _ in range(clicks):
        placed.append(_next_click(true, before > 0.5))
        matte = ask(before, placed)
        before = cv2.resize(matte, size[::-1], interpolation=cv2.INTER_LINEAR)
        full = cv2.resize(matte, (thing.shape[1], thing.shape[0]), interpolation=cv2.INTER_LINEAR) > 0.5
        ious.append(iou(full, thing))
    return ious


def guided_by(run: GuidedRun, image: np.ndarray, size: tuple[int, int]) -> Ask:
    """A network asked about objects in a (H, W, 3) uint8 BGR picture, scaled to `size`."""
    planes = to_network(image, size)

    def ask(before: np.ndarray, clicks: Sequence[PlacedClick]) -> np.ndarray:
        guidance = np.zeros((3, *size), np.float32)
        guidance[0] = before
        for x, y, inside in clicks:
            cv2.circle(guidance[1 if inside else 2], (x, y), round(CLICK_RADIUS * size[0]), 1.0, cv2.FILLED)
        return run(planes, guidance[None])[1][0, 0]

    return ask


def _next_click(true: np.ndarray, found: np.ndarray) -> PlacedClick:
    """On the point that lies deepest inside a fault."""
    depths: list[np.ndarray] = []
    for fault in (true & ~found, found & ~true):
        framed = cv2.copyMakeBorder(fault.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        depths.append(cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1])
    inside = bool(depths[0].max() >= depths[1].max())
    y, x = np.unravel_index(int(depths[0 if inside else 1].argmax()), true.shape)
    return PlacedClick(int(x), int(y), inside)


def click_figures(run: GuidedRun, people: Sequence[Picture], area: int = AREA) -> dict[str, float]:
    """Mean IoU of the labelled people, one connected piece of a mask each, after one click and after three; empty
    where there are none.
    """
    things = [(p.image, piece) for p in people if p.mask is not None for piece in pieces(p.mask > 127)]
    ious = []
    for image, thing in things:
        size = working_size(image.shape[0], image.shape[1], area)
        ious.append(click_ious(guided_by(run, image, size), thing, size))
    if not ious:
        return {}
    one, _, three = np.mean(ious, axis=0)
    return {"click_iou": float(one), "three_clicks_iou": float(three)}


FillerRun = Callable[[np.ndarray, np.ndarray], np.ndarray]
HOLE_SIZE = (256, 256)


def hole_psnr(found: np.ndarray, true: np.ndarray, hole: np.ndarray) -> float:
    """PSNR in dB over the pixels of a hole; pictures (H, W, 3) uint8, hole (H, W) bool."""
    error = np.mean((found[hole].astype(np.float64) - true[hole]) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-3)))


def fill(run: FillerRun, image: np.ndarray, hole: np.ndarray, multiple: int = 32) -> np.ndarray:
    """Fill (H, W, 3) uint8 BGR where `hole` (H, W) bool; `run` takes sides that are multiples of `multiple`."""
    return np.where(hole[..., None], draw(run, image, hole, multiple), image)


def draw(run: FillerRun, image: np.ndarray, hole: np.ndarray, multiple: int = 32) -> np.ndarray:
    """All that `run` makes of the picture, shrunk to the next smaller size that it takes: (H, W, 3) uint8 BGR."""
    height, width = hole.shape
    size = max(multiple, height - height % multiple), max(multiple, width - width % multiple)
    mask = (cv2.resize(hole.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) > 0).astype(np.float32)
    planes = to_network(np.where(hole[..., None], np.uint8(0), image), size) * (mask == 0)
    found = run(planes, mask[None, None])[0].transpose(1, 2, 0)[..., ::-1]
    return cv2.resize(
        (found * 255).round().clip(0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC
    )


def filler_figures(run: FillerRun, backgrounds: Sequence[Picture], people: Sequence[Picture]) -> dict[str, float]:
    """Mean PSNR and L1 in the hole at 256x256, silhouettes over 5 to 40 % of each, beside Telea's (radius 5); empty
    where there are no backgrounds, or no people to be the silhouettes.
    """
    if not backgrounds or not people:
        return {}
    rows = []
    for number, picture in enumerate(backgrounds):
        rng = np.random.default_rng((7, number))
        hole = random_hole(rng, people, HOLE_SIZE, share=(0.05, 0.4), people_only=True) > 0
        image = cv2.resize(picture.image, HOLE_SIZE[::-1], interpolation=cv2.INTER_AREA)
        holed = np.where(hole[..., None], np.uint8(0), image)
        telea = cv2.inpaint(holed, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA)
        filled = fill(run, holed, hole)
        error = np.abs(filled[hole].astype(np.float64) - image[hole]).mean() / 255
        rows.append((hole_psnr(filled, image, hole), hole_psnr(telea, image, hole), error))
    psnr, telea_psnr, l1 = np.mean(rows, axis=0)
    return {"hole_psnr": float(psnr), "telea_hole_psnr": float(telea_psnr), "hole_l1": float(l1)}
