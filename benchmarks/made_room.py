"""A made room, something that crosses it, and a segmenter that is told where: the eraser's work without a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from realtime.ops import HOST, Home
from realtime.segment import Segmenter


class Known(Segmenter):
    """Finds what it was told is there; its engine only says where it would have run."""

    mask: np.ndarray

    @property
    def guided(self) -> bool:
        """Never: what is known need not be looked at closer."""
        return False

    def look(
        self, image: np.ndarray, classes: Sequence[str], guidance: np.ndarray, home: Home = HOST
    ) -> tuple[np.ndarray | None, np.ndarray]:
        height, width = guidance.shape[2] // 2, guidance.shape[3] // 2
        matte = cv2.resize(self.mask, (width, height), interpolation=cv2.INTER_AREA) / np.float32(255)
        return matte, np.zeros((len(guidance), height, width), np.float32)


def room(size: tuple[int, int], count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pictures, (H, W, 3) uint8 BGR, and masks, (H, W) uint8, of something upright that crosses a room."""
    height, width = size
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 216, (height // 12, width // 12, 3)).astype(np.uint8)
    room = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for index in range(count):
        mask = np.zeros(size, np.uint8)
        middle = round(width * (0.2 + 0.6 * index / count)), height // 2
        cv2.ellipse(mask, middle, (width // 12, round(height * 0.4)), 0, 0, 360, 255, cv2.FILLED)
        noise = rng.normal(0, 1.5, room.shape)
        yield np.where(mask[..., None] > 0, np.uint8(20), (room + noise).clip(0, 255).astype(np.uint8)), mask
