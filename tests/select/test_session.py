"""How the window that selects is opened, and left before it has begun."""

from __future__ import annotations

import pytest

from realtime.errors import EraserError
from realtime.live.ui import Action, Key, Mouse
from realtime.select import session
from realtime.select.clip import Clip
from realtime.select.session import Options, select
from tests.cli import media


class FakeWindow:
    """A window in which keys are pressed, a list for each look at them."""

    visible = True

    def __init__(self, *events):
        self.looks = 0
        self._events = iter(events)

    def progress(self, image, share):
        pass

    def events(self):
        self.looks += 1
        return next(self._events, [])


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "OFTEN", 0.0)
    clip = Clip(str(media.write_video(tmp_path / "in.mp4", media.pictures(8))))
    yield clip
    clip.close()


@pytest.mark.parametrize("key", ["q", "escape"])
def test_it_can_be_left_while_the_file_is_looked_through(clip, key):
    window = FakeWindow([Mouse(Action.MOVE, 3, 4)], [Key("h")], [Key("h"), Key(key)])
    assert not session._scanned(clip, window)
    assert window.looks == 3


def test_other_keys_do_not_stop_the_look_through_the_file(clip):
    assert session._scanned(clip, FakeWindow([Key("h")]))
    assert len(clip) == 8


def test_a_selection_that_cannot_be_kept_is_refused_before_the_window_opens(clip, tmp_path):
    with pytest.raises(EraserError, match="nowhere is not a folder"):
        select(str(tmp_path / "in.mp4"), Options(tmp_path / "nowhere" / "s.json"))
    with pytest.raises(EraserError, match="an input"):
        select(str(tmp_path / "in.mp4"), Options(tmp_path / "in.mp4"))
