"""What a window shows of a frame: the objects that are erased, kept or lost, and those that could be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from realtime import ops
from realtime.masks import ON
from realtime.ops import Region
from realtime.refine import place, sharpened
from realtime.tracking.parts import Part
from realtime.tracking.track import Track

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


def things(tracks: Sequence[Track], candidates: Sequence[Part], image: np.ndarray) -> tuple[Thing, ...]:
    """What a frame shows: the objects that the user chose, then those that could be chosen.

    image: (H, W, 3) uint8 BGR; the rims of objects that are followed are drawn along its edges.
    """
    found = []
    for track in tracks:
        if track.role != "none" and track.state != "gone":
            sure = track.state == "followed" and not track.doubts
            matte = track.hole()
            placed = sharpened(matte, image) if sure else place(matte, (image.shape[0], image.shape[1]))
            found.append(_thing(track.number, _state(track), placed, (track.dx, track.dy)))
    for part in candidates:
        placed = place(part.mask.astype(np.float32) / np.float32(255), (image.shape[0], image.shape[1]))
        found.append(_thing(part.number, "candidate", placed))
    return tuple(thing for thing in found if thing is not None)


def _state(track: Track) -> State:
    if track.state == "lost":
        return "lost"
    return "erased" if track.role == "erase" else "kept"


def _thing(
    number: int, state: State, placed: tuple[Region, np.ndarray] | None, moved: tuple[float, float] = (0.0, 0.0)
) -> Thing | None:
    return None if placed is None else Thing(number, state, placed[0], ops.at_least(placed[1], ON), moved)
