"""The core on frames that are in memory: as fast as it goes, and at a camera's pace."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from benchmarks.baselines import TELEA_RADIUS
from benchmarks.gpu_clock import GpuClock, of_eraser
from realtime.eraser import Eraser
from realtime.frame import Frame
from realtime.result import Result
from realtime.timing import StageTimer

STEP, TELEA = "Eraser.step", "Telea"


@dataclass(frozen=True)
class Times:
    """Milliseconds: mean and percentiles over n frames."""

    n: int
    mean: float
    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Times:
        p50, p90, p99 = (float(np.percentile(values, q)) for q in (50, 90, 99))
        return cls(len(values), float(np.mean(values)), p50, p90, p99, float(max(values)))


@dataclass
class Gpu:
    """The device's side of `Steps`. stages: by events; enqueue: the step without waiting for the device; to_device,
    to_host: of a frame; memory: bytes in use at most; allocations, waits: per frame; places: waits per frame by the
    function that waits.
    """

    stages: dict[str, Times]
    enqueue: Times
    to_device: Times
    to_host: Times
    memory: int
    allocations: float
    waits: float
    places: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sustained:
    """Frames each of which is announced while the one before is erased. waits: median per frame, for a device."""

    fps: float
    waits: float


@dataclass
class Steps:
    """`Eraser.step` on one clip. hole: mean share of the frame; fills: per 100 frames; fps: frames per second of steps;
    ratio: step's p50 / Telea's p50; network: the segmenter's runs alone; gpu: None where the CPU does it all;
    sustained: None where it was not measured.
    """

    title: str
    size: str
    hole: float
    fills: float
    fps: float
    ratio: float | None
    stages: dict[str, Times]
    network: Times | None = None
    gpu: Gpu | None = None
    sustained: Sustained | None = None


@dataclass(frozen=True)
class Paced:
    """Frames that come at a rate; only the newest is worked on. latency: from due to done; dropped: a share."""

    title: str
    rate: float
    fps: float
    dropped: float
    latency: Times


@dataclass
class _Log:
    """What the frames that count took, milliseconds."""

    stages: dict[str, list[float]] = field(default_factory=dict)
    device: dict[str, list[float]] = field(default_factory=dict)
    enqueue: list[float] = field(default_factory=list)
    network: list[float] = field(default_factory=list)
    telea: list[float] = field(default_factory=list)
    holes: list[float] = field(default_factory=list)


def step(eraser: Eraser, frame: Frame, given: np.ndarray | None, timer: StageTimer) -> Result:
    """As `Eraser.step`, timed by `timer`."""
    return eraser.render(eraser.learn(frame, eraser.find(frame, given, timer), timer))


def measure_steps(
    title: str,
    eraser: Eraser,
    frames: Sequence[Frame],
    masks: Sequence[np.ndarray] | None,
    warm_up: int,
    telea_every: int,
) -> Steps:
    """Time every stage frame by frame, and Telea on the holes of each `telea_every`-th frame in between.

    masks: per frame (H, W) uint8, None where the eraser finds them. warm_up: frames that don't count, fewer than all.
    """
    clock, log = of_eraser(eraser), _Log()
    before = fills = 0
    for index, frame in enumerate(frames):
        if index == warm_up:
            before = eraser.stats.fills
            counts = clock.counts if clock else None
        result = _timed(eraser, frame, masks[index] if masks else None, clock, log if index >= warm_up else _Log())
        if index >= warm_up:
            log.holes.append(np.count_nonzero(result.hole) / result.hole.size)
            if index % telea_every == 0 and result.hole.any():
                log.telea.append(_telea(frame, result))
    count = len(log.holes)
    fills = eraser.stats.fills - before
    stages = {stage: Times.of(values) for stage, values in log.stages.items()}
    height, width = frames[0].image.shape[:2]
    steps = Steps(
        title,
        f"{width}x{height}",
        float(np.mean(log.holes)),
        100 * fills / count,
        1e3 / stages[STEP].mean,
        None,
        stages,
    )
    if log.telea:
        stages[TELEA] = Times.of(log.telea)
        steps.ratio = stages[STEP].p50 / stages[TELEA].p50
    if log.network:
        steps.network = Times.of(log.network)
    if clock is not None and counts is not None:
        since = clock.counts
        there, back = clock.copies(frames[-1].image)
        steps.gpu = Gpu(
            {stage: Times.of(values) for stage, values in log.device.items()},
            Times.of(log.enqueue),
            Times.of(there),
            Times.of(back),
            clock.peak,
            (since.allocations - counts.allocations) / count,
            (since.waits - counts.waits) / count,
            {place: number / count for place, number in (since.places - counts.places).items()},
        )
    return steps


def measure_sustained(
    eraser: Eraser, frames: Sequence[Frame], masks: Sequence[np.ndarray] | None, warm_up: int
) -> Sustained:
    """Announce each frame before the one before it is erased, as a reader does."""
    begin = time.perf_counter()
    waits = []
    eraser.announce(frames[0])
    for index, frame in enumerate(frames):
        if index == warm_up:
            begin = time.perf_counter()
        if index + 1 < len(frames):
            eraser.announce(frames[index + 1])
        before = eraser.home.waits
        eraser.step(frame, masks[index] if masks else None)
        waits.append(eraser.home.waits - before)
    spent = time.perf_counter() - begin
    return Sustained((len(frames) - warm_up) / spent, float(np.median(waits[warm_up:])))


def measure_paced(
    title: str, eraser: Eraser, frames: Sequence[Frame], masks: Sequence[np.ndarray] | None, warm_up: int, rate: float
) -> Paced:
    """Let frames come at `rate` per second; what is not the newest when the eraser gets to it is dropped."""
    for index in range(warm_up):
        eraser.step(frames[index], masks[index] if masks else None)
    latencies: list[float] = []
    start = time.perf_counter() - warm_up / rate
    index = warm_up
    while index < len(frames):
        now = time.perf_counter()
        index = max(index, min(len(frames) - 1, int((now - start) * rate)))
        due = start + index / rate
        time.sleep(max(0.0, due - now))
        eraser.step(frames[index], masks[index] if masks else None)
        latencies.append((time.perf_counter() - due) * 1e3)
        index += 1
    spent = time.perf_counter() - start - warm_up / rate
    came = len(frames) - warm_up
    return Paced(title, rate, len(latencies) / spent, 1 - len(latencies) / came, Times.of(latencies))


def _timed(eraser: Eraser, frame: Frame, given: np.ndarray | None, clock: GpuClock | None, log: _Log) -> Result:
    """One step, noted in `log`."""
    timer = clock.timer() if clock else StageTimer()
    engine = getattr(eraser.segmenter, "engine", None)
    runs = engine.timing.runs if engine else 0
    if clock:
        clock.take_waited()
    begin = time.perf_counter()
    result = step(eraser, frame, given, timer)
    spent = (time.perf_counter() - begin) * 1e3
    for stage, milliseconds in {**timer.milliseconds, STEP: spent}.items():
        log.stages.setdefault(stage, []).append(milliseconds)
    if engine and engine.timing.runs > runs:
        log.network.append(engine.timing.last)
    if clock:
        log.enqueue.append(spent - clock.take_waited())
        clock.look()
        device = clock.gpu_milliseconds(timer)
        for stage, milliseconds in {**device, STEP: sum(device.values())}.items():
            log.device.setdefault(stage, []).append(milliseconds)
    return result


def _telea(frame: Frame, result: Result) -> float:
    begin = time.perf_counter()
    cv2.inpaint(frame.image, result.hole, TELEA_RADIUS, cv2.INPAINT_TELEA)
    return (time.perf_counter() - begin) * 1e3
