"""One followed object: its latest matte, what it looks like, and when it counts as lost, gone or found again."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from realtime import ops
from realtime.masks import ON
from realtime.motion.flow import Step
from realtime.tracking.appearance import Appearance
from realtime.tracking.parts import value_at
from realtime.tracking.touch import LASTS, Touch

Role = Literal["erase", "keep", "none"]

COLLAPSED = 0.25  # share of an object's usual area below which a look says that it is gone
BURST = 3.5  # times its usual area from which on a look took in what does not belong to it
STRANGE = 0.45  # distance in appearance from which on it is another object
SAME = 0.32  # and up to which it is the same, when it is sought
PART, STRANGER = 0.15, 0.15  # share of an object that can be told apart, and by which distance in appearance
POINTED = 2.0  # seconds for which a click tells it from others
APART = 0.05  # share of the height by which they stand beside it
DOUBTS = 3  # looks in a row that must find it missing
FORGETS = 2.0  # seconds after which an area counts for a half: objects come nearer and go away
LEAVING = 0.45  # share of the usual area that an object which left the picture had shown at its edge last
RETURN_AT_ONCE, RETURN_RATE = (
    0.15,
    0.4,
)  # picture heights from where it was lost at which it may come back: at once, per s
COAST = 0.5  # seconds for which a lost object is expected to go on as it went
CLICK_LASTS = 1.0  # seconds for which a click beside an object counts; then the matte has to do


@dataclass
class Click:
    """A click on the object or beside it. x, y: pixels of the matte, carried along; since: when it was made."""

    x: float
    y: float
    inside: bool
    since: float

    def carry(self, step: Step) -> None:
        """Go along with the picture."""
        self.x, self.y = step.point(self.x, self.y)

    def fit(self, to_new: np.ndarray) -> None:
        """Go on at mattes of another size; to_new: 3x3, pixels of the old ones -> those of the new ones."""
        (self.x, self.y), *_ = ops.transform_points(to_new, np.array([[self.x, self.y]])).tolist()


@dataclass
class Track:
    """An object that the user chose.

    number: its own; role: "erase" it, "keep" it though its class is erased, "none": given back, carried along in case
    the user takes that back. matte: (h, w) float32, where it is in the latest picture, or was last seen; person:
    whether it is a part of the class's matte; clicks; boxed: whether it was chosen by a box, which the matte then holds
    until the object is cut out; fresh: the user's last word on it has not been looked at yet; touches: what the brush
    has added to it, or taken away; touched: the latest picture's touches are not in its matte yet. dx, dy: frame pixels
    by which it is shown displaced. state: "followed"; "lost": its hole stays closed; "gone": it left the picture.
    """

    number: int
    matte: np.ndarray
    role: Role = "erase"
    person: bool = False
    clicks: list[Click] = field(default_factory=list)
    boxed: bool = False
    fresh: bool = True
    touches: tuple[Touch, ...] = ()
    touched: bool = False
    dx: float = 0.0
    dy: float = 0.0
    state: Literal["followed", "lost", "gone"] = "followed"
    usual: float = 0.0  # its area of late, pixels of the matte
    appearance: Appearance | None = None
    first: Appearance | None = None  # as it looked when the user pointed at it
    doubts: int = 0
    last: np.ndarray | None = None  # the matte of the latest look, where it was then
    seen: float = 0.0  # when a look last showed it, seconds
    sought: int = 0  # how often it was sought since it was lost
    place: tuple[float, float] = (0.0, 0.0)  # its centre (x, y) at the latest look, pixels of the matte
    drift: tuple[float, float] = (0.0, 0.0)  # how that moves from look to look
    speed: tuple[float, float] = (0.0, 0.0)  # and in a second
    rivals: frozenset[int] = frozenset()  # numbers of parts that were in sight beside it when it was lost
    others: np.ndarray | None = None  # matte of people who are not it, of the latest look, carried along

    @property
    def moved(self) -> bool:
        return self.dx != 0.0 or self.dy != 0.0

    def fit(self, size: tuple[int, int]) -> None:
        """Go on at mattes of (h, w) = `size`."""
        to_new = ops.scaling((self.matte.shape[0], self.matte.shape[1]), size)
        (wider, taller, _), (right, down) = to_new.diagonal().tolist(), to_new[:2, 2].tolist()
        self.matte, self.others = ops.resize(self.matte, size), None
        self.usual *= wider * taller
        self.place = self.place[0] * wider + right, self.place[1] * taller + down
        self.drift, self.speed = ((x * wider, y * taller) for x, y in (self.drift, self.speed))
        for click in self.clicks:
            click.fit(to_new)
        for touch in self.touches:
            touch.fit(size)

    def carry(self, step: Step) -> None:
        """Go along with the picture; the hole of a lost object stays with the background (see `settle`)."""
        if self.state == "followed":
            self.matte = step.matte(self.matte)
            self.others = None if self.others is None else step.matte(self.others)
        for click in self.clicks:
            click.carry(step)
        for touch in self.touches:
            touch.carry(step)

    def without_strays(self, clicks: Iterable[Click]) -> list[Click]:
        """Clicks of its own without those on it that the flow has carried off it."""
        return [c for c in clicks if self.fresh or not c.inside or value_at(self.matte, c.x, c.y) >= ON]

    def touch(self, mask: np.ndarray, *, adds: bool, time: float) -> None:
        """The brush has covered (h, w) float32 of it in the latest picture."""
        if self.state != "followed":
            if not adds:
                self.matte = np.minimum(self.matte, 1 - mask)
                return
            # It shows where it is by now, and the network may tell the rest of it.
            self.state, self.matte, self.clicks, self.touches = "followed", mask, [], ()
        self.touches, self.touched = (*self.touches, Touch(mask, adds, time)), True

    def corrected(self, matte: np.ndarray, time: float) -> np.ndarray:
        """A look at it as the brush would have it, (h, w) float32."""
        self.touches = tuple(touch for touch in self.touches if abs(time - touch.since) <= LASTS)
        for touch in self.touches:
            matte = np.maximum(matte, touch.mask) if touch.adds else np.minimum(matte, 1 - touch.mask)
        return matte

    def begin(self, matte: np.ndarray, lab: np.ndarray, time: float) -> None:
        """The first matte after the user's word, (h, w) float32; lab: (h, w, 3) uint8."""
        self.matte, self.last, self.fresh, self.boxed = matte, matte, False, False
        self.state, self.seen, self.doubts = "followed", time, 0
        self.usual, self.place = float(matte.sum()), _centre(matte)
        self.drift = self.speed = 0.0, 0.0
        self.appearance = Appearance(lab, matte)
        self.first = copy(self.appearance)  # learning makes a new histogram

    def look(self, matte: np.ndarray, lab: np.ndarray, time: float) -> None:
        """Take in a new look at it, unless that is doubtful; several doubtful ones in a row lose it."""
        matte = self.corrected(matte, time)
        area = float(matte.sum())
        if self._doubtful(matte, area, lab):
            self.doubts += 1
            if self.doubts >= DOUBTS:
                self.lose()
            return
        assert self.appearance is not None, "begun before it is looked at"
        if self._distance(matte, lab) < SAME:
            self.appearance.learn(lab, matte)
        (x, y), before = _centre(matte), self.place
        self.drift = (x - before[0] + self.drift[0]) / 2, (y - before[1] + self.drift[1]) / 2
        if time > self.seen:
            self.speed = self.drift[0] / (time - self.seen), self.drift[1] / (time - self.seen)
        self.place = x, y
        self.usual = max(self.usual * 0.5 ** ((time - self.seen) / FORGETS), area)
        self.matte, self.last, self.doubts, self.seen = matte, matte, 0, time

    def lose(self) -> None:
        """Its track is lost: the hole stays closed, unless it evidently went over the picture's edge."""
        self.state, self.sought = ("gone" if self._left() else "lost"), 0
        self.touches = ()
        self.matte = self._held()

    def found(self, matte: np.ndarray, lab: np.ndarray, time: float) -> bool:
        """Follow it again where `matte` shows it, if that looks like it; whether it does."""
        area = float(matte.sum())
        if not COLLAPSED * self.usual < area < BURST * self.usual or self._distance(matte, lab) > SAME:
            return False
        if self.away(matte, time) > 1:
            return False
        usual, appearance, first = self.usual, self.appearance, self.first
        self.begin(matte, lab, time)
        self.usual, self.appearance, self.first = max(area, 0.5 * usual), appearance, first
        return True

    def away(self, matte: np.ndarray, time: float) -> float:
        """How far from where a lost object is expected something is, as a share of how far it may be by now."""
        absent = time - self.seen
        if not np.isfinite(absent):
            return 0.0
        height, there = matte.shape[0], _centre(matte)
        coast = min(absent, COAST) * np.array(self.speed)
        # It stayed with the background, or went on as it went in a picture that a camera holds on it.
        apart = min(float(np.hypot(*(np.array(there) - start - coast))) for start in (_centre(self.matte), self.place))
        may = (RETURN_AT_ONCE + RETURN_RATE * absent) * height + np.sqrt(self.usual / np.pi) + np.hypot(*coast)
        return float(apart / may)

    def expected(self, time: float) -> np.ndarray:
        """Where a lost object would be had it gone on as it went, (h, w) float32."""
        if self.last is None or self.last.shape != self.matte.shape:
            return self.matte
        dx, dy = min(time - self.seen, COAST) * np.array(self.speed)
        return ops.warp_soft(self.last, ops.translation(dx, dy), (self.last.shape[0], self.last.shape[1]))

    def familiar(self, matte: np.ndarray, lab: np.ndarray, time: float) -> np.ndarray:
        """A matte without those of its parts that look much less like the object than another part of it does, or that
        stand beside the one that was clicked on of late: others, who were before or behind it.
        """
        count, labels, stats, _ = cv2.connectedComponentsWithStats(ops.at_least(matte, ON))
        area = stats[:, cv2.CC_STAT_AREA]
        large = [label for label in range(1, count) if area[label] >= PART * area[1:].sum()]
        if len(large) < 2:
            return matte
        assert self.first is not None, "begun before it is looked at"
        looks = {label: self.first.distance(lab, np.where(labels == label, matte, np.float32(0))) for label in large}
        strange = {label for label in large if looks[label] > min(looks.values()) + STRANGER}
        pointed = [click for click in self.clicks if click.inside and abs(time - click.since) <= POINTED]
        shown = {int(value_at(labels, click.x, click.y)) for click in pointed} & set(large)
        strange |= {label for label in large if shown and _beside(stats, label, shown, APART * labels.shape[0])}
        return np.where(np.isin(labels, list(strange)), np.float32(0), matte) if strange else matte

    def settle(self, step: np.ndarray) -> None:
        """A lost object's hole goes with the background. step: 3x3, previous matte's pixels -> this one's."""
        if self.state == "lost" and not np.array_equal(step, np.eye(3)):
            self.matte = ops.warp_soft(self.matte, step, (self.matte.shape[0], self.matte.shape[1]))

    def hole(self) -> np.ndarray:
        """What is to be erased of it, (h, w) float32; while it is lost, where it was seen last and no more.

        A hole that grew would eat what passes there, and whoever goes on unseen goes faster than it might grow.
        """
        if self.state != "lost":
            return self._held() if self.doubts else self.matte
        return ops.grow(ops.at_least(self.matte, ON), 1).astype(np.float32) / np.float32(255)

    def _held(self) -> np.ndarray:
        """Where it was at the latest look, and where it may have gone since."""
        if self.last is None or self.last.shape != self.matte.shape:
            return self.matte
        return np.maximum(self.last, self.matte)

    def _doubtful(self, matte: np.ndarray, area: float, lab: np.ndarray) -> bool:
        if area < max(COLLAPSED * self.usual, 4.0) or area > BURST * self.usual:
            return True
        return self._distance(matte, lab) > STRANGE

    def _distance(self, matte: np.ndarray, lab: np.ndarray) -> float:
        if self.appearance is None or not (matte >= ON).any():
            return 1.0
        return self.appearance.distance(lab, matte)

    def _left(self) -> bool:
        """Whether its last look was a remainder at the picture's edge, or went on would be outside."""
        mask = ops.at_least(self.matte, ON)
        region = ops.bounding_region(mask)
        if region is None:
            return False
        height, width = mask.shape
        at_edge = region.x0 <= 1 or region.x1 >= width - 1 or region.y0 <= 1 or region.y1 >= height - 1
        x, y = _centre(self.matte)
        ahead_x, ahead_y = x + DOUBTS * self.drift[0], y + DOUBTS * self.drift[1]
        outside = not (0 <= ahead_x < width and 0 <= ahead_y < height)
        return at_edge and (outside or float(self.matte.sum()) < LEAVING * self.usual)


def _beside(stats: np.ndarray, part: int, others: set[int], gap: float) -> bool:
    """Whether a part stands to the left or right of others, more than `gap` pixels from them; stats: OpenCV's."""
    begin, end = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_LEFT] + stats[:, cv2.CC_STAT_WIDTH]
    there = list(others)
    return bool(begin[part] > max(end[there]) + gap or end[part] < min(begin[there]) - gap)


def _centre(matte: np.ndarray) -> tuple[float, float]:
    """The matte's centre of mass, (x, y)."""
    total = float(matte.sum())
    if total <= 0:
        return matte.shape[1] / 2, matte.shape[0] / 2
    x = float(matte.sum(0) @ np.arange(matte.shape[1], dtype=np.float32)) / total
    y = float(matte.sum(1) @ np.arange(matte.shape[0], dtype=np.float32)) / total
    return x, y
