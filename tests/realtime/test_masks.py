from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from realtime import masks, ops
from realtime.masks import OFF, ON, MaskSmoother
from tests.realtime.pictures import disc, put, texture

STILL = np.eye(3)
mattes = arrays(np.float32, (12, 16), elements=st.floats(0, 1, width=32))


def masked(smooth):
    return smooth >= ON


def test_specks_that_are_too_small_for_a_person_are_dropped():
    matte = disc(100, 160, 80, 50, 12).astype(np.float32) / 255
    matte[10:12, 10:12] = 1
    smooth = MaskSmoother().step(matte, STILL)
    assert masked(smooth)[50, 80]
    assert not masked(smooth)[:20, :20].any()


def test_a_small_part_near_a_person_or_at_the_edge_is_kept():
    matte = disc(100, 160, 80, 50, 12).astype(np.float32) / 255
    matte[64:66, 80:82] = 1  # a foot
    matte[30:34, 0:1] = 1  # somebody who comes in
    smooth = MaskSmoother().step(matte, STILL)
    assert masked(smooth)[64:66, 80:82].all()
    assert masked(smooth)[30:34, 0].all()


@settings(deadline=None, max_examples=60)
@given(mattes, mattes)
def test_what_the_network_sees_now_is_masked_at_once_whatever_came_before(before, now):
    smoother = MaskSmoother()
    smoother.step(before, STILL)
    assert (masked(smoother.step(now, STILL)) >= (now >= ON)).all()


@settings(deadline=None, max_examples=60)
@given(st.lists(mattes, min_size=1, max_size=5))
def test_a_smoothed_matte_stays_between_zero_and_one(steps):
    smoother = MaskSmoother()
    for matte in steps:
        smooth = smoother.step(matte, STILL)
        assert smooth.min() >= 0
        assert smooth.max() <= 1


def test_a_miss_of_two_frames_does_not_open_the_mask_but_a_longer_one_does():
    smoother, empty = MaskSmoother(), np.zeros((20, 20), np.float32)
    person = disc(20, 20, 10, 10, 5).astype(np.float32) / 255
    smoother.step(person, STILL)
    opened = [not masked(smoother.step(empty, STILL))[10, 10] for _ in range(4)]
    assert opened == [False, False, True, True]


def test_a_masked_pixel_stays_masked_down_to_the_lower_threshold():
    smoother = MaskSmoother()
    smoother.step(np.full((8, 8), 0.9, np.float32), STILL)
    for _ in range(10):
        held = smoother.step(np.full((8, 8), OFF + 0.02, np.float32), STILL)
    assert masked(held).all()
    fresh = MaskSmoother().step(np.full((8, 8), OFF + 0.02, np.float32), STILL)
    assert not masked(fresh).any()


def test_the_previous_mask_moves_with_the_camera():
    smoother, empty = MaskSmoother(), np.zeros((40, 60), np.float32)
    smoother.step(disc(40, 60, 15, 20, 6).astype(np.float32) / 255, STILL)
    moved = masked(smoother.step(empty, ops.translation(20, 0)))
    assert moved[20, 35]
    assert not moved[20, 15]


def test_small_gaps_are_closed_and_large_or_open_ones_stay():
    mask = np.zeros((100, 100), np.uint8)
    mask[10:90, 10:90] = 255
    mask[20:24, 20:24] = 0  # a fault of the network
    mask[40:70, 40:70] = 0  # between an arm and the body
    mask[10:30, 80:82] = 0  # open to the outside
    closed = masks.closed(mask, 30)
    assert closed[20:24, 20:24].all()
    assert not closed[45:65, 45:65].any()
    assert not closed[12:28, 80:82].any()


BACKGROUND = texture(90, 120).clip(60, 240)
BODY = disc(90, 120, 60, 45, 15)
SEEN = np.full((90, 120), 255, np.uint8)


def test_a_hand_that_the_mask_leaves_out_is_found_by_its_difference_from_the_plate():
    hand = disc(90, 120, 78, 45, 5)
    picture = put(BACKGROUND, BODY | hand)
    extra = masks.left_out(picture, BACKGROUND, SEEN, BODY, 15)
    missed = (hand > 0) & (BODY == 0)
    assert extra[missed].mean() > 255 * 0.9
    assert not extra[disc(90, 120, 65, 45, 25) == 0].any()


def test_another_moving_thing_that_does_not_touch_the_mask_is_left_alone():
    passer_by = disc(90, 120, 100, 45, 8)
    extra = masks.left_out(put(BACKGROUND, BODY | passer_by), BACKGROUND, SEEN, BODY, 60)
    assert not extra[passer_by > 0].any()


@pytest.mark.parametrize("darkness", [0.55, 0.75, 0.9])
def test_a_shadow_that_touches_the_mask_is_found(darkness):
    shade = disc(90, 120, 60, 68, 14)
    picture = np.where(shade[..., None] > 0, BACKGROUND * darkness, BACKGROUND).astype(np.uint8)
    extra = masks.shadows(put(picture, BODY), BACKGROUND, SEEN, BODY, 40)
    inner = (disc(90, 120, 60, 68, 10) > 0) & (BODY == 0)
    assert extra[inner].mean() > 255 * 0.8
    assert not extra[ops.grow(shade | BODY, 6) == 0].any()


def test_a_darker_thing_of_another_colour_is_no_shadow():
    thing = disc(90, 120, 60, 68, 14)
    extra = masks.shadows(put(BACKGROUND, BODY | thing, (20, 20, 200)), BACKGROUND, SEEN, BODY, 40)
    assert not extra[(disc(90, 120, 60, 68, 10) > 0) & (BODY == 0)].any()


def test_nothing_is_concluded_where_the_plate_has_not_seen_the_background():
    shade = np.full_like(BODY, 255)
    picture = (BACKGROUND * 0.7).astype(np.uint8)
    nothing = np.zeros_like(SEEN)
    assert not masks.shadows(picture, BACKGROUND, nothing, BODY, 40).any()
    assert not masks.left_out(put(picture, shade), BACKGROUND, nothing, BODY, 40).any()


def test_a_mask_is_remembered_when_the_network_changes_its_size():
    smoother = MaskSmoother()
    person = disc(96, 160, 80, 48, 30)
    for _ in range(3):
        smoother.step(person.astype(np.float32) / 255, STILL)
    missed = smoother.step(np.zeros((72, 120), np.float32), STILL)
    assert masked(missed)[36, 60]


@pytest.mark.parametrize(("reach", "count"), [(0, 3), (4, 2), (40, 1)])
def test_pixels_that_lie_together_are_a_cluster_and_the_largest_comes_first(reach, count):
    mask = disc(90, 160, 30, 45, 9) | disc(90, 160, 46, 45, 5) | disc(90, 160, 120, 45, 14)
    found = list(masks.clusters(mask, reach))
    assert len(found) == count
    assert np.array_equal(np.sum([pixels > 0 for _, pixels in found], axis=0), mask > 0)  # each pixel in one of them
    sizes = [ops.count(pixels) for _, pixels in found]
    assert sizes == sorted(sizes, reverse=True)
    for region, pixels in found:
        assert ops.bounding_region(pixels).expanded_within(reach, 90, 160) == region
