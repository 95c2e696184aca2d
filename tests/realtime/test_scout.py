"""What a frame tells of the camera's motion by itself is found out in a thread of its own."""

from __future__ import annotations

import gc
import threading
from itertools import pairwise

import numpy as np
import pytest

from realtime import ops
from realtime.eraser import Eraser
from realtime.motion.glance import Glance, View
from realtime.motion.scout import Scout
from realtime.segment import Segmenter
from realtime.selection import Selection
from realtime.settings import Settings
from tests.realtime.fakes import PaintingFiller, RedEngine
from tests.realtime.pictures import disc, frame, look, put, texture

HEIGHT, WIDTH, FRAMES = 120, 212, 10
WORLD = (texture(300, 500) * 0.6 + 60).astype(np.uint8)


def clip():
    """A hand-held camera, and somebody who walks past."""
    for index in range(FRAMES):
        camera = ops.translation(-150 + 3 * np.sin(index * 0.7), -90 + 2 * np.cos(index * 0.9))
        yield frame(put(look(WORLD, camera, HEIGHT, WIDTH), disc(HEIGHT, WIDTH, 40 + 8 * index, 60, 17)), index)


def eraser(engine=None):
    settings = Settings(segment_interval=0.0)
    return Eraser(Segmenter(engine or RedEngine()), PaintingFiller(), Selection(), settings)


def test_a_glance_is_the_same_whoever_makes_it():
    scout, before, pictures = Scout(), None, [one.image for one in clip()]
    scout.moving = True
    for picture in pictures:
        scout.announce(picture)
    for picture in pictures:
        glance, view = scout.take(picture), View.of(picture)
        assert np.array_equal(glance.view.contrast, view.contrast)
        if before is not None:
            alone = Glance(view, before)
            assert np.array_equal(glance.tracks.confirmed, alone.tracks.confirmed)
            assert np.array_equal(glance.tracks.there[0], alone.tracks.there[0])
        before = view


def test_a_frame_that_nobody_announced_is_looked_at_and_one_that_is_not_wanted_let_go():
    scout, pictures = Scout(), [one.image for one in clip()]
    for picture in pictures[:4]:
        scout.announce(picture)
    assert np.array_equal(scout.take(pictures[3]).view.color, View.of(pictures[3]).color)
    assert np.array_equal(scout.take(pictures[6]).view.color, View.of(pictures[6]).color)
    assert not scout._announced


def test_what_was_announced_stays_where_another_frame_is_taken_first():
    scout, pictures = Scout(), [one.image for one in clip()]
    scout.announce(pictures[1])
    scout.take(pictures[0])
    assert [picture is pictures[1] for picture, _ in scout._announced] == [True]


def test_what_goes_wrong_in_the_thread_is_raised_where_the_glance_is_taken(monkeypatch):
    def fail(image):
        raise MemoryError("no room for a view")

    monkeypatch.setattr(View, "of", staticmethod(fail))
    with pytest.raises(MemoryError, match="no room"):
        Scout().take(np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def test_frames_are_erased_the_same_whether_they_were_announced_or_not():
    frames, alone, ahead = list(clip()), eraser(), eraser()
    for one in frames:
        ahead.announce(one)
    for one in frames:
        expected, result = alone.step(one), ahead.step(one)
        assert np.array_equal(result.image, expected.image)
        assert np.array_equal(result.trust, expected.trust)


def test_the_next_frames_motion_is_found_out_while_this_one_is_worked_on(monkeypatch):
    """The segmenter waits, in the middle of a frame, for the view of the one after it."""
    frames, seen, arrived = list(clip()), [], threading.Condition()
    of = View.of

    def noted(image):
        view = of(image)
        with arrived:
            seen.append((image, threading.current_thread().name))
            arrived.notify_all()
        return view

    class Waiting(RedEngine):
        def run(self, **inputs):
            with arrived:
                assert arrived.wait_for(lambda: len(seen) > self.ran, timeout=60)
            self.ran += 1
            return super().run(**inputs)

    monkeypatch.setattr(View, "of", staticmethod(noted))
    engine = Waiting()
    engine.ran = 1  # of the first frame, it waits for the second's
    core = eraser(engine)
    core.announce(frames[0])
    for one, following in pairwise(frames):
        core.announce(following)
        core.step(one)
    assert [image is one.image for (image, _), one in zip(seen, frames, strict=True)] == [True] * FRAMES
    assert all(name.startswith("motion") for _, name in seen)


def test_the_thread_ends_with_the_eraser():
    before, core = set(threading.enumerate()), eraser()
    core.step(next(clip()))
    (thread,) = set(threading.enumerate()) - before
    assert thread.name.startswith("motion")
    del core
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
