"""What no frame has shown is filled: at once, or in another thread while a quick bridge stands in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from realtime import ops
from realtime.background.fill import Filler
from realtime.background.filljob import FillJob, Place, quick_fill
from realtime.background.plate import Plate
from realtime.hole import sliver_width
from realtime.ops import Home
from realtime.patch import Patch
from realtime.pending import Pending
from realtime.result import Stats

BRIDGE = 4  # pixels of the frame to one of the bridge that is shown until a deferred fill comes in


class Completion:
    """Completes patches, and lets the plate remember the guesses.

    defer: as `realtime.eraser.Eraser` takes it; one job at a time. stats: where the filler's fills are counted.
    """

    def __init__(self, filler: Filler, home: Home, stats: Stats, defer: Callable[[FillJob], None] | None = None):
        self._filler, self._home, self._stats = filler, home, stats
        self._defer = defer
        self._job: FillJob | None = None
        self._place: Place | None = None  # where its answer belongs by now

    def complete(self, pending: Pending, patch: Patch, unseen: np.ndarray) -> np.ndarray:
        """A patch's picture completed where it is unseen, (h, w, 3) uint8; the plate remembers the guess."""
        frame, finding, roi = pending.frame, pending.finding, patch.hole.roi
        place = Place(pending.plate, pending.motion, pending.epoch, finding.exposure, roi)
        if finding.fault is not None or not ops.count(ops.shrink(unseen, sliver_width(frame.image.shape[0]))):
            # Slivers at the hole's rim are bridged smoothly; a network would see nothing in them.
            filled, final = quick_fill(patch.picture, unseen), finding.fault is None
        else:
            whole, missing = frame.image.copy(), np.zeros(frame.image.shape[:2], np.uint8)
            whole[roi.slices], missing[roi.slices] = self._home.fetch(patch.picture, unseen)
            final = self._defer is None
            if self._defer is None:
                self._stats.fills += 1
                filled = self._home.sent(self._filler.fill(whole, missing)[roi.slices])
            else:
                if self._job is None:
                    self._job, self._place = FillJob(whole, missing, place), place
                    self._defer(self._job)
                unseen = unseen & patch.unknown
                filled = quick_fill(patch.picture, unseen, BRIDGE)
        if final:
            place.remember(filled, unseen)
        picture = patch.picture.copy()
        ops.copy_where(filled, unseen, picture)
        return picture

    def filled(self, job: FillJob, picture: np.ndarray | None) -> None:
        """The filler's answer to a deferred job, (H, W, 3) uint8 BGR, None where it failed; between frames."""
        place, mask = job.place, job.mask
        if job is self._job:
            place, self._job = self._place or place, None
        if picture is None:
            return
        self._stats.fills += 1
        if place.plate.frame_size != mask.shape:  # the frames have changed their size meanwhile
            picture, mask = (ops.resize(layer, place.plate.frame_size) for layer in (picture, mask))
            mask = ops.at_least(mask, 128)
        place.remember(picture[place.roi.slices], mask[place.roi.slices])

    def moved(self, before: Plate, now: Plate) -> None:
        """A plate goes on as another one, of another size: so does the answer that is waited for."""
        if self._place is not None and self._place.plate is before:
            self._place = self._place.resized(now)
