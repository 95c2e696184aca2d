"""The frame operations on NumPy arrays, with OpenCV underneath. `realtime.ops` says what each of them does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from realtime.ops.geometry import Region

LARGEST_DISC = 8  # radius of the disc that larger ones are put together from
THINNED = 4  # pixels to one that light is estimated from
SAMPLED = 3  # pixels to one that a median is taken of


UNSEEN, GUESSED, SEEN = 0, 1, 2  # what is known of a pixel of the plate


class Host:
    """Where NumPy arrays are: the counterpart of `realtime.cuda.device.Device`."""

    name = "cpu"
    answers_at_once = True  # what an array holds is known without waiting
    waits = 0

    def full(self, shape: tuple[int, ...], value: float, dtype: type = np.uint8) -> np.ndarray:
        return np.full(shape, value, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
        return np.zeros(shape, dtype)

    def sent(self, array: np.ndarray) -> np.ndarray:
        return array

    def picture(self, image: np.ndarray) -> np.ndarray:
        return image

    def fetch(self, *arrays: np.ndarray) -> list[np.ndarray]:
        return list(arrays)

    def fetch_foreign_later(self, arrays: Mapping[str, np.ndarray]) -> Callable[[], dict[str, np.ndarray]]:
        return lambda: dict(arrays)

    def fetch_later(self, *arrays: np.ndarray) -> Callable[[], list[np.ndarray]]:
        return lambda: list(arrays)


def bounding_region(mask: np.ndarray) -> Region | None:
    x, y, width, height = cv2.boundingRect(mask)
    return Region(y, y + height, x, x + width) if width else None


def bounds_later(mask: np.ndarray) -> Callable[[], Region | None]:
    bounds = bounding_region(mask)
    return lambda: bounds


def neighbourhood(mask: np.ndarray, margin: int) -> Region | None:
    region = bounding_region(mask)
    return region and region.expanded_within(margin, mask.shape[0], mask.shape[1])


def surely_empty(mask: np.ndarray) -> bool:
    return not mask.any()


def count(mask: np.ndarray) -> int:
    return cv2.countNonZero(mask)


def count_later(masks: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([[cv2.countNonZero(mask) for mask in masks]], np.int32)


def full_like(layer: np.ndarray, value: float) -> np.ndarray:
    return np.full_like(layer, value)


def reach(mask: np.ndarray, divisor: int, least: int, most: int) -> int:
    _, _, width, height = cv2.boundingRect(mask)
    return max(least, min(max(height, width) // divisor, most))


def warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], *, cubic: bool = True) -> np.ndarray:
    flags = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return cv2.warpPerspective(image, matrix, (size[1], size[0]), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def warp_soft(mask: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.warpPerspective(mask, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR, borderValue=0)


def warp_mask(mask: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return at_least(warp_soft(mask, matrix, size), 254)


def warp_nearest(layer: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.warpPerspective(layer, matrix, (size[1], size[0]), flags=cv2.INTER_NEAREST)


def warp_levels(levels: np.ndarray, matrix: np.ndarray, size: tuple[int, int], highest: int) -> np.ndarray:
    result = np.zeros(size, np.uint8)
    for level in range(1, highest + 1):
        holds = shrink(at_least(levels, level), 1)
        result[warp_mask(holds, matrix, size) > 0] = level
    return result


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    smaller = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(image, (size[1], size[0]), interpolation=interpolation)


def resize_levels(levels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    side = -(-levels.shape[0] // size[0])
    least = cv2.erode(levels, np.ones((side, side), np.uint8))
    return cv2.resize(least, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def network_input(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    return cv2.dnn.blobFromImage(small, 1 / 255.0, swapRB=True)


def thinned(image: np.ndarray, step: int) -> np.ndarray:
    return image[::step, ::step]


def to_uint8(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.add(image, (0, 0, 0, 0), dtype=cv2.CV_8U))  # type: ignore[call-overload]  # a scalar is fine


def to_float(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32, copy=False)


def to_weight(mask: np.ndarray) -> np.ndarray:
    return (mask > 0).astype(np.float32)


def pad(image: np.ndarray, margin: int, mirrored: bool) -> np.ndarray:
    edge = cv2.BORDER_REFLECT if mirrored else cv2.BORDER_REPLICATE
    return cv2.copyMakeBorder(image, margin, margin, margin, margin, edge)


def extended(layer: np.ndarray, above: int, below: int, left: int, right: int) -> np.ndarray:
    return cv2.copyMakeBorder(layer, above, below, left, right, cv2.BORDER_CONSTANT)


def at_least(image: np.ndarray, value: float) -> np.ndarray:
    return np.negative((image >= value).view(np.uint8))  # -1 is 255 in uint8


def equals(image: np.ndarray, value: float) -> np.ndarray:
    return np.negative((image == value).view(np.uint8))


def not_below(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return cv2.compare(first, second, cv2.CMP_GE)


def raised(levels: np.ndarray, least: int) -> np.ndarray:
    return np.maximum(levels, np.uint8(least))


def copy_where(source: np.ndarray, where: np.ndarray, target: np.ndarray) -> None:
    cv2.copyTo(source, where, target)


def put(target: np.ndarray, where: np.ndarray, value: int) -> None:
    target[where > 0] = value


def cropped(mask: np.ndarray, to: np.ndarray) -> np.ndarray:
    result, region = np.zeros_like(mask), bounding_region(to)
    if region is not None:
        result[region.slices] = mask[region.slices]
    return result


def grow(mask: np.ndarray, radius: int) -> np.ndarray:
    if radius <= 0:
        return mask
    # Two small discs are much cheaper than one large one, and nearly as round.
    while radius > LARGEST_DISC:
        mask = cv2.dilate(mask, disc(LARGEST_DISC))
        radius -= LARGEST_DISC
    return cv2.dilate(mask, disc(radius))


def grow_square(mask: np.ndarray, radius: int) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.dilate(mask, np.ones((side, side), np.uint8))


def shrink(mask: np.ndarray, radius: int) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.erode(mask, np.ones((side, side), np.uint8)) if radius > 0 else mask


def opened(mask: np.ndarray, radius: int) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))


def feather(hole: np.ndarray, width: int) -> np.ndarray:
    reach = max(1, width // 2)
    soft = cv2.blur(cv2.dilate(hole, disc(reach)), (2 * reach + 1, 2 * reach + 1))
    return cv2.max(soft, hole)


def select_parts(
    area: np.ndarray,
    marks: np.ndarray,
    *,
    least: int = 0,
    most: int | None = None,
    at_edge: bool | None = None,
    diagonal: bool = True,
) -> np.ndarray:
    count, labels = cv2.connectedComponents(area, connectivity=8 if diagonal else 4)
    marked = np.bincount(labels.ravel() if marks is area else labels[marks > 0], minlength=count)
    taken = marked >= least if most is None else (marked >= least) & (marked <= most)
    if at_edge is not None:
        for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
            taken[edge] = at_edge
    taken[0] = False
    return np.negative(taken[labels].view(np.uint8))


def steadied(
    matte: np.ndarray,
    previous: np.ndarray,
    was_masked: np.ndarray,
    smoothing: float,
    release: float,
    on: float,
    off: float,
) -> tuple[np.ndarray, np.ndarray]:
    doubt = 1.0 - np.abs(2.0 * matte - 1.0)
    smooth = np.maximum(matte + np.maximum(previous - matte, 0.0) * (smoothing * doubt), previous * release)
    masked = (smooth >= on) | ((smooth >= off) & (was_masked >= 0.5))
    return smooth, masked.astype(np.float32)


def settled(smooth: np.ndarray, masked: np.ndarray, whole: np.ndarray, on: float, off: float) -> np.ndarray:
    return np.where(whole > 0, np.maximum(smooth, np.float32(on)), np.where(masked > 0, np.float32(off), smooth))


def local_contrast(gray: np.ndarray) -> np.ndarray:
    """A (H, W) uint8 picture without its slow brightness, so that automatic exposure does not disturb tracking."""
    surroundings = cv2.blur(gray, (31, 31))
    return cv2.addWeighted(gray, 1.5, surroundings, -1.5, 128.0)


def strongest(image: np.ndarray) -> np.ndarray:
    """The largest channel of each pixel, (H, W) from (H, W, 3)."""
    first, second, third = cv2.split(image)
    return cv2.max(cv2.max(first, second), third)


def weakest(image: np.ndarray) -> np.ndarray:
    """The smallest channel of each pixel, (H, W) from (H, W, 3)."""
    first, second, third = cv2.split(image)
    return cv2.min(cv2.min(first, second), third)


def look_up(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    return cv2.LUT(image, table[None])


def differs(first: np.ndarray, second: np.ndarray, least: float) -> np.ndarray:
    return at_least(strongest(cv2.absdiff(first, second)), least)


def differs_beyond_light(frame: np.ndarray, background: np.ndarray, where: np.ndarray, least: float) -> np.ndarray:
    # Light is smooth: every fourth pixel tells enough. What differs by far is no light: it may only nudge the average.
    few = slice(None, None, THINNED), slice(None, None, THINNED)
    weight = where[few].astype(np.float32) * np.float32(1 / 255)
    nudge = np.clip(cv2.subtract(frame[few], background[few], dtype=cv2.CV_32F), -least, least)
    width = max(3, weight.shape[1] // 4)
    total = cv2.blur(weight, (width, width)) + np.float32(1e-3)
    light = cv2.blur(nudge * weight[..., None], (width, width)) / total[..., None]
    difference = cv2.subtract(frame, background, dtype=cv2.CV_32F)
    cv2.absdiff(difference, resize(light, where.shape), difference)
    return at_least(strongest(difference), least) & where


def shaded(
    frame: np.ndarray, background: np.ndarray, ratio_between: tuple[float, float], tint: float, darkest: float
) -> np.ndarray:
    lit = cv2.blur(background, (5, 5)).astype(np.float32) + 2.0
    ratio = (cv2.blur(frame, (5, 5)).astype(np.float32) + 2.0) / lit
    least, most = weakest(ratio), strongest(ratio)
    low, high = ratio_between
    dark = (least > low) & (most < high) & (most - least < tint) & (weakest(lit) > darkest)
    return dark.astype(np.uint8) * 255


def difference(frame: np.ndarray, background: np.ndarray, step: int) -> np.ndarray:
    return cv2.subtract(thinned(frame, step), thinned(background, step), dtype=cv2.CV_32F)


def usual(difference: np.ndarray, where: np.ndarray, limit: float) -> np.ndarray:
    there = where > 0
    samples = difference[::SAMPLED, ::SAMPLED][there[::SAMPLED, ::SAMPLED]]
    median = np.median(samples, axis=0) if len(samples) else np.zeros(3, np.float32)
    return (there & (strongest(np.abs(difference - median)) < limit)).astype(np.float32)


def mean_of_known(
    values: np.ndarray, weights: np.ndarray, size: tuple[int, int], gain: float
) -> tuple[np.ndarray, np.ndarray]:
    known = resize(weights, size)
    mean = resize(values * weights[..., None], size).reshape(*size, values.shape[2])
    mean /= np.maximum(known, 1e-6)[..., None]
    return mean, np.minimum(1.0, known * gain)


def push_pull(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    height, width = weights.shape
    if min(height, width) <= 2:
        total = float(weights.sum())
        mean = (values * weights[..., None]).sum((0, 1)) / total if total > 0 else np.zeros(values.shape[2])
        coarse = np.broadcast_to(mean.astype(np.float32), values.shape)
    else:
        # A cell with one known pixel in four is as good as full: pull only through what is really empty.
        spread = push_pull(*mean_of_known(values, weights, ((height + 1) // 2, (width + 1) // 2), 4))
        coarse = resize(spread, (height, width)).reshape(values.shape)
    return coarse + (values - coarse) * weights[..., None]


def corrected(background: np.ndarray, correction: np.ndarray) -> np.ndarray:
    height, width = background.shape[:2]
    return to_uint8(background + resize(correction, (height, width)))


def refresh(
    color: np.ndarray,
    trust: np.ndarray,
    glimpsed: np.ndarray,
    age: np.ndarray,
    image: np.ndarray,
    usable: np.ndarray,
    doubtful: np.ndarray,
    changed: np.ndarray,
    patience: int,
    settled: int,
    share: float,
) -> None:
    age[:] = cv2.add(age, np.ones_like(age)) & usable
    ripe, seen = at_least(age, patience), equals(trust, SEEN)
    # What is as it was begins anew: only something else that stays in the open reaches `settled`.
    cv2.copyTo(np.minimum(age, np.uint8(min(patience, 255))), ~changed, age)
    cv2.accumulateWeighted(image, color, share, ripe & seen & ~changed)
    fresh = (ripe & ~seen) | (changed & at_least(age, settled))
    weak = (usable | doubtful) & ~(ripe | seen | glimpsed)
    first = fresh | weak
    if first.any():
        cv2.copyTo(to_float(image), first, color)
        trust[weak > 0] = GUESSED
        trust[fresh > 0] = SEEN
        glimpsed |= weak


def composite(image: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    weight = alpha.astype(np.float32) * np.float32(1 / 255)
    mixed = cv2.blendLinear(background, image, weight, 1 - weight)
    cv2.copyTo(image, equals(alpha, 0), mixed)
    cv2.copyTo(background, equals(alpha, 255), mixed)
    return mixed


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
    change = strongest(cv2.absdiff(cv2.blur(picture, (5, 5)), cv2.blur(before, (5, 5))))
    left = np.asarray(cv2.subtract(left, np.ones_like(left)))
    left[(guessed & inside & at_least(change, noticed)) > 0] = lasts
    left &= inside
    return left


def blend_where(picture: np.ndarray, before: np.ndarray, where: np.ndarray, share: float) -> np.ndarray:
    result = picture.copy()
    cv2.copyTo(cv2.addWeighted(picture, share, before, 1 - share, 0), where, result)
    return result


def disc(radius: int) -> np.ndarray:
    """The (2 radius + 1)-sided uint8 kernel of a disc."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
