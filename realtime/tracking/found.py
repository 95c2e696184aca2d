"""What a frame shows of what was chosen: mattes of classes and objects, summed up for the eraser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realtime import ops
from realtime.masks import ON
from realtime.tracking.judging import beside, without
from realtime.tracking.track import Track


@dataclass(frozen=True)
class Loss:
    """An object is not followed any longer. number: its own; time: seconds, of the frame; what: happened, in words."""

    number: int
    time: float
    what: str

    def note(self, origin: float = 0.0) -> str:
        """A line for the user; origin: the time at which the input begins, seconds."""
        return f"object {self.number} at {self.time - origin:.2f} s: {self.what}"


@dataclass(frozen=True)
class Found:
    """What a frame shows of what was chosen; everything at the mattes' size (h, w).

    matte: float32, what to erase, None where nothing was ever sought. keep: uint8, 255 on what must stay though it may
    touch what is erased; foreign: uint8, 255 on what is neither erased nor background; begun: uint8, 255 on what is
    erased from this frame on, so that the plate may have it for background; None each where there is nothing.
    """

    matte: np.ndarray | None
    keep: np.ndarray | None = None
    foreign: np.ndarray | None = None
    begun: np.ndarray | None = None


def summed_up(matte: np.ndarray | None, people: bool, tracks: Sequence[Track], size: tuple[int, int]) -> Found:
    """What to erase, to keep, and to learn nothing from.

    matte: of the classes, (h, w) = `size` float32, None where it is not known; people: whether it is erased; tracks:
    the objects that the user chose.
    """
    keep = None
    for track in tracks:
        if track.role == "keep":
            mask = ops.at_least(track.matte, ON)
            keep = mask if keep is None else keep | mask
    erased, foreign = np.zeros(size, np.float32), keep
    if matte is not None and people:
        erased = matte if keep is None else without(matte, keep)
    for track in tracks:
        if track.role == "erase" and track.state != "gone":
            erased = np.maximum(erased, track.hole())
    if matte is not None and (keep is not None or not people):
        others = ops.at_least(beside(matte, erased), ON)
        foreign = others if keep is None else others | keep
    if keep is not None:
        keep = keep & ~ops.at_least(erased, ON)
    return Found(erased, keep, foreign)
