"""Carries mattes and points from frame to frame by dense optical flow (DIS, Kroeger et al., ECCV 2016)."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np


class Step:
    """From one picture to the next, both (h, w) uint8 gray; the flow is computed when it is first asked for."""

    def __init__(self, dis: cv2.DISOpticalFlow, before: np.ndarray, after: np.ndarray):
        self._dis, self._before, self._after = dis, before, after

    @cached_property
    def backward(self) -> np.ndarray:
        """(h, w, 2) float32 (x, y): add it to a pixel of the second picture to get where it was in the first."""
        return self._dis.calc(self._after, self._before, np.zeros((*self._after.shape, 2), np.float32))

    @cached_property
    def _sources(self) -> tuple[np.ndarray, np.ndarray]:
        y, x = np.indices(self._after.shape, dtype=np.float32)
        return x + self.backward[..., 0], y + self.backward[..., 1]

    def matte(self, matte: np.ndarray) -> np.ndarray:
        """A (h, w) float32 matte of the first picture, as it lies on the second; bilinear, zero from outside."""
        return cv2.remap(matte, *self._sources, cv2.INTER_LINEAR)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the first picture is in the second."""
        height, width = self._after.shape
        there_x, there_y = x, y
        for _ in range(3):  # the flow is that of the second picture's pixels: find the one that came from (x, y)
            row, column = round(min(max(there_y, 0), height - 1)), round(min(max(there_x, 0), width - 1))
            shift = self.backward[row, column]
            there_x, there_y = x - float(shift[0]), y - float(shift[1])
        return there_x, there_y


class Flow:
    """The optical flow of one shot. State: the latest picture, small and gray."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._gray: np.ndarray | None = None

    def step(self, small: np.ndarray) -> Step | None:
        """The step to the next picture, (h, w, 3) uint8 BGR; None where the one before is not of its size."""
        before, self._gray = self._gray, cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        if before is None or before.shape != self._gray.shape:
            return None
        return Step(self._dis, before, self._gray)
