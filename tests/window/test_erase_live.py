"""The command itself, in its window: what a user sees and does."""

from __future__ import annotations

import json
import sys

import cv2
import numpy as np
import pytest

from realtime.live.views import TINT
from tests.window.desk import PATIENCE, on_a_real_display, wait
from tests.window.people import CLOTHES, FACE, HEIGHT, WIDTH, LaunchPad

pytestmark = on_a_real_display

SOMEWHERE = 300  # the column at which she stands
ELSEWHERE = 480
LONG = 280  # seconds of a clip that does not end before its test does


@pytest.fixture(scope="module")
def pad():
    return LaunchPad()


@pytest.fixture(scope="module")
def photo(pad, tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "pad.png"
    cv2.imwrite(str(path), pad.picture(SOMEWHERE))
    return path


@pytest.fixture(scope="module")
def clip(pad, tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "pad.mp4"
    pad.clip(path, SOMEWHERE, LONG)
    return path


class Live:
    """`erase-live` and its window."""

    def __init__(self, desk, folder, source, *options):
        self.folder = folder
        self._log = (folder / "stderr").open("w")
        self.process = desk.start(
            [sys.executable, "-m", "realtime.live.cli", str(source), *options],
            cwd=folder,
            stderr=self._log,
        )
        self._seen = None
        self.window = desk.window("erase-live: .*")

    def said(self):
        return (self.folder / "stderr").read_text()

    def shows(self, condition):
        """Wait until the window's picture meets a condition; the picture."""

        def met():
            self._seen = self.window.picture()
            return condition(self._seen.astype(int))

        wait(met, "shown")
        return self._seen

    def close(self):
        """Kill it; what it said, and the picture that was looked at last, are for who reads why a test failed."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._log.close()
        print(self.said())
        if self._seen is not None:
            cv2.imwrite(str(self.folder / "seen.png"), self._seen)


@pytest.fixture
def start(desk, tmp_path):
    """Start the command in an empty folder; it is killed in the end."""
    begun = []

    def begin(source, *options):
        begun.append(Live(desk, tmp_path, source, *options))
        return begun[-1]

    yield begin
    for live in begun:
        live.close()


def patch(picture, x, y):
    """The mean colour around a pixel."""
    return picture[y - 4 : y + 5, x - 4 : x + 5].reshape(-1, 3).mean(axis=0)


def like(picture, other, x=SOMEWHERE, y=FACE, tolerance=25):
    return np.abs(patch(picture, x, y) - patch(other.astype(int), x, y)).max() < tolerance


def gone(pad, x=SOMEWHERE):
    """Where she stands, the sky shows."""
    return lambda picture: like(picture, pad.empty, x) and like(picture, pad.empty, x, CLOTHES, 40)


def there(pad, x=SOMEWHERE):
    return lambda picture: like(picture, pad.picture(x), x)


def divided_at(x):
    """The divider's white line is there."""
    return lambda picture: picture[60, x - 2 : x + 2].max(axis=0).min() > 245


def tinted(pad):
    """One solid hue lies over her face and her clothes."""
    standing = pad.picture(SOMEWHERE).astype(int)

    def hue(picture, y):
        return (patch(picture, SOMEWHERE, y) - (1 - TINT) * patch(standing, SOMEWHERE, y)) / TINT

    def condition(picture):
        face, clothes = hue(picture, FACE), hue(picture, CLOTHES)
        return np.abs(face - clothes).max() < 30 and np.ptp(face) > 120

    return condition


def quits(live):
    """Close the window; the program ends well (how soon is tested with the loop, where the clock is its own)."""
    live.window.close()
    assert live.process.wait(PATIENCE) == 0, live.said()
    assert "Traceback" not in live.said()


def test_a_person_who_comes_in_is_erased_and_the_original_is_a_key_away(start, pad, clip):
    live = start(clip)
    live.window.keys("space")
    live.shows(there(pad))
    live.window.keys("space")
    picture = live.shows(gone(pad))
    assert picture[9:14, 20:120].max() > 150, "no HUD"
    quits(live)


def test_a_click_erases_what_was_tinted_and_a_right_click_brings_it_back(start, pad, clip):
    live = start(clip, "--target", "none")
    live.shows(tinted(pad))
    live.window.click(SOMEWHERE, CLOTHES)
    live.shows(gone(pad))
    live.window.click(SOMEWHERE, CLOTHES, "right")
    live.shows(lambda picture: not gone(pad)(picture))
    quits(live)


def test_the_divider_parts_before_and_after(start, pad, clip):
    live = start(clip)
    live.window.keys("v")
    live.shows(divided_at(WIDTH // 2))
    live.window.drag([(WIDTH // 2, 20), (WIDTH // 2 + 20, 20), (450, 20)])
    live.shows(there(pad))
    live.window.drag([(450, 20), (400, 20), (150, 20)])
    live.shows(gone(pad))
    quits(live)


def test_keys_record_take_a_snapshot_and_write_the_selection(start, pad, clip):
    live = start(clip, "--target", "none")
    live.shows(tinted(pad))
    live.window.click(SOMEWHERE, CLOTHES)
    live.shows(gone(pad))
    live.window.keys("r")
    live.shows(lambda picture: ((picture[:30, 540:, 2] > 200) & (picture[:30, 540:, 1] < 130)).any())
    live.window.keys("s")
    wait(lambda: list(live.folder.glob("*.png")), "saved")
    live.window.keys("w")
    wait(lambda: list(live.folder.glob("*.json")), "written")
    quits(live)
    (snapshot,), (selection,) = live.folder.glob("*.png"), live.folder.glob("*.json")
    assert gone(pad)(cv2.imread(str(snapshot)).astype(int))
    assert json.loads(selection.read_text())["edits"][0]["do"] == "erase"
    assert list(live.folder.glob("*.m*")), "no recording"


def test_a_photo_is_edited(start, pad, photo):
    live = start(photo, "--target", "none")
    live.shows(tinted(pad))
    live.window.drag([(SOMEWHERE, CLOTHES), (SOMEWHERE + 60, CLOTHES), (ELSEWHERE, CLOTHES)], "alt")
    live.shows(there(pad, ELSEWHERE))
    live.shows(lambda picture: not there(pad)(picture))
    live.window.keys("u")
    live.shows(tinted(pad))
    live.window.drag([(200, 90), (300, 200), (400, HEIGHT - 1)])
    live.shows(lambda picture: not tinted(pad)(picture))
    live.window.keys("s")
    wait(lambda: list(live.folder.glob("*.png")), "saved")
    quits(live)
