"""What the user chose to erase, and what must stay: classes, fixed boxes, protected boxes, masks given from outside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from realtime.errors import EraserError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from realtime.frame import Frame
    from realtime.media.source import Source

ERASE_FROM = 128
"""Mask samples from this value on mean "erase"; masks that went through a lossy codec are noisy near 0 and 255."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright picture: left, top, width, height."""

    x: int
    y: int
    w: int
    h: int

    @classmethod
    def parse(cls, text: str) -> Box:
        """Read "X,Y,W,H" (whole pixels); raise UsageError when it is something else or has no area."""
        match = re.fullmatch(r"\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*", text)
        if match is None:
            raise UsageError(f"'{text}' is not a box: give X,Y,WIDTH,HEIGHT in pixels, like 40,60,200,120")
        box = cls(*(int(part) for part in match.groups()))
        if box.w == 0 or box.h == 0:
            raise UsageError(f"the box {box} is empty: its width and height must be at least 1")
        return box

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.w},{self.h}"

    def slices(self) -> tuple[slice, slice]:
        """Rows and columns to index an (H, W) array with; parts outside the picture fall away."""
        rows = slice(max(self.y, 0), max(self.y + self.h, 0))
        return rows, slice(max(self.x, 0), max(self.x + self.w, 0))


@dataclass(frozen=True, slots=True)
class Selection:
    """What to erase, the same for every frame of a job.

    classes: names of the segmenter's classes; () where only masks and boxes count.
    boxes: regions that are erased in every frame.
    keep: regions in which nothing is ever erased, whatever else asks for it.
    """

    classes: tuple[str, ...] = ("person",)
    boxes: tuple[Box, ...] = ()
    keep: tuple[Box, ...] = ()

    def check(self, height: int, width: int) -> list[str]:
        """Hold the boxes against a picture of this size.

        Returns a remark for each box that reaches over the edge (only its inner part counts); raises EraserError for
        one that lies outside altogether.
        """
        remarks = []
        for box in (*self.boxes, *self.keep):
            if box.x >= width or box.y >= height or box.x + box.w <= 0 or box.y + box.h <= 0:
                raise EraserError(
                    f"the box {box} lies outside the picture, which is {width}x{height}: "
                    f"give X,Y,WIDTH,HEIGHT in its pixels, from the top left corner"
                )
            if box.x < 0 or box.y < 0 or box.x + box.w > width or box.y + box.h > height:
                remarks.append(
                    f"the box {box} reaches over the edge of the {width}x{height} picture: its inner part counts"
                )
        return remarks

    def fixed_mask(self, shape: tuple[int, ...]) -> np.ndarray | None:
        """The boxes as an (H, W) uint8 mask, 255 = erase, for a picture of `shape` (H, W, ...); None without boxes."""
        if not self.boxes:
            return None
        mask = np.zeros(shape[:2], np.uint8)
        for box in self.boxes:
            mask[box.slices()] = 255
        return mask

    def protect(self, mask: np.ndarray) -> np.ndarray:
        """A copy of `mask`, (H, W) of any dtype, with zeros in the protected regions."""
        mask = mask.copy()
        for box in self.keep:
            mask[box.slices()] = 0
        return mask


def binary_mask(image: np.ndarray) -> np.ndarray:
    """(H, W) uint8 mask, 255 where any channel of `image`, (H, W, 3) or (H, W) uint8, is at least 128, else 0."""
    if image.ndim == 3:
        first, second, third = cv2.split(image)
        image = cv2.max(cv2.max(first, second), third)
    return np.asarray(cv2.threshold(image, ERASE_FROM - 1, 255, cv2.THRESH_BINARY)[1])


def fit_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """`mask` (h, w) at the frame's size (height, width), scaled (nearest) when only the scale differs.

    The same aspect ratio means: equal but for the rounding of one mask pixel. Raises EraserError that names both sizes.
    """
    mask_height, mask_width = mask.shape
    if (mask_height, mask_width) == (height, width):
        return mask
    if abs(mask_width - mask_height * width / height) >= 1:
        raise EraserError(
            f"the mask is {mask_width}x{mask_height} but the picture is {width}x{height}: "
            f"give masks of the picture's size, or of its aspect ratio"
        )
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


class GivenMasks:
    """Masks that come from outside: one picture for every frame, or a video or numbered folder with one per frame.

    Masks are counted from the input's first frame, so a job that starts later skips those before. They are read in
    step with the frames, which must be asked for in order; memory is one mask. Not thread-safe: the eraser's thread
    owns it.

        with GivenMasks("mask.mp4") as masks:
            mask = masks.for_frame(frame.index, 720, 1280)
    """

    def __init__(self, path: str) -> None:
        """Open a picture, a video or a folder; raises EraserError when it is missing or something else."""
        from realtime.media.opening import open_source

        self.path = path
        try:
            self._source: Source = open_source(path)
        except EraserError as error:
            raise EraserError(f"the mask cannot be used: {error}") from error
        self._same_for_all = self._source.info.still
        self._frames: Iterator[Frame] = iter(self._source)
        self._mask: np.ndarray | None = None
        self._index = -1
        self._seen_values = 0

    @property
    def notes(self) -> list[str]:
        """A remark when the masks read so far erase nothing though they are not black, as label images (0 and 1) do."""
        if 0 < self._seen_values < ERASE_FROM:
            return [
                f"the mask {self.path} erases nothing: its brightest sample is {self._seen_values}, and only samples "
                f"from {ERASE_FROM} on mean 'erase' (white = erase, black = keep)"
            ]
        return []

    def for_frame(self, index: int, height: int, width: int) -> np.ndarray:
        """The (height, width) uint8 mask, 255 = erase, for the frame `index` (0 = the input's first).

        Raises EraserError when the masks have another shape than the picture, are damaged or end before `index`.
        """
        wanted = 0 if self._same_for_all else index
        while self._index < wanted:
            self._advance(wanted)
        assert self._mask is not None, "a mask was read, or _advance raised"
        return fit_mask(self._mask, height, width)

    def _advance(self, wanted: int) -> None:
        try:
            frame = next(self._frames, None)
        except EraserError as error:
            raise EraserError(f"the mask cannot be used: {error}") from error
        if self._source.lost:
            raise EraserError(f"the mask {self.path} is damaged after frame {self._index}: give an intact one")
        if frame is None:
            raise EraserError(
                f"the masks of {self.path} end before the video: there is none for frame {wanted} (the first is 0). "
                f"Give one for every frame, or a single picture for all, or set --end"
            )
        self._index = frame.index
        if self._index >= wanted:
            self._mask = binary_mask(frame.image)
            if self._seen_values < ERASE_FROM:
                self._seen_values = max(self._seen_values, int(frame.image.max()))

    def close(self) -> None:
        """Close the files; may be called twice."""
        self._source.close()

    def __enter__(self) -> GivenMasks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
