from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from realtime import ops
from tests.realtime.pictures import disc, texture

sides = st.integers(4, 40)


@st.composite
def mask_arrays(draw):
    shape = draw(sides), draw(sides)
    return draw(arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 255])))


@settings(deadline=None, max_examples=60)
@given(mask_arrays(), st.integers(0, 12))
def test_growing_keeps_every_masked_pixel_and_reaches_no_further_than_its_radius(mask, radius):
    grown = ops.grow(mask, radius)
    assert (grown[mask > 0] == 255).all()
    reach = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    assert (grown <= cv2.dilate(mask, reach)).all()


@settings(deadline=None, max_examples=60)
@given(mask_arrays(), st.integers(1, 9))
def test_a_feather_is_full_on_the_hole_and_only_outside_it_soft(mask, width):
    alpha = ops.feather(mask, width)
    assert (alpha[mask > 0] == 255).all()
    assert (alpha[ops.grow(mask, 3 * width + 3) == 0] == 0).all()


def test_a_feather_falls_off_with_distance():
    alpha = ops.feather(disc(80, 80, 40, 40, 15), 8)
    profile = alpha[40, 40:]
    assert (np.diff(profile.astype(int)) <= 0).all()
    assert 0 < profile[17] < 255


@settings(deadline=None, max_examples=60)
@given(mask_arrays())
def test_compositing_keeps_the_picture_where_alpha_is_zero_and_takes_the_background_where_it_is_full(alpha):
    image, background = texture(*alpha.shape, seed=1), texture(*alpha.shape, seed=2)
    out = ops.composite(image, background, alpha)
    assert (out[alpha == 0] == image[alpha == 0]).all()
    assert (out[alpha == 255] == background[alpha == 255]).all()


def test_push_pull_keeps_known_values_and_fills_between_them():
    values = np.zeros((33, 47, 1), np.float32)
    weights = np.zeros((33, 47), np.float32)
    values[:, :5], values[:, -5:] = 10, 30
    weights[:, :5] = weights[:, -5:] = 1
    spread = ops.push_pull(values, weights)[..., 0]
    assert np.allclose(spread[:, :5], 10)
    assert np.allclose(spread[:, -5:], 30)
    assert spread.min() >= 9.9
    assert spread.max() <= 30.1
    assert 15 < spread[16, 23] < 25


def test_push_pull_of_nothing_is_zero():
    assert not ops.push_pull(np.full((9, 9, 3), 7, np.float32), np.zeros((9, 9), np.float32)).any()


def test_the_scaling_matrix_agrees_with_resizing():
    image = np.zeros((40, 60), np.float32)
    image[16:24, 28:36] = 1
    small = ops.resize(image, (20, 30))
    rows, columns = np.indices(small.shape)
    centre = np.array([[(columns * small).sum(), (rows * small).sum()]]) / small.sum()
    assert np.allclose(ops.transform_points(ops.scaling((40, 60), (20, 30)), np.array([[31.5, 19.5]])), centre)


def test_local_contrast_does_not_see_a_change_of_exposure():
    gray = texture(60, 80)[..., 0].clip(30, 200)
    assert np.abs(ops.local_contrast(gray).astype(int) - ops.local_contrast(gray + 25)).max() <= 1


def test_a_mask_is_warped_conservatively():
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 255
    half = ops.warp_mask(mask, ops.translation(0.5, 0), (20, 20))
    assert half[10, 6:15].all()
    assert not half[10, :6].any()
    assert not half[10, 15:].any()


def test_a_picture_that_gets_narrower_alone_is_averaged():
    columns = np.zeros((8, 40), np.uint8)
    columns[:, ::4] = 200
    assert (ops.resize(columns, (8, 10)) == 50).all()
