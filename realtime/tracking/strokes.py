"""What was painted with the brush, and how it stays with the background while the camera moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np

from realtime import ops
from realtime.edits import Paint, Stencil
from realtime.tracking.parts import value_at

Stroke = Paint | Stencil

_KEPT = 32  # stencils that stay decoded: each is drawn in every frame


class Strokes:
    """The brush strokes on a picture.

    State: every stroke with its way, the 3x3 matrix from its own pixels to those of the latest frame, and `active`, the
    numbers of those that count, in the order of painting; setting it takes strokes back or brings them again.
    """

    def __init__(self) -> None:
        self._strokes: list[tuple[Stroke, np.ndarray]] = []
        self.active: tuple[int, ...] = ()
        self._begun = 0

    def paint(self, stroke: Stroke, way: np.ndarray) -> None:
        """Add a stroke; way: see above, `place` tells that of one that is painted on the latest frame."""
        self.active = (*self.active, len(self._strokes))
        self._strokes.append((stroke, way))

    def lay(self, number: int, way: np.ndarray) -> None:
        """Put a stroke elsewhere; number: in the order of painting, from 0."""
        self._strokes[number] = self._strokes[number][0], way

    @property
    def ways(self) -> list[tuple[Stroke, np.ndarray]]:
        """Those that count, with their ways."""
        return [self._strokes[number] for number in self.active]

    def drop_at(self, x: float, y: float, size: tuple[int, int]) -> bool:
        """Take back the strokes that erase at a pixel of a frame of this (H, W); whether there were any."""
        before = self.active
        self.active = tuple(n for n in before if not value_at(self._drawn((n,), size), x, y))
        return self.active != before

    def follow(self, step: np.ndarray) -> None:
        """Go with the background. step: 3x3, previous frame's pixels -> this frame's."""
        if not np.array_equal(step, np.eye(3)):
            self._strokes = [(stroke, step @ way) for stroke, way in self._strokes]

    def mask(self, size: tuple[int, int]) -> np.ndarray | None:
        """What they erase, (H, W) uint8, None where there are none: each paints over those before it, or rubs out."""
        return self._drawn(self.active, size) if self.active else None

    def begun(self, size: tuple[int, int]) -> np.ndarray | None:
        """As `mask`, of those alone that were painted since the last call."""
        new = tuple(number for number in self.active if number >= self._begun)
        self._begun = len(self._strokes)
        return self._drawn(new, size) if new else None

    def _drawn(self, numbers: tuple[int, ...], size: tuple[int, int]) -> np.ndarray:
        mask = np.zeros(size, np.uint8)
        for stroke, way in (self._strokes[number] for number in numbers):
            draw(mask, stroke, way)
        return mask


def place(stroke: Stroke, size: tuple[int, int]) -> np.ndarray:
    """The way, 3x3, of a stroke that is painted on a frame of (H, W) = `size`."""
    if isinstance(stroke, Paint):
        return np.eye(3)
    height, width = _decoded(stroke.png).shape
    return ops.scaling((height, width), size)


def draw(mask: np.ndarray, stroke: Stroke, way: np.ndarray) -> None:
    """Paint a stroke into a (H, W) uint8 mask, in place, or rub it out. way: 3x3, to the mask's pixels."""
    color = 255 if stroke.erase else 0
    if isinstance(stroke, Stencil):
        drawn = _decoded(stroke.png)
        if drawn.shape != mask.shape or not np.array_equal(way, np.eye(3)):
            drawn = cv2.warpPerspective(drawn, way, mask.shape[::-1], flags=cv2.INTER_LINEAR)
        mask[drawn >= 128] = color
        return
    points = ops.transform_points(way, np.array(stroke.points, np.float64))
    points = np.rint(np.clip(points, -1e5, 1e5)).astype(np.int32)
    radius = stroke.radius * abs(np.linalg.det(way[:2, :2] / way[2, 2])) ** 0.5
    cv2.polylines(mask, [points.reshape(-1, 1, 2)], False, color, max(1, round(2 * radius)))
    for x, y in points[[0, -1]]:
        cv2.circle(mask, (int(x), int(y)), max(1, round(radius)), color, -1)


def covered(stroke: Stroke, size: tuple[int, int], matte_size: tuple[int, int]) -> np.ndarray:
    """What a stroke on a frame of (H, W) = `size` covers of a matte of (h, w): float32 in [0, 1]."""
    mask = np.zeros(size, np.uint8)
    draw(mask, replace(stroke, erase=True), place(stroke, size))
    return ops.resize(mask, matte_size).astype(np.float32) / np.float32(255)


def stencil(strokes: Sequence[Paint], size: tuple[int, int]) -> Stencil:
    """What strokes of one kind cover together in a picture of (H, W) = `size`."""
    mask = np.zeros(size, np.uint8)
    for stroke in strokes:
        draw(mask, replace(stroke, erase=True), np.eye(3))
    _, png = cv2.imencode(".png", mask)
    return Stencil(png.tobytes(), strokes[0].erase, strokes[0].number)


@lru_cache(_KEPT)
def _decoded(png: bytes) -> np.ndarray:
    """A stencil's mask, (h, w) uint8, to be read only."""
    mask = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert mask is not None, "a stencil holds a picture"
    mask.flags.writeable = False
    return mask
