"""Runs the eraser over a clip as the file driver does."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.baselines import Masked, Output
from realtime.background.fill import Filler
from realtime.eraser import Eraser
from realtime.frame import Frame
from realtime.pending import Pending
from realtime.rehearsal import Rehearsal
from realtime.segment import Segmenter
from realtime.selection import Selection
from realtime.settings import Settings

DEFAULT_LOOKAHEAD = 1.0  # seconds, of erase-video

Method = Callable[[], Iterable[Output]]  # starts a method on its clip


@dataclass(frozen=True)
class Networks:
    """What the erasers of a run share. segmenter: None where all masks are given."""

    segmenter: Segmenter | None
    filler: Filler

    def for_given(self) -> Eraser:
        return Eraser(None, self.filler, Selection(classes=()), Settings())

    def for_single(self) -> Eraser:
        return Eraser(None, self.filler, Selection(classes=()), Settings(parallax=False))

    def for_found(self) -> Eraser:
        return Eraser(self.segmenter, self.filler, Selection(), Settings())


@dataclass(frozen=True)
class Run:
    """One configuration of the eraser. lookahead: seconds, infinite for the whole shot, learnt in a first pass; given:
    hand over the clip's masks, otherwise the eraser finds them; single: one homography for all that moves past the
    camera, masks given.
    """

    lookahead: float
    given: bool
    single: bool = False

    @property
    def name(self) -> str:
        """As in tables: "eraser 1 s", "eraser all" or, with its own masks, "found 1 s"."""
        reach = f"{self.lookahead:g} s" if math.isfinite(self.lookahead) else "all"
        return f"{'single' if self.single else 'eraser' if self.given else 'found'} {reach}"

    def method(self, clip: Sequence[Masked], fps: float, networks: Networks) -> Method:
        """This run on a clip, to be started when it is called."""
        make = networks.for_single if self.single else networks.for_given if self.given else networks.for_found
        if math.isfinite(self.lookahead):
            return lambda: _render(_observed(clip, fps, make(), self.given), round(self.lookahead * fps))
        return lambda: _in_two_passes(clip, fps, make, self.given)


class _Seen(NamedTuple):
    """An observed frame, by which eraser, and the milliseconds that it took."""

    eraser: Eraser
    pending: Pending
    milliseconds: float


def _observed(clip: Sequence[Masked], fps: float, eraser: Eraser, given: bool) -> Iterator[_Seen]:
    """Observe a clip frame by frame."""
    for frame, shot in zip(_frames(clip, fps), clip, strict=True):
        start = time.perf_counter()
        pending = eraser.observe(frame, shot.mask if given else None)
        yield _Seen(eraser, pending, (time.perf_counter() - start) * 1e3)


def _in_two_passes(clip: Sequence[Masked], fps: float, make: Callable[[], Eraser], given: bool) -> Iterator[Output]:
    """Learn the whole clip first; a frame's time is that of both passes."""
    with TemporaryDirectory() as folder:
        rehearsal, first, spent = Rehearsal(Path(folder)), make(), []
        for frame, shot in zip(_frames(clip, fps), clip, strict=True):
            start = time.perf_counter()
            rehearsal.watch(first, frame, shot.mask if given else None)
            spent.append((time.perf_counter() - start) * 1e3)
        rehearsal.end()
        yield from _render(_replayed(clip, fps, make(), rehearsal, spent), round(DEFAULT_LOOKAHEAD * fps))
        rehearsal.close()


def _replayed(
    clip: Sequence[Masked], fps: float, eraser: Eraser, rehearsal: Rehearsal, spent: list[float]
) -> Iterator[_Seen]:
    for frame, before in zip(_frames(clip, fps), spent, strict=True):
        start = time.perf_counter()
        pending = rehearsal.replay(eraser, frame)
        yield _Seen(eraser, pending, before + (time.perf_counter() - start) * 1e3)


def _render(seen: Iterable[_Seen], ahead: int) -> Iterator[Output]:
    """Render each frame when one that is `ahead` frames later has been observed, or at the clip's end."""
    waiting: deque[_Seen] = deque()
    for each in seen:
        waiting.append(each)
        if len(waiting) > ahead:
            yield _rendered(waiting.popleft())
    while waiting:
        yield _rendered(waiting.popleft())


def _rendered(seen: _Seen) -> Output:
    start = time.perf_counter()
    result = seen.eraser.render(seen.pending)
    spent = seen.milliseconds + (time.perf_counter() - start) * 1e3
    return Output(result.image, result.hole, spent, seen.eraser.stats.fills)


def _frames(clip: Sequence[Masked], fps: float) -> Iterator[Frame]:
    rate = Fraction(fps).limit_denominator(1001)
    for index, shot in enumerate(clip):
        yield Frame(image=shot.frame, index=index, pts=index, time_base=1 / rate)
