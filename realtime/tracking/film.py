"""A shot's pictures, small, to be looked at in any order: on disk, so that memory does not grow with the shot."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import cv2
import numpy as np

from realtime.errors import EraserError

QUALITY = 95  # of the pictures' JPEG: some 80 KB each


class Scraps:
    """Byte strings in a file, read in any order by the numbers that `append` gave them. For any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends = [0]
        self._file: IO[bytes] = path.open("w+b")
        self._lock = threading.Lock()

    def append(self, data: bytes) -> int:
        """Keep a byte string; returns its number. EraserError where the disk is full."""
        with self._told():
            self._file.seek(self._ends[-1])
            self._file.write(data)
            self._ends.append(self._ends[-1] + len(data))
            return len(self._ends) - 2

    def read(self, number: int) -> bytes:
        with self._told():
            self._file.seek(self._ends[number])
            return self._file.read(self._ends[number + 1] - self._ends[number])

    def close(self) -> None:
        """Free the file and remove it; may be called twice."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except OSError as error:
            raise EraserError(f"{self._path.parent} cannot hold what the job keeps: {error.strerror}") from error


class Film:
    """The pictures of one shot and their times, seconds, in order."""

    def __init__(self, path: Path) -> None:
        self._scraps = Scraps(path)
        self.times: list[float] = []

    def append(self, picture: np.ndarray, time: float) -> None:
        """Keep the next picture, (h, w, 3) uint8 BGR."""
        self._scraps.append(packed(picture))
        self.times.append(time)

    def picture(self, index: int) -> np.ndarray:
        """(h, w, 3) uint8 BGR."""
        return unpacked(self._scraps.read(index))

    def close(self) -> None:
        """Remove it from the disk."""
        self._scraps.close()


def packed(picture: np.ndarray) -> bytes:
    """A (h, w, 3) uint8 BGR picture as one of a film."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()


def unpacked(data: bytes) -> np.ndarray:
    """The (h, w, 3) uint8 BGR picture that was `packed`."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None, "a picture was packed"
    return picture
