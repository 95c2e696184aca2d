"""The capture thread: always drains the source, and opens it again when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from realtime.errors import EraserError
from realtime.live.camera import FIRST_PATIENCE, LONGEST_PATIENCE, Camera, CameraLost, Capture
from realtime.live.newest import Newest

FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0  # seconds before the source is opened again, doubled each time
_READ = 0.2  # seconds that a camera may wait for a picture before it looks around
_SLACK = 0.25  # of the time between two pictures, by which one may come early


class Capturing:
    """Hands on the newest picture only.

    Ownership: the camera belongs to the thread that makes this until `run` begins, then to the capture thread, which
    opens new ones and closes them. `lost`, `captured` and `reconnects` may be read anywhere. Memory: one picture.
    lost: why there are no pictures at the moment, None while they come. captured: how many were handed on.
    """

    def __init__(self, open: Callable[[float], Camera], fps: float | None = None) -> None:
        """open: opens the source, given the seconds without data after which it counts as lost. fps: hand on about so
        many pictures per second at most, None for all. Raises what `open` raises."""
        self.newest: Newest[Capture] = Newest()
        self.lost: str | None = None
        self.captured = 0
        self.reconnects = 0
        self._open = open
        self._patience = FIRST_PATIENCE
        self._camera = open(self._patience)
        self.name, self.rate, self.size = self._camera.name, self._camera.rate, self._camera.size
        self.still, self.paced = self._camera.still, self._camera.paced
        # Cameras are not punctual: only one that is clearly faster, or may be, is thinned out.
        self._period = 1 / fps if fps and (self.rate is None or self.rate > 1.1 * fps) else 0.0
        self._due = self._latest = float("-inf")
        self._begun = False
        self._stop = threading.Event()

    def stop(self) -> None:
        """End the capture thread as soon as the source lets it go."""
        self._stop.set()
        self.newest.stop()

    def discard(self) -> None:
        """Close the camera where `run` was never reached."""
        if not self._begun:
            self._camera.close()

    def run(self) -> None:
        """The capture thread. Raises EraserError where the source fails for good, Stopped after `stop`."""
        self._begun = True
        camera: Camera | None = self._camera
        try:
            while camera is not None and not self._stop.is_set():
                try:
                    capture = camera.read(_READ)
                except CameraLost as error:
                    self.lost = str(error)
                    camera.close()
                    camera = self._reopen()
                    continue
                if capture is not None:
                    self._hand_on(capture)
                elif camera.ended:
                    break
            self.newest.close()
        finally:
            if camera is not None:
                camera.close()

    def _hand_on(self, capture: Capture) -> None:
        self.lost = None
        self._latest = capture.captured
        if self._period:
            if capture.captured < self._due - _SLACK * self._period:
                return
            self._due = max(self._due, capture.captured - self._period) + self._period
        self.captured += 1
        self.newest.put(capture)

    def _reopen(self) -> Camera | None:
        """The source opened again, however long that takes; None when the job is stopped meanwhile."""
        wait = FIRST_WAIT
        if time.monotonic() - self._latest > self._patience:
            # It may be a slow one, given up too early.
            self._patience = min(2 * self._patience, LONGEST_PATIENCE)
        while not self._stop.wait(wait):
            try:
                camera = self._open(self._patience)
            except EraserError as error:
                self.lost = str(error)
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            self.reconnects += 1
            return camera
        return None
