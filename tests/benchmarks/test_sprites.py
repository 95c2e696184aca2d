"""Cut-outs have soft edges without a fringe, and land where their pose says. No reference data."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.scenes import look_at, tremble
from benchmarks.sprites import Pose, Sprite, came_from, cut_out, place


@pytest.fixture
def red_box() -> Sprite:
    """A red box, 40 wide and 80 tall, cut out of a green photo whose mask has a speck and a stray patch."""
    image = np.zeros((120, 100, 3), np.uint8)
    image[...] = (0, 200, 0)
    image[20:100, 30:70] = (0, 0, 220)
    mask = np.zeros((120, 100), np.uint8)
    mask[20:100, 30:70] = 255
    mask[50, 50] = 0
    mask[:3, :3] = 255
    return cut_out(image, mask)


def test_a_cut_out_keeps_the_largest_piece_and_closes_specks(red_box: Sprite):
    height, width = red_box.alpha.shape
    assert (78 <= height <= 86, 38 <= width <= 46) == (True, True)
    assert red_box.alpha[10:-10, 10:-10].min() == pytest.approx(1)


def test_a_cut_out_carries_no_colour_of_its_photo(red_box: Sprite):
    solid = red_box.colour[red_box.alpha > 0.1] / red_box.alpha[red_box.alpha > 0.1][:, None]
    assert np.abs(solid - [0, 0, 220]).max() < 3


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="no person"):
        cut_out(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8))


def test_a_sprite_stands_on_its_feet_where_the_camera_sees_them(red_box: Sprite):
    camera = look_at(100, 50, size=(200, 100))
    _, alpha = place(red_box, Pose(x=120, y=90, height=60), camera, 200, 100)
    rows, columns = np.nonzero(alpha > 0.5)
    assert columns.mean() == pytest.approx(120 - 0.5, abs=1)
    assert rows.max() == pytest.approx(90, abs=3)
    assert rows.max() - rows.min() == pytest.approx(60, abs=7)  # the soft edge counts to the height


def test_a_sprite_out_of_view_leaves_nothing(red_box: Sprite):
    colour, alpha = place(red_box, Pose(x=900, y=90, height=60), np.eye(3), 200, 100)
    assert not alpha.any()
    assert not colour.any()


def test_what_a_sprite_shows_is_found_again_where_it_was_before(red_box: Sprite):
    before = Pose(x=90, y=92, height=60, tilt=0.1, phase=0.4, bend=0.08), look_at(100, 50, size=(200, 100))
    now = Pose(x=101, y=90, height=66, tilt=-0.05, phase=1.7, bend=0.08), look_at(104, 47, size=(200, 100))
    _, was = place(red_box, *before, 200, 100)
    _, shows = place(red_box, *now, 200, 100)
    places = came_from(red_box, now, before, 200, 100)
    carried = cv2.remap(was, places[..., 0], places[..., 1], cv2.INTER_LINEAR)
    assert np.abs(shows - was).max() > 0.9
    assert np.abs(shows - carried).max() < 0.2
    assert np.abs(shows - carried).mean() < 0.002


def test_trembling_is_smooth_and_reaches_as_far_as_asked():
    wave = tremble(90, seed=3, reach=10)
    assert np.abs(wave).max() == pytest.approx(10)
    assert np.abs(np.diff(wave)).max() < 5
    assert np.array_equal(wave, tremble(90, seed=3, reach=10))
