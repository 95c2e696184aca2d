"""Workers on this machine: processes, each of which does one task at a time."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from realtime.batch.tasks import Bench, Event, Failed, Finished, Lost, Pool, Task, Told, outcome

GRACE_S = 5.0  # for workers to clean up after an interrupt
_SPAWN = get_context("spawn")


class LocalPool(Pool):
    """`workers` processes with `threads` threads each; one that dies costs its task and is replaced."""

    def __init__(self, workers: int, threads: int) -> None:
        self._count, self._threads = workers, threads
        self._workers: list[_Worker] = []

    @property
    def room(self) -> int:
        return self._count

    def submit(self, key: int, folder: Path, task: Task) -> None:
        worker = next((worker for worker in self._workers if worker.key is None), None)
        if worker is None:
            assert len(self._workers) < self._count, "there is no room"
            worker = _Worker(self._threads)
            self._workers.append(worker)
        worker.take(key, folder, task)

    def wait(self, seconds: float) -> list[Event]:
        waiting = [each for worker in self._workers for each in (worker.pipe, worker.process.sentinel)]
        connection.wait(waiting, seconds)
        events: list[Event] = []
        for worker in self._workers:
            events += worker.events()
        self._workers = [worker for worker in self._workers if worker.alive]
        return events

    def close(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.end()
        self._workers = []


class _Worker:
    """A process and the task it does. key: of that, None while it has none."""

    def __init__(self, threads: int) -> None:
        self.pipe, other = _SPAWN.Pipe()
        level = logging.getLogger(__name__).getEffectiveLevel()
        self.process = _SPAWN.Process(target=_work, args=(other, threads, level), name="eraser", daemon=True)
        with _interrupts_held():
            self.process.start()
        other.close()
        self.key: int | None = None
        self.alive = True

    def take(self, key: int, folder: Path, task: Task) -> None:
        self.key = key
        with suppress(OSError):  # dead already: `events` will tell
            self.pipe.send((key, folder, task))

    def events(self) -> Iterator[Event]:
        """What it has said since, and its death."""
        dead = not self.process.is_alive()  # asked first: what it said before it died is all there
        with suppress(EOFError, OSError):
            while self.pipe.poll():
                event = self.pipe.recv()
                if isinstance(event, Finished | Failed):
                    self.key = None
                yield event
        if dead:
            self.end()
            if self.key is not None:
                yield Lost(self.key, _death(self.process.exitcode))

    def end(self) -> None:
        """Wait for its end, and force it in the end."""
        self.process.join(GRACE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()
        self.alive = False


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """A process that is started meanwhile never sees Ctrl-C, which the terminal sends to all: its parent ends it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # the first start would, and let interrupts through again meanwhile
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _death(code: int | None) -> str:
    if code == -getattr(signal, "SIGKILL", 9):
        return "its worker was killed; perhaps memory ran out: try fewer --workers"
    if code is not None and code < 0:
        return f"its worker crashed ({signal.strsignal(-code)})"
    return f"its worker ended with code {code}"


def _work(pipe: Connection, threads: int, level: int) -> None:
    """A worker's life: tasks come, events go, until the parent says so, or dies. level: what is logged, as there."""
    import cv2

    logging.basicConfig(format="%(processName)s: %(message)s")
    for package in ("realtime", "engines"):
        logging.getLogger(package).setLevel(level)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_watch_parent, daemon=True).start()
    cv2.setNumThreads(threads)
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            key, folder, task = pipe.recv()

            def tell(frames: int, total: int | None, key: int = key) -> None:
                pipe.send(Told(key, frames, total))

            pipe.send(outcome(key, task, Bench(folder, threads, tell)))


def _leave(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: nothing disturbs the clean-up
    raise KeyboardInterrupt


def _watch_parent() -> None:
    """End with the parent, however it ends."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
