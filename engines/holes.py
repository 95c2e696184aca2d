"""Shapes: holes as erasing makes them (silhouettes of people, boxes, strokes, grown outward), and things."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from engines import augment
from engines.data import Picture

HoleMaker = Callable[[np.random.Generator, Sequence[Picture], tuple[int, int]], np.ndarray]


def silhouettes(rng: np.random.Generator, people: Sequence[Picture], shape: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8, 255 where one to three people stand."""
    hole = np.zeros(shape, np.uint8)
    for _ in range(int(rng.choice((1, 2, 3), p=(0.7, 0.2, 0.1)))):
        _, alpha = augment.place(rng, people[int(rng.integers(len(people)))], shape)
        hole |= (alpha > 127).astype(np.uint8) * 255
    return hole


def box(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8, 255 in a box of a tenth to six tenths of each side."""
    hole = np.zeros(shape, np.uint8)
    h, w = (round(side * rng.uniform(0.1, 0.6)) for side in shape)
    y, x = int(rng.integers(0, shape[0] - h + 1)), int(rng.integers(0, shape[1] - w + 1))
    hole[y : y + h, x : x + w] = 255
    return hole


def strokes(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8, 255 along a few thick random walks."""
    hole = np.zeros(shape, np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        start = rng.uniform(0, 1, 2) * shape[::-1]
        walk = start + np.cumsum(rng.normal(0, 0.12, (int(rng.integers(2, 8)), 2)) * shape[::-1], axis=0)
        points = [walk.round().astype(np.int32).reshape(-1, 1, 2)]
        cv2.polylines(hole, points, False, 255, max(2, round(min(shape) * rng.uniform(0.03, 0.12))))
    return hole


def pole(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8, 255 in something upright and thin, half of the time with a round top, as lamps and tables have."""
    thing = np.zeros(shape, np.uint8)
    height = round(shape[0] * rng.uniform(0.15, 0.9))
    width = max(2, round(height * rng.uniform(0.05, 0.25)))
    x, y = int(rng.integers(0, shape[1])), round(shape[0] * rng.uniform(0.3, 1.1))
    cv2.rectangle(thing, (x, y - height), (x + width, y), 255, cv2.FILLED)
    if rng.random() < 0.5:
        axes = round(height * rng.uniform(0.08, 0.3)), round(height * rng.uniform(0.04, 0.2))
        cv2.ellipse(thing, (x + width // 2, y - height), axes, 0, 0, 360, 255, cv2.FILLED)
    return thing


def blob(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8, 255 in one closed shape, smooth or with corners, a tenth to seven tenths of the height across."""
    corners = int(rng.integers(3, 10))
    smooth = corners > 5 or rng.random() < 0.5
    count = 64 if smooth else corners
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    waves = np.arange(2, 6)[:, None]
    radius = 1 + (rng.normal(0, 0.25, (4, 1)) / waves**0.5 * np.sin(waves * angles + rng.uniform(0, 6.3, (4, 1)))).sum(
        0
    )
    size = shape[0] * rng.uniform(0.05, 0.35) * np.exp(rng.uniform(-0.4, 0.4, 2))
    turn = rng.uniform(0, 2 * np.pi)
    x, y = np.cos(angles) * radius.clip(0.3) * size[0], np.sin(angles) * radius.clip(0.3) * size[1]
    points = np.stack([np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y], 1)
    middle = rng.uniform(0.05, 0.95, 2) * shape[::-1]
    thing = np.zeros(shape, np.uint8)
    cv2.fillPoly(thing, [(points + middle).round().astype(np.int32)], 255)
    return thing


def grow(hole: np.ndarray, radius: int) -> np.ndarray:
    """Dilate by a disc of `radius` pixels."""
    if radius < 1:
        return hole
    return cv2.dilate(hole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))


def random_hole(
    rng: np.random.Generator,
    people: Sequence[Picture],
    shape: tuple[int, int],
    share: tuple[float, float] = (0.02, 0.5),
    people_only: bool = False,
) -> np.ndarray:
    """(H, W) uint8, 255 = hole, whose share of the picture is within `share` (nearly always: the last try is taken)."""
    hole = np.zeros(shape, np.uint8)
    for _ in range(20):
        kind = 0.0 if people_only else rng.random()
        if kind < 0.65:
            hole = silhouettes(rng, people, shape)
        elif kind < 0.8:
            hole = box(rng, shape)
        else:
            hole = strokes(rng, shape)
        hole = grow(hole, round(min(shape) * rng.uniform(0.0, 0.04)))
        if share[0] <= np.count_nonzero(hole) / hole.size <= share[1]:
            break
    return hole
