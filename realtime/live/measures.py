"""How the live loop is doing: rate, latency, what was dropped and repeated."""

from __future__ import annotations

from collections import deque
from statistics import median

from realtime.report import StageTime, StageTimes

_EARLY = 0.25  # of a frame's time, by which a picture may come early without having filled the next one's time
WINDOW = 1.0  # seconds that the present rate and latency are taken over


class Presented:
    """Counts the pictures that were presented. One thread writes; `fps`, `latency_ms`, `repeated` are read anywhere.

    count: of all pictures. repeated: how often the time of one frame passed without a new picture.
    """

    def __init__(self, fps: float) -> None:
        """fps: pictures per second that are due."""
        self.count = 0
        self.fps = 0.0
        self.latency_ms = 0.0
        self.repeated = 0
        self._times = StageTimes()
        self._seconds = 0.0  # between pictures that followed each other
        self._pauses = 0
        self._last: float | None = None
        self._period = 1.0 / fps
        self._recent: deque[tuple[float, float]] = deque()  # time, latency in milliseconds

    def add(self, captured: float, now: float) -> None:
        """A picture captured at `captured` was presented `now`, time.monotonic()."""
        latency = max(0.0, (now - captured) * 1e3)
        self.count += 1
        self._times.add({"latency": latency})
        if self._last is None:
            self._pauses += 1
        else:
            self._seconds += now - self._last
            self.repeated += max(0, int((now - self._last) / self._period + _EARLY) - 1)
        self._last = now
        self._recent.append((now, latency))
        while self._recent[0][0] < now - WINDOW:
            self._recent.popleft()
        span = now - self._recent[0][0]
        self.fps = (len(self._recent) - 1) / span if span > 0 else 0.0
        self.latency_ms = median(latency for _, latency in self._recent)

    def pause(self) -> None:
        """No pictures are due until the next one comes."""
        self._last = None

    @property
    def rate(self) -> float:
        """Pictures per second over all of them, pauses left out."""
        return (self.count - self._pauses) / self._seconds if self._seconds > 0 else 0.0

    @property
    def latency(self) -> StageTime | None:
        """Milliseconds from capture to present over all pictures, None where there were none."""
        return self._times.summary().get("latency")
