"""What was done in an output folder, a line of JSON for each event, so that a later run knows what is left to do.

{"begin": {...}}            a run has begun: when, from which input, with which options
{"start": NAME}             it is worked on
{"placing": NAME, ...}      its output may appear from now on: input's path, size and time, options, output's size
{"done": NAME, ...}         the output is whole: the same, and how it went
{"failed": NAME, ...}       there is none, and why
{"end": {...}}              the run has come to its end
{"report": PATH, ...}       its report lies there: size

Each line is on the disk before the next step is taken. A line that a crash tore is cut off when the journal is opened.
The journal is locked while a batch runs: a folder takes one batch at a time.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.lock import hold
from realtime.errors import EraserError

NAME = ".erase-video.journal"


@dataclass(frozen=True)
class Made:
    """An output. source: absolute path of its input, None where an old journal doesn't say; input: that one's size
    (bytes) and time (ns); options: by their `fingerprint`; size: of the output, bytes."""

    source: str | None
    input: tuple[int, int]
    options: str
    size: int


@dataclass
class Entry:
    """The latest of a file. state: started, done or failed; outputs: those that may stand in its place by now: what was
    last done, and what was about to be placed since."""

    state: str
    outputs: tuple[Made, ...] = ()

    def made(self, output: Path) -> Made | None:
        """Which of them the file `output` is, by its size; None where no batch has written what is there."""
        size = output.stat().st_size if output.is_file() else None
        return next((made for made in reversed(self.outputs) if made.size == size), None)

    def is_done(self, options: str) -> bool:
        """Whether it was done with these options, and not begun anew since."""
        return self.state == "done" and self.outputs[-1].options == options


@dataclass(frozen=True)
class Begun:
    """The beginning of a run. time: local, to read; input: absolute; arguments, folder: of the command; options: their
    `fingerprint`; files: how many there were; workshop: name of the folder that it worked in."""

    time: str
    input: str
    arguments: tuple[str, ...]
    folder: str
    options: str
    files: int
    workshop: str


class Journal:
    """The journal of an output folder, open and locked until `close`.

    last: the run before this one, None where there was none; interrupted: whether it came to no end; entries: by name;
    reports: size of each by its absolute path, bytes.
    """

    def __init__(self, folder: Path) -> None:
        """Raises EraserError where another batch writes to the folder, or nothing can be written there."""
        self._path = folder / NAME
        self._lock: int | None = None
        try:
            self._file = self._path.open("a+b")
        except OSError as error:
            raise EraserError(f"{folder} cannot be written to: {error.strerror}. Choose another folder.") from error
        try:
            self._lock = hold(self._path)
        except BlockingIOError as error:
            self._file.close()
            raise EraserError(
                f"another batch is writing to {folder}: wait for its end, or give another --output"
            ) from error
        except OSError:
            pass  # no locks here
        self.last: Begun | None = None
        self.interrupted = False
        self.entries: dict[str, Entry] = {}
        self.reports: dict[str, int] = {}
        self._read()

    def _read(self) -> None:
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._file.truncate(whole)
        for line in data[:whole].splitlines():
            # A disk's fault, or another version's line: what it told is done again.
            with suppress(ValueError, TypeError, KeyError):
                self._take(json.loads(line.decode("utf-8", "surrogateescape")))

    def _take(self, record: dict[str, Any]) -> None:
        if "begin" in record:
            begun = record["begin"]
            self.last, self.interrupted = Begun(**{**begun, "arguments": tuple(begun["arguments"])}), True
        elif "end" in record:
            self.interrupted = False
        elif "start" in record:
            self._entry(record["start"]).state = "started"
        elif "placing" in record:
            self._entry(record["placing"]).outputs += (self._made(record["placing"], record),)
        elif "failed" in record:
            self._entry(record["failed"]).state = "failed"
        elif "done" in record:
            self.entries[record["done"]] = Entry("done", (self._made(record["done"], record),))
        elif "report" in record:
            self.reports[record["report"]] = record["size"]

    def _entry(self, name: str) -> Entry:
        return self.entries.setdefault(name, Entry("failed"))

    def _made(self, name: str, record: dict[str, Any]) -> Made:
        source = record.get("source")
        if source is None and self.last is not None and not os.path.isfile(self.last.input):
            # Lines did not always say so; below which folder a list's files lay, nobody knows.
            source = os.path.abspath(os.path.join(self.last.input, name))
        return Made(source, tuple(record["input"]), record["options"], record["size"])

    @property
    def locked(self) -> bool:
        """Whether no other batch can be at work here; False where the disk knows no locks."""
        return self._lock is not None

    def write(self, **record: Any) -> None:
        """Append an event; it is on the disk when this returns. Raises EraserError."""
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise EraserError(f"the journal {self._path} cannot be written: {error.strerror}") from error
        self._take(json.loads(line.decode("utf-8", "surrogateescape")))

    def close(self) -> None:
        """Let go of the folder."""
        with suppress(OSError):  # what a full disk did not take, `write` has told
            self._file.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
