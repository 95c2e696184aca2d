"""Holds the rate that was asked for on any machine: does less for each frame where there is no time for all.

    governor = Governor(fps=30, interval=0.05, side=1280)
    for frame in frames:
        settings = governor.level
        seconds = work(frame, settings)
        governor.spent(seconds, now)

Pure: it is told what a frame took and the time, and never looks at a clock. It leaves out closer looks at people first,
lowers the rate of segmentation then, the network's resolution, and the plate's at last, each in steps; what was lowered
goes back up in the opposite order.

A step down is taken as soon as frames have taken longer than their time on average over `WINDOW`. A step up is taken
when the frames would, going by what the step down has gained, still keep within `ROOM` of their time, and have for
`CALM` seconds. What a step has gained is soon out of date: after `DARING` times as long a step up is tried anyway. One
that proves wrong (down again within `REGRET`) doubles the calm that the next one needs.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from realtime.motion.glance import VIEW_SIDE

WINDOW = 0.7  # seconds of frames that are averaged before anything is decided
FULL = 0.85  # share of a frame's time that frames may take on average: above it, one slow frame delays many
FAR = 1.5  # share above which two steps are taken at once
ROOM = 0.7
CALM, MOST_CALM = 4.0, 60.0
REGRET = 6.0
DARING = 3.0
_INTERVALS = (2.0, 4.0)  # times the interval of the segmenter, down to this many seconds:
_LONGEST_INTERVAL = 0.2
NETWORK_SCALES = (0.8, 0.6)
_PLATE_SCALES = (0.75, 0.5, 0.375, 0.25)
SMALLEST = 320  # pixels of the longer side below which no picture is worked on


@dataclass(frozen=True, slots=True)
class Level:
    """How much is done for a frame.

    interval: seconds between two runs of the segmenter; network_scale, plate_scale: of both sides of what the network
    sees, and of the picture that is worked on; closer: whether people are looked at closer where small; lowered: what
    is below the best, in words, in the order of lowering.
    """

    interval: float
    network_scale: float = 1.0
    plate_scale: float = 1.0
    lowered: tuple[str, ...] = ()
    closer: bool = True


def ladder(interval: float, fps: float, side: int) -> list[Level]:
    """The levels from the best down. interval: the segmenter's at the best; side: the longer one of the picture."""
    words: tuple[str, ...] = ("closer looks",)
    levels = [Level(interval), Level(interval, lowered=words, closer=False)]
    base = max(interval, 1.0 / fps)
    for factor in _INTERVALS:
        slower = min(base * factor, _LONGEST_INTERVAL)
        if slower > levels[-1].interval:
            levels.append(Level(slower, lowered=(*words, "segmentation rate"), closer=False))
    slowest, words = levels[-1].interval, levels[-1].lowered
    words = (*words, "network resolution")
    levels += [Level(slowest, scale, lowered=words, closer=False) for scale in NETWORK_SCALES]
    smallest_network = NETWORK_SCALES[-1]
    words = (*words, "plate resolution")
    viewed = _viewed(side)
    for scale in _PLATE_SCALES:
        # Half a size may cost more than three quarters, where the camera is then followed in a larger view.
        if side * scale >= SMALLEST and _viewed(side * scale) <= viewed:
            viewed = _viewed(side * scale)
            levels.append(Level(slowest, smallest_network, scale, words, closer=False))
    return levels


def _viewed(side: float) -> float:
    """The longer side, pixels, of the view in which a camera is followed, reduced to a `View`."""
    return side / math.ceil(side / VIEW_SIDE)


class Governor:
    """Chooses the level. State: the level, the latest frames, what each step down has gained, how calm it must be."""

    def __init__(
        self, fps: float, interval: float, side: int, forecast: Callable[[Level], float] | None = None
    ) -> None:
        """fps: frames per second to hold; interval, side: see `ladder`; forecast: seconds that a frame will take on a
        level, to begin on the best that will do; None to begin at the best.
        """
        self.frame_time = 1.0 / fps
        self._levels = ladder(interval, fps, side)
        self._index = 0
        while forecast is not None and self._index < len(self._levels) - 1:
            if forecast(self.level) <= FULL * self.frame_time:
                break
            self._index += 1
        self._recent: deque[tuple[float, float]] = deque()  # time, seconds that the frame took
        self._since: float | None = None  # when the level was entered
        self._ratio: dict[int, float] = {}  # of what a frame took on a level to what it took on the next lower one
        self._left: tuple[int, float] | None = (
            None  # the level that was left for this lower one, what frames took there
        )
        self._calm = CALM
        self._raised = float("-inf")
        self._calm_since: float | None = None  # since when there has been room for this level
        self._sure_since: float | None = None  # and for the one above

    @property
    def level(self) -> Level:
        return self._levels[self._index]

    def spent(self, seconds: float, now: float) -> None:
        """A frame took `seconds`, and was done at `now`. To be called for each frame, in order."""
        if self._since is None:
            self._since = now
        self._recent.append((now, seconds))
        while self._recent[0][0] < now - WINDOW:
            self._recent.popleft()
        if now - self._since < WINDOW:
            return
        mean = fmean(sorted(seconds for _, seconds in self._recent)[:-1] or [seconds])  # one hiccup is no load
        self._learn_gain(mean)
        if mean > FULL * self.frame_time:
            self._lower(mean, 2 if mean > FAR * self.frame_time else 1, now)
        else:
            self._consider_raising(mean, now)

    def _learn_gain(self, mean: float) -> None:
        """Share what the last step down has gained out to the levels that it took."""
        if self._left is None:
            return
        first, before = self._left
        each = max(1.0, before / max(mean, 1e-9)) ** (1 / (self._index - first))
        self._ratio |= dict.fromkeys(range(first, self._index), each)
        self._left = None

    def _lower(self, mean: float, steps: int, now: float) -> None:
        target = min(self._index + steps, len(self._levels) - 1)
        if target == self._index:
            return
        if now - self._raised < REGRET:
            self._calm = min(2 * self._calm, MOST_CALM)
        self._left = self._index, mean
        self._enter(target, now)

    def _consider_raising(self, mean: float, now: float) -> None:
        above = self._index - 1
        if above < 0:
            return
        room = ROOM * self.frame_time
        self._calm_since = _since(self._calm_since, mean <= room, now)
        self._sure_since = _since(self._sure_since, mean * self._ratio.get(above, 1.0) <= room, now)
        sure = self._sure_since is not None and now - self._sure_since >= self._calm
        if sure or (self._calm_since is not None and now - self._calm_since >= DARING * self._calm):
            self._raised = now
            self._enter(above, now)

    def _enter(self, index: int, now: float) -> None:
        self._index, self._since = index, now
        self._calm_since = self._sure_since = None
        self._recent.clear()


def _since(begun: float | None, holds: bool, now: float) -> float | None:
    """Since when something has held that holds now; None when it does not."""
    if not holds:
        return None
    return now if begun is None else begun
