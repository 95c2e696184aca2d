"""Progress of a batch on stderr: bars on a terminal, else a line for each file that ends."""

from __future__ import annotations

import sys
from typing import Any

from realtime import console
from realtime.batch.outcome import FAILED, SKIPPED, Running, Status

BARS = 8  # files at work that are shown at once


class Display:
    """Shows one batch. name: of the command, which every line begins with."""

    def __init__(self, name: str, quiet: bool) -> None:
        self._name, self._quiet = name, quiet
        self._told = 0  # outcomes
        self._bars = None if quiet or not sys.stderr.isatty() else _Bars()

    def note(self, text: str) -> None:
        """A remark on the whole."""
        if not self._quiet:
            self._line(text)

    def update(self, status: Status) -> None:
        """Called about twice a second."""
        for number, outcome in enumerate(status.outcomes[self._told :], self._told + 1):
            if outcome.state == FAILED or not (self._quiet or outcome.state == SKIPPED):
                self._line(f"{number} of {status.files}: {outcome.name} {outcome.state}: {outcome.detail}")
        self._told = len(status.outcomes)
        if self._bars is not None:
            self._bars.update(status)

    def close(self) -> None:
        """Take the bars away; what is printed after it comes as plain lines."""
        if self._bars is not None:
            self._bars.close()
            self._bars = None

    def _line(self, text: str) -> None:
        if self._bars is not None:
            self._bars.line(f"{self._name}: {text}")
        else:
            console.say(self._name, text)


class _Bars:
    """A rich display: all files, and those at work."""

    def __init__(self) -> None:
        from rich import progress as parts
        from rich.console import Console

        self._bars = parts.Progress(
            parts.TextColumn("{task.description}", markup=False),
            parts.BarColumn(),
            parts.TextColumn("{task.fields[count]}"),
            parts.TimeElapsedColumn(),
            console=Console(stderr=True),
            refresh_per_second=4,
            transient=True,
        )
        self._all = self._bars.add_task("all files", total=None, count="")
        self._tasks: dict[str, Any] = {}
        self._bars.start()

    def update(self, status: Status) -> None:
        ended = len(status.outcomes)
        self._bars.update(self._all, completed=ended, total=status.files, count=f"{ended} of {status.files}")
        shown = {running.name: running for running in status.running[:BARS]}
        for name in self._tasks.keys() - shown.keys():
            self._bars.remove_task(self._tasks.pop(name))
        for name, running in shown.items():
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=None, count="")
            self._bars.update(self._tasks[name], completed=running.frames, total=running.total, count=_count(running))

    def line(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        self._bars.stop()


def _count(running: Running) -> str:
    return f"{running.frames} frames" if running.total is None else f"{running.frames} of {running.total} frames"
