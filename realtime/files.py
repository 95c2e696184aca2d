"""The file driver: erase things from a whole video, picture or image sequence, every frame of it.

    from realtime import erase_video
    report = erase_video("in.mp4", "out.mp4", lookahead=1.0)
    print(report.frames, report.fps)

Three threads work on one job. The *reader* owns the source and the given masks, the *caller's* thread owns the eraser,
the *writer* owns the sinks. Between them are two channels, bounded in items and in bytes, so a slow stage holds back
the ones before it and nothing is ever dropped. Between the eraser's two halves lies the lookahead: frames observed but
not yet rendered, bounded in seconds, in frames and in bytes. Memory is the sum of these bounds and does not depend on
the length of the input. When a stage fails, or the user interrupts, all of them stop, every output is aborted (sinks
write beside their target and rename at the end), and the failure is raised in the caller with its cause.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from realtime.channel import Channel
from realtime.crew import Crew, stage_failed
from realtime.errors import EraserError, UsageError
from realtime.report import Report, StageTimes
from realtime.selection import Box, GivenMasks, Selection

if TYPE_CHECKING:
    import numpy as np

    from realtime.eraser import Eraser, Pending, Result
    from realtime.fill import Filler
    from realtime.frame import Frame
    from realtime.outputs import Outputs
    from realtime.segment import Segmenter
    from realtime.source import Source

_log = logging.getLogger(__name__)

QUEUED_ITEMS = 4
QUEUED_BYTES = 128 << 20
LOOKAHEAD_FRAMES = 300
LOOKAHEAD_BYTES = 1 << 30
ROUNDING_S = 1e-6  # of times as floats: 0.3 - 0.2 is a little less than 0.1


def version() -> str:
    """The installed version of the project, "unknown" when its code runs without having been installed."""
    try:
        return metadata.version("object-eraser")
    except metadata.PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: frames done, the expected total (an estimate; None when unknown), remarks so far."""

    frames: int
    total: int | None
    notes: tuple[str, ...]


def erase_video(
    input: str | Path,
    output: str | Path,
    *,
    target: str | Sequence[str] | None = None,
    mask: str | Path | None = None,
    boxes: Sequence[Box] = (),
    keep_boxes: Sequence[Box] = (),
    lookahead: float = 1.0,
    segmenter: str = "swift",
    fill: str = "swift",
    device: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
    start: float | None = None,
    end: float | None = None,
    codec: str | None = None,
    crf: float | None = None,
    dilate: int | None = None,
    shadow: bool = True,
    preview: str | Path | None = None,
    save_mask: str | Path | None = None,
    report: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Erase things from `input` and write the result to `output`.

    input: a video file, a picture, a numbered sequence (img_%04d.png), a folder of pictures, or an address that FFmpeg
        opens. output: its extension chooses the container; a picture gives a picture.
    target: classes of the segmenter, "person" or ("person", ...). None means "person", unless `mask` or `boxes` say
        what to erase; given together with them it adds to them.
    mask: a picture (the same mask for all frames), a video or a folder (one mask for each frame of the input); white is
        erased. boxes: regions that are erased; keep_boxes: regions that stay as they are.
    lookahead: seconds of the future that a frame may borrow its background from; 0 is what live would see.
    segmenter, fill: names or paths of models; "telea" fills without a network.
    device: "auto", "cpu" or "cuda". runtime: "auto", "onnxruntime", "tensorrt" or "torch". threads: per network.
    start, end: seconds; only this part is written. codec, crf: None follows the input's codec at high quality.
    dilate: pixels by which the hole is larger than the mask; None finds a good value. shadow: erase shadows too.
    preview: also write before, mask and after side by side. save_mask: also write the hole as it was replaced.
    report: also write the report as JSON. overwrite: replace files that exist.
    progress: called in this thread after every frame.

    Raises UsageError for requests that make no sense, EraserError when the job fails: then nothing was written. An
    interrupted job (KeyboardInterrupt) leaves nothing behind either.
    """
    from realtime.eraser import Eraser, Settings
    from realtime.outputs import Outputs, check_paths
    from realtime.source import open_source

    if not (math.isfinite(lookahead) and lookahead >= 0):
        raise UsageError(f"the lookahead is {lookahead:g} s: give 0 or more seconds")
    if start is not None and start < 0:
        raise UsageError(f"the start is {start:g} s: give 0 or more seconds")
    if start is not None and end is not None and end <= start:
        raise UsageError(f"the end ({end:g} s) is not after the start ({start:g} s)")
    if dilate is not None and dilate < 0:
        raise UsageError(f"dilate is {dilate} px: give 0 or more")
    check_paths([input, mask], [output, preview, save_mask, report], overwrite)
    selection = Selection(_classes(target, mask is not None or bool(boxes)), tuple(boxes), tuple(keep_boxes))
    models = _load_models(selection, segmenter, fill, device, runtime, threads)

    with ExitStack() as stack:
        inputs = stack.enter_context(_Inputs())
        source = inputs.add(open_source(str(input), start=start, end=end))
        masks = None if mask is None else inputs.add(GivenMasks(str(mask)))
        remarks = selection.check(source.info.height, source.info.width)
        eraser = Eraser(models.segmenter, models.filler, selection, Settings(dilate=dilate, shadow=shadow))
        outputs = stack.enter_context(Outputs(source, overwrite))
        outputs.open_main(output, codec, crf)
        if preview is not None:
            outputs.open_preview(preview)
        if save_mask is not None:
            outputs.open_masks(save_mask)
        job = _Job(source, masks, eraser, outputs, lookahead, remarks)
        try:
            job.run(progress)
        finally:
            inputs.still_read = job.reader_hangs
        done = job.report(str(input), str(output), models)
    if report is not None:
        try:
            done.write(report)
        except EraserError as error:
            raise EraserError(f"{output} is done, but its report is not: {error}") from error
    return done


def _classes(target: str | Sequence[str] | None, selected_otherwise: bool) -> tuple[str, ...]:
    """The classes to erase, without doubles; raises UsageError when the text names none."""
    if target is None:
        return () if selected_otherwise else ("person",)
    parts = target.split(",") if isinstance(target, str) else target
    names = tuple(dict.fromkeys(name for part in parts if (name := part.strip())))
    if not names:
        raise UsageError("the target is empty: name one of the segmenter's classes, like person")
    return names


@dataclass(frozen=True, slots=True)
class _Models:
    segmenter: Segmenter | None
    filler: Filler
    segmenter_name: str | None
    device: str
    runtime: str


def _load_models(
    selection: Selection, segmenter: str, fill: str, device: str, runtime: str, threads: int | None
) -> _Models:
    """Load what the job needs; the segmenter only when classes are to be found. Raises UsageError, EraserError."""
    import onnxruntime

    from engines.errors import EngineError
    from engines.runtime import available_models
    from realtime.fill import CLASSICAL, load_filler
    from realtime.segment import load_segmenter

    if selection.classes:
        _check_name("segmenter", segmenter, available_models("segmenter"))
    _check_name("filler", fill, [*available_models("filler"), CLASSICAL])
    try:
        finder = None
        if selection.classes:
            finder = load_segmenter(segmenter, device=device, runtime=runtime, threads=threads)
            finder.check(selection.classes)
        filler = load_filler(fill, device=device, runtime=runtime, threads=threads)
    except EngineError as error:
        raise EraserError(str(error)) from error
    engines = [engine for part in (finder, filler) if (engine := getattr(part, "engine", None)) is not None]
    for engine in engines:
        _log.debug(
            "%s %s: %s on %s (asked for: %s on %s; onnxruntime can use %s)",
            engine.card.task, engine.card.name, engine.runtime, engine.device, runtime, device,
            ", ".join(onnxruntime.get_available_providers()),
        )  # fmt: skip
    return _Models(
        segmenter=finder,
        filler=filler,
        segmenter_name=None if finder is None else finder.engine.card.name,
        device=engines[0].device if engines else "cpu",
        runtime=engines[0].runtime if engines else "opencv",
    )


def _check_name(task: str, model: str, names: list[str]) -> None:
    if model not in names and not Path(model).exists():
        raise UsageError(f"unknown {task} '{model}': there are {', '.join(names)}, or give the path of a model")


class _Closable(Protocol):
    def close(self) -> None: ...


_Input = TypeVar("_Input", bound=_Closable)


class _Inputs:
    """Closes what is added to it, unless a thread still reads: closing a file under FFmpeg's hands is a crash."""

    def __init__(self) -> None:
        self.still_read = False
        self._inputs: list[_Closable] = []

    def add(self, input: _Input) -> _Input:
        self._inputs.append(input)
        return input

    def __enter__(self) -> _Inputs:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.still_read:
            for input in self._inputs:
                input.close()


class _Read(NamedTuple):
    """A frame and the mask that was given for it."""

    frame: Frame
    given: np.ndarray | None


class _Job:
    """One run of the pipeline; the module's docstring tells who owns what."""

    def __init__(
        self,
        source: Source,
        masks: GivenMasks | None,
        eraser: Eraser,
        outputs: Outputs,
        lookahead: float,
        remarks: list[str],
    ) -> None:
        self._source = source
        self._masks = masks
        self._eraser = eraser
        self._outputs = outputs
        self._lookahead = lookahead
        self._remarks = remarks
        self._short_lookahead: str | None = None
        self._read: Channel[_Read] = Channel(QUEUED_ITEMS, QUEUED_BYTES)
        self._erased: Channel[Result] = Channel(QUEUED_ITEMS, QUEUED_BYTES)
        self._times = {stage: StageTimes() for stage in ("reader", "eraser", "writer")}  # one thread each
        self._frames = 0
        self._started = time.perf_counter()
        self.reader_hangs = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks so far, each once."""
        remarks = [*self._remarks, *self._source.notes, *self._outputs.notes]
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
        if not self._frames:
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
            self._frames += 1
            if progress is not None:
                progress(Progress(self._frames, self._source.info.frames, self.notes))

        for frame, given in self._read:
            pending = self._eraser.observe(frame, given)
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
            self._times["writer"].add({"encode": (time.perf_counter() - begin) * 1e3})
            del result

    def report(self, input: str, output: str, models: _Models) -> Report:
        """What was done, once the outputs are finished."""
        info, stats = self._source.info, self._eraser.stats
        seconds = time.perf_counter() - self._started
        stages = [times.summary() for times in self._times.values()]
        return Report(
            input=input,
            output=output,
            version=version(),
            width=info.width,
            height=info.height,
            frames=self._frames,
            lost=self._source.lost,
            fills=stats.fills,
            cuts=stats.cuts,
            anchors=stats.anchors,
            coverage=round(stats.coverage, 4) if stats.hole_pixels else None,
            seconds=round(seconds, 3),
            fps=round(self._frames / seconds, 2),
            segmenter=models.segmenter_name,
            filler=models.filler.name,
            device=models.device,
            runtime=models.runtime,
            stages={name: times for summary in stages for name, times in summary.items()},
            notes=self.notes,
        )


def _frame_bytes(frame: Frame) -> int:
    """Memory of a frame: its picture and its own planes."""
    planes = () if frame.native is None else frame.native.planes
    return frame.image.nbytes + sum(plane.buffer_size for plane in planes)


def _result_bytes(result: Result) -> int:
    """Memory of a result and of its frame; an untouched frame shares its picture with the result."""
    own = 0 if result.image is result.frame.image else result.image.nbytes
    return _frame_bytes(result.frame) + own + result.hole.nbytes + result.alpha.nbytes + result.trust.nbytes
