"""Tells the eraser again what the pass before has found of each frame: see `realtime.tracking.tracing`."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from realtime import ops
from realtime.edits import Edit
from realtime.masks import ON
from realtime.tracking.bothways import Traced
from realtime.tracking.finder import Finder
from realtime.tracking.found import Found, Loss, summed_up
from realtime.tracking.objects import Objects
from realtime.tracking.parts import Parts
from realtime.tracking.strokes import place
from realtime.tracking.tracing import ROUNDING_S, Trace
from realtime.tracking.track import Track

REACH = 0.08  # share of the height by which an object outruns its mask from frame to frame


class Retracer:
    """Stands in for a `Finder` where objects were traced.

    State: the frame told last, which shots it belongs to (two, in a dissolve), where it shows erased objects, and
    people, and the ways of the shots' strokes.
    """

    losses: tuple[Loss, ...] = ()  # the trace has told them

    def __init__(self, fallback: Finder, trace: Trace) -> None:
        """fallback: looks at the frames of shots that hold no edit."""
        self._fallback, self._trace = fallback, trace
        self._people = list(trace.people)
        self._own = Objects(people=False)
        self._here: list[tuple[Traced, int]] = []  # the shots of the frame, and its index in them
        self._ways: dict[tuple[int, int], np.ndarray] = {}  # of strokes, by shot and place in its order
        self._told: tuple[float, Found] | None = None
        self._before = _Shown({}, {}, None, False)

    @property
    def objects(self) -> Objects:
        """The objects in the frame told last."""
        return self._own if self._here else self._fallback.objects

    @property
    def parts(self) -> Parts:
        """Those of the class's matte that can be chosen: here, nobody does."""
        return self._fallback.parts

    interval, scale, closer = 0.0, 1.0, False  # no network runs

    def cut(self) -> None:
        """As `Finder.cut`; the trace knows about cuts."""
        if not self._here:
            self._fallback.cut()

    def look(self, image: np.ndarray, time: float, edits: Sequence[Edit] = ()) -> Found:
        """As `Finder.look`, without edits: those are in the trace."""
        assert not edits, "a traced job takes no edits"
        if self._here and self._told is not None and self._told[0] == time:
            return self._told[1]  # looked at once more, after a cut
        while self._people and self._people[0][0] <= time + ROUNDING_S:
            self._fallback.objects.people = self._people.pop(0)[1]
        before, self._here = [shot for shot, _ in self._here], list(self._at(time))
        if not self._here:
            if before:
                self._fallback.cut()
            return self._fallback.look(image, time)
        self._own.tracks = [track for shot, index in self._here for track in shot.tracks(index)]
        if [shot for shot, _ in self._here] != before:
            self._begin(image.shape[:2])
        self._own.strokes.active = tuple(
            number for number, (shot, index, order) in enumerate(self._strokes()) if order in shot.rows[index].ways
        )
        found = self._sum_up()
        self._told = time, found
        return found

    def expect(self, image: np.ndarray) -> bool:
        """As `Finder.expect`: nothing begins, since the next picture may be of a shot that was traced."""
        return False

    def settle(self, step: np.ndarray, size: tuple[int, int]) -> None:
        """As `Finder.settle`: strokes go with the background from where they were painted, and are traced before."""
        if not self._here:
            self._fallback.settle(step, size)
        for number, (shot, index, order) in enumerate(self._strokes()):
            later = shot.strokes[order][0] < index
            way = step @ self._ways[id(shot), order] if later else _way(shot, index, order, size)
            self._ways[id(shot), order] = way
            self._own.strokes.lay(number, way)

    def _at(self, time: float) -> Iterator[tuple[Traced, int]]:
        for shot in self._trace.shots:
            index = bisect.bisect_left(shot.times, time)
            if index < len(shot.times) and shot.times[index] == time:
                yield shot, index

    def _strokes(self) -> Iterator[tuple[Traced, int, int]]:
        """Shot, the frame's index in it, and place in its order, of all strokes."""
        return ((shot, index, order) for shot, index in self._here for order in range(len(shot.strokes)))

    def _begin(self, size: tuple[int, int]) -> None:
        """Other shots than those of the frame before."""
        self._own = replaced = Objects(people=False)
        replaced.tracks = [track for shot, index in self._here for track in shot.tracks(index)]
        self._before = _Shown(_masks(replaced.tracks, "erase"), {}, None, True)
        ways = {}
        for shot, index, order in self._strokes():
            known = self._ways.get((id(shot), order))
            known = _way(shot, index, order, size) if known is None else known
            ways[id(shot), order] = known
            replaced.strokes.paint(shot.strokes[order][1], known)
        self._ways = ways

    def _sum_up(self) -> Found:
        rows = [(shot, index) for shot, index in self._here if shot.rows[index].matte is not None]
        matte = rows[0][0].matte(rows[0][1]) if rows else None
        people = any(shot.rows[index].people for shot, index in self._here)
        self._own.people = people
        tracks, size = self._own.tracks, self._here[0][0].size
        everybody = None if matte is None else ops.at_least(matte, ON)
        now = _Shown(_masks(tracks, "erase"), _masks(tracks, "keep"), everybody, people)
        begun, self._before = now.begun(self._before), now
        found = summed_up(matte, people, tracks, size)
        return found if begun is None or not begun.any() else replace(found, begun=begun)


def _way(shot: Traced, index: int, order: int, size: tuple[int, int]) -> np.ndarray:
    """Of a stroke to a frame: as it was traced, or, where it doesn't count, as it was painted."""
    way = shot.rows[index].ways.get(order)
    return place(shot.strokes[order][1], size) if way is None else way


class _Shown(NamedTuple):
    """What a frame shows. erased, kept: masks of the objects that are followed, (h, w) uint8, by their numbers;
    everybody: (h, w) uint8 of all people, None where it is not known; people: whether these are erased.
    """

    erased: dict[int, np.ndarray]
    kept: dict[int, np.ndarray]
    everybody: np.ndarray | None
    people: bool

    def begun(self, before: _Shown) -> np.ndarray | None:
        """What is erased from this frame on, (h, w) uint8, None where nothing may be. before: of the frame before."""
        masks = [mask & ~_around(before.erased.get(number), before.everybody) for number, mask in self.erased.items()]
        if self.people:
            masks += [mask for number, mask in before.kept.items() if number not in self.kept]
        if self.people and not before.people and self.everybody is not None:
            masks.append(self.everybody)
        return np.bitwise_or.reduce(masks) if masks else None


def _masks(tracks: Sequence[Track], role: str) -> dict[int, np.ndarray]:
    """Of those with a role where they are seen: their masks, (h, w) uint8, by their numbers."""
    seen = (track for track in tracks if track.role == role and track.state == "followed")
    return {track.number: ops.at_least(track.matte, ON) for track in seen}


def _around(mask: np.ndarray | None, everybody: np.ndarray | None) -> np.ndarray | np.uint8:
    """Where an object may have come to by the next frame; what of it lies further away was not erased before.

    But for people who were known to be there, everybody: (h, w) uint8: the object is one of them, and goes over others.
    """
    if mask is None:
        return np.uint8(0)
    near = ops.grow_square(mask, round(REACH * mask.shape[0]))
    return near if everybody is None else near | everybody
