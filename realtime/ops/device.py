"""The frame operations on a device's arrays, by its kernels. `realtime.ops` says what each of them does.

Everything is queued on the device's stream and nothing waits for it, but `count` and `bounding_region`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from realtime.cuda.array import DeviceArray
from realtime.ops import host
from realtime.ops.geometry import Region

Size = tuple[int, int]
RUN = 32  # pixels that one thread counts: as in kernels/basic.cu
FLOAT32, INT32 = np.dtype(np.float32), np.dtype(np.int32)
LEVELS, FINE = 512, 64  # as in kernels/light.cu
DISC_ROWS = 129  # of the largest disc: as in kernels/morphology.cu


class Disc(ctypes.Structure):
    """`Disc` of kernels/morphology.cu."""

    _fields_ = (("radius", ctypes.c_int), ("half", ctypes.c_int * DISC_ROWS))


def bounding_region(mask: DeviceArray) -> Region | None:
    return bounds_later(mask)()


def bounds_later(mask: DeviceArray) -> Callable[[], Region | None]:
    found, (height, width) = mask.device.fetch_later(_bounds(mask)), mask.shape

    def bounds() -> Region | None:
        up, y1, left, x1 = found()[0].ravel().tolist()
        return Region(height - up, y1, width - left, x1) if y1 else None

    return bounds


def neighbourhood(mask: DeviceArray, margin: int | DeviceArray) -> Region:
    return Region(0, mask.shape[0], 0, mask.shape[1])


def surely_empty(mask: DeviceArray) -> bool:
    return False


def count(mask: DeviceArray) -> int:
    (total,) = mask.device.fetch(count_later([mask]))
    return int(total[0, 0])


def count_later(masks: Sequence[DeviceArray]) -> DeviceArray:
    totals = masks[0].device.zeros((1, len(masks)), np.int32)
    for number, mask in enumerate(masks):
        mask.device.run("count", _runs(mask), mask, _runs(mask), totals, number)
    return totals


def _bounds(mask: DeviceArray) -> DeviceArray:
    """Where the set pixels of a mask lie, (1, 4) int32 as the kernel `bound` says it."""
    bounds = mask.device.zeros((1, 4), np.int32)
    mask.device.run("bound", _runs(mask), mask, _runs(mask), bounds)
    return bounds


def _runs(mask: DeviceArray) -> DeviceArray:
    """The runs of pixels in which a mask is counted."""
    return mask.as_grid(mask.shape[0], -(-mask.shape[1] // RUN))


def warp(image: DeviceArray, matrix: np.ndarray, size: Size, *, cubic: bool = True) -> DeviceArray:
    result, inverse = _like(image, size), np.linalg.inv(matrix)
    if cubic:
        image.device.run(image.device.suffixed("warp_cubic", image), result, image, result, inverse)
    else:
        image.device.run(image.device.suffixed("warp_linear", image), result, image, result, inverse, 1)
    return result


def warp_soft(mask: DeviceArray, matrix: np.ndarray, size: Size) -> DeviceArray:
    result = _like(mask, size)
    mask.device.run(mask.device.suffixed("warp_linear", mask), result, mask, result, np.linalg.inv(matrix), 0)
    return result


def warp_mask(mask: DeviceArray, matrix: np.ndarray, size: Size) -> DeviceArray:
    return _made("warp_mask", mask, size, np.linalg.inv(matrix))


def warp_nearest(layer: DeviceArray, matrix: np.ndarray, size: Size) -> DeviceArray:
    return _made("warp_nearest", layer, size, np.linalg.inv(matrix))


def warp_levels(levels: DeviceArray, matrix: np.ndarray, size: Size, highest: int) -> DeviceArray:
    return _made("warp_levels", levels, size, np.linalg.inv(matrix), highest)


def resize(image: DeviceArray, size: Size) -> DeviceArray:
    if image.shape[:2] == tuple(size):
        return image.copy()
    result = _like(image, size)
    smaller = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    image.device.run(image.device.suffixed("area" if smaller else "linear", image), result, image, result)
    return result


def resize_levels(levels: DeviceArray, size: Size) -> DeviceArray:
    return _made("least_around", levels, size, -(-levels.shape[0] // size[0]))


def network_input(image: DeviceArray, size: Size) -> DeviceArray:
    small, planes = resize(image, size), image.device.empty((3 * size[0], size[1]), FLOAT32)
    image.device.run("network_input", small, small, planes)
    return planes.reshaped(1, 3, *size)


def thinned(image: DeviceArray, step: int) -> DeviceArray:
    result = _like(image, _thin(image, step))
    image.device.copy(image, result, step)
    return result


def to_uint8(image: DeviceArray) -> DeviceArray:
    result = image.device.empty(image.shape)
    image.device.run("narrow", result, image, result)
    return result


def to_float(image: DeviceArray) -> DeviceArray:
    if image.dtype == np.float32:
        return image
    result = image.device.empty(image.shape, FLOAT32)
    image.device.run("widen", result, image, result)
    return result


def to_weight(mask: DeviceArray) -> DeviceArray:
    result = mask.device.empty(mask.shape, FLOAT32)
    mask.device.run("weigh", result, mask, result)
    return result


def pad(image: DeviceArray, margin: int, mirrored: bool) -> DeviceArray:
    result = _like(image, (image.shape[0] + 2 * margin, image.shape[1] + 2 * margin))
    image.device.run(image.device.suffixed("pad", image), result, image, result, margin, margin, int(mirrored))
    return result


def extended(layer: DeviceArray, above: int, below: int, left: int, right: int) -> DeviceArray:
    if not (above or below or left or right):
        return layer
    height, width = layer.shape[:2]
    result = _like(layer, (height + above + below, width + left + right))
    layer.device.fill(result, 0)
    layer.device.copy(layer, result[above : above + height, left : left + width])
    return result


def at_least(image: DeviceArray, value: float) -> DeviceArray:
    result = image.device.empty(image.shape)
    image.device.run(image.device.suffixed("at_least", image), result, image, result, float(value))
    return result


def equals(image: DeviceArray, value: float) -> DeviceArray:
    return _made("equals_u8", image, image.shape[:2], float(value))


def not_below(first: DeviceArray, second: DeviceArray) -> DeviceArray:
    result = first.device.empty(first.shape)
    first.device.run("not_below", result, first, second, result)
    return result


def raised(levels: DeviceArray, least: int) -> DeviceArray:
    return _made("raise_to", levels, levels.shape[:2], least)


def copy_where(source: DeviceArray, where: DeviceArray, target: DeviceArray) -> None:
    target.device.run(target.device.suffixed("copy_where", target), target, source, where, target)


def put(target: DeviceArray, where: DeviceArray, value: int) -> None:
    target.device.run("put_u8", target, target, where, int(value))


def cropped(mask: DeviceArray, to: DeviceArray) -> DeviceArray:
    result = mask.device.empty(mask.shape)
    mask.device.run("crop", result, mask, _bounds(to), result)
    return result


def grow(mask: DeviceArray, radius: int) -> DeviceArray:
    while radius > host.LARGEST_DISC:
        mask = _grown_by_disc(mask, host.LARGEST_DISC)
        radius -= host.LARGEST_DISC
    return _grown_by_disc(mask, radius) if radius > 0 else mask


def grow_square(mask: DeviceArray, radius: int | DeviceArray) -> DeviceArray:
    by = "" if isinstance(radius, int) else "_by"
    along = _made(f"largest_along_row{by}", mask, mask.shape[:2], radius)
    return _made(f"largest_along_column{by}", along, mask.shape[:2], radius)


def full_like(layer: DeviceArray, value: float) -> DeviceArray:
    result = layer.device.empty(layer.shape, layer.dtype)
    layer.device.fill(result, value)
    return result


def reach(mask: DeviceArray, divisor: int, least: int, most: int) -> DeviceArray:
    result = mask.device.empty((1, 1), INT32)
    mask.device.run("reach_of", result, _bounds(mask), result, *mask.shape, divisor, least, most)
    return result


def shrink(mask: DeviceArray, radius: int) -> DeviceArray:
    if radius <= 0:
        return mask
    return _made("least_along_column", _made("least_along_row", mask, mask.shape[:2], radius), mask.shape[:2], radius)


def opened(mask: DeviceArray, radius: int) -> DeviceArray:
    return grow_square(shrink(mask, radius), radius)


def feather(hole: DeviceArray, width: int) -> DeviceArray:
    radius = max(1, width // 2)
    result = hole.device.empty(hole.shape)
    hole.device.run("feather", result, _grown_by_disc(hole, radius), hole, result, radius)
    return result


def _grown_by_disc(mask: DeviceArray, radius: int) -> DeviceArray:
    disc = _disc(radius)
    along = _made("distance_along_row", mask, mask.shape[:2], max(disc.half))
    return _made("disc_around", along, mask.shape[:2], disc)


@cache
def _disc(radius: int) -> Disc:
    half = [(int(row.sum()) - 1) // 2 for row in host.disc(radius)]
    return Disc(radius, (ctypes.c_int * DISC_ROWS)(*half))


def select_parts(
    area: DeviceArray,
    marks: DeviceArray,
    *,
    least: int = 0,
    most: int | None = None,
    at_edge: bool | None = None,
    diagonal: bool = True,
) -> DeviceArray:
    device, result = area.device, area.device.empty(area.shape)
    labels = device.empty(area.shape, INT32)
    counts, edges = (device.empty(area.shape, INT32) for _ in range(2))
    device.run("own_labels", labels, area, labels, counts, edges)
    device.run("join_neighbours", labels, labels, int(diagonal))
    device.run("tally", labels, labels, marks, counts, edges)
    edge = -1 if at_edge is None else int(at_edge)
    device.run("select_parts", result, labels, counts, edges, result, least, 2**31 - 1 if most is None else most, edge)
    return result


def steadied(
    matte: DeviceArray,
    previous: DeviceArray,
    was_masked: DeviceArray,
    smoothing: float,
    release: float,
    on: float,
    off: float,
) -> tuple[DeviceArray, DeviceArray]:
    device, smooth, masked = matte.device, _like(matte, matte.shape[:2]), _like(matte, matte.shape[:2])
    device.run("steady", smooth, matte, previous, was_masked, smooth, masked, smoothing, release, on, off)
    return smooth, masked


def settled(smooth: DeviceArray, masked: DeviceArray, whole: DeviceArray, on: float, off: float) -> DeviceArray:
    result = _like(smooth, smooth.shape[:2])
    smooth.device.run("settle_matte", result, smooth, masked, whole, result, on, off)
    return result


def look_up(image: DeviceArray, table: np.ndarray) -> DeviceArray:
    result = image.device.empty(image.shape, FLOAT32)
    image.device.run("look_up", result, image, image.device.sent(table.astype(np.float32)), result)
    return result


def differs(first: DeviceArray, second: DeviceArray, least: float) -> DeviceArray:
    result = first.device.empty(first.shape[:2])
    first.device.run("differs", result, first, second, result, float(least))
    return result


def differs_beyond_light(frame: DeviceArray, background: DeviceArray, where: DeviceArray, least: float) -> DeviceArray:
    device, small = frame.device, _thin(frame, host.THINNED)
    nudge, along, means = (device.empty((*small, 4), FLOAT32) for _ in range(3))
    device.run("nudge", nudge, frame, background, where, nudge, host.THINNED, float(least))
    width = max(3, small[1] // 4)
    device.run("mean_along_row", along, nudge, along, width)
    device.run("mean_along_column", means, along, means, width)
    light, result = device.empty((*small, 3), FLOAT32), device.empty(where.shape)
    device.run("unweighted", light, means, light)
    device.run("changed", result, frame, background, light, where, result, float(least))
    return result


def shaded(
    frame: DeviceArray, background: DeviceArray, ratio_between: tuple[float, float], tint: float, darkest: float
) -> DeviceArray:
    result = frame.device.empty(frame.shape[:2])
    frame.device.run("shaded", result, frame, background, result, *ratio_between, tint, darkest)
    return result


def difference(frame: DeviceArray, background: DeviceArray, step: int) -> DeviceArray:
    result = frame.device.empty((*_thin(frame, step), 3), FLOAT32)
    frame.device.run("difference", result, frame, background, result, step)
    return result


def usual(difference: DeviceArray, where: DeviceArray, limit: float) -> DeviceArray:
    device, every = difference.device, host.SAMPLED
    samples = difference.as_grid(*_thin(difference, every))
    counts = device.zeros((3, LEVELS + 2 * FINE), np.int32)
    levels, fine = counts[:, :LEVELS], counts[:, LEVELS:]
    middle, median = device.zeros((3, 4), np.int32), device.zeros((3, 2), np.float32)
    device.run("median_levels", samples, difference, where, samples, levels, every)
    device.run("median_middle", levels, levels, middle)
    device.run("median_fine", samples, difference, where, samples, middle, fine, every)
    device.run("median_of", fine, middle, fine, median)
    result = device.empty(where.shape, FLOAT32)
    device.run("usual_on_ring", result, difference, where, median, result, float(limit))
    return result


def mean_of_known(
    values: DeviceArray, weights: DeviceArray, size: Size, gain: float
) -> tuple[DeviceArray, DeviceArray]:
    mean, known = values.device.empty((*size, values.shape[2]), FLOAT32), values.device.empty(size, FLOAT32)
    values.device.run("mean_of_known", mean, values, weights, mean, known, float(gain))
    return mean, known


def push_pull(values: DeviceArray, weights: DeviceArray) -> DeviceArray:
    device, (height, width) = values.device, weights.shape
    result = device.empty(values.shape, FLOAT32)
    if min(height, width) <= 2:
        device.run("pull_mean", result, values, weights, result)
        return result
    coarser = push_pull(*mean_of_known(values, weights, ((height + 1) // 2, (width + 1) // 2), 4))
    device.run("pull", result, values, weights, coarser, result)
    return result


def corrected(background: DeviceArray, correction: DeviceArray) -> DeviceArray:
    result = background.device.empty(background.shape)
    background.device.run("corrected", result, background, correction, result)
    return result


def refresh(
    color: DeviceArray,
    trust: DeviceArray,
    glimpsed: DeviceArray,
    age: DeviceArray,
    image: DeviceArray,
    usable: DeviceArray,
    doubtful: DeviceArray,
    changed: DeviceArray,
    patience: int,
    settled: int,
    share: float,
) -> None:
    arrays = color, trust, glimpsed, age, image, usable, doubtful, changed
    color.device.run(color.device.suffixed("refresh", image), color, *arrays, patience, settled, float(share))


def composite(image: DeviceArray, background: DeviceArray, alpha: DeviceArray) -> DeviceArray:
    result = image.device.empty(image.shape)
    image.device.run("composite", result, image, background, alpha, result)
    return result


def fading(
    picture: DeviceArray,
    before: DeviceArray,
    guessed: DeviceArray,
    left: DeviceArray,
    inside: DeviceArray,
    *,
    noticed: float,
    lasts: int,
) -> DeviceArray:
    result = left.device.empty(left.shape)
    arrays = picture, before, guessed, left, inside, result
    left.device.run("fading", result, *arrays, float(noticed), lasts)
    return result


def blend_where(picture: DeviceArray, before: DeviceArray, where: DeviceArray, share: float) -> DeviceArray:
    result = picture.device.empty(picture.shape)
    picture.device.run("blend_where", result, picture, before, where, result, float(share))
    return result


def _like(image: DeviceArray, size: tuple[int, ...]) -> DeviceArray:
    return image.device.empty((*size, *image.shape[2:]), image.dtype)


def _made(kernel: str, mask: DeviceArray, size: tuple[int, ...], *arguments: object) -> DeviceArray:
    """A (H, W) uint8 array that a kernel makes of a mask."""
    result = mask.device.empty((size[0], size[1]))
    mask.device.run(kernel, result, mask, result, *arguments)
    return result


def _thin(image: DeviceArray, step: int) -> Size:
    return -(-image.shape[0] // step), -(-image.shape[1] // step)
