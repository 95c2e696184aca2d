"""What is still being written, under the one kind of name that all temporaries of the project have.

`.erasing-NODE-BOOT-RANDOM`, with an extension where one is needed, stands beside the output, or inside it where it is a
folder that is there already (another disk may be mounted on it): hidden, and renamed when it is whole. Its maker holds
a lock on it (flock), which the system takes back when the process ends, however it ends.
So what a killed process left behind can be told from what a living one is writing: it was made under this host's name
or this run of its kernel (NODE, BOOT), and nobody holds its lock. `sweep` removes just that. Where the disk knows
no locks, and on Windows, where nothing that is locked can be written or renamed, nothing is ever swept.
"""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path

from engines.lock import ON_ANYTHING, hold

PREFIX = ".erasing-"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Temporary:
    """A file or folder of this process; `keep` or `remove` ends it.

    path: where to write: a file that exists and is empty, or an empty folder. Raises OSError where it can't be made.
    """

    def __init__(self, parent: Path, extension: str = "", *, folder: bool = False) -> None:
        self._lock: int | None = None
        while True:
            self.path = parent / f"{PREFIX}{'-'.join(_marks())}-{secrets.token_hex(6)}{extension}"
            if folder:
                self.path.mkdir()
            else:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            try:
                self._lock = _lock(self.path)
            except (BlockingIOError, FileNotFoundError):
                continue  # somebody's sweep came between making and locking
            except OSError:
                return  # no locks here, so nobody will take it for a leftover
            if self.path.exists():
                return
            self._unlock()

    def keep(self, path: Path) -> None:
        """Give it its name, in place of a file that is there. Raises OSError."""
        os.replace(self.path, path)
        self._unlock()

    def remove(self) -> None:
        """Remove it, a folder with all that is in it; what is gone already does no harm."""
        _remove(self.path)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def place_of(output: str | Path) -> Path:
    """The folder in which the temporaries of an output stand."""
    path = Path(os.path.realpath(output))
    return path if path.is_dir() else path.parent


def sweep(folder: Path) -> int:
    """Remove the temporaries in a folder whose makers are dead; returns how many there were. Never fails."""
    node, boot = _marks()
    swept = 0
    for path in {*folder.glob(f"{PREFIX}{node}-*"), *folder.glob(f"{PREFIX}*-{boot}-*")}:
        with suppress(OSError):
            descriptor = _lock(path)
            _remove(path)
            os.close(descriptor)
            swept += 1
    return swept


def _lock(path: Path) -> int:
    if not ON_ANYTHING:
        raise OSError("what is locked here could be neither written nor renamed")
    return hold(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@cache
def _marks() -> tuple[str, str]:
    """NODE and BOOT. Containers of one host share the latter, a machine that starts again keeps the former."""
    boot = _BOOT.read_text() if _BOOT.exists() else ""
    return _mark(platform.node()), _mark(boot or platform.node())


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
