"""Cut-out people that walk: a photo and its mask become a soft-edged sprite that is placed by a pose.

Colours are premultiplied by alpha, so that resampling leaves no fringe of the photo's own background.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

UPRIGHT = np.eye(2)


@dataclass(frozen=True)
class Pose:
    """Where a sprite stands in the world.

    x, y: the middle of the sprite's lower edge (the feet), world pixels. height: world pixels.
    tilt: radians, clockwise. phase: radians; the body bends sideways by `bend` of its height as a wave of this phase,
    most at the feet (walking) when bend > 0, most at the head (swaying on a chair) when bend < 0.
    """

    x: float
    y: float
    height: float
    tilt: float = 0.0
    phase: float = 0.0
    bend: float = 0.0


@dataclass(frozen=True)
class Sprite:
    """A cut-out. colour: (h, w, 3) float32 BGR times alpha. alpha: (h, w) float32 in [0, 1]. One empty border pixel."""

    colour: np.ndarray
    alpha: np.ndarray

    def scaled(self, height: float) -> Sprite:
        """Return the sprite resampled to about `height` pixels (never enlarged), antialiased."""
        factor = min(1.0, height / self.alpha.shape[0])
        size = (max(4, round(self.alpha.shape[1] * factor)), max(4, round(self.alpha.shape[0] * factor)))
        return Sprite(
            cv2.resize(self.colour, size, interpolation=cv2.INTER_AREA),
            cv2.resize(self.alpha, size, interpolation=cv2.INTER_AREA),
        )


def cut_out(image: np.ndarray, mask: np.ndarray, *, open_bottom: bool = False) -> Sprite:
    """Cut a person out of a photo.

    image: (H, W, 3) uint8 BGR. mask: (H, W) uint8, above 127 = person; only its largest piece is taken.
    open_bottom: the person is cut by the photo's lower edge, so that edge stays hard.

    The mask shrinks by a pixel and gets a soft edge. Colours near the edge come from further inside, since there the
    photo's own background shines through.
    """
    person = _without_specks(_largest_piece((mask > 127).astype(np.uint8)))
    below = 24 if open_bottom else 1
    person = cv2.copyMakeBorder(person, 0, below, 0, 0, cv2.BORDER_REPLICATE if open_bottom else cv2.BORDER_CONSTANT)
    image = cv2.copyMakeBorder(image, 0, below, 0, 0, cv2.BORDER_REPLICATE)

    inner = cv2.erode(person, np.ones((5, 5), np.uint8))
    _, nearest = cv2.distanceTransformWithLabels(1 - inner, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    lookup = np.zeros((int(nearest.max()) + 1, 3), np.float32)
    lookup[nearest[inner > 0]] = image[inner > 0]
    outside = cv2.blur(lookup[nearest], (3, 3))
    soft_inner = cv2.GaussianBlur(inner.astype(np.float32), (0, 0), 1.0)[..., None]
    colour = image * soft_inner + outside * (1 - soft_inner)

    alpha = cv2.GaussianBlur(cv2.erode(person, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), 1.0)
    if open_bottom:
        alpha, colour = alpha[: -below // 2], colour[: -below // 2]
    x, y, w, h = cv2.boundingRect((alpha > 0.004).astype(np.uint8))
    alpha = alpha[y : y + h, x : x + w]
    colour = colour[y : y + h, x : x + w] * alpha[..., None]
    return Sprite(
        cv2.copyMakeBorder(colour.astype(np.float32), 1, 1, 1, 1, cv2.BORDER_CONSTANT),
        cv2.copyMakeBorder(alpha, 1, 1, 1, 1, cv2.BORDER_CONSTANT),
    )


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    """(H, W) uint8, 0 or 1: the largest connected piece of a 0/1 mask. Raises ValueError for an empty one."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        raise ValueError("the mask holds no person")
    return (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """(H, W) uint8, 0 or 1: the mask with holes below 0.3 % of its area filled (faults of labelling, mostly)."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < 0.003 * mask.sum()
    small[labels[mask > 0][0]] = False
    return np.where((mask > 0) | small[labels], np.uint8(1), np.uint8(0))


def place(
    sprite: Sprite, pose: Pose, camera: np.ndarray, width: int, height: int, lay: np.ndarray = UPRIGHT
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a sprite as the camera sees it.

    camera: 3x3 homography, world -> picture, pixels (centres at integers). lay: 2x2, applied to the sprite about its
    feet; anything but UPRIGHT lays it down, as a shadow lies.
    Returns colour (height, width, 3) float32 premultiplied, and alpha (height, width) float32. Bilinear; the sprite
    should be no larger than about twice its size in the picture.
    """
    rows, cols = sprite.alpha.shape
    to_picture = camera @ _to_world(sprite, pose, lay)
    margin = abs(pose.bend) * rows + 2
    corners = np.array([[[-margin, -2], [cols + margin, -2], [cols + margin, rows + 1], [-margin, rows + 1]]], float)
    seen = cv2.perspectiveTransform(corners, to_picture)[0]
    x0, y0 = np.maximum(np.floor(seen.min(0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(seen.max(0)).astype(int) + 1, (width, height))
    colour, alpha = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    if x0 >= x1 or y0 >= y1:
        return colour, alpha

    grid = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), axis=-1).astype(np.float64)
    source = cv2.perspectiveTransform(grid, np.linalg.inv(to_picture)).astype(np.float32)
    column = source[..., 0] - _bent(sprite, pose, source[..., 1])
    for picture, part in ((colour, sprite.colour), (alpha, sprite.alpha)):
        picture[y0:y1, x0:x1] = cv2.remap(part, column, source[..., 1], cv2.INTER_LINEAR)
    return colour, alpha


def came_from(
    sprite: Sprite, now: tuple[Pose, np.ndarray], before: tuple[Pose, np.ndarray], width: int, height: int
) -> np.ndarray:
    """(height, width, 2) float32: where each pixel was before, x and y, had all of the picture moved as the sprite did.

    now, before: pose and camera, as `place` takes them.
    """
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)
    pose, camera = now
    points = cv2.perspectiveTransform(grid, np.linalg.inv(camera @ _to_world(sprite, pose, UPRIGHT)))
    points[..., 0] -= _bent(sprite, pose, points[..., 1])
    pose, camera = before
    points[..., 0] += _bent(sprite, pose, points[..., 1])
    return cv2.perspectiveTransform(points, camera @ _to_world(sprite, pose, UPRIGHT)).astype(np.float32)


def _to_world(sprite: Sprite, pose: Pose, lay: np.ndarray) -> np.ndarray:
    """3x3, pixels of the unbent sprite -> world."""
    rows, cols = sprite.alpha.shape
    scale = pose.height / rows
    cos, sin = np.cos(pose.tilt) * scale, np.sin(pose.tilt) * scale
    foot = np.array([[1, 0, -(cols - 1) / 2], [0, 1, -(rows - 1)], [0, 0, 1]], float)
    to_world = np.array([[1, 0, pose.x], [0, 1, pose.y], [0, 0, 1]], float)
    to_world[:2, :2] = lay @ [[cos, -sin], [sin, cos]]
    return to_world @ foot


def _bent(sprite: Sprite, pose: Pose, y: np.ndarray) -> np.ndarray:
    """How far the body bends to the right at height `y` of the sprite, pixels of the sprite, float32."""
    rows = sprite.alpha.shape[0]
    along = np.clip(y / rows, 0, 1)  # 0 at the head, 1 at the feet
    reach = along**2 if pose.bend > 0 else (1 - along) ** 1.5
    return (abs(pose.bend) * rows * reach * np.sin(pose.phase + 1.5 * along)).astype(np.float32)
