"""The core's clocks: what counts, what is dropped at a camera's pace, and what a GPU is watched for."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from benchmarks import stepping
from benchmarks.frame_work import counted
from benchmarks.gpu_clock import COPIES, GpuClock, StageEvents
from benchmarks.latency_tables import Whole, bars_of, steps_text, targets_text
from benchmarks.stepping import STEP, Gpu, Steps, Sustained, Times, measure_paced, measure_steps, measure_sustained
from engines import cuda
from realtime.eraser import Eraser
from realtime.frame import Frame
from realtime.ops import Home
from realtime.selection import Selection
from tests.cuda.emulator import emulated
from tests.engines.fake_cuda import FakeCuda
from tests.realtime.fakes import PaintingFiller
from tests.realtime.pictures import disc, texture

FRAMES = [Frame(texture(90, 160), index, index, Fraction(1, 30)) for index in range(12)]
MASKS = [disc(90, 160, 40 + 6 * index, 45, 12) for index in range(12)]


def an_eraser():
    return Eraser(None, PaintingFiller(), Selection(classes=()))


def sleeper(seconds):
    """Takes so long for a frame."""
    return SimpleNamespace(step=lambda frame, given: stepping.time.sleep(seconds))


@pytest.fixture
def clock(monkeypatch):
    """The benchmark's own clock, which nothing but its waits moves."""
    now = [0.0]
    made = SimpleNamespace(perf_counter=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(stepping, "time", made)


def test_only_frames_after_the_warm_up_count() -> None:
    steps = measure_steps("masks given", an_eraser(), FRAMES, MASKS, warm_up=4, telea_every=2)
    assert {times.n for stage, times in steps.stages.items() if stage != "Telea"} == {8}
    assert steps.stages["Telea"].n == 4
    assert steps.size == "160x90"
    assert steps.gpu is None
    stages = sum(times.mean for stage, times in steps.stages.items() if stage not in (STEP, "Telea"))
    assert 0 < stages <= steps.stages[STEP].mean
    assert steps.fps == pytest.approx(1e3 / steps.stages[STEP].mean)


@pytest.mark.usefixtures("clock")
def test_an_eraser_that_keeps_the_pace_drops_nothing() -> None:
    paced = measure_paced("fast", sleeper(0.0), FRAMES, None, warm_up=2, rate=100.0)
    assert paced.dropped == 0
    assert paced.latency.n == 10
    assert paced.fps == pytest.approx(100, rel=0.2)


@pytest.mark.usefixtures("clock")
def test_what_is_not_the_newest_frame_is_dropped() -> None:
    paced = measure_paced("slow", sleeper(0.05), FRAMES, None, warm_up=2, rate=60.0)
    assert paced.dropped == pytest.approx(0.6)
    assert paced.latency.p50 == pytest.approx(50)
    assert paced.fps == pytest.approx(20)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What `GpuClock` asks of a device, on a stand-in for CUDA."""
    fake = FakeCuda()
    fake.cuMemGetInfo = lambda: (0, 600, 1000)  # type: ignore[attr-defined]
    monkeypatch.setattr(cuda, "api", lambda: fake)
    stream = cuda.Stream()
    made = SimpleNamespace(
        stream=stream.handle,
        memory=SimpleNamespace(allocations=2),
        pinned=SimpleNamespace(allocations=1),
        driver=SimpleNamespace(wait=lambda: None),
        waits=0,
        sent=lambda array: array,
        fetch_later=lambda array: array,
        fake=fake,
    )
    made.wait = lambda: time.sleep(0.01)
    return made


def test_stages_are_marked_on_the_stream_and_marks_are_given_back(device: SimpleNamespace) -> None:
    timer = StageEvents(device.stream)
    for stage in ("mask", "read", "mask"):
        with timer(stage):
            pass
    assert timer.gpu_milliseconds() == {"mask": 0.5, "read": 0.25}  # the stand-in's time is 0.25 ms
    assert device.fake.calls.count("cuEventDestroy") == 6
    assert set(timer.milliseconds) == {"mask", "read"}


def test_waiting_memory_and_copies_are_watched(device: SimpleNamespace) -> None:
    clock = GpuClock(device)
    device.wait()
    assert clock.take_waited() > 9
    assert clock.take_waited() == 0
    clock.look()
    assert clock.peak == 400
    assert clock.counts.allocations == 3
    device.wait = lambda: None
    there, back = clock.copies(np.zeros((4, 4, 3), np.uint8))
    assert set(there + back) == {0.25}


def test_an_eraser_on_a_device_is_timed_there_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda()
    fake.cuMemGetInfo = lambda: (0, 600, 1000)  # type: ignore[attr-defined]
    monkeypatch.setattr(cuda, "api", lambda: fake)
    device = emulated(tmp_path)
    eraser = Eraser(None, PaintingFiller(), Selection(classes=()), home=cast(Home, device))
    steps = measure_steps("masks given", eraser, FRAMES, MASKS, warm_up=8, telea_every=100)
    assert steps.gpu is not None
    assert {"mask", "read", "composite", STEP} <= steps.gpu.stages.keys() <= steps.stages.keys()
    assert steps.gpu.stages[STEP].n == 4
    assert steps.gpu.enqueue.mean < steps.stages[STEP].mean
    assert steps.gpu.to_device.n == steps.gpu.to_host.n == COPIES
    assert steps.gpu.waits == 1
    assert steps.gpu.places == {"realtime.patch.show": 1}
    assert "1.00 waits, 1.00 of them in realtime.patch.show." in steps_text(steps)


def test_what_a_frame_asks_of_a_device_is_counted(tmp_path: Path) -> None:
    device = emulated(tmp_path)
    eraser = Eraser(None, PaintingFiller(), Selection(classes=()), home=cast(Home, device))
    for frame, mask in zip(FRAMES, MASKS, strict=True):
        with counted(device) as counts:
            eraser.step(frame, mask)
    assert counts["waits"] == 1
    assert counts["kernels"] > 50
    assert counts["nbytes"] > 10 * counts["up"]
    assert counts["up"] > FRAMES[0].image.nbytes  # the picture, and what the CPU finds out of its view
    assert counts["down"] > FRAMES[0].image.nbytes
    launched = counts["kernels"]
    eraser.step(FRAMES[0], MASKS[0])
    assert counts["kernels"] == launched


def test_frames_are_announced_before_the_one_before_them_is_erased() -> None:
    told: list[tuple[str, int]] = []
    eraser = SimpleNamespace(
        announce=lambda frame: told.append(("announced", frame.index)),
        home=SimpleNamespace(waits=0),
    )

    def step(frame: Frame, given: None) -> None:
        told.append(("erased", frame.index))
        eraser.home.waits += 1 + frame.index  # 2 and 3 where they count

    eraser.step = step
    sustained = measure_sustained(cast(Eraser, eraser), FRAMES[:3], None, warm_up=1)
    assert sustained.fps > 0
    assert sustained.waits == 2.5
    announced, erased = ([(what, index) for index in range(3)] for what in ("announced", "erased"))
    assert told == [*announced[:2], erased[0], announced[2], *erased[1:]]


def steps_of(milliseconds: float, on_gpu: bool) -> Steps:
    times = Times.of([milliseconds, milliseconds])
    stages = {"mask": times, STEP: times}
    gpu = Gpu(stages, times, times, times, 2**30, 0.0, 1.0) if on_gpu else None
    return Steps("masks given", "1920x1080", 0.1, 1.0, 1e3 / milliseconds, 0.1, stages, None, gpu, Sustained(9.0, 1.0))


def test_a_gpus_targets_stand_only_where_there_was_one() -> None:
    assert "GPU" not in targets_text([steps_of(1.0, on_gpu=False)], [])
    text = targets_text([steps_of(3.0, on_gpu=True)], [])
    assert "| GPU work per frame, p50, masks given" in text
    assert "| waits of an announced frame, p50, masks given" in text
    assert text.count(" NO |") == 1  # 3 ms of work are more than 2; 3 ms in all are less than 4


def test_the_bars_hold_the_stages_and_not_their_sum() -> None:
    whole = Whole(
        "erase_video", 2, 1.0, 2.0, {"decode": {"count": 2, "mean": 5.0, "p50": 4, "p90": 5, "p99": 5, "max": 5}}
    )
    bars = dict(bars_of([steps_of(2.0, on_gpu=True)], [whole]))
    assert bars["masks given"] == {"mask": 2.0}
    assert bars["masks given, GPU"] == {"mask": 2.0}
    assert bars["erase_video"] == {"decode": 5.0}
    assert "1024 MiB" in steps_text(steps_of(2.0, on_gpu=True))
