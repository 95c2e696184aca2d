"""The edit log: its file, and what the command line gives for it."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.edits import (
    Add,
    Clear,
    Erase,
    EraseBox,
    Move,
    Paint,
    People,
    Restore,
    Stencil,
    Subtract,
    TimedEdit,
    Undo,
    check_edits,
    in_force,
    parse_box,
    parse_click,
    parse_time,
)
from realtime.errors import EraserError, UsageError
from realtime.observer import ROUNDING_S
from realtime.selection import Box
from realtime.tracking.selectionfile import read_selection, write_selection

PNG = cv2.imencode(".png", np.full((4, 6), 255, np.uint8))[1].tobytes()  # what follows its end is ignored
NUMBERS = st.integers(-2_000_000, 2_000_000).map(lambda value: value / 1000)
POINTS = st.tuples(NUMBERS, NUMBERS)
EDITS = st.one_of(
    *(st.builds(kind, NUMBERS, NUMBERS) for kind in (Erase, Restore, Add, Subtract)),
    st.builds(EraseBox, st.builds(Box, *(st.integers(-50, 150),) * 2, *(st.integers(1, 100),) * 2)),
    st.builds(
        Paint, st.lists(POINTS, min_size=1).map(tuple), st.integers(1, 99_000).map(lambda r: r / 1000), st.booleans()
    ),
    st.builds(Stencil, st.sampled_from([b"1", b"2"]).map(lambda text: PNG + text), st.booleans()),
    st.builds(Erase, NUMBERS, NUMBERS, st.integers(1, 99)),
    st.builds(Paint, st.just(((1.0, 2.0),)), st.just(3.0), st.booleans(), st.integers(1, 99)),
    st.builds(Stencil, st.just(PNG), st.booleans(), st.integers(1, 99)),
    st.builds(Move, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    st.builds(People, st.booleans()),
    st.builds(Undo),
    st.builds(Clear),
)
LOGS = st.lists(st.builds(TimedEdit, st.integers(0, 10_000).map(lambda t: t / 1000), EDITS)).map(
    lambda edits: sorted(edits, key=lambda timed: timed.time)
)


@given(LOGS)
def test_a_selection_file_reads_back_what_was_written(tmp_path_factory, edits):
    path = tmp_path_factory.getbasetemp() / "selection.json"
    write_selection(path, 640, 360, edits)
    assert read_selection(path, 640, 360) == edits


@pytest.mark.parametrize("rate", [30, 30000 / 1001, 60])
def test_a_time_in_a_selection_file_is_never_that_of_the_next_frame(tmp_path, rate):
    path, times = tmp_path / "selection.json", [index / rate for index in range(90)]
    write_selection(path, 8, 8, [TimedEdit(time, Erase(1, 1)) for time in times])
    assert [timed.time for timed in read_selection(path, 8, 8)] == pytest.approx(times, abs=ROUNDING_S)


def test_a_selection_file_is_readable_with_a_line_for_each_edit(tmp_path):
    path = tmp_path / "selection.json"
    write_selection(path, 1280, 720, [TimedEdit(1.5, Erase(640.0, 300.25)), TimedEdit(2, Undo())])
    assert path.read_text().splitlines() == [
        "{",
        '  "selection": 1,',
        '  "width": 1280,',
        '  "height": 720,',
        '  "edits": [',
        '    {"time": 1.5, "do": "erase", "x": 640, "y": 300.25},',
        '    {"time": 2, "do": "undo"}',
        "  ]",
        "}",
    ]


def test_edits_scale_with_the_picture_edges_aligned(tmp_path):
    path = tmp_path / "selection.json"
    edits = [
        Erase(0, 0),
        EraseBox(Box(10, 20, 30, 40)),
        Move(99.5, 99.5, 10, -20),
        Paint(((1.5, 1.5), (3.5, 5.5)), 4, True),
    ]
    write_selection(path, 100, 100, [TimedEdit(1, edit) for edit in edits])
    scaled = [timed.edit for timed in read_selection(path, 200, 200)]
    assert scaled == [
        Erase(0.5, 0.5),
        EraseBox(Box(20, 40, 60, 80)),
        Move(199.5, 199.5, 20, -40),
        Paint(((3.5, 3.5), (7.5, 11.5)), 8, True),
    ]


def test_clicks_at_the_edge_of_a_picture_lie_in_a_smaller_one_too(tmp_path):
    path = tmp_path / "selection.json"
    corners = [Erase(x, y) for x in (0, 1279) for y in (0, 719)]
    write_selection(path, 1280, 720, [TimedEdit(0, edit) for edit in corners])
    check_edits(read_selection(path, 640, 360), 360, 640)


@pytest.mark.parametrize("side", [3, 35, 64, 128])
def test_boxes_of_a_pixel_at_the_edge_of_a_picture_lie_in_a_smaller_one_too(tmp_path, side):
    path = tmp_path / "selection.json"
    corners = [EraseBox(Box(x, y, 1, 1)) for x in (0, 127) for y in (0, 127)]
    write_selection(path, 128, 128, [TimedEdit(0, edit) for edit in corners])
    edits = read_selection(path, side, side)
    check_edits(edits, side, side)
    assert all(timed.edit.box.x >= 0 and timed.edit.box.y >= 0 for timed in edits)


def test_what_was_taken_back_is_not_in_force():
    first, second, third = (TimedEdit(time, Erase(time, time)) for time in (1, 2, 3))
    undo, clear = TimedEdit(4, Undo()), TimedEdit(4, Clear())
    assert in_force([first, second, undo, third]) == [first, third]
    assert in_force([first, clear, third]) == [third]
    assert in_force([first, clear, undo, third]) == [first, third]
    assert in_force([undo, first]) == [first]


def test_edits_are_sorted_by_time_and_keep_their_order_within_a_moment(tmp_path):
    path = tmp_path / "selection.json"
    write_selection(path, 8, 8, [TimedEdit(2, Erase(1, 1)), TimedEdit(1, Erase(2, 2)), TimedEdit(1, Undo())])
    assert [timed.edit for timed in read_selection(path, 8, 8)] == [Erase(2, 2), Undo(), Erase(1, 1)]


def broken(**changes):
    content = {"selection": 1, "width": 8, "height": 8, "edits": [{"time": 0, "do": "erase", "x": 1, "y": 1}]}
    return json.dumps(content | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no selection file"),
        ("{}", "no selection file"),
        (broken(selection=3), "version 3"),
        (broken(width=0), "'width' is 0"),
        (broken(height="8"), "'height' is '8'"),
        (broken(edits={}), "'edits' is not a list"),
        (broken(edits=[3]), "edit 1: it is not an object"),
        (broken(edits=[{"time": 0, "do": "explode"}]), "edit 1: 'do' is 'explode'"),
        (broken(edits=[{"time": 0, "do": "erase", "x": 1}]), "edit 1: 'y' is missing"),
        (broken(edits=[{"time": 0, "do": "undo"}, {"time": -1, "do": "undo"}]), "edit 2: 'time' is -1"),
        (broken(edits=[{"time": 0, "do": "erase", "x": math.nan, "y": 1}]), "NaN is not a number"),
        (broken(edits=[{"time": 0, "do": "erase", "x": True, "y": 1}]), "'x' is True"),
        (broken(edits=[{"time": 0, "do": "people", "erase": 1}]), "neither true nor false"),
        (broken(edits=[{"time": 0, "do": "paint", "points": [[1]], "radius": 1, "erase": True}]), "pairs"),
        (broken(edits=[{"time": 0, "do": "erase", "x": 1, "y": 1, "object": 0}]), "'object' is 0"),
        (broken(edits=[{"time": 0, "do": "stencil", "erase": True}]), "'mask' is None"),
        (
            broken(edits=[{"time": 0, "do": "stencil", "mask": "../a.png", "erase": True}]),
            "the name of a file beside it",
        ),
        (broken(edits=[{"time": 0, "do": "stencil", "mask": "none.png", "erase": True}]), "none.png cannot be read"),
        (broken(edits=[{"time": 0, "do": "stencil", "mask": "selection.json", "erase": True}]), "is no PNG picture"),
        (broken(edits=[{"time": 0, "do": "erase-box", "x": 0, "y": 0, "width": 0, "height": 3}]), "empty"),
    ],
)
def test_a_damaged_selection_file_is_refused_with_the_place(tmp_path, text, message):
    path = tmp_path / "selection.json"
    path.write_text(text)
    with pytest.raises(EraserError, match=message) as error:
        read_selection(path, 8, 8)
    assert str(path) in str(error.value)


def test_a_missing_selection_file_is_named(tmp_path):
    with pytest.raises(EraserError, match=r"nowhere\.json cannot be read"):
        read_selection(tmp_path / "nowhere.json", 8, 8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("640,300", TimedEdit(0, Erase(640, 300))),
        (" 640 , 300.5 @1:02.5", TimedEdit(62.5, Erase(640, 300.5))),
        ("0,0@0", TimedEdit(0, Erase(0, 0))),
    ],
)
def test_a_click_is_a_point_and_perhaps_a_time(text, expected):
    assert parse_click(text) == expected


def test_clicks_of_other_kinds_and_boxes_are_written_alike():
    assert parse_click("3,4@2", Subtract) == TimedEdit(2, Subtract(3, 4))
    assert parse_box("1,2,3,4@5") == TimedEdit(5, EraseBox(Box(1, 2, 3, 4)))
    assert parse_box("-1,2,3,4") == TimedEdit(0, EraseBox(Box(-1, 2, 3, 4)))


@pytest.mark.parametrize("text", ["", "640", "640;300", "-1,5", "1,2,3", "1e3,4", "nan,4", "1,2@", "1,2@-3", "1,2@now"])
def test_what_is_no_click_is_refused(text):
    with pytest.raises(UsageError, match=r"is not a (click|time)"):
        parse_click(text)


@pytest.mark.parametrize("text", ["1,2,3", "1,2,0,4", "1,2,3,4@x"])
def test_what_is_no_timed_box_is_refused(text):
    with pytest.raises(UsageError):
        parse_box(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("12.5", 12.5), (".3", 0.3), ("1:02:03.5", 3723.5), ("2:05", 125), ("0", 0)]
)
def test_times_are_seconds_or_clock_like(text, seconds):
    assert parse_time(text) == seconds


def test_edits_outside_the_picture_are_refused_with_its_size():
    inside = [Erase(0, 0), Erase(159, 89), EraseBox(Box(-5, -5, 10, 10)), Undo(), Paint(((999, 999),), 3, True)]
    check_edits([TimedEdit(0, edit) for edit in inside], 90, 160)
    for edit in (Erase(160, 5), Restore(5, 90), Move(-1, 5, 3, 3), EraseBox(Box(160, 0, 5, 5))):
        with pytest.raises(EraserError, match="160x90"):
            check_edits([TimedEdit(0, edit)], 90, 160)
