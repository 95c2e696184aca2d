"""Tiny pictures and clips for tests of the command, and how to read them back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

HEIGHT, WIDTH, RATE = 96, 128, 10
"""Clips are of this size and rate unless a test asks for another."""


def background(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A textured picture without motion, (height, width, 3) uint8 BGR."""
    noise = np.random.default_rng(1).uniform(40, 215, (height // 8 + 1, width // 8 + 1, 3)).astype(np.float32)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def pictures(frames: int, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """A white square that moves from left to right over the background."""
    result = []
    for index in range(frames):
        picture = background(height, width)
        x = round((width - 24) * index / max(1, frames - 1))
        picture[height // 3 : height // 3 + 24, x : x + 20] = 255
        result.append(picture)
    return result


def write_video(
    path: Path, frames: list[np.ndarray], *, codec: str = "libx264", rate: int = RATE, crf: int = 15
) -> Path:
    """Encode (H, W, 3) BGR or (H, W) gray pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": str(crf), "preset": "ultrafast"}
        for picture in frames:
            kind = "bgr24" if picture.ndim == 3 else "gray"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=kind)))
        container.mux(stream.encode(None))
    return path


def clip(path: Path, frames: int = 20, *, height: int = HEIGHT, width: int = WIDTH) -> Path:
    """A video of `pictures`."""
    return write_video(path, pictures(frames, height, width))


def square_masks(frames: int, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """The masks of the square in `pictures`."""
    result = []
    for index in range(frames):
        mask = np.zeros((height, width), np.uint8)
        x = round((width - 24) * index / max(1, frames - 1))
        mask[height // 3 : height // 3 + 24, x : x + 20] = 255
        result.append(mask)
    return result


def write_folder(folder: Path, frames: list[np.ndarray], pattern: str = "{:05d}.png") -> Path:
    """Pictures as numbered files."""
    folder.mkdir()
    for index, picture in enumerate(frames):
        cv2.imwrite(str(folder / pattern.format(index)), picture)
    return folder


def read_video(path: Path) -> list[np.ndarray]:
    """Every frame as (H, W, 3) uint8 BGR."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def read_picture(path: Path) -> np.ndarray:
    """The picture as it is stored: (H, W) or (H, W, channels)."""
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None, path
    return picture


def duration(path: Path) -> Fraction:
    """Seconds of the file."""
    with av.open(str(path)) as container:
        assert container.duration is not None
        return Fraction(container.duration, 1_000_000)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(first.astype(np.float32) - second.astype(np.float32)).mean())
