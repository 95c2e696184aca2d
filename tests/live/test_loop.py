"""The live loop: newest frame only, faults in every stage, stalls, what the user asks for."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from realtime.edits import Clear, Erase, TimedEdit
from realtime.errors import EraserError
from realtime.live import capturing, loop
from realtime.live.control import Control
from realtime.live.loop import Places
from tests.live.fakes import FakeCamera, FakeFiller, FakeWorker, Parts, lost, running

ENDED = 2.0  # seconds in which every thread has to end


def fail(error: BaseException, at: int = 5):
    """An `act` that raises `error` when its number comes."""

    def act(number: int = at) -> None:
        if number == at:
            raise error

    return act


@pytest.fixture(autouse=True)
def _all_threads_end():
    assert not running()
    yield
    assert not running()


def test_frames_come_through_in_order_with_the_times_they_were_captured_at():
    parts = Parts(lambda: FakeCamera(pictures=30))
    parts.run()
    assert [shown.number for shown in parts.shown] == sorted(shown.number for shown in parts.shown)
    assert len(parts.shown) + parts.loop.dropped == 30
    assert all(shown.captured <= time.monotonic() for shown in parts.shown)
    assert parts.worker.owners == {"process"}


def test_a_slow_eraser_gets_the_newest_frame_and_nothing_queues():
    parts = Parts(lambda: FakeCamera(rate=100, pictures=100), FakeWorker(seconds=0.05))
    parts.run()
    assert 12 <= len(parts.shown) <= 25
    assert parts.loop.dropped == parts.capturing.captured - len(parts.shown) >= 70
    # One in flight and one waiting: never older than the time of one step and one frame.
    assert parts.loop.measures.latency.p90 < 120


def test_a_slow_window_gets_the_newest_picture():
    parts = Parts(lambda: FakeCamera(rate=100, pictures=100))
    parts.run(lambda shown: time.sleep(0.05))
    assert parts.loop.dropped >= 70
    gaps = np.diff([shown.number for shown in parts.shown])
    assert np.median(gaps) >= 4


def test_the_status_tells_rate_latency_and_what_was_dropped():
    parts = Parts(lambda: FakeCamera(rate=50, pictures=100), fps=50)
    parts.run()
    status = parts.shown[-1].status
    assert 10 < status.fps < 56  # the machine may be busy
    assert 0 < status.latency_ms < 1000
    assert (status.device, status.coverage, status.connected) == ("cpu", 1.0, True)
    assert 10 < parts.loop.measures.rate < 56


def test_the_time_of_a_frame_without_a_picture_is_counted():
    parts = Parts(lambda: FakeCamera(rate=50, pictures=20), fps=50)
    parts.run(lambda shown: time.sleep(0.3 if shown.number == 10 else 0))
    assert parts.loop.measures.repeated >= 10


FAULTS = {
    "capture": lambda error: Parts(lambda: FakeCamera(fail(error))),
    "process": lambda error: Parts(worker=FakeWorker(fail(error))),
}


@pytest.mark.parametrize("stage", FAULTS)
@pytest.mark.parametrize("error", [RuntimeError("it broke"), MemoryError(), EraserError("it broke")])
def test_a_fault_in_a_stage_ends_all_and_is_raised_in_one_line(stage, error):
    begin = time.monotonic()
    with pytest.raises(EraserError) as caught:
        FAULTS[stage](error).run()
    assert time.monotonic() - begin < ENDED
    assert "\n" not in str(caught.value)
    if isinstance(error, EraserError):
        assert caught.value is error
    else:
        assert stage in str(caught.value)


@pytest.mark.parametrize("error", [RuntimeError("it broke"), KeyboardInterrupt()])
def test_a_fault_of_the_window_ends_all(error):
    parts = Parts()
    begin = time.monotonic()
    with pytest.raises((EraserError, KeyboardInterrupt)):
        parts.run(lambda shown: fail(error)(shown.number))
    assert time.monotonic() - begin < ENDED


def test_a_fault_of_the_encoder_ends_the_recording_only(tmp_path, monkeypatch):
    from realtime.live.recorder import Recorder

    monkeypatch.setattr(Recorder, "write", lambda self, image, captured: fail(EraserError("no room"))(5))
    parts = Parts(lambda: FakeCamera(pictures=40), record=str(tmp_path / "out.mp4"))
    parts.run()
    assert len(parts.shown) > 20
    assert any(shown.status.message == "recording has stopped: no room" for shown in parts.shown)
    assert parts.recording.failure == "no room"


def test_an_unforeseen_fault_of_the_encoder_is_raised(tmp_path, monkeypatch):
    from realtime.live.recorder import Recorder

    monkeypatch.setattr(Recorder, "write", lambda self, image, captured: 1 / 0)
    with pytest.raises(EraserError, match="record failed: ZeroDivisionError"):
        Parts(record=str(tmp_path / "out.mp4")).run()


def test_a_fault_of_the_filler_leaves_the_quick_guess_and_says_so():
    parts = Parts(filler=FakeFiller(lambda: fail(RuntimeError("no memory"))()))

    def act(shown) -> None:
        if shown.number == 3:
            parts.filling.later(Job())
        if shown.number > 10 and shown.status.message:
            parts.loop.control(Control.QUIT)

    parts.run(act)
    assert "the filler failed (RuntimeError)" in parts.shown[-1].status.message
    assert parts.worker.log == []


class Job:
    """A fill job as far as the fill thread looks at it."""

    image = np.zeros((8, 8, 3), np.uint8)
    mask = np.full((8, 8), 255, np.uint8)


def test_a_fill_is_made_beside_the_loop_and_given_back_to_the_eraser():
    parts = Parts(lambda: FakeCamera(pictures=40), filler=FakeFiller(lambda: time.sleep(0.2)))
    job = Job()
    parts.run(lambda shown: parts.filling.later(job) if shown.number == 3 else None)
    assert parts.worker.log == [("filled", job, (8, 8, 3))]
    # The loop went on meanwhile.
    assert max(np.diff([shown.captured for shown in parts.shown])) < 0.15


def test_a_stage_that_hangs_does_not_hold_up_the_end():
    release = threading.Event()
    parts = Parts(worker=FakeWorker(lambda number: release.wait(8) if number == 5 else None))
    begin = time.monotonic()
    parts.run(seconds=0.5)
    assert time.monotonic() - begin < 0.5 + ENDED
    assert parts.loop.hanging == ("process",)
    release.set()
    deadline = time.monotonic() + 1
    while running() and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.parametrize("moment", ["at once", "later"])
def test_quit_ends_all(moment):
    parts = Parts()
    if moment == "at once":
        parts.loop.control(Control.QUIT)
    begin = time.monotonic()
    parts.run(lambda shown: parts.loop.control(Control.QUIT) if shown.number == 20 else None)
    assert time.monotonic() - begin < 1 + ENDED
    assert not parts.loop.running


def test_a_duration_ends_all():
    parts = Parts(duration=0.5)
    begin = time.monotonic()
    parts.run()
    assert time.monotonic() - begin == pytest.approx(0.5, abs=0.3)


def test_a_duration_also_ends_a_session_that_never_had_a_picture():
    class Silent(FakeCamera):
        def read(self, timeout):
            time.sleep(timeout)

    begin = time.monotonic()
    Parts(Silent, duration=0.4).run()
    assert time.monotonic() - begin < 0.4 + 1


def test_a_camera_that_is_lost_is_opened_again_while_the_plate_and_a_message_are_shown(monkeypatch):
    monkeypatch.setattr(loop, "STALLED", 0.2)
    monkeypatch.setattr(capturing, "FIRST_WAIT", 0.05)
    opened: list[FakeCamera] = []
    begin = time.monotonic()

    def open() -> FakeCamera:
        if opened and time.monotonic() - begin < 1.2:
            opened.append(FakeCamera(lost()))
            raise EraserError("fake camera is still away")
        opened.append(FakeCamera(fail(lost_error(), 10)) if not opened else FakeCamera(pictures=20))
        return opened[-1]

    parts = Parts(open)
    parts.run()
    away = [shown for shown in parts.shown if not shown.status.connected]
    assert away
    assert {shown.status.message for shown in away} <= {"fake camera is unplugged", "fake camera is still away"}
    assert "backdrop" in parts.worker.log
    assert parts.shown[-1].status.connected
    assert parts.capturing.reconnects == 1
    assert opened[0].closed
    assert len(opened) < 10  # it did not try all the time
    assert parts.loop.measures.repeated < 20  # what stood still meanwhile is not counted as frames repeated


def lost_error() -> EraserError:
    from realtime.live.camera import CameraLost

    return CameraLost("fake camera is unplugged")


def test_a_camera_that_stalls_shows_the_plate_and_says_so(monkeypatch):
    monkeypatch.setattr(loop, "STALLED", 0.2)
    parts = Parts(lambda: FakeCamera(lambda number: time.sleep(0.8 if number == 10 else 0), pictures=20))
    parts.run()
    away = [shown.status.message for shown in parts.shown if not shown.status.connected]
    assert away
    assert set(away) == {"fake camera gives no pictures: the background is shown"}
    assert parts.shown[-1].status.connected


def test_a_camera_that_stays_away_can_be_left():
    first = iter([FakeCamera(lost())])

    def open() -> FakeCamera:
        camera = next(first, None)
        if camera is None:
            raise EraserError("gone")
        return camera

    begin = time.monotonic()
    Parts(open).run(seconds=1.0)
    assert time.monotonic() - begin < 1.0 + ENDED


def test_edits_reach_the_eraser_in_its_own_thread_and_planned_ones_at_their_time():
    planned = [TimedEdit(0.0, Erase(1, 1)), TimedEdit(0.3, Erase(2, 2))]
    parts = Parts(lambda: FakeCamera(pictures=40), edits=planned)
    when = {}

    def act(shown) -> None:
        for entry in parts.worker.log:
            when.setdefault(entry, shown.captured - parts.shown[0].captured)
        if shown.number == 5:
            parts.loop.edit(Clear())

    parts.run(act)
    assert parts.worker.log == [Erase(1, 1), Clear(), Erase(2, 2)]
    assert when[Erase(2, 2)] == pytest.approx(0.3, abs=0.1)
    assert parts.worker.owners == {"process"}


def test_a_selection_is_written_with_all_edits_and_their_times(tmp_path):
    places = Places(selection=str(tmp_path / "selection.json"))
    parts = Parts(lambda: FakeCamera(pictures=40), edits=[TimedEdit(0.0, Erase(1, 1))], places=places)

    def act(shown) -> None:
        if shown.number == 20:
            parts.loop.edit(Erase(5, 6))
            parts.loop.control(Control.WRITE_SELECTION)

    parts.run(act)
    written = json.loads((tmp_path / "selection.json").read_text())
    assert (written["width"], written["height"]) == parts.capturing.size
    assert [edit["x"] for edit in written["edits"]] == [1, 5]
    assert written["edits"][0]["time"] == 0
    assert written["edits"][1]["time"] == pytest.approx(20 / 55, abs=0.15)
    assert "selection written" in parts.shown[-1].status.message


def test_controls_are_done_and_answered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loop, "COUNTDOWN", 0.25)
    parts = Parts(lambda: FakeCamera())
    asked = [
        (3, Control.SAVE_PLATE),
        (20, Control.LOAD_PLATE),
        (30, Control.SNAPSHOT),
        (40, Control.RECORD),
        (50, Control.CLEAN_PLATE),
        (90, Control.RECORD),
    ]

    def act(shown) -> None:
        if asked and shown.number >= asked[0][0]:
            parts.loop.control(asked.pop(0)[1])
        if (shown.status.message or "").startswith("recorded"):
            parts.loop.control(Control.QUIT)

    parts.run(act)
    said = list(dict.fromkeys(shown.status.message for shown in parts.shown))
    assert "plate saved as plate.npz" in said
    assert "plate.npz is no plate" in said
    assert any(message and message.startswith("saved erased-") for message in said)
    assert any(message and message.startswith("recorded ") for message in said)
    assert "clean plate taken" in said
    assert any(shown.status.countdown == 1 for shown in parts.shown)
    assert any(shown.status.recording is not None for shown in parts.shown)
    assert {path.suffix for path in Path().iterdir()} == {".png", ".mp4"}


def test_a_failed_edit_is_a_message():
    class Refusing(FakeWorker):
        def edit(self, edit: object) -> None:
            raise EraserError("nothing there to erase")

    parts = Parts(lambda: FakeCamera(pictures=30), worker=Refusing())
    parts.run(lambda shown: parts.loop.edit(Clear()) if shown.number == 5 else None)
    assert parts.shown[-1].status.message == "nothing there to erase"


class Still(FakeCamera):
    """One picture, and then nothing new."""

    still = True

    def read(self, timeout):
        if self._number:
            time.sleep(timeout)
            return None
        return super().read(timeout)


def test_a_photo_is_erased_again_only_until_an_edit_has_settled():
    parts = Parts(Still)
    parts.run(lambda shown: parts.loop.edit(Clear()) if shown.number == 0 else None, seconds=1.2)
    assert len(parts.shown) == 1 + loop.SETTLING
    times = [shown.result.frame.time for shown in parts.shown]
    assert times == sorted(set(times))
    assert parts.loop.measures.count == 0


def test_a_message_on_a_photo_goes_away(monkeypatch):
    monkeypatch.setattr(loop, "MESSAGE", 0.6)
    parts = Parts(Still)
    parts.run(lambda shown: parts.loop.control(Control.LOAD_PLATE) if shown.number == 0 else None, seconds=1.5)
    messages = [shown.status.message for shown in parts.shown]
    assert "plate.npz is no plate" in messages
    assert messages[-1] is None


def test_what_was_planned_for_a_photo_is_done_at_once():
    parts = Parts(Still, edits=[TimedEdit(7.5, Erase(1, 2))])
    parts.run(seconds=0.5)
    assert Erase(1, 2) in parts.worker.log
