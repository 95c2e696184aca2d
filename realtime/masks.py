"""From the network's matte to the hole: smoothing over time, hysteresis, outward growth, shadows and left-out parts.

Step 3 of the design. A miss shows the object, so masks attack fast and release slowly.
"""

from __future__ import annotations

import cv2
import numpy as np

from realtime import ops

SMOOTHING = 0.8  # share of the previous matte where the network is wholly unsure
ON, OFF = 0.5, 0.3  # hysteresis: a pixel is masked from ON, and stays so down to OFF
RELEASE = 0.6  # what the network drops keeps this share of its previous matte: it is let go after two frames
SMALLEST_PART = 0.0003  # share of the picture (17 x 17 pixels of 1280x720) below which a part is no person but noise
LARGEST_GAP = 0.003  # share of the picture up to which a gap inside a mask is taken for a fault of the network
CHANGED = 30.0  # grey levels of difference from the plate, in the strongest channel, that are not noise
SHADOW_RATIO = 0.4, 0.93  # brightness of a shadow relative to the lit background
SHADOW_TINT = 0.07  # how far the three channels' ratios may differ inside a shadow


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
        if self._matte is None or self._mask is None:
            smooth, masked = matte, matte >= ON
        else:
            previous, was_masked = ops.warp_matte(self._matte, motion), ops.warp_matte(self._mask, motion) >= 0.5
            doubt = 1.0 - np.abs(2.0 * matte - 1.0)
            smooth = np.maximum(matte + np.maximum(previous - matte, 0.0) * (SMOOTHING * doubt), previous * RELEASE)
            masked = (smooth >= ON) | ((smooth >= OFF) & was_masked)
        self._matte, self._mask = smooth, masked.astype(np.float32)
        whole = without_specks(np.negative(masked.view(np.uint8)), round(SMALLEST_PART * masked.size))
        whole = closed(whole, round(LARGEST_GAP * masked.size))
        return np.where(whole > 0, np.maximum(smooth, np.float32(ON)), np.where(masked, np.float32(OFF), smooth))


def without_specks(mask: np.ndarray, smallest: int) -> np.ndarray:
    """A (H, W) uint8 mask without parts that stand alone and have fewer than `smallest` pixels.

    What lies near a larger part stays: it is a hand or a foot that the network saw apart. So does what touches the
    picture's edge: somebody who is just coming in.
    """
    _, labels = cv2.connectedComponents(ops.grow_square(mask, max(2, mask.shape[0] // 30)))
    kept = np.bincount(labels[mask > 0], minlength=labels.max() + 1) >= smallest
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        kept[edge] = True
    return np.negative(kept[labels].view(np.uint8)) & mask


def closed(mask: np.ndarray, largest: int) -> np.ndarray:
    """A (H, W) uint8 mask with its gaps of up to `largest` pixels filled: what a network leaves out in an object."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(~mask, connectivity=4)
    x, y, w, h, area = stats.T
    inside = (x > 0) & (y > 0) & (x + w < mask.shape[1]) & (y + h < mask.shape[0])
    fill = inside & (area <= largest)
    fill[0] = False
    return mask | np.negative(fill[labels].view(np.uint8)) if fill.any() else mask


def unlike(frame: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Where two (h, w, 3) uint8 pictures in one exposure show different things: (h, w) uint8."""
    return ops.at_least(ops.strongest(cv2.absdiff(frame, background)), CHANGED)


def changed(frame: np.ndarray, background: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """As `unlike`, but blind to differences as wide as light and lenses make them, for what lies outside objects.

    outside: (h, w) uint8, 255 where both should show background. Returns (h, w) uint8, 0 where `outside` is 0.
    """
    # Light is smooth: every fourth pixel tells enough. What differs by far is no light: it may only nudge the average.
    thinned = slice(None, None, 4), slice(None, None, 4)
    weight = outside[thinned].astype(np.float32) * np.float32(1 / 255)
    nudge = np.clip(cv2.subtract(frame[thinned], background[thinned], dtype=cv2.CV_32F), -CHANGED, CHANGED)
    width = max(3, weight.shape[1] // 4)
    total = cv2.blur(weight, (width, width)) + np.float32(1e-3)
    light = cv2.blur(nudge * weight[..., None], (width, width)) / total[..., None]
    difference = cv2.subtract(frame, background, dtype=cv2.CV_32F)
    cv2.absdiff(difference, ops.resize(light, outside.shape), difference)
    return ops.at_least(ops.strongest(difference), CHANGED) & outside


def left_out(frame: np.ndarray, background: np.ndarray, seen: np.ndarray, mask: np.ndarray, reach: int) -> np.ndarray:
    """What the mask leaves out of the object: pixels unlike the background that hang together with the mask.

    frame, background: (h, w, 3) uint8 BGR, aligned and in one exposure; seen: (h, w) uint8, 255 where the background is
    known; mask: (h, w) uint8; reach: how far from the mask to look, pixels. Returns (h, w) uint8.
    """
    # Misregistered edges are thin lines, hands and hair are not.
    solid = cv2.morphologyEx(unlike(frame, background) & seen, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return _touching(solid, mask, reach, gap=1)


def shadows(frame: np.ndarray, background: np.ndarray, seen: np.ndarray, mask: np.ndarray, reach: int) -> np.ndarray:
    """Shadows that touch the mask: darker than the background by nearly the same ratio in all channels.

    Arguments and result as in `left_out`. After Horprasert et al., ICCV FRAME-RATE 1999: brightness distortion below
    one with little chromaticity distortion.
    """
    lit = cv2.blur(background, (5, 5)).astype(np.float32) + 2.0
    ratio = (cv2.blur(frame, (5, 5)).astype(np.float32) + 2.0) / lit
    darkest, brightest = ops.weakest(ratio), ops.strongest(ratio)
    low, high = SHADOW_RATIO
    # In the dark a few grey levels of noise already make any ratio.
    dark = (darkest > low) & (brightest < high) & (brightest - darkest < SHADOW_TINT) & (ops.weakest(lit) > 30.0)
    shade = cv2.morphologyEx(dark.astype(np.uint8) * 255, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) & seen
    # Blur and opening leave a gap to the object.
    return _touching(shade, mask, reach, gap=5)


def _touching(candidate: np.ndarray, mask: np.ndarray, reach: int, *, gap: int) -> np.ndarray:
    """The parts of `candidate` within `reach` of the mask that come within `gap` pixels of it. (h, w) uint8."""
    near = candidate & ops.grow_square(mask, reach)
    if not near.any():
        return near
    _, labels = cv2.connectedComponents(near | ops.grow(mask, gap))
    touching = np.zeros(labels.max() + 1, np.uint8)
    touching[labels[mask > 0]] = 255
    touching[0] = 0
    return touching[labels] & near
