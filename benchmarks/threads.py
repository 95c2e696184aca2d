"""What this process uses: memory, threads, the processor's time by thread. Linux tells; elsewhere little is known."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

_TASKS = Path("/proc/self/task")
_SELDOM = 1.0  # seconds between two looks, which cost some time themselves
_MAIN = "main (window)"
_OTHERS = "others (OpenCV's and the networks' own)"


def memory_mb() -> float:
    """Resident memory in megabytes, 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def threads() -> int:
    """How many threads this process has, those of libraries included where the system tells."""
    return len(list(_TASKS.iterdir())) if _TASKS.is_dir() else threading.active_count()


class ThreadClock:
    """How much of a core each thread uses, from `start` on; threads are told apart by their Python names."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._before: dict[int, float] = {}
        self._latest: dict[int, float] = {}
        self._started = self._looked = 0.0

    def start(self) -> None:
        """Count from here."""
        self._started, self._before = time.monotonic(), _seconds()

    def look(self) -> None:
        """Take the time of the threads that run now; to be called again and again while they do."""
        now = time.monotonic()
        if now - self._looked < _SELDOM:
            return
        self._looked = now
        self._latest |= _seconds()
        for thread in threading.enumerate():
            if thread.native_id is not None:
                self._names[thread.native_id] = thread.name

    def shares(self) -> dict[str, float]:
        """Seconds of the processor per second until the latest look, by thread, the busiest first."""
        passed = max(1e-9, self._looked - self._started)
        main = threading.main_thread().native_id
        used: dict[str, float] = {}
        for task, seconds in self._latest.items():
            name = _MAIN if task == main else self._names.get(task, _OTHERS)
            used[name] = used.get(name, 0.0) + (seconds - self._before.get(task, 0.0)) / passed
        return dict(sorted(used.items(), key=lambda item: -item[1]))


def _seconds() -> dict[int, float]:
    """Processor time of each thread so far, seconds."""
    ticks = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
    used = {}
    for task in _TASKS.iterdir() if _TASKS.is_dir() else ():
        try:
            # The name may hold spaces, but ends with the last bracket.
            fields = (task / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        used[int(task.name)] = (int(fields[11]) + int(fields[12])) / ticks
    return used
