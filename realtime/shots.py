"""Where the shots of a film begin and end: hard cuts, dissolves and fades, but no flash and no fast pan.

    for shot in find_shots("film.mp4"):
        print(shot.start, shot.end)

Every frame is looked at small. A *cut* lies between two frames that no motion and no exposure explains as one scene,
and that are strangers to each other's neighbours too, so that a flash is none. A *dissolve* is a row of frames that mix
two such strangers, a growing share of the second with a shrinking one of the first; a fade is one with a plain picture.
Thresholds were chosen on the reference clips: frames of one shot disagree by up to 0.32, of two by 0.57 and more.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from realtime.media.opening import open_source
from realtime.motion.glance import jump
from realtime.motion.sight import disagreement
from realtime.ops import resize

GLANCE = 72, 128  # (H, W) that frames are looked at in
MIXED = 18, 32  # and in which they are taken for a mixture of others
SURROUNDINGS = 13  # pixels of a glance over which its brightness is equalised
ALIKE = 0.4  # disagreement, pixel by pixel, up to which two frames need no closer look
STRANGE = 0.5  # disagreement, after motion, from which two frames in a row show different scenes
STRANGERS = 0.55  # the same for the two ends of a dissolve
ZOOMS = 0.4, 0.5, 0.6, 0.7, 0.8, 1.25, 1.4, 1.7, 2.0, 2.5  # from which a motion between those is sought, too
FLASH = 6  # frames that a flash lasts at most
SPANS = 2, 4, 8, 12, 18, 26, 38, 56, 80, 112  # frames between the two ends that are tried as those of a dissolve
UNMIXED = 0.2  # share of the difference between two frames that no mixture of them explains: then it is none
HALFWAY = 0.3, 0.7  # share of the second picture halfway
STEADY = 0.15  # by which that share grows, at least, in a quarter of the time
RAMP = 0.25, 0.75
GROWTH = 1.02  # by which a window's ends must differ more than another's to show more of a dissolve
PLAIN = 5.0  # standard deviation, grey levels, of a picture that shows nothing
STEP = 12.0  # mean change in grey levels between a plain picture and another, from which it is sudden
DARK, BRIGHT = 32.0, 224.0  # mean grey levels of such a picture: a grey wall is a scene


@dataclass(frozen=True)
class Shot:
    """What a camera took in one go.

    start, end: seconds, `Frame.time` of the first frame and of the first one after the last; infinite for the film's
    last shot. Where a shot ends before the next one starts, the frames between dissolve or fade, and belong to neither;
    otherwise there is a hard cut between the two.
    """

    start: float
    end: float


@dataclass(frozen=True)
class _Glance:
    """A frame, small: index, time in seconds; contrast (h, w) uint8, equalised; values (n,) float32; plain: whether it
    shows nothing."""

    index: int
    time: float
    contrast: np.ndarray
    values: np.ndarray
    plain: bool


@dataclass(frozen=True)
class _Change:
    """From one shot to the next: indices and times of the first frame that is not the one, and of the first that is the
    other, which are the same at a hard cut. before, after: what both look like."""

    leaves: tuple[int, float]
    enters: tuple[int, float]
    before: _Glance
    after: _Glance


def find_shots(
    path: str | Path,
    start: float | None = None,
    end: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Shot]:
    """The shots of an input, in order; there is at least one.

    path, start, end: as `open_source` takes them. progress: called with the number of frames looked at. Raises
    EraserError where the input can't be read. Memory does not depend on the input's length.
    """
    finder = ShotFinder()
    with open_source(str(path), start=start, end=end) as source:
        for count, (time, picture) in enumerate(source.glances(*GLANCE), 1):
            finder.add(picture, time)
            if progress is not None:
                progress(count)
    return finder.shots()


class ShotFinder:
    """Finds the shots of frames given one by one. State: the last frames, small, and the changes found so far."""

    def __init__(self) -> None:
        self._last: deque[_Glance] = deque(maxlen=SPANS[-1] + FLASH + 2)
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._changes: list[_Change] = []
        self._mixture: tuple[float, int, int] | None = None  # how large a change, first and last index of its window
        self._dissolved = 0  # index of the first frame after the latest dissolve
        self._start: float | None = None

    def add(self, picture: np.ndarray, time: float) -> None:
        """Look at the next frame: (H, W, 3) uint8 BGR of any size, GLANCE is enough; seconds."""
        index = self._last[-1].index + 1 if self._last else 0
        self._start = time if self._start is None else self._start
        self._last.append(_glance(picture, index, time))
        self._look_for_cut(index - FLASH)
        self._look_for_mixture()

    def shots(self) -> list[Shot]:
        """All shots, once the last frame was added; empty where there was none."""
        if self._start is None:
            return []
        newest = self._last[-1].index
        for index in range(newest - FLASH + 1, newest + 1):
            self._look_for_cut(index)
        self._end_mixture()
        shots, start, blank = [], self._start, False
        for change in self._real(_joined(self._changes)):
            if not change.before.plain:
                shots.append(Shot(start, change.leaves[1]))
            start, blank = change.enters[1], change.after.plain
        # Where a film begins or ends with a plain picture, that is no shot.
        return shots if blank and shots else [*shots, Shot(start, math.inf)]

    def _real(self, changes: Iterable[_Change]) -> list[_Change]:
        """Without those after which the same scene goes on: somebody covered the lens."""
        return [each for each in changes if self._unlike(each.before, each.after) > STRANGE]

    def _at(self, index: int) -> _Glance:
        return self._last[index - self._last[0].index]

    def _look_for_cut(self, index: int) -> None:
        """Does a shot begin with this frame? Those around it must be known, as far as there are any."""
        oldest, newest = self._last[0].index, self._last[-1].index
        if index <= oldest or self._unlike(self._at(index - 1), self._at(index), STRANGE) <= STRANGE:
            return
        after = range(index + 1, min(index + FLASH, newest) + 1)
        before = range(max(index - 1 - FLASH, oldest), index - 1)
        one, other = self._at(index - 1), self._at(index)
        if any(self._unlike(one, self._at(each), STRANGE) <= STRANGE for each in after):
            return
        if any(self._unlike(self._at(each), other, STRANGE) <= STRANGE for each in before):
            return
        moment = index, other.time
        self._changes.append(_Change(moment, moment, one, other))

    def _look_for_mixture(self) -> None:
        """Is the newest frame the second end of a dissolve?"""
        newest = self._last[-1].index
        for span in SPANS:
            first = newest - span
            if first < max(self._last[0].index, self._dissolved):
                break
            one, other = self._at(first), self._at(newest)
            size = float(np.square(other.values - one.values).sum())
            if self._mixture is not None and size <= self._mixture[0] * GROWTH:
                continue
            if self._dissolves(first, newest) and self._unlike(one, other, STRANGERS, ZOOMS) > STRANGERS:
                self._mixture = size, first, newest
        # The windows of the next frames may show more of it.
        if self._mixture is not None and newest - self._mixture[2] >= FLASH:
            self._end_mixture()

    def _dissolves(self, first: int, last: int) -> bool:
        """Whether what lies between two frames is a growing share of the second with a shrinking one of the first."""
        span = last - first
        one, other = self._at(first), self._at(last)
        share, left = _mixture(one, self._at(first + span // 2), other)
        if left > UNMIXED or not HALFWAY[0] < share < HALFWAY[1]:
            return False
        early, late = (_mixture(one, self._at(index), other) for index in (first + span // 4, last - span // 4))
        even = early[0] + STEADY < share < late[0] - STEADY or span < 4
        return even and max(early[1], late[1]) < 1.5 * UNMIXED

    def _end_mixture(self) -> None:
        """Where the dissolve that was found begins and ends: where its even course would be all one or all other."""
        if self._mixture is None:
            return
        _, first, last = self._mixture
        self._mixture = None
        one, other = self._at(first), self._at(last)
        share = [_mixture(one, self._at(index), other)[0] for index in range(first, last + 1)]
        low = high = (last - first) // 2
        while share[low - 1] > RAMP[0]:
            low -= 1
        while share[high + 1] < RAMP[1]:
            high += 1
        rate = (share[high] - share[low]) / (high - low) if high > low else 1.0
        # With the last pure frames of the one shot, and the first of the other, as far as the window reaches.
        begins = low - math.ceil(share[low] / rate - 1) if rate > 0 else low
        ends = high + math.ceil((1 - share[high]) / rate) if rate > 0 else high + 1
        leaves, enters = self._at(first + max(1, begins)), self._at(first + min(last - first, ends))
        self._changes = [each for each in self._changes if not leaves.index <= each.enters[0] <= enters.index]
        self._dissolved = enters.index
        self._changes.append(_Change((leaves.index, leaves.time), (enters.index, enters.time), one, other))

    def _unlike(self, one: _Glance, other: _Glance, enough: float = math.inf, zooms: Sequence[float] = ()) -> float:
        """How little two frames have in common, whatever moved between them: see `motion.disagreement`.

        enough: an answer up to this is taken as it comes, the smallest one need not be sought; zooms: how many times
        larger the one may be than the other, if frames far apart are to be compared.
        """
        if one.plain or other.plain:
            # With nothing to compare, only a step in brightness is a change: a fade's last frame is nearly plain.
            return math.inf if np.abs(one.values - other.values).mean() > STEP else 0.0
        everywhere = np.full(GLANCE, 255, np.uint8)
        least = disagreement(one.contrast, other.contrast, everywhere)
        if least <= min(ALIKE, enough):
            return least
        rows, columns = np.indices(GLANCE, dtype=np.float32)
        away = np.dstack([columns - (GLANCE[1] - 1) / 2, rows - (GLANCE[0] - 1) / 2])  # from the centre
        shifts = (np.full_like(away, shift) for shift in ((0.0, 0.0), jump(other.contrast, one.contrast)))
        for guess in (*shifts, *((zoom - 1) * away for zoom in zooms)):
            flow = self._dis.calc(other.contrast, one.contrast, guess)
            x, y = columns + flow[..., 0], rows + flow[..., 1]
            inside = (x >= 0) & (x <= GLANCE[1] - 1) & (y >= 0) & (y <= GLANCE[0] - 1)
            if inside.mean() < 0.3:
                continue
            moved = cv2.remap(one.contrast, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            least = min(least, disagreement(moved, other.contrast, np.negative(inside.view(np.uint8))))
            if least <= enough:
                break
        return least


def _glance(picture: np.ndarray, index: int, time: float) -> _Glance:
    small = picture if picture.shape[:2] == GLANCE else resize(picture, GLANCE)
    gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    light = cv2.blur(gray, (SURROUNDINGS, SURROUNDINGS))
    contrast = cv2.addWeighted(gray, 1.5, light, -1.5, 128.0)
    plain = bool(gray.std() < PLAIN and not DARK < gray.mean() < BRIGHT)
    values = resize(small, MIXED).astype(np.float32).ravel()
    return _Glance(index, time, contrast, values, plain)


def _mixture(one: _Glance, between: _Glance, other: _Glance) -> tuple[float, float]:
    """The share of the second picture in a frame between two, and how badly a mixture of both explains that frame."""
    difference, change = other.values - one.values, between.values - one.values
    size = max(float(difference @ difference), 1e-3)
    share = float(change @ difference) / size
    return share, float(np.square(change - share * difference).sum()) / size


def _joined(changes: Iterable[_Change]) -> list[_Change]:
    """Changes in order; a fade to a plain picture and one from it are a single change."""
    joined: list[_Change] = []
    for change in sorted(changes, key=lambda each: each.leaves):
        if joined and joined[-1].after.plain and change.before.plain:
            earlier = joined.pop()
            change = _Change(earlier.leaves, change.enters, earlier.before, change.after)
        joined.append(change)
    return joined
