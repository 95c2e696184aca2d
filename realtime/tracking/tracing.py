"""The pass over a file that comes before all others where objects were chosen: follows each through its shot.

    traced = trace("in.mp4", find_shots("in.mp4"), edits, plan, folder, 0.0, None, None, print)
    eraser = Eraser(segmenter, filler, selection, settings, finder=Retracer(plan.fallback(traced.people), traced))

Frames of a file come forward only. So the pictures of a shot that holds an edit are kept on disk, as small as the
network sees them, and the objects are followed over those both ways. What is found is kept there too, for the pass that
erases. Shots without edits are not read; memory is a few pictures, and some hundred bytes for each frame and object.
"""

from __future__ import annotations

import bisect
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from realtime import ops
from realtime.crew import Crew
from realtime.edits import Edit, People, TimedEdit, settled
from realtime.errors import EraserError
from realtime.media.opening import open_source
from realtime.media.source import Source
from realtime.pipeline import Progress
from realtime.reader import Reader
from realtime.report import StageTime, StageTimes
from realtime.segment import Segmenter
from realtime.shots import Shot
from realtime.tracking.bothways import Traced, follow_both_ways, walked
from realtime.tracking.film import Film, Scraps
from realtime.tracking.finder import Finder, SegmentationFault, picture_size
from realtime.tracking.parts import Parts

READING = 0.2  # share of a frame's work that reading it is, for the progress
ROUNDING_S = 1e-4  # by which times are missed at most when a part of a file is asked for


@dataclass(frozen=True)
class Span:
    """A shot with the frames on both sides in which it dissolves into others. begin, end: of the shot itself; first,
    last: of all of it; all in seconds from the input's beginning.
    """

    first: float
    begin: float
    end: float
    last: float


@dataclass
class Trace:
    """What the pass found. shots: those that hold edits; notes, unused: remarks for the user; people: from when on
    every person is erased, or no longer, seconds of the frames' clock.
    """

    shots: list[Traced] = field(default_factory=list)
    people: list[tuple[float, bool]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    stages: dict[str, StageTime] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How to look for objects. segmenter: None where colours must do; classes: what is erased from the start; interval:
    seconds between two runs of the network where nothing was chosen, since objects are looked at in every frame; size:
    (H, W) of the frames.
    """

    segmenter: Segmenter | None
    classes: tuple[str, ...]
    interval: float
    size: tuple[int, int]

    def fallback(self, people: Sequence[tuple[float, bool]]) -> Finder:
        """What looks at shots without edits; people: see `Trace`. They must be known before they are erased."""
        return Finder(self.segmenter, self.classes, self.interval, watch=bool(people))

    def finder(self, people: bool, first_number: int = 1) -> Finder:
        """One that has seen nothing; first_number: of the objects that no edit has numbered."""
        finder = Finder(self.segmenter, self.classes, 0.0, watch=self.segmenter is not None)
        finder.patience = 0.0
        finder.objects.people = people
        finder.objects.numbers = itertools.count(first_number)
        finder.parts = Parts(finder.objects.numbers)
        return finder


def trace(
    path: str,
    shots: Sequence[Shot],
    edits: Sequence[TimedEdit],
    plan: Plan,
    folder: Path,
    origin: float,
    start: float | None,
    end: float | None,
    progress: Callable[[Progress], None],
) -> Trace:
    """Follow what the edits choose through its shots.

    shots: of the part from start to end; edits: in seconds from the input's beginning, in pixels of the frames; folder:
    where to keep what is found; origin: the time at which the input begins, seconds; start, end: as `open_source` takes
    them. Raises EraserError.
    """
    spans = _spans([(shot.start - origin, shot.end - origin) for shot in shots])
    tracer = _Tracer(plan, folder, origin, progress)
    for span, here in zip(spans, tracer.shared_out(settled(edits), spans, start or 0.0), strict=True):
        if any(not isinstance(timed.edit, People) for timed in here):
            tracer.read(open_source(path, start=_edge(span.first, start), end=_edge(span.last, end)))
            tracer.follow(span, here)
        tracer.people(here)
    return tracer.done


def _spans(shots: Sequence[tuple[float, float]]) -> list[Span]:
    """Shots, begin and end each, with what lies between them."""
    ends = [-math.inf, *(end for _, end in shots)]
    begins = [*(begin for begin, _ in shots[1:]), math.inf]
    return [Span(first, *shot, last) for first, shot, last in zip(ends, shots, begins, strict=False)]


def _edge(time: float, limit: float | None) -> float | None:
    """Where to begin or to end reading, for `open_source`."""
    return limit if math.isinf(time) else max(0.0, time - ROUNDING_S)


class _Tracer:
    """Works through the shots one by one. State: the film of the present one, and what was found so far."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        origin: float,
        progress: Callable[[Progress], None],
    ) -> None:
        self.done = Trace()
        self._plan, self._folder, self._origin = plan, folder, origin
        self._progress = progress
        self._scraps = Scraps(folder / "objects")
        self._times = StageTimes()
        self._worked = 0.0  # frames, with shares
        self._everybody = bool(plan.classes)

    def shared_out(self, edits: Sequence[TimedEdit], spans: Sequence[Span], start: float) -> list[list[TimedEdit]]:
        """The edits of each shot. What has no time counts from the first frame on, and so does what was said of all
        people before.
        """
        begins = [span.begin for span in spans]
        shared: list[list[TimedEdit]] = [[] for _ in spans]
        for timed in edits:
            if 0 < timed.time < start - ROUNDING_S and not isinstance(timed.edit, People):
                self._leave_out(timed, "lies before the start")
            else:
                shared[max(0, bisect.bisect(begins, timed.time + ROUNDING_S) - 1)].append(timed)
        return shared

    def people(self, edits: Sequence[TimedEdit]) -> None:
        """Heed what a shot's edits say of all people; it holds in the shots that come, too."""
        for timed in edits:
            if isinstance(timed.edit, People):
                self._everybody = timed.edit.erase
                self.done.people.append((timed.time + self._origin, self._everybody))

    def read(self, source: Source) -> None:
        """Keep the pictures of a shot, as small as a finder sees them, and close the source, unless its reader hangs.
        Two threads: the reader's and the caller's.
        """
        self._film = Film(self._folder / "film")
        reader = Reader(source, None)
        crew, size = Crew(reader.channel), None
        try:
            with crew:
                crew.start("reader", reader.run, may_hang=True)
                for frame, _ in reader.channel:
                    size = size or picture_size(frame.image, self._plan.segmenter)
                    self._film.append(ops.resize(frame.image, size), frame.time)
                    self._tell(READING)
                crew.wait()
        finally:
            if "reader" not in crew.hanging:
                source.close()

    def follow(self, span: Span, edits: Sequence[TimedEdit]) -> None:
        """Follow the objects through the shot that was read."""
        indexed = []
        for timed in edits:
            index = bisect.bisect_left(self._film.times, timed.time + self._origin - ROUNDING_S)
            if index < len(self._film.times):
                indexed.append((index, timed.edit))
            else:
                self._leave_out(timed, "lies after the end")
        if indexed:
            traced = self._follow(indexed)
            traced.note_losses(span.begin + self._origin, span.end + self._origin, self._origin)
            self.done.shots.append(traced)
            self.done.stages = self._times.summary()
            self.done.notes += [loss.note(self._origin) for loss in traced.losses]
        self._film.close()

    def _follow(self, edits: Sequence[tuple[int, Edit]]) -> Traced:
        numbers = [number for _, edit in edits if (number := getattr(edit, "number", None)) is not None]
        people, free = self._everybody, max(numbers, default=0) + 1
        length = len(self._film.times)
        share = (1 - READING) * length / walked(edits, length)
        begin = time.perf_counter()

        def tell(*_: object) -> None:
            nonlocal begin
            begin, before = time.perf_counter(), begin
            self._times.add({"following": (begin - before) * 1e3})
            self._tell(share)

        try:
            return follow_both_ways(
                self._film, lambda: self._plan.finder(people, free), edits, self._plan.size, self._scraps, tell
            )
        except SegmentationFault as fault:
            raise EraserError(str(fault)) from fault

    def _tell(self, share: float) -> None:
        """So much more of a frame's work is done."""
        self._worked += share
        self._progress(Progress(int(self._worked + 1e-6), None, ()))

    def _leave_out(self, timed: TimedEdit, why: str) -> None:
        self.done.unused.append(f"{timed.time:g} s {why}: what was to be selected then is not erased")
