"""`erase-live` as a user runs it, without a window."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from realtime.errors import EraserError
from realtime.live.recorder import Recorder
from realtime.live.session import LiveOptions, erase_live
from tests.cli import media
from tests.cli.command import environment
from tests.live.fakes import NEVER, until
from tests.live.network_camera import NetworkCamera

SCRIPT = Path(sys.executable).with_name("erase-live.exe" if os.name == "nt" else "erase-live")
COMMAND = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "realtime.live.cli"]
BOX = "20,30,40,24"
CLASSICAL = ("--fill", "telea", "--target", "none")


def run(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `erase-live` with these arguments; a traceback is never right."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True, text=True, timeout=2 * NEVER, env={**environment(), **options.pop("env", {})}, **options,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def fail(*arguments: Any, code: int, **options: Any) -> str:
    """Run, expect the exit code and a single line of complaint; returns the line."""
    done = run(*arguments, **options)
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("erase-live: ")
    return lines[0]


@pytest.fixture
def clip(tmp_path) -> Path:
    """Two seconds at 20 frames/s of a square that moves from left to right."""
    return media.write_video(tmp_path / "in.mp4", media.pictures(40), rate=20)


def wall(frames: int) -> list[np.ndarray]:
    """A dark disc hangs on a wall, where BOX is; a white square passes below it, from left to right."""
    result = []
    for index in range(frames):
        picture = np.full((media.HEIGHT, media.WIDTH, 3), (150, 160, 140), np.uint8)
        cv2.circle(picture, (40, 42), 10, (40, 30, 90), cv2.FILLED, cv2.LINE_AA)
        x = (media.WIDTH - 20) * index // (frames - 1)
        picture[72:92, x : x + 20] = 255
        result.append(picture)
    return result


def test_a_file_is_erased_at_its_own_pace_and_recorded(tmp_path):
    clip = media.write_video(tmp_path / "in.mp4", wall(40), rate=20)
    done = run(
        clip, "--headless", "--record", tmp_path / "out.mp4", "--report", tmp_path / "report.json",
        "--box", BOX, *CLASSICAL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"recorded {tmp_path / 'out.mp4'}" in done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["width"], report["height"]) == (media.WIDTH, media.HEIGHT)
    assert report["seconds"] > 1.9
    assert report["captured"] == 40
    assert report["presented"] + report["dropped"] == 40
    assert report["presented"] > 0
    assert 0 < report["latency"]["p50"] <= report["latency"]["p90"] <= report["latency"]["p99"]
    assert report["recorded"] == [str(tmp_path / "out.mp4")]
    assert {"segment", "motion", "update"} <= report["stages"].keys()
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = [(float(frame.time), frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
    assert frames[-1][0] > 1.5  # the time at which it was captured, however many were dropped
    originals = media.read_video(clip)
    for _, picture in frames[:: len(frames) // 8 or 1]:
        assert min(media.difference(picture[70:], original[70:]) for original in originals) < 6
        assert media.difference(picture[36:48, 34:46], originals[0][4:16, 4:16]) < 6  # the disc's place is wall


def test_an_rtsp_or_http_camera_is_erased_until_the_duration_is_over(tmp_path):
    with NetworkCamera(size=(128, 96)) as camera:
        done = run(
            camera.address,
            "--headless",
            "--record",
            tmp_path / "out.mkv",
            "--duration",
            "1.5",
            "--report",
            tmp_path / "report.json",
            "--box",
            BOX,
            *CLASSICAL,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "report.json").read_text())["seconds"] >= 1.5
    with av.open(str(tmp_path / "out.mkv")) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert times == sorted(set(times))
    assert times


@pytest.mark.skipif(os.name == "nt", reason="signals are of POSIX")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_and_keeps_the_recording_and_the_report(clip, tmp_path, signum):
    out, report = tmp_path / "out.mp4", tmp_path / "report.json"
    command = [*COMMAND, str(clip), "--loop", "--headless", "--record", str(out), "--report", str(report)]
    command += [*CLASSICAL, "--box", BOX]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as program:
        until(lambda: out.exists() and out.stat().st_size > 2000)
        program.send_signal(signum)
        _, said = program.communicate(timeout=NEVER)
    assert program.returncode == 130
    assert "Traceback" not in said
    assert "interrupted; what was recorded until now is kept" in said
    assert len(media.read_video(out)) > 0
    assert json.loads(report.read_text())["presented"] > 0
    assert "pictures in" in said


@pytest.mark.skipif(os.name == "nt", reason="limits are of POSIX")
def test_a_full_disk_ends_the_recording_with_one_line_and_keeps_what_there_is(tmp_path):
    noise = [np.random.default_rng(i).integers(0, 255, (96, 128, 3), np.uint8) for i in range(40)]
    clip = media.write_video(tmp_path / "in.mp4", noise, rate=20, crf=15)
    code = (
        "import resource, sys; from realtime.live.cli import run;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); sys.exit(run(sys.argv[1:]))"
    )
    arguments = [str(clip), "--loop", "--headless", "--record", str(tmp_path / "out.mp4"), *CLASSICAL]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, timeout=2 * NEVER, env=environment(),
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "the disk is full" in done.stderr
    assert (tmp_path / "out.mp4").stat().st_size > 10_000


def test_a_recording_that_has_failed_is_told_after_ctrl_c_too(clip, tmp_path, monkeypatch):
    def full(self: Recorder, image: np.ndarray, captured: float) -> None:
        raise EraserError("the disk is full")

    def watch(live) -> None:
        until(lambda: (shown := live.newest(0.1)) is not None and shown.status.message is not None)
        raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "write", full)
    told: list[str] = []
    options = LiveOptions(str(clip), loop=True, classes=(), fill="telea", record=tmp_path / "out.mp4")
    with pytest.raises(KeyboardInterrupt):
        erase_live(options, watch, told.append)
    assert [line for line in told if "the disk is full" in line] == ["the disk is full"]


def test_a_selection_file_selects(clip, tmp_path):
    selection = {
        "selection": 1, "width": 2 * media.WIDTH, "height": 2 * media.HEIGHT,
        "edits": [{"time": 0, "do": "paint", "points": [[100, 80]], "radius": 30, "erase": True}],
    }  # fmt: skip
    (tmp_path / "selection.json").write_text(json.dumps(selection))
    run(
        clip, "--headless", "--record", tmp_path / "out.mp4", "--selection", tmp_path / "selection.json", *CLASSICAL,
        "--report", tmp_path / "report.json",
    )  # fmt: skip
    assert json.loads((tmp_path / "report.json").read_text())["coverage"] is not None


def test_help_tells_every_option_and_a_version_exists():
    text = run("--help").stdout
    options = (
        "size fps backend fourcc list-cameras loop target click box selection plate record audio virtual-camera "
        "headless duration report segmenter fill device runtime fail-open overwrite debug version"
    )
    for option in options.split():
        assert f"--{option} " in text, option
    assert "Exit codes" in text
    assert run("--version").stdout.startswith("erase-live ")


def test_help_does_not_load_what_a_job_needs():
    heavy = ("av", "cv2", "numpy", "onnxruntime", "rich")
    code = f"import sys, realtime.live.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout.strip() == "[]"


def test_cameras_are_listed():
    done = run("--list-cameras")
    assert done.returncode == 0
    assert done.stdout or "no camera" in done.stderr


BAD = {
    "a size that is none": (["--size", "big"], 2, "WIDTHxHEIGHT"),
    "a rate that is none": (["--fps", "0"], 2, "--fps"),
    "a rate without end": (["--fps", "inf", "--record", "x.mp4"], 2, "the fps is inf"),
    "a fourcc that is none": (["--fourcc", "MJPEGS"], 2, "FOURCC"),
    "a click that is none": (["--click", "here"], 2, "is not a click"),
    "a box that is none": (["--box", "1,2,3"], 2, "is not a box"),
    "a click outside the picture": (["--click", "1000,5", "--record", "x.mp4"], 1, "outside the picture"),
    "nothing to do": ([], 2, "--headless shows nothing"),
    "sound without pictures": (["--audio", "default", "--report", "r.json"], 2, "add --record"),
    "a recording of another kind": (["--record", "x.avi"], 2, ".mp4 or .mkv"),
    "a recording nowhere": (["--record", "nowhere/x.mp4"], 1, "not a folder"),
    "a class that is none": (["--target", "unicorn", "--record", "x.mp4"], 2, "unknown target 'unicorn'"),
    "a model that is none": (["--segmenter", "huge", "--record", "x.mp4"], 2, "unknown segmenter 'huge'"),
    "a selection that is none": (["--selection", "in.mp4", "--record", "x.mp4"], 1, "no selection file"),
    "a sound device that is none": (["--audio", "lavfi:x", "--record", "x.mp4"], 1, "leave out --audio"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(clip, tmp_path, case):
    arguments, code, complaint = BAD[case]
    line = fail("in.mp4", "--headless", *arguments, code=code, cwd=tmp_path)
    assert complaint in line
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize("source", ["missing.mp4", "http://127.0.0.1:9/x", "97", "No such camera"])
def test_a_source_that_is_not_there_is_one_clear_line(tmp_path, source):
    code = 2 if source in ("missing.mp4", "No such camera") else 1
    fail(source, "--headless", "--record", tmp_path / "out.mp4", code=code)
    assert not any(tmp_path.iterdir())


def test_a_recording_that_exists_is_kept(clip, tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"precious")
    line = fail(clip, "--headless", "--record", tmp_path / "out.mp4", *CLASSICAL, code=1)
    assert "--overwrite" in line
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"


@pytest.mark.parametrize("option", ["--record", "--report"])
def test_what_is_read_is_never_written(clip, option):
    before = clip.read_bytes()
    line = fail(clip, "--headless", option, clip, "--overwrite", *CLASSICAL, code=2)
    assert "an input of this job too" in line
    assert clip.read_bytes() == before


def test_a_plate_that_is_none_is_told_in_the_program_s_own_words(clip, tmp_path):
    picture = tmp_path / "room.png"
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    line = fail(clip, "--headless", "--plate", picture, "--report", tmp_path / "report.json", *CLASSICAL, code=1)
    assert line == f"erase-live: {picture} is no plate that this program saved, or is damaged: save it anew"


def test_a_plate_is_never_replaced_by_a_report(clip, tmp_path):
    plate = tmp_path / "plate.npz"
    plate.write_bytes(b"precious")
    fail(clip, "--headless", "--plate", plate, "--report", plate, "--overwrite", *CLASSICAL, code=2)
    assert plate.read_bytes() == b"precious"


def test_the_collector_looks_at_everything_again_when_a_session_is_over(clip):
    options = LiveOptions(str(clip), classes=(), fill="telea", headless=True)
    erase_live(options, watch=lambda live: None)
    assert gc.get_freeze_count() == 0


def test_a_picture_without_a_window_is_a_job_for_the_other_command(tmp_path):
    cv2.imwrite(str(tmp_path / "in.png"), media.background())
    assert "erase-video" in fail(tmp_path / "in.png", "--headless", "--record", tmp_path / "out.mp4", code=2)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
def test_a_missing_display_is_found_out_before_a_window_is_opened(clip):
    without = dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"), "")
    assert "--headless" in fail(clip, *CLASSICAL, code=1, env=without)
    assert "--headless" in fail(clip, *CLASSICAL, code=1, env={**without, "DISPLAY": ":987"})


def test_a_virtual_camera_that_cannot_be_had_says_what_to_do(clip):
    line = fail(clip, "--headless", "--virtual-camera", *CLASSICAL, code=1)
    assert "pip install" in line or "v4l2loopback" in line or "OBS" in line
