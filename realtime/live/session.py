"""The live driver: erase from a camera as it runs.

from realtime.live.session import LiveOptions, erase_live
report = erase_live(LiveOptions("0", record="out.mp4"))
print(report.fps, report.latency.p90)
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realtime.deviceprofile import load_profile
from realtime.edits import TimedEdit, check_edits
from realtime.eraser import Eraser
from realtime.errors import EraserError, UsageError
from realtime.live.camera import Camera, CameraRequest, open_camera
from realtime.live.capturing import Capturing
from realtime.live.filling import Filling
from realtime.live.forecast import forecast
from realtime.live.governor import Governor
from realtime.live.loop import LiveLoop, Places
from realtime.live.microphone import Microphone
from realtime.live.recording import Recording
from realtime.live.report import LiveReport
from realtime.live.virtual_camera import VirtualCamera
from realtime.live.watching import Watcher
from realtime.live.worker import Worker
from realtime.models import Models, load_models
from realtime.outputs import check_paths
from realtime.report import version
from realtime.selection import Selection
from realtime.settings import CPU_INTERVAL, Settings
from realtime.tracking.selectionfile import read_selection

if TYPE_CHECKING:
    from realtime.live.control import Live

USUAL_FPS = 30.0


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What the user asks for.

    source: number or name of a camera, /dev/videoN, a file (played at its own rate; loop: over and over), an address
    that FFmpeg opens, a folder of pictures, or one picture. size, fps, backend, fourcc: what a camera is asked for; fps
    is also the rate that is held, None for the source's own up to 30.
    classes: what is erased from the start; edits: what else is selected, and when, in pixels of the picture; selection:
    a file with more of them. plate: where the clean plate is kept; it is loaded at the start where there is one.
    record: a file that what is shown is recorded to; audio: the sound device that goes with it; virtual_camera: also
    give the picture to other programs. headless: open no window. duration: seconds after which to end; report: also
    write the report as JSON. segmenter, fill, device, runtime: as in `erase_video`. fail_open: show a frame as it is
    where the segmenter fails. overwrite: replace files that exist.
    """

    source: str = "0"
    size: tuple[int, int] | None = (1280, 720)
    fps: float | None = None
    backend: str | None = None
    fourcc: str | None = None
    loop: bool = False
    classes: tuple[str, ...] = ("person",)
    edits: tuple[TimedEdit, ...] = ()
    selection: str | Path | None = None
    plate: str | Path | None = None
    record: str | Path | None = None
    audio: str | None = None
    virtual_camera: bool = False
    headless: bool = False
    duration: float | None = None
    report: str | Path | None = None
    segmenter: str = "swift"
    fill: str = "swift"
    device: str = "auto"
    runtime: str = "auto"
    fail_open: bool = False
    overwrite: bool = False


def erase_live(
    options: LiveOptions,
    watch: Callable[[Live], None] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> LiveReport:
    """Erase from a camera as it runs until the source ends, the duration has passed or the user quits.

    watch: shows what the loop makes, in place of the window. tell: takes lines for the user: how it goes when there is
    no window, and what was done in the end.

    Raises UsageError for requests that make no sense, EraserError when the job fails. What was recorded stays. An
    interrupted session (KeyboardInterrupt) is reported all the same.
    """
    _check(options, watched=watch is not None)
    request = CameraRequest(options.source, options.size, options.fps, options.backend, options.fourcc, options.loop)

    def opened(patience: float) -> Camera:
        return open_camera(request, patience)

    with ExitStack() as stack:
        selection = Selection(options.classes)
        # Before the camera is opened: what it sends while nobody reads is old when somebody does.
        models = load_models(
            selection,
            options.segmenter,
            options.fill,
            options.device,
            options.runtime,
            threads=None,
            search=True,
            fill_threads=1,  # it works beside the loop, and must leave it the other cores
        )
        stack.callback(models.close)
        capturing = Capturing(opened, options.fps)
        stack.callback(capturing.discard)
        width, height = capturing.size
        edits = _planned(options, width, height)
        if watch is None:
            watch = _watch(options, capturing, tell)
        rate = options.fps or min(capturing.rate or USUAL_FPS, USUAL_FPS)
        recording = _recording(options, stack, (width, height), rate)
        _warm_up(models, height, width)
        filling = Filling(models.filler)
        eraser = Eraser(
            models.segmenter,
            models.filler,
            selection,
            Settings(candidates=not options.headless, fail_open=options.fail_open),
            defer=None if capturing.still else filling.later,
        )
        loop = LiveLoop(
            capturing,
            Worker(eraser),
            filling,
            recording,
            None if capturing.still else _governor(rate, models, (height, width)),
            fps=rate,
            device=models.device,
            people=bool(options.classes),
            edits=edits,
            duration=options.duration,
            blind=options.headless,
            places=Places() if options.plate is None else Places(plate=str(options.plate)),
        )
        if options.plate is not None and Path(options.plate).exists():
            loop.load_plate()
        # What was loaded stays to the end: the collector need not walk through it again and again, between frames.
        gc.collect()
        gc.freeze()
        stack.callback(gc.unfreeze)
        begin = time.monotonic()
        interrupted: KeyboardInterrupt | None = None
        try:
            loop.run(watch)
        except KeyboardInterrupt as interrupt:
            interrupted = interrupt
        report = _report(options, loop, capturing, recording, eraser, models, time.monotonic() - begin)
    if options.report is not None:
        report.write(options.report)
    for line in loop.unread:
        if recording.failure is None or recording.failure not in line:  # which is told by itself
            tell(line)
    if recording.failure is not None:
        if interrupted is None:
            raise EraserError(recording.failure)
        tell(recording.failure)
    for line in report.lines():
        tell(line)
    if interrupted is not None:
        raise interrupted
    return report


def _check(options: LiveOptions, *, watched: bool) -> None:
    """Refuse what makes no sense before anything is opened."""
    inputs = [options.source, options.selection, options.plate]
    check_paths(inputs, [options.record], options.overwrite, options.report)
    for what, value in (("fps", options.fps), ("duration", options.duration)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UsageError(f"the {what} is {value:g}: give a number above 0")
    if options.headless and not watched and not (options.record or options.virtual_camera or options.report):
        raise UsageError("--headless shows nothing: add --record, --virtual-camera or --report")
    if options.headless and options.audio is not None and options.record is None:
        raise UsageError("--audio is recorded with the pictures: add --record")
    if not options.headless and not watched:
        from realtime.live.window import check_display

        check_display("give --headless with --record")


def _planned(options: LiveOptions, width: int, height: int) -> list[TimedEdit]:
    """All edits that are known before, by time."""
    edits = list(options.edits)
    if options.selection is not None:
        edits += read_selection(options.selection, width, height)
    check_edits(edits, height, width)
    return sorted(edits, key=lambda timed: timed.time)


def _watch(options: LiveOptions, capturing: Capturing, tell: Callable[[str], None]) -> Callable[[Live], None]:
    """What shows the pictures: the window, where there can be one, or nobody."""
    if options.headless:
        if capturing.still:
            raise UsageError(f"{options.source} is one picture: without a window, erase-video is the command for it")
        return Watcher(tell).watch
    from realtime.live.window import show

    return lambda live: show(live, f"erase-live: {capturing.name}")


def _recording(options: LiveOptions, stack: ExitStack, size: tuple[int, int], rate: float) -> Recording:
    microphone = None
    if options.audio is not None:
        microphone = Microphone(options.audio)
        stack.callback(microphone.close)
    virtual = VirtualCamera(*size, rate) if options.virtual_camera else None
    path = None if options.record is None else str(options.record)
    return Recording(path, rate, overwrite=options.overwrite, microphone=microphone, virtual=virtual)


def _warm_up(models: Models, height: int, width: int) -> None:
    """Run the segmenter once, so that the first frame takes no longer than the others."""
    if models.segmenter is not None:
        models.segmenter.engine.warm_up(*models.segmenter.size(np.zeros((height, width, 3), np.uint8)))


def _governor(rate: float, models: Models, size: tuple[int, int]) -> Governor:
    interval = CPU_INTERVAL if models.device == "cpu" else 0.0
    return Governor(rate, interval, max(size), forecast(load_profile(), models, rate, size))


def _report(
    options: LiveOptions,
    loop: LiveLoop,
    capturing: Capturing,
    recording: Recording,
    eraser: Eraser,
    models: Models,
    seconds: float,
) -> LiveReport:
    stats, measures = eraser.stats, loop.measures
    return LiveReport(
        source=options.source,
        version=version(),
        width=capturing.size[0],
        height=capturing.size[1],
        seconds=round(seconds, 3),
        captured=capturing.captured,
        presented=measures.count,
        dropped=loop.dropped,
        repeated=measures.repeated,
        fps=round(measures.rate, 2),
        latency=measures.latency,
        coverage=round(stats.coverage, 4) if stats.hole_pixels else None,
        fills=stats.fills,
        cuts=stats.cuts,
        anchors=stats.anchors,
        reconnects=capturing.reconnects,
        skipped=recording.skipped,
        segmenter=models.segmenter_name,
        filler=models.filler.name,
        device=models.device,
        runtime=models.runtime,
        lowered={what: round(spent, 1) for what, spent in loop.lowered.items()},
        recorded=tuple(recording.files),
        stages=loop.stages.summary(),
        notes=eraser.notes,
    )
