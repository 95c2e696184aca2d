"""Pools and tasks for tests of the batch."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from realtime.batch.pieces import ErasePiece, Packed
from realtime.batch.tasks import Bench, Erased, Event, Pool, Task, outcome
from realtime.errors import EraserError


class InlinePool(Pool):
    """Does each task at once, in this process."""

    def __init__(self, *_: object) -> None:
        self._events: deque[Event] = deque()
        self.done: list[Task] = []

    @property
    def room(self) -> int:
        return 2

    def submit(self, key: int, folder: Path, task: Task) -> None:
        self.done.append(task)
        self._events.append(outcome(key, task, Bench(folder, 1, lambda frames, total: None)))

    def wait(self, seconds: float) -> list[Event]:
        return [self._events.popleft()]

    def close(self) -> None:
        self._events.clear()


@dataclass(frozen=True)
class Say:
    """Writes a text, after so many deaths; they are counted in a folder."""

    text: str
    deaths: int
    graves: Path

    def run(self, bench: Bench) -> Erased:
        if len(list(self.graves.iterdir())) < self.deaths:
            (self.graves / f"{os.getpid()}").touch()
            (bench.folder / "half").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        (bench.folder / "said").write_text(self.text)
        return Erased(bench.folder / "said", len(self.text), 0, ())


@dataclass(frozen=True)
class Log:
    """Says something that only --debug shows."""

    def run(self, bench: Bench) -> None:
        logging.getLogger("realtime.anything").debug("it works")


@dataclass(frozen=True)
class Sleep:
    """Takes long."""

    def run(self, bench: Bench) -> Erased:
        (bench.folder / "half").write_text("half")
        bench.tell(1, 2)
        time.sleep(200)
        raise EraserError("nobody has ended this")


class Dawdling(Bench):
    """Waits a while after the first word on progress, so that whoever looks sees it."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.folder, bench.threads, bench._tell)

    def tell(self, frames: int, total: int | None) -> None:
        first = not self._told
        super().tell(frames, total)
        if first:
            time.sleep(1.5)


class SlowPiece(ErasePiece):
    """A piece that takes a while, and says in a folder beside its input on which node of a cluster it is."""

    def run(self, bench: Bench) -> Packed:
        import ray

        node = ray.get_runtime_context().get_node_id()
        (self.input.parent / "nodes" / f"{node}-{bench.folder.name}").touch()
        return super().run(Dawdling(bench))
