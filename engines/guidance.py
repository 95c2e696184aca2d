"""What guides the segmenter to an object: clicks as people make them, and previous mattes as trackers have them.

A guidance is (H, W, 3) uint8, the planes previous matte, positive clicks and negative clicks; 255 is one. Objects are
(H, W) bool. Every function takes a NumPy generator and draws from nothing else.
"""

from __future__ import annotations

import cv2
import numpy as np

CLICK_RADIUS = 0.03  # of the height
CLICKS, CARRIED = 0.42, 0.28  # how often there are only clicks, and only a previous matte; otherwise there are both


def click_plane(shape: tuple[int, int], points: list[tuple[float, float]]) -> np.ndarray:
    """(H, W) uint8, 255 in a disc around each (x, y)."""
    plane = np.zeros(shape, np.uint8)
    for x, y in points:
        cv2.circle(plane, (round(x), round(y)), round(CLICK_RADIUS * shape[0]), 255, cv2.FILLED)
    return plane


def click_in(rng: np.random.Generator, region: np.ndarray) -> tuple[float, float]:
    """A point (x, y) of a region (H, W) bool that is not empty: mostly well inside its largest piece, as people aim."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    piece = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    depth = cv2.distanceTransform(cv2.copyMakeBorder(piece, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)[
        1:-1, 1:-1
    ]
    least = depth.max() * rng.choice((0.85, 0.5, 0.1), p=(0.4, 0.4, 0.2))
    ys, xs = np.nonzero(depth >= least)
    chosen = int(rng.integers(len(ys)))
    return float(xs[chosen]), float(ys[chosen])


def guide(rng: np.random.Generator, thing: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Guidance to an object: clicks, previous matte, or both. others: (H, W) bool, what else could be meant."""
    kind = rng.random()
    previous = np.zeros(thing.shape, np.uint8)
    positive: list[tuple[float, float]] = []
    negative: list[tuple[float, float]] = []
    if kind < CLICKS:
        positive.append(click_in(rng, thing))
        if rng.random() < 0.4:
            positive += [click_in(rng, thing & _random_half(rng, thing)) for _ in range(int(rng.integers(1, 3)))]
        if rng.random() < 0.5 and not thing.all():
            beside = cv2.dilate(thing.astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
            negative.append(click_in(rng, _first_of(others & ~thing, beside & ~thing, ~thing)))
    elif kind < CLICKS + CARRIED:
        previous = distort(rng, thing, others)
    else:
        previous = distort(rng, thing, others, faulty=True)
        missing, leaking = thing & (previous < 128), ~thing & (previous >= 128)
        for _ in range(int(rng.integers(1, 4))):
            for error, points in ((missing, positive), (leaking, negative)):
                if np.count_nonzero(error) > 0.05 * np.count_nonzero(thing) and rng.random() < 0.7:
                    points.append(click_in(rng, error))
        if not positive or rng.random() < 0.5:  # the click that began it
            positive.append(click_in(rng, thing))
    return np.dstack([previous, click_plane(thing.shape, positive), click_plane(thing.shape, negative)])


def distort(rng: np.random.Generator, thing: np.ndarray, others: np.ndarray, *, faulty: bool = False) -> np.ndarray:
    """(H, W) uint8: an object's matte as trackers carry it over: nearly right, or shifted, torn, leaking.

    faulty: always one of the latter, as what people correct is; it leaks into others more often.
    """
    height = thing.shape[0]
    matte = thing.astype(np.float32)
    rough = 0.15 if not faulty and rng.random() < 0.45 else 1.0  # most frames of a video follow each other closely
    if rng.random() < (0.3 if faulty else 0.8):
        matte = _move(rng, matte, rough)
    if rough == 1 and rng.random() < 0.4:
        keep = ~_random_half(rng, thing) if rng.random() < 0.5 else ~_blob(rng, thing)
        if np.count_nonzero(thing & keep) > 0.25 * np.count_nonzero(thing):
            matte = matte * keep
    if rough == 1 and rng.random() < (0.6 if faulty else 0.4):
        if others.any() and rng.random() < (0.8 if faulty else 0.4):
            leak = others & ~thing
        else:
            leak = _blob(rng, thing)
        matte = np.maximum(matte, leak * np.float32(rng.uniform(0.5, 1)))
    blurred = cv2.GaussianBlur(matte, (0, 0), rng.uniform(0.3, 0.012 * height + 0.5))
    strength = rng.uniform(0.7, 1) if rng.random() < 0.4 else 1.0
    return (blurred * (255 * strength)).round().astype(np.uint8)


def _move(rng: np.random.Generator, matte: np.ndarray, rough: float) -> np.ndarray:
    """Shift, scale, turn and bend a matte by a few hundredths of the picture's height times `rough`."""
    height, width = matte.shape
    ys, xs = np.nonzero(matte)
    middle = float(xs.mean()), float(ys.mean())
    matrix = cv2.getRotationMatrix2D(middle, rng.normal(0, 4) * rough, float(np.exp(rng.normal(0, 0.07) * rough)))
    matrix[:, 2] += rng.normal(0, 0.03, 2) * height * rough
    bend = rng.normal(0, 1, (2, 6, 6)).astype(np.float32) * (0.02 * height * rough)
    dx, dy = (cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC) for plane in bend)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    matte = cv2.warpAffine(matte, matrix, (width, height))
    return cv2.remap(matte, x + dx, y + dy, cv2.INTER_LINEAR)


def _random_half(rng: np.random.Generator, thing: np.ndarray) -> np.ndarray:
    """(H, W) bool: the part of the picture that holds between a tenth and half of the object, cut by a line."""
    ys, xs = np.nonzero(thing)
    angle = rng.uniform(0, 2 * np.pi)
    along = xs * np.cos(angle) + ys * np.sin(angle)
    limit = np.quantile(along, rng.uniform(0.1, 0.5))
    y, x = np.indices(thing.shape, dtype=np.float32)
    return x * np.cos(angle) + y * np.sin(angle) <= limit


def _blob(rng: np.random.Generator, thing: np.ndarray) -> np.ndarray:
    """(H, W) bool: an ellipse on the object's rim or inside, up to half as large as the object."""
    ys, xs = np.nonzero(thing)
    chosen = int(rng.integers(len(ys)))
    size = np.sqrt(len(ys)) * rng.uniform(0.15, 0.5, 2)
    blob = np.zeros(thing.shape, np.uint8)
    axes = max(1, round(size[0])), max(1, round(size[1]))
    cv2.ellipse(blob, (int(xs[chosen]), int(ys[chosen])), axes, rng.uniform(0, 180), 0, 360, 1, cv2.FILLED)
    return blob > 0


def _first_of(*regions: np.ndarray) -> np.ndarray:
    """The first region that is not empty, the last one otherwise."""
    return next((region for region in regions if region.any()), regions[-1])
