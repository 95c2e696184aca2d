"""What is chosen in the window is followed through the frames around while the user goes on."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from realtime.edits import Add, Erase, Move, Paint, People, TimedEdit
from realtime.select import follower as module
from realtime.select.clip import Clip
from realtime.select.follower import Follower, Wanted
from realtime.select.session import stencilled
from realtime.tracking.strokes import draw, place
from realtime.tracking.tracing import Plan
from tests.cli import media
from tests.live.fakes import until
from tests.realtime.fakes import colour_segmenter
from tests.realtime.pictures import disc, put, texture

HEIGHT, WIDTH, FRAMES, RATE = 96, 160, 60, 10
ROOM = (texture(HEIGHT, WIDTH) * 0.3 + 90).astype(np.uint8)
YELLOW, RED = (30, 220, 240), (20, 20, 230)


def ball(index):
    return disc(HEIGHT, WIDTH, 30 + 1.5 * index, 40, 12)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    pictures = [put(put(ROOM, ball(i), YELLOW), disc(HEIGHT, WIDTH, 130, 75, 10), RED) for i in range(FRAMES)]
    clip = Clip(str(media.write_video(tmp_path_factory.mktemp("clip") / "in.mp4", pictures)))
    assert len(list(clip.scan())) == FRAMES
    return clip


@pytest.fixture
def follower(clip, tmp_path):
    segmenter = colour_segmenter()
    segmenter.default_size = HEIGHT, WIDTH
    other = clip.twin()
    with Follower(other, Plan(segmenter, (), 0.0, (HEIGHT, WIDTH)), tmp_path) as follower:
        yield follower
    other.close()


def settle(follower, *edits, index):
    """Ask, and wait until all is done."""
    follower.ask(Wanted(edits, index))
    until(lambda: not follower.busy)
    assert follower.failure is None


def found(follower, clip, index, state="erased"):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for thing in follower.things(index, clip.frame(index)):
        if thing.state == state:
            mask[thing.roi.slices] |= thing.mask
    return mask


def iou(first, second):
    return np.count_nonzero(first & second) / max(1, np.count_nonzero(first | second))


def test_an_object_is_followed_both_ways_around_its_click_and_further_where_one_looks(clip, follower):
    x = round(30 + 1.5 * 30)
    click = TimedEdit(3.0, Erase(x, 40, 1))
    settle(follower, click, index=30)
    assert min(follower.reach) == 10
    assert max(follower.reach) == 50
    for index in (12, 30, 48):
        assert iou(found(follower, clip, index), ball(index)) > 0.7
    settle(follower, click, index=2)
    assert iou(found(follower, clip, 0), ball(0)) > 0.7


def test_people_who_could_be_chosen_are_shown_in_the_frame_that_is_looked_at(clip, follower):
    settle(follower, index=5)
    assert iou(found(follower, clip, 5, "candidate"), disc(HEIGHT, WIDTH, 130, 75, 10)) > 0.6


def test_what_is_taken_back_is_gone_at_once_and_corrections_count(clip, follower):
    x = round(30 + 1.5 * 30)
    click, more = TimedEdit(3.0, Erase(x, 40, 1)), TimedEdit(3.0, Erase(130, 75, 2))
    settle(follower, click, more, index=30)
    assert found(follower, clip, 30)[75, 130]
    settle(follower, click, index=30)
    assert not found(follower, clip, 30)[75, 130]
    settle(follower, index=30)
    assert not found(follower, clip, 30).any()
    assert not follower.reach


def test_a_correction_shows_in_its_frame(clip, follower):
    click = TimedEdit(3.0, Erase(round(30 + 1.5 * 30), 40, 1))
    settle(follower, click, index=30)
    settle(follower, click, TimedEdit(1.5, Add(30 + 1.5 * 15, 40, 1)), index=15)
    assert iou(found(follower, clip, 15), ball(15)) > 0.7


def test_a_brush_stroke_on_an_object_shows_in_its_frame_and_beside_it(clip, follower):
    click = TimedEdit(3.0, Erase(round(30 + 1.5 * 30), 40, 1))
    settle(follower, click, index=30)
    settle(follower, click, TimedEdit(2.5, Paint(((20.0, 80.0), (40.0, 80.0)), 4, True, 1)), index=25)
    assert follower.painted(25, (HEIGHT, WIDTH)) is None
    for index in (23, 25, 27):
        assert found(follower, clip, index)[80, 24:37].all()
        assert iou(found(follower, clip, index) & ball(index), ball(index)) > 0.7
    assert not found(follower, clip, 30)[70:, :50].any()


def test_a_look_into_another_shot_and_back_follows_nothing_anew(tmp_path, monkeypatch):
    pictures = [put(ROOM, ball(index), YELLOW) for index in range(20)]
    other = np.rot90(texture(WIDTH, HEIGHT)).astype(np.uint8)
    clip = Clip(str(media.write_video(tmp_path / "in.mp4", [*pictures, *[other] * 20])))
    list(clip.scan())
    assert clip.cuts == [0, 20]
    segmenter = colour_segmenter()
    segmenter.default_size = HEIGHT, WIDTH
    follow, followed = module.follow_both_ways, []

    def counted(*work):
        followed.append(work)
        follow(*work)

    monkeypatch.setattr(module, "follow_both_ways", counted)
    clicks = TimedEdit(1.0, Erase(45, 40, 1)), TimedEdit(3.0, Erase(40, 40, 2))
    with Follower(clip.twin(), Plan(segmenter, (), 0.0, (HEIGHT, WIDTH)), tmp_path) as follower:
        for index in (10, 30, 10, 30):
            settle(follower, clicks[0], index=index)
        assert len(followed) == 1
        for index in (30, 10, 30, 10):
            settle(follower, *clicks, index=index)
        assert len(followed) == 2
        settle(follower, TimedEdit(0.0, People(True)), *clicks, index=10)
        settle(follower, TimedEdit(0.0, People(True)), *clicks, index=30)
        assert len(followed) == 4
        assert max(follower.reach) > 20
        settle(follower, clicks[0], index=30)
        assert max(follower.reach) < 20


def test_a_move_shows_at_once_in_every_frame(clip, follower):
    x = round(30 + 1.5 * 30)
    click, move = TimedEdit(3.0, Erase(x, 40, 1)), TimedEdit(3.0, Move(x, 40, 20, -5))
    settle(follower, click, index=30)
    version = follower.version
    settle(follower, click, move, index=30)
    assert follower.version == version + 1  # the frame itself was looked at again, but nothing was followed anew
    assert [thing.moved for thing in follower.things(15, clip.frame(15)) if thing.state == "erased"] == [(20, -5)]


def test_leaving_waits_for_the_frame_that_is_looked_at(clip, tmp_path, monkeypatch):
    """What the thread works with is closed right after."""
    looking, go_on = threading.Event(), threading.Event()

    def slow(*_):
        looking.set()
        go_on.wait()

    other = clip.twin()
    follower = Follower(other, Plan(colour_segmenter(), (), 0.0, (HEIGHT, WIDTH)), tmp_path)
    monkeypatch.setattr(follower, "_glance", slow)
    with follower:
        follower.ask(Wanted((), 30))
        looking.wait()
        waits = []

        def passed(timeout=None):
            """However long was to be waited, it has passed."""
            waits.append(timeout)
            if len(waits) > 2:
                go_on.set()

        monkeypatch.setattr(follower._thread, "join", passed)
    assert not follower._thread.is_alive()
    other.close()


def test_a_failure_is_told_until_something_goes_well(follower, monkeypatch):
    click = TimedEdit(3.0, Erase(round(30 + 1.5 * 30), 40, 1))
    with monkeypatch.context() as broken:
        broken.setattr("realtime.select.follower.follow_both_ways", lambda *_: 1 / 0)
        follower.ask(Wanted((click,), 30))
        until(lambda: not follower.busy)
        assert follower.failure == "following failed: division by zero"
    settle(follower, click, index=31)  # which looks at the failure too


def test_strokes_are_shown_in_the_frames_around(clip, follower):
    settle(follower, TimedEdit(3.0, Paint(((20.0, 80.0), (40.0, 80.0)), 4, True)), index=30)
    painted = follower.painted(15, (HEIGHT, WIDTH))
    assert painted is not None
    assert painted[80, 30]
    assert not painted[60, 30]


def test_strokes_of_one_moment_are_saved_as_one_stencil():
    def stroke(x, erase=True, number=None):
        return Paint(((float(x), 20.0),), 5, erase, number)

    edits = [
        TimedEdit(1, stroke(20)),
        TimedEdit(1, stroke(40)),
        TimedEdit(1, stroke(40, False)),
        TimedEdit(2, stroke(60)),
        TimedEdit(2, stroke(60, number=3)),
    ]
    first, rub, last, on_object = stencilled(edits, (HEIGHT, WIDTH))
    assert (last.edit.number, on_object.edit.number) == (None, 3)
    assert [(each.time, each.edit.erase) for each in (first, rub, last)] == [(1, True), (1, False), (2, True)]
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for each in (first, rub):
        draw(mask, each.edit, place(each.edit, (HEIGHT, WIDTH)))
    assert (mask[20, 20], mask[20, 40], mask[20, 60]) == (255, 0, 0)
