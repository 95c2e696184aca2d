"""A live loop out of parts that can be made to fail: a camera, an eraser, a filler."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from realtime.errors import EraserError
from realtime.frame import Frame
from realtime.live.camera import Camera, CameraLost, Capture
from realtime.live.capturing import Capturing
from realtime.live.control import Shown
from realtime.live.filling import Filling
from realtime.live.loop import LiveLoop, Places
from realtime.live.recording import Recording
from realtime.live.worker import Worker
from realtime.result import Result
from tests.cli import media

SIZE = media.WIDTH, media.HEIGHT
THREADS = {"capture", "process", "fill", "record", "microphone"}
NEVER = 100.0  # seconds after which what should have happened never will


def until(condition: Callable[[], object]) -> None:
    """Wait for another thread; fails the test when it never does what is waited for."""
    end = time.monotonic() + NEVER
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


class Clock:
    """Takes the place of the module `time`: no test waits for it, and no busy machine disturbs it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeCamera(Camera):
    """Pictures at `rate`, numbered by their brightness; `act` is called before each with its number."""

    def __init__(self, act: Callable[[int], None] = lambda number: None, *, rate: float = 60.0, pictures: int = 10**9):
        self.name, self.size, self.rate = "fake camera", SIZE, rate
        self._seconds = 1 / rate
        self.closed = False
        self._act, self._left, self._number = act, pictures, 0

    def read(self, timeout: float) -> Capture | None:
        if self._left == 0:
            self.ended = True
            return None
        self._left -= 1
        time.sleep(self._seconds)
        self._act(self._number)
        self._number += 1
        return Capture(np.full((SIZE[1], SIZE[0], 3), self._number % 250, np.uint8), time.monotonic())

    def close(self) -> None:
        self.closed = True


class FakeFiller:
    """Fills with white; `act` is called before."""

    name = "fake"

    def __init__(self, act: Callable[[], None] = lambda: None) -> None:
        self.act = act
        self.fills = 0

    def fill(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        self.act()
        self.fills += 1
        return np.full_like(image, 255)


class FakeWorker(Worker):
    """Takes the place of `Worker`: gives frames back as they are; `act` is called before each with its number.

    log: what was asked of it, in order; owner: the thread that did.
    """

    def __init__(self, act: Callable[[int], None] = lambda number: None, *, seconds: float = 0.0) -> None:
        self.act, self.seconds = act, seconds
        self.steps = 0
        self.log: list[object] = []
        self.owners: set[str] = set()
        self._result: Result | None = None

    def obey(self, level: object) -> None:
        self.level = level

    def step(self, frame: Frame) -> Result:
        self.owners.add(threading.current_thread().name)
        self.act(self.steps)
        self.steps += 1
        time.sleep(self.seconds)
        nothing = np.zeros(frame.image.shape[:2], np.uint8)
        self._result = Result(frame, frame.image, nothing, nothing, nothing, None, {"segment": 1.0})
        return self._result

    def backdrop(self) -> Result | None:
        self.log.append("backdrop")
        return self._result

    def edit(self, edit: object) -> None:
        self.owners.add(threading.current_thread().name)
        self.log.append(edit)

    def filled(self, job: object, picture: np.ndarray | None) -> None:
        self.log.append(("filled", job, None if picture is None else picture.shape))

    def learn_clean(self, frame: Frame) -> None:
        self.log.append(("clean", frame.index))

    def save_plate(self, path: str) -> None:
        self.log.append(("save", path))

    def load_plate(self, path: str, size: tuple[int, int]) -> None:
        raise EraserError(f"{path} is no plate")


class Parts:
    """A loop and what it is made of; `run` runs it with a watcher that presents everything.

    open: gives the camera, again when it was lost. shown: what was presented.
    """

    def __init__(
        self,
        open: Callable[[], Camera] = FakeCamera,
        worker: FakeWorker | None = None,
        filler: FakeFiller | None = None,
        record: str | None = None,
        fps: float = 60.0,
        **options,
    ) -> None:
        self.capturing = Capturing(lambda patience: open())
        self.worker = worker or FakeWorker()
        self.filler = filler or FakeFiller()
        self.filling = Filling(self.filler)
        self.recording = Recording(record, fps)
        options.setdefault("places", Places())
        self.loop = LiveLoop(
            self.capturing, self.worker, self.filling, self.recording, None, fps=fps, device="cpu", **options
        )
        self.shown: list[Shown] = []

    def run(self, act: Callable[[Shown], None] = lambda shown: None, seconds: float = NEVER) -> None:
        """Run until the loop ends by itself or `seconds` have passed; `act` gets everything that is presented."""
        deadline = time.monotonic() + seconds

        def watch(loop) -> None:
            while loop.running and time.monotonic() < deadline:
                shown = loop.newest(0.05)
                if shown is not None:
                    loop.presented(shown)
                    self.shown.append(shown)
                    act(shown)

        self.loop.run(watch)


def lost(message: str = "fake camera is unplugged") -> Callable[[int], None]:
    """An `act` of a camera that is lost at once."""

    def act(number: int) -> None:
        raise CameraLost(message)

    return act


def running() -> set[str]:
    """The loop's threads that are alive."""
    return {thread.name for thread in threading.enumerate()} & THREADS
