"""What becomes of the files of a batch: while it runs, and in the end as a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

DONE, SKIPPED, FAILED = "done", "skipped", "failed"
ROWS = 40  # files up to which a table names those that went well


@dataclass(frozen=True)
class Outcome:
    """What became of a file. state: DONE, SKIPPED or FAILED; detail: how or why, in a line; seconds: from its start to
    its end; frames, lost, notes: as in `realtime.report.Report`."""

    name: str
    state: str
    detail: str
    frames: int = 0
    lost: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Running:
    """A file that is worked on. frames: done; total: expected, None where unknown."""

    name: str
    frames: int
    total: int | None


@dataclass(frozen=True)
class Status:
    """How far a batch is. files: all of them; outcomes: of those that have ended, in the order of their ends."""

    files: int
    outcomes: Sequence[Outcome]
    running: Sequence[Running]


@dataclass(frozen=True)
class BatchResult:
    """What a batch did. outcomes: in the order of the files; others: files that were no videos; seconds: wall-clock;
    notes: remarks on the whole."""

    outcomes: tuple[Outcome, ...]
    others: int
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Files by state."""
        counted = Counter(outcome.state for outcome in self.outcomes)
        return {state: counted[state] for state in (DONE, SKIPPED, FAILED)}

    @property
    def lost(self) -> int:
        """Frames that damaged inputs have cost."""
        return sum(outcome.lost for outcome in self.outcomes)

    def table(self) -> list[str]:
        """Lines to read: a row for each file (for those that went wrong only, where there are many), with what is to be
        said of it below; then the sums."""
        few = len(self.outcomes) <= ROWS
        rows = [outcome for outcome in self.outcomes if few or outcome.state == FAILED or outcome.lost]
        width = max((len(outcome.name) for outcome in rows), default=0)
        lines = []
        for outcome in rows:
            lines.append(f"{outcome.state:<7}  {outcome.name:<{width}}  {outcome.detail}")
            lines += [f"{'':<7}  {'':<{width}}  {note}" for note in outcome.notes]
        return [*lines, self.sums()]

    def sums(self) -> str:
        """All files in a line."""
        said = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        frames = sum(outcome.frames for outcome in self.outcomes)
        others = f"; {self.others} other files are no videos" if self.others else ""
        rate = frames / self.seconds if self.seconds else 0.0
        return f"{said} in {duration(self.seconds)} ({frames} frames, {rate:.1f} frames/s){others}"

    def to_json(self) -> str:
        """All of it, indented."""
        listed = {"counts": self.counts, "others": self.others, "seconds": round(self.seconds, 3)}
        listed |= {"notes": self.notes, "files": [asdict(outcome) for outcome in self.outcomes]}
        return json.dumps(listed, indent=2, ensure_ascii=False) + "\n"


def duration(seconds: float) -> str:
    """2:03:04, 3:04 or 4.1 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
