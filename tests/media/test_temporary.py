"""Temporaries: what a dead process left is swept, what a living one writes is not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engines import lock
from realtime.media import temporary
from realtime.media.temporary import Temporary, sweep
from tests.cli.command import environment

pytest.importorskip("fcntl", reason="this system has no flock")

MAKE = """
import sys, time
from pathlib import Path
from realtime.media.temporary import Temporary
held = Temporary(Path(sys.argv[1]), ".mp4"), Temporary(Path(sys.argv[1]), folder=True)
(held[1].path / "inside").write_text("half")
print("made", flush=True)
time.sleep(60)
"""


@pytest.fixture
def maker(tmp_path: Path):
    """Another process that holds a file and a folder in tmp_path."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAKE, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "made\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_a_killed_process_left_is_swept_and_only_that(tmp_path, maker):
    (tmp_path / "mine.mp4").write_text("a video")
    own = Temporary(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    assert sweep(tmp_path) == 0
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    assert sweep(tmp_path) == 2
    assert sorted(tmp_path.iterdir()) == sorted([own.path, tmp_path / "mine.mp4"])
    own.remove()


def test_what_another_machine_writes_is_not_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary, "_marks", lambda: ("11111111", "22222222"))
    (path := Temporary(tmp_path)).keep(tmp_path / ".erasing-33333333-44444444-abc.mp4")  # with nobody's lock
    assert sweep(tmp_path) == 0
    assert [each.name for each in tmp_path.iterdir()] == [".erasing-33333333-44444444-abc.mp4"]
    assert not path.path.exists()


def test_a_name_that_is_kept_is_no_temporary_any_longer(tmp_path):
    (tmp_path / "out").write_text("old")
    each = Temporary(tmp_path)
    each.path.write_text("new")
    each.keep(tmp_path / "out")
    each.remove()
    assert (tmp_path / "out").read_text() == "new"
    assert sweep(tmp_path) == 0


def test_disks_without_locks_are_written_to_and_never_swept(tmp_path, monkeypatch):
    def refuse(descriptor, how):
        raise OSError("no locks available")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    each = Temporary(tmp_path, folder=True)
    assert sweep(tmp_path) == 0
    assert each.path.is_dir()
    each.remove()
    assert not list(tmp_path.iterdir())
