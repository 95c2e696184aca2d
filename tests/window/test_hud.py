"""The words over the picture: where they are, that they can be read, that they leave the rest alone."""

from __future__ import annotations

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from realtime.live.control import Status
from realtime.live.hud import HELP, draw_hud, font_size
from realtime.live.marks import draw_marks
from realtime.live.placement import Placement
from realtime.live.text import text_width, wrapped
from realtime.live.ui import Choose, Modifier, Stroke, Tool, UiState, View
from realtime.ops import bounding_region
from tests.window.shown import OTHER, STATUS, thing

SIZES = [(360, 640), (720, 1280), (2160, 3840), (1280, 720), (120, 160)]


def drawn(status=STATUS, size=(360, 640), light=200, things=(), fault=None, **changes):
    """The HUD on an even grey."""
    window = np.full((*size, 3), light, np.uint8)
    draw_hud(window, status, replace(UiState.start(size[1], size[0]), **changes), things, fault)
    return window


def touched(window, light=200):
    """Where the HUD is: the region of what is no longer grey."""
    region = bounding_region((window != light).any(axis=2).astype(np.uint8))
    assert region is not None
    return region


def changed(window, other):
    """The region in which two windows differ."""
    return touched(cv2.absdiff(window, other), light=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("light", [0, 128, 255])
def test_words_stand_out_from_any_picture(size, light):
    y, x = (side // 3 for side in size)
    corner = drawn(size=size, light=light)[: max(y, 60), : max(x, 150)].max(axis=2).astype(int)
    words, ground = np.percentile(corner[corner > 180], 50) if (corner > 180).any() else 0, corner.min()
    assert words - ground > 120


@pytest.mark.parametrize(("size", "pixels"), [((360, 640), 12), ((720, 1280), 18), ((2160, 3840), 54)])
def test_letters_grow_with_the_picture(size, pixels):
    assert font_size(np.zeros((*size, 3), np.uint8)) == pixels


def test_it_covers_only_a_little_of_the_picture():
    window = drawn(size=(720, 1280))
    assert (window == 200).all(axis=2).mean() > 0.96


def test_a_new_figure_changes_only_the_corner():
    first, second = drawn(), drawn(replace(STATUS, fps=12.0, dropped=40))
    assert changed(first, second).y1 < 60
    assert changed(first, second).x1 < 320


def test_a_photo_has_no_rate():
    assert touched(drawn(replace(STATUS, fps=0.0))[:, :320]).height < touched(drawn()[:, :320]).height


def test_a_fault_that_is_also_the_message_is_told_once():
    fault = "the segmenter failed"
    assert (drawn(replace(STATUS, message=fault), fault=fault) == drawn(fault=fault)).all()


def test_what_was_lowered_takes_a_line_of_its_own_in_amber():
    window = drawn(replace(STATUS, lowered=("segmentation rate",)), light=0)
    added = cv2.absdiff(window, drawn(light=0))
    blue, _, red = (int(channel) for channel in window[added.any(axis=2)].max(axis=0))
    assert red > blue + 80


def test_the_recording_dot_is_red():
    window = drawn(replace(STATUS, recording=3.0), light=0)[:40, 500:].astype(int)
    assert ((window[..., 2] > 200) & (window[..., 1] < 130)).sum() > 20
    before = drawn(light=0)[:40, 500:].astype(int)
    assert not ((before[..., 2] > 200) & (before[..., 1] < 130)).any()


def test_the_countdown_stands_large_in_the_middle():
    box = changed(drawn(), drawn(replace(STATUS, countdown=3)))
    assert box.height > 90
    assert abs((box.y0 + box.y1) / 2 - 180) < 4
    assert abs((box.x0 + box.x1) / 2 - 320) < 4


def test_a_long_message_is_wrapped_into_the_picture():
    message = "the camera does not answer any more; trying again in 4 seconds, and showing the plate until then " * 2
    box = changed(drawn(), drawn(replace(STATUS, message=message)))
    assert box.x1 < 640
    assert box.y1 < 360
    assert box.height > 2 * font_size(drawn())


@pytest.mark.parametrize("told", [{"things": (thing(4, "lost", OTHER),)}, {"fault": "the segmenter failed"}])
def test_lost_objects_and_faults_are_told(told):
    assert (drawn(**told)[300:] != drawn()[300:]).any()


def test_colours_of_the_trust_view_are_explained():
    corner = drawn(view=View.TRUST, light=0)[280:, 480:].reshape(-1, 3)
    assert len(np.unique(corner[(corner.max(axis=1).astype(int) - corner.min(axis=1)) > 100], axis=0)) >= 3


@pytest.mark.parametrize("size", [size for size in SIZES if min(size) > 200])
def test_the_help_fits_and_lies_in_the_middle(size):
    below_the_corners = slice(size[0] // 4, None)
    box = changed(drawn(size=size, help=True)[below_the_corners], drawn(size=size)[below_the_corners])
    assert box.x0 > 0
    assert box.x1 < size[1]
    assert abs(box.x0 + box.x1 - size[1]) <= 4


def test_the_help_names_every_key():
    keys = {word for _, rows in HELP for names, _ in rows for word in names.split()}
    assert set("emupcvbklsrwhq[]") | {"space", "esc"} <= keys


def test_it_is_drawn_faster_than_the_picture_could_be_blurred():
    status = replace(STATUS, lowered=("segmentation rate",), message="snapshot written", recording=2.0)
    window, state = np.full((720, 1280, 3), 90, np.uint8), UiState.start(1280, 720)
    drawing, blurring = [], []
    for _ in range(20):
        start = time.perf_counter()
        draw_hud(window, status, state, (), None)
        middle = time.perf_counter()
        cv2.GaussianBlur(window, (9, 9), 0)
        drawing.append(middle - start)
        blurring.append(time.perf_counter() - middle)
    assert min(drawing) < min(blurring)


def test_words_wrap_between_words_alone():
    lines = wrapped("one two three four", 20, text_width("one two", 20))
    assert lines == ["one two", "three", "four"]


@pytest.mark.parametrize("status", [Status(), replace(STATUS, countdown=1, recording=4000.0, connected=False)])
def test_any_window_size_can_be_drawn_on(status):
    for size in ((1, 1), (20, 30), (30, 900), (900, 30)):
        drawn(replace(status, message="a word " * 30), size, help=True, view=View.TRUST, tool=Tool.BRUSH)


class TestMarks:
    place = Placement.fit((180, 320), (360, 640))
    start = UiState.start(320, 180)

    def marked(self, **changes):
        window = np.full((360, 640, 3), 200, np.uint8)
        draw_marks(window, self.place, replace(self.start, **changes))
        return window

    def test_the_divider_lies_between_before_and_after(self):
        line = touched(self.marked(view=View.BEFORE_AFTER, divider=100.0))
        assert (line.y0, line.y1) == (0, 360)
        assert abs((line.x0 + line.x1) / 2 - 200) <= 1

    def test_a_box_is_drawn_around_its_pixels(self):
        drag = Choose((50.0, 40.0), (149.0, 89.0), Modifier.NONE, wandered=True)
        assert touched(self.marked(drag=drag)) == pytest.approx((80, 180, 100, 300), abs=4)

    def test_the_brush_shows_its_size(self):
        ring = touched(self.marked(tool=Tool.BRUSH, pointer=(160.0, 90.0), radius=10.0))
        assert ring == pytest.approx((161, 201, 301, 341), abs=4)

    def test_a_stroke_is_as_wide_as_the_brush(self):
        drag = Stroke(((100.0, 90.0), (200.0, 90.0)), erase=True)
        assert touched(self.marked(drag=drag, radius=10.0)) == pytest.approx((161, 201, 181, 421), abs=3)

    def test_nothing_is_drawn_while_the_user_only_looks(self):
        assert (self.marked(pointer=(50.0, 50.0)) == 200).all()

    def test_marks_far_outside_are_harmless(self):
        self.marked(drag=Stroke(((-9000.0, -9000.0), (90000.0, 90.0)), erase=True))
        self.marked(view=View.BEFORE_AFTER, divider=320.0, tool=Tool.BRUSH, pointer=(-1e6, 1e6))
