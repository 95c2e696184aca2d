"""Background at two distances: where one homography does not explain what moves past a moving camera.

The corners that disagree with the plate's motion are given a homography of their own, and with it a plate of their own,
the *second layer*: what stands nearer than the rest, or further away. Every pixel outside the objects belongs to the
layer whose plate, seen from here, looks more like it; where both look alike, to that of its surroundings. Each plate
learns its own layer alone, so it holds what the other one hides: a hole shows the nearer layer wherever that was seen,
and the further one behind it. After Wang and Adelson, Representing Moving Images with Layers, IEEE TIP 1994.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from realtime import ops
from realtime.background.plate import GUESSED, SEEN, Plate
from realtime.masks import CHANGED
from realtime.motion.glance import Glance, Tracks, View, find_corners
from realtime.motion.registration import Location, Registration
from realtime.motion.sight import Sight
from realtime.ops import Region

DISAGREES = 0.7  # share of the corners, at most, that agree on one homography where there is parallax
BASELINE = 6  # frames over which the two motions are told apart
APART = 1.5  # view pixels over these frames by which they must differ
FEW = 24  # corners that a layer needs to begin with, at least
SHARE = 0.08  # of all corners, likewise
EVERY = 3  # frames between two tries to find a second layer
WINDOW = 9  # view pixels over which likeness is averaged
SURE = 12.0  # grey levels of difference in likeness that decide
HABIT = 1.0  # those by which a pixel's layer of the frame before counts
SMALLEST = 0.01  # share of the view that a layer must show
PATIENCE = 10  # frames for which it may show less, or not be found


@dataclass(frozen=True)
class Second:
    """What a frame shows of the second layer.

    begun: the layer begins with this frame; motion: 3x3, anchor of its plate -> frame pixels; anchored: its plate is to
    move to this frame; front: it is the nearer one; mask: (h, w) uint8 at view size, 255 where the frame shows it;
    wrong: the same, 255 where the nearer plate would show something that is not there.
    """

    begun: bool
    motion: np.ndarray
    anchored: bool
    front: bool
    mask: np.ndarray
    wrong: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it, to be stored."""
        return {
            "second_flags": np.array([self.begun, self.anchored, self.front]),
            "second_motion": self.motion,
            "second_mask": self.mask,
            "second_wrong": self.wrong,
        }

    @classmethod
    def restored(cls, record: Mapping[str, np.ndarray]) -> Second | None:
        """That which gave these arrays; None where there are none."""
        if "second_flags" not in record:
            return None
        begun, anchored, front = record["second_flags"].tolist()
        names = "second_motion", "second_mask", "second_wrong"
        motion, mask, wrong = (record[name] for name in names)
        return cls(bool(begun), motion, bool(anchored), bool(front), mask, wrong)


@dataclass(frozen=True)
class Layer:
    """The second layer of a frame that waits. plate, motion, epoch: as in `Pending`; front: it is the nearer one."""

    plate: Plate
    motion: np.ndarray
    epoch: int
    front: bool

    def read(self, region: Region) -> tuple[np.ndarray, np.ndarray]:
        """As `Plate.read`, with what its plate has learnt up to now."""
        motion = self.motion @ np.linalg.inv(self.plate.since(self.epoch))
        return self.plate.read(motion, region)

    def joined(
        self, first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Colour and trust of both layers, the nearer before the further; each as `Plate.read` gives them."""
        return over(first, second) if self.front else over(second, first)


@dataclass
class _Past:
    """A frame before: its view, where it may show background, (h, w) uint8, and how each layer has moved since, 3x3,
    pixels of views.
    """

    view: View
    usable: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def unlike(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """How unlike each layer's motion makes it to a view, (h, w) float32, 0 where it says nothing."""
        both = []
        for matrix in (self.first, self.second):
            there = ops.warp_mask(self.usable, matrix, view.size)
            both.append((there, _unlike(ops.warp(self.view.contrast, matrix, view.size, cubic=False), view)))
        known = (both[0][0] & both[1][0]) > 0
        return np.where(known, both[0][1], np.float32(0)), np.where(known, both[1][1], np.float32(0))


class Parallax:
    """Finds and follows the second layer of one shot. State: the last views, and the layer's registration and mask.

    sight: what both plates show of the latest frame, None where there is one layer.
    """

    def __init__(self) -> None:
        self._past: deque[_Past] = deque(maxlen=BASELINE + 1)
        self._registration: Registration | None = None
        self._mask: np.ndarray | None = None  # of the latest frame
        self._front = True
        self._missing = 0  # frames for which it was not found, or little of it
        self.sight: Sight | None = None

    def main(self, usable: np.ndarray) -> np.ndarray:
        """Where the next frame probably shows the first layer: (h, w) uint8, part of `usable`."""
        if self._mask is None or self._mask.shape != usable.shape:
            return usable
        return usable & ~ops.grow_square(self._mask, 2)

    def find(
        self, glance: Glance, usable: np.ndarray, first: Location, plate: Plate, second: Plate | None
    ) -> Second | None:
        """What the next frame shows of the second layer; None where there is none.

        glance: at the frame; usable: (h, w) uint8 at view size, 255 outside the objects; first: where the frame lies on
        the first layer's plate; second: the second layer's plate, None before it begins.
        """
        self.sight, view = None, glance.view
        if self._past and self._past[-1].view.size != view.size:
            self._end()
            self._past.clear()
        for past in self._past:
            past.first = view.from_frame(first.step) @ past.first
        self._past.append(_Past(view, usable, np.eye(3), np.eye(3)))
        if self._registration is None or second is None:
            self._missing += 1
            if first.agreement >= DISAGREES or self._missing % EVERY:
                return None
            return self._begin(glance, usable, first, plate)
        assert self._mask is not None
        there = usable & ops.shrink(self._mask, 2)  # it moves by few pixels from frame to frame
        location = self._registration.locate(glance, there, second)
        for past in list(self._past)[:-1]:
            past.second = view.from_frame(location.step) @ past.second
        mask = self._assigned(view, usable, first.sight, location)
        shown = cv2.countNonZero(mask) / max(1, cv2.countNonZero(usable))
        gone = location.lost or not location.tracked or not SMALLEST < shown < 1 - SMALLEST
        self._missing = self._missing + 1 if gone else 0
        if location.lost or self._missing > PATIENCE:
            self._end()
            return None
        anchored = second.needs_anchor(location.motion) or self._registration.settled
        if anchored:
            self._registration.rebase()
        self._mask = mask
        self.sight = _joined(first.sight, location.sight, self._front)
        return Second(False, location.motion, anchored, self._front, mask, self._wrong(mask, usable, first, location))

    def _end(self) -> None:
        self._registration, self._mask, self._missing = None, None, 0

    def foresee(self, plate: Plate) -> None:
        """As `Registration.foresee`, of the second layer and its plate."""
        if self._registration is not None:
            self._registration.foresee(plate)

    def _begin(self, glance: Glance, usable: np.ndarray, first: Location, plate: Plate) -> Second | None:
        """Two homographies for the last frames, if there are two."""
        view = glance.view
        if len(self._past) <= BASELINE:
            return None
        past = self._past[0]
        corners = find_corners(past.view.contrast, past.usable)
        start, end = _tracked(corners, past.view.contrast, view.contrast, past.first)
        one, _ = _fitted(start, end)
        if one is None:
            return None
        off = np.linalg.norm(ops.transform_points(one, start) - end, axis=1) > APART
        two, agree = _fitted(start[off], end[off])
        if two is None or agree.sum() < max(FEW, SHARE * len(start)):
            return None
        past.first, past.second = one, two
        unlike = past.unlike(view)
        mask = _decided(unlike[0] - unlike[1], usable)
        shown = cv2.countNonZero(mask & usable) / max(1, cv2.countNonZero(usable))
        if not SMALLEST < shown < 1 - SMALLEST:
            return None
        # What passes faster is nearer, but for a camera that turns after something.
        shifts = [
            np.median(np.linalg.norm(ops.transform_points(m, s) - s, axis=1))
            for m, s in ((one, start[~off]), (two, start[off][agree]))
        ]
        self._front = bool(shifts[1] > shifts[0])
        self._registration, self._mask, self._missing = Registration(), mask, 0
        self._registration.locate(glance, usable & mask, plate)  # of the first frame, no plate is asked
        return Second(True, np.eye(3), False, self._front, mask, np.zeros_like(mask))

    def _assigned(self, view: View, usable: np.ndarray, sight: Sight, location: Location) -> np.ndarray:
        """Where the frame shows the second layer: (h, w) uint8."""
        assert self._mask is not None
        before = ops.warp_mask(self._mask, view.from_frame(location.step), view.size)
        habit = np.where(before > 0, np.float32(HABIT), np.float32(-HABIT))
        one, two = self._past[0].unlike(view)
        known = (sight.known & location.sight.known) > 0
        plates = np.where(known, _unlike(sight.contrast, view) - _unlike(location.sight.contrast, view), np.float32(0))
        return _decided(one - two + plates + habit, usable)

    def _wrong(self, mask: np.ndarray, usable: np.ndarray, first: Location, second: Location) -> np.ndarray:
        """Where the frame shows the further layer though the nearer one's plate knows something there."""
        near, shown = (second, mask) if self._front else (first, ~mask)
        return ops.shrink(~shown & usable, 3) & near.sight.seen


def _tracked(
    corners: np.ndarray, source: np.ndarray, destination: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Corners of one view that are found in another, and where: (N, 2) float32 each; guess: 3x3, source ->
    destination."""
    if len(corners) < FEW:
        return corners[:0], corners[:0]
    tracks = Tracks(corners, source, destination, ops.transform_points(guess, corners))
    there, kept = tracks.there[0], tracks.confirmed
    return corners[kept], there[kept]


def _fitted(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """The homography that most of the points agree on, None where there is none, and (N,) bool, which ones do."""
    if len(start) < FEW:
        return None, np.zeros(len(start), bool)
    matrix, inlier = cv2.findHomography(start, end, cv2.USAC_MAGSAC, 0.75, maxIters=1000, confidence=0.999)
    return matrix, np.zeros(len(start), bool) if inlier is None else inlier.ravel() > 0


def _unlike(contrast: np.ndarray, view: View) -> np.ndarray:
    """How unlike an equalised picture at view size the view is around each pixel, (h, w) float32 grey levels."""
    difference = cv2.absdiff(contrast, view.contrast)
    return cv2.blur(np.minimum(difference, np.uint8(CHANGED)).astype(np.float32), (WINDOW, WINDOW))


def _decided(evidence: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Where the evidence, (h, w) float32, is for the second layer; where there is little, that of the surroundings."""
    weight = np.minimum(np.abs(evidence) / np.float32(SURE), 1) ** 2 * (usable > 0)
    spread = ops.push_pull(np.sign(evidence)[..., None], weight.astype(np.float32))[..., 0]
    return ops.at_least(spread, 1e-6)


def _joined(first: Sight, second: Sight, front: bool) -> Sight:
    """What both plates show of a frame; front: the second layer is the nearer one."""
    back, near = (first, second) if front else (second, first)
    shown = near.seen | (near.known & ~back.known)
    color, contrast = back.color.copy(), back.contrast.copy()
    cv2.copyTo(near.color, shown, color)
    cv2.copyTo(near.contrast, shown, contrast)
    return Sight(color, contrast, back.known | near.known, back.seen | near.seen)


def over(back: tuple[np.ndarray, np.ndarray], front: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A nearer layer's colour and trust before a further one's, in place; both as `Plate.read` gives them."""
    color, trust = back
    shown = ops.equals(front[1], SEEN) | (ops.at_least(front[1], GUESSED) & ~ops.equals(trust, SEEN))
    ops.copy_where(front[0], shown, color)
    ops.copy_where(front[1], shown, trust)
    return color, trust
