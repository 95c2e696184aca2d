"""What a GPU does while the eraser works: its own times by CUDA events, its memory, copies to it and back.

A process that has no GPU never comes here: `of_eraser` gives None where the eraser works on the CPU.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from engines import cuda
from realtime.cuda.device import Device
from realtime.eraser import Eraser
from realtime.timing import StageTimer

COPIES = 50  # of a frame in each direction
BENEATH = __name__, "realtime.cuda.", "realtime.ops."  # modules through which an eraser waits


class StageEvents(StageTimer):
    """As `StageTimer`, and marks in a stream where each stage begins and ends."""

    def __init__(self, stream: int) -> None:
        super().__init__()
        self._stream = stream
        self._marks: list[tuple[str, cuda.Event, cuda.Event]] = []

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin, end = cuda.Event(), cuda.Event()
        begin.record(self._stream)
        with super().__call__(stage):
            yield
        end.record(self._stream)
        self._marks.append((stage, begin, end))

    def gpu_milliseconds(self) -> dict[str, float]:
        """By stage, once the stream has been waited for; gaps in which the GPU had nothing to do are in it."""
        spent: dict[str, float] = {}
        for stage, begin, end in self._marks:
            spent[stage] = spent.get(stage, 0.0) + end.milliseconds_since(begin)
            begin.close()
            end.close()
        self._marks.clear()
        return spent


@dataclass(frozen=True)
class Counts:
    """What a device was asked for so far: memory, and to be waited for; places: which functions waited how often."""

    allocations: int
    waits: int
    places: Counter[str]


class GpuClock:
    """Watches the device that an eraser works on. `waited`: milliseconds in waiting calls since they were last taken.

    device: its `home`, a `realtime.cuda.Device`.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        self._waited = 0.0
        self._places: Counter[str] = Counter()
        self.peak = 0  # bytes in use on the device, by whomever
        device.wait = self._timed(device.wait)

    def timer(self) -> StageEvents:
        """A timer for the next frame."""
        return StageEvents(int(self._device.stream))

    def gpu_milliseconds(self, timer: StageTimer) -> dict[str, float]:
        """What a frame took on the device by stage; waits until it is done with it."""
        assert isinstance(timer, StageEvents), "made by `timer`"
        self._device.driver.wait()
        return timer.gpu_milliseconds()

    def take_waited(self) -> float:
        """Milliseconds that were spent waiting since this was called last."""
        waited, self._waited = self._waited, 0.0
        return waited

    @property
    def counts(self) -> Counts:
        allocations = self._device.memory.allocations + self._device.pinned.allocations
        return Counts(allocations, self._device.waits, self._places.copy())

    def look(self) -> None:
        """Note how much memory is in use."""
        free, total = cuda.call("cuMemGetInfo")
        self.peak = max(self.peak, total - free)

    def copies(self, image: np.ndarray) -> tuple[list[float], list[float]]:
        """Milliseconds of copying a picture to the device, and back, as the eraser does, by events."""
        there, back = [], []
        for _ in range(COPIES):
            timer = self.timer()
            with timer("there"):
                sent = self._device.sent(image)
            with timer("back"):
                self._device.fetch_later(sent)
            self._device.wait()
            spent = timer.gpu_milliseconds()
            there.append(spent["there"])
            back.append(spent["back"])
        return there, back

    def _timed(self, wait: Callable[[], None]) -> Callable[[], None]:
        def timed() -> None:
            self._places[_place()] += 1
            begin = time.perf_counter()
            wait()
            self._waited += (time.perf_counter() - begin) * 1e3

        return timed


def _place() -> str:
    """The function that waits, as "realtime.patch.show": the innermost one above the device and the operations."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals["__name__"].startswith(BENEATH):
        frame = frame.f_back
    return f"{frame.f_globals['__name__']}.{frame.f_code.co_name}"


def of_eraser(eraser: Eraser) -> GpuClock | None:
    """A clock for the GPU that an eraser works on, None where it works on the CPU."""
    home: Any = eraser.home  # annotated as NumPy's, whatever it is
    return GpuClock(home) if isinstance(home, Device) else None
