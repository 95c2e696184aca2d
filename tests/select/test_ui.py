"""What mouse and keys mean in the window that selects."""

from __future__ import annotations

import pytest

from realtime.edits import Add, Erase, EraseBox, Move, Paint, People, Restore, Subtract, TimedEdit
from realtime.live.ui import Action, Key, Modifier, Mouse, UiState
from realtime.select.ui import Ask, Scrub, begun, react
from realtime.selection import Box
from tests.window.shown import CANDIDATE, ERASED, HEIGHT, WIDTH, thing

TIMES = [index / 10 for index in range(50)]
CUTS = [0, 20, 35]
CHOSEN = thing(1, "erased", ERASED)


def start(*edits, index=None):
    state = begun(UiState.start(WIDTH, HEIGHT), TIMES, CUTS, edits)
    return state if index is None else press(state, Scrub(index / 49))


def press(state, *events, things=()):
    for event in events:
        state, _ = react(state, Key(event) if isinstance(event, str) else event, things)
    return state


def click(state, x, y, modifiers=Modifier.NONE, things=()):
    events = [Mouse(action, x, y, modifiers) for action in (Action.LEFT_DOWN, Action.LEFT_UP)]
    return press(state, *events, things=things)


def right_click(state, x, y, things=()):
    return press(state, Mouse(Action.RIGHT_DOWN, x, y), things=things)


def edits(state):
    return [timed.edit for timed in state.log]


@pytest.mark.parametrize(
    ("keys", "index"),
    [
        (".", 11),
        (",", 9),
        (["right"], 20),
        (["left"], 0),
        (["left", "left"], 0),
        (["end"], 49),
        (["end", "."], 49),
        (["home", ","], 0),
        (["down"], 20),
        (["down", "down"], 35),
        (["down", "down", "down"], 49),
        (["up"], 0),
        (["down", ".", "up"], 20),
    ],
)
def test_keys_go_by_frames_seconds_and_shots(keys, index):
    assert press(start(index=10), *keys).index == index


@pytest.mark.parametrize(("share", "index"), [(0, 0), (1, 49), (0.5, 24), (-3, 0), (7, 49)])
def test_the_trackbar_goes_anywhere(share, index):
    assert press(start(), Scrub(share)).index == index


def test_n_goes_round_the_frames_with_edits():
    state = start(TimedEdit(1.0, Erase(5, 5)), TimedEdit(3.0, Erase(9, 9)))
    assert state.index == 10
    assert [(state := press(state, "n")).index for _ in range(3)] == [30, 10, 30]


def test_every_click_chooses_another_object_at_its_time():
    state = click(start(index=10), 50, 60)
    state = click(press(state, "right"), 90, 20)
    assert state.log == (TimedEdit(1.0, Erase(50, 60, 1)), TimedEdit(2.0, Erase(90, 20, 2)))
    assert state.current == 2


def test_a_click_on_what_is_erased_makes_it_the_one_that_is_refined():
    state = click(click(start(index=10), *ERASED[:2]), *CANDIDATE[:2])
    state = click(state, *ERASED[:2], things=[CHOSEN])
    assert state.current == 1
    state = click(press(state, ","), 3, 4, Modifier.SHIFT)
    state = click(state, 5, 6, Modifier.CTRL)
    assert state.log[2:] == (TimedEdit(0.9, Add(3, 4, 1)), TimedEdit(0.9, Subtract(5, 6, 1)))


def test_a_box_chooses_what_fills_it():
    down, move, up = (Mouse(action, *at) for action, at in zip(
        (Action.LEFT_DOWN, Action.MOVE, Action.LEFT_UP), ((10, 10), (30, 40), (60, 50)), strict=True
    ))  # fmt: skip
    assert edits(press(start(), down, move, up)) == [EraseBox(Box(10, 10, 51, 41), 1)]


def test_a_right_click_gives_an_object_back_with_all_that_was_said_of_it():
    state = click(click(start(), *ERASED[:2]), 3, 4, Modifier.SHIFT)
    state = click(state, *CANDIDATE[:2])
    state = right_click(press(state, "right"), *ERASED[:2], things=[CHOSEN])
    assert edits(state) == [Erase(*CANDIDATE[:2], 2)]
    assert len(edits(press(state, "u"))) == 3


def test_a_right_click_keeps_one_of_all_people_and_means_nothing_without_them():
    assert edits(right_click(start(), 5, 5)) == []
    state = right_click(press(start(index=10), "p"), 5, 5)
    assert state.log == (TimedEdit(0.0, People(True)), TimedEdit(1.0, Restore(5, 5)))
    assert not press(state, "p").people


def test_a_brush_paints_and_a_right_click_on_the_stroke_takes_it_away():
    state = press(start(index=10), "e", Mouse(Action.LEFT_DOWN, 50, 50), Mouse(Action.LEFT_UP, 60, 50))
    assert isinstance(state.log[0].edit, Paint)
    assert edits(right_click(state, 100, 100)) == edits(state)
    assert edits(right_click(press(state, "."), 55, 50)) == edits(state)
    assert edits(right_click(state, 55, 50)) == []


def test_a_brush_corrects_the_object_that_is_refined():
    state = press(click(start(index=10), 150, 30), "right", "e")
    state = press(state, Mouse(Action.LEFT_DOWN, 50, 50), Mouse(Action.LEFT_UP, 60, 50))
    assert [edit.number for edit in edits(state)] == [1, 1]
    free = press(state, "escape", Mouse(Action.LEFT_DOWN, 50, 70), Mouse(Action.LEFT_UP, 60, 70))
    assert [edit.number for edit in edits(free)] == [1, 1, None]
    assert edits(right_click(free, 55, 50)) == edits(free)


def test_moves_add_up_where_the_object_was_chosen():
    state = press(click(start(index=10), *ERASED[:2]), "right", "m")
    for _ in range(2):
        x, y = ERASED[:2]
        drag = Mouse(Action.LEFT_DOWN, x, y), Mouse(Action.MOVE, x + 30, y), Mouse(Action.LEFT_UP, x + 40, y - 20)
        state = press(state, *drag, things=[CHOSEN])
    assert state.log[1:] == (TimedEdit(1.0, Move(*ERASED[:2], 80, -40)),)


@pytest.mark.parametrize("held", [Modifier.ALT, "m"])
def test_what_is_moved_is_chosen_by_that_and_both_are_one_step_back(held):
    x, y = CANDIDATE[:2]
    state = start(index=10) if held is Modifier.ALT else press(start(index=10), "m")
    held = held if held is Modifier.ALT else Modifier.NONE
    way = ((Action.LEFT_DOWN, x), (Action.MOVE, x + 60), (Action.LEFT_UP, x + 60))
    moved = press(state, *(Mouse(each, to, y, held) for each, to in way), things=[thing(5, "candidate", CANDIDATE)])
    assert moved.log == (TimedEdit(1.0, Erase(x, y, 1)), TimedEdit(1.0, Move(x, y, 60, 0)))
    assert moved.current == 1
    assert press(moved, "u").log == ()


def test_p_turns_people_off_and_on_whoever_has_turned_them_on():
    state = start(TimedEdit(0.0, People(True)), index=10)
    assert edits(press(state, "p")) == []
    assert edits(press(state, "p", "p")) == [People(True)]
    assert edits(press(state, "p", "u", "p")) == []


def test_p_knows_of_people_after_what_changes_nothing_is_taken_back():
    state = press(start(TimedEdit(0.0, Erase(*ERASED[:2], 1)), index=10), "p")
    state = press(click(state, *ERASED[:2], things=[CHOSEN]), "u")
    assert not state.people
    assert press(state, "p").people


def test_undo_and_clear():
    state = click(click(start(), 5, 5), 50, 50)
    assert edits(press(state, "u")) == [Erase(5, 5, 1)]
    assert press(state, "c").log == ()
    assert press(state, "c", "u").log == state.log
    assert press(state, "u", "u", "u").log == ()


@pytest.mark.parametrize(("key", "ask"), [("enter", Ask.START), ("s", Ask.SAVE), ("q", Ask.QUIT), ("escape", Ask.QUIT)])
def test_what_the_session_is_asked_for(key, ask):
    assert react(start(), Key(key), ()) == (start(), ask)


def test_escape_lets_go_of_the_object_before_it_leaves():
    state = click(start(), 5, 5)
    state, ask = react(state, Key("escape"), ())
    assert (state.current, ask) == (None, None)
    assert react(state, Key("escape"), ())[1] is Ask.QUIT
