"""Worker processes: each dies for itself, and none outlives the batch."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from realtime.batch import local
from realtime.batch.driver import TRIES, Driver
from realtime.batch.journal import Journal
from realtime.batch.local import LocalPool
from realtime.batch.tasks import Finished, Told
from realtime.batch.tree import Video
from tests.batch.pools import Log, Say, Sleep

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are killed as on POSIX")


def test_a_killed_worker_costs_its_file_some_tries_and_no_other_file_anything(tmp_path: Path):
    for name in ("graves", "peace", "out", "shop"):
        (tmp_path / name).mkdir()
    videos = [Video(name, tmp_path / name, tmp_path / "out" / name) for name in ("fatal", "once", "well")]
    for video in videos:
        video.input.touch()
        (tmp_path / "graves" / video.name).mkdir()
    deaths = {"fatal": 99, "once": 1, "well": 0}

    def way(video):
        (said,) = yield [Say(video.name, deaths[video.name], tmp_path / "graves" / video.name)]
        return said

    with Journal(tmp_path / "out") as journal, LocalPool(2, 1) as pool:
        outcomes = Driver(journal, tmp_path / "shop", pool, way, "o", False, None).run(videos)
    assert [outcome.state for outcome in outcomes] == ["failed", "done", "done"]
    assert "killed" in outcomes[0].detail
    assert len(list((tmp_path / "graves" / "fatal").iterdir())) == TRIES
    assert len(list((tmp_path / "graves" / "once").iterdir())) == 1
    assert (tmp_path / "out" / "once").read_text() == "once"
    assert not (tmp_path / "out" / "fatal").exists()


def test_closing_ends_what_is_being_done(tmp_path: Path):
    pool = LocalPool(1, 1)
    pool.submit(7, tmp_path, Sleep())
    deadline = time.monotonic() + 60
    while not (events := pool.wait(1.0)):
        assert time.monotonic() < deadline
    assert events == [Told(7, 1, 2)]
    begun = time.monotonic()
    pool.close()
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
def test_workers_log_what_the_batch_does(tmp_path: Path, level: int, caplog, capfd):
    with caplog.at_level(level, "realtime"), LocalPool(1, 1) as pool:
        pool.submit(7, tmp_path, Log())
        deadline = time.monotonic() + 60
        while not (events := pool.wait(1.0)):
            assert time.monotonic() < deadline
    assert events == [Finished(7, None)]
    assert ("eraser: it works" in capfd.readouterr().err) == (level == logging.DEBUG)


@pytest.mark.parametrize("code", [-11, -40])
def test_whatever_signal_ends_a_worker_has_words(code: int):
    assert local._death(code).startswith("its worker crashed (")
