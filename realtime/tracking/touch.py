"""What the brush has added to an object, or taken away, and how it goes along with what it was painted on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime import ops
from realtime.masks import ON
from realtime.motion.flow import Step

LASTS = 2.0  # seconds for which it counts; then the matte that it has corrected has to do
AROUND = 0.04  # share of the height by which the optical flow may miss it from picture to picture
SAME = 25.0  # grey levels by which what was painted on may have changed, root mean square
STRAYS = 0.5  # squared grey levels that a pixel away from where the flow leads must be better by


@dataclass
class Touch:
    """A brush stroke on an object. drawn: (h, w) float32, where it was made; adds: or takes away; since: when, seconds;
    way: by how many pixels (x, y) it has gone along; on: (h, w, 3) uint8, the picture that it was made on.
    """

    drawn: np.ndarray
    adds: bool
    since: float
    way: tuple[float, float] = (0.0, 0.0)
    on: np.ndarray | None = None

    @property
    def mask(self) -> np.ndarray:
        """Where it is now, (h, w) float32."""
        return ops.warp_soft(self.drawn, ops.translation(*self.way), (self.drawn.shape[0], self.drawn.shape[1]))

    def carry(self, step: Step) -> None:
        """Go along with what it was painted on: by the flow, and to where that is seen again beside there."""
        self.on = step.before.small if self.on is None else self.on
        dx, dy = step.shift(ops.at_least(self.mask, ON))
        ahead = self.way[0] + dx, self.way[1] + dy
        self.way = self._seen_again(step.after.small, ahead) or ahead

    def fit(self, size: tuple[int, int]) -> None:
        """Go on at mattes of (h, w) = `size`."""
        self.drawn, self.way, self.on = ops.resize(self.mask, size), (0.0, 0.0), None

    def _seen_again(self, picture: np.ndarray, ahead: tuple[float, float]) -> tuple[float, float] | None:
        """The way on which a picture, (h, w, 3) uint8, shows the same, near one that is expected; None without any."""
        covers = ops.at_least(self.drawn, ON)
        there = ops.bounding_region(covers)
        if there is None or self.on is None:
            return None
        reach, (x, y) = max(2, round(AROUND * covers.shape[0])), (round(ahead[0]), round(ahead[1]))
        y0, y1, x0, x1 = there.y0 + y - reach, there.y1 + y + reach, there.x0 + x - reach, there.x1 + x + reach
        if y0 < 0 or x0 < 0 or y1 > covers.shape[0] or x1 > covers.shape[1]:
            return None
        shape = covers[there.slices]
        off = cv2.matchTemplate(picture[y0:y1, x0:x1], self.on[there.slices], cv2.TM_SQDIFF, mask=shape // 255)
        off = off / (3 * cv2.countNonZero(shape))
        steps = np.arange(-reach, reach + 1, dtype=np.float32)
        best, _, (column, row), _ = cv2.minMaxLoc(off + STRAYS * (steps[:, None] ** 2 + steps**2))
        return (x + column - reach, y + row - reach) if best < SAME**2 else None
