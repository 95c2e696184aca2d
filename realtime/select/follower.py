"""Follows what was chosen through the frames around, in a thread of its own, while the user goes on.

The thread owns the clip's second opening, the network and the film; `ask` hands it what there is to follow, `things`
reads what it has found so far. Whatever is asked anew, or looked at further away, ends the work under way; what that
has found stays until something better comes. Memory: the film and all mattes are on disk.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from realtime import ops
from realtime.crew import WAKE_S
from realtime.edits import Edit, Move, People, TimedEdit, moved
from realtime.masks import ON
from realtime.select.clip import Clip
from realtime.tracking.bothways import Traced, follow_both_ways
from realtime.tracking.film import Scraps, packed, unpacked
from realtime.tracking.finder import picture_size
from realtime.tracking.parts import Part
from realtime.tracking.strokes import draw
from realtime.tracking.things import Thing, things
from realtime.tracking.tracing import Plan
from realtime.tracking.track import Track

_log = logging.getLogger(__name__)

AROUND = 2.0  # seconds before and after edits, and the frame that is looked at, through which objects are followed


@dataclass(frozen=True)
class Wanted:
    """What is to be followed: edits of the whole clip, and the frame that is looked at."""

    edits: tuple[TimedEdit, ...]
    index: int

    @property
    def following(self) -> list[TimedEdit]:
        """The edits that have to do with where objects are, not with where they are shown."""
        return [timed for timed in self.edits if not isinstance(timed.edit, Move)]


class Superseded(Exception):
    """Something else is wanted by now."""


class Follower:
    """See the module. A context manager, which ends the thread.

    busy: whether something is being followed; version: grows with what is found; failure: what went wrong the last
    time, in one line, None where nothing did.
    """

    def __init__(self, clip: Clip, plan: Plan, folder: Path) -> None:
        """clip: for this thread alone, scanned; folder: that exists."""
        self.busy = False
        self.failure: str | None = None
        self.version = 0
        self._clip, self._plan = clip, plan
        self._smalls = _Smalls(clip, plan, Scraps(folder / "film"))
        self._scraps = Scraps(folder / "objects")
        self._news = threading.Condition()
        self._wanted: Wanted | None = None
        self._served: Wanted | None = None
        self._over = False
        self._traced: dict[int, tuple[Traced, int]] = {}  # by frame of the clip, with the index in the traced part
        self._glanced: dict[int, tuple[list[Track], tuple[Part, ...]]] = {}
        self._followed: dict[range, tuple[list[TimedEdit], range]] = {}  # by shot: what for, and where, all is known
        self._part = range(0)  # of the clip, that is being followed
        self._thread = threading.Thread(target=self._work, name="follower", daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._news:
            self._over = True
            self._news.notify()
        # What it works with is closed next: it ends with the frame that it is at, however long that takes.
        while self._thread.is_alive():
            self._thread.join(WAKE_S)

    def ask(self, wanted: Wanted) -> None:
        """Follow this; to be called whenever edits or frame may have changed."""
        with self._news:
            if wanted != self._wanted:
                self._wanted, self.busy = wanted, True
                self._news.notify()

    def things(self, index: int, image: np.ndarray) -> tuple[Thing, ...]:
        """What is known of a frame: the objects that are erased or kept, and people who could be chosen."""
        wanted = self._wanted
        numbers = {getattr(timed.edit, "number", None) for timed in wanted.edits} if wanted else set()
        tracks, parts = self._glanced.get(index, ([], ()))
        if not tracks and index in self._traced:
            traced, there = self._traced[index]
            tracks = traced.tracks(there)
        displaced = moved(wanted.edits) if wanted else {}
        for track in tracks:
            track.dx, track.dy = displaced.get(track.number, (0.0, 0.0))
        shown = [track for track in tracks if track.number in numbers or track.role == "keep"]
        taken = [track.matte for track in shown]
        free = [part for part in parts if not any(overlap(part.mask, matte) for matte in taken)]
        return things(shown, free, image)

    def painted(self, index: int, size: tuple[int, int]) -> np.ndarray | None:
        """What brush strokes erase in a frame, (H, W) = `size` uint8, None where there are none."""
        mask = np.zeros(size, np.uint8)
        if index in self._traced:
            traced, there = self._traced[index]
            for order, way in sorted(traced.rows[there].ways.items()):
                draw(mask, traced.strokes[order][1], way)
        return mask if mask.any() else None

    @property
    def reach(self) -> set[int]:
        """The frames whose objects are known."""
        return set(self._traced)

    def _work(self) -> None:
        while True:
            with self._news:
                while self._wanted == self._served and not self._over:
                    self.busy = False
                    self._news.wait()
                if self._over:
                    return
                wanted, self._served = self._wanted, self._wanted
            assert wanted is not None, "something was asked"
            try:
                self._serve(wanted)
                self.failure = None
            except Superseded:
                continue
            except Exception as error:  # the window tells it, and stays: what was selected can still be saved
                _log.debug("following failed", exc_info=True)
                self.failure = f"following failed: {error}"

    def _serve(self, wanted: Wanted) -> None:
        shot = self._clip.shot(wanted.index)
        everywhere = [timed for timed in wanted.following if isinstance(timed.edit, People)]
        here = [timed for timed in wanted.following if self._clip.index(timed.time) in shot]
        edits = [*everywhere, *(timed for timed in here if not isinstance(timed.edit, People))]
        indexed = [(self._clip.index(timed.time), timed.edit) for timed in edits[len(everywhere) :]]
        people = any(timed.edit == People(True) for timed in everywhere)
        known, followed = self._followed.get(shot, ([], range(0)))
        self._glance(
            wanted.index, [t.edit for t in edits if t not in known and self._clip.index(t.time) == wanted.index]
        )
        if not indexed:
            self._forget(shot)
            return
        part = self._around([index for index, _ in indexed] + [wanted.index], shot)
        if known == edits and _within(part, followed):
            return
        self._followed.pop(shot, None)
        self._part = part
        free = 1 + max((getattr(edit, "number", None) or 0 for _, edit in indexed), default=0)
        local = [(index - part.start, edit) for index, edit in indexed]

        def tell(traced: Traced, index: int) -> None:
            self._traced[part.start + index] = traced, index
            self._glanced.pop(part.start + index, None)
            self.version += 1
            self._check()

        follow_both_ways(
            _Stretch(self._smalls, part),
            lambda: self._plan.finder(people, free),
            local,
            self._plan.size,
            self._scraps,
            tell,
        )
        self._followed[shot] = edits, part

    def _glance(self, index: int, edits: Sequence[Edit]) -> None:
        """Look at one frame at once, with its latest edits, and at the people in it."""
        traced = self._traced.get(index)
        seeds = traced[0].tracks(traced[1]) if traced is not None else []
        finder, picture, time = self._plan.finder(False, 1 << 20), self._smalls.picture(index), self._clip.times[index]
        finder.look(picture, time, seeds=[seed for seed in seeds if seed.state == "followed"])
        finder.look(picture, time, edits, size=self._plan.size)
        parts = finder.parts.latest
        tracks = [track for track in finder.objects.tracks if track.role != "none"] if edits else []
        self._glanced = {index: (tracks, parts)}
        self.version += 1

    def _forget(self, shot: range) -> None:
        """Nothing is chosen in a shot any more."""
        self._followed.pop(shot, None)
        left = {index: found for index, found in self._traced.items() if index not in shot}
        if len(left) < len(self._traced):
            self._traced = left
            self.version += 1

    def _around(self, indices: Sequence[int], shot: range) -> range:
        """The frames of a shot from a little before the first of some to a little after the last."""
        first, last = (self._clip.seconds(index) for index in (min(indices), max(indices)))
        begin, end = self._clip.index(max(0.0, first - AROUND)), self._clip.index(last + AROUND)
        return range(max(shot.start, begin), min(shot.stop, end + 1))

    def _check(self) -> None:
        if self._over or (self._wanted != self._served and self._differs()):
            raise Superseded

    def _differs(self) -> bool:
        """Whether what is wanted now calls for other work than that under way."""
        wanted, served = self._wanted, self._served
        if wanted is None or served is None or wanted.following != served.following:
            return True
        return wanted.index not in self._part


class _Smalls:
    """The clip's pictures as small as the finder sees them, by index; kept once they were read."""

    def __init__(self, clip: Clip, plan: Plan, scraps: Scraps) -> None:
        self._clip, self._plan, self._scraps = clip, plan, scraps
        self._known: dict[int, int] = {}

    def picture(self, index: int) -> np.ndarray:
        """(h, w, 3) uint8 BGR."""
        if index not in self._known:
            image = self._clip.frame(index)
            self._known[index] = self._scraps.append(
                packed(ops.resize(image, picture_size(image, self._plan.segmenter)))
            )
        return unpacked(self._scraps.read(self._known[index]))

    def time(self, index: int) -> float:
        return self._clip.times[index]


class _Stretch:
    """Some frames in a row, as `follow_both_ways` takes them."""

    def __init__(self, smalls: _Smalls, frames: range) -> None:
        self.times = [smalls.time(index) for index in frames]
        self._smalls, self._frames = smalls, frames

    def picture(self, index: int) -> np.ndarray:
        """(h, w, 3) uint8 BGR."""
        return self._smalls.picture(self._frames[index])


def _within(part: range, other: range) -> bool:
    return other.start <= part.start and part.stop <= other.stop


def overlap(mask: np.ndarray, matte: np.ndarray) -> bool:
    """Whether most of a mask, (h, w) uint8, lies in a matte of its size."""
    inside = mask & ops.at_least(matte, ON)
    return cv2.countNonZero(inside) * 2 > cv2.countNonZero(mask)
