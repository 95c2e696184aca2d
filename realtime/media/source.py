"""Where frames come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import cv2
import numpy as np

from realtime.frame import Frame

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


@dataclass(frozen=True)
class SourceInfo:
    """What is known before the first frame is read.

    width, height: of `Frame.image`, so after the display rotation; px.
    time_base: seconds a tick of `Frame.pts`.
    rate: average frames per second, for display and for encoders' hints; None where unknown.
    frames: how many frames the source will give, an estimate; None where unknown (a network address).
    duration: seconds that the source will give, an estimate; None where unknown.
    interlaced: the pictures hold two fields each.
    still: the source is one picture that has no duration.
    codec, pixel_format: as FFmpeg names them.
    pixel_aspect: width of a pixel of `Frame.image` over its height.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction | None = None
    frames: int | None = None
    duration: float | None = None
    interlaced: bool = False
    still: bool = False
    codec: str = ""
    pixel_format: str = "bgr24"
    pixel_aspect: Fraction = Fraction(1)


class Source(ABC):
    """Frames in presentation order, read once.

    path: what was opened, for messages.
    notes: one-line remarks for the user (interlaced, depth reduced, streams left out).
    lost: frames that damage has cost so far: missing, or given as the decoder patched them up. Damage never raises.
    damaged: those of them that were given.
    first_index: `Frame.index` of the first frame; above 0 after a start time.
    shift: seconds that a sink takes off `Frame.pts` so that the output starts where it should.
    origin: seconds of `Frame.time` at which the input begins, wherever its part that is read starts.
    """

    path: str
    info: SourceInfo
    notes: list[str]
    lost: int = 0
    damaged: int = 0
    first_index: int = 0
    shift: Fraction = Fraction(0)
    origin: Fraction = Fraction(0)

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Read on. A source is read by one thread and only once."""

    def glances(self, height: int, width: int) -> Iterator[tuple[float, np.ndarray]]:
        """Read on, as `__iter__` does, but small: `Frame.time` and the picture, (height, width, 3) uint8 BGR."""
        for frame in self:
            yield frame.time, cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA)

    def close(self) -> None:  # noqa: B027 - most sources have nothing to free
        """Free the file; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def local_path(path: str | Path) -> str:
    """The path that a file's address (file:///a%20b.mp4, RFC 8089) means; every other path or address as it is."""
    text = str(path)
    for begin in ("file:///", "file://localhost/"):
        if text.startswith(begin):
            return "/" + unquote(text.removeprefix(begin))
    return text


def passes_once(path: str | Path) -> bool:
    """Whether an input can be read only once: an address or a pipe."""
    return "://" in str(path) or Path(path).is_fifo()
