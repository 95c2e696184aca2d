"""The real clips of the reference data."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.data import DataMissingError, data_folder, read_picture


@dataclass(frozen=True)
class Clip:
    """A clip of videos/. masks: whether there is one per frame beside it. frames: how many of them are used."""

    fps: float
    masks: bool
    frames: int | None = None


CLIPS = {
    "bmx_trees": Clip(24, True),
    "dance_twirl": Clip(24, True),
    "tennis": Clip(24, True),
    "desk_webcam_slide": Clip(30, False, 120),
    "kitchen_handheld_audio": Clip(30, False, 120),
    "parking_static_far": Clip(25, False, 120),
}


@dataclass(frozen=True)
class RealShot:
    """One frame of a real clip. frame (H, W, 3) uint8 BGR, mask (H, W) uint8."""

    frame: np.ndarray
    mask: np.ndarray


def read_clip(name: str, limit: int | None = None) -> list[RealShot]:
    """A clip of CLIPS, from the start, at most `limit` frames; masks are empty where it has none."""
    clip = CLIPS[name]
    if clip.frames is not None:
        limit = min(limit or clip.frames, clip.frames)
    frames = read_frames(f"videos/{name}.mp4", limit)
    if not clip.masks:
        return [RealShot(frame, np.zeros(frame.shape[:2], np.uint8)) for frame in frames]
    masks = [read_picture(f"videos/{name}_masks/{i:05d}.png", cv2.IMREAD_GRAYSCALE) for i in range(len(frames))]
    binary = [np.where(mask > 127, np.uint8(255), np.uint8(0)) for mask in masks]
    return [RealShot(frame, mask) for frame, mask in zip(frames, binary, strict=True)]


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
