"""The file driver: erase things from a whole video, picture or image sequence, every frame of it.

from realtime import erase_video
report = erase_video("in.mp4", "out.mp4", lookahead=1.0)
print(report.frames, report.fps)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.deviceprofile import load_profile
from realtime.edits import TimedEdit, check_edits
from realtime.eraser import Eraser
from realtime.errors import EraserError, UsageError
from realtime.media.opening import open_source
from realtime.media.source import Source, local_path, passes_once
from realtime.media.temporary import Temporary, place_of, sweep
from realtime.models import Models, load_models
from realtime.observer import Again, Directly, Observer
from realtime.outputs import Outputs, check_paths
from realtime.passes import Passes
from realtime.pipeline import Inputs, Pipeline, Progress, rehearse
from realtime.reader import Reader
from realtime.rehearsal import Rehearsal
from realtime.report import Report, StageTime, version
from realtime.selection import Box, GivenMasks, Selection
from realtime.settings import Settings, usual_interval
from realtime.shots import find_shots
from realtime.tracking.retracer import Retracer
from realtime.tracking.selectionfile import read_selection
from realtime.tracking.tracing import Plan, trace

if TYPE_CHECKING:
    from realtime.batch.part import Part

DEFAULT_LOOKAHEAD = 1.0  # seconds
WHOLE_SHOT = "all"  # the lookahead that learns every shot in a first pass


def erase_video(
    input: str | Path,
    output: str | Path,
    *,
    target: str | Sequence[str] | None = None,
    mask: str | Path | None = None,
    boxes: Sequence[Box] = (),
    keep_boxes: Sequence[Box] = (),
    edits: Sequence[TimedEdit] = (),
    selection: str | Path | None = None,
    lookahead: float | str = DEFAULT_LOOKAHEAD,
    segmenter: str = "swift",
    fill: str = "swift",
    device: str = "auto",
    runtime: str = "auto",
    threads: int | None = None,
    start: float | None = None,
    end: float | None = None,
    codec: str | None = None,
    crf: float | None = None,
    hwaccel: bool = False,
    dilate: int | None = None,
    shadow: bool = True,
    preview: str | Path | None = None,
    save_mask: str | Path | None = None,
    report: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    part: Part | None = None,
) -> Report:
    """Erase things from `input` and write the result to `output`.

    input: a video file, a picture, a numbered sequence (img_%04d.png), a folder of pictures, or an address that FFmpeg
        opens. output: its extension chooses the container; a picture gives a picture.
    target: classes of the segmenter, "person" or ("person", ...). None means "person", unless `mask`, `boxes`, `edits`
        or `selection` say what to erase; given together with them it adds to them.
    mask: a picture (the same mask for all frames), a video or a folder (one mask for each frame of the input); white is
        erased. boxes: regions that are erased; keep_boxes: regions that stay as they are.
    edits: objects that are erased, each followed from its time forward and backward through its shot, and whatever else
        a user does (`realtime.edits`), in pixels and seconds of the input. selection: a file of such edits, scaled to
        the input's size.
    lookahead: seconds of the future that a frame may borrow its background from; 0 is what live would see, "all" the
        whole shot, which a first pass over the input learns.
    segmenter, fill: names or paths of models; "telea" fills without a network.
    device: "auto", "cpu" or "cuda". runtime: "auto", "onnxruntime", "tensorrt" or "torch". threads: per network.
    start, end: seconds; only this part is written. codec, crf: None follows the input's codec at high quality; a codec
        "gpu" follows it by a GPU's encoder, where one takes it. hwaccel: a GPU decodes, where nothing is lost by it.
    dilate: pixels by which the hole is larger than the mask; None finds a good value. shadow: erase shadows too.
    preview: also write before, mask and after side by side. save_mask: also write the hole as it was replaced.
    report: also write the report as JSON. overwrite: replace files that exist.
    progress: called in this thread after every frame.
    part: what a batch does of a long file, which is cut into parts; None for the whole.

    Raises UsageError for requests that make no sense, EraserError when the job fails: then nothing was written. An
    interrupted job (KeyboardInterrupt) leaves nothing behind either.
    """
    input = local_path(input)
    check_request(input, lookahead, start, end, dilate)
    whole_shot = lookahead == WHOLE_SHOT
    check_paths([input, mask, selection], [output, preview, save_mask], overwrite, report)
    sweep(place_of(output))
    chosen = mask is not None or selection is not None or bool(boxes) or bool(edits)
    wanted = Selection(_classes(target, chosen), tuple(boxes), tuple(keep_boxes))
    search = selection is not None or bool(edits)

    with ExitStack() as stack:
        models = load_models(wanted, segmenter, fill, device, runtime, threads, search)
        stack.callback(models.close)
        models.suit(load_profile())
        inputs = stack.enter_context(Inputs())

        def read() -> Reader:
            source = inputs.add(open_source(str(input), start=start, end=end, hwaccel=hwaccel))
            return Reader(source, None if mask is None else inputs.add(GivenMasks(str(mask))))

        reader = read()
        source = reader.source
        height, width = source.info.height, source.info.width
        remarks = wanted.check(height, width)
        timed = _edits(edits, selection, height, width)
        outputs = stack.enter_context(Outputs(source, overwrite))
        outputs.open_main(output, codec, crf, part)
        if preview is not None:
            outputs.open_preview(preview)
        if save_mask is not None:
            outputs.open_masks(save_mask)
        begin = time.perf_counter()
        follow = bool(timed) and not (source.info.still or passes_once(input))
        if timed and passes_once(input):
            remarks.append(f"{input} passes only once: objects are followed from their times on, not before")
        look = (follow or whole_shot) and part is None
        passes = Passes(progress, source.info.frames, 1 + look + follow + whole_shot)
        shots = [] if part is None else list(part.shots)
        if look:
            shots = find_shots(input, start, end, passes.count)
            passes.over()
        # People who are not chosen yet, or never, must not become background meanwhile: candidates are known.
        settings = Settings(dilate=dilate, shadow=shadow, candidates=bool(timed))
        new_eraser = partial(Eraser, models.segmenter, models.filler, wanted, settings)
        stages: dict[str, StageTime] = {}
        traced = None
        if follow:
            folder = stack.enter_context(folder_beside(output))
            plan = Plan(models.segmenter, wanted.classes, usual_interval(models.segmenter), (height, width))
            traced = trace(str(input), shots, timed, plan, folder, float(source.origin), start, end, passes.tell)
            passes.over()
            if traced.unused and not (traced.shots or traced.people or wanted.classes or boxes or mask):
                raise EraserError(f"{traced.unused[0]}, and nothing else is selected")
            stages, timed, remarks = dict(traced.stages), [], [*remarks, *traced.notes]
            eraser = new_eraser(finder=Retracer(plan.fallback(traced.people), traced))
        else:
            eraser = new_eraser()
        direct = Directly(eraser, timed, float(source.origin))
        observer: Observer = direct
        if whole_shot:
            rehearsal = Rehearsal(stack.enter_context(folder_beside(output)), shots)
            stack.callback(rehearsal.close)
            direct.rehearsal = rehearsal
            first = read()
            first.announce = eraser.announce
            stages |= rehearse(inputs, first, direct, passes.tell)
            rehearsal.end()
            passes.over()
            eraser = new_eraser()
            observer = Again(eraser, rehearsal, direct.notes)
        else:
            reader.announce = eraser.announce
        if part is not None:
            observer = part.watch(observer)
        ahead = DEFAULT_LOOKAHEAD if whole_shot else float(lookahead)
        pipeline = Pipeline(inputs, reader, observer, eraser, outputs, ahead, remarks)
        pipeline.run(passes.tell)
        seconds = time.perf_counter() - begin
    unused = traced.unused if traced else direct.unused
    done = _report(input, output, source, models, eraser, pipeline, seconds, stages, unused)
    if report is not None:
        try:
            done.write(report)
        except EraserError as error:
            raise EraserError(f"{output} is done, but its report is not: {error}") from error
    return done


def _report(
    input: str | Path,
    output: str | Path,
    source: Source,
    models: Models,
    eraser: Eraser,
    pipeline: Pipeline,
    seconds: float,
    stages: dict[str, StageTime],
    unused: Sequence[str],
) -> Report:
    """What was done. stages: of the passes before the last; unused: remarks on edits that came to nothing."""
    stats = eraser.stats
    return Report(
        input=str(input),
        output=str(output),
        version=version(),
        width=source.info.width,
        height=source.info.height,
        frames=pipeline.frames,
        lost=source.lost,
        fills=stats.fills,
        cuts=stats.cuts,
        anchors=stats.anchors,
        parallax=stats.parallax,
        coverage=round(stats.coverage, 4) if stats.hole_pixels else None,
        seconds=round(seconds, 3),
        fps=round(pipeline.frames / seconds, 2),
        segmenter=models.segmenter_name,
        filler=models.filler.name,
        device=models.device,
        runtime=models.runtime,
        stages=stages | pipeline.stages,
        notes=(*pipeline.notes, *unused),
    )


def check_request(
    input: str | Path, lookahead: float | str, start: float | None, end: float | None, dilate: int | None
) -> None:
    """Raise UsageError for a request that makes no sense."""
    whole_shot = lookahead == WHOLE_SHOT
    if not whole_shot and not (isinstance(lookahead, float | int) and math.isfinite(lookahead) and lookahead >= 0):
        raise UsageError(f"the lookahead is {lookahead!r}: give 0 or more seconds, or '{WHOLE_SHOT}'")
    if whole_shot and passes_once(input):
        raise UsageError(f"lookahead '{WHOLE_SHOT}' reads the input again, and {input} passes once: save it to a file")
    if start is not None and start < 0:
        raise UsageError(f"the start is {start:g} s: give 0 or more seconds")
    if start is not None and end is not None and end <= start:
        raise UsageError(f"the end ({end:g} s) is not after the start ({start:g} s)")
    if end is not None and end <= 0:
        raise UsageError(f"the end is {end:g} s: give more than 0 seconds")
    if dilate is not None and dilate < 0:
        raise UsageError(f"dilate is {dilate} px: give 0 or more")


@contextmanager
def folder_beside(output: str | Path) -> Iterator[Path]:
    """A folder for what a job keeps meanwhile, beside the output; EraserError where it can't be."""
    parent = place_of(output)
    try:
        folder = Temporary(parent, folder=True)
    except OSError as error:
        raise EraserError(f"{parent} cannot be written to: {error.strerror}") from error
    try:
        yield folder.path
    finally:
        folder.remove()


def _edits(edits: Sequence[TimedEdit], selection: str | Path | None, height: int, width: int) -> list[TimedEdit]:
    """All edits of a job by time; EraserError for those outside the picture."""
    listed = list(edits) if selection is None else [*edits, *read_selection(selection, width, height)]
    check_edits(listed, height, width)
    return sorted(listed, key=lambda timed: timed.time)


def _classes(target: str | Sequence[str] | None, selected_otherwise: bool) -> tuple[str, ...]:
    """The classes to erase, without doubles; raises UsageError when the text names none."""
    if target is None:
        return () if selected_otherwise else ("person",)
    return classes_named(target)


def classes_named(target: str | Sequence[str]) -> tuple[str, ...]:
    """The classes that "person,dog" or ("person", "dog") name, without doubles; UsageError when there are none."""
    parts = target.split(",") if isinstance(target, str) else target
    names = tuple(dict.fromkeys(name for part in parts if (name := part.strip())))
    if not names:
        raise UsageError("the target is empty: name one of the segmenter's classes, like person")
    return names
