"""The cameras of this machine: which there are, and how to open one so that a refusal is one clear line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from realtime.errors import EraserError, UsageError

_SYSFS = Path("/sys/class/video4linux")
_LISTED_BY = {"darwin": "avfoundation", "win32": "dshow"}  # FFmpeg's names for the systems' camera interfaces
BACKENDS = {
    "v4l2": cv2.CAP_V4L2,
    "gstreamer": cv2.CAP_GSTREAMER,
    "avfoundation": cv2.CAP_AVFOUNDATION,
    "dshow": cv2.CAP_DSHOW,
    "msmf": cv2.CAP_MSMF,
}
_PREFERRED = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


@dataclass(frozen=True, slots=True)
class Device:
    """A camera: its number, what the system calls it, its path where it has one."""

    index: int
    name: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.index}: {self.name}" + (f" ({self.path})" if self.path else "")


def list_devices() -> list[Device]:
    """The cameras that this system tells of."""
    return sorted(_of_sysfs() if sys.platform.startswith("linux") else _of_ffmpeg(), key=lambda device: device.index)


def _of_sysfs() -> Iterator[Device]:
    for folder in _SYSFS.glob("video*") if _SYSFS.is_dir() else ():
        number = re.fullmatch(r"video(\d+)", folder.name)
        # A camera has further nodes for metadata; pictures come from its first.
        if number is not None and _line(folder / "index", "0") == "0":
            yield Device(int(number[1]), _line(folder / "name", folder.name), f"/dev/{folder.name}")


def _of_ffmpeg() -> Iterator[Device]:
    from av.device import enumerate_input_devices

    kind = _LISTED_BY.get(sys.platform)
    if kind is None:
        return
    try:
        found = enumerate_input_devices(kind)
    except (OSError, ValueError):
        return
    cameras = (device for device in found if "video" in device.media_types)
    for index, device in enumerate(cameras):
        yield Device(index, device.description or device.name)


def _line(path: Path, otherwise: str) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or otherwise
    except OSError:
        return otherwise


def find_device(name: str) -> int | None:
    """The number of the camera whose name contains `name`, None where there is none; UsageError where there are two."""
    found = [device for device in list_devices() if name.lower() in device.name.lower()]
    exact = [device for device in found if device.name.lower() == name.lower()]
    found = exact or found
    if len(found) > 1:
        names = "; ".join(map(str, found))
        raise UsageError(f"'{name}' names more than one camera ({names}): give the number")
    return found[0].index if found else None


def open_device(device: int | str, name: str, backend: str | None) -> cv2.VideoCapture:
    """A camera that is open. device: its number or path. Raises EraserError in one line that says what to do."""
    if sys.platform.startswith("linux"):
        _check_node(f"/dev/video{device}" if isinstance(device, int) else device, name)
    wanted = BACKENDS[backend or _preferred()]
    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_SILENT
    )  # what OpenCV has to say about a camera that fails is said in one line here
    capture = cv2.VideoCapture(device, wanted)
    if not capture.isOpened():
        capture.release()
        raise EraserError(
            f"{name} cannot be opened: another program may be using it, or this --backend may not suit it; see "
            "--list-cameras"
        )
    return capture


def _preferred() -> str:
    return next((name for system, name in _PREFERRED.items() if sys.platform.startswith(system)), "v4l2")


def _check_node(path: str, name: str) -> None:
    """Raise EraserError where Linux has no such camera, or does not let this user have it."""
    if not os.path.exists(path):
        listed = "; ".join(map(str, list_devices())) or "this system tells of no camera at all"
        raise EraserError(f"{name} is not there ({path} is missing): plug it in, or choose another ({listed})")
    if not os.access(path, os.R_OK | os.W_OK):
        raise EraserError(
            f"{name} is not for this user to read: permission denied for {path}. Join its group, usually with "
            "'sudo usermod -aG video $USER', and log in again"
        )
