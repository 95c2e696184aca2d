"""One process at a time: a lock on a file, which the system takes back from a process that dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engines.errors import EngineError

ON_ANYTHING = sys.platform != "win32"  # folders, and files of any size, can be locked, and renamed while they are

if sys.platform == "win32":
    import msvcrt

    _PLACE = 1 << 30  # of the byte that is locked, which nobody else may read or write then: beyond the file's end

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, _PLACE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def hold(path: Path) -> int:
    """Lock a file until the descriptor that is returned is closed, or the process ends; a folder too, on Unix.

    Raises BlockingIOError where another holds the lock, another OSError where the disk knows no locks, or there is no
    such file. Windows: the file must be smaller than 1 GiB, and can't be renamed meanwhile.
    """
    # A network file system wants files that it locks to be open for writing; folders can't be.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        _take(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def locked(path: Path, timeout: float, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of `path` (an empty file that is made and stays) inside the block, where the disk knows locks
    and the folder can be written.

    timeout: seconds to wait for another process; EngineError after that. waiting: called once if there is one.
    """
    with suppress(OSError):  # then there is nothing to hold below
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    end = time.monotonic() + timeout
    told = False
    held: list[int] = []
    while _is_held(path, held):
        if time.monotonic() >= end:
            raise EngineError(f"another process has held {path} for {timeout:.0f} s; wait for it, or end it")
        if not told:
            told = True
            waiting()
        time.sleep(0.1)
    try:
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def _is_held(path: Path, ours: list[int]) -> bool:
    """Whether another holds the lock; if not, it is taken, and its descriptor added to `ours`."""
    try:
        ours.append(hold(path))
    except BlockingIOError:
        return True
    except OSError:  # no locks here
        pass
    return False
