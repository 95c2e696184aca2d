"""A camera that other programs see: what is shown, through pyvirtualcam."""

from __future__ import annotations

import sys
from typing import Any

import cv2
import numpy as np

from realtime.errors import EraserError

_ADVICE = {
    "linux": "load the loopback driver with 'sudo modprobe v4l2loopback exclusive_caps=1'",
    "darwin": "install OBS, and start and stop its virtual camera once",
    "win32": "install OBS, which brings a virtual camera",
}


class VirtualCamera:
    """Owned by the record thread once it is open."""

    def __init__(self, width: int, height: int, fps: float) -> None:
        """Raises EraserError where pyvirtualcam or a loopback device is missing."""
        try:
            import pyvirtualcam
        except ImportError as error:
            raise EraserError(
                "--virtual-camera needs the package pyvirtualcam: pip install 'object-eraser[live]'"
            ) from error
        try:
            self._camera: Any = pyvirtualcam.Camera(width, height, fps, fmt=pyvirtualcam.PixelFormat.BGR)
        except RuntimeError as error:
            advice = next((text for system, text in _ADVICE.items() if sys.platform.startswith(system)), "install one")
            reason = " ".join(str(error).split()).rstrip(".")
            raise EraserError(f"there is no virtual camera to write to ({reason}): {advice}") from error
        self.name = str(self._camera.device)
        self._size = width, height

    def write(self, image: np.ndarray) -> None:
        """Show a picture, (H, W, 3) uint8 BGR, scaled where its size has changed. EraserError where that fails."""
        if image.shape[1::-1] != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        try:
            self._camera.send(np.ascontiguousarray(image))
        except (RuntimeError, OSError) as error:
            raise EraserError(f"the virtual camera {self.name} has failed: {error}") from error

    def close(self) -> None:
        self._camera.close()
