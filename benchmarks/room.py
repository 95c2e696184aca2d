"""The real clip with a clean plate: room_static_a, a still camera whose exposure shifts while a person is in view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from benchmarks.clips import read_frames
from benchmarks.data import read_picture
from benchmarks.metrics import psnr_over
from benchmarks.shown import BEFORE, LATER, NEVER, OUTSIDE

DIFFERS = 30.0  # grey levels of the blurred difference to the plate that make a pixel somebody's
SMALLEST = 0.001  # share of the frame below which a patch of difference is not a person


@dataclass(frozen=True)
class RoomShot:
    """As `benchmarks.scenes.Shot`, with the truth fitted: the clean plate in this frame's exposure.

    shade is 0: where the person's shadow falls is not known. floor: PSNR in dB of the frame against the truth outside
    the mask, which says how far the truth can be trusted.
    """

    index: int
    frame: np.ndarray
    truth: np.ndarray
    mask: np.ndarray
    shade: np.ndarray
    shown: np.ndarray
    floor: float
    camera: ClassVar[np.ndarray] = np.eye(3)  # it stands still


def read_room(limit: int | None = None) -> list[RoomShot]:
    """The clip's frames with their fitted truth; the mask is where a frame differs from it by a person's size."""
    plate = read_picture("videos/room_static_a_cleanplate.jpg").astype(np.float32)
    frames = read_frames("videos/room_static_a.mp4", limit)
    fitted = [_fit(frame, plate) for frame in frames]
    masks = [mask for _, mask in fitted]
    visible = [cv2.dilate(mask, np.ones((9, 9), np.uint8)) == 0 for mask in masks]
    first = np.where(np.any(visible, axis=0), np.argmax(visible, axis=0), len(frames))
    last = np.where(np.any(visible, axis=0), len(frames) - 1 - np.argmax(visible[::-1], axis=0), -1)
    shots = []
    for index, (frame, (truth, mask)) in enumerate(zip(frames, fitted, strict=True)):
        shown = np.where(first < index, BEFORE, np.where(last > index, LATER, NEVER))
        shown = np.where(mask > 0, shown, OUTSIDE).astype(np.uint8)
        floor = psnr_over(frame, truth, cv2.dilate(mask, np.ones((25, 25), np.uint8)) == 0)
        shots.append(RoomShot(index, frame, truth, mask, np.zeros(mask.shape, np.float32), shown, floor or 0.0))
    return shots


def _fit(frame: np.ndarray, plate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The plate in the frame's exposure, (H, W, 3) float32, and the mask of what differs, (H, W) uint8.

    A cubic curve per channel (the camera's response bends), by least squares over the pixels that agree, in rounds.
    """
    agree = np.ones(frame.shape[:2], bool)
    truth = plate
    for _ in range(3):
        truth = np.empty_like(plate)
        for channel in range(3):
            x, y = plate[..., channel].astype(np.float64) / 255, frame[..., channel].astype(np.float64)
            truth[..., channel] = np.polyval(np.polyfit(x[agree][::7], y[agree][::7], 3), x)
        difference = np.abs(cv2.blur(frame.astype(np.float32) - truth, (5, 5))).max(2)
        agree = difference < max(6.0, float(np.median(difference)) * 2)
    return np.clip(truth, 0, 255), _people(difference)


def _people(difference: np.ndarray) -> np.ndarray:
    """Patches of clear difference of a person's size, closed and grown a little: (H, W) uint8, 255 = person."""
    clear = (difference > DIFFERS).astype(np.uint8)
    mask = cv2.morphologyEx(clear, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (21, 21)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    large = stats[:, cv2.CC_STAT_AREA] > SMALLEST * mask.size
    large[0] = False
    kept = np.where(large[labels], np.uint8(255), np.uint8(0))
    return cv2.dilate(kept, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
