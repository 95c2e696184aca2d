"""What a picture looks like in a few numbers, and which pictures of many are the most different from each other."""

from __future__ import annotations

import cv2
import numpy as np

GRID = 8  # cells in each direction
EDGES = 0.5  # weight of the edges beside the colours
TIME = 0.5  # weight of the time, from 0 at the first candidate to 1 at the last, beside distances of about 1


def describe(image: np.ndarray) -> np.ndarray:
    """(4 * GRID * GRID,) float32: mean Lab colour and strength of the edges in each cell, all in about [0, 1].

    image: (H, W, 3) uint8 BGR.
    """
    small = cv2.resize(image, (GRID * 8, GRID * 8), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_BGR2Lab).astype(np.float32) / 255
    across, down = (cv2.Sobel(lab[..., 0], cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    cells = np.dstack([lab, EDGES * cv2.magnitude(across, down)])
    return cv2.resize(cells, (GRID, GRID), interpolation=cv2.INTER_AREA).ravel()


def spread(descriptors: np.ndarray, times: np.ndarray, count: int) -> list[int]:
    """Which `count` of n pictures are spread best over appearance and time, in order of their indices.

    Farthest-point sampling (Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985), from the
    picture that is most like the average one: each next is the one farthest from all that were taken, the first of
    equals. descriptors: (n, d) float32; times: (n,), seconds.
    """
    points = np.asarray(descriptors, np.float64)
    spans = np.linalg.norm(points - points.mean(0), axis=1)
    length = float(np.ptp(times)) or 1.0
    points = np.column_stack([points / (spans.mean() or 1.0), TIME * (times - np.min(times)) / length])
    latest = int(np.linalg.norm(points - points.mean(0), axis=1).argmin())
    chosen, nearest = [latest], np.full(len(points), np.inf)
    while len(chosen) < min(count, len(points)):
        nearest = np.minimum(nearest, np.linalg.norm(points - points[latest], axis=1))
        nearest[chosen] = -1.0
        latest = int(nearest.argmax())
        chosen.append(latest)
    return sorted(chosen)
