"""Draws a small matte's rim along the edges of the full picture.

Fast guided filter (He and Sun, 2015) with a colour guide: near each pixel the matte is a linear function of colour,
fitted on the small picture and evaluated on the large one.
"""

from __future__ import annotations

import cv2
import numpy as np

from realtime import ops
from realtime.ops import Region

REACH = 0.045  # radius of the neighbourhood, in shares of the picture's height
MARGIN = 0.03  # shares of the picture's height by which an object may be larger than its matte
PRIOR = 1e-4  # of the fitted line, against noise; colours lie in [0, 1]


def sharpened(matte: np.ndarray, image: np.ndarray) -> tuple[Region, np.ndarray] | None:
    """The rectangle of a frame that a smaller matte covers, and the matte within it with sharp rims, as `refined`."""
    placed = place(matte, (image.shape[0], image.shape[1]), margin=MARGIN)
    return None if placed is None else (placed[0], refined(matte, image, placed[0]))


def place(matte: np.ndarray, size: tuple[int, int], margin: float = 0.0) -> tuple[Region, np.ndarray] | None:
    """The rectangle of a (H, W) frame that a smaller matte covers, and the matte within it, (h, w) float32.

    None where the matte is empty. margin: shares of the height that the rectangle is larger. Bilinear, picture edges
    aligned.
    """
    small = ops.bounding_region(ops.at_least(matte, 0.1))
    if small is None:
        return None
    matrix = ops.scaling((matte.shape[0], matte.shape[1]), size)
    (x0, y0), (x1, y1) = ops.transform_points(matrix, ops.region_corners(small))[[0, 2]]
    around = round(max(size) / max(matte.shape)) + 1 + round(margin * size[0])
    exact = Region(round(y0 + 0.5), round(y1 + 0.5), round(x0 + 0.5), round(x1 + 0.5))
    region = exact.expanded_within(around, *size)
    inner = ops.translation(-region.x0, -region.y0) @ matrix
    shape = region.width, region.height
    return region, cv2.warpPerspective(matte, inner, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def refined(matte: np.ndarray, image: np.ndarray, region: Region) -> np.ndarray:
    """A rectangle of a frame's matte, (region.height, region.width) float32 in [0, 1], with sharp rims.

    matte: (h, w) float32, smaller than the frame, picture edges aligned; image: (H, W, 3) uint8 BGR; region: of the
    frame.
    """
    size, small_size = (image.shape[0], image.shape[1]), (matte.shape[0], matte.shape[1])
    radius = max(2, round(REACH * small_size[0]))
    to_small = ops.scaling(size, small_size)
    corners = ops.transform_points(to_small, ops.region_corners(region))
    (x0, y0), (x1, y1) = np.floor(corners[0]), np.ceil(corners[2])
    window = Region(int(y0), int(y1) + 1, int(x0), int(x1) + 1).expanded_within(2 * radius, *small_size)
    # Only the window of the picture is reduced; its own edges lie on whole small pixels' edges as nearly as can be.
    to_frame = np.linalg.inv(to_small)
    (left, top), (right, bottom) = np.rint(ops.transform_points(to_frame, ops.region_corners(window))[[0, 2]] + 0.5)
    patch = image[max(0, int(top)) : int(bottom), max(0, int(left)) : int(right)]
    small = ops.resize(patch, (window.height, window.width)).astype(np.float32) * np.float32(1 / 255)
    slope, offset = _fit(small, matte[window.slices], radius)
    inner = ops.translation(-region.x0, -region.y0) @ to_frame @ ops.translation(window.x0, window.y0)
    slope, offset = (ops.warp(part, inner, (region.height, region.width), cubic=False) for part in (slope, offset))
    fine = image[region.slices].astype(np.float32) * np.float32(1 / 255)
    return np.clip((slope * fine).sum(2) + offset, 0.0, 1.0)


def _fit(guide: np.ndarray, matte: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """Slope (h, w, 3) and offset (h, w) of the matte over the guide's colours, averaged over all neighbourhoods."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (2 * radius + 1, 2 * radius + 1))

    centre, level = mean(guide), mean(matte)
    together = mean(guide * matte[..., None]) - centre * level[..., None]
    products = mean(np.concatenate([guide[..., :1] * guide, guide[..., 1:2] * guide], axis=2)[..., [0, 1, 2, 4]])
    last = mean(guide[..., 1:] * guide[..., 2:])
    b, g, r = cv2.split(centre)
    bb, bg, br = products[..., 0] - b * b + PRIOR, products[..., 1] - b * g, products[..., 2] - b * r
    gg, gr, rr = products[..., 3] - g * g + PRIOR, last[..., 0] - g * r, last[..., 1] - r * r + PRIOR
    adjugate = [[gg * rr - gr * gr, br * gr - bg * rr, bg * gr - br * gg]]
    adjugate += [[adjugate[0][1], bb * rr - br * br, bg * br - bb * gr]]
    adjugate += [[adjugate[0][2], adjugate[1][2], bb * gg - bg * bg]]
    determinant = bb * adjugate[0][0] + bg * adjugate[0][1] + br * adjugate[0][2]
    parts = cv2.split(together)
    slope = np.stack([sum(row[k] * parts[k] for k in range(3)) / determinant for row in adjugate], axis=2)
    return mean(slope), mean(level - (slope * centre).sum(2))
