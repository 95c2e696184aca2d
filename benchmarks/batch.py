"""How many files an hour, and what a batch survives.

    python -m benchmarks.batch                 # files per hour: 1 worker, 2, a Ray cluster of this machine alone
    python -m benchmarks.batch --kills 50      # kill -9 at so many random instants

README.md in this folder defines every figure.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kills import Survived, kill_often, picture_sums
from benchmarks.machine import describe_machine, priority
from benchmarks.movie import write_movie
from benchmarks.scenes import crossing
from benchmarks.tables import markdown_table, number, percent
from engines.command import exit_code_of
from realtime.batch.cluster import RayPool
from realtime.batch.driver import Driver, Steps
from realtime.batch.journal import Journal
from realtime.batch.local import LocalPool
from realtime.batch.run import erase_batch, usable_cores
from realtime.batch.tasks import Bench, Erased, Pool
from realtime.batch.tree import Video
from realtime.errors import EraserError
from realtime.files import erase_video

FPS = 30
SHOTS = 4  # of the long file
EMPTY = 100  # tasks that do nothing
MACHINES = 100  # of the estimate


@dataclass(frozen=True)
class Run:
    """A batch of `files` files. seconds: from the call to its return, starting workers included; cpu: seconds of the
    processors, all processes together, None where they aren't known."""

    name: str
    files: int
    frames: int
    seconds: float
    cpu: float | None = None

    @property
    def per_hour(self) -> float:
        return 3600 * self.files / self.seconds


@dataclass(frozen=True)
class Touch:
    """A task that takes no time of its own."""

    def run(self, bench: Bench) -> Erased:
        (bench.folder / "empty").touch()
        return Erased(bench.folder / "empty", 0, 0, ())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code (0 done, 1 failed, 2 wrong usage or no reference data)."""
    options = _parse(arguments)
    return exit_code_of(lambda: run(options))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description="How many files an hour?")
    parser.add_argument("--files", type=int, default=8, help="of the batch (default 8)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each (default 4)")
    parser.add_argument("--size", type=_size, default=(640, 360), metavar="WxH")
    parser.add_argument("--no-cluster", action="store_true", help="leave out what needs Ray")
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="the kill test instead, with so many kills")
    parser.add_argument("--seed", type=int, default=8, help="of the instants (default 8)")
    parser.add_argument("--out", type=Path, default=Path("build/batch"), metavar="FOLDER")
    return parser.parse_args(arguments)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def run(options: argparse.Namespace) -> None:
    """Measure what `options` ask for; print and write the tables."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
    machine = {**describe_machine(), "load before": load, "priority": priority()}
    with tempfile.TemporaryDirectory() as folder:
        name, text, data = (_kills if options.kills else _speed)(options, Path(folder))
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{name}.json").write_text(json.dumps({"machine": machine, **data}, indent=1) + "\n")
    about = "\n".join(f"- {key}: {value}" for key, value in machine.items())
    (options.out / f"{name}.md").write_text(f"{about}\n{text}", encoding="utf-8")
    print(f"Written to {options.out}")


def _kills(options: argparse.Namespace, folder: Path) -> tuple[str, str, dict[str, Any]]:
    inputs = folder / "in"
    (inputs / "sub").mkdir(parents=True)
    for index, name in enumerate(("a.mkv", "b.mkv", "sub/c.mkv", "sub/d.mkv")):
        _write(inputs / name, 320, 180, FPS * 2, mirrored=index % 2 == 1)
    survived = kill_often(folder, inputs, ["--codec", "ffv1"], options.kills, options.seed)
    if survived.wrong or survived.strays:
        raise EraserError(f"kills left their marks: wrong {survived.wrong}, strays {survived.strays}")
    return "kills", kills_text(survived, options.seed), {"seed": options.seed, "survived": asdict(survived)}


def kills_text(survived: Survived, seed: int) -> str:
    """What was survived, as Markdown."""
    rows = [[f"kill -9 of {victim}", str(count)] for victim, count in sorted(survived.kills.items())]
    rows += [
        ["batches brought to their ends", str(survived.batches)],
        ["runs with --resume", str(survived.resumed)],
        ["files that differ from a calm run's, or are missing", str(len(survived.wrong))],
        ["stray files", str(len(survived.strays))],
    ]
    return f"\n### Kills (seed {seed})\n\n{markdown_table(['what', 'count'], rows)}\n"


def _speed(options: argparse.Namespace, folder: Path) -> tuple[str, str, dict[str, Any]]:
    width, height = options.size
    inputs = folder / "in"
    inputs.mkdir()
    _write(inputs / "0.mp4", width, height, round(FPS * options.seconds))
    for index in range(1, options.files):
        shutil.copy(inputs / "0.mp4", inputs / f"{index}.mp4")
    cores = usable_cores()
    runs = [_batch(folder, f"{workers} worker{'s' * (workers > 1)}", workers=workers) for workers in (1, cores)]
    empty = {"local": _empty(folder / "empty-local", LocalPool(cores, 1))}
    pieces: list[Run] = []
    if not options.no_cluster:
        with _cluster(cores) as address:
            runs.append(_batch(folder, f"--cluster, {cores} processors", cluster=address))
            empty["cluster"] = _empty(folder / "empty-cluster", RayPool(address, 1, gpu=False))
            pieces = _pieces(folder, width, height, round(FPS * options.seconds), address)
    text = speed_text(runs, pieces, empty)
    data = {"runs": [asdict(one) for one in runs], "pieces": [asdict(one) for one in pieces], "empty_s": empty}
    return "speed", text, data


def _write(path: Path, width: int, height: int, frames: int, mirrored: bool = False) -> None:
    """A person crosses; mirrored: the other way."""
    step = -1 if mirrored else 1
    write_movie(path, (np.ascontiguousarray(shot.frame[:, ::step]) for shot in crossing(width, height, frames)), FPS)


def _batch(folder: Path, name: str, **how: Any) -> Run:
    begun, used = time.monotonic(), _cpu()
    result = erase_batch(folder / "in", folder / name.replace(" ", "-"), **how)
    seconds, cpu = time.monotonic() - begun, None if "cluster" in how else _cpu() - used
    if result.counts["done"] != len(result.outcomes):
        raise EraserError("\n".join(result.table()))
    print(f"{name}: {len(result.outcomes)} files in {seconds:.1f} s", file=sys.stderr)
    return Run(name, len(result.outcomes), sum(outcome.frames for outcome in result.outcomes), seconds, cpu)


def _cpu() -> float:
    """Processor time of this process and of those that it has started and that have ended, seconds."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _empty(folder: Path, pool: Pool) -> float:
    """Seconds a file of a batch whose tasks do nothing: the driver, the journal, the way to a worker and back."""
    (folder / "shop").mkdir(parents=True)
    videos = [Video(f"{index}", folder / f"{index}.in", folder / "out" / f"{index}") for index in range(EMPTY)]
    for video in videos:
        video.input.touch()

    def way(video: Video) -> Steps:
        (touched,) = yield [Touch()]
        return touched

    with pool, Journal(folder) as journal:
        driver = Driver(journal, folder / "shop", pool, way, "", False, None)
        driver.run(videos[:4])  # workers start
        begun = time.monotonic()
        driver.run(videos[4:])
        return (time.monotonic() - begun) / (EMPTY - 4)


def _pieces(folder: Path, width: int, height: int, frames: int, address: str) -> list[Run]:
    """One file of several shots: at one go, and in pieces on the cluster; without loss, so that both compare."""
    film = folder / "long" / "film.mkv"
    film.parent.mkdir()
    shots = (shot.frame for shot in crossing(width, height, frames))
    pictures = list(shots)
    views = [picture[:: 1 - 2 * (turn // 2), :: 1 - 2 * (turn % 2)] for turn in range(SHOTS) for picture in pictures]
    write_movie(film, (np.ascontiguousarray(view) for view in views), FPS)
    begun = time.monotonic()
    erase_video(film, folder / "film.mkv", codec="ffv1")
    whole = Run("one file of four shots, erase-video", 1, len(views), time.monotonic() - begun)
    begun = time.monotonic()
    shortest = 0.9 * frames / FPS
    result = erase_batch(film.parent, folder / "long-out", cluster=address, shortest=shortest, codec="ffv1")
    if result.counts["done"] != 1:
        raise EraserError("\n".join(result.table()))
    pieces = Run("the same in pieces, --cluster", 1, len(views), time.monotonic() - begun)
    if picture_sums(folder / "long-out" / "film.mkv") != picture_sums(folder / "film.mkv"):
        raise EraserError("the pieces' frames differ from those of one run")
    return [whole, pieces]


@contextmanager
def _cluster(cores: int) -> Iterator[str]:
    """A Ray cluster of this machine alone."""
    try:
        from ray.cluster_utils import Cluster
    except ImportError as error:
        raise EraserError("Ray is not installed: pip install '.[cluster]', or give --no-cluster") from error
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cores})
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


def speed_text(runs: Sequence[Run], pieces: Sequence[Run], empty: dict[str, float]) -> str:
    """The figures as Markdown."""
    first = runs[0]
    rows = [
        [
            one.name,
            number(one.seconds),
            number(one.per_hour, 0),
            number(one.frames / one.seconds),
            _gain(first, one),
            number(one.cpu),
        ]
        for one in runs
    ]
    header = ["batch", "seconds", "files an hour", "frames/s", "of the first", "processor s"]
    text = f"\n### {first.files} files of {first.frames // first.files} frames\n\n{markdown_table(header, rows)}\n"
    costs = [[name, number(1e3 * seconds, 1)] for name, seconds in empty.items()]
    text += f"\n### A file that takes no time\n\n{markdown_table(['batch', 'ms a file'], costs)}\n"
    if len(runs) < 3:
        return text
    overhead = runs[2].seconds / runs[1].seconds - 1
    text += f"\n`--cluster` takes {percent(overhead)} longer than as many workers without it.\n"
    rows = [[one.name, number(one.seconds), number(one.frames / one.seconds), _gain(pieces[0], one)] for one in pieces]
    header = ["one file", "seconds", "frames/s", "of the first"]
    text += f"\n### Pieces\n\n{markdown_table(header, rows)}\n"
    machines, driver = MACHINES * runs[2].per_hour, 3600 / empty["cluster"]
    limit = "would not limit them" if driver > machines else f"would hold them to {percent(driver / machines, 0)} of it"
    return (
        f"{text}\n### {MACHINES} machines like this one: an estimate, on paper\n\n"
        f"{MACHINES} times the cluster's rate: {machines:.0f} such files an hour. The one driver can hand out and put "
        f"away {driver:.0f} files an hour, so it {limit}. Not in this: what the network and the storage take.\n"
    )


def _gain(first: Run, one: Run) -> str:
    return f"{first.seconds / one.seconds:.2f} x"


if __name__ == "__main__":
    sys.exit(main())
