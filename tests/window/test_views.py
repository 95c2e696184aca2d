"""What each view shows, pixel by pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realtime.live.ui import Carry, UiState, View
from realtime.live.views import GUESSED_COLOR, SEEN_COLOR, VISIBLE_COLOR, draw_view, hue
from tests.window.shown import CANDIDATE, DISC, ERASED, HEIGHT, OTHER, WALL, WIDTH, result, thing

START = UiState.start(WIDTH, HEIGHT)


def pixel(picture, place):
    """The colour in the middle of a disc."""
    return picture[place[1], place[0]].astype(int)


def near(color, other, tolerance=40):
    return np.abs(np.subtract(color, other)).max() <= tolerance


def closest(color, names):
    """Whose colour it resembles most."""
    return min(names, key=lambda name: np.abs(color - np.array(names[name])).sum())


def test_the_result_shows_the_wall_where_the_disc_was_erased():
    assert near(pixel(draw_view(result(), START), ERASED), WALL, 0)


def test_candidates_are_tinted_each_in_its_own_solid_hue():
    picture = draw_view(result(), START)
    first, second = pixel(picture, CANDIDATE), pixel(picture, OTHER)
    assert not near(first, second)
    for color, number in ((first, 2), (second, 3)):
        assert np.abs(color - hue(number)).sum() < np.abs(np.array(DISC) - hue(number)).sum()
    x, y, radius = CANDIDATE
    assert (picture[y - 5 : y + 5, x - 5 : x + 5] == picture[y, x]).all()
    assert near(picture[y, x + radius + 6], WALL, 0)


@pytest.mark.parametrize("number", range(8))
def test_neighbouring_numbers_have_hues_far_apart(number):
    assert not near(hue(number), hue(number + 1), 90)


def test_a_tint_stays_the_same_as_long_as_the_object_keeps_its_number():
    walked = (thing(2, "candidate", OTHER),)
    assert (pixel(draw_view(result(), START), CANDIDATE) == pixel(draw_view(result(walked), START), OTHER)).all()


def test_an_object_that_was_given_back_is_outlined_and_not_tinted():
    picture = draw_view(result((thing(1, "kept", CANDIDATE),)), START)
    x, y, radius = CANDIDATE
    assert near(pixel(picture, CANDIDATE), DISC, 0)
    assert not near(picture[y, x + radius], DISC)


def test_erased_and_lost_objects_are_neither_tinted_nor_outlined():
    shown = result((thing(1, "erased", ERASED), thing(2, "lost", OTHER)))
    assert (draw_view(shown, START) == shown.image).all()


def test_drawing_leaves_the_result_alone():
    shown = result()
    image = shown.image.copy()
    for view in View:
        draw_view(shown, replace(START, view=view))
    assert (shown.image == image).all()


def test_the_original_is_the_frame():
    shown = result()
    assert (draw_view(shown, replace(START, original=True, view=View.MASK)) == shown.frame.image).all()


def test_before_lies_left_of_the_divider_and_after_right_of_it():
    shown = result()
    picture = draw_view(shown, replace(START, view=View.BEFORE_AFTER, divider=60.0))
    assert (picture[:, :60] == shown.frame.image[:, :60]).all()
    assert (picture[:, 60:] == shown.image[:, 60:]).all()


@pytest.mark.parametrize("divider", [0.0, float(WIDTH)])
def test_a_divider_at_the_edge_shows_one_side_alone(divider):
    shown = result()
    picture = draw_view(shown, replace(START, view=View.BEFORE_AFTER, divider=divider))
    assert (picture == (shown.frame.image if divider else shown.image)).all()


def test_the_mask_is_white_where_pixels_were_replaced():
    shown = result()
    picture = draw_view(shown, replace(START, view=View.MASK))
    assert (picture == shown.hole[..., None]).all()


def test_trust_is_green_where_seen_amber_where_guessed_red_where_an_object_shows_and_grey_elsewhere():
    picture = draw_view(result(), replace(START, view=View.TRUST))
    x, y, _ = ERASED
    names = {"seen": SEEN_COLOR, "guessed": GUESSED_COLOR, "visible": VISIBLE_COLOR}
    assert closest(pixel(picture, (x, y - 10)), names) == "seen"
    assert closest(pixel(picture, (x, y + 10)), names) == "guessed"
    assert closest(pixel(picture, CANDIDATE), names) == "visible"
    assert len(set(picture[5, 5])) == 1


def test_an_object_that_the_hole_still_covers_is_not_tinted():
    covered = result((thing(1, "candidate", ERASED),))
    assert (draw_view(covered, START) == covered.image).all()


def test_trust_shows_no_red_where_the_hole_covers_the_object():
    covered = (thing(1, "kept", ERASED),)
    assert (
        draw_view(result(covered), replace(START, view=View.TRUST))
        == draw_view(result(()), replace(START, view=View.TRUST))
    ).all()


def test_an_object_that_is_carried_shows_where_it_would_be_put():
    x, y, _ = CANDIDATE
    carried = replace(START, drag=Carry(2, (x, y), (x, y - 60.0)))
    picture = draw_view(result(), carried)
    assert not near(picture[y - 60, x], WALL)
    assert near(picture[y - 60, x], DISC, 60)


def test_a_moved_object_is_carried_on_from_where_it_shows():
    moved = (thing(1, "erased", ERASED, (100.0, 0.0)),)
    x, y, _ = CANDIDATE
    picture = draw_view(result(moved), replace(START, drag=Carry(1, (x, y), (x, y - 60.0))))
    assert near(picture[y - 60, x], DISC, 60)


@pytest.mark.parametrize("target", [(-500.0, 90.0), (160.0, 1000.0), (2.0, 2.0), (WIDTH - 1.0, HEIGHT - 1.0)])
def test_an_object_may_be_carried_over_the_edge(target):
    x, y, _ = CANDIDATE
    picture = draw_view(result(), replace(START, drag=Carry(2, (x, y), target)))
    assert picture.shape == (HEIGHT, WIDTH, 3)
