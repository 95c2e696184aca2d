"""What live pictures come from: devices (made up), files at their own pace, folders, stills."""

from __future__ import annotations

import os
import sys
import time

import cv2
import numpy as np
import pytest

from realtime.errors import EraserError, UsageError
from realtime.live import camera, devices
from realtime.live.camera import CameraLost, CameraRequest, open_camera
from realtime.media.opening import open_source
from tests.cli import media
from tests.live.fakes import Clock


@pytest.fixture
def clock(monkeypatch):
    """The camera's own clock, which nothing but its own waits moves."""
    clock = Clock()
    monkeypatch.setattr(camera, "time", clock)
    return clock


def read_all(source):
    """Captures until the camera ends."""
    captures = []
    while not source.ended:
        capture = source.read(0.2)
        if capture is not None:
            captures.append(capture)
    return captures


class FakeDevice:
    """A V4L2 camera as OpenCV shows it. pictures: how many it gives before it is unplugged; 0: it is busy."""

    def __init__(self, pictures=1000, opened=True, age=None):
        self.pictures, self.opened, self.age = pictures, opened, age
        self.asked: list[tuple[int, float]] = []
        self.released = False

    def isOpened(self):
        return self.opened

    def set(self, what, value):
        self.asked.append((what, value))
        return True

    def get(self, what):
        if what == cv2.CAP_PROP_POS_MSEC:
            return 0.0 if self.age is None else (time.monotonic() - self.age) * 1e3
        return 30.0 if what == cv2.CAP_PROP_FPS else 0.0

    def grab(self):
        self.pictures -= 1
        return self.pictures >= 0

    def retrieve(self):
        return True, np.full((48, 64, 3), 7, np.uint8)

    def read(self):
        return self.retrieve() if self.grab() else (False, None)

    def release(self):
        self.released = True


@pytest.fixture
def device(monkeypatch):
    """Puts a made-up camera at number 0."""

    def put(**options) -> FakeDevice:
        made = FakeDevice(**options)
        monkeypatch.setattr(cv2, "VideoCapture", lambda number, backend: made)
        monkeypatch.setattr(devices, "_check_node", lambda path, name: None)
        return made

    return put


def test_a_camera_is_asked_for_codec_first_then_size_and_rate(device):
    made = device()
    opened = open_camera(CameraRequest("0", size=(1280, 720), fps=30, fourcc="YUYV"))
    asked = [what for what, _ in made.asked]
    assert asked[:4] == [
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
        cv2.CAP_PROP_FPS,
    ]
    assert dict(made.asked)[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"YUYV")
    assert opened.size == (64, 48)
    assert opened.rate == 30.0
    opened.close()
    assert made.released


@pytest.mark.parametrize("age", [0.05, None])
def test_a_captured_time_is_the_drivers_where_it_tells_one(device, age):
    device(age=age)
    opened = open_camera(CameraRequest("0"))
    begin = time.monotonic()
    capture = opened.read(0.2)
    assert begin <= capture.captured + (age or 0.0) <= time.monotonic()


def test_an_unplugged_camera_is_lost(device):
    device(pictures=3)
    opened = open_camera(CameraRequest("0"))
    opened.read(0.2)
    opened.read(0.2)
    with pytest.raises(CameraLost, match="plugged in"):
        opened.read(0.2)


def test_a_busy_camera_is_one_clear_line_and_is_let_go(device):
    made = device(pictures=0)
    with pytest.raises(EraserError, match="another program may be using it"):
        open_camera(CameraRequest("0"))
    assert made.released
    device(opened=False)
    with pytest.raises(EraserError, match=r"cannot be opened.*--list-cameras"):
        open_camera(CameraRequest("0"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device nodes are Linux's")
def test_a_missing_camera_names_those_there_are(monkeypatch):
    monkeypatch.setattr(devices, "list_devices", lambda: [devices.Device(4, "Desk cam", "/dev/video4")])
    with pytest.raises(EraserError, match=r"/dev/video77 is missing.*4: Desk cam"):
        open_camera(CameraRequest("77"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device nodes are Linux's")
def test_a_camera_that_this_user_may_not_read_says_how_to_get_it(tmp_path, monkeypatch):
    node = tmp_path / "video0"
    node.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(EraserError, match=r"permission denied.*usermod -aG video"):
        devices.open_device(str(node), "camera 0", None)


@pytest.fixture
def sysfs(tmp_path, monkeypatch):
    """A system with two cameras, each with a node for metadata."""
    for number, (name, index) in enumerate([("Integrated Camera", 0), ("Integrated Camera", 1), ("Desk cam", 0)]):
        folder = tmp_path / f"video{number}"
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "index").write_text(f"{index}\n")
    monkeypatch.setattr(devices, "_SYSFS", tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.usefixtures("sysfs")
def test_cameras_are_listed_without_their_metadata_nodes():
    assert list(map(str, devices.list_devices())) == ["0: Integrated Camera (/dev/video0)", "2: Desk cam (/dev/video2)"]


@pytest.mark.usefixtures("sysfs")
def test_a_camera_is_found_by_a_part_of_its_name():
    assert devices.find_device("desk") == 2
    assert devices.find_device("nothing") is None
    with pytest.raises(UsageError, match="more than one"):
        devices.find_device("cam")


def test_what_is_neither_file_nor_camera_says_how_to_see_the_cameras():
    with pytest.raises(UsageError, match="--list-cameras"):
        open_camera(CameraRequest("no-such-thing.mp4"))


def test_a_file_is_played_at_its_own_rate(tmp_path, clock):
    media.clip(tmp_path / "in.mp4", 8)
    source = open_camera(CameraRequest(str(tmp_path / "in.mp4")))
    assert (source.rate, source.size) == (media.RATE, (media.WIDTH, media.HEIGHT))
    captures = read_all(source)
    assert len(captures) == 8
    assert np.diff([capture.captured for capture in captures]) == pytest.approx(np.full(7, 0.1))
    assert [capture.time for capture in captures] == pytest.approx(np.arange(8) / 10)
    assert clock.now == pytest.approx(captures[-1].captured)
    source.close()


def test_a_file_that_is_read_too_slowly_does_not_hurry_after(tmp_path, clock):
    media.clip(tmp_path / "in.mp4", 12)
    source = open_camera(CameraRequest(str(tmp_path / "in.mp4")))
    first = source.read(0.2)
    clock.sleep(camera.LATE + 0.4)
    second = source.read(0.2)
    assert second.time == pytest.approx(0.1)
    assert second.captured - first.captured == pytest.approx(camera.LATE + 0.4)
    assert source.read(0.2).captured - second.captured == pytest.approx(0.1)
    source.close()


def test_a_looped_file_goes_on_at_the_same_pace(tmp_path, clock):
    media.clip(tmp_path / "in.mp4", 4)
    source = open_camera(CameraRequest(str(tmp_path / "in.mp4"), loop=True))
    captures = [source.read(0.2) for _ in range(10)]
    assert not source.ended
    assert np.diff([capture.captured for capture in captures]) == pytest.approx(np.full(9, 0.1))
    assert captures[5].time == captures[1].time
    assert media.difference(captures[0].image, captures[4].image) < 1
    source.close()


@pytest.mark.usefixtures("clock")
def test_a_folder_of_pictures_comes_at_the_rate_asked_for(tmp_path):
    media.write_folder(tmp_path / "in", media.pictures(6))
    source = open_camera(CameraRequest(str(tmp_path / "in"), fps=50))
    captures = read_all(source)
    assert source.rate == 50
    assert np.diff([capture.captured for capture in captures]) == pytest.approx(np.full(5, 0.02))


def test_pictures_of_an_address_come_at_the_rate_asked_for(tmp_path, monkeypatch):
    class Ending:
        """What an address gives that has an end."""

        length = 6

        def __init__(self, address, patience):
            pass

        def close(self):
            pass

    folder = open_source(str(media.write_folder(tmp_path / "in", media.pictures(6))))
    monkeypatch.setattr(camera, "NetworkCamera", Ending)
    monkeypatch.setattr(camera, "open_source", lambda address: folder)
    assert open_camera(CameraRequest("http://127.0.0.1:9/pictures", fps=50)).rate == 50


def test_a_still_comes_once_and_never_ends(tmp_path):
    cv2.imwrite(str(tmp_path / "in.png"), media.background())
    source = open_camera(CameraRequest(str(tmp_path / "in.png")))
    assert source.still
    assert source.read(0.01).image.shape == (media.HEIGHT, media.WIDTH, 3)
    assert source.read(0.01) is None
    assert not source.ended


@pytest.mark.parametrize(
    ("name", "complaint"), [("missing.png", "no file"), ("http://127.0.0.1:9/x", "cannot be opened")]
)
def test_what_cannot_be_opened_is_one_clear_line(tmp_path, name, complaint):
    with pytest.raises(EraserError, match=complaint) as caught:
        open_camera(CameraRequest(name if "://" in name else str(tmp_path / name)))
    assert "\n" not in str(caught.value)
