"""Runs the eraser over a clip as the file driver does."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from benchmarks.baselines import Masked, Output
from realtime.eraser import Eraser, Pending, Settings
from realtime.fill import Filler
from realtime.frame import Frame
from realtime.segment import Segmenter
from realtime.selection import Selection

Method = Callable[[], Iterable[Output]]  # starts a method on its clip


@dataclass(frozen=True)
class Networks:
    """What the erasers of a run share. segmenter: None where all masks are given."""

    segmenter: Segmenter | None
    filler: Filler

    def for_given(self) -> Eraser:
        return Eraser(None, self.filler, Selection(classes=()), Settings())

    def for_found(self) -> Eraser:
        return Eraser(self.segmenter, self.filler, Selection(), Settings())


@dataclass(frozen=True)
class Run:
    """One configuration of the eraser. name: as in tables, such as "eraser 1 s" or, with its own masks, "found 1 s"."""

    name: str
    lookahead: float
    given: bool

    def method(self, clip: Sequence[Masked], fps: float, networks: Networks) -> Method:
        """This run on a clip, to be started when it is called."""
        make = networks.for_given if self.given else networks.for_found
        return lambda: run_eraser(clip, make, fps=fps, lookahead=self.lookahead, given=self.given)


def run_eraser(
    clip: Sequence[Masked], make: Callable[[], Eraser], *, fps: float, lookahead: float, given: bool
) -> Iterator[Output]:
    """Erase a clip with a new eraser, frame by frame.

    lookahead: seconds; frames are observed at once and rendered when a frame that much later has been observed, or at
    the clip's end. given: hand over the clip's masks; otherwise the eraser finds them. The time of a frame is that of
    its own observe and render.
    """
    eraser = make()
    ahead = round(lookahead * fps)
    rate = Fraction(fps).limit_denominator(1001)
    waiting: deque[tuple[Pending, float]] = deque()

    def render() -> Output:
        pending, spent = waiting.popleft()
        start = time.perf_counter()
        result = eraser.render(pending)
        spent += (time.perf_counter() - start) * 1e3
        return Output(result.image, result.hole, spent, eraser.stats.fills)

    for index, shot in enumerate(clip):
        frame = Frame(image=shot.frame, index=index, pts=index, time_base=1 / rate)
        start = time.perf_counter()
        pending = eraser.observe(frame, shot.mask if given else None)
        waiting.append((pending, (time.perf_counter() - start) * 1e3))
        if len(waiting) > ahead:
            yield render()
    while waiting:
        yield render()
