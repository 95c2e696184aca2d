"""Two passes over one input: the first learns the background of every shot, the second erases with all of it.

    rehearsal = Rehearsal(folder)
    for frame in source:
        rehearsal.watch(first_eraser, frame)
    rehearsal.end()
    for frame in the_same_source_again:
        pending = rehearsal.replay(second_eraser, frame)

The second pass neither segments nor registers: it takes what the first found from disk. Memory does not grow with the
length of the input.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from realtime.eraser import Eraser, Pending
from realtime.errors import EraserError
from realtime.finding import Finding
from realtime.frame import Frame
from realtime.ledger import Ledger
from realtime.memory import ShotMemory
from realtime.plate import Plate
from realtime.timing import StageTimer


class Rehearsal:
    """What the first pass leaves to the second, in a folder that must exist and is left to the caller."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ledger = Ledger(folder / "findings")
        self._shots: list[ShotMemory] = []
        self._plate: Plate | None = None  # of the shot that is watched
        self._records: Iterator[dict[str, np.ndarray]] | None = None
        self._shot = -1  # that is replayed

    def watch(self, eraser: Eraser, frame: Frame, given: np.ndarray | None = None) -> Pending:
        """Observe the next frame and keep what it teaches; given: as in `Eraser.observe`."""
        timer = StageTimer()
        finding = eraser.find(frame, given, timer)
        if finding.cut:
            self._end_shot()
            self._shots.append(ShotMemory(self._folder, len(self._shots)))
        if finding.anchored and self._plate is not None:
            self._shots[-1].store(self._plate, finding.motion)
        pending = eraser.learn(frame, finding, timer)
        self._plate = pending.plate
        self._ledger.append(finding.arrays())
        return pending

    def end(self) -> None:
        """The first pass is over."""
        self._end_shot()
        self._ledger.close()

    def replay(self, eraser: Eraser, frame: Frame) -> Pending:
        """Observe the next frame again, with the memory of its whole shot. Raises EraserError past the last one."""
        self._records = self._records or iter(self._ledger)
        record = next(self._records, None)
        if record is None:
            raise EraserError(f"frame {frame.index} was not there in the first pass: the input has changed meanwhile")
        finding = Finding.restored(record)
        self._shot += finding.cut
        pending = eraser.learn(frame, finding)
        pending.memory = self._shots[self._shot]
        return pending

    def _end_shot(self) -> None:
        if self._plate is not None:
            self._shots[-1].store(self._plate, np.eye(3))
        self._plate = None
