"""The hole: which pixels of a frame are replaced, and how softly, decided from the mask."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from realtime import masks, ops
from realtime.ops import Home, Region
from realtime.selection import Selection

USUAL_GROWTH = 0.01  # share of the height that a mask is grown by


@dataclass(frozen=True)
class Cover:
    """What is replaced of a frame, (H, W) uint8 each.

    inside: 255 where the pixel is replaced wholly; guard: 255 there and on a band around it whose background is
    doubtful, since masks have soft and inexact edges; allowed: 255 where anything may be replaced, None for everywhere.
    """

    inside: np.ndarray
    guard: np.ndarray
    allowed: np.ndarray | None


def cover(mask: np.ndarray, selection: Selection, dilate: int, keep: np.ndarray | None = None) -> Cover:
    """Grow a mask outward.

    mask: (H, W) uint8, 255 = erase; selection: what it protects stays untouched; dilate: pixels to grow by; keep:
    (H, W) uint8, 255 where nothing may be replaced either.
    """
    allowed = None if keep is None else ~keep
    if selection.keep:
        allowed = selection.protect(ops.full_like(mask, 255) if allowed is None else allowed)
    height, width = mask.shape
    doubt = guard_width(height)
    region = ops.neighbourhood(mask, dilate + doubt)
    if region is None:
        return Cover(mask, mask, allowed)
    inside = ops.grow(mask[region.slices], dilate)
    if allowed is not None:
        inside = inside & allowed[region.slices]
    around = region.y0, height - region.y1, region.x0, width - region.x1
    return Cover(ops.extended(inside, *around), ops.extended(ops.grow_square(inside, doubt), *around), allowed)


@dataclass(frozen=True)
class Hole:
    """The pixels of a frame that are replaced.

    roi: the rectangle of the frame that may change. Within it, (h, w) uint8 each: inside: 255 where the pixel is
    replaced wholly; alpha: the same, falling to 0 over the feather outside. bounds: gives the rectangle around all that
    is replaced wholly, None where nothing is; waits for a device, if nobody has since the hole was cut.
    """

    roi: Region
    inside: np.ndarray
    alpha: np.ndarray
    bounds: Callable[[], Region | None]

    @staticmethod
    def of(cover: Cover, roi: Region, bounds: Callable[[], Region | None]) -> Hole:
        """What a rectangle of a cover shows."""
        here = roi.slices
        inside = cover.inside[here].copy()
        alpha = ops.feather(inside, feather_width(cover.inside.shape[0]))
        return Hole(roi, inside, alpha if cover.allowed is None else alpha & cover.allowed[here], bounds)

    def holds(self, size: tuple[int, int]) -> bool:
        """Whether all that is replaced of the (H, W) frame lies in `roi`, with its feather."""
        return _holds(self.roi, self.bounds(), size)


class Outline:
    """Where the holes of one shot lie. State: the bounds of the last two.

    A hole's rectangle is made around the bounds of the one before, moved on as far as they moved last, so that a device
    need not be waited for to begin with; where it reaches beyond that, around its own. The CPU knows at once, a device
    says so when the frame is done: see `Hole.holds`.
    """

    def __init__(self) -> None:
        self._latest: deque[Callable[[], Region | None]] = deque(maxlen=2)

    def next(self, bounds: Callable[[], Region | None], size: tuple[int, int], home: Home) -> tuple[Region, bool]:
        """The rectangle of the next hole, of a (H, W) frame; empty where nothing is replaced.

        bounds: of all that is replaced wholly; a device is not asked. Where it would have to be, the rectangle is the
        whole frame, and the second answer False: then `room` for the bounds is the one to take.
        """
        roi = self._foretold(size)
        self._latest.append(bounds)
        if home.answers_at_once:
            return (roi if roi is not None and _holds(roi, bounds(), size) else room(bounds(), size)), True
        return (Region(0, size[0], 0, size[1]), False) if roi is None else (roi, True)

    def _foretold(self, size: tuple[int, int]) -> Region | None:
        """Where the next hole should lie, None where nothing tells."""
        known = [region for bounds in self._latest if (region := bounds()) is not None]
        if len(known) < 2:
            return None
        (up, down, left, right), (y0, y1, x0, x1) = known
        outward = Region(min(y0, 2 * y0 - up), max(y1, 2 * y1 - down), min(x0, 2 * x0 - left), max(x1, 2 * x1 - right))
        return room(outward, size)


def room(bounds: Region | None, size: tuple[int, int]) -> Region:
    """The rectangle of a (H, W) frame for a hole with these bounds: with its feather, and room for some movement."""
    if bounds is None:
        return Region(0, 0, 0, 0)
    return bounds.expanded_within(2 * feather_width(size[0]) + guard_width(size[0]) + 2, *size)


def _holds(roi: Region, bounds: Region | None, size: tuple[int, int]) -> bool:
    if bounds is None:
        return False
    needed = bounds.expanded_within(feather_width(size[0]), *size)
    return roi.united(needed) == roi


def belongings(
    mask: np.ndarray, frame: np.ndarray, background: np.ndarray, seen: np.ndarray, *, parts: bool, shadow: bool
) -> np.ndarray:
    """The mask with what it leaves out of its object, as far as the plate can tell.

    mask: (H, W) uint8. Smaller: frame: (h, w, 3) uint8 BGR; background: (h, w, 3) uint8, the plate as it should show
    there; seen: (h, w) uint8, 255 where that is SEEN. parts: add what hangs together with the mask and is not
    background (hands, held things, hair); shadow: add shadows that touch it.
    """
    size = seen.shape[0], seen.shape[1]
    small = ops.at_least(ops.resize(mask, size), 1)
    # Parts are held close to the body; a shadow can be as long as its object, though few are longer than this.
    reach = ops.reach(small, divisor=8, least=4, most=max(size))
    shadow_reach = ops.reach(small, divisor=1, least=4, most=size[0] * 2 // 3)
    region = ops.neighbourhood(small, shadow_reach if shadow else reach)
    if region is None or not (parts or shadow):
        return mask
    frame, background, seen = (picture[region.slices] for picture in (frame, background, seen))
    extra = ops.zeros_like(small)
    if parts:
        extra[region.slices] |= masks.left_out(frame, background, seen, small[region.slices], reach)
    if shadow:
        extra[region.slices] |= masks.shadows(frame, background, seen, small[region.slices], shadow_reach)
    if ops.surely_empty(extra):
        return mask
    return mask | ops.at_least(ops.resize(extra, (mask.shape[0], mask.shape[1])), 128)


def beside(foreign: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where a frame of (H, W) = `size` may show background: well beside a smaller mask of what is none."""
    band = growth(size[0], None) + guard_width(size[0])
    return ~ops.grow_square(ops.at_least(ops.resize(foreign, size), 1), band)


def growth(height: int, dilate: int | None, share: float = USUAL_GROWTH) -> int:
    """Pixels that a mask is grown by: `dilate`, or this share of the frame's height where that is None."""
    return max(2, round(height * share)) if dilate is None else dilate


def feather_width(height: int) -> int:
    """Pixels that the feather reaches outside the hole."""
    return max(2, round(height * 0.006))


def guard_width(height: int) -> int:
    """Pixels around the hole in which a frame says little about the background."""
    return max(3, round(height * 0.015))


def sliver_width(height: int) -> int:
    """Radius of the square that must fit into an unknown patch for it to be worth a network's fill."""
    return max(1, round(height * 0.01))


def kept(keep: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Where nothing may be erased, (H, W) uint8: what is kept, with its soft rim, unless that is masked itself."""
    size = mask.shape[0], mask.shape[1]
    return ops.grow(ops.at_least(ops.resize(keep, size), 128), growth(size[0], None)) & ~mask
