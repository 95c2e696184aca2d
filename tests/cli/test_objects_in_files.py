"""Objects chosen on the command line of `erase-video`: clicks, followed boxes, selection files, moves."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from realtime.edits import Erase, EraseBox, Move, Paint, Stencil, TimedEdit
from realtime.selection import Box
from realtime.tracking.selectionfile import write_selection
from tests.cli import media
from tests.cli.command import fail, succeed
from tests.realtime.pictures import disc, put, texture

FRAMES = 30
HEIGHT, WIDTH = 144, 256
ROOM = (texture(HEIGHT, WIDTH) * 0.25 + 90).astype(np.uint8)
YELLOW = (30, 220, 240)
RADIUS = 18


def middle(index):
    """Of the ball in a frame, (x, y)."""
    return 50 + 3 * index, 70


def ball(index, radius=RADIUS):
    return disc(HEIGHT, WIDTH, *middle(index), radius)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    pictures = [put(ROOM, ball(index), YELLOW) for index in range(FRAMES)]
    return media.write_video(tmp_path_factory.mktemp("clip") / "in.mp4", pictures)


def shown(picture, index, dx=0, dy=0):
    """Share of the ball that a picture shows, or shows displaced."""
    inner = np.roll(ball(index, RADIUS - 6), (dy, dx), (0, 1)) > 0
    return float((np.abs(picture[inner].astype(int) - YELLOW).max(1) < 60).mean())


@pytest.mark.parametrize(("way", "lookahead"), [("click", "0"), ("box", "1"), ("click", "all")])
def test_a_chosen_object_is_erased_before_and_after_its_time(tmp_path, clip, way, lookahead):
    x, y = middle(10)
    options = ("--click", f"{x},{y}@1") if way == "click" else ("--box", f"{x - 20},{y - 20},41,41@0:01", "--follow")
    succeed(clip, tmp_path / "out.mp4", *options, "--fill", "telea", "--lookahead", lookahead)
    pictures = media.read_video(tmp_path / "out.mp4")
    assert len(pictures) == FRAMES
    assert max(shown(picture, index) for index, picture in enumerate(pictures)) < 0.1
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_times_count_from_the_inputs_beginning_wherever_the_job_starts(tmp_path, clip):
    x, y = middle(25)
    succeed(clip, tmp_path / "out.mp4", "--click", f"{x},{y}@2.5", "--start", "1", "--fill", "telea")
    shares = [shown(picture, index + 10) for index, picture in enumerate(media.read_video(tmp_path / "out.mp4"))]
    assert len(shares) == FRAMES - 10
    assert max(shares) < 0.1


def test_an_object_is_followed_through_its_shot_and_no_further(tmp_path):
    first, second, third = ((texture(HEIGHT, WIDTH, seed) * 0.5 + 40).astype(np.uint8) for seed in (5, 6, 7))
    rooms = [first] * 10 + [second] * 10 + [third] * 10
    media.write_video(tmp_path / "in.mp4", [put(room, ball(i), YELLOW) for i, room in enumerate(rooms)])
    x, y = middle(15)
    succeed(tmp_path / "in.mp4", tmp_path / "out.mp4", "--click", f"{x},{y}@1.5", "--fill", "telea")
    shares = [shown(picture, index) for index, picture in enumerate(media.read_video(tmp_path / "out.mp4"))]
    assert min(shares[:10] + shares[20:]) > 0.9
    assert max(shares[10:20]) < 0.1


def test_a_moved_object_is_shown_elsewhere_before_and_after_its_time(tmp_path, clip):
    x, y = middle(8)
    succeed(clip, tmp_path / "out.mp4", "--click", f"{x},{y}@0.8", "--move", "60,45", "--fill", "telea")
    for index, picture in enumerate(media.read_video(tmp_path / "out.mp4")):
        assert shown(picture, index) < 0.1
        assert shown(picture, index, 60, 45) > 0.9


def test_a_selection_file_is_replayed_at_any_size(tmp_path, clip):
    x, y = middle(5)
    box = EraseBox(Box(2 * x - 40, 2 * y - 40, 81, 81))
    edits = [TimedEdit(0.5, box), TimedEdit(0.5, Move(2.0 * x, 2.0 * y, 120, 90))]
    write_selection(tmp_path / "chosen.json", 2 * WIDTH, 2 * HEIGHT, edits)
    succeed(clip, tmp_path / "out.mp4", "--selection", tmp_path / "chosen.json", "--fill", "telea")
    pictures = media.read_video(tmp_path / "out.mp4")
    for index in (0, 4, 12, 29):
        assert shown(pictures[index], index) < 0.1
        assert shown(pictures[index], index, 60, 45) > 0.9


def test_what_the_brush_added_to_an_object_is_erased_with_it_in_another_file_too(tmp_path):
    tag = [disc(HEIGHT, WIDTH, 50 + 3 * index, 110, 10) for index in range(FRAMES)]
    pictures = [put(put(ROOM, ball(index), YELLOW), tag[index], (230, 40, 30)) for index in range(FRAMES)]
    media.write_video(tmp_path / "other.mp4", [cv2.resize(each, None, fx=2, fy=2) for each in pictures])
    _, png = cv2.imencode(".png", disc(HEIGHT, WIDTH, 50 + 3 * 15, 110, 12))
    edits = [TimedEdit(1.5, Erase(*middle(15), 1)), TimedEdit(1.5, Stencil(png.tobytes(), True, 1))]
    write_selection(tmp_path / "chosen.json", WIDTH, HEIGHT, edits)
    *_, last = json.loads((tmp_path / "chosen.json").read_text())["edits"]
    (mask,) = tmp_path.glob("chosen-*.png")
    assert last == {"time": 1.5, "do": "stencil", "erase": True, "object": 1, "mask": mask.name}
    options = ("--selection", tmp_path / "chosen.json", "--fill", "telea")
    succeed(tmp_path / "other.mp4", tmp_path / "out.mp4", *options)
    for index, picture in enumerate(media.read_video(tmp_path / "out.mp4")):
        inner = cv2.resize(cv2.erode(tag[index], np.ones((9, 9))), None, fx=2, fy=2) > 0
        assert (np.abs(picture[inner].astype(int) - (230, 40, 30)).max(1) > 60).mean() > 0.9, index


def test_what_the_brush_adds_to_an_object_late_leaves_no_ghost(tmp_path):
    bar, green = np.zeros((HEIGHT, WIDTH), np.uint8), (70, 200, 90)
    bar[96:104, 160:204] = 255
    media.write_video(tmp_path / "in.mp4", [put(put(ROOM, ball(0), YELLOW), bar, green)] * FRAMES)
    stroke = Paint(((160.0, 100.0), (204.0, 100.0)), 7, True, 1)
    edits = [TimedEdit(0.2, Erase(*middle(0), 1)), TimedEdit(2.5, stroke)]
    write_selection(tmp_path / "chosen.json", WIDTH, HEIGHT, edits)
    options = ("--selection", tmp_path / "chosen.json", "--fill", "telea", "--lookahead", "0")
    succeed(tmp_path / "in.mp4", tmp_path / "out.mp4", *options)
    pictures = media.read_video(tmp_path / "out.mp4")
    shares = [(np.abs(each[bar > 0].astype(int) - green).max(1) < 40).mean() for each in pictures]
    assert min(shares[:10]) > 0.9
    assert max(shares[16:]) < 0.1


def test_what_was_painted_on_a_frame_is_erased_in_all_of_its_shot(tmp_path, clip):
    mark = disc(HEIGHT, WIDTH, 200, 110, 9)
    media.write_video(tmp_path / "in.mp4", [put(ROOM, mark, YELLOW)] * 20)
    _, png = cv2.imencode(".png", disc(HEIGHT, WIDTH, 200, 110, 12))
    write_selection(tmp_path / "chosen.json", WIDTH, HEIGHT, [TimedEdit(1.2, Stencil(png.tobytes(), True))])
    (mask,) = tmp_path.glob("chosen-*.png")
    assert mask.read_bytes() == png.tobytes()
    options = ("--selection", tmp_path / "chosen.json", "--fill", "telea")
    succeed(tmp_path / "in.mp4", tmp_path / "out.mp4", *options)
    inner = disc(HEIGHT, WIDTH, 200, 110, 6) > 0
    for picture in media.read_video(tmp_path / "out.mp4"):
        assert (np.abs(picture[inner].astype(int) - YELLOW).max(1) > 60).all()


def test_a_lost_object_is_told_with_its_time_in_warning_and_report(tmp_path):
    pictures = [put(ROOM, ball(index), YELLOW) for index in range(12)] + [ROOM] * (FRAMES - 12)
    media.write_video(tmp_path / "in.mp4", pictures)
    x, y = middle(8)
    options = ("--click", f"{x},{y}@0.8", "--fill", "telea", "--report", tmp_path / "report.json")
    lines = succeed(tmp_path / "in.mp4", tmp_path / "out.mp4", *options)
    notes = json.loads((tmp_path / "report.json").read_text())["notes"]
    assert len(notes) == 1
    assert "lost to the end of its shot; the hole where it was stays closed" in notes[0]
    assert 1.2 <= float(notes[0].split()[3]) <= 1.6
    assert any(notes[0] in line for line in lines)


def test_a_click_after_the_end_is_told(tmp_path, clip):
    x, y = middle(10)
    lines = succeed(clip, tmp_path / "out.mp4", "--click", f"{x},{y}@1", "--click", "5,5@7.5", "--fill", "telea")
    assert any("7.5 s lies after the end" in line for line in lines)


@pytest.mark.parametrize(
    ("time", "says"), [("7.5", "7.5 s lies after the end"), ("0.5", "0.5 s lies before the start")]
)
def test_a_job_whose_only_click_lies_outside_of_it_is_refused(tmp_path, clip, time, says):
    options = ("--click", f"5,5@{time}", "--start", "1", "--fill", "telea")
    assert says in fail(tmp_path, clip, tmp_path / "out.mp4", *options, code=1)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--click", "5"), 2, "is not a click"),
        (("--click", "5,5@soon"), 2, "is not a time"),
        (("--click", "500,5"), 1, "256x144"),
        (("--follow",), 2, "give --box too"),
        (("--box", "1,2,3,4@5"), 2, "needs --follow"),
        (("--no-click", "5,5"), 2, "give --click"),
        (("--move", "5,5"), 2, "give --click"),
        (("--click", "5,5", "--move", "far"), 2, "is not an offset"),
        (("--selection", "nowhere.json"), 1, "nowhere.json cannot be read"),
    ],
)
def test_a_choice_without_sense_is_one_line(tmp_path, clip, options, code, says):
    assert says in fail(tmp_path, clip, tmp_path / "out.mp4", *options, code=code)
