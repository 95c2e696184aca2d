"""The bookkeeping says exactly what the cameras show."""

from __future__ import annotations

import numpy as np

from benchmarks.shown import BEFORE, LATER, NEVER, OUTSIDE, classify

HEIGHT, WIDTH = 20, 40


def mask_at(x0: int, x1: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:15, x0:x1] = 255
    return mask


def shift(x: float) -> np.ndarray:
    """Camera whose left edge is at world column x."""
    return np.array([[1, 0, -x], [0, 1, 0], [0, 0, 1.0]])


def test_a_still_camera_sees_before_what_the_object_had_not_reached_and_later_what_it_left():
    masks = [mask_at(10, 16), mask_at(20, 26)]
    labels, waits = classify(masks, [np.eye(3)] * 2, (WIDTH, HEIGHT))
    assert (labels[0][masks[0] > 0] == LATER).all()
    assert (waits[0][masks[0] > 0] == 1).all()
    assert (labels[1][masks[1] > 0] == BEFORE).all()
    assert (waits[1] == -1).all()
    assert (labels[0][masks[0] == 0] == OUTSIDE).all()


def test_what_stays_covered_is_never_shown():
    masks = [mask_at(10, 20), mask_at(12, 20), mask_at(10, 22)]
    labels, _ = classify(masks, [np.eye(3)] * 3, (WIDTH, HEIGHT))
    assert (labels[0][5:15, 13:20] == NEVER).all()
    assert (labels[0][5:15, 10] == LATER).all()
    assert (labels[2][5:15, 10] == BEFORE).all()
    assert (labels[2][5:15, 21] == BEFORE).all()


def test_a_pixel_beside_the_mask_does_not_count_as_shown():
    masks = [mask_at(10, 20), mask_at(11, 20)]
    labels, _ = classify(masks, [np.eye(3)] * 2, (WIDTH, HEIGHT))
    assert (labels[0][5:15, 10] == NEVER).all()


def test_a_moving_camera_is_followed_in_the_world():
    # The object stands at the same place of the picture while the camera moves on by its width and more.
    masks = [mask_at(10, 16)] * 2
    labels, waits = classify(masks, [shift(0), shift(8)], (WIDTH + 8, HEIGHT))
    assert (labels[1][masks[1] > 0] == BEFORE).all()  # world columns 18 to 24, in view and free in the first frame
    assert (labels[0][masks[0] > 0] == LATER).all()  # world columns 10 to 16 are columns 2 to 8 of the second
    assert (waits[0][masks[0] > 0] == 1).all()


def test_what_left_the_view_was_not_shown_later():
    masks = [mask_at(2, 8), mask_at(30, 36)]
    labels, _ = classify(masks, [shift(0), shift(12)], (WIDTH + 12, HEIGHT))
    assert (labels[0][masks[0] > 0] == NEVER).all()
    assert (labels[1][masks[1] > 0] == NEVER).all()  # world columns 42 to 48 came into view only now


def test_half_a_pixel_of_motion_does_not_turn_covered_into_shown():
    masks = [mask_at(10, 20)] * 2
    labels, _ = classify(masks, [shift(0), shift(0.5)], (WIDTH + 2, HEIGHT))
    assert not (labels[0] == LATER).any()
    assert not (labels[1] == BEFORE).any()
