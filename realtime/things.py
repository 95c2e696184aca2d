"""What a window shows of a frame: the objects that are erased, kept or lost, and those that could be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from realtime.ops import Region

State = Literal["candidate", "erased", "kept", "lost"]


@dataclass(frozen=True)
class Thing:
    """An object in a frame.

    number: stays the same while the object is followed. state: "candidate": found, but nobody asked to erase it;
    "erased"; "kept": given back by the user; "lost": its track is, and the hole where it was last seen stays closed.
    roi: its rectangle in the frame; mask: (h, w) uint8 inside roi, 255 = object. moved: (dx, dy), pixels by which it is
    shown displaced, (0, 0) where it is not.
    """

    number: int
    state: State
    roi: Region
    mask: np.ndarray
    moved: tuple[float, float] = (0.0, 0.0)
