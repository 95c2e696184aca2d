"""The frame operations on a device agree with those on NumPy arrays."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from realtime import ops
from tests.cuda.emulator import kernel_names
from tests.realtime.pictures import disc, texture

SIZE = HEIGHT, WIDTH = 67, 120
MOTION = ops.translation(3.3, -2.6) @ np.array([[1.01, 0.02, 0], [-0.015, 0.99, 0], [1e-5, -2e-5, 1]])
STEP = ops.translation(2, -3)
PICTURE, OTHER = texture(HEIGHT, WIDTH), texture(HEIGHT, WIDTH, seed=5)
FLOATS = PICTURE.astype(np.float32) * np.float32(0.93) + np.float32(4.2)
MASK = disc(HEIGHT, WIDTH, 50, 30, 18) | disc(HEIGHT, WIDTH, 95, 50, 9) | disc(HEIGHT, WIDTH, 3, 60, 6)
SPECKS = ((np.random.default_rng(3).random(SIZE) < 0.02) * 255).astype(np.uint8) | MASK
MATTE = np.random.default_rng(4).random((40, 60), np.float32)
LEVELS = np.random.default_rng(5).integers(0, 3, SIZE).astype(np.uint8) | np.where(MASK > 0, 2, 0).astype(np.uint8)
ALPHA = np.random.default_rng(6).integers(0, 256, SIZE).astype(np.uint8) & ~MASK
SOFT = (np.random.default_rng(7).random(SIZE) * (MASK == 0)).astype(np.float32)
TABLE = np.arange(256, dtype=np.float32)[:, None] * np.array([0.9, 1.0, 1.1], np.float32) + np.float32(3)


def both(device, function, *arrays, **options):
    """The results of a function of arrays on NumPy's and on the device's."""
    expected = function(*(array.copy() for array in arrays), **options)
    result = function(*map(device.sent, arrays), **options)
    many = isinstance(expected, tuple)
    results = device.fetch(*result) if many else device.fetch(result)
    return list(zip(expected if many else [expected], results, strict=True))


def written(function):
    """The function as one that returns its last array, which it changes."""

    def changed(*arrays, **options):
        function(*arrays, **options)
        return arrays[-1]

    return changed


def learnt(*layers):
    """The plate's layers after `ops.refresh`."""
    ops.refresh(*layers, patience=3, settled=6, share=0.125)
    return layers[:4]


def drawn(seed, *values):
    """(H, W) uint8 of values drawn at random."""
    return np.random.default_rng(seed).choice(values, SIZE).astype(np.uint8)


PLATE = FLOATS, LEVELS, drawn(8, 0, 255), drawn(9, 0, 1, 2, 3, 5, 6, 254, 255)
SAID = drawn(10, 0, 255, 255), drawn(11, 0, 255), drawn(12, 0, 0, 255)


EXACT = {
    "invert": (lambda mask: ~mask, MASK),
    "and": (lambda first, second: first & second, SPECKS, LEVELS),
    "or": (lambda first, second: first | second, SPECKS, LEVELS),
    "a rectangle set": (written(lambda mask: mask.__setitem__((slice(5, 20), slice(7, 90)), 3)), LEVELS),
    "a rectangle copied": (
        written(lambda source, mask: mask.__setitem__((slice(5, 20), slice(7, 90)), source[1:16, 2:85])), MASK, LEVELS
    ),
    "a rectangle joined": (
        written(lambda source, mask: mask[3:30, 4:50].__ior__(source[5:32, 6:52])), MASK, LEVELS
    ),
    "at least": (lambda image: ops.at_least(image, 1), LEVELS),
    "at least, floats": (lambda matte: ops.at_least(matte, 0.5), MATTE),
    "equals": (lambda image: ops.equals(image, 2), LEVELS),
    "not below": (ops.not_below, LEVELS, LEVELS[::-1].copy()),
    "raised": (lambda levels: ops.raised(levels, 1), LEVELS),
    "copy where": (written(ops.copy_where), PICTURE, MASK, OTHER),
    "copy floats where": (written(ops.copy_where), FLOATS, MASK, FLOATS * 2),
    "put": (written(lambda where, target: ops.put(target, where, 7)), MASK, LEVELS),
    "thinned": (lambda image: ops.thinned(image, 3), PICTURE),
    "to float": (ops.to_float, PICTURE),
    "to weight": (ops.to_weight, MASK),
    "to uint8": (ops.to_uint8, FLOATS * 2 - 90),
    "pad": (lambda image: ops.pad(image, 5), PICTURE),
    "floats padded": (lambda image: ops.pad(image, 5), FLOATS),
    "pad, mirrored": (lambda image: ops.pad(image, 90, mirrored=True), PICTURE),
    "extended": (lambda image: ops.extended(image, 1, 2, 3, 4), FLOATS),
    "look up": (lambda image: ops.look_up(image, TABLE), PICTURE),
    "a part of a picture": (lambda image: ops.at_least(image[10:40, 20:90], 2), LEVELS),
    **{f"grown by {radius}": (lambda mask, radius=radius: ops.grow(mask, radius), SPECKS) for radius in (0, 1, 4, 11)},
    "grown by a square": (lambda mask: ops.grow_square(mask, 6), SPECKS),
    "grown in proportion": (lambda mask: ops.grow_square(mask, ops.reach(mask, 8, 4, 30)), MASK),
    "grown at most": (lambda mask: ops.grow_square(mask, ops.reach(mask, 1, 4, 30)), MASK),
    "cropped": (ops.cropped, SPECKS, MASK[:, ::-1] & disc(HEIGHT, WIDTH, 60, 30, 25)),
    "cropped to nothing": (ops.cropped, SPECKS, MASK * 0),
    "shrunk": (lambda mask: ops.shrink(mask, 2), MASK),
    "opened": (lambda mask: ops.opened(mask, 2), SPECKS),
    "levels resized": (lambda levels: ops.resize_levels(levels, (22, 40)), LEVELS),
    "parts with marks": (lambda area, marks: ops.select_parts(area, marks, least=2), SPECKS, ops.at_least(LEVELS, 2)),
    "parts or at the edge": (lambda area: ops.select_parts(area, area, least=300, at_edge=True), SPECKS),
    "gaps": (lambda area: ops.select_parts(area, area, most=9, at_edge=False, diagonal=False), ~SPECKS),
    "picture made smaller by whole numbers": (lambda image: ops.resize(image, (22, 40)), PICTURE[:66]),
    "picture halved": (lambda image: ops.resize(image, (33, 60)), PICTURE[:66]),
    "the same picture": (lambda image: ops.resize(image, SIZE), PICTURE),
    "differs": (lambda first, second: ops.differs(first, second, 30.0), PICTURE, OTHER),
    **{f"feather of {width}": (lambda mask, width=width: ops.feather(mask, width), MASK) for width in (6, 18, 23, 128)},
    "warped, nearest, by whole pixels": (lambda mask: ops.warp_nearest(mask, STEP, SIZE), LEVELS),
    "fading": (
        partial(ops.fading, noticed=8.0, lasts=20), PICTURE, OTHER, MASK, LEVELS, ops.grow(MASK, 4)
    ),
}  # fmt: skip

WITHIN = {  # by which uint8 values may differ, or float32 ones
    "warped, cubic": (1, lambda image: ops.warp(image, MOTION, (60, 130)), PICTURE),
    "warped, linear": (1, lambda image: ops.warp(image, MOTION, (60, 130), cubic=False), PICTURE),
    "floats warped, cubic": (0.02, lambda image: ops.warp(image, MOTION, (60, 130)), FLOATS),
    "floats warped, linear": (0.02, lambda image: ops.warp(image, MOTION, (60, 130), cubic=False), FLOATS),
    "matte warped": (1e-4, lambda matte: ops.warp_soft(matte, MOTION, (40, 60)), MATTE),
    "soft mask warped": (1, lambda mask: ops.warp_soft(mask, MOTION, SIZE), MASK),
    "picture made smaller": (1, lambda image: ops.resize(image, (41, 77)), PICTURE),
    "network input": (1e-6, lambda image: ops.network_input(image, (22, 40)), PICTURE[:66]),
    "network input, not by whole numbers": (1.01 / 255, lambda image: ops.network_input(image, (32, 64)), PICTURE),
    "floats made smaller": (1e-3, lambda image: ops.resize(image, (34, 60)), FLOATS),
    "picture made larger": (1, lambda image: ops.resize(image, (180, 320)), PICTURE),
    "floats made larger": (1e-3, lambda image: ops.resize(image, (180, 320)), FLOATS),
    "plate refreshed": (1e-4, learnt, *PLATE, OTHER, *SAID),
    "plate refreshed by floats": (1e-4, learnt, *PLATE, FLOATS[::-1].copy(), *SAID),
    "composite": (1, ops.composite, PICTURE, OTHER, ALPHA),
    "difference": (1e-4, lambda frame, background: ops.difference(frame, background, 2), PICTURE, FLOATS),
    "mean of known": (
        1e-3, lambda values, weights: ops.mean_of_known(values, weights, (34, 60), 4), FLOATS, SOFT
    ),
    "push and pull": (1e-3, ops.push_pull, FLOATS, (SOFT > 0.8).astype(np.float32)),
    "push and pull of nothing": (0, ops.push_pull, FLOATS, SOFT * 0),
    "corrected": (1, ops.corrected, FLOATS, FLOATS[:17, :30] * 0.1),
    "blend where": (1, partial(ops.blend_where, share=0.15), PICTURE, OTHER, MASK),
    "steadied": (
        1e-6, partial(ops.steadied, smoothing=0.8, release=0.6, on=0.5, off=0.3),
        MATTE, MATTE[::-1].copy(), MATTE[:, ::-1].copy(),
    ),
    "settled": (
        1e-6, partial(ops.settled, on=0.5, off=0.3), SOFT, (SOFT > 0.5).astype(np.float32), MASK
    ),
}  # fmt: skip

NEARLY = {  # masks: the share of pixels, all on a threshold, that may differ
    "warped mask": (0.001, lambda mask: ops.warp_mask(mask, MOTION, SIZE), MASK),
    "warped, nearest": (0.001, lambda mask: ops.warp_nearest(mask, MOTION, SIZE), LEVELS),
    "levels warped": (0.001, lambda levels: ops.warp_levels(levels, MOTION, SIZE, 2), np.maximum(LEVELS, MASK // 127)),
    "differs beyond light": (
        0.001, partial(ops.differs_beyond_light, least=30.0), PICTURE, OTHER, ops.at_least(LEVELS, 1)
    ),
    "shaded": (
        0.001, partial(ops.shaded, ratio_between=(0.4, 0.93), tint=0.07, darkest=30.0),
        (PICTURE * 0.7 + OTHER * 0.02).astype(np.uint8), PICTURE,
    ),
    "usual": (0.001, partial(ops.usual, limit=24.0), FLOATS - 100, MASK),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_it_is_the_same_on_a_device(device, name):
    for expected, result in both(device, *EXACT[name]):
        assert np.array_equal(result, expected)
        assert result.dtype == expected.dtype


@pytest.mark.parametrize("name", WITHIN)
def test_it_is_the_same_within_rounding_on_a_device(device, name):
    tolerance, *case = WITHIN[name]
    for expected, result in both(device, *case):
        assert result.dtype == expected.dtype
        assert np.abs(result.astype(np.float64) - expected).max() <= tolerance


@pytest.mark.parametrize("name", NEARLY)
def test_it_is_nearly_the_same_on_a_device(device, name):
    share, *case = NEARLY[name]
    for expected, result in both(device, *case):
        assert 0 < np.count_nonzero(expected) < expected.size
        assert np.mean(result != expected) <= share


@pytest.mark.parametrize("name", [*EXACT, *WITHIN, *NEARLY])
def test_the_order_of_threads_does_not_matter(device, name):
    case = EXACT[name] if name in EXACT else (WITHIN | NEARLY)[name][1:]
    results = []
    for device.driver.backwards.value in (1, 0):
        results.append([result for _, result in both(device, *case)])
    for backward, forward in zip(*results, strict=True):
        assert np.array_equal(backward, forward)


def test_what_is_set_is_counted_and_found(device):
    mask = device.sent(MASK[:60])
    assert ops.count(mask) == ops.count(MASK[:60])
    assert ops.bounding_region(mask) == ops.bounding_region(MASK[:60])
    assert ops.bounding_region(device.zeros(SIZE)) is None


def test_every_kernel_is_run_here(device):
    for function, *arrays in [*EXACT.values(), *(case for _, *case in [*WITHIN.values(), *NEARLY.values()])]:
        both(device, function, *arrays)
    test_what_is_set_is_counted_and_found(device)
    assert set(device.driver.launches) == set(kernel_names())


def test_a_device_is_not_asked_whether_work_can_be_saved(device):
    mask = device.zeros(SIZE)
    assert ops.neighbourhood(mask, 3) == ops.Region(0, HEIGHT, 0, WIDTH)
    assert not ops.surely_empty(mask)
    assert device.waits == 0
