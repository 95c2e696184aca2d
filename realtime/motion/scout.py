"""Looks at frames as soon as they come, in a thread of its own, while those before are still worked on.

What it finds out of a frame, its `Glance`, hangs on nothing but pictures, so it is the same whenever it is made. The
thread only ever does earlier what `take` would do itself: frames that nobody has announced are looked at by then.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from realtime.motion.glance import Glance, View


class Scout:
    """Glances at the pictures of one job.

    Ownership: `announce` may be called from any thread, one at a time and in the frames' order; `take` and `moving` are
    the eraser's. A glance belongs to the scout's thread until it is taken. Memory: pictures that were announced and not
    taken; taking one lets go of those before. The thread starts with the first picture and ends with the scout.
    moving: whether the camera moved of late, so that corners and their tracks will be asked for.
    """

    def __init__(self) -> None:
        self.moving = False
        self._pool = ThreadPoolExecutor(1, "motion")
        self._announced: deque[tuple[np.ndarray, Future[Glance]]] = deque()
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._view: View | None = None  # of the frame that was looked at last

    def announce(self, image: np.ndarray) -> None:
        """A frame has come, (H, W, 3) uint8 BGR; once more does no harm."""
        with self._lock:
            if not any(image is one for one, _ in self._announced):
                self._announced.append((image, self._pool.submit(self._look, image)))

    def take(self, image: np.ndarray) -> Glance:
        """The glance at the frame: what the thread has not begun is done here."""
        begun: Future[Glance] | None = None
        with self._lock:
            come = [one for one, _ in self._announced]
            for _ in range(1 + next((place for place, one in enumerate(come) if one is image), -1)):
                _, glance = self._announced.popleft()
                begun = None if glance.cancel() else glance
        return self._look(image) if begun is None else begun.result()

    @property
    def next(self) -> np.ndarray | None:
        """The first picture that was announced and not taken, None where no frame waits."""
        with self._lock:
            return self._announced[0][0] if self._announced else None

    def _look(self, image: np.ndarray) -> Glance:
        """Look at the next picture."""
        with self._looking:
            glance = Glance(View.of(image), self._view)
            self._view = glance.view
            if self.moving and glance.before is not None and glance.before.size == glance.view.size:
                _ = glance.tracks.confirmed
            return glance
