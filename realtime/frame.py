"""One picture on its way from a source through the eraser to the sinks."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import av


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture with its place in time.

    image: (H, W, 3) uint8 BGR, upright as a viewer shows it (a source's display rotation is already applied).
    index: position among the source's frames as the user counts them, from 0 at the input's first frame.
    pts, time_base: presentation time in ticks of `time_base` seconds.
    native: the decoded frame with its own planes (any pixel format and depth, not rotated) where the source is a file;
        the sink writes the replaced pixels into these and leaves every other sample as it was decoded.
    rotation: clockwise quarter turns (0 to 3) that were applied to `native` to get `image`; 4 more where it was
        mirrored, left to right, before.
    """

    image: np.ndarray
    index: int
    pts: int
    time_base: Fraction
    native: av.VideoFrame | None = None
    rotation: int = 0

    @property
    def time(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)
