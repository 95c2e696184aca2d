"""What the eraser is compared with. Each takes a clip and yields one `Output` per frame, as `runs.run_eraser` does.

They get the masks; a clip is a sequence of anything with `frame` (H, W, 3) uint8 BGR and `mask` (H, W) uint8.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from benchmarks.scenes import Shot
from benchmarks.shown import NEVER

TELEA_RADIUS = 5
MEDIAN_FRAMES = 31  # the median of more frames hardly differs and costs memory


class Masked(Protocol):
    """A frame and what to erase in it."""

    @property
    def frame(self) -> np.ndarray: ...
    @property
    def mask(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Output:
    """A method's answer for one frame: image (H, W, 3) uint8, hole (H, W) uint8 (255 = replaced), time taken.

    fills: how often a network has filled so far.
    """

    image: np.ndarray
    hole: np.ndarray
    milliseconds: float
    fills: int = 0


def telea(clip: Sequence[Masked]) -> Iterator[Output]:
    """Per-frame inpainting (Telea 2004, radius 5)."""
    for shot in clip:
        start = time.perf_counter()
        image = cv2.inpaint(shot.frame, shot.mask, TELEA_RADIUS, cv2.INPAINT_TELEA)
        yield Output(image, shot.mask, (time.perf_counter() - start) * 1e3)


def temporal_median(clip: Sequence[Masked]) -> Iterator[Output]:
    """The median of each pixel's unmasked values over the whole clip (past and future, no motion); Telea elsewhere.

    The time given for a frame leaves out the median itself.
    """
    chosen = [clip[i] for i in sorted(set(np.linspace(0, len(clip) - 1, MEDIAN_FRAMES).round().astype(int)))]
    seen = np.stack([shot.mask == 0 for shot in chosen])
    values = np.stack([np.where(shot.mask[..., None] == 0, shot.frame, 255) for shot in chosen])
    values.sort(axis=0)  # masked samples are 255 and so come last
    count = seen.sum(axis=0)
    middle = np.maximum(count - 1, 0) // 2
    plate = np.take_along_axis(values, middle[None, ..., None], axis=0)[0]
    unknown = np.where(count == 0, np.uint8(255), np.uint8(0))
    for shot in clip:
        start = time.perf_counter()
        image = np.where(shot.mask[..., None] > 0, plate, shot.frame)
        image = cv2.inpaint(image, cv2.min(unknown, shot.mask), TELEA_RADIUS, cv2.INPAINT_TELEA)
        yield Output(image, shot.mask, (time.perf_counter() - start) * 1e3)


def oracle(clip: Sequence[Shot]) -> Iterator[Output]:
    """The truth, rounded, wherever any other frame of the clip shows it; Telea for what none does."""
    for shot in clip:
        start = time.perf_counter()
        truth = np.clip(np.rint(shot.truth), 0, 255).astype(np.uint8)
        image = np.where(shot.mask[..., None] > 0, truth, shot.frame)
        unknown = np.where(shot.shown == NEVER, np.uint8(255), np.uint8(0))
        image = cv2.inpaint(image, unknown, TELEA_RADIUS, cv2.INPAINT_TELEA)
        yield Output(image, shot.mask, (time.perf_counter() - start) * 1e3)
