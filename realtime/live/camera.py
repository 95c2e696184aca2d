"""Where live pictures come from: a camera, a file played at its own rate, an address, a folder or one picture.

    camera = open_camera(CameraRequest("0", size=(1280, 720), fps=30))
    while not camera.ended:
        capture = camera.read(0.2)
        if capture is not None:
            show(capture.image)

A camera is opened in one thread and then read and closed in another, never in two at a time.
"""

from __future__ import annotations

import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import av
import av.error
import cv2
import numpy as np
from av.container import InputContainer

from realtime.errors import EraserError, UsageError
from realtime.frame import Frame
from realtime.live.devices import find_device, open_device
from realtime.media.image_source import is_pattern
from realtime.media.opening import open_source
from realtime.media.planes import rotation_of, to_writable, upright_image
from realtime.media.source import Source

LATE = 0.5  # seconds that a file may lag behind its clock before the clock is put back
FIRST_PATIENCE, LONGEST_PATIENCE = 1.5, 6.0  # seconds without data before an address is opened anew
OPENING = 5.0  # seconds that an address may take to answer
_BUFFERED = 1  # pictures that a camera's driver may keep: old ones must not pile up


class Capture(NamedTuple):
    """A picture, (H, W, 3) uint8 BGR, and when it was captured, time.monotonic() in seconds.

    time: of a file's picture, seconds from the file's beginning; None where it comes from elsewhere.
    """

    image: np.ndarray
    captured: float
    time: float | None = None


class CameraLost(EraserError):
    """The source gives nothing any more, but may again when it is opened anew."""


@dataclass(frozen=True, slots=True)
class CameraRequest:
    """What the user asked for.

    source: number or name of a camera, /dev/videoN, a file, an address, a folder, a picture. size: (width, height) and
    fourcc (like MJPG) that a camera is asked for; backend: what reads it, None for what the system prefers. fps: what a
    camera is asked for, and the rate of a folder of pictures; None for their own. loop: play a file over and over.
    """

    source: str
    size: tuple[int, int] | None = None
    fps: float | None = None
    backend: str | None = None
    fourcc: str | None = None
    loop: bool = False


class Camera(ABC):
    """Pictures as they come.

    name: for messages. size: (width, height), pixels. rate: frames per second, None where unknown. still: it is one
    picture that never changes. paced: it keeps its own time, so that a long wait for a picture is no fault. ended:
    there is nothing more to read.
    """

    name: str
    size: tuple[int, int]
    rate: float | None = None
    still: bool = False
    paced: bool = False
    ended: bool = False

    @abstractmethod
    def read(self, timeout: float) -> Capture | None:
        """The next picture; None where none came within about `timeout` seconds, or none will. Raises CameraLost."""

    @abstractmethod
    def close(self) -> None:
        """Free the device; may be called twice."""


class FileCamera(Camera):
    """A file, folder or sequence at its own pace, in real time: what is not taken in time is late, not slower."""

    paced = True

    def __init__(self, source: Source, *, fps: float | None = None, loop: bool = False) -> None:
        """fps: for pictures that have no times of their own. loop: begin again at the end."""
        self.name = source.path
        self.size = source.info.width, source.info.height
        self._source = source
        self._loop = loop
        own = float(source.info.rate) if source.info.rate else None
        pictures = source.info.codec == ""
        self._speed = fps / own if fps and own and pictures else 1.0
        self.rate = own and own * self._speed
        self._frames = iter(source)
        self._next: Frame | None = None
        self._last_time = 0.0
        self._start: float | None = None  # on the monotonic clock: when a frame of time 0 is due

    def read(self, timeout: float) -> Capture | None:
        if self._next is None:
            self._next = self._decode()
        if self._next is None:
            self.ended = True
            return None
        now, position = time.monotonic(), self._next.time / self._speed
        if self._start is None or now - (self._start + position) > LATE:
            self._start = now - position
        due = self._start + position
        time.sleep(max(0.0, min(due - now, timeout)))
        if due - now > timeout:
            return None
        frame, self._next = self._next, None
        return Capture(frame.image, due, frame.time - float(self._source.origin))

    def _decode(self) -> Frame | None:
        """The next frame, from the beginning again after the last where the file is looped."""
        frame = next(self._frames, None)
        if frame is None and self._loop and self._start is not None:
            self._source.close()
            self._source = open_source(self.name)
            self._frames = iter(self._source)
            frame = next(self._frames, None)
            if frame is not None:
                self._start += (self._last_time + 1 / (self.rate or 25.0) * self._speed - frame.time) / self._speed
        if frame is not None:
            self._last_time = frame.time
        return frame

    def close(self) -> None:
        self._source.close()


class StillCamera(Camera):
    """One picture: given once, then there is nothing new, and no end."""

    still = True

    def __init__(self, source: Source) -> None:
        self.name = source.path
        self.size = source.info.width, source.info.height
        self._frames = iter(source)

    def read(self, timeout: float) -> Capture | None:
        frame = next(self._frames, None)
        if frame is None:
            time.sleep(timeout)
            return None
        return Capture(frame.image, time.monotonic())

    def close(self) -> None:
        pass


class DeviceCamera(Camera):
    """A camera on this machine, read by OpenCV."""

    def __init__(self, request: CameraRequest, device: int | str) -> None:
        """Open the device and wait for its first picture. Raises EraserError in one line where there is none."""
        self.name = f"camera {request.source}"
        self._capture = open_device(device, self.name, request.backend)
        # The codec first: it decides which sizes and rates there are.
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*(request.fourcc or "MJPG")))
        if request.size is not None:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, request.size[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, request.size[1])
        if request.fps is not None:
            self._capture.set(cv2.CAP_PROP_FPS, request.fps)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, _BUFFERED)
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or None
        good, image = self._capture.read()
        if not good or image is None:
            self.close()
            raise CameraLost(
                f"{self.name} gives no picture: another program may be using it. Close that, or try another --backend "
                "or --fourcc"
            )
        self.size = image.shape[1], image.shape[0]

    def read(self, timeout: float) -> Capture | None:
        if not self._capture.grab():
            raise CameraLost(f"{self.name} gives no pictures: is it still plugged in?")
        captured = _captured(self._capture, time.monotonic())
        good, image = self._capture.retrieve()
        if not good or image is None:
            return None  # a damaged picture; the next one is on its way
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        return Capture(image, captured)

    def close(self) -> None:
        self._capture.release()


def _captured(capture: cv2.VideoCapture, now: float) -> float:
    """When the driver took the picture, where it tells that on the monotonic clock (V4L2 does); else now."""
    told = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
    return told if now - 1.0 < told <= now else now


class NetworkCamera(Camera):
    """An address that FFmpeg opens (RTSP, MJPEG over HTTP, ...), read as fast as data come, decoded without delay."""

    def __init__(self, address: str, patience: float = FIRST_PATIENCE) -> None:
        """patience: seconds without data after which it counts as lost. Raises CameraLost where it cannot be opened."""
        self.name = address
        self._container = _open_address(address, patience)
        try:
            self._stream = next(iter(self._container.streams.video))
            self._stream.thread_type = "SLICE"  # type: ignore[assignment]  # threads by frame would each add a delay
            self.rate = float(self._stream.average_rate or self._stream.guessed_rate or 0) or None
            self.length = self._container.duration
        except StopIteration:
            self.close()
            raise EraserError(f"{address} has no video stream: check the address") from None
        self._pictures = self._decode()
        self.size = self._first_size()

    def _first_size(self) -> tuple[int, int]:
        """(width, height) of the first picture, upright: the stream's own word is not always right, or there yet."""
        try:
            capture = self.read(0)
        except CameraLost:
            self.close()
            raise
        return capture.image.shape[1], capture.image.shape[0]

    def read(self, timeout: float) -> Capture:
        """The next picture, however long it takes; CameraLost where that is longer than the patience."""
        try:
            return next(self._pictures)
        except StopIteration:
            raise CameraLost(f"{self.name} has ended the transmission") from None
        except (av.error.FFmpegError, OSError) as error:
            raise CameraLost(f"{self.name} has broken off ({_reason(error)})") from error

    def _decode(self) -> Iterator[Capture]:
        for packet in self._container.demux(self._stream):
            captured = time.monotonic()
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue  # a damaged picture; the next one is on its way
            for frame in frames:
                rotation = rotation_of(frame)
                yield Capture(upright_image(to_writable(frame), rotation), captured)

    def close(self) -> None:
        self._container.close()


def _open_address(address: str, patience: float) -> InputContainer:
    options = {"fflags": "nobuffer", "flags": "low_delay", "analyzeduration": "1000000"}
    if address.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    try:
        return av.open(address, options=options, timeout=(OPENING, patience), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise CameraLost(f"{address} cannot be opened ({_reason(error)}): check the address and the network") from error


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


def open_camera(request: CameraRequest, patience: float = FIRST_PATIENCE) -> Camera:
    """Open what the request names. Raises EraserError in one line that says what to do; CameraLost where it may come
    up later.

    patience: seconds without data after which an address counts as lost.
    """
    source = request.source
    if "://" in source:
        camera = NetworkCamera(source, patience)
        if camera.length is None:
            return camera
        camera.close()  # it has an end, so it is a file that lies elsewhere
        return FileCamera(open_source(source), fps=request.fps, loop=request.loop)
    if re.fullmatch(r"\d+", source):
        return DeviceCamera(request, int(source))
    if source.startswith("/dev/"):
        return DeviceCamera(request, source)
    if os.path.exists(source) or is_pattern(source):
        opened = open_source(source)
        if opened.info.still:
            return StillCamera(opened)
        return FileCamera(opened, fps=request.fps, loop=request.loop)
    device = find_device(source)
    if device is None:
        raise UsageError(
            f"there is no file, folder or camera '{source}': check the path, or see the cameras with --list-cameras"
        )
    return DeviceCamera(request, device)
