"""Background that does not stand still: where the plate should show what was there last, and not an average.

Three things make a plate's pixel out of date at once: it *sways*, as water and leaves do, within what it has shown so
far and no faster (see `leaps`); it *switches* together with all around it from one frame to the next, as a screen or a
lamp does, while somebody who walks by takes it strip by strip, and what is hidden beside it may have switched with it;
or what it shows *prevails*: it has been in the open for longer than what the plate remembers, which was then somebody
passing.
"""

from __future__ import annotations

import cv2
import numpy as np

from realtime import ops
from realtime.background.exposure import Exposure
from realtime.background.leaps import RETURNS, Leaps
from realtime.background.plate import SETTLED
from realtime.motion.glance import View

SHARE = 1.0 / 16.0  # of a frame in the running mean and spread
FINE = 240  # rows of a view from which half of them tell enough
SWAYS = 5.0  # grey levels of spread from which a pixel sways
EDGES = 1.2  # of a neighbourhood's range that misregistration may add to the spread while the camera moves
REACH = 2.5, 10.0  # spreads, and grey levels more, by which a pixel that sways may lie off its mean
SURPRISE = 1.5, 6.0  # the same that may be learnt at once: more is somebody passing
WIDTH = 0.08  # share of the height: what switches is wider than anybody moves from frame to frame
STAYS = 3  # frames in which what switched must be so before it is believed: who runs has gone on by then
BESIDE = 0.25  # share of the height: what is hidden and no further from what switches, may have switched with it
BRIEF = 10  # frames in the open, at least, before what prevails is believed


class Restless:
    """Tells restless pixels of one shot.

    State: mean and spread of each pixel's brightness; where any is known; for how many frames in the open
    it has been as the plate says, and for how many in a row other than that; where these began with a switch; for how
    many in a row it is open; for hidden ones, how many frames ago something beside it switched, 0 where nothing has.

    ago: for how many frames what the latest step calls renewed may have been so unseen, 0 where that isn't known;
    leaps: where somebody seems to come or go in the latest step; both of its size, None before any.
    """

    def __init__(self) -> None:
        self.ago: np.ndarray | None = None
        self.leaps: np.ndarray | None = None
        self._leaps: Leaps | None = None
        self._mean: np.ndarray | None = None
        self._spread: np.ndarray = np.zeros((0, 0), np.float32)
        self._known: np.ndarray = np.zeros((0, 0), np.uint8)
        self._alike: np.ndarray = self._known
        self._other: np.ndarray = self._known
        self._switched: np.ndarray = self._known
        self._open_for: np.ndarray = self._known
        self._beside: np.ndarray = self._known

    def step(
        self, view: View, exposure: Exposure, open: np.ndarray, changed: np.ndarray, step: np.ndarray
    ) -> np.ndarray:
        """Where the plate should take what the next frame shows, at once: uint8, at the view's size or half of it.

        exposure: of the frame; open: (h, w) uint8 at view size, 255 where the frame shows background; changed: 255
        where it is other than the plate; step: 3x3, pixels of the frame before -> this frame's.
        """
        coarse = 2 if min(view.size) >= FINE else 1
        size = view.size[0] // coarse, view.size[1] // coarse
        color = exposure.remove(ops.resize(view.color, size)).astype(np.float32)
        gray = cv2.cvtColor(color, cv2.COLOR_BGR2GRAY)
        open, changed = ops.at_least(ops.resize(open, size), 255), ops.at_least(ops.resize(changed, size), 128)
        if self._mean is None or self._leaps is None or self._mean.shape != gray.shape:
            self._mean, self._spread, self._leaps = gray, np.zeros_like(gray), Leaps(color)
            self._known = open.copy()
            self._alike, self._other, self._switched, self._beside = (np.zeros_like(open) for _ in range(4))
            self._open_for = open.copy()
            return np.zeros_like(open)
        still = np.array_equal(step, np.eye(3))
        if not still:
            self._carry(view.from_frame(step, size), size)
        # Where it was hidden until now, what shows is the first that is known.
        cv2.copyTo(gray, open & ~self._known, self._mean)
        sways = self._learn(gray, open, still) & self._goes_on(self._leaps, color, open)
        alike, other = open & ~changed, open & changed
        self._switched |= self._switching(other)
        ones = np.ones_like(open)
        cv2.copyTo(cv2.add(self._other, ones), other, self._other)
        self._other[alike > 0] = 0
        self._switched[alike > 0] = 0
        switches = other & self._switched & ops.at_least(self._other, STAYS)
        beside = open & ops.at_least(self._beside, 1)
        follows = ops.grow_square(other & beside, _reach(open)) & beside
        prevails = other & ops.at_least(self._other, BRIEF) & ops.not_below(self._other, self._alike)
        # What switched, and looks alike before and after, is not to be an average of both.
        anew = switches | _wide(switches, 2 * _reach(open)) & ops.grow_square(switches, 2) & open | follows | prevails
        renewed = sways | anew
        self._leaps.believe(open & (renewed | alike))
        self.ago = np.maximum(self._beside & renewed, switches & np.uint8(STAYS - 1))
        self._open_for = cv2.add(self._open_for, ones) & open
        self._note_beside(switches, alike & ~follows)
        self._alike = np.minimum(self._alike + (alike & ones), np.uint8(SETTLED))
        self._alike[anew > 0] = 1
        self._other[renewed > 0] = self._switched[renewed > 0] = 0
        self._known |= open
        return renewed

    def _goes_on(self, leaps: Leaps, color: np.ndarray, open: np.ndarray) -> np.ndarray:
        """Where a frame goes on from what was believed before, and what is only just seen again has nobody beside it
        who comes or goes: (h, w) uint8.
        """
        new, goes_on = leaps.step(color, self._open_for)
        new &= open
        # What leaps as a whole switches.
        self.leaps = new & ~ops.grow_square(_wide(new, _reach(open)), 2 * _reach(open))
        beside = ops.grow_square(ops.opened(self.leaps, 1), _reach(open))
        return goes_on & ~(beside & ~ops.at_least(self._open_for, RETURNS))

    def _note_beside(self, switches: np.ndarray, settled: np.ndarray) -> None:
        """What is hidden beside something that switches may have switched too; settled: where that is decided."""
        self._beside = cv2.add(self._beside, ops.at_least(self._beside, 1) & np.ones_like(settled))
        self._beside[settled > 0] = 0
        begun = switches & ops.equals(self._beside, 0)
        if begun.any():
            # What was hidden at that moment may be open by now.
            was_hidden = ~settled & ~ops.at_least(self._open_for, STAYS + 1)
            near = ops.grow_square(begun, round(BESIDE * begun.shape[0]))
            self._beside[(near & (was_hidden | begun)) > 0] = STAYS

    def _carry(self, matrix: np.ndarray, size: tuple[int, int]) -> None:
        """Move all that is known with the camera."""
        assert self._mean is not None
        assert self._leaps is not None
        self._leaps.carry(matrix, size)
        self._mean, self._spread = (ops.warp(each, matrix, size, cubic=False) for each in (self._mean, self._spread))
        self._known, self._switched = (ops.warp_mask(each, matrix, size) for each in (self._known, self._switched))
        self._alike, self._other, self._beside, self._open_for = (
            cv2.warpPerspective(each, matrix, size[::-1], flags=cv2.INTER_NEAREST)
            for each in (self._alike, self._other, self._beside, self._open_for)
        )

    def _learn(self, gray: np.ndarray, open: np.ndarray, still: bool) -> np.ndarray:
        """Learn mean and spread where the frame is open; where it sways: (h, w) uint8."""
        assert self._mean is not None
        off = cv2.absdiff(gray, self._mean)
        sways = ops.at_least(self._spread, SWAYS)
        if not still:
            sways &= ops.not_below(self._spread, SWAYS + EDGES * _range(self._mean))
        sways &= open & ops.not_below(REACH[0] * self._spread + REACH[1], off)
        surprise = SURPRISE[0] * self._spread + SURPRISE[1]
        cv2.accumulateWeighted(cv2.min(off, surprise), self._spread, SHARE, open)
        nearer = self._mean + np.clip(gray - self._mean, -surprise, surprise)
        cv2.accumulateWeighted(nearer, self._mean, SHARE, open)
        return sways

    def _switching(self, other: np.ndarray) -> np.ndarray:
        """Where much has become something else together, in the open: (h, w) uint8; other: where it is that now."""
        begins = ops.equals(self._other, 0) & ops.equals(self._beside, 0)
        fresh = other & begins & ops.at_least(self._open_for, 1) & ops.at_least(self._alike, 2)
        return _wide(fresh, _reach(fresh)) & fresh


def _reach(mask: np.ndarray) -> int:
    """Half of the pixels that something must be wide to be no passer-by."""
    return max(2, round(WIDTH * mask.shape[0] / 2))


def _wide(mask: np.ndarray, radius: int) -> np.ndarray:
    """Around what is wider than twice a radius in a (h, w) uint8 mask, small gaps left aside."""
    if not mask.any():
        return mask
    core = ops.opened(ops.grow_square(mask, 1), radius)
    return ops.grow_square(core, radius) if core.any() else core


def _range(picture: np.ndarray) -> np.ndarray:
    """The difference between the brightest and the darkest of each 3 x 3 pixels."""
    return cv2.morphologyEx(picture, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
