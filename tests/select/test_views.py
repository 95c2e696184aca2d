"""What the window that selects draws."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.edits import Erase, People, TimedEdit
from realtime.live.ui import Key, UiState
from realtime.live.views import VISIBLE_COLOR, hue
from realtime.select.ui import begun, react
from realtime.select.views import Sight, bar_height, draw_bar, draw_frame, draw_words
from tests.window.shown import CANDIDATE, ERASED, HEIGHT, WALL, WIDTH, thing

IMAGE = np.full((HEIGHT, WIDTH, 3), WALL, np.uint8)
TIMES = [index / 10 for index in range(50)]


def state(*edits):
    return begun(UiState.start(WIDTH, HEIGHT), TIMES, (0, 25), edits)


def at(picture, place):
    return picture[place[1], place[0]].astype(int)


def near(pixel, color):
    return np.abs(pixel - np.array(color)).max() <= 4


def test_what_is_erased_has_its_hue_and_who_could_be_chosen_only_a_rim():
    things = (thing(1, "erased", ERASED), thing(2, "candidate", CANDIDATE))
    picture = draw_frame(Sight(IMAGE, things), state())
    assert near(at(picture, ERASED), (np.array(hue(1)) + WALL) / 2)
    assert near(at(picture, CANDIDATE), WALL)
    everybody = draw_frame(Sight(IMAGE, things), state(TimedEdit(0, People(True))))
    assert near(at(everybody, CANDIDATE), (np.array(hue(2)) + WALL) / 2)


def test_a_moved_object_is_shown_where_it_goes_too():
    image = IMAGE.copy()
    x, y, radius = ERASED
    image[y - radius : y + radius, x - radius : x + radius] = (0, 0, 250)
    picture = draw_frame(Sight(image, (thing(1, "erased", ERASED, (100.0, 0.0)),)), state())
    assert at(picture, (x + 100, y))[2] > 180


def test_strokes_are_red_and_space_shows_the_bare_frame():
    painted = np.zeros((HEIGHT, WIDTH), np.uint8)
    painted[:20] = 255
    sight = Sight(IMAGE, (), painted)
    assert near(at(draw_frame(sight, state()), (5, 5)), (np.array(VISIBLE_COLOR) + WALL) / 2)
    bare, _ = react(state(), Key("space"), ())
    assert draw_frame(sight, bare) is IMAGE


@pytest.mark.parametrize("size", [(360, 640), (720, 1280), (300, 900)])
def test_words_and_trackbar_fit_any_window(size):
    height = bar_height(size)
    content, bar = np.full((size[0] - height, size[1], 3), 128, np.uint8), np.zeros((height, size[1], 3), np.uint8)
    shown = state(TimedEdit(3.0, Erase(5, 5, 1)))
    sight = Sight(IMAGE, (thing(1, "lost", ERASED),), None, range(20, 40), True, "saved", "the network failed")
    draw_words(content, sight, shown)
    draw_bar(bar, sight, shown)
    assert (content[: size[0] // 10] != 128).any()
    column = round(30 / 49 * (size[1] - 1))
    assert bar[:, column].max() == 255
    middle = bar[height // 2]
    assert np.abs(middle[column + 12].astype(int) - (150, 175, 110)).max() < 5
    assert middle[10].max() < 120
