"""Where pictures go beside the window: recordings and the virtual camera, in a thread of their own."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

import numpy as np

from realtime.channel import Channel, Stopped
from realtime.errors import EraserError
from realtime.live.microphone import Microphone
from realtime.live.recorder import Recorder, check_recording, next_free
from realtime.live.virtual_camera import VirtualCamera
from realtime.media.pictures import encode_picture
from realtime.report import write_bytes

QUEUED_PICTURES = 8
QUEUED_BYTES = 64 << 20


class _Picture(NamedTuple):
    """image: (H, W, 3) uint8 BGR, captured: time.monotonic(); part_of: the number of the recording that it belongs
    to, None where it does to none; snapshot: the file that it is to be saved as, None where none was asked for."""

    image: np.ndarray
    captured: float
    part_of: int | None
    snapshot: str | None


class Recording:
    """Takes every picture that is shown, and writes it while recording is on.

    Ownership: the process thread calls `add` and `toggle`, and reads `seconds` and `take_message`; `run` is the record
    thread, which makes and owns the recorders, and owns the virtual camera and what it takes from the microphone.
    Back-pressure: none; a picture that comes while the encoder lags behind by `QUEUED_PICTURES` is left out and counted
    in `skipped`. Memory: QUEUED_BYTES. A failure ends the recording, not the job: it is told in a message; what was
    written stays. files: the recordings so far; unsaved: the snapshots that were asked for and not answered yet. How
    the last recording went is for `files` and `failure` to tell.
    """

    def __init__(
        self,
        path: str | None,
        fps: float,
        *,
        overwrite: bool = False,
        microphone: Microphone | None = None,
        virtual: VirtualCamera | None = None,
    ) -> None:
        """path: the recording that starts with the first picture; None: none, until `toggle` names one itself.

        Raises UsageError or EraserError where a recording cannot be written there."""
        if path is not None:
            check_recording(path, overwrite)
        self.wanted = path is not None
        self.skipped = 0
        self.files: list[str] = []
        self.unsaved: deque[str] = deque()
        self.failure: str | None = None
        self._path = path
        self._fps = fps
        self._overwrite = overwrite
        self._microphone = microphone
        self._virtual = virtual
        self._pictures: Channel[_Picture] = Channel(QUEUED_PICTURES, QUEUED_BYTES)
        self._recorder: Recorder | None = None
        self._number = 0  # of recordings that were asked for
        self._failed: int | None = None  # the number of the latest that has failed
        self._messages: list[str] = []

    @property
    def seconds(self) -> float | None:
        """Recorded so far, None when not recording."""
        recorder = self._recorder
        return None if recorder is None else recorder.seconds

    @property
    def useful(self) -> bool:
        """Whether pictures still go anywhere from here."""
        return self.wanted or self._virtual is not None

    def take_message(self) -> str | None:
        """What there is to tell the user; each message once."""
        return self._messages.pop(0) if self._messages else None

    def toggle(self) -> None:
        """Record from the next picture on, or stop recording."""
        self.wanted = not self.wanted
        self._number += self.wanted

    def add(self, image: np.ndarray, captured: float, snapshot: str | None = None) -> None:
        """A picture that is shown, not to be changed after. snapshot: also save it as this file. Raises Stopped."""
        picture = _Picture(image, captured, self._number if self.wanted else None, snapshot)
        if snapshot is not None:
            self.unsaved.append(snapshot)
            self._pictures.put(picture, image.nbytes)
        elif (self.useful or self._recorder is not None) and not self._pictures.offer(picture, image.nbytes):
            self.skipped += 1

    def close(self) -> None:
        """No more pictures will come."""
        self._pictures.close()

    def stop(self) -> None:
        """End at once; a recording is finished with what it has."""
        self._pictures.stop()

    def run(self) -> None:
        """The record thread."""
        try:
            for picture in self._pictures:
                self._listen()
                self._record(picture)
                self._save(picture)
                self._send(picture.image)
                del picture
        except Stopped:
            pass  # finished below as at the end of everything
        finally:
            self._finish()
            if self._virtual is not None:
                self._virtual.close()

    def _listen(self) -> None:
        """Do without a microphone that has gone, and tell so."""
        if self._microphone is not None and self._microphone.failure is not None:
            self._messages.append(self._microphone.failure)
            self._microphone = None

    def _record(self, picture: _Picture) -> None:
        if picture.part_of is None:
            finished = self._finish()
            if finished is not None:
                self._messages.append(finished)
            return
        if picture.part_of == self._failed:
            return
        try:
            if self._recorder is None:
                self._recorder = self._open()
            self._recorder.write(picture.image, picture.captured)
        except EraserError as error:
            self.wanted = False
            self._failed = picture.part_of
            self.failure = str(error)
            self._messages.append(f"recording has stopped: {error}")
            self._finish()

    def _open(self) -> Recorder:
        """The recording that was asked for; later ones get names of their own beside it."""
        asked = self._path or time.strftime("erased-%Y%m%d-%H%M%S.mp4")
        again = self._path is None or asked in self.files
        path = next_free(asked) if again else asked
        recorder = Recorder(path, self._fps, overwrite=self._overwrite and not again, microphone=self._microphone)
        self.files.append(path)
        return recorder

    def _finish(self) -> str | None:
        """End the recording where there is one; returns how it went, for the user who has asked for that."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return None
        try:
            recorder.finish()
        except EraserError as error:
            self.failure = self.failure or str(error)
            return f"recording has stopped: {error}"
        else:
            return f"recorded {recorder.seconds:.0f} s in {os.path.basename(recorder.path)}" if recorder.begun else None
        finally:
            if not recorder.begun:
                self.files.remove(recorder.path)

    def _save(self, picture: _Picture) -> None:
        if picture.snapshot is None:
            return
        path = Path(next_free(picture.snapshot))
        try:
            write_bytes(path, encode_picture(path.suffix, picture.image))
        except EraserError as error:
            self._messages.append(f"the picture was not saved: {error}")
        else:
            self._messages.append(f"saved {path}")
        self.unsaved.popleft()

    def _send(self, image: np.ndarray) -> None:
        if self._virtual is None:
            return
        try:
            self._virtual.write(image)
        except EraserError as error:
            self.failure = str(error)
            self._messages.append(str(error))
            self._virtual.close()
            self._virtual = None
