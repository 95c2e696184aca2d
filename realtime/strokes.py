"""What was painted with the brush: strokes that stay with the background while the camera moves."""

from __future__ import annotations

import cv2
import numpy as np

from realtime import ops
from realtime.edits import Paint


class Strokes:
    """The brush strokes on a picture.

    State: every stroke with its way in pixels of the latest frame, and `active`, the numbers of those that count, in
    the order of painting; setting it takes strokes back or brings them again.
    """

    def __init__(self) -> None:
        self._strokes: list[tuple[Paint, np.ndarray]] = []
        self.active: tuple[int, ...] = ()
        self._begun = 0

    def paint(self, stroke: Paint) -> None:
        """Add a stroke, in pixels of the latest frame."""
        self.active = (*self.active, len(self._strokes))
        self._strokes.append((stroke, np.array(stroke.points, np.float64)))

    def drop_at(self, x: float, y: float) -> bool:
        """Take back the strokes that erase at a pixel; whether there were any."""
        before = self.active
        self.active = tuple(number for number in before if not _erases(*self._strokes[number], x, y))
        return self.active != before

    def follow(self, step: np.ndarray) -> None:
        """Go with the background. step: 3x3, previous frame's pixels -> this frame's."""
        if not np.array_equal(step, np.eye(3)):
            self._strokes = [(stroke, ops.transform_points(step, way)) for stroke, way in self._strokes]

    def mask(self, size: tuple[int, int]) -> np.ndarray | None:
        """What they erase, (H, W) uint8, None where there are none: each paints over those before it, or rubs out."""
        return self._drawn(self.active, size)

    def begun(self, size: tuple[int, int]) -> np.ndarray | None:
        """As `mask`, of those alone that were painted since the last call."""
        new = tuple(number for number in self.active if number >= self._begun)
        self._begun = len(self._strokes)
        return self._drawn(new, size)

    def _drawn(self, numbers: tuple[int, ...], size: tuple[int, int]) -> np.ndarray | None:
        if not numbers:
            return None
        mask = np.zeros(size, np.uint8)
        for stroke, way in (self._strokes[number] for number in numbers):
            color = 255 if stroke.erase else 0
            points = np.rint(np.clip(way, -1e5, 1e5)).astype(np.int32)
            cv2.polylines(mask, [points.reshape(-1, 1, 2)], False, color, max(1, round(2 * stroke.radius)))
            for x, y in points[[0, -1]]:
                cv2.circle(mask, (int(x), int(y)), max(1, round(stroke.radius)), color, -1)
        return mask


def _erases(stroke: Paint, way: np.ndarray, x: float, y: float) -> bool:
    """Whether a stroke erases the pixel (x, y)."""
    start, end = (way[:-1], way[1:]) if len(way) > 1 else (way, way)
    along = end - start
    share = ((np.array([x, y]) - start) * along).sum(1) / np.maximum((along**2).sum(1), 1e-9)
    nearest = start + share.clip(0, 1)[:, None] * along
    return stroke.erase and bool(np.linalg.norm(nearest - (x, y), axis=1).min() <= stroke.radius)
