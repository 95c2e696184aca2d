"""What the mouse and the keys mean."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.edits import Add, Clear, Erase, EraseBox, Move, Paint, Restore, Subtract, Undo
from realtime.live.control import Control
from realtime.live.ui import Action, Carry, Key, Modifier, Mouse, Tool, UiState, View, react, thing_at
from realtime.selection import Box
from tests.window.shown import CANDIDATE, ERASED, HEIGHT, THINGS, WIDTH, thing

START = UiState.start(WIDTH, HEIGHT)


def play(events, state=START, things=THINGS):
    """The state after the events, and all that was wished for."""
    wishes = []
    for event in events:
        state, more = react(state, event, things)
        wishes += more
    return state, wishes


def drag(*points, modifiers=Modifier.NONE):
    """Press at the first point, pass through all, release at the last."""
    yield Mouse(Action.LEFT_DOWN, *points[0], modifiers)
    for point in points[1:]:
        yield Mouse(Action.MOVE, *point, modifiers)
    yield Mouse(Action.LEFT_UP, *points[-1], modifiers)


def keys(text):
    return [Key(name) for name in text.split()]


def test_a_left_click_erases_what_is_there():
    assert play(drag((160, 90)))[1] == [Erase(160, 90)]


def test_a_right_click_restores_what_is_there():
    assert play([Mouse(Action.RIGHT_DOWN, 60, 90)])[1] == [Restore(60, 90)]


@pytest.mark.parametrize(("modifier", "edit"), [(Modifier.SHIFT, Add(30, 40)), (Modifier.CTRL, Subtract(30, 40))])
def test_shift_adds_to_the_object_and_ctrl_subtracts_from_it(modifier, edit):
    assert play(drag((30, 40), modifiers=modifier))[1] == [edit]


def test_a_hand_that_trembles_still_clicks():
    assert play(drag((160, 90), (163, 92), (162, 90)))[1] == [Erase(160, 90)]


def test_in_a_large_picture_shown_small_a_click_may_wander_over_more_pixels():
    state = replace(START, pixel=3.0)
    assert play(drag((160, 90), (168, 94)), state)[1] == [Erase(160, 90)]


def test_a_drag_draws_a_box_of_the_pixels_between_its_corners_whichever_way():
    assert play(drag((200, 150), (90, 70), (100, 50)))[1] == [EraseBox(Box(100, 50, 101, 101))]


def test_a_box_ends_at_the_edge_of_the_picture():
    assert play(drag((300, 150), (400, 500)))[1] == [EraseBox(Box(300, 150, 20, 30))]


def test_a_drag_that_returns_to_its_start_is_no_edit():
    assert play(drag((100, 100), (150, 150), (101, 101)))[1] == []


def test_a_drag_with_shift_or_ctrl_is_no_box():
    assert play(drag((100, 100), (150, 150), modifiers=Modifier.SHIFT))[1] == []


def test_escape_gives_up_a_drag_and_only_then_quits():
    down, move = Mouse(Action.LEFT_DOWN, 100, 50), Mouse(Action.MOVE, 200, 150)
    state, wishes = play([down, move, Key("escape"), Mouse(Action.LEFT_UP, 200, 150)])
    assert wishes == []
    assert play([Key("escape")], state)[1] == [Control.QUIT]


def test_clicks_beside_the_picture_mean_nothing():
    assert play([*drag((-3, 20)), *drag((WIDTH, 20)), Mouse(Action.RIGHT_DOWN, 20, HEIGHT + 4)])[1] == []


def test_a_double_click_that_also_arrives_as_a_press_is_one_click_each():
    press = Mouse(Action.LEFT_DOWN, 160, 90)
    assert play([press, press, Mouse(Action.LEFT_UP, 160, 90)])[1] == [Erase(160, 90)]


class TestBrush:
    def test_a_drag_paints_its_way(self):
        points = ((10.0, 20.0), (30.0, 25.0), (60.0, 40.0))
        state, wishes = play([Key("e"), *drag(*points)])
        assert wishes == [Paint(points, state.radius, erase=True)]

    def test_a_click_paints_a_dot(self):
        state, wishes = play([Key("e"), *drag((10.0, 20.0))])
        assert wishes == [Paint(((10.0, 20.0),), state.radius, erase=True)]

    def test_shift_rubs_out(self):
        (stroke,) = play([Key("e"), *drag((10, 20), (30, 25), modifiers=Modifier.SHIFT)])[1]
        assert not stroke.erase

    def test_brackets_change_its_size_within_bounds(self):
        larger, smaller = play(keys("]"))[0].radius, play(keys("["))[0].radius
        assert smaller < START.radius < larger
        assert play(keys("[ " * 50))[0].radius == 1
        assert play(keys("] " * 50))[0].radius == HEIGHT / 4

    def test_a_second_e_turns_it_off(self):
        assert play([*keys("e e"), *drag((160, 90))])[1] == [Erase(160, 90)]


class TestMove:
    def test_alt_and_drag_moves_the_object_named_by_a_pixel_deep_inside_it(self):
        assert play(drag((150, 100), (180, 60), modifiers=Modifier.ALT))[1] == [Move(*CANDIDATE[:2], 30, -40)]

    def test_m_lets_a_plain_drag_move_where_the_desktop_takes_alt(self):
        assert play([Key("m"), *drag((150, 100), (180, 60))])[1] == [Move(*CANDIDATE[:2], 30, -40)]

    def test_an_object_that_walks_on_while_it_is_carried_is_named_where_it_is_now(self):
        state, _ = play(
            [Mouse(Action.LEFT_DOWN, 160, 90, Modifier.ALT), Mouse(Action.MOVE, 220, 90)],
        )
        walked = (thing(2, "candidate", (190, 90, 30)),)
        assert play([Mouse(Action.LEFT_UP, 220, 90)], state, walked)[1] == [Move(190, 90, 60, 0)]

    def test_a_moved_object_is_taken_where_it_is_shown_and_moves_on_from_there(self):
        moved = (thing(1, "erased", ERASED, (100.0, 20.0)),)
        assert play(drag((160, 110), (170, 110), modifiers=Modifier.ALT), things=moved)[1] == [
            Move(ERASED[0] + 100, ERASED[1] + 20, 10, 0)
        ]

    def test_what_no_thing_names_is_moved_by_the_pixel_that_was_pressed(self):
        assert play(drag((20, 20), (40, 40), modifiers=Modifier.ALT))[1] == [Move(20, 20, 20, 20)]

    def test_alt_and_click_moves_nothing(self):
        assert play(drag((160, 90), (161, 90), modifiers=Modifier.ALT))[1] == []

    def test_it_is_known_while_it_is_carried(self):
        state, _ = play([Mouse(Action.LEFT_DOWN, 160, 90, Modifier.ALT), Mouse(Action.MOVE, 170, 95)])
        assert isinstance(state.drag, Carry)
        assert (state.drag.number, state.drag.by) == (2, (10, 5))


def test_a_moved_object_lies_above_the_others():
    things = (thing(2, "candidate", CANDIDATE), thing(1, "erased", ERASED, (100.0, 0.0)))
    assert thing_at(things, (160, 90)).number == 1


def test_beside_an_objects_mask_its_rectangle_is_not_hit():
    x, y, radius = CANDIDATE
    assert thing_at(THINGS, (x - radius + 1, y - radius + 1)) is None


class TestDivider:
    seen = replace(START, view=View.BEFORE_AFTER)

    def test_it_follows_the_mouse_from_ten_pixels_beside_it_and_erases_nothing(self):
        state, wishes = play(drag((WIDTH / 2 + 9, 20), (230, 80)), self.seen)
        assert state.divider == pytest.approx(230.5)
        assert wishes == []

    def test_farther_off_a_click_is_a_click(self):
        assert play(drag((WIDTH / 2 + 12, 20)), self.seen)[1] == [Erase(WIDTH / 2 + 12, 20)]

    def test_it_stays_in_the_picture(self):
        assert play(drag((WIDTH / 2, 20), (-50, 20)), self.seen)[0].divider == 0

    def test_it_can_be_taken_back_from_the_edge(self):
        at_edge = replace(self.seen, divider=float(WIDTH))
        assert play(drag((WIDTH + 4, 20), (100, 20)), at_edge)[0].divider == pytest.approx(100.5)

    def test_ten_pixels_are_those_of_the_screen(self):
        shown_small = replace(self.seen, pixel=3.0)
        assert play(drag((WIDTH / 2 + 25, 20), (250, 20)), shown_small)[0].divider == pytest.approx(250.5)

    def test_other_views_have_none(self):
        assert play(drag((WIDTH / 2, 20)))[1] == [Erase(WIDTH / 2, 20)]


def test_v_goes_through_all_views_and_returns():
    state, views = START, []
    for _ in range(4):
        state, _ = react(state, Key("v"), ())
        views.append(state.view)
    assert views == [View.BEFORE_AFTER, View.MASK, View.TRUST, View.RESULT]


def test_space_shows_the_original_and_v_leaves_it():
    state, _ = play(keys("space"))
    assert state.original
    assert not play(keys("space"), state)[0].original
    assert not play(keys("v"), state)[0].original


def test_u_takes_back_the_latest_edit_and_c_all():
    assert play(keys("u c"))[1] == [Undo(), Clear()]


@pytest.mark.parametrize(
    ("key", "control"),
    [
        ("b", Control.CLEAN_PLATE),
        ("k", Control.SAVE_PLATE),
        ("l", Control.LOAD_PLATE),
        ("p", Control.PEOPLE),
        ("s", Control.SNAPSHOT),
        ("r", Control.RECORD),
        ("w", Control.WRITE_SELECTION),
        ("q", Control.QUIT),
    ],
)
def test_keys_ask_the_loop(key, control):
    assert play(keys(key))[1] == [control]


def test_h_shows_the_help_and_hides_it():
    state, _ = play(keys("h"))
    assert state.help
    assert not play(keys("h"), state)[0].help


def test_other_keys_mean_nothing():
    assert play(keys("z 7 enter")) == (START, [])


def test_a_picture_of_another_size_drops_the_drag_and_scales_the_rest():
    state, _ = play([Key("v"), Key("e"), Mouse(Action.LEFT_DOWN, 20, 20)])
    state = state.resized(2 * WIDTH, 2 * HEIGHT)
    assert state.drag is None
    assert (state.divider, state.radius) == (WIDTH, 2 * START.radius)
    assert (state.view, state.tool) == (View.BEFORE_AFTER, Tool.BRUSH)


events = st.one_of(
    st.builds(
        Mouse,
        st.sampled_from(Action),
        st.floats(-60, WIDTH + 60),
        st.floats(-60, HEIGHT + 60),
        st.sampled_from([Modifier.NONE, Modifier.SHIFT, Modifier.CTRL, Modifier.ALT]),
    ),
    st.builds(Key, st.sampled_from([*"embklsrwhvpuc[]", "space", "escape"])),
)


@given(st.lists(events, max_size=40))
def test_whatever_the_user_does_clicks_and_boxes_lie_in_the_picture(steps):
    state, wishes = play(steps)
    assert 0 <= state.divider <= WIDTH
    for wish in wishes:
        if isinstance(wish, Erase | Restore | Add | Subtract | Move):
            assert 0 <= wish.x <= WIDTH - 1
            assert 0 <= wish.y <= HEIGHT - 1
        if isinstance(wish, EraseBox):
            box = wish.box
            assert min(box.x, box.y) >= 0
            assert min(box.w, box.h) >= 1
            assert box.x + box.w <= WIDTH
            assert box.y + box.h <= HEIGHT
