"""The reader's thread of a job: decodes the input and finds each frame's mask."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from realtime.channel import Channel
from realtime.report import StageTimes

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from realtime.frame import Frame
    from realtime.media.source import Source
    from realtime.selection import GivenMasks

QUEUED_ITEMS = 4
QUEUED_BYTES = 128 << 20


class Read(NamedTuple):
    """A frame and the mask that was given for it, None where none are given."""

    frame: Frame
    given: np.ndarray | None


class Reader:
    """Owns the source and the given masks while its thread runs; hands the frames on by `channel`, which is bounded.

    announce: is told of each frame before it is handed on; to be set before the thread runs.
    """

    def __init__(self, source: Source, masks: GivenMasks | None) -> None:
        self.source = source
        self.channel: Channel[Read] = Channel(QUEUED_ITEMS, QUEUED_BYTES)
        self.times = StageTimes()
        self.announce: Callable[[Frame], None] = lambda frame: None
        self._masks = masks

    @property
    def notes(self) -> list[str]:
        """Remarks on the input so far."""
        return [*self.source.notes, *(self._masks.notes if self._masks is not None else ())]

    def run(self) -> None:
        """Read every frame; the thread's work."""
        frames = iter(self.source)
        while True:
            begin = time.perf_counter()
            frame = next(frames, None)
            if frame is None:
                break
            decoded = time.perf_counter()
            timings = {"decode": (decoded - begin) * 1e3}
            given = None
            if self._masks is not None:
                given = self._masks.for_frame(frame.index, *frame.image.shape[:2])
                timings["read mask"] = (time.perf_counter() - decoded) * 1e3
            self.times.add(timings)
            self.announce(frame)
            self.channel.put(Read(frame, given), frame_bytes(frame))
            del frame
        self.channel.close()


def frame_bytes(frame: Frame) -> int:
    """Memory of a frame: its picture and its own planes."""
    planes = () if frame.native is None else frame.native.planes
    return frame.image.nbytes + sum(plane.buffer_size for plane in planes)
