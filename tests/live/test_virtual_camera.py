"""The camera that other programs see, with a stand-in for pyvirtualcam."""

from __future__ import annotations

import enum
import sys
import types
from typing import ClassVar

import numpy as np
import pytest

from realtime.errors import EraserError
from realtime.live.virtual_camera import VirtualCamera
from tests.live.fakes import SIZE, FakeCamera, Parts


class PixelFormat(enum.Enum):
    BGR = "24BG"


class Device:
    """A loopback device. fails: what opening or sending raises."""

    opened: ClassVar[list[Device]] = []
    fails: ClassVar[dict[str, Exception]] = {}

    def __init__(self, width, height, fps, *, fmt):
        if "open" in self.fails:
            raise self.fails["open"]
        self.asked = width, height, fps, fmt
        self.device = "/dev/video9"
        self.sent: list[np.ndarray] = []
        self.closed = False
        self.opened.append(self)

    def send(self, image):
        if "send" in self.fails:
            raise self.fails["send"]
        self.sent.append(image)

    def close(self):
        self.closed = True


@pytest.fixture
def device(monkeypatch):
    module = types.ModuleType("pyvirtualcam")
    module.Camera, module.PixelFormat = Device, PixelFormat
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    monkeypatch.setattr(Device, "opened", [])
    monkeypatch.setattr(Device, "fails", {})
    return Device


def with_virtual_camera(parts: Parts) -> Parts:
    parts.recording._virtual = VirtualCamera(*SIZE, 60)
    return parts


def test_other_programs_get_every_picture_and_the_camera_is_closed(device):
    parts = with_virtual_camera(Parts(lambda: FakeCamera(pictures=30)))
    parts.run()
    (camera,) = device.opened
    assert camera.asked == (*SIZE, 60, PixelFormat.BGR)
    assert len(camera.sent) + parts.recording.skipped >= len(parts.shown) > 10
    assert camera.sent[0].shape == (SIZE[1], SIZE[0], 3)
    assert camera.closed


def test_a_picture_of_another_size_is_scaled(device):
    camera = VirtualCamera(64, 48, 30)
    camera.write(np.zeros((96, 128, 3), np.uint8))
    assert device.opened[0].sent[0].shape == (48, 64, 3)


def test_a_device_that_fails_is_a_message_and_the_pictures_go_on(device):
    parts = with_virtual_camera(Parts(lambda: FakeCamera(pictures=40)))
    device.fails["send"] = OSError("no such device")
    parts.run()
    assert len(parts.shown) > 20
    assert any("virtual camera /dev/video9 has failed" in (shown.status.message or "") for shown in parts.shown)
    assert device.opened[0].closed


def test_without_a_device_it_says_how_to_get_one(device):
    device.fails["open"] = RuntimeError("no backend\nhas a device")
    with pytest.raises(EraserError, match="there is no virtual camera") as caught:
        VirtualCamera(64, 48, 30)
    assert "\n" not in str(caught.value)


def test_without_the_package_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(EraserError, match="pip install"):
        VirtualCamera(64, 48, 30)
