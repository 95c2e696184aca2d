"""`--lookahead all`: the whole shot as memory, in two passes over the input."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime import files
from realtime.errors import EraserError, UsageError
from realtime.rehearsal import Rehearsal
from tests.cli import media
from tests.cli.test_files import Broken, failing
from tests.realtime.pictures import disc, psnr, put, texture

HEIGHT, WIDTH = 120, 160
ROOM = (texture(HEIGHT, WIDTH) * 0.6 + 60).astype(np.uint8)
STANDING = disc(HEIGHT, WIDTH, 80, 60, 25)
MASKS = [STANDING] * 25 + [STANDING * 0] * 5
FRAMES = len(MASKS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clip in which something stands in the way for longer than the usual lookahead, then leaves; and its masks."""
    media.write_video(tmp_path / "in.mp4", [put(ROOM, mask) for mask in MASKS])
    media.write_folder(tmp_path / "masks", MASKS)
    return tmp_path


def erase(folder: Path, **options):
    given: dict[str, Any] = {"mask": folder / "masks", "fill": "telea", "lookahead": "all"} | options
    return files.erase_video(folder / "in.mp4", folder / "out.mp4", **given)


def assert_only(folder: Path, *expected: str) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(["in.mp4", "masks", *expected])
    assert {thread.name for thread in threading.enumerate()}.isdisjoint({"reader", "writer"})


def test_the_first_frame_shows_what_the_last_one_reveals_and_nothing_else_is_left(folder):
    report = erase(folder)
    first, *_ = media.read_video(folder / "out.mp4")
    assert psnr(first, ROOM, STANDING) > 28
    assert (report.frames, report.fills, report.coverage) == (FRAMES, 0, 1.0)
    assert_only(folder, "out.mp4")


def test_the_usual_lookahead_cannot_know_it(folder):
    assert erase(folder, lookahead=1.0).fills > 0
    first, *_ = media.read_video(folder / "out.mp4")
    assert psnr(first, ROOM, STANDING) < 25


def test_progress_goes_on_through_the_look_for_shots_and_both_passes(folder):
    seen = []
    erase(folder, progress=seen.append)
    assert [progress.frames for progress in seen] == list(range(1, 3 * FRAMES + 1))
    assert {progress.total for progress in seen} == {3 * FRAMES}


def test_the_report_tells_the_time_of_both_passes(folder):
    stages = erase(folder).stages
    assert stages["first pass: motion"].count == FRAMES
    assert stages["encode"].count == FRAMES
    assert "motion" not in stages


@pytest.mark.parametrize("half", ["watch", "replay"])
@pytest.mark.parametrize("after", [0, 7])
def test_a_failure_in_either_pass_leaves_nothing_behind(folder, monkeypatch, half, after):
    monkeypatch.setattr(Rehearsal, half, failing(getattr(Rehearsal, half), after, Broken("lost the plot")))
    with pytest.raises(EraserError, match="the eraser failed: Broken: lost the plot"):
        erase(folder)
    assert_only(folder)


@pytest.mark.parametrize("frames", [3, FRAMES + 3, 2 * FRAMES + 3])
def test_an_interrupt_in_either_pass_leaves_nothing_behind(folder, frames):
    def interrupt(progress):
        if progress.frames == frames:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        erase(folder, progress=interrupt)
    assert_only(folder)


def test_masks_that_end_too_early_are_told_in_the_first_pass(folder):
    (folder / "masks" / f"{FRAMES - 1:05d}.png").unlink()
    with pytest.raises(EraserError, match="end before the video"):
        erase(folder)
    assert_only(folder)


def test_what_passes_only_once_cannot_be_read_twice(folder):
    with pytest.raises(UsageError, match="reads the input again"):
        files.erase_video("rtsp://127.0.0.1:9/stream", folder / "out.mp4", lookahead="all")


@pytest.mark.parametrize("lookahead", ["soon", -1.0, float("inf")])
def test_a_lookahead_that_is_none_is_refused(folder, lookahead):
    with pytest.raises(UsageError, match="give 0 or more seconds, or 'all'"):
        erase(folder, lookahead=lookahead)
