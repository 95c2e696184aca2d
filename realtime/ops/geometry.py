"""Rectangles, points and matrices: what the frame operations are told about, without any pixels.

Convention of all warps: a 3x3 matrix maps *source* pixel coordinates (x, y), centres at integers, to *destination*
pixel coordinates, as cv2.warpPerspective does without WARP_INVERSE_MAP.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Region(NamedTuple):
    """A rectangle of pixels, half open: rows y0..y1, columns x0..x1."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    def moved(self, y: int, x: int) -> Region:
        """The same rectangle, `y` rows further down and `x` columns further right."""
        return Region(self.y0 + y, self.y1 + y, self.x0 + x, self.x1 + x)

    def united(self, other: Region) -> Region:
        """The smallest rectangle that holds both."""
        return Region(min(self.y0, other.y0), max(self.y1, other.y1), min(self.x0, other.x0), max(self.x1, other.x1))

    def expanded(self, margin: int) -> Region:
        """The rectangle with `margin` pixels more on each side, wherever they lie."""
        return Region(self.y0 - margin, self.y1 + margin, self.x0 - margin, self.x1 + margin)

    def expanded_within(self, margin: int, height: int, width: int) -> Region:
        """As `expanded`, clipped to a (height, width) picture."""
        y0, y1, x0, x1 = self.expanded(margin)
        return Region(max(0, y0), min(height, y1), max(0, x0), min(width, x1))


def translation(x: float, y: float) -> np.ndarray:
    """The 3x3 matrix that moves points by (x, y) pixels."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def scaling(source: tuple[int, int], destination: tuple[int, int]) -> np.ndarray:
    """The 3x3 matrix from pixels of a (H, W) picture to pixels of its resized copy, picture edges aligned."""
    sy, sx = destination[0] / source[0], destination[1] / source[1]
    return np.array([[sx, 0.0, 0.5 * sx - 0.5], [0.0, sy, 0.5 * sy - 0.5], [0.0, 0.0, 1.0]])


def same_shape(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two sizes (H, W) can be one picture at two scales, as far as whole, even pixels can tell."""
    return abs(first[1] * second[0] - second[1] * first[0]) <= 2 * max(*first, *second)


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 2) float points mapped by a 3x3 homography."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return mapped[:, :2] / mapped[:, 2:]


def region_corners(region: Region) -> np.ndarray:
    """The outer corners of a region's pixels, (4, 2) float64 (x, y)."""
    x0, x1, y0, y1 = region.x0 - 0.5, region.x1 - 0.5, region.y0 - 0.5, region.y1 - 0.5
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
