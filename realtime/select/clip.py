"""Any frame of a file, exactly: by seeking to a key frame before it, with a small cache of what was decoded.

clip = Clip("in.mp4")
for share in clip.scan():  # once through the file: times and shots
    print(f"{share:.0%}")
image = clip.frame(120)
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np

from realtime.errors import EraserError
from realtime.frame import Frame
from realtime.media.opening import open_source
from realtime.media.source import Source, passes_once
from realtime.shots import GLANCE, Shot, ShotFinder

CACHED_BYTES = 256 << 20
BEHIND = 12  # frames before one that are kept, too, when somebody goes backward
AHEAD = 24  # frames up to which reading on is quicker than seeking
EDGE_S = 1e-4  # by which the time of a frame that is sought may be rounded


class Clip:
    """The frames of an input. One thread at a time.

    times: of its frames, seconds of `Frame.time`; shots: where scenes change; origin: the time at which the input
    begins; width, height: pixels. Times and shots are known once `scan` is through.
    """

    def __init__(self, path: str, start: float | None = None, end: float | None = None) -> None:
        """path, start, end: as `open_source` takes them. Raises EraserError."""
        if passes_once(path):
            raise EraserError(f"{path} passes only once, and no frame can be chosen in it: save it to a file first")
        self._path, self._start, self._end = path, start, end
        with open_source(path, start=start, end=end) as source:
            if source.info.still:
                raise EraserError(f"{path} is one picture: choose in it with erase-live, which erases at once")
            self.width, self.height, self._expected = source.info.width, source.info.height, source.info.frames
            self.origin = float(source.origin)
            self.first = next(iter(source)).image
        self.times: list[float] = []
        self.shots: list[Shot] = []
        self._source: Source | None = None
        self._frames: Iterator[Frame] = iter(())
        self._next = 0  # index of the frame that reading on gives
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._latest = 0

    def scan(self) -> Iterator[float]:
        """Go through the whole file once; yields the share that is done, frame by frame."""
        finder = ShotFinder()
        with open_source(self._path, start=self._start, end=self._end) as source:
            for time, picture in source.glances(*GLANCE):
                finder.add(picture, time)
                self.times.append(time)
                yield min(1.0, len(self.times) / (self._expected or len(self.times)))
        self.shots = finder.shots()

    def twin(self) -> Clip:
        """Another opening of the same input, for another thread, that knows what `scan` has found."""
        other = Clip(self._path, self._start, self._end)
        other.times, other.shots = self.times, self.shots
        return other

    def __len__(self) -> int:
        return len(self.times)

    def frame(self, index: int) -> np.ndarray:
        """The frame's picture, (H, W, 3) uint8 BGR; to be read only. Raises EraserError where it can't be decoded."""
        if index not in self._cache:
            backward = index < self._latest
            if not self._next <= index <= self._next + AHEAD:
                self._seek(max(0, index - BEHIND) if backward else index)
            try:
                while self._next <= index:
                    self._read()
            except EraserError:
                self.close()  # so that the next frame is sought anew: the file may be there again
                raise
        self._latest = index
        self._cache.move_to_end(index)
        return self._cache[index]

    def seconds(self, index: int) -> float:
        """The frame's time from the input's beginning, as edits name it."""
        return self.times[index] - self.origin

    def index(self, seconds: float) -> int:
        """The first frame at or after a time from the input's beginning, or the last one."""
        return min(len(self) - 1, bisect.bisect_left(self.times, seconds + self.origin - EDGE_S))

    def shot(self, index: int) -> range:
        """The frames of the shot that a frame lies in; those between two shots belong to the one before."""
        starts = [shot.start for shot in self.shots]
        number = max(0, bisect.bisect(starts, self.times[index] + EDGE_S) - 1)
        last = starts[number + 1] if number + 1 < len(starts) else float("inf")
        return range(
            bisect.bisect_left(self.times, starts[number] - EDGE_S), bisect.bisect_left(self.times, last - EDGE_S)
        )

    @property
    def cuts(self) -> list[int]:
        """The first frame of each shot."""
        return [0, *(bisect.bisect_left(self.times, shot.start - EDGE_S) for shot in self.shots[1:])]

    def close(self) -> None:
        """Free the file; may be called twice."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def _seek(self, index: int) -> None:
        self.close()
        begin = None if index == 0 else max(0.0, self.seconds(index) - EDGE_S)
        self._source = open_source(self._path, start=self._start if begin is None else begin)
        self._frames, self._next = iter(self._source), index

    def _read(self) -> None:
        """Decode the next frame; what a damaged file gives in its place is taken for it."""
        if self._source is None:
            self._seek(self._next)
        frame = next(self._frames, None)
        while frame is not None and frame.time < self.times[self._next] - EDGE_S:
            frame = next(self._frames, None)
        if frame is None:
            raise EraserError(f"{self._path} gives no frame {self._next} any more: has it been changed?")
        self._cache[self._next] = frame.image
        self._next += 1
        while len(self._cache) > 2 and len(self._cache) * frame.image.nbytes > CACHED_BYTES:
            self._cache.popitem(last=False)
