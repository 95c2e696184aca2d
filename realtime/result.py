"""What the eraser gives for a frame, and what it counts over all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.frame import Frame
from realtime.ops import Region
from realtime.tracking.things import Thing


@dataclass
class Stats:
    """Counts over all frames so far. parallax: frames whose background lay at two distances; coverage: share of all
    hole pixels that showed real background.
    """

    frames: int = 0
    fills: int = 0
    cuts: int = 0
    anchors: int = 0
    parallax: int = 0
    hole_pixels: int = 0
    seen_pixels: int = 0

    @property
    def coverage(self) -> float:
        return self.seen_pixels / self.hole_pixels if self.hole_pixels else 1.0


@dataclass(frozen=True)
class Result:
    """A frame with the objects erased.

    image: (H, W, 3) uint8 BGR, equal to frame.image wherever alpha is 0; alpha: (H, W) uint8, 255 in the hole, falling
    to 0 through the feather, and set where an object is drawn that the user moved; hole: (H, W) uint8, 255 where pixels
    were replaced wholly; trust: (H, W) uint8, what the replaced pixels are made of; roi: bounding rectangle of what may
    have changed, None where nothing was erased;
    timings: milliseconds by stage; things: the objects that are followed, and candidates where they are asked for;
    fault: what went wrong in the search for objects, in one line, None where nothing did.
    """

    frame: Frame
    image: np.ndarray
    alpha: np.ndarray
    hole: np.ndarray
    trust: np.ndarray
    roi: Region | None
    timings: dict[str, float]
    things: tuple[Thing, ...] = ()
    fault: str | None = None
