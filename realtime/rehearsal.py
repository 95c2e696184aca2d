"""Two passes over one input: the first learns the background of every shot, the second erases with all of it.

    rehearsal = Rehearsal(folder, find_shots(path))
    for frame in source:
        rehearsal.watch(first_eraser, frame)
    rehearsal.end()
    for frame in the_same_source_again:
        pending = rehearsal.replay(second_eraser, frame)
    rehearsal.close()

The second pass neither segments nor registers: it takes what the first found from disk. Memory does not grow with the
length of the input.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from realtime.background.crossing import Crossing, Edge
from realtime.background.ledger import Ledger
from realtime.background.memory import Shelf, ShotMemory
from realtime.background.plate import Plate
from realtime.background.returns import Returns
from realtime.eraser import Eraser
from realtime.errors import EraserError
from realtime.finding import Finding
from realtime.frame import Frame
from realtime.pending import Pending
from realtime.shots import Shot
from realtime.timing import StageTimer
from realtime.tracking.film import Scraps
from realtime.tracking.hindsight import FRAMES, Hindsight


@dataclass
class _Watched:
    """A frame of the first pass."""

    finding: Finding


class Rehearsal:
    """What the first pass leaves to the second, in a folder that must exist and is left to the caller.

    shots: where the input is known to change scenes, other than the eraser itself finds out. No plate learns from what
    lies between two shots: that shows both.
    """

    def __init__(self, folder: Path, shots: Sequence[Shot] = ()) -> None:
        self._folder = folder
        self._bounds = [bound for shot in shots for bound in (shot.start, shot.end)]
        self._stretch: int | None = None  # that is watched, counting shots and what is between them
        self._ledger = Ledger(folder / "findings")
        self._hindsight: Hindsight[_Watched] = Hindsight()
        self._watched: deque[_Watched] = deque()  # the latest frames, which it may yet add to
        self._shots: list[ShotMemory | Crossing] = []
        self._scraps = Scraps(folder / "returns")
        self._shelf = Shelf()
        self._returns: deque[Returns] = deque()  # of each of the shots, from the one that is replayed on
        self._plate: Plate | None = None  # of the shot that is watched, or replayed
        self._seconds: list[ShotMemory] = []  # of second layers, in order
        self._second_plate: Plate | None = None  # of the one that is watched
        self._second = -1  # that is replayed
        self._lent: Crossing | None = None  # the latest that is replayed
        self._edge: Callable[[], Edge] | None = None  # that of the latest shot's last frame
        self._records: Iterator[dict[str, np.ndarray]] | None = None
        self._shot = -1  # that is replayed

    def watch(self, eraser: Eraser, frame: Frame, given: np.ndarray | None = None) -> Pending:
        """Observe the next frame and keep what it teaches; given: as in `Eraser.observe`."""
        timer = StageTimer()
        before, self._stretch = self._stretch, bisect_right(self._bounds, frame.time) if self._bounds else 1
        if before not in (None, self._stretch):
            eraser.reset()
        between = self._stretch % 2 == 0
        finding = eraser.find(frame, given, timer).fetched(eraser.home)
        finding = replace(finding, between=between or finding.between)
        if finding.cut:
            self._end_shot()
            self._shots.append(self._crossing() if between else self._memory(f"{len(self._shots)}"))
            self._returns.append(Returns(self._scraps))
        memory = self._shots[-1]
        if finding.anchored and self._plate is not None and isinstance(memory, ShotMemory):
            memory.store(self._plate, finding.motion)
        self._watch_second(finding)
        pending = eraser.learn(frame, finding, timer)
        self._returns[-1].watch(pending)
        self._second_plate = None if pending.second is None else pending.second.plate
        if isinstance(memory, ShotMemory):
            self._plate = pending.plate
            self._edge = partial(Edge.of, memory, pending.epoch, pending.motion, finding.exposure, finding.mask)
            if finding.cut:
                self._end_crossings(self._edge())
        self._watched.append(_Watched(finding))
        self._hindsight.add(frame.image, self._watched[-1])
        while len(self._watched) > FRAMES:
            self._ledger.append(self._watched.popleft().finding.arrays())
        return pending

    def end(self) -> None:
        """The first pass is over."""
        self._end_shot()
        self._end_second()
        for watched in self._watched:
            self._ledger.append(watched.finding.arrays())
        self._watched.clear()
        self._ledger.close()

    def close(self) -> None:
        """Free the folder: nothing is replayed any more. May be called twice."""
        self._scraps.close()

    def replay(self, eraser: Eraser, frame: Frame) -> Pending:
        """Observe the next frame again, with the memory of its whole shot. Raises EraserError past the last one."""
        self._records = self._records or iter(self._ledger)
        record = next(self._records, None)
        if record is None:
            raise EraserError(f"frame {frame.index} was not there in the first pass: the input has changed meanwhile")
        finding = Finding.restored(record)
        self._shot += finding.cut
        if finding.cut and self._shot > 0:
            self._returns.popleft()  # those of the shot before
        memory = self._shots[self._shot]
        if isinstance(memory, Crossing):
            finding = replace(finding, mask=memory.mask(finding.mask))
            self._lend_plate(memory)
        pending = eraser.learn(frame, finding)
        self._returns[0].foretell(pending)
        if isinstance(memory, ShotMemory):
            self._plate = pending.plate
        pending.memory = memory.seen_in(frame.image, finding.mask) if isinstance(memory, Crossing) else memory
        if finding.second is not None:
            self._second += finding.second.begun
            pending.second_memory = self._seconds[self._second]
        return pending

    def _crossing(self) -> Crossing:
        return Crossing(None if self._edge is None else self._edge())

    def _memory(self, name: str) -> ShotMemory:
        return ShotMemory(self._folder, name, self._shelf)

    def _lend_plate(self, crossing: Crossing) -> None:
        """Let a crossing show what was invented for the shot before it; only the latest one holds a plate."""
        if self._lent is not None and self._lent is not crossing and self._lent.before is not None:
            self._lent.before = replace(self._lent.before, plate=None)
        if crossing.before is not None:
            crossing.before = replace(crossing.before, plate=self._plate)
        self._lent = crossing

    def _watch_second(self, finding: Finding) -> None:
        """Keep what is known of the second layer where it ends, or moves its anchor."""
        second = finding.second
        if second is None or second.begun:
            self._end_second()
        if second is None:
            return
        if second.begun:
            self._seconds.append(self._memory(f"second-{len(self._seconds)}"))
        elif second.anchored and self._second_plate is not None:
            self._seconds[-1].store(self._second_plate, second.motion)

    def _end_second(self) -> None:
        if self._second_plate is not None:
            self._seconds[-1].store(self._second_plate, np.eye(3))
        self._second_plate = None

    def _end_shot(self) -> None:
        if self._plate is not None and isinstance(memory := self._shots[-1], ShotMemory):
            memory.store(self._plate, np.eye(3))
            self._returns[-1].end(self._plate)
        self._plate = None

    def _end_crossings(self, edge: Edge) -> None:
        """A shot has begun: what leads to it, ends with it."""
        for memory in reversed(self._shots[:-1]):
            if not isinstance(memory, Crossing):
                break
            memory.after = edge
