"""One click in the middle of a clip: is the object followed backward as well as forward?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from benchmarks.clips import CLIPS, read_clip
from benchmarks.scenes import Scene
from engines.measure import iou
from realtime import ops
from realtime.edits import Erase
from realtime.segment import Segmenter
from realtime.settings import usual_interval
from realtime.tracking.bothways import Traced, follow_both_ways
from realtime.tracking.film import Film, Scraps
from realtime.tracking.finder import picture_size
from realtime.tracking.things import things
from realtime.tracking.tracing import Plan

REAL = tuple(name for name, clip in CLIPS.items() if clip.masks)
SMALLEST = 0.003  # share of the picture that must show of the object for a frame to count


@dataclass(frozen=True)
class Clip:
    """frame(index): (H, W, 3) uint8 BGR; truth(index): (H, W) bool, what shows of the object."""

    name: str
    length: int
    fps: float
    frame: Callable[[int], np.ndarray]
    truth: Callable[[int], np.ndarray]


@dataclass(frozen=True)
class BothWays:
    """One clip. before, after: mean IoU of the object's mask with the truth over the frames before and after the click,
    worst: the smallest; lost: frames in which the object was not seen though it shows; ms: of the search, per frame.
    """

    clip: str
    method: str
    click: int
    frames: int
    before: float
    after: float
    worst: float
    lost: int
    ms: float


def of_scene(made: Scene) -> Clip:
    """The scene's largest person."""
    areas = [[float((made.visible(i, who) > 0.5).sum()) for i in range(len(made))] for who in range(len(made.people))]
    who = max(range(len(areas)), key=lambda one: max(areas[one]))
    return Clip(made.name, len(made), made.fps, lambda i: made.shot(i).frame, lambda i: made.visible(i, who) > 0.5)


def of_video(name: str, limit: int | None) -> Clip:
    """A real clip and its masks."""
    shots = read_clip(name, limit)
    return Clip(name, len(shots), CLIPS[name].fps, lambda i: shots[i].frame, lambda i: shots[i].mask > 0)


def measure(clip: Clip, segmenter: Segmenter, method: str) -> tuple[BothWays, np.ndarray]:
    """Click in the middle of the frames that show the object, and follow; also a contact sheet, (H, W, 3) uint8."""
    truths = [clip.truth(index) for index in range(clip.length)]
    shown = [index for index, truth in enumerate(truths) if truth.mean() >= SMALLEST]
    click = shown[len(shown) // 2]
    with TemporaryDirectory() as folder:
        film = Film(Path(folder) / "film")
        for index in range(clip.length):
            image = clip.frame(index)
            film.append(ops.resize(image, picture_size(image, segmenter)), index / clip.fps)
        plan = Plan(segmenter, (), usual_interval(segmenter), truths[0].shape[:2])
        begin = time.perf_counter()
        edits = [(click, Erase(*deepest(truths[click]), 1))]
        traced = follow_both_ways(
            film, lambda: plan.finder(False, 2), edits, plan.size, Scraps(Path(folder) / "scraps")
        )
        spent = (time.perf_counter() - begin) * 1e3 / clip.length
        found = [_found(traced, index, clip.frame(index)) for index in range(clip.length)]
    scores = {index: iou(found[index], truths[index]) for index in shown}
    lost = sum(entry.rank > 1 for index in shown for entry in traced.rows[index].objects.values())
    before = [score for index, score in scores.items() if index < click]
    after = [score for index, score in scores.items() if index >= click]
    figures = float(np.mean(before)), float(np.mean(after)), min(scores.values()), lost, spent
    shown_on = [round(step * (clip.length - 1) / 7) for step in range(8)]
    tiles = [_tile(clip.frame(i), found[i], truths[i]) for i in shown_on]
    return BothWays(clip.name, method, click, clip.length, *figures), np.vstack(
        [np.hstack(tiles[:4]), np.hstack(tiles[4:])]
    )


def deepest(mask: np.ndarray) -> tuple[float, float]:
    """The pixel (x, y) that lies deepest in a (H, W) bool mask: where one clicks."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(x), float(y)


def _found(traced: Traced, index: int, image: np.ndarray) -> np.ndarray:
    """Where the object is, or its hole, (H, W) bool."""
    mask = np.zeros(image.shape[:2], bool)
    for thing in things(traced.tracks(index), (), image):
        mask[thing.roi.slices] |= thing.mask > 0
    return mask


def _tile(image: np.ndarray, found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The frame with the found mask in red and the true rim in green, a third of a row wide."""
    shown = image.copy()
    shown[found] = shown[found] // 2 + np.array([0, 0, 127], np.uint8)
    contours, _ = cv2.findContours(truth.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(shown, contours, -1, (0, 255, 0), 2)
    return ops.resize(shown, (round(shown.shape[0] * 480 / shown.shape[1]), 480))
