"""Pictures for calibration: spread over appearance and time, the same each time, and only with consent."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from calib import collect
from calib.descriptor import describe, spread
from realtime.live import camera
from realtime.media.opening import open_source
from realtime.media.pictures import read_picture
from tests.media.clips import Clip

SEEN = 24


def a_room(folder: Path) -> Path:
    """A folder of pictures: nearly all show one view, two another."""
    folder.mkdir()
    for index in range(SEEN):
        image = np.full((48, 64, 3), 60, np.uint8)
        if index in (9, 10):
            image[:, :32] = (20, 40, 230)
        cv2.imwrite(str(folder / f"{index:03d}.png"), image)
    return folder


def run(*arguments: object) -> int:
    return collect.main([str(argument) for argument in arguments])


def times(out: Path) -> list[float]:
    return list(json.loads((out / "frames.json").read_text())["seconds"].values())


def test_what_looks_different_is_kept_though_it_shows_for_a_moment_only(tmp_path: Path) -> None:
    out = tmp_path / "frames"
    assert run("--source", a_room(tmp_path / "room"), "--frames", 3, "--out", out, "--consent") == 0
    pictures = [read_picture(path).image for path in sorted(out.glob("*.jpg"))]
    assert len(pictures) == 3
    assert any(picture[20, 10, 2] > 200 for picture in pictures)


def test_the_same_source_gives_the_same_pictures(tmp_path: Path) -> None:
    path = Clip(frames=30).write(tmp_path / "clip.mp4")
    outs = [tmp_path / name for name in ("one", "two")]
    for out in outs:
        assert run("--source", path, "--frames", 6, "--out", out, "--consent") == 0
    one, two = ({file.name: file.read_bytes() for file in out.iterdir()} for out in outs)
    assert one == two
    assert len(one) == 7


def test_a_long_source_is_read_evenly_to_its_end(tmp_path: Path) -> None:
    path = Clip(frames=75).write(tmp_path / "clip.mp4")  # 3 s
    assert run("--source", path, "--frames", 4, "--out", tmp_path / "out", "--consent") == 0
    taken = times(tmp_path / "out")
    assert taken == sorted(taken)
    assert taken[0] < 1.0
    assert taken[-1] > 2.0


def test_a_camera_is_watched_for_so_many_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Clip(frames=75).write(tmp_path / "clip.mp4")  # 3 s, at its own pace
    monkeypatch.setattr(camera, "open_camera", lambda request: camera.FileCamera(open_source(path)))
    arguments = ("--seconds", 1.2, "--frames", 4, "--out", tmp_path / "out", "--consent")
    assert run("--source", "0", *arguments) == 0
    taken = times(tmp_path / "out")
    assert len(taken) == 4
    assert 0.5 < taken[-1] < 2.0


def test_where_pictures_are_all_alike_they_are_spread_over_time() -> None:
    alike = np.stack([describe(np.full((32, 32, 3), 90, np.uint8))] * 100)
    assert np.diff(spread(alike, np.arange(100.0), 5)).min() >= 20


def test_fewer_pictures_than_asked_for_are_all_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--source", a_room(tmp_path / "room"), "--frames", 99, "--out", tmp_path / "out", "--consent") == 0
    assert f"{SEEN} pictures of {SEEN} candidates" in capsys.readouterr().out


def test_without_consent_nothing_is_read_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run("--source", a_room(tmp_path / "room"), "--out", out) == 2
    assert "--consent" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("yes", 0), ("", 2), ("n", 2)])
def test_a_terminal_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    out = tmp_path / "out"
    assert run("--source", a_room(tmp_path / "room"), "--out", out, "--frames", 2) == code
    assert out.exists() == (code == 0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_only_its_owner_may_look_into_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("--source", a_room(tmp_path / "room"), "--out", out, "--consent") == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


def test_a_folder_that_exists_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert run("--source", a_room(tmp_path / "room"), "--out", out, "--consent") == 2
    assert "exists already" in capsys.readouterr().err
    assert not list(out.iterdir())


def test_a_source_that_is_not_there_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--source", tmp_path / "no.mp4", "--out", tmp_path / "out", "--consent") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2  # what will be stored, and what is wrong
    assert list(tmp_path.iterdir()) == []
