"""Where the picture lies in the window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.live.placement import Placement

sides = st.integers(1, 3000)
sizes = st.tuples(sides, sides)


def test_a_window_of_the_pictures_size_shows_it_as_it_is():
    picture = np.random.default_rng(1).integers(0, 256, (90, 160, 3), np.uint8)
    drawn = Placement.fit((90, 160), (90, 160)).draw(picture, (90, 160))
    assert (drawn == picture).all()
    assert drawn is not picture


def test_a_wide_window_leaves_black_beside_the_picture():
    drawn = Placement.fit((90, 160), (90, 200)).draw(np.full((90, 160, 3), 255, np.uint8), (90, 200))
    assert (drawn[:, 20:180] == 255).all()
    assert not drawn[:, :20].any()
    assert not drawn[:, 180:].any()


@pytest.mark.parametrize("window", [(45, 80), (360, 640), (500, 640), (360, 900)])
def test_the_middle_of_the_window_is_the_middle_of_the_picture(window):
    place = Placement.fit((90, 160), window)
    assert place.to_picture((window[1] - 1) / 2, (window[0] - 1) / 2) == pytest.approx((79.5, 44.5))


@given(sizes, sizes, st.floats(-100, 3000), st.floats(-100, 3000))
def test_there_and_back_is_the_same_place(picture, window, x, y):
    place = Placement.fit(picture, window)
    assert place.to_picture(*place.to_window(x, y)) == pytest.approx((x, y), abs=1e-6)


@given(sizes, sizes)
def test_the_picture_fits_into_the_window_and_fills_it_one_way(picture, window):
    place = Placement.fit(picture, window)
    height, width = place.size
    assert height <= window[0]
    assert width <= window[1]
    assert height == window[0] or width == window[1]
    assert place.top >= 0
    assert place.left >= 0
