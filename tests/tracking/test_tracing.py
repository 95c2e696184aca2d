"""The pass that follows chosen objects before any other: what it reads, heeds and tells."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from realtime.edits import Add, Erase, People, Subtract, TimedEdit
from realtime.media.opening import open_source
from realtime.shots import Shot
from realtime.tracking import tracing
from realtime.tracking.tracing import Plan
from tests.cli import media
from tests.realtime.pictures import disc, put

FRAMES = 12
BALL = put(media.background(), disc(media.HEIGHT, media.WIDTH, 60, 48, 14), (230, 30, 20))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return media.write_video(tmp_path_factory.mktemp("clip") / "in.mp4", [BALL] * FRAMES)


def trace(folder, clip, edits, cuts=(), start=None, progress=lambda each: None):
    shots = [Shot(*bounds) for bounds in itertools.pairwise((0, *cuts, math.inf))]
    plan = Plan(None, (), 0.05, (media.HEIGHT, media.WIDTH))
    return tracing.trace(str(clip), shots, edits, plan, folder, 0.0, start, None, progress)


def test_a_shot_is_closed_before_the_next_one_is_read(tmp_path, clip, monkeypatch):
    opened, closed = [], []

    def watched(*arguments, **options):
        assert closed == opened
        source = open_source(*arguments, **options)
        close = source.close
        source.close = lambda: (close(), closed.append(source))
        opened.append(source)
        return source

    monkeypatch.setattr(tracing, "open_source", watched)
    trace(tmp_path, clip, [TimedEdit(time, Erase(60, 48)) for time in (0.1, 0.5, 0.9)], cuts=(0.4, 0.8))
    assert len(opened) == 3
    assert closed == opened


@pytest.mark.parametrize("erase", [True, False])
def test_what_was_said_of_all_people_before_the_start_holds(tmp_path, clip, erase):
    done = trace(tmp_path, clip, [TimedEdit(0.1, People(erase))], start=0.5)
    assert done.people == [(0.1, erase)]
    assert done.unused == []


@pytest.mark.parametrize(
    "edits",
    [
        [TimedEdit(0.5, Erase(60, 48))],
        [TimedEdit(0, Erase(60, 48))],
        [TimedEdit(0.2, Subtract(10, 10)), TimedEdit(0.7, Erase(60, 48)), TimedEdit(1.0, Add(62, 48))],
    ],
)
def test_the_progress_ends_with_the_shots_last_frame_however_often_it_is_walked(tmp_path, clip, edits):
    told = []
    trace(tmp_path, clip, edits, progress=told.append)
    frames = [progress.frames for progress in told]
    assert np.diff(frames).min() >= 0
    assert frames[-1] == FRAMES
