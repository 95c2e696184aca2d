"""How a job's frames are observed: at once, or once to learn every shot and then again with all that was learnt."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from realtime.errors import EraserError

if TYPE_CHECKING:
    import numpy as np

    from realtime.edits import TimedEdit
    from realtime.eraser import Eraser
    from realtime.frame import Frame
    from realtime.pending import Pending
    from realtime.rehearsal import Rehearsal
    from realtime.tracking.found import Loss

ROUNDING_S = 1e-6  # of times as floats: 0.3 - 0.2 is a little less than 0.1


class Observer(Protocol):
    """Observes the frames of a job in order; the eraser's thread owns it."""

    def observe(self, frame: Frame, given: np.ndarray | None) -> Pending:
        """Observe the next frame; given: its mask from outside. Raises EraserError."""
        ...

    @property
    def notes(self) -> list[str]:
        """Remarks so far."""
        ...


class Directly:
    """Observes each frame when it comes, with the edits whose time has come, and heeds what goes wrong.

    rehearsal: what is to learn of every frame, where this is a first pass; None otherwise.
    """

    def __init__(self, eraser: Eraser, edits: Sequence[TimedEdit], origin: float) -> None:
        """edits: by time, in seconds from the input's beginning, which is at `origin` seconds of its own clock."""
        self.rehearsal: Rehearsal | None = None
        self._eraser = eraser
        self._edits, self._origin = deque(edits), origin
        self._losses: dict[Loss, None] = {}

    def observe(self, frame: Frame, given: np.ndarray | None) -> Pending:
        """Observe the next frame; EraserError where the search for objects failed."""
        while self._edits and self._edits[0].time <= frame.time - self._origin + ROUNDING_S:
            self._eraser.edit(self._edits.popleft().edit)
        if self.rehearsal is None:
            pending = self._eraser.observe(frame, given)
        else:
            pending = self.rehearsal.watch(self._eraser, frame, given)
        if pending.finding.fault is not None:
            raise EraserError(f"{pending.finding.fault} (frame {frame.index})")
        self._losses |= dict.fromkeys(self._eraser.losses)
        return pending

    @property
    def notes(self) -> list[str]:
        """Tracks that were lost, each once."""
        return [loss.note(self._origin) for loss in self._losses]

    @property
    def unused(self) -> list[str]:
        """Once the input has ended: a remark for each edit whose time never came."""
        return [
            f"{edit.time:g} s lies after the end: what was to be selected then is not erased" for edit in self._edits
        ]


class Again:
    """Observes frames that a first pass has learnt; takes over its notes."""

    def __init__(self, eraser: Eraser, rehearsal: Rehearsal, notes: list[str]) -> None:
        self._eraser, self._rehearsal, self._notes = eraser, rehearsal, notes

    def observe(self, frame: Frame, given: np.ndarray | None) -> Pending:
        """Observe the next frame as it was observed before."""
        return self._rehearsal.replay(self._eraser, frame)

    @property
    def notes(self) -> list[str]:
        """What the first pass had to say."""
        return self._notes
