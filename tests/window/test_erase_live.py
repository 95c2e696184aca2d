"""The command itself, in its window: what a user sees and does."""

from __future__ import annotations

import json
import sys
import time

import cv2
import numpy as np
import pytest

from realtime.live.views import TINT
from tests.window.desk import wait
from tests.window.people import CLOTHES, FACE, HEIGHT, WIDTH, LaunchPad

SOMEWHERE = 300  # the column at which she stands
ELSEWHERE = 480


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
    pad.clip(path, SOMEWHERE, 20)
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
        self.window = desk.window("erase-live: .*")

    def said(self):
        return (self.folder / "stderr").read_text()

    def shows(self, condition, seconds=20):
        """Wait until the window's picture meets a condition; the picture."""
        wait(lambda: condition(self.window.picture().astype(int)), seconds)
        return self.window.picture().astype(int)

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self._log.close()
        print(self.said())  # for who reads why a test failed


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
    """Close the window; the program ends well and at once."""
    begin = time.monotonic()
    live.window.close()
    assert live.process.wait(10) == 0, live.said()
    assert time.monotonic() - begin < 2
    assert "Traceback" not in live.said()


def test_a_person_who_comes_in_is_erased_and_the_original_is_a_key_away(start, pad, clip):
    live = start(clip)
    time.sleep(2)
    live.shows(gone(pad))
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
    time.sleep(2)
    live.shows(gone(pad))
    live.window.keys("v")
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
    wait(lambda: list(live.folder.glob("*.png")))
    live.window.keys("w")
    wait(lambda: list(live.folder.glob("*.json")))
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
    wait(lambda: list(live.folder.glob("*.png")))
    quits(live)
