"""How the window that selects is opened, and left before it has begun."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from realtime.edits import Erase
from realtime.errors import EraserError
from realtime.live.ui import Action, Key, Mouse, UiState
from realtime.media import temporary
from realtime.select import session
from realtime.select.clip import Clip
from realtime.select.session import Options, select
from realtime.select.ui import begun, react
from realtime.tracking.selectionfile import read_selection
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


def test_where_nothing_can_be_written_that_is_told_before_the_file_is_looked_through(clip, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(session, "check_display", lambda otherwise: None)
    monkeypatch.setattr(session, "Clip", None)
    monkeypatch.setattr(temporary.Path, "mkdir", refuse)
    with pytest.raises(EraserError, match=r"cannot be written to: Permission denied"):
        select(str(tmp_path / "in.mp4"), Options(tmp_path / "s.json"))


def test_what_was_selected_outlives_the_file_and_goes_on_when_that_is_back(clip, tmp_path):
    """A disk that is unplugged for a moment, say."""
    list(clip.scan())
    follower = SimpleNamespace(
        version=0, busy=False, failure=None, reach=(), ask=lambda wanted: None,
        things=lambda index, image: (), painted=lambda index, size: None,
    )  # fmt: skip
    looking = session._Session(clip, follower, tmp_path / "s.json")
    state = begun(UiState.start(clip.width, clip.height), [clip.seconds(i) for i in range(len(clip))], clip.cuts, ())
    for event in (Mouse(Action.LEFT_DOWN, 9, 9), Mouse(Action.LEFT_UP, 9, 9)):
        state, _ = react(state, event, ())
    first = looking.look(state).image
    file = tmp_path / "in.mp4"
    file.rename(tmp_path / "away.mp4")
    clip.close()
    state, _ = react(state, Key("end"), ())
    sight = looking.look(state)
    assert sight.image is first
    assert "in.mp4" in sight.fault
    assert looking.save(state)
    assert [timed.edit for timed in read_selection(tmp_path / "s.json", clip.width, clip.height)] == [Erase(9, 9, 1)]
    (tmp_path / "away.mp4").rename(file)
    state, _ = react(state, Key(","), ())
    sight = looking.look(state)
    assert sight.fault is None
    assert media.difference(sight.image, media.pictures(8)[6]) < 6
