"""`erase-video --select` in its window: choose on a frame in the middle, look elsewhere, start."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from realtime.live.placement import Placement
from realtime.live.views import hue
from realtime.select.views import bar_height
from tests.cli import media
from tests.realtime.pictures import disc, put, texture
from tests.window.desk import PATIENCE, on_a_real_display, wait

pytestmark = on_a_real_display

HEIGHT, WIDTH, FRAMES = 180, 320, 30
ROOM = (texture(HEIGHT, WIDTH) * 0.3 + 90).astype(np.uint8)
WHITE = (245, 245, 245)


def ball(index):
    return disc(HEIGHT, WIDTH, 80 + 4 * index, 80, 20)


class Selecting:
    """The command, its window, and what it has said."""

    def __init__(self, desk, folder):
        self.folder = folder
        media.write_video(folder / "in.mp4", [put(ROOM, ball(index), WHITE) for index in range(FRAMES)])
        self._log = (folder / "stderr").open("w")
        self.process = desk.start(
            [sys.executable, "-m", "realtime.cli", "in.mp4", "out.mp4", "--select", "--fill", "telea"],
            cwd=folder,
            stderr=self._log,
        )
        self.window = desk.window("erase-video: in.mp4")

    def said(self):
        return (self.folder / "stderr").read_text()

    def at(self, x, y):
        """The window's pixel for one of the picture; the trackbar is below it."""
        _, _, width, height = self.window.place()
        placement = Placement.fit((HEIGHT, WIDTH), (height - bar_height((height, width)), width))
        column, row = placement.to_window(x, y)
        return round(column), round(row)

    def colour(self, x, y):
        column, row = self.at(x, y)
        return self.window.picture()[row - 3 : row + 4, column - 3 : column + 4].reshape(-1, 3).mean(0)

    def tinted(self, index):
        """Whether the ball has the hue of the first object, which is not white; beside the pointer."""
        return np.abs(self.colour(70 + 4 * index, 80) - (np.array(hue(1)) + WHITE) / 2).max() < 25


@pytest.fixture
def selecting(desk, tmp_path):
    selecting = Selecting(desk, tmp_path)
    yield selecting
    selecting.process.kill()
    selecting.process.wait(PATIENCE)
    print(selecting.said())


def test_one_click_in_the_middle_is_followed_both_ways_saved_and_erased(selecting):
    window = selecting.window
    wait(lambda: np.abs(selecting.colour(80, 80) - WHITE).max() < 20)
    window.keys("Right")
    wait(lambda: np.abs(selecting.colour(80 + 40, 80) - WHITE).max() < 20)
    window.click(*selecting.at(80 + 4 * 10, 80))
    wait(lambda: selecting.tinted(10))
    window.keys("Left")
    wait(lambda: selecting.tinted(0))
    window.keys("End")
    wait(lambda: selecting.tinted(29))
    window.keys("comma")
    wait(lambda: selecting.tinted(28))
    window.keys("Return")
    assert selecting.process.wait(PATIENCE) == 0, selecting.said()
    saved = json.loads((selecting.folder / "out.selection.json").read_text())
    assert [(edit["time"], edit["do"], edit["object"]) for edit in saved["edits"]] == [(1, "erase", 1)]
    for index, picture in enumerate(media.read_video(selecting.folder / "out.mp4")):
        assert picture[ball(index) > 0].mean() < 200


def test_leaving_erases_nothing(selecting):
    wait(lambda: np.abs(selecting.colour(80, 80) - WHITE).max() < 20)
    selecting.window.close()
    assert selecting.process.wait(PATIENCE) == 1
    assert selecting.said().splitlines()[-1].endswith("nothing was erased")
    assert sorted(path.name for path in selecting.folder.iterdir()) == ["in.mp4", "stderr"]
