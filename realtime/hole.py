"""The hole: which pixels of a frame are replaced, and how softly, decided from the mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime import masks, ops
from realtime.ops import Region
from realtime.selection import Selection

USUAL_GROWTH = 0.01  # share of the height that a mask is grown by


@dataclass(frozen=True)
class Hole:
    """The pixels of a frame that are replaced.

    roi: the rectangle of the frame that may change. Within it, (h, w) uint8 each: inside: 255 where the pixel is
    replaced wholly; alpha: the same, falling to 0 over the feather outside; guard: 255 on the hole and on a band around
    it whose background is doubtful, since masks have soft and inexact edges.
    """

    roi: Region
    inside: np.ndarray
    alpha: np.ndarray
    guard: np.ndarray


def cut_hole(mask: np.ndarray, selection: Selection, dilate: int | None, keep: np.ndarray | None = None) -> Hole | None:
    """Grow a mask outward into a hole and feather it; None where nothing is left to replace.

    mask: (H, W) uint8, 255 = erase; selection: what it protects stays untouched; dilate: pixels to grow by, None for
    about 1 % of the height; keep: (H, W) uint8, 255 where nothing may be replaced either.
    """
    size: tuple[int, int] = mask.shape[0], mask.shape[1]
    region = ops.bounding_region(selection.protect(mask) if selection.keep else mask)
    if region is None:
        return None
    radius, soft, doubt = growth(size[0], dilate), feather_width(size[0]), guard_width(size[0])
    roi = region.expanded_within(radius + 2 * soft + doubt + 2, *size)
    inside = ops.grow(mask[roi.slices], radius)
    if keep is None and not selection.keep:
        return Hole(roi, inside, ops.feather(inside, soft), ops.grow_square(inside, doubt))
    allowed = selection.protect(ops.full_like(mask, 255) if keep is None else ~keep)[roi.slices]
    inside = inside & allowed
    return Hole(roi, inside, ops.feather(inside, soft) & allowed, ops.grow_square(inside, doubt))


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
