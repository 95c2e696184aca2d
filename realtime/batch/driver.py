"""Takes the files of a batch through a pool of workers, and puts what they wrote into place.

A file's way is a generator: it yields the tasks that can be done now, is sent their results in the same order, and
returns the finished output. Workers write into folders of their own within the workshop, a temporary folder in the
output folder. Only the driver moves anything out of it, after the file is on the disk, and tells the journal before and
after; whatever else happens, to workers or to the driver, the output folder holds whole files only.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime.batch.journal import Entry, Journal
from realtime.batch.outcome import DONE, FAILED, SKIPPED, Outcome, Running, Status, duration
from realtime.batch.tasks import Erased, Event, Failed, Finished, Lost, Pool, Task, Told
from realtime.batch.tree import Video
from realtime.errors import EraserError, NoVideo

Steps = Generator[Sequence[Task], list[Any], Erased]
TRIES = 3  # workers that a task may cost before it counts as failed
WAIT_S = 0.5  # between two words on progress
_log = logging.getLogger(__name__)


@dataclass
class _Job:
    """A file on its way. input: its size and time at the beginning; results: of the tasks of the present step; waiting:
    how many of them must still end; told: frames and total by task; folders: of all its tasks."""

    video: Video
    steps: Steps
    input: tuple[int, int]
    begun: float
    results: list[Any] = field(default_factory=list)
    waiting: int = 0
    told: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)


@dataclass
class _Errand:
    """A task of a job. index: among those of its step; folder: of its latest try; tries: how many there were; wanted:
    whether anybody still waits for it."""

    job: _Job
    index: int
    task: Task
    folder: Path = Path()
    tries: int = 0
    wanted: bool = True


class Driver:
    """Brings files to their ends, on one pool and with one journal."""

    def __init__(
        self,
        journal: Journal,
        workshop: Path,
        pool: Pool,
        way: Callable[[Video], Steps],
        options: str,
        overwrite: bool,
        tell: Callable[[Status], None] | None,
    ) -> None:
        """way: of a file; options: the `fingerprint` of what is done with all files; tell: takes the progress."""
        self._journal, self._workshop, self._pool = journal, workshop, pool
        self._way, self._options, self._overwrite, self._tell = way, options, overwrite, tell
        self._outcomes: list[Outcome] = []
        self._ready: deque[_Errand] = deque()
        self._running: dict[int, _Errand] = {}
        self._jobs: list[_Job] = []
        self._numbers = iter(range(1 << 62))

    def run(self, videos: Sequence[Video]) -> list[Outcome]:
        """Bring every file to its end; returns the outcomes in the order of `videos`. Raises EraserError where the
        journal can't be kept: nothing goes on without it."""
        todo = deque(videos)
        while todo or self._jobs:
            while len(self._running) < self._pool.room and (self._ready or todo):
                if self._ready:
                    self._submit(self._ready.popleft())
                else:
                    self._begin(todo.popleft())
            if self._running:
                for event in self._pool.wait(WAIT_S):
                    self._heed(event)
            self._report(len(videos))
        order = {video.name: place for place, video in enumerate(videos)}
        outcomes, self._outcomes = self._outcomes, []
        return sorted(outcomes, key=lambda outcome: order[outcome.name])

    def _begin(self, video: Video) -> None:
        """Start on a file, unless it is done or must not be."""
        try:
            input = _identity(video.input)
        except OSError as error:
            self._outcomes.append(Outcome(video.name, FAILED, f"{video.input} cannot be read ({error.strerror})"))
            return
        except EraserError as error:
            self._outcomes.append(Outcome(video.name, FAILED, str(error)))
            return
        settled = self._settled(video, input)
        if settled is not None:
            self._outcomes.append(settled)
            return
        self._journal.write(start=video.name)
        job = _Job(video, self._way(video), input, time.monotonic())
        self._jobs.append(job)
        self._advance(job, None)

    def _settled(self, video: Video, input: tuple[int, int]) -> Outcome | None:
        """What is known of a file beforehand; None where it is to be erased."""
        if not os.path.lexists(video.output):
            return None
        entry = self._journal.entries.get(video.name, Entry("failed"))
        made = entry.made(video.output)
        if made is not None and made.input == input:
            return Outcome(video.name, SKIPPED, "done before, and unchanged") if entry.is_done(self._options) else None
        if self._overwrite or (made is not None and made.source in (None, os.path.abspath(video.input))):
            return None
        whose = "exists and was not written by a batch" if made is None else f"was made from {made.source}"
        return Outcome(video.name, FAILED, f"{video.output} {whose}: --overwrite replaces it")

    def _advance(self, job: _Job, results: list[Any] | EraserError | None) -> None:
        """Let a job take its next step with the results, or the failure, of the one before."""
        try:
            if isinstance(results, EraserError):
                tasks = job.steps.throw(results)
            else:
                tasks = next(job.steps) if results is None else job.steps.send(results)
        except StopIteration as end:
            self._finish(job, end.value)
        except EraserError as error:
            self._fail(job, error)
        else:
            job.results, job.waiting, job.told = [None] * len(tasks), len(tasks), {}
            self._ready.extendleft(_Errand(job, index, task) for index, task in reversed(list(enumerate(tasks))))

    def _submit(self, errand: _Errand) -> None:
        key = next(self._numbers)
        errand.folder = self._workshop / str(key)
        errand.tries += 1
        errand.job.folders.append(errand.folder)
        self._running[key] = errand
        try:
            errand.folder.mkdir()
        except OSError as error:
            raise EraserError(f"{self._workshop.parent} cannot be written to: {error.strerror}") from error
        self._pool.submit(key, errand.folder, errand.task)

    def _heed(self, event: Event) -> None:
        errand = self._running.get(event.key)
        if errand is None:
            return
        job = errand.job
        if isinstance(event, Told):
            job.told[errand.index] = event.frames, event.total
            return
        del self._running[event.key]
        if isinstance(event, Finished) and errand.wanted:
            job.results[errand.index] = event.result
            job.waiting -= 1
            if not job.waiting:
                self._advance(job, job.results)
            return
        if not errand.wanted:
            shutil.rmtree(errand.folder, ignore_errors=True)
            return
        if isinstance(event, Lost) and errand.tries < TRIES:
            self._ready.appendleft(errand)
        else:
            assert not isinstance(event, Finished)
            self._give_up(job)
            self._advance(job, _failure(event, errand))

    def _give_up(self, job: _Job) -> None:
        """A step has failed: what else it asked for is of no use."""
        self._ready = deque(errand for errand in self._ready if errand.job is not job)
        for errand in self._running.values():
            if errand.job is job:
                errand.wanted = False

    def _finish(self, job: _Job, erased: Erased) -> None:
        """Put a finished output into place and write it down."""
        video = job.video
        made: dict[str, Any] = {"source": os.path.abspath(video.input), "input": job.input, "options": self._options}
        try:
            video.output.parent.mkdir(parents=True, exist_ok=True)
            made["size"] = erased.path.stat().st_size
            self._journal.write(placing=video.name, **made)
            os.replace(erased.path, video.output)
            _sync_folder(video.output.parent)
        except OSError as error:
            reason = error.strerror or error
            self._fail(
                job, EraserError(f"{video.output} could not be put into place ({reason}): choose another folder")
            )
            return
        seconds = time.monotonic() - job.begun
        self._journal.write(done=video.name, **made, frames=erased.frames, lost=erased.lost, seconds=round(seconds, 3))
        detail = f"{erased.frames} frames in {duration(seconds)}"
        if erased.lost:
            detail += f"; it is damaged, frames that were lost: {erased.lost}"
        self._end(job, Outcome(video.name, DONE, detail, erased.frames, erased.lost, round(seconds, 3), erased.notes))

    def _fail(self, job: _Job, error: EraserError) -> None:
        self._journal.write(failed=job.video.name, why=str(error))
        state = SKIPPED if isinstance(error, NoVideo) else FAILED
        self._end(job, Outcome(job.video.name, state, str(error), seconds=round(time.monotonic() - job.begun, 3)))

    def _end(self, job: _Job, outcome: Outcome) -> None:
        self._jobs.remove(job)
        self._outcomes.append(outcome)
        for folder in job.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _report(self, files: int) -> None:
        if self._tell is None:
            return
        running = [Running(job.video.name, *_total(job)) for job in self._jobs]
        self._tell(Status(files, self._outcomes, running))


def _identity(path: Path) -> tuple[int, int]:
    """Size and time of a file, bytes and nanoseconds. Raises OSError, EraserError where it is something else."""
    about = path.stat()
    if stat.S_ISDIR(about.st_mode):
        raise EraserError(f"{path} is a folder: a list names files")
    if not stat.S_ISREG(about.st_mode):
        raise EraserError(f"{path} is no file: a batch is for files; save it to one first")
    return about.st_size, about.st_mtime_ns


def _failure(event: Failed | Lost, errand: _Errand) -> EraserError:
    """Why a task has failed, with the output's name in place of what was written meanwhile."""
    if isinstance(event, Lost):
        return EraserError(f"{event.why}; that was so {errand.tries} times")
    _log.debug("%s: %s", errand.job.video.name, event.trace or event.error)
    output = errand.job.video.output
    text = str(event.error).replace(str(errand.folder / output.name), str(output))
    return type(event.error)(text.replace(str(errand.folder), str(output.parent)))


def _total(job: _Job) -> tuple[int, int | None]:
    """Frames done and expected, over the tasks of a job."""
    totals = [total for _, total in job.told.values()]
    known = sum(total for total in totals if total is not None)
    return sum(frames for frames, _ in job.told.values()), None if None in totals or not totals else known


def _sync_folder(folder: Path) -> None:
    """See to it that the names in a folder are on the disk, where system and disk can."""
    with suppress(OSError):  # not on Windows, nor on some network disks
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
