"""The eraser on a smaller picture: what is given back has the frame's own size and pixels."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from realtime import ops
from realtime.background.fill import TeleaFiller
from realtime.edits import EraseBox, Paint
from realtime.eraser import Eraser
from realtime.frame import Frame
from realtime.live.governor import Level
from realtime.live.worker import Worker
from realtime.selection import Box, Selection
from tests.realtime.pictures import psnr, texture

HEIGHT, WIDTH = 240, 320
WORLD = texture(HEIGHT, WIDTH)


def frames(count: int, start: int = 0) -> list[Frame]:
    """A white square that moves over a still background, 8 pixels a frame."""
    made = []
    for index in range(start, start + count):
        picture = WORLD.copy()
        x = 20 + 8 * index
        picture[100:140, x : x + 40] = 255
        made.append(Frame(picture, index, index, Fraction(1, 30)))
    return made


def square(x: int) -> np.ndarray:
    """Where the square is, (H, W) bool."""
    where = np.zeros((HEIGHT, WIDTH), bool)
    where[100:140, x : x + 40] = True
    return where


class Following(Eraser):
    """Erases the square of `frames`: its mask is given."""

    def step(self, frame, given=None):
        height, width = frame.image.shape[:2]
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        x = 20 + 8 * frame.index
        mask[100:140, x : x + 40] = 255
        return super().step(frame, ops.at_least(ops.resize(mask, (height, width)), 1))


def worker(scale: float, eraser: Eraser | None = None) -> Worker:
    made = Worker(eraser or Following(None, TeleaFiller(), Selection(classes=())))
    made.obey(Level(0.05, 1.0, scale))
    return made


@pytest.mark.parametrize("scale", [0.75, 0.5, 0.375])
def test_only_the_hole_is_enlarged_and_every_other_pixel_is_the_frames(scale):
    small = worker(scale)
    for frame in frames(12):
        result = small.step(frame)
        assert result.image.shape == frame.image.shape
        assert np.array_equal(result.image[result.alpha == 0], frame.image[result.alpha == 0])
        x = 20 + 8 * frame.index
        assert (result.hole[100:140, x : x + 40] == 255).all()
        inside = np.zeros((HEIGHT, WIDTH), bool)
        inside[result.roi.slices] = True
        assert not result.alpha[~inside].any()
    last = 20 + 8 * 11
    assert psnr(result.image, WORLD, square(last)) > 20
    assert (result.trust[result.hole == 0] == 0).all()
    assert (result.trust[result.hole == 255] > 0).all()


def test_a_change_of_scale_keeps_what_the_plate_has_seen():
    one = worker(1.0)
    for frame in frames(12):
        one.step(frame)
    for number, scale in enumerate((0.5, 0.75, 1.0)):
        one.obey(Level(0.05, 1.0, scale))
        for frame in frames(2, start=12 + 2 * number):
            result = one.step(frame)
        x = 20 + 8 * frame.index
        assert psnr(result.image, WORLD, square(x)) > 20
        assert result.image[100:140, x : x + 40].min(axis=2).max() < 250  # nothing of the square


def test_edits_are_scaled_to_the_picture_that_is_worked_on():
    log: list[object] = []

    class Listening(Following):
        def edit(self, edit):
            log.append(edit)

    small = worker(0.5, Listening(None, TeleaFiller(), Selection(classes=())))
    small.step(frames(1)[0])
    small.edit(EraseBox(Box(40, 60, 20, 10)))
    small.edit(Paint(((9.5, 19.5),), 6.0, True))
    small.step(frames(1, start=1)[0])
    small.step(frames(1, start=2)[0])
    assert log == [EraseBox(Box(20, 30, 10, 5)), Paint(((4.5, 9.5),), 3.0, True)]


@pytest.mark.parametrize("seen", [0, 1])
@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_an_edit_lands_where_it_was_made_though_the_scale_changes_before_the_frame(seen, scale):
    one = worker(1.5 - scale, Eraser(None, TeleaFiller(), Selection(classes=())))
    for frame in frames(seen):
        one.step(frame)
    one.edit(Paint(((200.0, 60.0),), 10.0, True))
    one.obey(Level(0.05, 1.0, scale))
    rows, columns = np.nonzero(one.step(frames(1, start=seen)[0]).hole)
    assert (columns.mean(), rows.mean()) == pytest.approx((200, 60), abs=2)


def test_an_edit_lands_where_it_was_made_though_the_camera_changes_its_size_before_the_frame():
    one = worker(1.0, Eraser(None, TeleaFiller(), Selection(classes=())))
    first = frames(1)[0]
    one.step(first)
    one.edit(Paint(((200.0, 60.0),), 10.0, True))
    result = one.step(Frame(ops.resize(first.image, (HEIGHT // 2, WIDTH // 2)), 1, 1, first.time_base))
    rows, columns = np.nonzero(result.hole)
    assert (columns.mean(), rows.mean()) == pytest.approx((100, 30), abs=2)


def test_without_a_hole_the_frame_is_given_back_as_it_is():
    small = worker(0.5, Eraser(None, TeleaFiller(), Selection(classes=())))
    frame = frames(1)[0]
    result = small.step(frame)
    assert result.image is frame.image
    assert result.roi is None
    assert result.alpha.shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_when_no_more_frames_come_the_plate_is_shown_everywhere(scale):
    one = worker(scale, Eraser(None, TeleaFiller(), Selection(classes=())))
    assert one.backdrop() is None
    empty = Frame(WORLD, 0, 0, Fraction(1, 30))
    for _ in range(5):
        one.step(empty)
    one.step(frames(1)[0])  # nobody asked to erase the square, but it is no background
    behind = one.backdrop()
    assert behind.image.shape == (HEIGHT, WIDTH, 3)
    assert psnr(behind.image, WORLD, np.full((HEIGHT, WIDTH), True)) > 25
    assert behind.image[110:130, 30:50].min(axis=2).max() < 250
