"""A network camera that misbehaves, as the live loop sees it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from realtime.errors import EraserError
from realtime.live import loop
from realtime.live.camera import CameraLost, CameraRequest, open_camera
from realtime.live.capturing import Capturing
from realtime.live.control import Control
from tests.live.fakes import NEVER, Parts, running, until
from tests.live.network_camera import NetworkCamera


@pytest.fixture(autouse=True)
def _all_threads_end():
    yield
    until(lambda: not running())


@pytest.fixture
def camera():
    with NetworkCamera() as served:
        yield served


def watched(camera: NetworkCamera) -> Parts:
    """A loop that looks at the network camera."""
    parts = Parts(fps=30)
    parts.capturing.discard()
    parts.loop._capturing = parts.capturing = Capturing(
        lambda patience: open_camera(CameraRequest(camera.address), patience)
    )
    return parts


def test_pictures_of_a_network_camera_come_as_they_are_sent(camera):
    source = open_camera(CameraRequest(camera.address))
    assert source.size == camera.size
    captures = [source.read(1.0) for _ in range(20)]
    assert captures[5].image.shape == (120, 160, 3)
    times = [capture.captured for capture in captures]
    assert times == sorted(times)
    squares = [capture.image[65, :, 0].argmax() for capture in captures]
    assert np.diff(squares[5:]) == pytest.approx(np.full(14, 3), abs=1)
    source.close()


def test_a_connection_that_breaks_off_is_lost(camera):
    source = open_camera(CameraRequest(camera.address))
    source.read(1.0)
    camera.broken.set()
    with pytest.raises(CameraLost):
        for _ in range(100):
            source.read(1.0)
    source.close()


def test_a_camera_that_is_silent_is_lost_when_the_patience_is_over(camera):
    source = open_camera(CameraRequest(camera.address), patience=0.5)
    source.read(1.0)
    camera.stalled.set()
    with pytest.raises(CameraLost, match="broken off"):
        for _ in range(1000):
            source.read(1.0)
    source.close()


def test_an_address_that_answers_with_something_else_is_one_clear_line(camera):
    camera.away.set()
    with pytest.raises(EraserError, match="cannot be opened"):
        open_camera(CameraRequest(camera.address))


def test_a_picture_of_another_size_goes_through(camera):
    parts = watched(camera)

    def act(shown) -> None:
        if len(parts.shown) == 15:
            camera.size = (320, 240)
        if shown.result.image.shape[0] == 240 and len(parts.shown) > 40:
            parts.loop.control(Control.QUIT)

    parts.run(act)
    sizes = [shown.result.image.shape[:2] for shown in parts.shown]
    assert sizes[0] == (120, 160)
    assert sizes[-1] == (240, 320)


@pytest.mark.parametrize("trouble", ["broken", "stalled"])
def test_a_camera_that_comes_back_is_seen_again(camera, trouble, monkeypatch):
    monkeypatch.setattr(loop, "STALLED", 0.3)
    parts = watched(camera)
    event = getattr(camera, trouble)
    times: dict[str, float] = {}

    def act(shown) -> None:
        if len(parts.shown) == 15:
            camera.away.set()
            event.set()
        if len(parts.shown) > 15 and not shown.status.connected and "told" not in times:
            times["told"] = time.monotonic()
            camera.away.clear()
            event.clear()
        if "told" in times and shown.status.connected and time.monotonic() > times["told"] + 0.5:
            times["connected"] = time.monotonic()
            parts.loop.control(Control.QUIT)

    parts.run(act)
    assert {"told", "connected"} <= times.keys()


def test_the_end_does_not_wait_for_a_camera_that_is_silent(camera):
    parts = watched(camera)

    def act(shown) -> None:
        if len(parts.shown) == 10:
            camera.stalled.set()
            parts.loop.control(Control.QUIT)

    begin = time.monotonic()
    parts.run(act)
    assert time.monotonic() - begin < NEVER
