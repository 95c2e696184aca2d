"""The live loop: capture -> erase -> show, always on the newest frame, never in a queue.

    loop = LiveLoop(capturing, worker, filling, recording, governor, fps=30, device="cpu")
    loop.run(watch)  # watch(loop) shows what `loop.newest` gives, in the caller's thread

Threads and what they own: "capture" the source (`capturing`), "process" the eraser (`worker`) and the governor, "fill"
the filler's network (`filling`), "record" the encoder and the virtual camera (`recording`), the caller's the window
and what it presents. One frame is in flight, one waits; between process and window one picture waits, and a newer one
takes its place. Nothing else is shared but what a docstring here names.

Shutdown is one mechanism: `stop` of the slots and channels between the threads. A failure of any thread, Ctrl-C, and
the end of `watch` all lead to it, through `realtime.crew.Crew`.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2

from realtime import ops
from realtime.background.plate import SEEN
from realtime.channel import Stopped
from realtime.crew import Crew
from realtime.edits import People, TimedEdit, in_force, scaled
from realtime.errors import EraserError
from realtime.frame import Frame
from realtime.live.control import Control, Shown, Status
from realtime.live.measures import Presented
from realtime.live.messages import Messages
from realtime.live.newest import Closed, Newest
from realtime.observer import ROUNDING_S
from realtime.report import StageTimes
from realtime.tracking.selectionfile import write_selection

if TYPE_CHECKING:
    import numpy as np

    from realtime.edits import Edit
    from realtime.live.camera import Capture
    from realtime.live.capturing import Capturing
    from realtime.live.control import Live
    from realtime.live.filling import Filling
    from realtime.live.governor import Governor
    from realtime.live.recording import Recording
    from realtime.live.worker import Worker
    from realtime.result import Result

TIME_BASE = Fraction(1, 90000)
GRACE = 0.9  # seconds in which the threads may end by themselves, and again in which they must when stopped
STALLED = 1.0  # seconds, or time of so many frames, without a picture after which the plate is shown
STALLED_FRAMES = 3
COUNTDOWN = 3.0  # seconds to step out of view before a clean plate is taken
SETTLING = 4  # times that a photo is erased after an edit: masks give way slowly, as they must in a film
_TICK = 0.1  # seconds after which the process thread looks around though no picture has come


@dataclass(frozen=True, slots=True)
class Places:
    """Where what the user asks for by keys is kept: the clean plate, selections and snapshots (names get the time)."""

    plate: str = "plate.npz"
    selection: str = "selection-%Y%m%d-%H%M%S.json"
    snapshot: str = "erased-%Y%m%d-%H%M%S.png"


class LiveLoop:
    """One session; the module's docstring tells who owns what.

    `newest`, `presented`, `edit`, `control` and `running` are for the thread that shows, see `realtime.live.control`.
    presented_: rate and latency, written by that thread. stages: times by stage. failures of an edit or a control are
    messages; of a stage, the end.
    """

    def __init__(
        self,
        capturing: Capturing,
        worker: Worker,
        filling: Filling,
        recording: Recording,
        governor: Governor | None,
        *,
        fps: float,
        device: str,
        people: bool = False,
        edits: Sequence[TimedEdit] = (),
        duration: float | None = None,
        blind: bool = False,
        places: Places = Places(),
    ) -> None:
        """governor: None where the time that a frame takes does not matter. people: whether every person is erased from
        the start. edits: what is to happen at which time of the file that is played, or else of the session, in order.
        fps: pictures per second that are due; device: what the networks run on, for the status. duration: seconds
        after which to end. blind: nobody sees the pictures, so it also ends when recording fails.
        """
        self.measures = Presented(fps)
        self.stages = StageTimes()
        self.lowered: dict[str, float] = {}  # seconds for which each thing was lowered
        self.hanging: tuple[str, ...] = ()
        self._capturing, self._worker, self._filling, self._recording = capturing, worker, filling, recording
        self._governor = governor
        self._device, self._places, self._duration, self._blind = device, places, duration, blind
        self._patience = max(STALLED, STALLED_FRAMES / fps)
        self._shown: Newest[Shown] = Newest()
        self._wishes: deque[Edit | Control] = deque()  # showing thread -> process thread
        self._at_first = people
        self._planned: deque[TimedEdit] = deque(edits)
        self._log: list[TimedEdit] = []
        self._size: tuple[int, int] | None = None  # (height, width) of the pictures that both speak of
        self._messages = Messages()
        self._clean_at: float | None = None
        self._restless = 0  # times that a photo is to be erased again
        self._snapshot = False
        self._number = 0
        self._started = 0.0
        self._first: float | None = None  # when the first frame was captured
        self._done = 0.0  # when the latest frame was
        self._last: Capture | None = None
        self._latest: tuple[np.ndarray, float] | None = None  # the picture that was shown last, when it was captured

    def run(self, watch: Callable[[Live], None]) -> None:
        """Run until the source ends, `watch` returns or a stage fails; raises EraserError in that case."""
        self._started = time.monotonic()
        crew = Crew(self._capturing, self._shown, self._filling, self._recording, grace=GRACE)
        try:
            with crew:
                crew.start("record", self._recording.run, may_hang=True)
                crew.start("fill", self._filling.run, may_hang=True)
                crew.start("process", self._process, may_hang=True)
                crew.start("capture", self._capturing.run, may_hang=True)
                watch(self)
                self._capturing.stop()
                crew.wait(GRACE)
        finally:
            self.hanging = crew.hanging

    @property
    def running(self) -> bool:
        """False once the source has ended, QUIT was asked for or a stage has failed."""
        return not self._shown.over

    def newest(self, timeout: float) -> Shown | None:
        """The newest picture that was not given yet; waits up to `timeout` seconds for one, None where none came."""
        try:
            return self._shown.take(timeout)
        except (Closed, Stopped):
            return None

    def presented(self, shown: Shown) -> None:
        """The picture is on the screen: its latency ends."""
        if shown.status.connected and not self._capturing.still:
            self.measures.add(shown.captured, time.monotonic())
        else:
            self.measures.pause()

    def edit(self, edit: Edit) -> None:
        """What the user did to the selection; takes effect on the next frame."""
        self._wishes.append(edit)

    def control(self, control: Control) -> None:
        """What the user asks for; done with the next frame, or at the end when none follows; QUIT at once."""
        if control is Control.QUIT:
            self._shown.stop()
            self._capturing.stop()
        else:
            self._wishes.append(control)

    @property
    def dropped(self) -> int:
        """Captured frames that were not presented."""
        return self._capturing.newest.dropped + self._shown.dropped

    @property
    def unread(self) -> list[str]:
        """Once it has run: what could not be said any more, and what was asked for and could not be done."""
        self._hear()
        undone = [wish.value for wish in tuple(self._wishes) if isinstance(wish, Control)]
        undone += [Control.SNAPSHOT.value] * (self._snapshot + len(self._recording.unsaved))
        lines = self._messages.unread(time.monotonic())
        return [*lines, f"the end came before this was done: {', '.join(undone)}"] if undone else lines

    def load_plate(self) -> None:
        """Begin with the plate that was kept; raises EraserError. By the process thread, or before `run`."""
        width, height = self._capturing.size if self._last is None else self._last.image.shape[1::-1]
        self._worker.load_plate(self._places.plate, (height, width))

    # The process thread.

    def _process(self) -> None:
        try:
            with suppress(Closed, Stopped):  # the source has ended, or the user leaves
                while not self._is_over():
                    capture = self._capturing.newest.take(_TICK)
                    changed = self._obey()
                    if capture is not None:
                        self._last = capture
                        self._erase(capture)
                    elif self._capturing.still and self._last is not None and self._photo_changes(changed):
                        self._erase(self._last._replace(captured=time.monotonic()))
                    else:
                        self._look_for_a_stall()
            self._obey()  # what was asked for just before
            if self._latest is not None and self._snapshot:
                self._record(*self._latest)
        finally:
            self._recording.close()
            self._shown.close()
            self._filling.stop()

    def _photo_changes(self, wished: bool) -> bool:
        """Whether a photo has to be shown anew: after what the user wished for, while time changes what is shown."""
        self._hear()
        if wished:
            self._restless = SETTLING
        elif self._clean_at is not None or self._messages.due(time.monotonic()):
            self._restless = max(1, self._restless)
        if self._restless == 0:
            return False
        self._restless -= 1
        return True

    def _is_over(self) -> bool:
        """Whether the duration has passed, or nothing is left that pictures would be for."""
        if self._blind and self._recording.failure is not None and not self._recording.useful:
            return True
        if self._duration is None:
            return False
        return time.monotonic() - (self._started if self._first is None else self._first) >= self._duration

    def _erase(self, capture: Capture) -> None:
        """Erase in a frame and show it."""
        begin = time.monotonic()
        if self._first is None:
            self._first, self._done = capture.captured, begin
        position = capture.captured - self._first
        frame = Frame(capture.image, self._number, round(position / TIME_BASE), TIME_BASE)
        while self._planned and (self._capturing.still or self._planned[0].time <= self._time() + ROUNDING_S):
            self._edit(self._planned.popleft().edit)
        self._fit(frame.image.shape[:2])
        if self._clean_at is not None and begin >= self._clean_at:
            self._clean_at = None
            self._try(lambda: self._worker.learn_clean(frame), "clean plate taken")
        lowered: tuple[str, ...] = ()
        if self._governor is not None:
            lowered = self._governor.level.lowered
            self._worker.obey(self._governor.level)
        result = self._worker.step(frame)
        self._present(result, capture.captured, connected=True)
        self.stages.add(result.timings)
        now = time.monotonic()
        for what in lowered:
            self.lowered[what] = self.lowered.get(what, 0.0) + now - self._done
        if self._governor is not None:
            self._governor.spent(now - begin, now)
        self._done = now

    def _present(self, result: Result, captured: float, *, connected: bool) -> None:
        """Hand a picture to the window, the recording and the virtual camera."""
        status = self._status(result, connected)
        self._latest = result.image, captured
        self._record(result.image, captured)
        self._shown.put(Shown(result, status, self._number, captured))
        self._number += 1

    def _record(self, image: np.ndarray, captured: float) -> None:
        snapshot, self._snapshot = time.strftime(self._places.snapshot) if self._snapshot else None, False
        self._recording.add(image, captured, snapshot)

    def _look_for_a_stall(self) -> None:
        """Show the plate, and why, when the source has given nothing for a while."""
        if self._capturing.still or self._capturing.paced or self._last is None:
            return
        now = time.monotonic()
        if now - self._last.captured > self._patience:
            if self._clean_at is not None:
                self._clean_at = now + COUNTDOWN  # or the first picture that comes back would be taken
            self._say(self._capturing.lost or f"{self._capturing.name} gives no pictures: the background is shown")
            backdrop = self._worker.backdrop()
            if backdrop is not None:
                self._present(backdrop, now, connected=False)

    def _status(self, result: Result, connected: bool) -> Status:
        now = time.monotonic()
        self._hear()
        return Status(
            fps=self.measures.fps,
            latency_ms=self.measures.latency_ms,
            dropped=self.dropped,
            repeated=self.measures.repeated,
            device=self._device,
            coverage=_coverage(result),
            lowered=self._governor.level.lowered if self._governor is not None else (),
            message=self._messages.at(now) or result.fault or self._filling.failure,
            recording=self._recording.seconds,
            countdown=None if self._clean_at is None else max(1, math.ceil(self._clean_at - now)),
            connected=connected,
        )

    def _say(self, message: str) -> None:
        self._messages.say(message, time.monotonic())

    def _hear(self) -> None:
        """Say what the record thread has to tell."""
        while (message := self._recording.take_message()) is not None:
            self._say(message)

    def _try(self, act: Callable[[], object], done: str | None = None) -> None:
        """Do what the user asked for; a failure is a message."""
        try:
            act()
        except EraserError as error:
            self._say(str(error))
        else:
            if done is not None:
                self._say(done)

    def _obey(self) -> bool:
        """Do what has come from the other threads; returns whether there was anything."""
        done = bool(self._wishes)
        for job, picture in self._filling.done():
            self._worker.filled(job, picture)
            done = True
        while self._wishes:
            wish = self._wishes.popleft()
            if isinstance(wish, Control):
                self._control(wish)
            else:
                self._edit(wish)
        return done

    def _edit(self, edit: Edit) -> None:
        self._log.append(TimedEdit(self._time(), edit))
        self._try(lambda: self._worker.edit(edit))

    def _time(self) -> float:
        """Of the latest picture, in its file or else in the session: when what is edited takes effect."""
        if self._capturing.still or self._last is None or self._first is None:
            return 0.0
        return self._last.captured - self._first if self._last.time is None else self._last.time

    def _fit(self, size: tuple[int, ...]) -> None:
        """Let what was done, and what is planned, speak of pictures of this size."""
        height, width = size
        if self._size is not None and self._size != size:
            sx, sy = width / self._size[1], height / self._size[0]
            for edits in (self._log, self._planned):
                for place, timed in enumerate(edits):
                    edits[place] = replace(timed, edit=scaled(timed.edit, sx, sy))
        self._size = height, width

    def _people(self) -> bool:
        """Whether every person is erased."""
        said = [timed.edit.erase for timed in in_force(self._log) if isinstance(timed.edit, People)]
        return said[-1] if said else self._at_first

    def _control(self, control: Control) -> None:
        plate = self._places.plate
        match control:
            case Control.RECORD:
                self._recording.toggle()
            case Control.SNAPSHOT:
                self._snapshot = True
            case Control.CLEAN_PLATE:
                self._clean_at = time.monotonic() + COUNTDOWN if self._clean_at is None else None
            case Control.SAVE_PLATE:
                self._try(lambda: self._worker.save_plate(plate), f"plate saved as {plate}")
            case Control.LOAD_PLATE:
                self._try(self.load_plate, f"plate {plate} loaded")
            case Control.PEOPLE:
                self._edit(People(not self._people()))
            case Control.WRITE_SELECTION:
                self._write_selection()

    def _write_selection(self) -> None:
        if self._size is None:
            return
        path = time.strftime(self._places.selection)
        height, width = self._size
        people = [TimedEdit(0.0, People(True))] if self._at_first else []
        edits = [*people, *in_force(self._log)]
        self._try(lambda: write_selection(path, width, height, edits), f"selection written to {path}")


def _coverage(result: Result) -> float:
    """The share of the hole that shows real background, 1 where there is no hole."""
    if result.roi is None:
        return 1.0
    hole = result.hole[result.roi.slices]
    pixels = cv2.countNonZero(hole)
    return cv2.countNonZero(ops.equals(result.trust[result.roi.slices], SEEN) & hole) / pixels if pixels else 1.0
