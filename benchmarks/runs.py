"""Runs the eraser over a clip as the file driver does."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from benchmarks.baselines import Masked, Output
from realtime.eraser import Eraser
from realtime.frame import Frame


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
    waiting: deque = deque()

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
