"""A whole batch, from the tree of inputs to the last line of the journal."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from engines.gpu import find_gpus
from realtime.background.fill import CLASSICAL
from realtime.batch.cluster import RayPool
from realtime.batch.driver import Driver, Steps
from realtime.batch.journal import Journal
from realtime.batch.local import LocalPool
from realtime.batch.outcome import BatchResult, Status
from realtime.batch.pieces import PIECE_S, in_pieces
from realtime.batch.tasks import EraseFile, Pool
from realtime.batch.tree import Video, Work, find_work
from realtime.errors import EraserError, UsageError
from realtime.files import check_request, erase_video
from realtime.media.image_source import picture_files
from realtime.media.temporary import Temporary, sweep
from realtime.models import check_name

CLUSTER_THREADS = 1  # processors of a task, as of a local worker
WORKER_BYTES = 2 << 30  # that a worker may need: 0.4 GB were measured at 640x360, 1.1 GB at 1920x1080
FILES = "mask", "selection"  # options that name files
MODELS = {"segmenter": ("segmenter",), "fill": ("filler", CLASSICAL)}  # and that may: what `check_name` takes
# Options that make no sense for all files alike.
SINGLE = frozenset(("preview", "save_mask", "report", "threads", "overwrite", "progress", "part"))


def erase_batch(
    input: str | Path,
    output: str | Path,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    shortest: float = PIECE_S,
    overwrite: bool = False,
    progress: Callable[[Status], None] | None = None,
    note: Callable[[str], None] | None = None,
    arguments: Sequence[str] = (),
    **options: Any,
) -> BatchResult:
    """Erase things from every video of a folder, or of a list, and write the results to a folder that mirrors it.

    input: a folder, all of whose videos are taken, or a text file with one path a line. output: a folder, made where
        there is none. What a batch has done there before and is unchanged (input, options, output) is skipped.
    workers: processes, None for as many as help. cluster: address of a Ray cluster, or "auto" for the one that this
        machine belongs to: its machines do the work, and long files are cut into pieces of at least `shortest` seconds.
        All machines must see input and output under the same paths.
    overwrite: replace files there that no batch has written, or that were made from other inputs of these names.
    progress: called in this thread about twice a second. note: takes remarks, a line each. arguments: of the command
        that this is, for a later `--resume`. options: of `erase_video`, the same for all files.

    A file that fails, or whose worker dies, stops no other. Raises UsageError, and EraserError where the batch as a
    whole can't go on. Whenever it ends, the folder holds whole files only. Workers are started by the `spawn` method of
    `multiprocessing`: a script that calls this needs the usual `if __name__ == "__main__":`.
    """
    options = _checked(input, options)
    print_of = fingerprint(options)
    source, folder = Path(input), Path(output).absolute()
    begun = time.monotonic()
    work = find_work(source, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EraserError(f"{folder} cannot be made ({error.strerror}): choose another --output") from error
    with Journal(folder) as journal:
        notes = [f"{each} holds the outputs of another batch: left out" for each in work.outputs]
        notes += _resuming(journal, print_of, len(work.videos))
        for line in notes:
            if note is not None:
                note(line)
        workshop = _workshop(journal, folder)
        try:
            journal.write(begin=_begin(source, arguments, print_of, work, workshop.path.name))
            with _pool(workers, cluster, options, work) as pool:
                way = whole if cluster is None else partial(in_pieces, shortest=shortest)
                driver = Driver(
                    journal, workshop.path, pool, lambda video: way(video, options), print_of, overwrite, progress
                )
                outcomes = driver.run(work.videos)
            result = BatchResult(tuple(outcomes), work.others, time.monotonic() - begun, tuple(notes))
            journal.write(end=result.counts)
        finally:
            workshop.remove()
            sweep(folder)
    return result


def whole(video: Video, options: dict[str, Any]) -> Steps:
    """The way of a file that is erased at one go."""
    (erased,) = yield [EraseFile(video.input.absolute(), video.output.name, options)]
    return erased


def _checked(input: str | Path, options: dict[str, Any]) -> dict[str, Any]:
    """The options, with paths that workers elsewhere understand. Raises UsageError for what would fail every file."""
    for name in sorted(options):
        if name in SINGLE:
            raise UsageError(f"{name.replace('_', '-')} is for one file: leave it out of a batch")
        if name not in _defaults():
            raise UsageError(f"there is no option '{name}'")
    given = _defaults() | options
    check_request(input, *(given[name] for name in ("lookahead", "start", "end", "dilate")))
    checked = dict(options)
    for name in FILES:
        value = given[name]
        if value is None or "://" in str(value):
            continue
        if not any(file.exists() for file in picture_files(str(value))):
            raise UsageError(f"there is no {name} {value}: check the path")
        checked[name] = os.path.abspath(value)
    for name, (task, *others) in MODELS.items():
        value = str(given[name])
        if value != _defaults()[name] and check_name(task, value, *others):
            checked[name] = os.path.abspath(value)
    return checked


def fingerprint(options: dict[str, Any]) -> str:
    """Tells whether two runs do the same: of the options of `erase_video` that aren't its defaults, and the files that
    they name."""
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    told = {name: repr(value) for name, value in sorted(plain.items()) if value != _defaults()[name]}
    for name in FILES:
        if options.get(name) is not None and os.path.exists(options[name]):
            about = os.stat(options[name])
            told[f"{name} file"] = f"{about.st_size} {about.st_mtime_ns}"
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


@cache
def _defaults() -> dict[str, Any]:
    """The options of `erase_video`."""
    return {name: each.default for name, each in inspect.signature(erase_video).parameters.items()}


def _resuming(journal: Journal, options: str, files: int) -> list[str]:
    """Remarks on the run before this one, where it was interrupted."""
    if journal.last is None or not journal.interrupted:
        return []
    when = journal.last.time
    if journal.last.options != options:
        return [
            f"the batch of {when} was interrupted, and had other options: with those of now, all its files are done "
            "anew (--resume goes on with its own)"
        ]
    done = sum(entry.is_done(options) for entry in journal.entries.values())
    return [f"goes on with the batch of {when}, which was interrupted: {done} of {files} files are done"]


def _workshop(journal: Journal, folder: Path) -> Temporary:
    """A folder for what is being written; those of dead batches go."""
    sweep(folder)
    if journal.locked and journal.last is not None and journal.last.workshop:
        # Also where folders can't be locked: who holds the journal knows that the last batch is over.
        shutil.rmtree(folder / journal.last.workshop, ignore_errors=True)
    try:
        return Temporary(folder, folder=True)
    except OSError as error:
        raise EraserError(f"{folder} cannot be written to: {error.strerror}. Choose another folder.") from error


def _begin(source: Path, arguments: Sequence[str], options: str, work: Work, workshop: str) -> dict[str, Any]:
    return {
        "time": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        "input": str(source.absolute()),
        "arguments": list(arguments),
        "folder": os.getcwd(),
        "options": options,
        "files": len(work.videos),
        "workshop": workshop,
    }


def _pool(workers: int | None, cluster: str | None, options: dict[str, Any], work: Work) -> Pool:
    if cluster is not None:
        return RayPool(cluster, CLUSTER_THREADS, gpu=options.get("device") == "cuda", most=workers)
    cores = usable_cores()
    count = min(workers or default_workers(cores, options.get("device", "auto")), max(1, len(work.videos)))
    return LocalPool(count, max(1, cores // count))


def default_workers(cores: int, device: str) -> int:
    """As many processes as help: one a core, since two with a thread each do more than one with two (benchmarks.batch);
    as many as there is memory for; one where a GPU does the work."""
    if device == "cuda" or (device == "auto" and find_gpus().devices):
        return 1
    memory = available_memory()
    return cores if memory is None else max(1, min(cores, memory // WORKER_BYTES))


def usable_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int | None:
    """Bytes that can be had without swapping; None where the system doesn't say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
