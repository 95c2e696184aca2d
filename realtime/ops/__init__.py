"""The frame operations: every step that touches pixels in bulk, as functions on arrays.

The algorithm (`motion`, `masks`, `hole`, `plate`, `exposure`, `fade`, `eraser`) is written on top of these alone, once.
Each function chooses its implementation by the type of its arrays: NumPy arrays go to OpenCV (`realtime.ops.host`),
a device's arrays (`realtime.cuda.array.DeviceArray`) to CUDA kernels (`realtime.ops.device`), and the result is where
the arguments were. Annotations say `np.ndarray`, and a `DeviceArray` stands in for it. None keeps state.

The two agree within rounding: uint8 results differ by at most 1, float32 ones by 1e-3 of a grey level where nothing is
resampled. Where something is, they differ by 0.02 in small frames and by about 0.1 in those of 4K, most of it OpenCV's
error (a device stays within 0.01 of the exact value). Masks may differ in pixels that lie on a threshold. A device is
only waited for where it says so.

Convention of all warps: see `realtime.ops.geometry`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TypeAlias

import numpy as np

from realtime.ops import device, host
from realtime.ops.geometry import (
    Region,
    region_corners,
    same_shape,
    scaling,
    transform_points,
    translation,
)
from realtime.ops.host import GUESSED, SEEN, UNSEEN, Host, local_contrast, strongest

__all__ = [
    "GUESSED",
    "HOST",
    "SEEN",
    "UNSEEN",
    "Home",
    "Host",
    "Region",
    "at_least",
    "blend_where",
    "bounding_region",
    "bounds_later",
    "composite",
    "copy_where",
    "corrected",
    "count",
    "count_later",
    "cropped",
    "difference",
    "differs",
    "differs_beyond_light",
    "equals",
    "extended",
    "fading",
    "feather",
    "full_like",
    "grow",
    "grow_square",
    "local_contrast",
    "look_up",
    "mean_of_known",
    "neighbourhood",
    "network_input",
    "not_below",
    "opened",
    "pad",
    "push_pull",
    "put",
    "raised",
    "reach",
    "refresh",
    "region_corners",
    "resize",
    "resize_levels",
    "same_shape",
    "scaling",
    "select_parts",
    "settled",
    "shaded",
    "shrink",
    "steadied",
    "strongest",
    "surely_empty",
    "thinned",
    "to_float",
    "to_uint8",
    "to_weight",
    "transform_points",
    "translation",
    "usual",
    "warp",
    "warp_levels",
    "warp_mask",
    "warp_nearest",
    "warp_soft",
    "zeros_like",
]

HOST = Host()
Home: TypeAlias = Host  # or a `realtime.cuda.device.Device`, whose arrays stand in for NumPy's


def _of(array: np.ndarray) -> ModuleType:
    """The implementation for an array."""
    return host if isinstance(array, np.ndarray) else device


# What masks are like.


def bounding_region(mask: np.ndarray) -> Region | None:
    """The smallest rectangle that holds every nonzero pixel of a (H, W) uint8 mask; None where there is none.

    Waits for a device.
    """
    return _of(mask).bounding_region(mask)


def bounds_later(mask: np.ndarray) -> Callable[[], Region | None]:
    """As `bounding_region`, to be called for the answer: a device is only waited for where nobody has since."""
    return _of(mask).bounds_later(mask)


def neighbourhood(mask: np.ndarray, margin: int) -> Region | None:
    """A rectangle of a mask that holds all that is set and `margin` pixels around it; None where nothing is.

    margin: a number, or as `reach` gives it. A device is not asked: maybe something is set everywhere.
    """
    return _of(mask).neighbourhood(mask, margin)


def surely_empty(mask: np.ndarray) -> bool:
    """Whether nothing of a mask is set, so that work can be saved. A device is not asked: maybe something is."""
    return _of(mask).surely_empty(mask)


def count(mask: np.ndarray) -> int:
    """How many pixels of a (H, W) uint8 mask are set. Waits for a device: not for every frame."""
    return _of(mask).count(mask)


def count_later(masks: Sequence[np.ndarray]) -> np.ndarray:
    """The same of several masks as a (1, N) int32 array, to be fetched with others."""
    return _of(masks[0]).count_later(masks)


def reach(mask: np.ndarray, divisor: int, least: int, most: int) -> int:
    """The longer side of what is set in a mask, over `divisor`, within limits. For `grow_square` and as a margin.

    On a device it stays there, as a (1, 1) int32 array.
    """
    return _of(mask).reach(mask, divisor, least, most)


def zeros_like(layer: np.ndarray) -> np.ndarray:
    """An array like another, all zero."""
    return full_like(layer, 0)


def full_like(layer: np.ndarray, value: float) -> np.ndarray:
    """An array like another with one value everywhere."""
    return _of(layer).full_like(layer, value)


# Resampling.


def warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], *, cubic: bool = True) -> np.ndarray:
    """Resample `image` (uint8 or float32) into (H, W) = `size`; source -> destination, edge pixels repeated."""
    return _of(image).warp(image, matrix, size, cubic=cubic)


def warp_soft(mask: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A (H, W) uint8 mask or float32 matte resampled, bilinear, zero where it comes from outside."""
    return _of(mask).warp_soft(mask, matrix, size)


def warp_mask(mask: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The pixels of the destination whose whole bilinear footprint is set: (H, W) uint8 of 0 and 255."""
    return _of(mask).warp_mask(mask, matrix, size)


def warp_nearest(layer: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A (H, W) uint8 layer resampled without mixing values, zero where it comes from outside."""
    return _of(layer).warp_nearest(layer, matrix, size)


def warp_levels(levels: np.ndarray, matrix: np.ndarray, size: tuple[int, int], highest: int) -> np.ndarray:
    """A (H, W) uint8 layer of levels up to `highest`, none higher than the lowest of its bicubic footprint."""
    return _of(levels).warp_levels(levels, matrix, size, highest)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize to (H, W): area average downwards, bilinear upwards."""
    return _of(image).resize(image, size)


def resize_levels(levels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A (H, W) uint8 layer of levels made smaller, none higher than the lowest that it stands for."""
    return _of(levels).resize_levels(levels, size)


def thinned(image: np.ndarray, step: int) -> np.ndarray:
    """Every `step`-th pixel, each way."""
    return _of(image).thinned(image, step)


def network_input(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A (H, W, 3) uint8 BGR picture as a network takes it: (1, 3, h, w) float32 RGB in [0, 1], area average."""
    return _of(image).network_input(image, size)


# Values.


def to_uint8(image: np.ndarray) -> np.ndarray:
    """A float32 picture rounded and clipped to uint8."""
    return _of(image).to_uint8(image)


def to_float(image: np.ndarray) -> np.ndarray:
    """A uint8 or float32 picture as float32; the picture itself where it is that already."""
    return _of(image).to_float(image)


def to_weight(mask: np.ndarray) -> np.ndarray:
    """1.0 where a (H, W) uint8 mask is set, else 0.0; float32."""
    return _of(mask).to_weight(mask)


def pad(image: np.ndarray, margin: int, *, mirrored: bool = False) -> np.ndarray:
    """The picture with `margin` pixels more on each side, repeating its edge, or mirrored in it."""
    return _of(image).pad(image, margin, mirrored)


def extended(layer: np.ndarray, above: int, below: int, left: int, right: int) -> np.ndarray:
    """The layer with so many pixels more on each side, all zero; maybe the layer itself where there are none."""
    return _of(layer).extended(layer, above, below, left, right)


def at_least(image: np.ndarray, value: float) -> np.ndarray:
    """255 where a (H, W) picture is >= `value`, else 0; uint8."""
    return _of(image).at_least(image, value)


def equals(image: np.ndarray, value: float) -> np.ndarray:
    """255 where a (H, W) picture is exactly `value`, else 0; uint8."""
    return _of(image).equals(image, value)


def not_below(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """255 where one (H, W) uint8 layer is at least as high as another, else 0; uint8."""
    return _of(first).not_below(first, second)


def raised(levels: np.ndarray, least: int) -> np.ndarray:
    """A (H, W) uint8 layer with nothing below `least`."""
    return _of(levels).raised(levels, least)


def copy_where(source: np.ndarray, where: np.ndarray, target: np.ndarray) -> None:
    """Copy the pixels of a picture into another of its kind where a (H, W) uint8 mask is set."""
    _of(target).copy_where(source, where, target)


def put(target: np.ndarray, where: np.ndarray, value: int) -> None:
    """Set a (H, W) uint8 layer to `value` where a mask is set."""
    _of(target).put(target, where, value)


def look_up(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Each value's entry in a table of its channel: (H, W, 3) float32 from uint8 and (256, 3) float32."""
    return _of(image).look_up(image, table)


# Masks.


def cropped(mask: np.ndarray, to: np.ndarray) -> np.ndarray:
    """A (H, W) uint8 mask, but 0 outside the smallest rectangle that holds all that is set in another one."""
    return _of(mask).cropped(mask, to)


def grow(mask: np.ndarray, radius: int) -> np.ndarray:
    """A (H, W) uint8 mask dilated by a disc of `radius` pixels."""
    return _of(mask).grow(mask, radius)


def grow_square(mask: np.ndarray, radius: int) -> np.ndarray:
    """A (H, W) uint8 mask dilated by a square of `radius` pixels, which costs much less than a disc."""
    return _of(mask).grow_square(mask, radius)


def shrink(mask: np.ndarray, radius: int) -> np.ndarray:
    """A (H, W) uint8 mask eroded by a square of `radius` pixels; the picture's edge does not erode."""
    return _of(mask).shrink(mask, radius)


def opened(mask: np.ndarray, radius: int) -> np.ndarray:
    """A (H, W) uint8 mask without what a square of `radius` pixels does not fit into."""
    return _of(mask).opened(mask, radius)


def feather(hole: np.ndarray, width: int) -> np.ndarray:
    """Alpha of a hole: 255 on every pixel of it, falling smoothly to 0 over `width` pixels outside. (H, W) uint8."""
    return _of(hole).feather(hole, width)


def select_parts(
    area: np.ndarray,
    marks: np.ndarray,
    *,
    least: int = 0,
    most: int | None = None,
    at_edge: bool | None = None,
    diagonal: bool = True,
) -> np.ndarray:
    """The connected parts of a (H, W) uint8 mask that hold from `least` to `most` pixels of another one.

    at_edge: take (True) or leave (False) what touches the picture's edge, however many it holds; None: as all others.
    diagonal: whether pixels that only touch at a corner hang together. (H, W) uint8 of 0 and 255.
    """
    return _of(area).select_parts(area, marks, least=least, most=most, at_edge=at_edge, diagonal=diagonal)


def steadied(
    matte: np.ndarray, previous: np.ndarray, was_masked: np.ndarray, *, smoothing: float, release: float, on: float,
    off: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """A (h, w) float32 matte smoothed by the previous one, and which pixels that masks, 1.0 or 0.0; float32 both.

    m = p + (prev - p) * smoothing * U(p) with U(p) = 1 - |2p - 1|, not below p nor below prev * release; masked from
    `on` up, and down to `off` where `was_masked` is at least a half.
    """
    return _of(matte).steadied(matte, previous, was_masked, smoothing, release, on, off)


def settled(smooth: np.ndarray, masked: np.ndarray, whole: np.ndarray, *, on: float, off: float) -> np.ndarray:
    """A matte lifted to `on` where the mask `whole`, (h, w) uint8, is set, and lowered to `off` where only `masked`,
    (h, w) float32, is.
    """
    return _of(smooth).settled(smooth, masked, whole, on, off)


# Frame against background, both (h, w, 3) BGR.


def differs(first: np.ndarray, second: np.ndarray, least: float) -> np.ndarray:
    """255 where two uint8 pictures differ by at least `least` in the strongest channel; (h, w) uint8."""
    return _of(first).differs(first, second, least)


def differs_beyond_light(frame: np.ndarray, background: np.ndarray, where: np.ndarray, least: float) -> np.ndarray:
    """As `differs`, but blind to differences as wide as light and lenses make them, and 0 where `where` is."""
    return _of(frame).differs_beyond_light(frame, background, where, least)


def shaded(
    frame: np.ndarray, background: np.ndarray, ratio_between: tuple[float, float], tint: float, darkest: float
) -> np.ndarray:
    """255 where the frame is the background at a ratio between two values, nearly equal in all channels; uint8 both.

    Both averaged over 5 x 5 pixels; tint: how far the channels' ratios may differ; darkest: grey levels under which the
    background makes any ratio.
    """
    return _of(frame).shaded(frame, background, ratio_between, tint, darkest)


def difference(frame: np.ndarray, background: np.ndarray, step: int) -> np.ndarray:
    """Frame (uint8) minus background (float32) at every `step`-th pixel, float32."""
    return _of(frame).difference(frame, background, step)


def usual(difference: np.ndarray, where: np.ndarray, limit: float) -> np.ndarray:
    """1.0 where `where` is set and the difference is less than `limit` from its median there, else 0.0; float32.

    The median, per channel, is that of every third pixel each way; a device knows it to 1/64.
    """
    return _of(difference).usual(difference, where, limit)


def mean_of_known(
    values: np.ndarray, weights: np.ndarray, size: tuple[int, int], gain: float
) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, C) float32 reduced to `size`, averaging known values alone; and how much is known there, times `gain`.

    weights: (H, W) float32, 0 = unknown. The second result, (h, w) float32, is at most 1.
    """
    return _of(values).mean_of_known(values, weights, size, gain)


def push_pull(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spread known values smoothly over unknown ones through a pyramid.

    values: (H, W, C) float32; weights: (H, W) float32 in [0, 1], 0 = unknown. Known values keep their share of weight.
    Returns (H, W, C) float32; all zero where nothing is known.
    After Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4.
    """
    return _of(values).push_pull(values, weights)


def corrected(background: np.ndarray, correction: np.ndarray) -> np.ndarray:
    """The background, (H, W, 3) float32, with a smaller correction, (h, w, 3) float32, added to it; uint8."""
    return _of(background).corrected(background, correction)


def refresh(
    color: np.ndarray,
    trust: np.ndarray,
    glimpsed: np.ndarray,
    age: np.ndarray,
    image: np.ndarray,
    usable: np.ndarray,
    doubtful: np.ndarray,
    changed: np.ndarray,
    *,
    patience: int,
    settled: int,
    share: float,
) -> None:
    """What a plate learns from a picture of the same size, in place: see `realtime.background.plate.Plate.update`.

    color: (h, w, 3) float32; trust, glimpsed, age: (h, w) uint8, of the plate. image: (h, w, 3) uint8 or float32.
    usable, doubtful, changed: (h, w) uint8, as in `realtime.background.plate.Evidence`. patience, settled:
    frames; share: of the new picture in the running average.
    """
    layers = color, trust, glimpsed, age, image, usable, doubtful, changed
    _of(color).refresh(*layers, patience=patience, settled=settled, share=share)


def composite(image: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`background` over `image` by `alpha`: (H, W, 3) uint8 from uint8, uint8 and (H, W) uint8.

    Pixels with alpha 0 keep the image's value exactly, those with alpha 255 take the background's.
    """
    return _of(image).composite(image, background, alpha)


def fading(
    picture: np.ndarray,
    before: np.ndarray,
    guessed: np.ndarray,
    left: np.ndarray,
    inside: np.ndarray,
    *,
    noticed: float,
    lasts: int,
) -> np.ndarray:
    """For how many frames each pixel still changes from what was shown before: (h, w) uint8.

    One less than `left`; `lasts` anew where `guessed` is set and two pictures, (h, w, 3) uint8, differ by `noticed`
    over 5 x 5 pixels; 0 where `inside` is not set. Masks and counts (h, w) uint8.
    """
    return _of(picture).fading(picture, before, guessed, left, inside, noticed=noticed, lasts=lasts)


def blend_where(picture: np.ndarray, before: np.ndarray, where: np.ndarray, share: float) -> np.ndarray:
    """`share` of one (h, w, 3) uint8 picture and the rest of another where a mask is set; the first one elsewhere."""
    return _of(picture).blend_where(picture, before, where, share)
