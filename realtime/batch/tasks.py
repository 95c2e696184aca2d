"""Tasks that a worker does, here or on another machine, and what workers are made of."""

from __future__ import annotations

import os
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from realtime.errors import EraserError
from realtime.pipeline import Progress

TELL_S = 0.25  # between two words on progress


class Bench:
    """What a task is given to work with. folder: its own, empty; threads: its share of the machine."""

    def __init__(self, folder: Path, threads: int, tell: Callable[[int, int | None], None]) -> None:
        """tell: takes the frames done and their expected total, None where unknown."""
        self.folder, self.threads = folder, threads
        self._tell, self._told = tell, 0.0

    def tell(self, frames: int, total: int | None) -> None:
        """Let the others know how far the task is; only now and then is it passed on."""
        now = time.monotonic()
        if now - self._told >= TELL_S:
            self._told = now
            self._tell(frames, total)

    def progress(self, progress: Progress) -> None:
        """For `erase_video`."""
        self.tell(progress.frames, progress.total)


class Task(Protocol):
    """Something to be done by one worker at one go; can be pickled."""

    def run(self, bench: Bench) -> Any:
        """Do it; what is returned can be pickled. Raises EraserError."""


@dataclass(frozen=True)
class Erased:
    """A finished output, in the folder of the task that wrote it. lost, notes: as in `realtime.report.Report`."""

    path: Path
    frames: int
    lost: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class EraseFile:
    """Erases one whole file. options: of `erase_video`."""

    input: Path
    name: str
    options: dict[str, Any]

    def run(self, bench: Bench) -> Erased:
        """Write the output into the bench's folder, and onto the disk."""
        from realtime.files import erase_video

        output = bench.folder / self.name
        report = erase_video(self.input, output, threads=bench.threads, progress=bench.progress, **self.options)
        sync(output)
        return Erased(output, report.frames, report.lost, report.notes)


def sync(path: Path) -> None:
    """See to it that a file's contents are on the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


@dataclass(frozen=True)
class Told:
    """A task goes on. key: what it was submitted under; frames, total: as in `Bench.tell`."""

    key: int
    frames: int
    total: int | None


@dataclass(frozen=True)
class Finished:
    """A task is done. result: what its `run` returned."""

    key: int
    result: Any


@dataclass(frozen=True)
class Failed:
    """A task has failed and would fail again. trace: where the error comes from, as text."""

    key: int
    error: EraserError
    trace: str = ""


@dataclass(frozen=True)
class Lost:
    """The worker of a task is gone; another may do it. why: what is known of it."""

    key: int
    why: str


Event = Told | Finished | Failed | Lost


class Pool(ABC):
    """Workers. One thread owns it."""

    @property
    @abstractmethod
    def room(self) -> int:
        """How many tasks it takes at once, by now."""

    @abstractmethod
    def submit(self, key: int, folder: Path, task: Task) -> None:
        """Let a worker do a task in this folder, which is there."""

    @abstractmethod
    def wait(self, seconds: float) -> list[Event]:
        """What has happened; waits so long at most where nothing has."""

    @abstractmethod
    def close(self) -> None:
        """End all workers, and with them what they are doing."""

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def outcome(key: int, task: Task, bench: Bench) -> Finished | Failed:
    """Do a task in this process. KeyboardInterrupt passes through."""
    try:
        return Finished(key, task.run(bench))
    except EraserError as error:
        return Failed(key, error, traceback.format_exc())
    except Exception as error:
        text = " ".join(str(error).split())
        return Failed(key, EraserError(f"unexpected {type(error).__name__}: {text}"), traceback.format_exc())
