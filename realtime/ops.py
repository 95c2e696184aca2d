"""The frame operations: every step that touches pixels in bulk, as functions on arrays, with OpenCV underneath.

The algorithm (`motion`, `masks`, `plate`, `exposure`, `eraser`) is written on top of these alone, so that another
device needs only these functions again. All of them take and return arrays; none keeps state.

Convention of all warps: a 3x3 matrix maps *source* pixel coordinates (x, y), centres at integers, to *destination*
pixel coordinates, as cv2.warpPerspective does without WARP_INVERSE_MAP.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
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


def bounding_region(mask: np.ndarray) -> Region | None:
    """The smallest rectangle that holds every nonzero pixel of a (H, W) uint8 mask; None where there is none."""
    x, y, width, height = cv2.boundingRect(mask)
    return Region(y, y + height, x, x + width) if width else None


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


def warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], *, cubic: bool = True) -> np.ndarray:
    """Resample `image` (any depth OpenCV warps) into (H, W) = `size`; source -> destination, edge pixels repeated."""
    flags = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return cv2.warpPerspective(image, matrix, (size[1], size[0]), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def warp_mask(mask: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The pixels of the destination whose whole bilinear footprint is set: (H, W) uint8 of 0 and 255."""
    soft = cv2.warpPerspective(mask, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR, borderValue=0)
    return at_least(soft, 254)


def warp_matte(matte: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A soft (H, W) float32 matte moved by `matrix`, zero where it comes from outside."""
    return cv2.warpPerspective(matte, matrix, matte.shape[::-1], flags=cv2.INTER_LINEAR, borderValue=0)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize to (H, W): area average downwards, bilinear upwards."""
    smaller = size[0] < image.shape[0]
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(image, (size[1], size[0]), interpolation=interpolation)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """A float32 picture rounded and clipped to uint8."""
    return np.asarray(cv2.add(image, (0, 0, 0, 0), dtype=cv2.CV_8U))  # type: ignore[call-overload]  # a scalar is fine


def pad(image: np.ndarray, margin: int) -> np.ndarray:
    """The picture with `margin` pixels more on each side, repeating its edge."""
    return cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_REPLICATE)


def at_least(image: np.ndarray, value: float) -> np.ndarray:
    """255 where a (H, W) picture is >= `value`, else 0; uint8."""
    return np.negative((image >= value).view(np.uint8))  # -1 is 255 in uint8


def equals(image: np.ndarray, value: float) -> np.ndarray:
    """255 where a (H, W) picture is exactly `value`, else 0; uint8."""
    return np.negative((image == value).view(np.uint8))


def grow(mask: np.ndarray, radius: int) -> np.ndarray:
    """A (H, W) uint8 mask dilated by a disc of `radius` pixels."""
    if radius <= 0:
        return mask
    # Two small discs are much cheaper than one large one, and nearly as round.
    while radius > 8:
        mask = cv2.dilate(mask, _disc(8))
        radius -= 8
    return cv2.dilate(mask, _disc(radius))


def grow_square(mask: np.ndarray, radius: int) -> np.ndarray:
    """A (H, W) uint8 mask dilated by a square of `radius` pixels, which costs much less than a disc."""
    side = 2 * radius + 1
    return cv2.dilate(mask, np.ones((side, side), np.uint8))


def shrink(mask: np.ndarray, radius: int) -> np.ndarray:
    """A (H, W) uint8 mask eroded by a square of `radius` pixels; the picture's edge does not erode."""
    side = 2 * radius + 1
    return cv2.erode(mask, np.ones((side, side), np.uint8)) if radius > 0 else mask


def feather(hole: np.ndarray, width: int) -> np.ndarray:
    """Alpha of a hole: 255 on every pixel of it, falling smoothly to 0 over `width` pixels outside. (H, W) uint8."""
    reach = max(1, width // 2)
    soft = cv2.blur(cv2.dilate(hole, _disc(reach)), (2 * reach + 1, 2 * reach + 1))
    return cv2.max(soft, hole)


def local_contrast(gray: np.ndarray) -> np.ndarray:
    """A (H, W) uint8 picture without its slow brightness, so that automatic exposure does not disturb tracking."""
    surroundings = cv2.blur(gray, (31, 31))
    return cv2.addWeighted(gray, 1.5, surroundings, -1.5, 128.0)


def strongest(image: np.ndarray) -> np.ndarray:
    """The largest channel of each pixel, (H, W) from (H, W, 3)."""
    first, second, third = cv2.split(image)
    return cv2.max(cv2.max(first, second), third)


def weakest(image: np.ndarray) -> np.ndarray:
    """The smallest channel of each pixel, (H, W) from (H, W, 3)."""
    first, second, third = cv2.split(image)
    return cv2.min(cv2.min(first, second), third)


def push_pull(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spread known values smoothly over unknown ones through a pyramid.

    values: (H, W, C) float32; weights: (H, W) float32 in [0, 1], 0 = unknown. Known values keep their share of weight.
    Returns (H, W, C) float32; all zero where nothing is known.
    After Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4.
    """
    height, width = weights.shape
    if min(height, width) <= 2:
        total = float(weights.sum())
        mean = (values * weights[..., None]).sum((0, 1)) / total if total > 0 else np.zeros(values.shape[2])
        coarse = np.broadcast_to(mean.astype(np.float32), values.shape)
    else:
        half = ((height + 1) // 2, (width + 1) // 2)
        half_weights = resize(weights, half)
        known = resize(values * weights[..., None], half).reshape(*half, values.shape[2])
        known /= np.maximum(half_weights, 1e-6)[..., None]
        # A cell with one known pixel in four is as good as full: pull only through what is really empty.
        spread = push_pull(known, np.minimum(1.0, half_weights * 4))
        coarse = resize(spread, (height, width)).reshape(values.shape)
    return coarse + (values - coarse) * weights[..., None]


def composite(image: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`background` over `image` by `alpha`: (H, W, 3) uint8 from uint8, uint8 and (H, W) uint8.

    Pixels with alpha 0 keep the image's value exactly, those with alpha 255 take the background's.
    """
    weight = alpha.astype(np.float32) * np.float32(1 / 255)
    mixed = cv2.blendLinear(background, image, weight, 1 - weight)
    cv2.copyTo(image, equals(alpha, 0), mixed)
    cv2.copyTo(background, equals(alpha, 255), mixed)
    return mixed


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
