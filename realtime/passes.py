"""Progress over several passes over one input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from realtime.pipeline import Progress


class Passes:
    """Each pass may tell of all the frames of the input; together they count to their sum.

    State: how many passes there are and are still to come, the frames of those that are over, and of the present one.
    """

    def __init__(self, progress: Callable[[Progress], None] | None, frames: int | None, passes: int) -> None:
        """frames: how many there may be, None where unknown."""
        self._progress, self._frames = progress, frames
        self._passes, self._coming, self._done, self._now = passes, passes - 1, 0, 0

    def tell(self, each: Progress) -> None:
        """The present pass has come so far."""
        self._now = each.frames
        if self._progress is not None:
            total = None if self._frames is None else self._done + (1 + self._coming) * self._frames
            number = self._passes - self._coming
            frames = self._done + each.frames
            self._progress(replace(each, frames=frames, total=total, number=number, passes=self._passes))

    def count(self, frames: int) -> None:
        """The present pass has seen so many frames."""
        self.tell(Progress(frames, None, ()))

    def over(self) -> None:
        """The next pass begins."""
        self._frames = self._frames if self._done else self._now  # the first one sees every frame
        self._done, self._now, self._coming = self._done + self._now, 0, self._coming - 1
