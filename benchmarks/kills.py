"""Kills a batch at random instants, resumes it, and looks whether anybody could tell."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from realtime.batch.journal import NAME
from realtime.errors import EraserError

ALL, DRIVER, WORKER = "all processes", "the driver", "a worker"
COMMAND = [sys.executable, "-m", "realtime.cli"]


@dataclass
class Survived:
    """What a batch went through. kills: by what was killed; batches: brought to their ends; resumed: runs that went on
    with another; wrong: files that differ from those of a calm run, or are missing; strays: what shouldn't be there."""

    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys((ALL, DRIVER, WORKER), 0))
    batches: int = 0
    resumed: int = 0
    wrong: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)


def kill_often(folder: Path, inputs: Path, options: Sequence[str], kills: int, seed: int) -> Survived:
    """Erase all of `inputs` over and over, with so many `kill -9` in between, at seeded instants of the whole run.

    folder: to write into; options: of `erase-video --batch`. A batch goes on after each kill until it is done; then the
    next one begins, until all kills have been spent. Raises EraserError where a run fails by itself.
    """
    begun = time.monotonic()
    _end(_start(["--batch", str(inputs), "--output", str(folder / "calm"), *options]))
    length = time.monotonic() - begun
    calm = contents(folder / "calm")
    chance, survived = random.Random(seed), Survived()
    while sum(survived.kills.values()) < kills:
        output = folder / f"killed-{survived.batches}"
        _survive(inputs, output, options, length, kills, chance, survived)
        survived.batches += 1
        found = contents(output)
        survived.wrong += [f"{output.name}/{name}" for name, sums in calm.items() if found.get(name) != sums]
        survived.strays += [f"{output.name}/{name}" for name in found.keys() - calm.keys()]
    return survived


def _survive(
    inputs: Path,
    output: Path,
    options: Sequence[str],
    length: float,
    kills: int,
    chance: random.Random,
    survived: Survived,
) -> None:
    """One batch, killed and resumed until it is done."""
    begin, resume = ["--batch", str(inputs), "--output", str(output), *options], ["--resume", "--output", str(output)]
    process, hurt = _start(begin), False
    while True:
        if _ends_within(process, chance.uniform(0, length)):
            if not (process.returncode == 1 and hurt):  # a file that cost too many workers is tried again
                _end(process)
                return
        elif sum(survived.kills.values()) == kills:
            continue
        else:
            victim = chance.choice((ALL, DRIVER, WORKER))
            done = _kill(process, victim, chance)
            survived.kills[victim] += done
            hurt |= bool(done)
            if victim == WORKER:
                continue
            process.wait()
        # Killed before it could write a word, there is nothing to go on with.
        begun = (output / NAME).is_file() and b'"begin"' in (output / NAME).read_bytes()
        survived.resumed += begun
        process, hurt = _start(resume if begun else begin), False


def contents(folder: Path) -> dict[str, list[int]]:
    """A sum of each picture of each video below a folder; of other files and folders only the names."""
    found = {}
    for path in sorted(folder.rglob("*")):
        video = path.is_file() and not path.name.startswith(".")
        found[path.relative_to(folder).as_posix()] = picture_sums(path) if video else []
    return found


def picture_sums(path: Path) -> list[int]:
    """A sum of each picture of a video; to be compared within this process only."""
    with av.open(str(path)) as container:
        return [hash(np.ascontiguousarray(frame.to_ndarray()).tobytes()) for frame in container.decode(video=0)]


def _start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[1])
    paths = os.pathsep.join(path for path in (root, os.environ.get("PYTHONPATH")) if path)
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": paths},
    )


def _ends_within(process: subprocess.Popen[str], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[str]) -> None:
    _, said = process.communicate()
    if process.returncode:
        raise EraserError(f"a batch failed by itself: {said.strip()}")


def _kill(process: subprocess.Popen[str], victim: str, chance: random.Random) -> int:
    """kill -9; returns how many kills that was: a worker may not be there yet, or any longer."""
    if victim == ALL:
        os.killpg(process.pid, signal.SIGKILL)
    elif victim == DRIVER:
        process.kill()
    else:
        workers = _workers(process.pid)
        if not workers:
            return 0
        try:
            os.kill(chance.choice(workers), signal.SIGKILL)
        except ProcessLookupError:
            return 0
    return 1


def _workers(driver: int) -> list[int]:
    """The processes that do a driver's tasks (Linux)."""
    children = Path(f"/proc/{driver}/task/{driver}/children")
    try:
        listed = [int(child) for child in children.read_text().split()]
        return [child for child in listed if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    except OSError:
        return []
