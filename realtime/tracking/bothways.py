"""Follows the objects of a shot both ways from where the user pointed at them.

    traced = follow_both_ways(film, finder, edits, size, scraps)
    traced.tracks(index)  # the objects in that frame

A walk forward starts where the first edit is; a walk backward goes from the last one to the shot's beginning, with the
objects as each edit left them. Where a correction comes before the click that chose its object, a third walk leads
forward from it. Between two edits of an object the nearer one has the say, unless only the other can see it; what is
given back stays so until it is chosen again.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from realtime import ops
from realtime.edits import Add, Edit, Erase, EraseBox, Paint, Restore, Stencil, Subtract
from realtime.masks import OFF
from realtime.motion.glance import Tracks, equalised, find_corners
from realtime.tracking.film import Scraps
from realtime.tracking.finder import Finder
from realtime.tracking.found import Loss
from realtime.tracking.strokes import Stroke
from realtime.tracking.track import Track

STILL_SHIFT = 0.05  # median shift, pixels of the film, under which the camera counts as still


@dataclass
class _Entry:
    """An object in a frame, kept among the scraps. rank: how sure it is, 0 the best; distance: frames to the edit that
    it was followed from.
    """

    scrap: int
    rank: int
    distance: int

    def better(self, other: _Entry | None) -> bool:
        return other is None or (self.rank, self.distance) < (other.rank, other.distance)


@dataclass
class _Row:
    """What was found in a frame. matte: of the classes, a scrap, None where nobody asked; ways: of the strokes, by
    their place in the shot's order.
    """

    matte: int | None = None
    people: bool = False
    objects: dict[int, _Entry] = field(default_factory=dict)
    ways: dict[int, np.ndarray] = field(default_factory=dict)


class Pictures(Protocol):
    """Some pictures in order, and their times, seconds; `Film` holds such."""

    times: list[float]

    def picture(self, index: int) -> np.ndarray:
        """(h, w, 3) uint8 BGR."""
        ...


class Traced:
    """A shot whose objects were followed both ways; everything at the mattes' size (h, w)."""

    def __init__(
        self,
        times: Sequence[float],
        size: tuple[int, int],
        scraps: Scraps,
        strokes: Sequence[tuple[int, Stroke]],
    ) -> None:
        """times: of its frames, seconds; size: (h, w); strokes: with the indices of their frames, in order."""
        self.times, self.size, self.strokes = list(times), size, strokes
        self.moved: dict[int, tuple[float, float]] = {}
        self.rows = [_Row() for _ in times]
        self.losses: list[Loss] = []
        self._scraps = scraps

    def matte(self, index: int) -> np.ndarray | None:
        """Of the classes, (h, w) float32."""
        scrap = self.rows[index].matte
        return None if scrap is None else _unpacked(self._scraps.read(scrap), self.size)

    def tracks(self, index: int) -> list[Track]:
        """The objects in a frame."""
        entries = list(self.rows[index].objects.items())  # a window may look while a thread finds more
        return [self._track(number, entry) for number, entry in entries]

    def keep_matte(self, index: int, matte: np.ndarray | None, people: bool) -> None:
        row = self.rows[index]
        row.matte, row.people = None if matte is None else self._scraps.append(_packed(matte)), people

    def keep_track(self, index: int, track: Track, distance: int) -> None:
        """Keep an object as it is in a frame, unless a better view of it is known."""
        rank = {"followed": 0, "lost": 2, "gone": 3}[track.state] + (track.state == "followed" and track.doubts > 0)
        entry, objects = _Entry(-1, rank, distance), self.rows[index].objects
        if not entry.better(objects.get(track.number)):
            return
        head = np.array([track.role == "keep", track.person, rank], np.float32).tobytes()
        matte = track.hole() if rank == 1 else track.matte
        entry.scrap = self._scraps.append(head + _packed(matte))
        objects[track.number] = entry

    def forget(self, number: int, begin: int, end: int) -> None:
        """An object is not erased after all from a frame on, and before another."""
        for row in self.rows[begin:end]:
            row.objects.pop(number, None)

    def _track(self, number: int, entry: _Entry) -> Track:
        data = self._scraps.read(entry.scrap)
        keep, person, rank = np.frombuffer(data, np.float32, 3)
        track = Track(number, _unpacked(data[12:], self.size), "keep" if keep else "erase", person=bool(person))
        track.fresh, track.doubts = False, int(rank == 1)
        track.state = "gone" if rank == 3 else "lost" if rank == 2 else "followed"
        track.dx, track.dy = self.moved.get(number, (0.0, 0.0))
        return track

    def note_losses(self, begin: float, end: float, origin: float = 0.0) -> None:
        """Sum up from when to when objects that are to be erased were lost, within a part of the shot; origin: the
        time at which the input begins, seconds.
        """
        since: dict[int, float] = {}
        for time, row in zip(self.times, self.rows, strict=True):
            lost = {number for number, entry in row.objects.items() if entry.rank == 2 and begin <= time < end}
            for number in sorted(set(since) - lost):
                self._lose(number, since.pop(number), f"until {time - origin:.2f} s")
            for number in lost - set(since):
                since[number] = time
        for number, time in sorted(since.items()):
            self._lose(number, time, "to the end of its shot")
        self.losses.sort(key=lambda loss: loss.time)

    def _lose(self, number: int, time: float, until: str) -> None:
        self.losses.append(Loss(number, time, f"lost {until}; the hole where it was stays closed"))


def follow_both_ways(
    film: Pictures,
    finder: Callable[[], Finder],
    edits: Sequence[tuple[int, Edit]],
    size: tuple[int, int],
    scraps: Scraps,
    tell: Callable[[Traced, int], None] = lambda traced, index: None,
) -> Traced:
    """Follow what the edits choose through the film.

    finder: makes one that has seen nothing; edits: with the indices of their frames, in order, in pixels of (H, W) =
    `size`; scraps: where what is found is kept; tell: called with what was found up to now, and the
    index of the frame that was looked at. Raises SegmentationFault.
    """
    late, early = _by_frame(edits)
    first, last = min(late), max(late)
    ahead = _Walk(film, finder(), size, forward=True)
    strokes = [
        (index, edit)
        for index in sorted(late)
        for edit in late[index]
        if isinstance(edit, Paint | Stencil) and edit.number is None
    ]
    traced = Traced(film.times, ahead.size, scraps, strokes)
    keys: dict[int, list[Track]] = {}
    for index in range(first, len(film.times)):
        ahead.step(index, late.get(index, ()), [])
        keys[index] = ahead.heard()
        ahead.keep(traced, index, matte=True)
        traced.rows[index].ways |= ahead.ways(strokes)
        tell(traced, index)
    traced.moved = {track.number: (track.dx, track.dy) for track in ahead.finder.objects.tracks if track.moved}
    back = _Walk(film, finder(), size, forward=False)
    corrected: dict[int, list[Track]] = {}
    for index in range(last, -1, -1) if last else ():
        row = traced.rows[index]
        painted = [stroke for order, (there, stroke) in enumerate(strokes) if there == index and order in row.ways]
        back.step(index, [*painted, *early.get(index, ())], keys.get(index, []))
        for number, chosen in back.give_back(late.get(index, ())).items():
            traced.forget(number, index, chosen)
        if index in early:
            corrected[index] = back.heard()
        back.keep(traced, index, matte=index < first)
        row.ways |= back.ways(strokes)
        tell(traced, index)
    if corrected:
        again = _Walk(film, finder(), size, forward=True)
        for index in range(min(corrected), last + 1):
            again.step(index, (), corrected.get(index, []))
            again.give_back(late.get(index, ()))
            again.keep(traced, index, matte=False)
            tell(traced, index)
    traced.losses += [*ahead.losses(), *back.losses()]
    return traced


def walked(edits: Sequence[tuple[int, Edit]], length: int) -> int:
    """How many frames `follow_both_ways` looks at, in a film of so many; edits: as it takes them."""
    late, early = _by_frame(edits)
    first, last = min(late), max(late)
    return length - first + (last + 1 if last else 0) + (last + 1 - min(early) if early else 0)


def _by_frame(edits: Iterable[tuple[int, Edit]]) -> tuple[dict[int, list[Edit]], dict[int, list[Edit]]]:
    """The edits by frame, in order; apart those that correct an object before the frame on which it is chosen."""
    edits = list(edits)
    chosen: dict[int | None, int] = {}
    for index, edit in edits:
        if isinstance(edit, Erase | EraseBox) and edit.number is not None:
            chosen.setdefault(edit.number, index)
    late: dict[int, list[Edit]] = defaultdict(list)
    early: dict[int, list[Edit]] = defaultdict(list)
    for index, edit in edits:
        before = isinstance(edit, Add | Subtract | Paint | Stencil) and index < chosen.get(edit.number, -1)
        (early if before else late)[index].append(edit)
    return dict(late), dict(early)


class _Walk:
    """Goes over a film in one direction. State: the finder, the picture before, the frame each object was set on."""

    def __init__(self, film: Pictures, finder: Finder, size: tuple[int, int], *, forward: bool) -> None:
        self.finder = finder
        finder.objects.as_shown = False
        self.size = finder.size(film.picture(0))
        self._film, self._frame_size, self._clock = film, size, 1 if forward else -1
        self._before: np.ndarray | None = None
        self._set: dict[int, int] = {}  # object -> index of the frame where it was set

    def step(self, index: int, edits: Iterable[Edit], seeds: Iterable[Track]) -> None:
        """Look at the next frame."""
        picture = self._film.picture(index)
        time = self._clock * self._film.times[index]
        objects = self.finder.objects
        if self._before is not None and (objects.strokes.active or any(t.state == "lost" for t in objects.tracks)):
            self.finder.settle(self._camera(self._before, picture), self._frame_size)
        edits = list(edits)
        if self._before is None and edits:
            self.finder.look(picture, time)  # edits mean something in a picture whose people are known
        self.finder.look(picture, time, edits, size=self._frame_size, seeds=[_copy(s) for s in seeds])
        self._before = picture
        self._set |= {track.number: index for track in self.finder.heard}

    def heard(self) -> list[Track]:
        """The objects that this frame's edits spoke of, as they are now."""
        return [_copy(track) for track in self.finder.heard if track.role != "none"]

    def give_back(self, edits: Iterable[Edit]) -> dict[int, int]:
        """Follow no longer the objects that these edits give back in this frame; their numbers, and where they were
        set.
        """
        given = {}
        for edit in edits:
            if not isinstance(edit, Restore):
                continue
            to_matte = ops.scaling(self._frame_size, self.size)
            x, y = ops.transform_points(to_matte, np.array([[edit.x, edit.y]], np.float64))[0]
            track = self.finder.objects.at(float(x), float(y), ("erase",), reach=0.0)
            if track is not None:
                track.role, given[track.number] = "none", self._set[track.number]
        return given

    def ways(self, strokes: Sequence[tuple[int, Stroke]]) -> dict[int, np.ndarray]:
        """The ways of the strokes painted so far, by their place in the given order."""
        places = {id(stroke): place for place, (_, stroke) in enumerate(strokes)}
        return {places[id(stroke)]: way for stroke, way in self.finder.objects.strokes.ways}

    def keep(self, traced: Traced, index: int, *, matte: bool) -> None:
        """Keep what this frame shows."""
        if matte:
            traced.keep_matte(index, self.finder.matte, self.finder.objects.people)
        for track in self.finder.objects.tracks:
            if track.role != "none" and track.number in self._set:
                traced.keep_track(index, track, abs(index - self._set[track.number]))

    def losses(self) -> list[Loss]:
        """Those of the objects that were to stay; the holes of the others tell by themselves."""
        return [
            replace(loss, time=self._clock * loss.time) for loss in self.finder.losses if "was to stay" in loss.what
        ]

    def _camera(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """How the camera moved, 3x3, from the pixels of the frame before to this one's."""
        usable = np.full(before.shape[:2], 255, np.uint8)
        for matte in (self.finder.matte, *(track.matte for track in self.finder.objects.tracks)):
            if matte is not None:
                usable &= ~ops.grow_square(ops.at_least(ops.resize(matte, before.shape[:2]), OFF), 5)
        first, second = equalised(before), equalised(after)
        matrix = Tracks(find_corners(first, usable), first, second).match(STILL_SHIFT).matrix
        if np.array_equal(matrix, np.eye(3)):
            return matrix
        to_frame = ops.scaling(before.shape[:2], self._frame_size)
        return to_frame @ matrix @ np.linalg.inv(to_frame)


def _copy(track: Track) -> Track:
    """An object as it is now, to be followed from here."""
    return replace(
        track,
        matte=track.matte.copy(),
        clicks=[replace(click) for click in track.clicks],
        touches=tuple(replace(touch) for touch in track.touches),
    )


def _packed(matte: np.ndarray) -> bytes:
    return zlib.compress(ops.to_uint8(matte * np.float32(255)).tobytes(), 1)


def _unpacked(data: bytes, size: tuple[int, int]) -> np.ndarray:
    return np.frombuffer(zlib.decompress(data), np.uint8).reshape(size).astype(np.float32) * np.float32(1 / 255)
