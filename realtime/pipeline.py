"""A file's frames on their way from the source through the eraser to the sinks, all of them.

Three threads work on one job. The *reader* owns the source and the given masks, the *caller's* thread owns the eraser,
the *writer* owns the sinks. Between them are two channels, bounded in items and in bytes, so a slow stage holds back
the ones before it and nothing is ever dropped. Between the eraser's two halves lies the lookahead: frames observed but
not yet rendered, bounded in seconds, in frames and in bytes. Memory is the sum of these bounds and does not depend on
the length of the input. When a stage fails, or the user interrupts, all of them stop, every output is aborted (sinks
write beside their target and rename at the end), and the failure is raised in the caller with its cause.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from realtime.channel import Channel
from realtime.crew import Crew, stage_failed
from realtime.errors import EraserError
from realtime.report import StageTime, StageTimes

if TYPE_CHECKING:
    import numpy as np

    from realtime.edits import TimedEdit
    from realtime.eraser import Eraser, Pending, Result
    from realtime.finder import Loss
    from realtime.frame import Frame
    from realtime.outputs import Outputs
    from realtime.selection import GivenMasks
    from realtime.source import Source

QUEUED_ITEMS = 4
QUEUED_BYTES = 128 << 20
LOOKAHEAD_FRAMES = 300
LOOKAHEAD_BYTES = 1 << 30
ROUNDING_S = 1e-6  # of times as floats: 0.3 - 0.2 is a little less than 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: frames done, the expected total (an estimate; None when unknown), remarks so far."""

    frames: int
    total: int | None
    notes: tuple[str, ...]


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


class _Read(NamedTuple):
    """A frame and the mask that was given for it."""

    frame: Frame
    given: np.ndarray | None


class Pipeline:
    """One run over one input; the module's docstring tells who owns what."""

    def __init__(
        self,
        source: Source,
        masks: GivenMasks | None,
        eraser: Eraser,
        outputs: Outputs,
        lookahead: float,
        remarks: list[str],
        edits: Sequence[TimedEdit] = (),
    ) -> None:
        """edits: changes of the selection, by time in seconds from the input's beginning."""
        self._source = source
        self._masks = masks
        self._eraser = eraser
        self._outputs = outputs
        self._lookahead = lookahead
        self._remarks = remarks
        self._edits = deque(edits)
        self._losses: tuple[Loss, ...] = ()
        self._short_lookahead: str | None = None
        self._read: Channel[_Read] = Channel(QUEUED_ITEMS, QUEUED_BYTES)
        self._erased: Channel[Result] = Channel(QUEUED_ITEMS, QUEUED_BYTES)
        self._times = {stage: StageTimes() for stage in ("reader", "eraser", "writer")}  # one thread each
        self.frames = 0
        self.reader_hangs = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks so far, each once."""
        remarks = [*self._remarks, *self._source.notes, *self._outputs.notes]
        remarks += [loss.note(float(self._source.origin)) for loss in self._losses]
        if self._masks is not None:
            remarks += self._masks.notes
        if self._short_lookahead is not None:
            remarks.append(self._short_lookahead)
        return tuple(dict.fromkeys(remarks))

    def run(self, progress: Callable[[Progress], None] | None) -> None:
        """Read, erase and write every frame, and put the outputs in place."""
        crew = Crew(self._read, self._erased)
        try:
            with crew:
                crew.start("reader", self._read_all, may_hang=True)
                crew.start("writer", self._write_all)
                self._erase_all(progress)
                crew.wait()
        finally:
            self.reader_hangs = "reader" in crew.hanging
        if not self.frames:
            raise EraserError(f"{self._source.path} has no pictures to work on: check --start, --end and the file")
        try:
            self._outputs.finish()
        except EraserError:
            raise
        except Exception as error:
            raise stage_failed("writer", error) from error

    def _read_all(self) -> None:
        """The reader's thread: decode, and find each frame's mask."""
        frames = iter(self._source)
        while True:
            begin = time.perf_counter()
            frame = next(frames, None)
            if frame is None:
                break
            decoded = time.perf_counter()
            timings = {"decode": (decoded - begin) * 1e3}
            given = None
            if self._masks is not None:
                given = self._masks.for_frame(frame.index, *frame.image.shape[:2])
                timings["read mask"] = (time.perf_counter() - decoded) * 1e3
            self._times["reader"].add(timings)
            self._read.put(_Read(frame, given), _frame_bytes(frame))
            del frame
        self._read.close()

    def _erase_all(self, progress: Callable[[Progress], None] | None) -> None:
        """The caller's thread: observe each frame, render it once the lookahead has passed or its bounds are met."""
        waiting: deque[tuple[Pending, float, int]] = deque()  # with time in seconds, size in bytes
        held = 0

        def render_oldest() -> None:
            nonlocal held
            pending, _, nbytes = waiting.popleft()
            held -= nbytes
            result = self._eraser.render(pending)
            self._times["eraser"].add(result.timings)
            self._erased.put(result, _result_bytes(result))
            self.frames += 1
            if progress is not None:
                progress(Progress(self.frames, self._source.info.frames, self.notes))

        for frame, given in self._read:
            self._edit(frame)
            pending = self._eraser.observe(frame, given)
            if pending.finding.fault is not None:
                raise EraserError(f"{pending.finding.fault} (frame {frame.index})")
            self._losses = tuple(dict.fromkeys((*self._losses, *self._eraser.losses)))
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
        for edit in self._edits:
            self._remarks.append(f"the input ends before {edit.time:g} s: what was to be selected then is not erased")
        self._erased.close()

    def _edit(self, frame: Frame) -> None:
        """Give the eraser the edits whose time has come with this frame."""
        time = frame.time - float(self._source.origin)
        while self._edits and self._edits[0].time <= time + ROUNDING_S:
            self._eraser.edit(self._edits.popleft().edit)

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
            self._times["writer"].add({"encode": (time.perf_counter() - begin) * 1e3})
            del result

    @property
    def stages(self) -> dict[str, StageTime]:
        """Milliseconds per frame of every stage, in the order of the work."""
        return {name: times for stage in self._times.values() for name, times in stage.summary().items()}


def _frame_bytes(frame: Frame) -> int:
    """Memory of a frame: its picture and its own planes."""
    planes = () if frame.native is None else frame.native.planes
    return frame.image.nbytes + sum(plane.buffer_size for plane in planes)


def _result_bytes(result: Result) -> int:
    """Memory of a result and of its frame; an untouched frame shares its picture with the result."""
    own = 0 if result.image is result.frame.image else result.image.nbytes
    return _frame_bytes(result.frame) + own + result.hole.nbytes + result.alpha.nbytes + result.trust.nbytes
