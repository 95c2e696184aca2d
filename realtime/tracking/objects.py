"""The objects of a job: what the user's edits made of them, and their tracks.

    objects = Objects(people=True)
    objects.apply(Erase(640, 300), ...)
    objects.tracks  # a guided network's looks, or colours, move their mattes from frame to frame

Pure bookkeeping on mattes; `realtime.tracking.finder` runs the networks.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realtime import ops
from realtime.edits import Add, Clear, Edit, Erase, EraseBox, Move, Paint, People, Restore, Stencil, Subtract, Undo
from realtime.masks import ON
from realtime.motion.flow import Step
from realtime.tracking.parts import Parts, part_at, value_at
from realtime.tracking.strokes import Strokes, covered, place
from realtime.tracking.touch import LASTS, Touch
from realtime.tracking.track import CLICK_LASTS, Click, Role, Track

REACH = 0.02  # share of the picture's height by which a click may miss a matte
CLICK_RADIUS = 0.03  # share of the height around a click that it surely speaks of
HISTORY = 100  # edits that can be taken back


@dataclass
class _Wish:
    """What the user wanted of a track before an edit; its clicks and touches go on with it."""

    track: Track
    role: Role
    dx: float
    dy: float
    touches: tuple[Touch, ...]
    clicks: tuple[Click, ...]


@dataclass(frozen=True)
class _Moment:
    """What the user had chosen before an edit, at `time` seconds: enough to take the edit back."""

    time: float
    people: bool
    current: Track | None
    strokes: tuple[int, ...]
    wishes: tuple[_Wish, ...]


class Objects:
    """The followed objects, the brush strokes, and whether every person is erased.

    State: these, what came before each edit, and the object that `Add` and `Subtract` refine. Mattes are (h, w)
    float32, smaller than the frame; edits come in pixels of the frame. as_shown: whether they speak of the picture that
    shows what was moved where it was put, as in a live window; otherwise, of the input's.
    """

    def __init__(self, people: bool):
        """people: whether the classes' whole matte is erased from the start."""
        self.people = self._people_at_start = people
        self.as_shown = True
        self.tracks: list[Track] = []
        self.strokes = Strokes()
        self.numbers = itertools.count(1)
        self._current: Track | None = None
        self._named: dict[int, Track] = {}
        self._history: list[_Moment] = []

    def apply(
        self,
        edit: Edit,
        size: tuple[int, int],
        matte_size: tuple[int, int],
        matte: np.ndarray | None,
        parts: Parts,
        time: float,
    ) -> None:
        """Do what the user wishes.

        size, matte_size: (H, W) of frame and mattes; matte: of the classes, None where it is not known; parts: those of
        it that can be chosen; time: seconds, of the frame.
        """
        if isinstance(edit, Undo):
            self._undo(time)
            return
        for track in self.tracks:
            track.clicks = track.without_strays(track.clicks)
        self._history = [*self._history, self._moment(time)][-HISTORY:]
        desk = _Desk(self, size, matte_size, matte, parts, time)
        match edit:
            case Erase(x, y, number):
                desk.erase(x, y, number)
            case EraseBox(box, number):
                desk.erase_box(*box.slices(), number)
            case Restore(x, y):
                desk.restore(x, y)
            case Add(x, y, number):
                desk.refine(x, y, number, inside=True)
            case Subtract(x, y, number):
                desk.refine(x, y, number, inside=False)
            case Move(x, y, dx, dy):
                desk.move(x, y, dx, dy)
            case Paint(number=None) | Stencil(number=None):
                self.strokes.paint(edit, place(edit, size))
            case Paint(number=number) | Stencil(number=number):
                assert number is not None
                desk.touch(edit, number)
            case People(erase):
                self.people = erase
            case Clear():
                self.people, self.strokes.active, self._current = self._people_at_start, (), None
                for track in self.tracks:
                    track.role = "none"

    def plant(self, seed: Track, lab: np.ndarray, time: float) -> None:
        """Follow an object from where it is in this picture, (h, w, 3) uint8 CIE Lab; the seed becomes its track."""
        self.tracks = [track for track in self.tracks if track.number != seed.number]
        self.tracks.append(seed)
        self.choose(seed, seed.number)
        for click in seed.clicks:
            click.since = time
        for touch in seed.touches:
            touch.since = time
        seed.begin(seed.matte, lab, time)

    def erased(self) -> list[Track]:
        """Those that are erased, or whose hole stays closed."""
        return [track for track in self.tracks if track.role == "erase" and track.state != "gone"]

    def carry(self, step: Step, time: float) -> None:
        """Go along with the next picture, at `time` seconds."""
        for track in self.tracks:
            track.carry(step)
        clicks, touches = self._remembered()
        for click in clicks:
            click.carry(step)
        for touch in touches:
            if abs(time - touch.since) <= LASTS:
                touch.carry(step)

    def fit(self, size: tuple[int, int]) -> None:
        """Bring all mattes to (h, w) = `size`, after the picture's or the network's size has changed."""
        if not self.tracks or self.tracks[0].matte.shape == size:
            return
        height, width = self.tracks[0].matte.shape
        for track in self.tracks:
            track.fit(size)
        clicks, touches = self._remembered()
        for click in clicks:
            click.fit(ops.scaling((height, width), size))
        for touch in touches:
            touch.fit(size)

    def rescale(self, before: tuple[int, int], after: tuple[int, int]) -> None:
        """Go on with frames of (H, W) = `after` that show what those of `before` showed."""
        self.strokes.follow(ops.scaling(before, after))
        placed: list[Track | _Wish] = [*self.tracks, *(wish for moment in self._history for wish in moment.wishes)]
        for each in placed:
            each.dx, each.dy = each.dx * after[1] / before[1], each.dy * after[0] / before[0]

    def tidy(self) -> None:
        """Forget what no undo can bring back, and those kept whose track is lost: who is not surely known goes."""
        for track in self.tracks:
            if track.role == "keep" and track.state != "followed":
                track.role = "none"
        revivable = {id(wish.track) for moment in self._history for wish in moment.wishes}
        self.tracks = [track for track in self.tracks if track.role != "none" or id(track) in revivable]

    def choose(self, track: Track, number: int | None = None) -> None:
        """Make it the one that is refined next; number: what an edit calls it, though it may have another."""
        self._current = track
        if number is not None:
            self._named[number] = track

    def at(self, x: float, y: float, roles: Sequence[str], reach: float) -> Track | None:
        """The followed or lost object whose matte is at a pixel of the mattes, or within `reach` of it, a share of
        their height; the latest chosen first.
        """
        for track in reversed(self.tracks):
            if track.role not in roles or track.state == "gone":
                continue
            radius = round(reach * track.matte.shape[0])
            mask = ops.at_least(track.hole(), ON)
            if value_at(ops.grow(mask, radius), x, y) or (track.fresh and _clicked(track, (x, y), radius + 2)):
                return track
        return None

    def named(self, number: int) -> Track | None:
        """The track that an edit calls by this number."""
        return self._named.get(number)

    @property
    def current(self) -> Track | None:
        return self._current

    def _moment(self, time: float) -> _Moment:
        wishes = (_Wish(t, t.role, t.dx, t.dy, t.touches, tuple(t.clicks)) for t in self.tracks)
        return _Moment(time, self.people, self._current, self.strokes.active, tuple(wishes))

    def _remembered(self) -> tuple[list[Click], list[Touch]]:
        """The clicks and touches that were some track's before an edit, and are no more."""
        wishes = [wish for moment in self._history for wish in moment.wishes]
        clicks = {id(click): click for wish in wishes for click in wish.clicks}
        touches = {id(touch): touch for wish in wishes for touch in wish.touches}
        own = {id(each) for track in self.tracks for each in (*track.clicks, *track.touches)}
        return (
            [click for key, click in clicks.items() if key not in own],
            [touch for key, touch in touches.items() if key not in own],
        )

    def _undo(self, time: float) -> None:
        if not self._history:
            return
        moment = self._history.pop()
        self.people, self._current, self.strokes.active = moment.people, moment.current, moment.strokes
        known = {id(wish.track) for wish in moment.wishes}
        for track in self.tracks:
            if id(track) not in known:
                track.role = "none"
        for wish in moment.wishes:
            track = wish.track
            track.role, track.dx, track.dy, track.touches = wish.role, wish.dx, wish.dy, wish.touches
            now, then = track.clicks, list(wish.clicks)
            if track.state == "followed" and abs(time - moment.time) > CLICK_LASTS:
                now, then = track.without_strays(now), track.without_strays(then)
            track.clicks = then
            if [id(click) for click in now] != [id(click) for click in then]:
                # Seen anew with the clicks of then, where they have been carried to meanwhile.
                pointed = any(click.inside for click in track.clicks)
                track.matte = np.zeros_like(track.matte) if pointed else track.matte
                track.fresh = pointed or track.state == "followed"


class _Desk:
    """Where one edit meets the objects of a frame."""

    def __init__(
        self,
        objects: Objects,
        size: tuple[int, int],
        matte_size: tuple[int, int],
        matte: np.ndarray | None,
        parts: Parts,
        time: float,
    ):
        self._objects, self._size, self._matte_size = objects, size, matte_size
        self._matte, self._parts, self._time = matte, parts, time

    def erase(self, x: float, y: float, number: int | None = None) -> None:
        """Erase what is at a pixel of the frame."""
        shown = self._shown_displaced(x, y) if self._objects.as_shown else None
        track = shown or self._tracked(x, y, ("keep", "erase"), reach=0.0)
        if shown is not None:
            shown.dx = shown.dy = 0.0
        if track is None or (track.role == "keep" and self._objects.people and not track.person):
            track = self._new(x, y, number)
        elif track.role == "keep":
            track.role = "none" if self._objects.people else "erase"
        self._objects.choose(track, number)

    def erase_box(self, rows: slice, columns: slice, number: int | None = None) -> None:
        mask = np.zeros(self._size, np.uint8)
        mask[rows, columns] = 255
        matte = ops.resize(mask, self._matte_size).astype(np.float32) / np.float32(255)
        if not (matte >= ON).any():
            matte = (matte > 0).astype(np.float32)
        track = Track(number or next(self._objects.numbers), matte, boxed=True)
        self._objects.tracks.append(track)
        self._objects.choose(track, number)

    def restore(self, x: float, y: float) -> None:
        """Give back what is at a pixel: an object, one of the people, or what was painted."""
        track = self._meant(x, y, reach=REACH)
        part = None if self._matte is None else part_at(self._matte, *self._small(x, y))
        if track is not None:
            track.role, track.dx, track.dy = "none", 0.0, 0.0
            if self._objects.people and track.person and track.state == "followed":
                track.role = "keep"
        elif self._objects.people and part is not None:
            number = next(self._objects.numbers)
            self._objects.tracks.append(Track(number, part, "keep", person=True))
        else:
            self._objects.strokes.drop_at(x, y, self._size)

    def refine(self, x: float, y: float, number: int | None = None, *, inside: bool) -> None:
        track = self._objects.current if number is None else self._objects.named(number)
        if track is None or track.role == "none" or (track.state == "gone" and number is None):
            if inside:
                self.erase(x, y, number)
            return
        if track.state != "followed" and inside:  # the user shows where it is by now
            track.clicks, track.matte = [], np.zeros_like(track.matte)
        small = self._small(x, y)
        contradicts = 2 * CLICK_RADIUS * self._matte_size[0]
        track.clicks = [
            click
            for click in track.clicks
            if click.inside == inside or np.hypot(click.x - small[0], click.y - small[1]) > contradicts
        ]
        track.clicks.append(Click(*small, inside, self._time))
        track.touches = tuple(t for t in track.touches if t.adds == inside or value_at(t.mask, *small) < ON)
        track.fresh = True

    def touch(self, stroke: Paint | Stencil, number: int) -> None:
        """Add what a stroke covers to an object, or take it away; what is painted of none that is known is one."""
        track, mask = self._objects.named(number), covered(stroke, self._size, self._matte_size)
        if track is None or track.role == "none":
            if not stroke.erase:
                return
            track = Track(number, mask, fresh=False)
            self._objects.tracks.append(track)
        self._objects.choose(track, number)
        track.touch(mask, adds=stroke.erase, time=self._time)

    def move(self, x: float, y: float, dx: float, dy: float) -> None:
        track = self._meant(x, y, reach=0.0) or self._new(x, y)
        self._objects.choose(track)
        track.dx, track.dy = track.dx + dx, track.dy + dy

    def _new(self, x: float, y: float, number: int | None = None) -> Track:
        """A new track of what is at a pixel: a part of the classes' matte, or whatever the click will show."""
        small = self._small(x, y)
        found = None if self._matte is None else part_at(self._matte, *small)
        part = self._parts.at(*small)
        number = number or (next(self._objects.numbers) if part is None else part.number)
        matte = np.zeros(self._matte_size, np.float32) if found is None else found
        clicks = [Click(*small, True, self._time)]
        track = Track(number, matte, person=found is not None, clicks=clicks)
        self._objects.tracks.append(track)
        return track

    def _meant(self, x: float, y: float, reach: float) -> Track | None:
        """The erased object that an edit speaks of: one that is there, or is shown there."""
        shown, there = self._shown_displaced(x, y), self._tracked(x, y, ("erase",), reach)
        # In a file, too, what a live window wrote may speak of what is shown.
        return shown or there if self._objects.as_shown else there or shown

    def _tracked(self, x: float, y: float, roles: Sequence[str], reach: float) -> Track | None:
        """As `Objects.at`, at a pixel of the frame."""
        return self._objects.at(*self._small(x, y), roles, reach)

    def _shown_displaced(self, x: float, y: float) -> Track | None:
        """The moved object that is shown at a pixel."""
        for track in reversed(self._objects.tracks):
            if track.role == "erase" and track.moved and track.state == "followed":
                small = self._small(x - track.dx, y - track.dy)
                inside = all(-0.5 <= p <= side - 0.5 for p, side in zip(small, self._matte_size[::-1], strict=True))
                if inside and value_at(track.matte, *small) >= ON:
                    return track
        return None

    def _small(self, x: float, y: float) -> tuple[float, float]:
        """A pixel of the frame in pixels of the mattes."""
        point = ops.transform_points(ops.scaling(self._size, self._matte_size), np.array([[x, y]], np.float64))[0]
        return float(point[0]), float(point[1])


def _clicked(track: Track, small: tuple[float, float], radius: float) -> bool:
    return any(click.inside and np.hypot(click.x - small[0], click.y - small[1]) <= radius for click in track.clicks)
