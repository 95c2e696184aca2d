"""A file's frames on their way from the source through the eraser to the sinks, all of them.

Three threads work on one job. The *reader* owns the source and the given masks, the *caller's* thread owns observer
and eraser, the *writer* owns the sinks. (The eraser has a fourth for the camera's motion, `realtime.motion.scout`; the
reader tells it of every frame.) Between them are two channels, bounded in items and in bytes, so a slow stage holds
back the ones before it and nothing is ever dropped. Between the eraser's two halves lies the lookahead: frames
observed but not yet rendered, bounded in seconds, in frames and in bytes. Memory is the sum of these bounds and does
not depend on the length of the input; only sound that goes on behind the last frame is held as long as it is. When a
stage fails, or the user interrupts, all of them stop, every output is aborted (sinks write beside their target and
rename at the end), and the failure is raised in the caller with its cause.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from realtime.channel import Channel
from realtime.crew import Crew, stage_failed
from realtime.errors import EraserError
from realtime.observer import ROUNDING_S
from realtime.reader import QUEUED_BYTES, QUEUED_ITEMS, frame_bytes
from realtime.report import StageTime, StageTimes

if TYPE_CHECKING:
    from realtime.eraser import Eraser
    from realtime.observer import Observer
    from realtime.outputs import Outputs
    from realtime.pending import Pending
    from realtime.reader import Reader
    from realtime.result import Result

LOOKAHEAD_FRAMES = 300
LOOKAHEAD_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: frames done, the expected total (an estimate; None when unknown), remarks so far.

    Both count each frame once in every pass over the input. number: of the present pass, from 1 on, of `passes`.
    """

    frames: int
    total: int | None
    notes: tuple[str, ...]
    number: int = 1
    passes: int = 1


class _Closable(Protocol):
    def close(self) -> None: ...


_Input = TypeVar("_Input", bound=_Closable)


class Inputs:
    """Closes what is added to it, unless a thread still reads: closing a file under FFmpeg's hands is a crash."""

    def __init__(self) -> None:
        self.still_read = False
        self._inputs: list[_Closable] = []

    def add(self, input: _Input) -> _Input:
        self._inputs.append(input)
        return input

    def __enter__(self) -> Inputs:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.still_read:
            for input in self._inputs:
                input.close()


class Pipeline:
    """One run over one input; the module's docstring tells who owns what."""

    def __init__(
        self,
        inputs: Inputs,
        reader: Reader,
        observer: Observer,
        eraser: Eraser,
        outputs: Outputs,
        lookahead: float,
        remarks: list[str],
    ) -> None:
        """inputs: what the reader reads from; lookahead: seconds between a frame's two halves; remarks: notes that are
        known beforehand.
        """
        self._inputs = inputs
        self._reader = reader
        self._observer = observer
        self._eraser = eraser
        self._outputs = outputs
        self._lookahead = lookahead
        self._remarks = remarks
        self._short_lookahead: str | None = None
        self._erased: Channel[Result] = Channel(QUEUED_ITEMS, QUEUED_BYTES)
        self._erasing, self._writing = StageTimes(), StageTimes()
        self.frames = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks so far, each once."""
        remarks = [*self._remarks, *self._reader.notes, *self._outputs.notes, *self._observer.notes]
        if self._short_lookahead is not None:
            remarks.append(self._short_lookahead)
        return tuple(dict.fromkeys(remarks))

    def run(self, progress: Callable[[Progress], None] | None) -> None:
        """Read, erase and write every frame, and put the outputs in place."""
        crew = Crew(self._reader.channel, self._erased)
        try:
            with crew:
                crew.start("reader", self._reader.run, may_hang=True)
                crew.start("writer", self._write_all)
                self._erase_all(progress)
                crew.wait()
        finally:
            self._inputs.still_read = "reader" in crew.hanging
        check_not_empty(self._reader, self.frames)
        try:
            self._outputs.finish()
        except EraserError:
            raise
        except Exception as error:
            raise stage_failed("writer", error) from error

    def _erase_all(self, progress: Callable[[Progress], None] | None) -> None:
        """The caller's thread: observe each frame, render it once the lookahead has passed or its bounds are met."""
        waiting: deque[tuple[Pending, float, int]] = deque()  # with time in seconds, size in bytes
        held = 0

        def render_oldest() -> None:
            nonlocal held
            pending, _, nbytes = waiting.popleft()
            held -= nbytes
            result = self._eraser.render(pending)
            self._erasing.add(result.timings)
            self._erased.put(result, _result_bytes(result))
            self.frames += 1
            if progress is not None:
                progress(Progress(self.frames, self._reader.source.info.frames, self.notes))

        for frame, given in self._reader.channel:
            pending = self._observer.observe(frame, given)
            waiting.append((pending, frame.time, pending.nbytes))
            held += pending.nbytes
            now = frame.time
            while waiting and now - waiting[0][1] >= self._lookahead - ROUNDING_S:
                render_oldest()
            while len(waiting) > LOOKAHEAD_FRAMES or (held > LOOKAHEAD_BYTES and len(waiting) > 1):
                self._note_short_lookahead(now - waiting[0][1], len(waiting))
                render_oldest()
        while waiting:
            render_oldest()
        self._erased.close()

    def _note_short_lookahead(self, seconds: float, frames: int) -> None:
        if self._short_lookahead is None:
            self._short_lookahead = (
                f"the lookahead is held to about {seconds:.2g} s ({frames} frames): "
                f"it may keep {LOOKAHEAD_FRAMES} frames and {LOOKAHEAD_BYTES >> 20} MiB waiting"
            )

    def _write_all(self) -> None:
        """The writer's thread: encode and write each result to every output."""
        for result in self._erased:
            begin = time.perf_counter()
            self._outputs.write(result)
            self._writing.add({"encode": (time.perf_counter() - begin) * 1e3})
            del result

    @property
    def stages(self) -> dict[str, StageTime]:
        """Milliseconds per frame of every stage, in the order of the work."""
        return self._reader.times.summary() | self._erasing.summary() | self._writing.summary()


def rehearse(
    inputs: Inputs, reader: Reader, observer: Observer, progress: Callable[[Progress], None] | None
) -> dict[str, StageTime]:
    """The first of two passes: observe every frame, write nothing. Two threads: the reader's and the caller's.

    inputs: what the reader reads from. Returns the times of each stage.
    """
    crew, frames, finding = Crew(reader.channel), 0, StageTimes()
    try:
        with crew:
            crew.start("reader", reader.run, may_hang=True)
            for frame, given in reader.channel:
                finding.add(observer.observe(frame, given).timer.milliseconds)
                frames += 1
                if progress is not None:
                    progress(Progress(frames, reader.source.info.frames, (*reader.notes, *observer.notes)))
            crew.wait()
    finally:
        inputs.still_read = "reader" in crew.hanging
    check_not_empty(reader, frames)
    times = reader.times.summary() | finding.summary()
    return {f"first pass: {name}": time for name, time in times.items()}


def check_not_empty(reader: Reader, frames: int) -> None:
    """Raise EraserError where an input had no frame."""
    if not frames:
        raise EraserError(f"{reader.source.path} has no pictures to work on: check --start, --end and the file")


def _result_bytes(result: Result) -> int:
    """Memory of a result and of its frame; an untouched frame shares its picture with the result."""
    own = 0 if result.image is result.frame.image else result.image.nbytes
    return frame_bytes(result.frame) + own + result.hole.nbytes + result.alpha.nbytes + result.trust.nbytes
