"""One process at a time: a lock on a file, which the system takes back from a process that dies."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from engines.errors import EngineError

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, timeout: float, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of `path` (an empty file that is made and stays) inside the block.

    timeout: seconds to wait for another process; EngineError after that. waiting: called once if there is one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + timeout
    told = False
    with path.open("ab") as file:
        while True:
            try:
                _take(file)
                break
            except OSError as error:
                if time.monotonic() >= end:
                    raise EngineError(
                        f"another process has held {path} for {timeout:.0f} s; wait for it, or end it"
                    ) from error
            if not told:
                told = True
                waiting()
            time.sleep(0.1)
        yield  # closing the file gives the lock back
