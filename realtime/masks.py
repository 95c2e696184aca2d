"""From the network's matte to the hole: smoothing over time, hysteresis, outward growth, shadows and left-out parts.

Step 3 of the design. A miss shows the object, so masks attack fast and release slowly.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from realtime import ops
from realtime.ops import Region

SMOOTHING = 0.8  # share of the previous matte where the network is wholly unsure
ON, OFF = 0.5, 0.3  # hysteresis: a pixel is masked from ON, and stays so down to OFF
RELEASE = 0.6  # what the network drops keeps this share of its previous matte: it is let go after two frames
SMALLEST_PART = 0.0003  # share of the picture (17 x 17 pixels of 1280x720) below which a part is no person but noise
LARGEST_GAP = 0.003  # share of the picture up to which a gap inside a mask is taken for a fault of the network
CHANGED = 30.0  # grey levels of difference from the plate, in the strongest channel, that are not noise
SHADOW_RATIO = 0.4, 0.93  # brightness of a shadow relative to the lit background
SHADOW_TINT = 0.07  # how far the three channels' ratios may differ inside a shadow
DARK = 30.0  # grey levels of background under which a little noise already makes any ratio


class MaskSmoother:
    """Steadies the mattes of one shot. State: the previous smoothed matte and the mask that came of it."""

    def __init__(self) -> None:
        self._matte: np.ndarray | None = None
        self._mask: np.ndarray | None = None

    def step(self, matte: np.ndarray, motion: np.ndarray) -> np.ndarray:
        """Smooth the matte of the next frame and decide which pixels are masked.

        matte: (h, w) float32 in [0, 1], the network's answer, at whatever size it comes; motion: 3x3, in this matte's
        pixels: where the previous one's are now.
        Returns (h, w) float32, masked where it is >= ON: m = p + (prev - p) * ratio * U(p) with the network's own doubt
        U(p) = 1 - |2p - 1|, never below p, released slowly. Pixels held by hysteresis and small gaps are lifted to ON,
        specks are lowered to OFF.
        """
        if self._matte is not None and self._mask is not None and self._matte.shape != matte.shape:
            self._matte, self._mask = (ops.resize(layer, matte.shape) for layer in (self._matte, self._mask))
        size = matte.shape[0], matte.shape[1]
        if self._matte is None or self._mask is None:
            smooth, masked = matte, ops.to_weight(ops.at_least(matte, ON))
        else:
            previous, was_masked = (ops.warp_soft(layer, motion, size) for layer in (self._matte, self._mask))
            limits = {"smoothing": SMOOTHING, "release": RELEASE, "on": ON, "off": OFF}
            smooth, masked = ops.steadied(matte, previous, was_masked, **limits)
        self._matte, self._mask = smooth, masked
        whole = without_specks(ops.at_least(masked, 1), round(SMALLEST_PART * matte.size))
        whole = closed(whole, round(LARGEST_GAP * matte.size))
        return ops.settled(smooth, masked, whole, on=ON, off=OFF)


def without_specks(mask: np.ndarray, smallest: int) -> np.ndarray:
    """A (H, W) uint8 mask without parts that stand alone and have fewer than `smallest` pixels.

    What lies near a larger part stays: it is a hand or a foot that the network saw apart. So does what touches the
    picture's edge: somebody who is just coming in.
    """
    joined = ops.grow_square(mask, max(2, mask.shape[0] // 30))
    return ops.select_parts(joined, mask, least=smallest, at_edge=True) & mask


def closed(mask: np.ndarray, largest: int) -> np.ndarray:
    """A (H, W) uint8 mask with its gaps of up to `largest` pixels filled: what a network leaves out in an object."""
    rest = ~mask
    return mask | ops.select_parts(rest, rest, most=largest, at_edge=False, diagonal=False)


def clusters(mask: np.ndarray, reach: int = 0) -> Iterator[tuple[Region, np.ndarray]]:
    """The pixels of a (H, W) uint8 mask that lie together, with gaps of up to twice `reach`; the largest cluster first,
    with its gaps.

    Of each the rectangle around it, `reach` pixels wider, and its own pixels, (H, W) uint8. Rectangles may overlap,
    clusters do not.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ops.grow_square(mask, reach) if reach else mask)
    for label in sorted(range(1, count), key=lambda label: -stats[label, cv2.CC_STAT_AREA]):
        x, y, w, h = stats[label, :4].tolist()
        yield Region(y, y + h, x, x + w), ops.equals(labels, label) & mask


def unlike(frame: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Where two (h, w, 3) uint8 pictures in one exposure show different things: (h, w) uint8."""
    return ops.differs(frame, background, CHANGED)


def changed(frame: np.ndarray, background: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """As `unlike`, but blind to differences as wide as light and lenses make them, for what lies outside objects.

    outside: (h, w) uint8, 255 where both should show background. Returns (h, w) uint8, 0 where `outside` is 0.
    """
    return ops.differs_beyond_light(frame, background, outside, CHANGED)


def left_out(frame: np.ndarray, background: np.ndarray, seen: np.ndarray, mask: np.ndarray, reach: int) -> np.ndarray:
    """What the mask leaves out of the object: pixels unlike the background that hang together with the mask.

    frame, background: (h, w, 3) uint8 BGR, aligned and in one exposure; seen: (h, w) uint8, 255 where the background is
    known; mask: (h, w) uint8; reach: how far from the mask to look, pixels. Returns (h, w) uint8.
    """
    # Misregistered edges are thin lines, hands and hair are not.
    solid = ops.opened(unlike(frame, background) & seen, 1)
    return _touching(solid, mask, reach, gap=1)


def shadows(frame: np.ndarray, background: np.ndarray, seen: np.ndarray, mask: np.ndarray, reach: int) -> np.ndarray:
    """Shadows that touch the mask: darker than the background by nearly the same ratio in all channels.

    Arguments and result as in `left_out`. After Horprasert et al., ICCV FRAME-RATE 1999: brightness distortion below
    one with little chromaticity distortion.
    """
    shade = ops.opened(ops.shaded(frame, background, SHADOW_RATIO, SHADOW_TINT, DARK), 2) & seen
    # Blur and opening leave a gap to the object.
    return _touching(shade, mask, reach, gap=5)


def _touching(candidate: np.ndarray, mask: np.ndarray, reach: int, *, gap: int) -> np.ndarray:
    """The parts of `candidate` within `reach` of the mask that come within `gap` pixels of it. (h, w) uint8."""
    near = candidate & ops.grow_square(mask, reach)
    if ops.surely_empty(near):
        return near
    return ops.select_parts(near | ops.grow(mask, gap), mask, least=1) & near
