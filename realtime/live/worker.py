"""The eraser as the live loop drives it: at full size, or on a smaller picture when the governor asks for that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from realtime import ops
from realtime.background.filljob import FillJob
from realtime.background.plate import GUESSED
from realtime.edits import Edit, scaled
from realtime.eraser import Eraser
from realtime.frame import Frame
from realtime.ops import Region
from realtime.result import Result
from realtime.settings import Pace
from realtime.tracking.things import Thing

if TYPE_CHECKING:
    from realtime.live.governor import Level


class Worker:
    """Gives the eraser frames of the size that the governor has chosen, and its results back at the frame's own size:
    only hole and feather are enlarged, every other pixel is the frame's.

    Owned by the process thread. scale: of both sides of the picture that is worked on.
    """

    def __init__(self, eraser: Eraser) -> None:
        self.scale = 1.0
        self._eraser = eraser
        self._full: tuple[int, int] | None = None  # (height, width) of the latest frame
        self._edits: list[tuple[Edit, tuple[int, int] | None]] = []  # for the next frame, with the size they speak of
        self._latest: tuple[Frame, Result] | None = None  # that frame, and what the eraser made of it or its small copy

    def obey(self, level: Level) -> None:
        """Work as the governor says, from the next frame on."""
        self._eraser.pace = Pace(level.interval, level.network_scale, level.closer)
        self.scale = level.plate_scale

    def step(self, frame: Frame) -> Result:
        """Erase in a frame."""
        full = frame.image.shape[:2]
        small = self._small(full)
        for edit, made_in in self._edits:
            height, width = made_in or full
            self._eraser.edit(scaled(edit, small[1] / width, small[0] / height))
        self._full, self._edits = full, []
        if small == full:
            result = self._eraser.step(frame)
            self._latest = frame, result
            return result
        result = self._eraser.step(replace(frame, image=ops.resize(frame.image, small)))
        self._latest = frame, result
        return enlarged(result, frame)

    def edit(self, edit: Edit) -> None:
        """As `Eraser.edit`, in pixels of the latest frame; of the next one where there was none yet."""
        self._edits.append((edit, self._full))

    def backdrop(self) -> Result | None:
        """What stands behind everything in the latest frame, as far as it is known; None before the first."""
        if self._latest is None:
            return None
        frame, result = self._latest
        behind = self._eraser.backdrop(result)
        return behind if result.image.shape == frame.image.shape else enlarged(behind, frame)

    def filled(self, job: FillJob, picture: np.ndarray) -> None:
        """As `Eraser.filled`."""
        self._eraser.filled(job, picture)

    def learn_clean(self, frame: Frame) -> None:
        """As `Eraser.learn_clean`, for a frame of full size."""
        small = self._small(frame.image.shape[:2])
        self._eraser.learn_clean(replace(frame, image=ops.resize(frame.image, small)))

    def save_plate(self, path: str) -> None:
        """As `Eraser.save_plate`."""
        self._eraser.save_plate(path)

    def load_plate(self, path: str, size: tuple[int, int]) -> None:
        """As `Eraser.load_plate`; size: (H, W) of the frames to come."""
        self._eraser.load_plate(path, self._small(size))

    def _small(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size (H, W) that a picture of this size is worked on at; even, as all sizes here."""
        if self.scale == 1.0:
            return size
        return tuple(max(2, 2 * round(side * self.scale / 2)) for side in size)  # type: ignore[return-value]


def enlarged(result: Result, frame: Frame) -> Result:
    """The result of a smaller copy of `frame`, for the frame itself: pixels with alpha 0 are the frame's own."""
    full, small = frame.image.shape[:2], result.image.shape[:2]
    to_full = ops.scaling(small, full)
    things = tuple(_enlarged_thing(thing, to_full, full) for thing in result.things)
    alpha, hole, trust = (np.zeros(full, np.uint8) for _ in range(3))
    if result.roi is None:
        return replace(
            result, frame=frame, image=frame.image, alpha=alpha, hole=hole, trust=trust, things=things, roi=None
        )
    # A pixel of the small picture hides several: with one more all around, none of the object's is left between two.
    roi = _enlarged_region(result.roi.expanded(2), to_full, full)
    inner = roi.slices
    alpha[inner] = _cut(ops.grow_square(result.alpha, 1), to_full, roi, cv2.INTER_LINEAR)
    hole[inner] = ops.equals(alpha[inner], 255)
    made_of = _cut(ops.grow_square(result.trust, 1), to_full, roi, cv2.INTER_NEAREST)
    trust[inner] = np.maximum(made_of, GUESSED) & hole[inner]
    image = frame.image.copy()
    image[inner] = ops.composite(frame.image[inner], _cut(result.image, to_full, roi, cv2.INTER_CUBIC), alpha[inner])
    return replace(result, frame=frame, image=image, alpha=alpha, hole=hole, trust=trust, things=things, roi=roi)


def _enlarged_thing(thing: Thing, to_full: np.ndarray, full: tuple[int, ...]) -> Thing:
    roi = _enlarged_region(thing.roi, to_full, full)
    inside = to_full @ ops.translation(thing.roi.x0, thing.roi.y0)
    mask = ops.at_least(_cut(thing.mask, inside, roi, cv2.INTER_LINEAR), 128)
    moved = thing.moved[0] * to_full[0, 0], thing.moved[1] * to_full[1, 1]
    return replace(thing, roi=roi, mask=mask, moved=moved)


def _enlarged_region(region: Region, to_full: np.ndarray, full: tuple[int, ...]) -> Region:
    """The whole pixels of the full picture that lie under a region of the small one."""
    (x0, y0), _, (x1, y1), _ = np.rint(ops.transform_points(to_full, ops.region_corners(region)) + 0.5).astype(int)
    return Region(max(0, int(y0)), min(full[0], int(y1)), max(0, int(x0)), min(full[1], int(x1)))


def _cut(picture: np.ndarray, to_full: np.ndarray, roi: Region, interpolation: int) -> np.ndarray:
    """The part `roi` of a picture that is enlarged by `to_full`, source -> destination pixels."""
    matrix = (ops.translation(-roi.x0, -roi.y0) @ to_full)[:2]
    size = max(1, roi.width), max(1, roi.height)
    return cv2.warpAffine(picture, matrix, size, flags=interpolation, borderMode=cv2.BORDER_REPLICATE)
