"""A network camera that misbehaves, as the live loop sees it."""

from __future__ import annotations

import time

import pytest

from realtime.errors import EraserError
from realtime.live import loop
from realtime.live.camera import CameraLost, CameraRequest, open_camera
from realtime.live.capturing import Capturing
from realtime.live.control import Control
from tests.live.fakes import Parts, running
from tests.live.network_camera import NetworkCamera


@pytest.fixture(autouse=True)
def _all_threads_end():
    yield
    deadline = time.monotonic() + 2
    while running() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not running()


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


def until(condition, seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_pictures_of_a_network_camera_come_as_they_are_sent(camera):
    source = open_camera(CameraRequest(camera.address))
    assert source.size == camera.size
    captures = [source.read(1.0) for _ in range(20)]
    assert captures[5].image.shape == (120, 160, 3)
    span = captures[-1].captured - captures[5].captured
    assert span == pytest.approx(14 / camera.rate, rel=0.4)
    assert time.monotonic() - captures[-1].captured < 0.2
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
    begin = time.monotonic()
    with pytest.raises(CameraLost, match="broken off"):
        for _ in range(100):
            source.read(1.0)
    assert time.monotonic() - begin < 2
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
            times["gone"] = time.monotonic()
        if "gone" in times and not shown.status.connected and "told" not in times:
            times["told"] = time.monotonic()
            camera.away.clear()
            event.clear()
        if "told" in times and shown.status.connected and time.monotonic() > times["told"] + 0.5:
            parts.loop.control(Control.QUIT)

    parts.run(act, seconds=15)
    assert times["told"] - times["gone"] < 1.5
    assert parts.shown[-1].status.connected
    assert parts.shown[-1].status.message is None or parts.capturing.reconnects <= 1


def test_the_end_does_not_wait_for_a_camera_that_is_silent(camera):
    parts = watched(camera)
    begin = 0.0

    def act(shown) -> None:
        nonlocal begin
        if len(parts.shown) == 10:
            camera.stalled.set()
            begin = time.monotonic()

    parts.run(act, seconds=1.5)
    assert time.monotonic() - begin < 1.5 + 2.0
