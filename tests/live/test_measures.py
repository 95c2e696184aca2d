"""What is measured of the loop, and how a fast source is thinned out."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from realtime.live.camera import Camera, Capture
from realtime.live.capturing import Capturing
from realtime.live.measures import Presented


def test_rate_and_latency_are_of_the_last_second():
    presented = Presented(30)
    for index in range(90):
        presented.add(index / 30, index / 30 + (0.02 if index < 45 else 0.05))
    assert presented.fps == pytest.approx(30)
    assert presented.latency_ms == pytest.approx(50)
    assert presented.rate == pytest.approx(30, rel=0.02)
    assert presented.latency.p50 == pytest.approx(35, abs=16)
    assert presented.repeated == 1  # when it fell behind


@pytest.mark.parametrize(("gap", "repeated"), [(1.0, 0), (1.6, 0), (1.8, 1), (2.0, 1), (3.9, 3), (10.0, 9)])
def test_a_gap_of_some_frames_repeats_the_picture_before(gap, repeated):
    presented = Presented(30)
    presented.add(0.0, 0.0)
    presented.add(0.0, gap / 30)
    assert presented.repeated == repeated


def test_a_pause_is_neither_repeated_pictures_nor_a_lower_rate():
    presented = Presented(30)
    for start in (0.0, 100.0):
        for index in range(30):
            presented.add(start, start + index / 30)
        presented.pause()
    assert presented.repeated == 0
    assert presented.rate == pytest.approx(30)


class Clocked(Camera):
    """Pictures at given times, without waiting."""

    def __init__(self, times, rate):
        self.name, self.size, self.rate = "clocked", (4, 4), rate
        self._times = iter(times)

    def read(self, timeout):
        time = next(self._times, None)
        self.ended = time is None
        return None if time is None else Capture(np.zeros((4, 4, 3), np.uint8), time)

    def close(self):
        pass


def handed_on(times, rate, fps) -> int:
    capturing = Capturing(lambda patience: Clocked(times, rate), fps)
    thread = threading.Thread(target=capturing.run)
    thread.start()
    thread.join(5)
    return capturing.captured


def test_a_source_of_unknown_rate_gives_no_more_than_was_asked_for():
    assert handed_on(100 + np.arange(600) / 60, None, 30) == pytest.approx(300, abs=2)


@pytest.mark.parametrize(("rate", "fps", "expected"), [(60, 30, 300), (50, 30, 300), (120, 24, 240), (30, 30, 300)])
def test_a_source_faster_than_asked_is_thinned_out_evenly(rate, fps, expected):
    times = 100 + np.arange(10 * rate) / rate
    assert handed_on(times, rate, fps) == pytest.approx(expected, abs=2)


def test_a_source_that_is_not_punctual_is_not_thinned_out():
    times = 100 + np.arange(300) / 30 + np.random.default_rng(1).uniform(0, 0.03, 300)
    assert handed_on(times, 30, 30) == 300
