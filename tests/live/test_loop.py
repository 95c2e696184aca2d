"""The live loop: newest frame only, faults in every stage, stalls, what the user asks for."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from realtime.edits import Clear, Erase, People, TimedEdit, Undo
from realtime.errors import EraserError
from realtime.live import capturing, loop, messages
from realtime.live.control import Control
from realtime.live.governor import Level
from realtime.live.loop import Places
from tests.cli import media
from tests.live.fakes import NEVER, FakeCamera, FakeFiller, FakeWorker, Parts, lost, running, until

GRACE = loop.GRACE
ENDED = 2.0  # seconds in which every thread has to end on a machine that has time


def fail(error: BaseException, at: int = 5):
    """An `act` that raises `error` when its number comes."""

    def act(number: int = at) -> None:
        if number == at:
            raise error

    return act


@pytest.fixture(autouse=True)
def _all_threads_end(monkeypatch):
    """By themselves, however busy the machine is: none is left behind when its time is over."""
    assert not running()
    monkeypatch.setattr(loop, "GRACE", NEVER)
    yield
    until(lambda: not running())


def test_what_hangs_is_left_behind_within_two_seconds():
    assert 2 * GRACE < ENDED


def test_frames_come_through_in_order_with_the_times_they_were_captured_at():
    parts = Parts(lambda: FakeCamera(pictures=30))
    parts.run()
    assert [shown.number for shown in parts.shown] == sorted(shown.number for shown in parts.shown)
    assert len(parts.shown) + parts.loop.dropped == 30
    assert all(shown.captured <= time.monotonic() for shown in parts.shown)
    assert parts.worker.owners == {"process"}


def test_a_slow_eraser_gets_the_newest_frame_and_nothing_queues():
    """While it works on a frame, nine others come."""

    def work(number: int) -> None:
        until(lambda: parts.capturing.captured >= min(100, 10 * (number + 1)))

    parts = Parts(lambda: FakeCamera(rate=1000, pictures=100), FakeWorker(work))
    parts.run()
    assert parts.worker.steps <= 12
    assert parts.loop.dropped == parts.capturing.captured - len(parts.shown)
    for index, shown in enumerate(parts.shown[:-1]):
        assert shown.result.image[0, 0, 0] >= 10 * index - 1  # pictures are numbered by their brightness


def test_a_slow_window_gets_the_newest_picture():
    parts = Parts(lambda: FakeCamera(rate=1000, pictures=100))
    parts.run(lambda shown: until(lambda: parts.capturing.captured >= min(100, 10 * len(parts.shown))))
    assert len(parts.shown) <= 12
    assert parts.loop.dropped == 100 - len(parts.shown)


def test_the_status_tells_rate_latency_and_what_was_dropped():
    parts = Parts(lambda: FakeCamera(rate=50, pictures=100), fps=50)
    parts.run()
    status = parts.shown[-1].status
    assert status.fps > 0
    assert status.latency_ms > 0
    assert status.dropped == parts.capturing.newest.dropped + parts.loop._shown.dropped
    assert (status.device, status.coverage, status.connected) == ("cpu", 1.0, True)


def test_the_time_of_a_frame_without_a_picture_is_counted():
    parts = Parts(lambda: FakeCamera(rate=50, pictures=20), fps=50)
    parts.run(lambda shown: time.sleep(0.3 if len(parts.shown) == 2 else 0))
    assert parts.loop.measures.repeated >= 10


FAULTS = {
    "capture": lambda error: Parts(lambda: FakeCamera(fail(error))),
    "process": lambda error: Parts(worker=FakeWorker(fail(error))),
}


@pytest.mark.parametrize("stage", FAULTS)
@pytest.mark.parametrize("error", [RuntimeError("it broke"), MemoryError(), EraserError("it broke")])
def test_a_fault_in_a_stage_ends_all_and_is_raised_in_one_line(stage, error):
    with pytest.raises(EraserError) as caught:
        FAULTS[stage](error).run()
    assert "\n" not in str(caught.value)
    if isinstance(error, EraserError):
        assert caught.value is error
    else:
        assert stage in str(caught.value)


@pytest.mark.parametrize("error", [RuntimeError("it broke"), KeyboardInterrupt()])
def test_a_fault_of_the_window_ends_all(error):
    parts = Parts()
    with pytest.raises((EraserError, KeyboardInterrupt)):
        parts.run(lambda shown: fail(error)(len(parts.shown)))
    assert not running()


def test_a_fault_of_the_encoder_ends_the_recording_only(tmp_path, monkeypatch):
    from realtime.live.recorder import Recorder

    monkeypatch.setattr(Recorder, "write", lambda self, image, captured: fail(EraserError("no room"))(5))
    parts = Parts(record=str(tmp_path / "out.mp4"))
    told: list[int] = []

    def act(shown) -> None:
        if shown.status.message == "recording has stopped: no room":
            told.append(shown.number)
        if told and shown.number > told[0] + 10:
            parts.loop.control(Control.QUIT)

    parts.run(act)
    assert told
    assert parts.shown[-1].number > told[0] + 10
    assert parts.recording.failure == "no room"


def test_an_unforeseen_fault_of_the_encoder_is_raised(tmp_path, monkeypatch):
    from realtime.live.recorder import Recorder

    monkeypatch.setattr(Recorder, "write", lambda self, image, captured: 1 / 0)
    with pytest.raises(EraserError, match="record failed: ZeroDivisionError"):
        Parts(record=str(tmp_path / "out.mp4")).run()


def test_a_fault_of_the_filler_leaves_the_quick_guess_and_says_so():
    parts = Parts(filler=FakeFiller(lambda: fail(RuntimeError("no memory"))()))

    def act(shown) -> None:
        if len(parts.shown) == 3:
            parts.filling.later(Job())
        if shown.status.message:
            parts.loop.control(Control.QUIT)

    parts.run(act)
    assert "the filler failed (RuntimeError)" in parts.shown[-1].status.message
    assert parts.worker.log == []


class Job:
    """A fill job as far as the fill thread looks at it."""

    image = np.zeros((8, 8, 3), np.uint8)
    mask = np.full((8, 8), 255, np.uint8)


def test_a_fill_is_made_beside_the_loop_and_given_back_to_the_eraser():
    release = threading.Event()
    parts = Parts(filler=FakeFiller(lambda: release.wait(NEVER)))
    job = Job()

    def act(shown) -> None:
        if len(parts.shown) == 3:
            parts.filling.later(job)
        if len(parts.shown) == 20:  # the loop has gone on meanwhile
            assert parts.worker.log == []
            release.set()
        if parts.worker.log:
            parts.loop.control(Control.QUIT)

    parts.run(act)
    assert parts.worker.log == [("filled", job, (8, 8, 3))]


def test_a_stage_that_hangs_does_not_hold_up_the_end(monkeypatch):
    monkeypatch.setattr(loop, "GRACE", GRACE)
    release = threading.Event()

    def hang(number: int) -> None:
        if number == 5:
            parts.loop.control(Control.QUIT)
            release.wait(2 * NEVER)

    parts = Parts(worker=FakeWorker(hang))
    begin = time.monotonic()
    parts.run()
    assert time.monotonic() - begin < NEVER
    assert "process" in parts.loop.hanging
    release.set()


def test_what_is_asked_for_shortly_before_leaving_is_done(tmp_path):
    """A frame is under way meanwhile, and no other follows."""
    busy = threading.Event()

    def work(number: int) -> None:
        if number == 5:
            busy.set()
            until(lambda: not parts.loop.running)

    def act(shown) -> None:
        if shown.number == 3:
            busy.wait(NEVER)
            parts.loop.edit(Erase(5, 6))
            for control in (Control.SNAPSHOT, Control.WRITE_SELECTION, Control.SAVE_PLATE, Control.QUIT):
                parts.loop.control(control)

    places = Places("plate.npz", str(tmp_path / "selection.json"), str(tmp_path / "shot.png"))
    parts = Parts(worker=FakeWorker(work), places=places)
    parts.run(act)
    assert json.loads((tmp_path / "selection.json").read_text())["edits"][0]["x"] == 5
    assert (media.read_picture(tmp_path / "shot.png") == parts.worker._result.image).all()
    assert ("save", "plate.npz") in parts.worker.log
    told = parts.loop.unread
    assert f"selection written to {tmp_path / 'selection.json'}" in told
    assert f"saved {tmp_path / 'shot.png'}" in told
    assert not [line for line in told if "before this was done" in line]


def test_what_could_not_be_done_any_more_is_told(monkeypatch):
    monkeypatch.setattr(loop, "GRACE", 0.1)
    busy, release = threading.Event(), threading.Event()

    def hang(number: int) -> None:
        if number == 5:
            busy.set()
            release.wait(2 * NEVER)

    def act(shown) -> None:
        if shown.number == 3:
            busy.wait(NEVER)
            for control in (Control.SNAPSHOT, Control.WRITE_SELECTION, Control.QUIT):
                parts.loop.control(control)

    parts = Parts(worker=FakeWorker(hang))
    parts.run(act)
    assert parts.loop.unread == ["the end came before this was done: snapshot, write selection"]
    parts.loop._wishes.clear()
    release.set()


def test_a_snapshot_that_an_encoder_holds_up_is_told_when_it_is_lost(tmp_path, monkeypatch):
    from realtime.live.recorder import Recorder

    monkeypatch.setattr(loop, "GRACE", 0.1)
    release = threading.Event()
    monkeypatch.setattr(Recorder, "write", lambda self, image, captured: release.wait(2 * NEVER))
    parts = Parts(record=str(tmp_path / "out.mp4"))

    def act(shown) -> None:
        if shown.number == 3:
            parts.loop.control(Control.SNAPSHOT)
            parts.loop.control(Control.QUIT)

    parts.run(act)
    assert parts.loop.unread == ["the end came before this was done: snapshot"]
    release.set()


@pytest.mark.parametrize("moment", ["at once", "later"])
def test_quit_ends_all(moment):
    parts = Parts()
    if moment == "at once":
        parts.loop.control(Control.QUIT)
    begin = time.monotonic()
    parts.run(lambda shown: parts.loop.control(Control.QUIT) if len(parts.shown) == 20 else None)
    assert time.monotonic() - begin < NEVER
    assert not parts.loop.running


def test_a_duration_ends_all():
    parts = Parts(duration=0.5)
    begin = time.monotonic()
    parts.run()
    assert 0.5 <= time.monotonic() - begin < NEVER


def test_a_duration_also_ends_a_session_that_never_had_a_picture():
    class Silent(FakeCamera):
        def read(self, timeout):
            time.sleep(timeout)

    begin = time.monotonic()
    Parts(Silent, duration=0.4).run()
    assert 0.4 <= time.monotonic() - begin < NEVER


def test_a_camera_that_is_lost_is_opened_again_while_the_plate_and_a_message_are_shown(monkeypatch):
    monkeypatch.setattr(loop, "STALLED", 0.2)
    monkeypatch.setattr(capturing, "FIRST_WAIT", 0.05)
    opened: list[FakeCamera] = []
    tries: list[float] = []

    def away() -> list:
        return [shown for shown in parts.shown if not shown.status.connected]

    def open() -> FakeCamera:
        tries.append(time.monotonic())
        if opened and not (len(tries) > 4 and away()):
            raise EraserError("fake camera is still away")
        opened.append(FakeCamera(fail(lost_error(), 10)) if not opened else FakeCamera(pictures=20))
        return opened[-1]

    parts = Parts(open)
    parts.run()
    assert {shown.status.message for shown in away()} & {"fake camera is unplugged", "fake camera is still away"}
    assert "backdrop" in parts.worker.log
    assert parts.shown[-1].status.connected
    assert parts.capturing.reconnects == 1
    assert opened[0].closed
    waits = np.diff(tries[1:])
    assert (waits >= 0.05 * 2.0 ** np.arange(1, len(waits) + 1)).all()  # it did not try all the time


def lost_error() -> EraserError:
    from realtime.live.camera import CameraLost

    return CameraLost("fake camera is unplugged")


def test_a_camera_that_stalls_shows_the_plate_and_says_so(monkeypatch):
    monkeypatch.setattr(loop, "STALLED", 0.2)

    def stall(number: int) -> None:
        if number == 10:
            until(lambda: any(not shown.status.connected for shown in parts.shown))

    parts = Parts(lambda: FakeCamera(stall, pictures=20))
    parts.run()
    away = [shown.status.message for shown in parts.shown if not shown.status.connected]
    assert set(away) == {"fake camera gives no pictures: the background is shown"}
    assert parts.shown[-1].status.connected


def test_a_long_picture_of_a_file_is_no_stall(monkeypatch):
    monkeypatch.setattr(loop, "STALLED", 0.1)
    parts = Parts(lambda: Film(lambda number: time.sleep(0.5 * (number == 10)), pictures=20))
    parts.run()
    assert all(shown.status.connected for shown in parts.shown)
    assert "backdrop" not in parts.worker.log


def test_a_countdown_to_a_clean_plate_starts_again_while_the_camera_is_away(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)
    monkeypatch.setattr(loop, "STALLED", 0.2)
    monkeypatch.setattr(loop, "COUNTDOWN", 1000.0)

    def away() -> int:
        return sum(not shown.status.connected for shown in parts.shown)

    def stall(number: int) -> None:
        if number == 10:
            until(away)
            clock.ahead += 1000
            before = away()
            until(lambda: away() > before + 1)

    parts = Parts(lambda: FakeCamera(stall, pictures=20))
    parts.run(lambda shown: parts.loop.control(Control.CLEAN_PLATE) if shown.number == 2 else None)
    assert parts.shown[-1].status.connected
    assert parts.shown[-1].status.countdown is not None
    assert not [entry for entry in parts.worker.log if entry != "backdrop"]


def test_a_camera_that_stays_away_can_be_left():
    first = iter([FakeCamera(lost())])

    def open() -> FakeCamera:
        camera = next(first, None)
        if camera is None:
            raise EraserError("gone")
        return camera

    begin = time.monotonic()
    Parts(open).run(seconds=1.0)
    assert time.monotonic() - begin < NEVER


def test_edits_reach_the_eraser_in_its_own_thread_and_planned_ones_at_their_time():
    class Noting(FakeWorker):
        def step(self, frame):
            self.log.append(frame.time)
            return super().step(frame)

    planned = [TimedEdit(0.0, Erase(1, 1)), TimedEdit(0.3, Erase(2, 2))]
    parts = Parts(edits=planned, worker=Noting())

    def act(shown) -> None:
        if len(parts.shown) == 3:
            parts.loop.edit(Clear())
        if {Erase(2, 2), Clear()} <= set(parts.worker.log):
            parts.loop.control(Control.QUIT)

    parts.run(act)
    log = [*parts.worker.log, float("inf")]
    assert log[0] == Erase(1, 1)
    at = log.index(Erase(2, 2))
    times = [[each for each in part if isinstance(each, float)] for part in (log[:at], log[at:])]
    assert max(times[0]) < 0.3
    assert min(times[1]) > 0.3 - 1e-4
    assert parts.worker.owners == {"process"}


def test_a_planned_edit_takes_effect_on_the_frame_of_its_time_however_that_is_rounded():
    parts = Parts(
        lambda: Film(lambda number: until(lambda: parts.worker.steps >= number), pictures=6),
        edits=[TimedEdit(3 + 5e-7, Erase(1, 1))],
    )
    parts.run()
    assert [timed.time for timed in parts.loop._log] == [3]


def test_what_was_lowered_is_counted_for_as_long_as_it_was():
    class Lowered:
        level = Level(0.05, lowered=("closer looks",))
        frame_time = 1 / 60

        def spent(self, seconds: float, now: float) -> None:
            pass

    parts = Parts(lambda: FakeCamera(rate=20, pictures=12))
    parts.loop._governor = Lowered()
    begin = time.monotonic()
    parts.run()
    assert 0.3 < parts.loop.lowered["closer looks"] <= time.monotonic() - begin


def test_a_selection_is_written_with_all_edits_and_their_times(tmp_path):
    places = Places(selection=str(tmp_path / "selection.json"))
    parts = Parts(edits=[TimedEdit(0.0, Erase(1, 1))], places=places)

    def act(shown) -> None:
        if len(parts.shown) == 20:
            parts.loop.edit(Erase(5, 6))
            parts.loop.control(Control.WRITE_SELECTION)
        if "selection written" in (shown.status.message or ""):
            parts.loop.control(Control.QUIT)

    parts.run(act)
    written = json.loads((tmp_path / "selection.json").read_text())
    assert (written["width"], written["height"]) == parts.capturing.size
    assert [edit["x"] for edit in written["edits"]] == [1, 5]
    assert written["edits"][0]["time"] == 0
    times = [shown.result.frame.time for shown in parts.shown]
    assert times[19] - 0.001 <= written["edits"][1]["time"] <= times[-1] + 0.001
    assert "selection written" in parts.shown[-1].status.message


def written(parts: Parts, path: Path, act) -> dict:
    """The selection that is written after `act` has been called with each picture and has returned True."""
    asked = False

    def watch(shown) -> None:
        nonlocal asked
        if not asked and act(shown):
            asked = True
            parts.loop.control(Control.WRITE_SELECTION)
        if "selection written" in (shown.status.message or ""):
            parts.loop.control(Control.QUIT)

    parts.run(watch)
    return json.loads(path.read_text())


class Film(FakeCamera):
    """A file's pictures: each is a second later, however fast they come."""

    paced = True

    def read(self, timeout):
        capture = super().read(timeout)
        return None if capture is None else capture._replace(time=float(self._number))


def test_edits_of_a_file_have_its_own_times_however_fast_it_is_played(tmp_path):
    places = Places(selection=str(tmp_path / "selection.json"))
    parts = Parts(Film, edits=[TimedEdit(12.0, Erase(1, 1))], places=places)

    def act(shown) -> bool:
        if len(parts.shown) == 3:
            parts.loop.edit(Erase(5, 6))
        return {Erase(1, 1), Erase(5, 6)} <= set(parts.worker.log)

    edits = written(parts, tmp_path / "selection.json", act)["edits"]
    planned, done = sorted(edits, key=lambda edit: edit["x"])
    assert planned["time"] >= 12
    assert done["time"] >= 3
    assert done["time"] == int(done["time"])


class Shrinking(FakeCamera):
    """Its pictures are half as wide from the 20th on."""

    def read(self, timeout):
        capture = super().read(timeout)
        return capture if self._number <= 20 else capture._replace(image=capture.image[:, ::2])


def test_a_selection_speaks_of_the_size_that_the_picture_has_by_now(tmp_path):
    places = Places(selection=str(tmp_path / "selection.json"))
    planned = [TimedEdit(0.0, Erase(9.5, 1)), TimedEdit(1e9, Erase(1, 1))]
    parts = Parts(Shrinking, edits=planned, places=places)
    width, height = parts.capturing.size

    def act(shown) -> bool:
        if shown.number == 5:
            parts.loop.edit(Erase(width - 20.5, height - 20))
        return shown.result.image.shape[1] < width

    content = written(parts, tmp_path / "selection.json", act)
    assert (content["width"], content["height"]) == (width // 2, height)
    places = [(edit["x"], edit["y"]) for edit in content["edits"]]
    assert places == [(4.5, 1), (width / 2 - 10.5, height - 20)]
    assert parts.loop._planned[0].edit == Erase(0.25, 1)


def test_a_selection_says_that_people_are_erased_and_leaves_out_what_was_taken_back(tmp_path):
    places = Places(selection=str(tmp_path / "selection.json"))
    parts = Parts(people=True, places=places)

    def act(shown) -> bool:
        if shown.number == 3:
            for edit in (Undo(), Erase(1, 1), Erase(2, 2), Undo()):
                parts.loop.edit(edit)
        return len(parts.worker.log) == 4

    people, click = written(parts, tmp_path / "selection.json", act)["edits"]
    assert people == {"time": 0, "do": "people", "erase": True}
    assert (click["do"], click["x"]) == ("erase", 1)


@pytest.mark.parametrize(("at_first", "planned"), [(True, ()), (False, (TimedEdit(0.0, People(True)),))])
def test_people_are_turned_off_and_on_whoever_has_turned_them_on(at_first, planned):
    parts = Parts(people=at_first, edits=planned)

    def act(shown) -> None:
        if shown.number == 3:
            parts.loop.control(Control.PEOPLE)
            parts.loop.control(Control.PEOPLE)
            parts.loop.edit(Undo())
            parts.loop.control(Control.PEOPLE)
            parts.loop.edit(Clear())
            parts.loop.control(Control.PEOPLE)
        if len(parts.worker.log) == 6 + len(planned):
            parts.loop.control(Control.QUIT)

    parts.run(act)
    off, on = People(False), People(True)
    assert parts.worker.log[len(planned) :] == [off, on, Undo(), on, Clear(), People(not at_first)]


def test_controls_are_done_and_answered(tmp_path, monkeypatch):
    """Each is asked for when the answer to the one before is seen."""
    monkeypatch.chdir(tmp_path)
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)
    said = lambda text: lambda status: text in (status.message or "")  # noqa: E731
    asked = [
        (Control.SAVE_PLATE, said("plate saved as plate.npz")),
        (Control.LOAD_PLATE, said("plate.npz is no plate")),
        (Control.SNAPSHOT, said("saved erased-")),
        (Control.RECORD, lambda status: status.recording is not None),
        (Control.CLEAN_PLATE, lambda status: status.countdown == 3),
        (None, said("clean plate taken")),
        (Control.RECORD, said("recorded ")),
        (Control.QUIT, said("nothing more")),
    ]
    waiting = []

    def act(shown) -> None:
        if waiting and not waiting[0](shown.status):
            return
        control, answer = asked.pop(0)
        waiting[:] = [answer]
        clock.ahead += messages.STANDS  # the answer before has been read
        if control is None:
            clock.ahead += loop.COUNTDOWN
        else:
            parts.loop.control(control)

    parts = Parts()
    parts.run(act)
    assert asked == []
    assert {path.suffix for path in Path().iterdir()} == {".png", ".mp4"}


class Clock:
    """The module `time`, with a clock that can be put forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def strftime(self, text: str) -> str:
        return time.strftime(text)


def test_a_failed_edit_is_a_message():
    class Refusing(FakeWorker):
        def edit(self, edit: object) -> None:
            raise EraserError("nothing there to erase")

    parts = Parts(worker=Refusing())

    def act(shown) -> None:
        if len(parts.shown) == 3:
            parts.loop.edit(Clear())
        if shown.status.message:
            parts.loop.control(Control.QUIT)

    parts.run(act)
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
    class Settled(Still):
        """Looks a while longer when that should be so."""

        def read(self, timeout):
            if self._number and parts.worker.steps > loop.SETTLING:
                time.sleep(0.5)
                parts.loop.control(Control.QUIT)
            return super().read(timeout)

    parts = Parts(Settled)
    parts.run(lambda shown: parts.loop.edit(Clear()) if shown.number == 0 else None)
    assert parts.worker.steps == 1 + loop.SETTLING
    times = [shown.result.frame.time for shown in parts.shown]
    assert times == sorted(set(times))
    assert parts.loop.measures.count == 0


def test_a_message_on_a_photo_goes_away(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)
    parts = Parts(Still)
    said = []

    def act(shown) -> None:
        if shown.number == 0:
            parts.loop.control(Control.LOAD_PLATE)
        if shown.status.message is None and said[-1:] != [None]:
            said.append(None)
        elif shown.status.message is not None and said[-1:] == [None]:
            said.append(shown.status.message)
            clock.ahead += messages.STAYS
        if len(said) == 3:
            parts.loop.control(Control.QUIT)

    parts.run(act)
    assert said == [None, "plate.npz is no plate", None]


def test_what_was_planned_for_a_photo_is_done_at_once():
    parts = Parts(Still, edits=[TimedEdit(7.5, Erase(1, 2))])
    parts.run(lambda shown: parts.loop.control(Control.QUIT))
    assert Erase(1, 2) in parts.worker.log
