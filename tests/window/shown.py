"""Results whose every pixel a test can foresee: three discs before a grey wall, one of them erased."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

from realtime.background.plate import GUESSED, SEEN
from realtime.frame import Frame
from realtime.live.control import Status
from realtime.ops import Region
from realtime.result import Result
from realtime.tracking.things import Thing

WIDTH, HEIGHT = 320, 180
WALL, DISC = (90, 90, 90), (200, 120, 40)
ERASED, CANDIDATE, OTHER = (60, 90, 30), (160, 90, 30), (260, 110, 25)  # x, y, radius
STATUS = Status(fps=29.8, latency_ms=42.0, dropped=3, repeated=12, device="cpu", coverage=0.93)


def thing(number, state, place, moved=(0.0, 0.0)):
    """A disc that is followed as an object."""
    x, y, radius = place
    mask = np.zeros((2 * radius + 1, 2 * radius + 1), np.uint8)
    cv2.circle(mask, (radius, radius), radius, 255, -1)
    return Thing(number, state, Region(y - radius, y + radius + 1, x - radius, x + radius + 1), mask, moved)


THINGS = (thing(1, "erased", ERASED), thing(2, "candidate", CANDIDATE), thing(3, "candidate", OTHER))


def result(things=THINGS, fault=None):
    """The disc of `ERASED` is gone; of its hole, the upper half was seen, the lower half guessed."""
    before = np.full((HEIGHT, WIDTH, 3), WALL, np.uint8)
    for x, y, radius in (ERASED, CANDIDATE, OTHER):
        cv2.circle(before, (x, y), radius, DISC, -1)
    x, y, radius = ERASED
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(hole, (x, y), radius + 2, 255, -1)
    after = before.copy()
    after[hole > 0] = WALL
    trust = np.where(hole > 0, SEEN, 0).astype(np.uint8)
    trust[y:][hole[y:] > 0] = GUESSED
    reach = radius + 2
    roi = Region(y - reach, y + reach + 1, x - reach, x + reach + 1)
    return Result(Frame(before, 0, 0, Fraction(1, 30)), after, hole, hole, trust, roi, {}, tuple(things), fault)
