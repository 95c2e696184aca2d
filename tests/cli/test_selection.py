"""Boxes, protected boxes and masks from outside."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import EraserError, UsageError
from realtime.selection import Box, GivenMasks, Selection, binary_mask, fit_mask
from tests.cli import media

BOXES = st.builds(Box, st.integers(-50, 150), st.integers(-50, 150), st.integers(1, 100), st.integers(1, 100))
SIZES = st.tuples(st.integers(1, 100), st.integers(1, 100))


@given(BOXES)
def test_a_box_reads_back_what_it_prints(box):
    assert Box.parse(str(box)) == box


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1.5,2,3,4", "1,2,-3,4", "1,2,0,4", "1,2,3,0"])
def test_what_is_not_a_box_is_refused(text):
    with pytest.raises(UsageError, match="box"):
        Box.parse(text)


@given(BOXES, SIZES)
def test_a_box_marks_exactly_its_pixels_inside_the_picture(box, size):
    mask = Selection((), (box,)).fixed_mask(size)
    assert mask is not None
    assert mask.shape == size
    rows, columns = np.indices(size)
    inside = (box.x <= columns) & (columns < box.x + box.w) & (box.y <= rows) & (rows < box.y + box.h)
    assert ((mask == 255) == inside).all()
    assert ((mask == 0) == ~inside).all()


def test_without_boxes_there_is_no_fixed_mask():
    assert Selection().fixed_mask((10, 10, 3)) is None


@given(BOXES, SIZES)
def test_protected_boxes_are_zero_and_the_rest_is_kept(box, size):
    mask = np.full(size, 7, np.uint8)
    protected = Selection(keep=(box,)).protect(mask)
    covered = Selection((), (box,)).fixed_mask(size)
    assert ((protected == 0) == (covered == 255)).all()
    assert (mask == 7).all()


def test_a_protected_mask_shares_nothing_with_the_one_it_was_made_of():
    mask = np.ones((4, 4), np.uint8)
    protected = Selection().protect(mask)
    mask[:] = 9
    assert (protected == 1).all()


@given(BOXES, SIZES)
def test_a_box_is_refused_when_it_lies_outside_and_remarked_when_it_reaches_over_the_edge(box, size):
    height, width = size
    selection = Selection((), (box,))
    covered = selection.fixed_mask(size)
    assert covered is not None
    if not covered.any():
        with pytest.raises(EraserError, match=f"{width}x{height}"):
            selection.check(height, width)
    else:
        whole = np.count_nonzero(covered) == box.w * box.h
        assert bool(selection.check(height, width)) != whole


@given(st.integers(0, 255), st.booleans())
def test_samples_from_128_on_mean_erase(value, color):
    image = np.zeros((3, 4, 3) if color else (3, 4), np.uint8)
    image[(1, 2, 1) if color else (1, 2)] = value
    mask = binary_mask(image)
    assert mask.shape == (3, 4)
    assert mask[1, 2] == (255 if value >= 128 else 0)
    assert np.count_nonzero(mask) == (value >= 128)


@given(SIZES, st.integers(1, 5))
def test_a_mask_of_the_same_aspect_ratio_is_scaled_by_nearest(size, factor):
    mask = np.where(np.random.default_rng(0).random(size) > 0.5, 255, 0).astype(np.uint8)
    height, width = size[0] * factor, size[1] * factor
    assert (fit_mask(mask, height, width) == np.repeat(np.repeat(mask, factor, 0), factor, 1)).all()


@pytest.mark.parametrize(("mask", "picture"), [((480, 854), (720, 1280)), ((270, 480), (1080, 1920)), ((5, 7), (5, 7))])
def test_the_rounding_of_a_mask_pixel_is_no_other_aspect_ratio(mask, picture):
    assert fit_mask(np.zeros(mask, np.uint8), *picture).shape == picture


def test_a_mask_of_another_shape_is_refused_with_both_sizes():
    with pytest.raises(EraserError, match=r"64x48.*128x80"):
        fit_mask(np.zeros((48, 64), np.uint8), 80, 128)


def test_one_picture_is_the_mask_of_every_frame(tmp_path):
    mask = media.square_masks(2)[1]
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    with GivenMasks(str(tmp_path / "mask.png")) as masks:
        for index in (0, 7, 1000):
            assert (masks.for_frame(index, *mask.shape) == mask).all()


@pytest.mark.parametrize("pattern", ["{:05d}.png", "frame{}.png", "m_{:03d}.png"])
def test_a_folder_holds_one_mask_for_each_frame_in_the_order_of_their_numbers(tmp_path, pattern):
    expected = media.square_masks(12)
    media.write_folder(tmp_path / "masks", expected, pattern)
    with GivenMasks(str(tmp_path / "masks")) as masks:
        for index, mask in enumerate(expected):
            assert (masks.for_frame(index, *mask.shape) == mask).all()


def test_a_folder_with_a_single_picture_is_one_mask_for_one_frame(tmp_path):
    media.write_folder(tmp_path / "masks", media.square_masks(1))
    with GivenMasks(str(tmp_path / "masks")) as masks:
        masks.for_frame(0, media.HEIGHT, media.WIDTH)
        with pytest.raises(EraserError, match="end before the video: there is none for frame 1 "):
            masks.for_frame(1, media.HEIGHT, media.WIDTH)


def test_a_mask_video_gives_clean_masks_in_spite_of_its_noise(tmp_path):
    expected = media.square_masks(10)
    media.write_video(tmp_path / "masks.mp4", expected, crf=30)
    with GivenMasks(str(tmp_path / "masks.mp4")) as masks:
        for index, mask in enumerate(expected):
            given_mask = masks.for_frame(index, *mask.shape)
            assert set(np.unique(given_mask)) <= {0, 255}
            assert np.count_nonzero(given_mask != mask) < 60


def test_masks_are_counted_from_the_inputs_first_frame(tmp_path):
    expected = media.square_masks(10)
    media.write_folder(tmp_path / "masks", expected)
    with GivenMasks(str(tmp_path / "masks")) as masks:
        assert (masks.for_frame(6, media.HEIGHT, media.WIDTH) == expected[6]).all()
        assert (masks.for_frame(6, media.HEIGHT, media.WIDTH) == expected[6]).all()
        assert (masks.for_frame(8, media.HEIGHT, media.WIDTH) == expected[8]).all()


def test_masks_that_end_early_are_an_error(tmp_path):
    media.write_video(tmp_path / "masks.mp4", media.square_masks(5))
    with GivenMasks(str(tmp_path / "masks.mp4")) as masks:
        masks.for_frame(4, media.HEIGHT, media.WIDTH)
        with pytest.raises(EraserError, match="end before the video: there is none for frame 5 "):
            masks.for_frame(5, media.HEIGHT, media.WIDTH)


def test_a_missing_mask_is_an_error_that_speaks_of_the_mask(tmp_path):
    with pytest.raises(EraserError, match=r"mask cannot be used.*nowhere\.png"):
        GivenMasks(str(tmp_path / "nowhere.png"))


def test_a_label_image_of_zeros_and_ones_is_remarked(tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), media.square_masks(1)[0] // 255)
    with GivenMasks(str(tmp_path / "mask.png")) as masks:
        assert not masks.for_frame(0, media.HEIGHT, media.WIDTH).any()
        assert "erases nothing" in masks.notes[0]


def test_a_black_mask_is_no_reason_for_a_remark(tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros((media.HEIGHT, media.WIDTH), np.uint8))
    with GivenMasks(str(tmp_path / "mask.png")) as masks:
        masks.for_frame(0, media.HEIGHT, media.WIDTH)
        assert masks.notes == []
