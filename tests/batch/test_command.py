"""`erase-video --batch` as a user runs it: interrupted, killed, resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.kills import contents, kill_often
from tests.cli import media
from tests.cli.command import COMMAND, environment, fail, succeed

SELECT = ("--box", "20,30,40,24", "--fill", "telea")
FRAMES = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("a.mkv", "b.mkv", "sub/c.mkv"):
        media.clip(tmp_path / "in" / name, FRAMES)
    return tmp_path


def start(*arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while not (path.is_file() and text in path.read_text()):
        assert time.monotonic() < deadline, f"no {text} in {path}"
        time.sleep(0.02)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


WHOLE = [".erase-video.journal", "a.mkv", "b.mkv", "sub", "sub/c.mkv"]


def test_a_batch_is_interrupted_and_resumed_without_its_options(folder):
    batch = start("--batch", folder / "in", "--output", folder / "out", "--workers", 1, *SELECT)
    wait_for(folder / "out" / ".erase-video.journal", '"start": "b.mkv"')
    os.killpg(batch.pid, signal.SIGINT)  # as a terminal does
    _, said = batch.communicate(timeout=100)
    assert batch.returncode == 130, said
    assert "--resume goes on from there" in said
    assert "Traceback" not in said
    assert names(folder / "out") == [".erase-video.journal", "a.mkv"]

    other = ("--output", folder / "out", "--resume", "--crf", "3")
    assert "--crf differs" in fail(folder, *other, code=2)
    said = "\n".join(succeed("--resume", "--output", folder / "out", "--report", folder / "r.json"))
    assert "goes on with the batch of" in said
    assert "1 of 3 files are done" in said
    assert names(folder / "out") == WHOLE
    report = json.loads((folder / "r.json").read_text())
    assert report["counts"] == {"done": 2, "skipped": 1, "failed": 0}


@pytest.mark.skipif(os.name == "nt", reason="processes are killed as on POSIX")
def test_after_kills_at_any_moment_a_resumed_batch_is_whole_and_the_same(folder):
    """The short form of `python -m benchmarks.batch --kills 50`."""
    survived = kill_often(folder, folder / "in", [*SELECT, "--codec", "ffv1"], kills=4, seed=3)
    assert sum(survived.kills.values()) == 4
    assert (survived.wrong, survived.strays) == ([], [])
    assert list(contents(folder / "calm")) == WHOLE
    assert len(contents(folder / "killed-0")["sub/c.mkv"]) == FRAMES


def test_failures_give_exit_code_1_and_a_table(folder):
    (folder / "in" / "bad.mp4").write_bytes(b"no video")
    said = succeed("--batch", folder / "in", "--output", folder / "out", "--end", 0.3, *SELECT, code=1)
    assert any(line.startswith("erase-video: failed   bad.mp4") for line in said)
    assert "3 done, 0 skipped, 1 failed" in said[-1]


@pytest.mark.parametrize(("report", "said"), [("nowhere/r.json", "not a folder"), ("r.json", "--overwrite")])
def test_a_report_that_cannot_be_written_is_refused_before_the_work(folder, report, said):
    (folder / "r.json").write_text("precious")
    batch = ("--batch", folder / "in", "--output", folder / "out", *SELECT)
    assert said in fail(folder, *batch, "--report", folder / report, code=1)


def test_a_report_may_go_to_the_folder_that_the_batch_makes(folder):
    batch = ("--batch", folder / "in", "--output", folder / "out", "--end", 0.1, *SELECT)
    said = succeed(*batch, "--report", folder / "out" / "r.json")
    assert "3 done" in said[-1]
    assert json.loads((folder / "out" / "r.json").read_text())["counts"]["done"] == 3


def test_a_batch_is_resumed_with_its_input_from_another_folder_and_with_its_report(folder):
    (folder / "work").mkdir()
    clip = (*SELECT, "--end", 0.1)
    succeed("--batch", "../in", "--output", "../out", "--report", "r.json", *clip, cwd=folder / "work")
    (folder / "work" / "r.json").unlink()
    succeed("--resume", "--batch", folder / "in", "--output", folder / "out", cwd=folder)
    assert json.loads((folder / "work" / "r.json").read_text())["counts"]["skipped"] == 3


def test_a_batch_that_is_repeated_replaces_its_own_report_and_no_other(folder):
    batch = ("--batch", folder / "in", "--output", folder / "out", "--report", folder / "r.json", "--end", 0.1, *SELECT)
    succeed(*batch)
    succeed(*batch)
    assert json.loads((folder / "r.json").read_text())["counts"]["skipped"] == 3
    (folder / "r.json").write_text("precious")
    assert "--overwrite" in fail(folder, *batch, code=1)


def test_with_debug_a_failure_says_where_it_comes_from(folder):
    (folder / "in" / "bad.mp4").write_bytes(b"no video")
    said = "\n".join(succeed("--debug", "--batch", folder / "in", "--output", folder / "out", *SELECT, code=1))
    assert "erase-video: bad.mp4: Traceback" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("in.mp4", "--batch", "x", "--output", "y"), "one argument too many"),
        (("--batch", "x"), "needs --output"),
        (("in.mp4", "out.mp4", "--workers", "2"), "--workers is for a batch"),
        (("in.mp4",), "Missing argument 'OUTPUT'"),
        (("--batch", ".", "--output", "y", "--preview", "p.mp4"), "--preview is for one file"),
        (("--batch", ".", "--output", "y", "--mask", "none.png"), "there is no mask"),
    ],
)
def test_wrong_usage_is_told(tmp_path, arguments, said):
    assert said in fail(tmp_path, *arguments, code=2, cwd=tmp_path)


def test_there_must_be_something_to_resume(tmp_path):
    assert "no batch has written to" in fail(tmp_path, "--resume", "--output", tmp_path, code=1)
