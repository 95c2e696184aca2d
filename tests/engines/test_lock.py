"""A lock is held by one at a time, on Windows too (by a stand-in for its `msvcrt`), and given back at the end."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from engines import lock
from engines.errors import EngineError


class Msvcrt:
    """Locks of single bytes, each held by a descriptor; closing it gives them back."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], int] = {}

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (self.LK_NBLCK, 1)
        place = os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)
        assert place[1] >= os.fstat(descriptor).st_size, "nobody else could read or write this byte"
        if place in self.held:
            raise PermissionError(errno.EACCES, "Permission denied")
        self.held[place] = descriptor


@pytest.fixture(params=["here", "win32"])
def module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`engines.lock` as it is here, and as it is on Windows."""
    if request.param == "here":
        return lock
    made, msvcrt = ModuleType("windows_lock"), Msvcrt()

    def close(descriptor: int) -> None:
        msvcrt.held = {place: holder for place, holder in msvcrt.held.items() if holder != descriptor}
        os.close(descriptor)

    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)  # type: ignore[arg-type]
    with monkeypatch.context() as change:
        change.setattr(sys, "platform", "win32")
        exec(compile(Path(lock.__file__).read_text(), lock.__file__, "exec"), vars(made))
    vars(made)["os"] = SimpleNamespace(**{**vars(os), "close": close})
    return made


def test_a_second_one_is_refused_until_the_first_has_let_go(module: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("contents")
    first = module.hold(tmp_path / "file")
    with pytest.raises(BlockingIOError):
        module.hold(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "contents"
    module.os.close(first)
    module.os.close(module.hold(tmp_path / "file"))


def test_the_lock_of_a_block_is_given_back_at_its_end(module: ModuleType, tmp_path: Path) -> None:
    waited: list[bool] = []
    path, refused = tmp_path / "new" / "lock", pytest.raises(EngineError, match="another process has held")
    with module.locked(path, 5), refused, module.locked(path, 0.2, lambda: waited.append(True)):
        raise AssertionError("it is held already")
    assert waited == [True]
    with module.locked(tmp_path / "new" / "lock", 0):
        pass


def test_a_file_that_is_not_there_is_no_lock(module: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        module.hold(tmp_path / "none")


def test_where_the_disk_knows_no_locks_the_work_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(lock, "_take", refuse)
    done = []
    with lock.locked(tmp_path / "lock", 60):
        done.append(True)
    assert done


def test_where_the_folder_can_not_be_written_the_work_is_done_without(module: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = []
    with module.locked(tmp_path / "file" / "lock", 60):
        done.append(True)
    assert done


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks no folders")
def test_a_folder_can_be_held(tmp_path: Path) -> None:
    descriptor = lock.hold(tmp_path)
    with pytest.raises(BlockingIOError):
        lock.hold(tmp_path)
    os.close(descriptor)
