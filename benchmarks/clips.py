"""The real clips of the reference data."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.data import DataMissingError, data_folder, read_picture


@dataclass(frozen=True)
class RealShot:
    """One frame of a real clip. frame (H, W, 3) uint8 BGR, mask (H, W) uint8."""

    frame: np.ndarray
    mask: np.ndarray


def read_clip(name: str, limit: int | None = None) -> list[RealShot]:
    """A clip of the reference data with the masks beside it: videos/NAME.mp4 and videos/NAME/masks/%05d.png."""
    frames = read_frames(f"videos/{name}.mp4", limit)
    masks = [read_picture(f"videos/{name}_masks/{i:05d}.png", cv2.IMREAD_GRAYSCALE) for i in range(len(frames))]
    return [
        RealShot(frame, np.where(mask > 127, np.uint8(255), np.uint8(0)))
        for frame, mask in zip(frames, masks, strict=True)
    ]


def read_frames(relative: str, limit: int | None = None) -> list[np.ndarray]:
    """The frames of a video of the reference data, (H, W, 3) uint8 BGR."""
    capture = cv2.VideoCapture(str(data_folder() / relative))
    frames: list[np.ndarray] = []
    while limit is None or len(frames) < limit:
        good, frame = capture.read()
        if not good:
            break
        frames.append(frame)
    capture.release()
    if not frames:
        raise DataMissingError(f"{data_folder() / relative} cannot be read: ERASER_DATA must name the complete data.")
    return frames
