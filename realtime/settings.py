"""How to erase, and how much the segmenter may cost."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.segment import Segmenter

CPU_INTERVAL = 0.05  # seconds between two runs of the segmenter on a CPU: every second frame at 24 to 30 frames/s


@dataclass(frozen=True)
class Settings:
    """How to erase.

    dilate: pixels that masks grow outward by, None for what the segmenter's card says, or about 1 % of the frame's
    height; shadow: whether shadows that touch the object go with it; segment_interval: seconds for which a matte is
    carried along by optical flow before the network runs again, 0 to run it on every frame, None for what suits the
    engine's device; candidates: whether `Result.things` also names what could be erased; fail_open: whether a frame
    whose segmentation failed is shown as it is, rather than the plate in its place; parallax: whether a background at
    two distances gets two plates.
    """

    dilate: int | None = None
    shadow: bool = True
    segment_interval: float | None = None
    candidates: bool = False
    fail_open: bool = False
    parallax: bool = True


@dataclass(frozen=True)
class Pace:
    """How much the segmenter may cost. segment_interval: as in `Settings`, seconds; network_scale: of the sides of the
    network's picture, 1 for what its card recommends; closer: whether people are looked at closer, too, where small.
    """

    segment_interval: float
    network_scale: float = 1.0
    closer: bool = True


DEFAULT_SETTINGS = Settings()


def usual_interval(segmenter: Segmenter | None) -> float:
    """Seconds between two runs of a segmenter, as suits its device."""
    return CPU_INTERVAL if segmenter is not None and segmenter.engine.device == "cpu" else 0.0
