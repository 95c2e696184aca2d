"""A real window on a virtual desktop: mouse and keys go in, wishes and pictures come out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from realtime.errors import EraserError
from realtime.live.views import GUESSED_COLOR
from realtime.live.window import check_display
from tests.window.desk import PATIENCE, on_a_real_display, wait
from tests.window.shown import CANDIDATE, ERASED, HEIGHT, WALL, WIDTH

pytestmark = on_a_real_display


class Program:
    """The driver, its window, and what it was asked for."""

    def __init__(self, desk, log, size):
        self._log = log
        self._output = log.open("w")
        self.process = desk.start(
            [sys.executable, "-m", "tests.window.driver", *map(str, size)],
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        self.window = desk.window("driver")

    def lines(self):
        return [line for line in self._log.read_text().splitlines() if not line.startswith("presented")]

    def asked(self, line):
        """Wait until the loop was asked for this."""
        wait(lambda: line in self.lines())

    def shows(self, condition):
        """Wait until the window's picture meets a condition."""
        wait(lambda: condition(self.window.picture().astype(int)))

    def close(self):
        self.process.kill()
        self.process.wait(PATIENCE)
        self._output.close()


@pytest.fixture
def program(desk, tmp_path):
    """The window on the made picture, which it shows at twice its size: 640x360."""
    program = Program(desk, tmp_path / "log", (WIDTH, HEIGHT))
    yield program
    program.close()


def near(pixel, color, tolerance=30):
    return np.abs(pixel - np.array(color)).max() <= tolerance


def test_the_window_is_as_large_as_a_small_picture_needs(program):
    wait(lambda: program.window.place()[2:] == (640, 360))


def test_its_title_is_written_in_letters_that_highgui_knows(program):
    wait(lambda: program.window.desk.run("wmctrl", "-l").stdout.split()[-1:] == ["driver"])


def test_it_shows_the_erased_place_the_tinted_candidate_and_the_hud(program):
    x, y, _ = ERASED
    program.shows(lambda picture: near(picture[2 * y, 2 * x], WALL, 2))
    x, y, _ = CANDIDATE
    program.shows(lambda picture: np.ptp(picture[2 * y, 2 * x]) > 80)
    program.shows(lambda picture: (picture[:25, :150] > 160).all(axis=2).sum() > 50)
    program.shows(lambda picture: near(picture[8, 100], 0.3 * np.array(WALL)))


def test_clicks_arrive_in_the_pictures_pixels_with_their_modifiers(program):
    window = program.window
    window.click(320, 180)
    window.click(101, 41, "right")
    window.click(21, 141, "left", "shift")
    window.click(21, 161, "left", "ctrl")
    program.asked("Subtract(x=10.25, y=80.25, number=None)")
    assert program.lines() == [
        "Erase(x=159.75, y=89.75, number=None)",
        "Restore(x=50.25, y=20.25)",
        "Add(x=10.25, y=70.25, number=None)",
        "Subtract(x=10.25, y=80.25, number=None)",
    ]


@pytest.mark.parametrize("size", [(960, 540), (500, 600), (1000, 300)])
def test_they_do_so_in_a_window_of_any_shape(program, size):
    program.window.resize(*size)
    program.shows(lambda picture: near(picture[size[1] // 2, size[0] // 2 - 2], picture[size[1] // 2, size[0] // 2]))
    program.window.click(size[0] // 2, size[1] // 2)
    wait(lambda: program.lines())
    x, y, _ = (part.split("=")[1] for part in program.lines()[0].strip("Erase()").split(", "))
    assert (float(x), float(y)) == pytest.approx((WIDTH / 2, HEIGHT / 2), abs=1.5)


def test_a_drag_draws_a_box(program):
    program.window.drag([(100, 100), (150, 130), (200, 200)])
    program.asked("EraseBox(box=Box(x=50, y=50, w=51, h=51), number=None)")


def test_alt_and_drag_moves_an_object(program):
    program.window.drag([(320, 180), (350, 190), (400, 200)], "alt")
    program.asked("Move(x=160.0, y=90.0, dx=40.0, dy=10.0)")


def test_the_brush_paints(program):
    program.window.keys("e")
    program.window.drag([(100, 100), (150, 130)])
    wait(lambda: program.lines())
    assert program.lines()[0].startswith("Paint(points=((49.75, 49.75), (74.75, 64.75)), radius=5.")


def test_the_divider_drags(program):
    window = program.window
    window.keys("v")
    white = lambda x: lambda picture: near(picture[60, x - 2 : x + 2].max(axis=0), (255, 255, 255), 10)  # noqa: E731
    program.shows(white(320))
    window.drag([(324, 60), (250, 60), (120, 60)])
    program.shows(white(120))
    assert program.lines() == []
    x, y, radius = ERASED
    program.shows(lambda picture: not near(picture[2 * y, 2 * (x - radius + 5)], WALL))
    program.shows(lambda picture: near(picture[2 * y, 2 * (x + radius - 5)], WALL, 2))


def test_v_reaches_the_mask_and_the_trust_view(program):
    x, y, _ = ERASED
    program.window.keys("v")
    program.shows(lambda picture: near(picture[60, 320], (255, 255, 255), 10))
    program.window.keys("v")
    program.shows(lambda picture: near(picture[2 * y, 2 * x], (255, 255, 255), 2))
    program.window.keys("v")
    program.shows(lambda picture: near(picture[2 * y + 20, 2 * x], 0.6 * np.array(GUESSED_COLOR) + 30))


def test_keys_ask_the_loop(program):
    asked = {"b": "CLEAN_PLATE", "k": "SAVE_PLATE", "l": "LOAD_PLATE", "s": "SNAPSHOT", "r": "RECORD"}
    asked |= {"w": "WRITE_SELECTION", "p": "PEOPLE", "u": "Undo()", "c": "Clear()"}
    for key, wish in asked.items():
        program.window.keys(key)
        wait(lambda wish=wish: program.lines()[-1:] and program.lines()[-1].endswith(wish))


def test_help_comes_and_goes(program):
    dark = lambda picture: picture[180:250, 300:340].mean() < 60  # noqa: E731
    program.window.keys("h")
    program.shows(dark)
    program.window.keys("h")
    program.shows(lambda picture: not dark(picture))


@pytest.mark.parametrize("way", ["cross", "q", "Escape"])
def test_closing_ends_the_program(program, way):
    if way == "cross":
        program.window.close()
    else:
        program.window.keys(way)
    assert program.process.wait(PATIENCE) == 0
    assert program.lines() == ["Control.QUIT"]


def test_a_display_that_is_not_there_is_found_out_before_the_window(monkeypatch):
    if not sys.platform.startswith("linux"):
        pytest.skip("only on Linux can there be no display")
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setenv("DISPLAY", ":9876")
    with pytest.raises(EraserError, match=r"display :9876.*\): go away"):
        check_display("go away")
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(EraserError, match=r"no display.*\): go away"):
        check_display("go away")


def test_a_display_that_is_there_is_approved(desk, monkeypatch):
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setenv("DISPLAY", desk.environment["DISPLAY"])
    check_display("go away")
