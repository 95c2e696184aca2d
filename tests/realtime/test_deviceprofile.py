"""What was measured on this machine is used; what was measured elsewhere, or with other weights, is not."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest

from realtime import deviceprofile
from realtime.deviceprofile import FrameTime, NetworkTime, Profile, best_size, describe, load_profile, profile_path
from realtime.live.forecast import forecast
from realtime.live.governor import Level
from realtime.models import Models
from realtime.segment import Segmenter
from tests.realtime.fakes import PaintingFiller, RedEngine

SHA = "a" * 64


def network(size=(96, 160), p50=10.0, **changes):
    time = NetworkTime("segmenter", "red", SHA, "fake", "cpu", "fp32", size, p50, 2 * p50)
    return replace(time, **changes)


def profile(*networks, frames=()):
    return Profile(describe(), "2026-01-01", networks, frames)


def engine(sizes=((96, 160),)):
    made = RedEngine()
    made.precision = "fp32"
    made.card = SimpleNamespace(**vars(made.card) | {"task": "segmenter", "sha256": SHA, "sizes": sizes})
    return made


def test_a_profile_is_read_as_it_was_written(tmp_path):
    made = profile(network(), network((192, 320), 30.0), frames=(FrameTime("cpu", (720, 1280), 20.0),))
    made.write(tmp_path / "deep" / "device.json")
    assert load_profile(tmp_path / "deep" / "device.json") == made
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["device.json"]


def test_no_profile_is_no_error_and_debug_says_how_to_make_one(tmp_path, caplog):
    with caplog.at_level(logging.DEBUG, "realtime"):
        assert load_profile(tmp_path / "device.json") is None
    assert "calib.device" in caplog.text


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"version": 9}', '{"version": 1, "machine": []}'])
def test_a_damaged_profile_is_not_used(tmp_path, caplog, text):
    path = tmp_path / "device.json"
    path.write_text(text)
    with caplog.at_level(logging.DEBUG, "realtime"):
        assert load_profile(path) is None
    assert "can't be read" in caplog.text


def test_a_profile_of_another_machine_is_not_used(tmp_path, caplog):
    replace(profile(network()), machine=describe() | {"GPU": "a faster one"}).write(tmp_path / "device.json")
    with caplog.at_level(logging.DEBUG, "realtime"):
        assert load_profile(tmp_path / "device.json") is None
    assert "of another machine (GPU)" in caplog.text


def test_times_of_other_weights_are_not_used(caplog):
    with caplog.at_level(logging.DEBUG, "realtime"):
        assert profile(network(sha256="b" * 64)).network(engine(), (96, 160)) is None
        assert profile(network(runtime="tensorrt")).network(engine(), (96, 160)) is None
    assert "measured with other weights" in caplog.messages[0]
    assert "was not measured" in caplog.messages[1]


def test_times_between_measured_sizes_lie_between_and_beyond_them_grow_with_the_pixels():
    known = profile(network((100, 100), 10.0), network((200, 200), 40.0))
    assert known.network(engine(), (100, 200)) == pytest.approx(20.0)
    assert known.network(engine(), (400, 400)) == pytest.approx(160.0)
    assert known.network(engine(), (50, 100)) == pytest.approx(5.0)


def test_a_file_takes_the_largest_recommended_size_that_runs_in_time():
    sizes = ((96, 160), (192, 320), (384, 640))
    known = profile(network(sizes[0], 10.0), network(sizes[1], 40.0), network(sizes[2], 160.0))
    assert best_size(known, engine(sizes), 50.0) == sizes[1]
    assert best_size(known, engine(sizes), 1.0) == sizes[0]
    assert best_size(None, engine(sizes), 50.0) == sizes[0]
    segmenter = Segmenter(engine(sizes))
    Models(segmenter, PaintingFiller(), "red", "cpu", "fake").suit(known)
    assert segmenter.default_size == sizes[1]


def test_the_forecast_counts_the_networks_runs_and_the_pixels_of_the_plate():
    models = Models(Segmenter(engine()), PaintingFiller(), "red", "cpu", "fake")
    known = profile(network(p50=30.0), frames=(FrameTime("cpu", (720, 1280), 20.0),))
    seconds = forecast(known, models, 30.0, (720, 1280))
    assert seconds is not None
    assert seconds(Level(0.0)) == pytest.approx(0.065, rel=0.1)  # and half as long again: people are looked at closer
    assert seconds(Level(0.0, closer=False)) == pytest.approx(0.050, rel=0.1)
    assert seconds(Level(0.1, closer=False)) == pytest.approx(0.030, rel=0.1)  # every third frame
    assert seconds(Level(0.1, 1.0, 0.5, closer=False)) == pytest.approx(0.015, rel=0.1)
    assert forecast(None, models, 30.0, (720, 1280)) is None
    assert forecast(profile(network()), models, 30.0, (720, 1280)) is None


def test_the_place_is_the_one_that_the_user_names(tmp_path, monkeypatch):
    monkeypatch.setenv("ERASER_CONFIG", str(tmp_path))
    assert profile_path() == tmp_path / "device.json"
    profile(network()).write(profile_path())
    assert load_profile() is not None
    assert json.loads(profile_path().read_text())["version"] == deviceprofile.VERSION
