"""The fill thread: a better guess of what no frame has shown, beside the loop rather than in its way."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from realtime.background.fill import Filler
from realtime.channel import Channel, Stopped

if TYPE_CHECKING:
    from realtime.background.filljob import FillJob

NICE = 10  # of the fill thread, on Linux: the frames go first

_log = logging.getLogger(__name__)


class Filling:
    """Runs the filler on one job at a time.

    Ownership: the process thread calls `later` and `done`, which hands the job over and the picture back; `run` is the
    fill thread, which alone runs the filler's network. The eraser has one job under way at most, so neither side waits.
    failure: what the filler said when it failed, in a line; then the quick guesses stay.
    """

    def __init__(self, filler: Filler) -> None:
        self.failure: str | None = None
        self._filler = filler
        self._jobs: Channel[FillJob] = Channel(1, 1)
        self._done: deque[tuple[FillJob, np.ndarray]] = deque()

    def later(self, job: FillJob) -> None:
        """Take a job, to be given to the eraser as `defer`."""
        self._jobs.put(job, 0)

    def done(self) -> Iterator[tuple[FillJob, np.ndarray]]:
        """The jobs that are done since the last call, each with its picture, (H, W, 3) uint8 BGR."""
        while self._done:
            yield self._done.popleft()

    def stop(self) -> None:
        """End the fill thread when the job under way is done."""
        self._jobs.stop()

    def run(self) -> None:
        """The fill thread."""
        _give_way()
        for job in self._jobs:
            try:
                self._done.append((job, self._filler.fill(job.image, job.mask)))
            except Stopped:
                raise
            except Exception as error:
                _log.debug("the filler failed", exc_info=True)
                self.failure = f"the filler failed ({type(error).__name__}): what was never seen is only bridged"
                return
            del job


def _give_way() -> None:
    """Let the other threads of this process go before this one, where the system has priorities of threads."""
    if sys.platform.startswith("linux"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
