"""Carries mattes and points from frame to frame by dense optical flow (DIS, Kroeger et al., ECCV 2016)."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from realtime import ops

AROUND, WHOLE = 0.05, 0.25  # of an object's size, the root of its area: how far its flow is averaged
NOISE = 0.3  # pixels by which flow that was averaged over AROUND is still wrong
PLAIN = 3.0  # squared grey levels a pixel: with less contrast than that, flow is mostly a guess
SHARE = 0.01  # of an object that must be around for its flow to count
LEAST = 16  # pixels of the shorter side: on some smaller pictures OpenCV's DIS fails, or crashes


class DenseFlow:
    """Computes flow between pictures as small as mattes: fast, but down to single pixels, which limbs take."""

    def __init__(self, finest: int = 0) -> None:
        """finest: how often the size is halved where it ends; 1 is twice as fast as 0, and tells nearly as much."""
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._dis.setFinestScale(finest)

    def __call__(self, there: np.ndarray, here: np.ndarray) -> np.ndarray:
        """Two (h, w) uint8 pictures -> (h, w, 2) float32 (x, y): add it to a pixel of the first to get where the second
        shows the same. Zero where they are too small."""
        flow = np.zeros((*there.shape, 2), np.float32)
        return flow if min(there.shape) < LEAST else self._dis.calc(there, here, flow)


class Reduced:
    """A picture made smaller when that is first asked for, which it often never is.

    image: (H, W, 3) uint8 BGR; size: (h, w).
    """

    def __init__(self, image: np.ndarray, size: tuple[int, int]):
        self.image, self.size = image, size

    @cached_property
    def small(self) -> np.ndarray:
        """(h, w, 3) uint8 BGR, area average."""
        return cv2.resize(self.image, self.size[::-1], interpolation=cv2.INTER_AREA)

    @cached_property
    def gray(self) -> np.ndarray:
        """(h, w) uint8."""
        return cv2.cvtColor(self.small, cv2.COLOR_BGR2GRAY)


class Step:
    """From one picture to the next, both of one size; the flow is computed when it is first asked for."""

    def __init__(self, flow: DenseFlow, before: Reduced, after: Reduced):
        """before, after: the two pictures."""
        self._flow, self.before, self.after = flow, before, after

    @cached_property
    def backward(self) -> np.ndarray:
        """(h, w, 2) float32 (x, y): add it to a pixel of the second picture to get where it was in the first."""
        return self._flow(self.after.gray, self.before.gray)

    @cached_property
    def _sources(self) -> tuple[np.ndarray, np.ndarray]:
        y, x = np.indices(self.after.size, dtype=np.float32)
        return x + self.backward[..., 0], y + self.backward[..., 1]

    @cached_property
    def _contrast(self) -> np.ndarray:
        """(h, w) float32: how well a pixel of the second picture tells where it went, its squared gradient's mean."""
        down, right = (cv2.Sobel(self.after.gray, cv2.CV_32F, x, 1 - x, scale=1 / 8) for x in (0, 1))
        return cv2.GaussianBlur(down * down + right * right, (5, 5), 0) + np.float32(PLAIN)

    def matte(self, matte: np.ndarray) -> np.ndarray:
        """A (h, w) float32 matte of the first picture, as it lies on the second; bilinear, zero from outside.

        At an outline the flow is half the background's, and on plain cloth a guess: so a pixel goes along with what
        lies around it, surely belongs to the object and has contrast; and as the object's whole surroundings go, as far
        as these go together (Wiener's filter: what spreads no more than noise is noise).
        """
        sources = self._sources
        carried = cv2.remap(matte, *sources, cv2.INTER_LINEAR)
        side = float(carried.sum()) ** 0.5
        region = ops.neighbourhood(ops.at_least(carried, 0.1), 2 + round(3 * AROUND * side))
        if region is None:
            return carried
        part = region.slices
        weight = carried[part] ** 2 * self._contrast[part]
        near, counts = _averaged(self.backward[part], weight, AROUND * side)
        whole, _ = _averaged(near, weight, WHOLE * side)
        squares, _ = _averaged(np.square(near - whole), weight, WHOLE * side)
        spread = squares.sum(2, keepdims=True)
        moved = whole + (near - whole) * (spread / (spread + np.float32(NOISE**2)))
        y, x = np.indices(counts.shape, dtype=np.float32)
        to_x = np.where(counts, x + moved[..., 0] + region.x0, sources[0][part])
        to_y = np.where(counts, y + moved[..., 1] + region.y0, sources[1][part])
        carried[part] = cv2.remap(matte, to_x, to_y, cv2.INTER_LINEAR)
        return carried

    def shift(self, mask: np.ndarray) -> tuple[float, float]:
        """By how much what a (h, w) uint8 mask covers in the first picture moves as a whole, (x, y): the median."""
        rows, columns = np.nonzero(mask)
        x = y = 0.0
        for _ in range(3 if len(rows) else 0):  # as in `point`
            at = np.rint(rows + y).astype(int), np.rint(columns + x).astype(int)
            at = tuple(np.clip(place, 0, side - 1) for place, side in zip(at, mask.shape, strict=True))
            x, y = (-float(np.median(part)) for part in self.backward[at].T)
        return x, y

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the first picture is in the second."""
        height, width = self.after.size
        there_x, there_y = x, y
        for _ in range(3):  # the flow is that of the second picture's pixels: find the one that came from (x, y)
            row, column = round(min(max(there_y, 0), height - 1)), round(min(max(there_x, 0), width - 1))
            shift = self.backward[row, column]
            there_x, there_y = x - float(shift[0]), y - float(shift[1])
        return there_x, there_y


def _averaged(plane: np.ndarray, weight: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """The weighted mean of a (h, w, 2) plane around each pixel, and where enough weighs, (h, w) bool."""
    sigma = max(1.0, sigma)
    height, width = weight.shape
    step = max(1, int(sigma / 2))  # what is as smooth as that is not worth all pixels
    size = -(-width // step), -(-height // step)
    shares = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(plane * weight[..., None], size, interpolation=cv2.INTER_AREA)
    near = cv2.GaussianBlur(shares, (0, 0), sigma / step)
    mean = cv2.GaussianBlur(sums, (0, 0), sigma / step) / (near[..., None] + np.float32(1e-6))
    near, mean = (cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) for small in (near, mean))
    return mean, near > SHARE * PLAIN


class Flow:
    """The optical flow of one shot. State: the latest picture."""

    def __init__(self) -> None:
        self._flow = DenseFlow()
        self._latest: Reduced | None = None

    def step(self, picture: Reduced) -> Step | None:
        """The step to the next picture; None where the one before is not of its size."""
        before, self._latest = self._latest, picture
        if before is None or before.size != picture.size:
            return None
        return Step(self._flow, before, picture)
