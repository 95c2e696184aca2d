"""Threads that work on one job and stop together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from realtime.channel import Stopped
from realtime.errors import EraserError

if TYPE_CHECKING:
    from types import TracebackType

WAKE_S = 0.2  # how long a join may block: on Windows one that waits forever can't be interrupted by Ctrl-C


class Stoppable(Protocol):
    """A channel, or anything else that a thread may be waiting for."""

    def stop(self) -> None:
        """End every wait for it, now and later, with Stopped. Called from any thread, maybe more than once."""


class Crew:
    """The threads of a job beside the caller's, and the channels between all of them.

        with Crew(frames, results) as crew:
            crew.start("reader", read)
            crew.start("writer", write)
            erase()
            crew.wait()

    Ownership: the caller's thread makes, waits for and leaves the crew; nobody else touches it. The first failure of
    any thread, the caller's included, stops the channels, which ends the others. It leaves the `with` block as it is
    when it is an EraserError, else as the cause of one; KeyboardInterrupt passes through. On the way out every thread
    has ended, or `grace` seconds have passed for those that `start` was told may hang in an outside call; they are
    daemons and don't hold up the process.
    """

    def __init__(self, *channels: Stoppable, grace: float = 1.5) -> None:
        self._channels = channels
        self._grace = grace
        self._threads: list[tuple[threading.Thread, bool]] = []
        self._failure: tuple[str, BaseException] | None = None
        self._lock = threading.Lock()

    def start(self, stage: str, work: Callable[[], None], *, may_hang: bool = False) -> None:
        """Run `work` in a thread of its own; `stage` names it in messages."""
        thread = threading.Thread(target=self._work, args=(stage, work), name=stage, daemon=True)
        self._threads.append((thread, may_hang))
        thread.start()

    def _work(self, stage: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Stopped:
            pass
        except BaseException as error:
            with self._lock:
                self._failure = self._failure or (stage, error)
            self._stop()

    def _stop(self) -> None:
        for channel in self._channels:
            channel.stop()

    def wait(self, timeout: float = float("inf")) -> None:
        """Wait until every thread has done its work, `timeout` seconds at most; raises Stopped when one has failed."""
        deadline = time.monotonic() + timeout
        for thread, _ in self._threads:
            while thread.is_alive() and (left := deadline - time.monotonic()) > 0:
                thread.join(min(left, WAKE_S))
        if self._failure is not None:
            raise Stopped

    @property
    def hanging(self) -> tuple[str, ...]:
        """The stages whose threads have not ended."""
        return tuple(thread.name for thread, _ in self._threads if thread.is_alive())

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        deadline = time.monotonic() + self._grace
        for thread, may_hang in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()) if may_hang else None)
        if error is None or not isinstance(error, Exception):
            return
        stage: str = "eraser"
        cause: BaseException = error
        if isinstance(error, Stopped) and self._failure is not None:
            stage, cause = self._failure
        if not isinstance(cause, EraserError):
            raise stage_failed(stage, cause) from cause
        if cause is not error:
            raise cause from cause.__cause__


def stage_failed(stage: str, error: BaseException) -> EraserError:
    """An error that says in one line which stage failed and how; to be raised from `error`."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        text = "out of memory: close other programs, or take a smaller picture"
    return EraserError(f"the {stage} failed: {type(error).__name__}: {text}")
