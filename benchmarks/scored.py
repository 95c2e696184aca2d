"""The figures of a person segmenter over pictures with masks, without people, and with boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.peers import Peer
from engines.data import Picture
from engines.measure import box_fit, iou

BOUNDARY_SIDE, BOUNDARY_REACH = 256, 2  # pixels
TIMED = 60  # runs


@dataclass(frozen=True)
class Scores:
    """Means over pictures, by source where they are dicts; README.md defines them. Shares lie in [0, 1]."""

    iou: dict[str, float]
    iou_all: float
    iou_free: float
    iou_trusted: float
    iou_trusted_free: float
    accuracy: float
    boundary: float
    false: dict[str, float]
    false_all: float
    projection: float
    outside: float
    ms: float


def score(peer: Peer, people: Sequence[Picture], backgrounds: Sequence[Picture], boxed: Sequence[Picture]) -> Scores:
    """Run a network over all pictures. people have masks, backgrounds nobody, boxed have boxes."""
    ious: list[float] = []
    accuracies: list[float] = []
    boundaries: list[float] = []
    for picture in people:
        assert picture.mask is not None
        found, true = peer.matte(picture.image) > 0.5, picture.mask > 127
        ious.append(iou(found, true))
        accuracies.append(float((found == true).mean()))
        boundaries.append(boundary_f(found, true))
    false = [float((peer.matte(picture.image) > 0.5).mean()) for picture in backgrounds]
    fits = [box_fit(peer.matte(picture.image) > 0.5, picture) for picture in boxed]
    outside = [share for _, share in fits if share is not None]
    return Scores(
        iou=_by_source(people, ious),
        iou_all=_mean(ious),
        iou_free=_mean([value for value, p in zip(ious, people, strict=True) if p.prefix != "cmask"]),
        iou_trusted=_mean([value for value, p in zip(ious, people, strict=True) if p.trusted]),
        iou_trusted_free=_mean(
            [value for value, p in zip(ious, people, strict=True) if p.trusted and p.prefix != "cmask"]
        ),
        accuracy=_mean(accuracies),
        boundary=_mean(boundaries),
        false=_by_source(backgrounds, false),
        false_all=_mean(false),
        projection=_mean([projection for projection, _ in fits]),
        outside=_mean(outside),
        ms=_time(peer),
    )


def boundary_f(found: np.ndarray, true: np.ndarray) -> float:
    """F-score of the mask's edge, (H, W) bool twice: scaled to 256 pixels on the longest side, 2 pixels of tolerance.

    After Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016.
    """
    scale = BOUNDARY_SIDE / max(true.shape)
    size = max(1, round(true.shape[1] * scale)), max(1, round(true.shape[0] * scale))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BOUNDARY_REACH + 1, 2 * BOUNDARY_REACH + 1))
    edges = []
    for mask in (found, true):
        small = (cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5).astype(np.uint8)
        edges.append(small - cv2.erode(small, np.ones((3, 3), np.uint8)))
    near_found, near_true = (cv2.dilate(edge, disc) for edge in edges)
    if not edges[0].any() or not edges[1].any():
        return float(edges[0].any() == edges[1].any())
    precision, recall = near_true[edges[0] > 0].mean(), near_found[edges[1] > 0].mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _time(peer: Peer) -> float:
    """Milliseconds of the network on a 16:9 picture: others only slow it down, so the third fastest of sixty runs."""
    picture = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    peer.times.clear()
    for _ in range(TIMED):
        peer.matte(picture)
    return sorted(peer.times)[2]


def _by_source(pictures: Sequence[Picture], values: Sequence[float]) -> dict[str, float]:
    sources = sorted({picture.prefix for picture in pictures})
    return {
        source: _mean([value for value, p in zip(values, pictures, strict=True) if p.prefix == source])
        for source in sources
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
