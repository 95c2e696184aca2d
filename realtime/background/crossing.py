"""What stands behind the frames between two shots, while the one dissolves into the other."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter

import cv2
import numpy as np

from realtime import ops
from realtime.background.exposure import Exposure
from realtime.background.filljob import quick_fill
from realtime.background.ledger import packed, unpacked
from realtime.background.memory import Memory
from realtime.background.plate import GUESSED, SEEN, UNSEEN, Plate
from realtime.ops import Region

BRIDGE = 4  # pixels to one of the bridge over what a shot never shows
STRIDE = 3  # pixels, each way, to one that is looked at for the shares
NOISE = 1.0  # mean square of the grey levels that any frame is off by
EXPLAINED = 0.25  # share of a straight mixture's mean square error that a fade must fall short of, noise added


@dataclass(frozen=True)
class Edge:
    """The last frame of a shot, or its first one.

    memory: of the shot; epoch, motion, exposure: of the frame, as in `Pending` and `Finding`; erased: its mask, packed,
    since a film has many. plate: of the pass that renders, which holds what was invented for the shot; None before it.
    """

    memory: Memory
    epoch: int
    motion: np.ndarray
    exposure: Exposure
    erased: bytes
    plate: Plate | None = None

    @staticmethod
    def of(memory: Memory, epoch: int, motion: np.ndarray, exposure: Exposure, mask: np.ndarray) -> Edge:
        """mask: (H, W) uint8, what was erased from the frame."""
        return Edge(memory, epoch, motion, exposure, packed({"mask": mask}))

    @property
    def mask(self) -> np.ndarray:
        """What was erased from the frame, (H, W) uint8."""
        return unpacked(self.erased)["mask"]

    def background(self, region: Region) -> tuple[np.ndarray, np.ndarray]:
        """As `Memory.recall`, in the frame's own exposure; (h, w, 3) float32.

        What the shot never shows is as it was invented for it, or bridged smoothly.
        """
        color, trust = self.memory.recall(self.epoch, self.motion, region)
        unknown = ops.equals(trust, UNSEEN)
        if self.plate is not None:
            invented, there = self.plate.home.fetch(*self._invented(self.plate, region))
            ops.copy_where(invented, unknown & there, color)
            unknown = unknown & ~there
        if ops.count(unknown):
            color = quick_fill(color, unknown, BRIDGE)
        return self.exposure.apply(color), trust

    def _invented(self, plate: Plate, region: Region) -> tuple[np.ndarray, np.ndarray]:
        """What a plate holds of a region, (h, w, 3) uint8 BGR, and where it holds anything, (h, w) uint8."""
        color, trust = plate.read(self.motion @ np.linalg.inv(plate.since(self.epoch)), region)
        return color, ops.at_least(trust, GUESSED)


@dataclass
class Crossing:
    """From one shot to the next, straight or through a plain picture.

    None stands for such a picture, from which a film fades in, or to which it fades out.
    """

    before: Edge | None
    after: Edge | None = None

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """The mask of a frame between the two, (H, W) uint8, with what fades out and what fades in."""
        there = [edge.mask for edge in (self.before, self.after) if edge is not None]
        return np.bitwise_or.reduce([mask, *(each for each in there if each.shape == mask.shape)])

    def seen_in(self, picture: np.ndarray, mask: np.ndarray) -> Mixture:
        """What a frame between the two should show: (H, W, 3) uint8 BGR; mask: (H, W) uint8, what is erased from it."""
        return Mixture(self, picture, mask)


@dataclass(frozen=True)
class Mixture:
    """The backgrounds of two shots, mixed as one frame mixes them; a `Memory` of that frame alone."""

    crossing: Crossing
    picture: np.ndarray
    mask: np.ndarray

    def recall(self, epoch: int, motion: np.ndarray, region: Region) -> tuple[np.ndarray, np.ndarray]:
        """As `Memory.recall`, all of it taken for SEEN; the camera is taken to stand still while a film dissolves."""
        height, width = self.mask.shape
        whole = Region(0, height, 0, width)
        plain = np.zeros((height, width, 3), np.float32), np.full((height, width), SEEN, np.uint8)
        (one, trust), (other, other_trust) = (
            plain if edge is None else edge.background(whole) for edge in (self.crossing.before, self.crossing.after)
        )
        known = ops.equals(np.minimum(trust, other_trust), SEEN)
        first, second, light = self._shares(one, other, known & ~self.mask).tolist()
        mixed = cv2.addWeighted(one[region.slices], first, other[region.slices], second, light)
        return ops.to_uint8(mixed), np.full((region.height, region.width), SEEN, np.uint8)

    def _shares(self, one: np.ndarray, other: np.ndarray, known: np.ndarray) -> np.ndarray:
        """The two pictures' shares in the frame and the grey levels that a plain one adds to them, (3,) float64.

        By least squares where both backgrounds are known; half of each where nothing tells. Only two are mixed at once,
        one of them perhaps black or white: on plain walls, free shares of all would explain the frame in any number of
        ways.
        """
        thinned = slice(None, None, STRIDE), slice(None, None, STRIDE)
        chosen = known[thinned] > 0
        first, second, frame = (
            picture[thinned][chosen].ravel().astype(np.float64) for picture in (one, other, self.picture)
        )
        terms = np.stack([first, second, np.ones_like(first)])
        before, after, black, white = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 0), (0, 0, 255)], np.float64)
        straight, error = _mixed(before, after, terms, frame)
        fades = [_mixed(shot, plain, terms, frame) for shot in (before, after) for plain in (black, white)]
        fade, left = min(fades, key=itemgetter(1))
        return fade if left + NOISE < EXPLAINED * error else straight


def _mixed(start: np.ndarray, end: np.ndarray, terms: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, float]:
    """The shares of `terms`, (3, n), by which two pictures make a frame, (n,), and the mean square error without light.

    start, end: (3,) float64, the shares that are the two pictures. What the mixture leaves of the frame's mean is
    light, too: plain pictures are not quite black, or white.
    """
    change = (end - start) @ terms
    share = ((frame - start @ terms) @ change + 0.5) / (change @ change + 1.0)
    shares = start + np.clip(share, 0.0, 1.0) * (end - start)
    left, count = frame - shares @ terms, max(1, len(frame))
    shares[2] += left.sum() / count
    return shares, float(left @ left) / count
