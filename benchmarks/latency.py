"""How long does a frame take?

    python -m benchmarks.latency --video FILE           # the segmenter's masks
    python -m benchmarks.latency --synthetic 1280x720   # a still camera, a person who crosses; exact masks

Times every stage of `Eraser.step` beside per-frame Telea on the same holes, then `erase_video` as a whole.
README.md in this folder defines every figure.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from benchmarks.baselines import TELEA_RADIUS
from benchmarks.command import exit_code_of
from benchmarks.machine import describe_machine
from benchmarks.movie import write_movie
from benchmarks.scenes import crossing
from benchmarks.tables import markdown_table, number, percent
from engines.runtime import DEFAULT_FILLER, DEFAULT_SEGMENTER
from realtime.eraser import Eraser, Settings
from realtime.errors import EraserError
from realtime.files import erase_video
from realtime.fill import load_filler
from realtime.frame import Frame
from realtime.segment import load_segmenter
from realtime.selection import Selection
from realtime.source import open_source

FPS = 30
TARGET_RATIO = 1 / 6
TARGET_FPS = 15.0
BUSY = 0.3  # load per core above which the figures say more about other programs


@dataclass(frozen=True)
class Times:
    """Milliseconds: percentiles over n frames."""

    n: int
    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Times:
        p50, p90, p99 = (float(np.percentile(values, q)) for q in (50, 90, 99))
        return cls(len(values), p50, p90, p99, float(max(values)))


@dataclass
class Steps:
    """`Eraser.step` on one clip. hole: mean share of the frame; ratio: step's p50 / Telea's p50."""

    title: str
    size: str
    hole: float = 0.0
    fills: int = 0
    ratio: float | None = None
    stages: dict[str, Times] = field(default_factory=dict)


@dataclass(frozen=True)
class Whole:
    """`erase_video` on a file. fps: frames per second of the whole call, networks loaded before the clock starts."""

    title: str
    frames: int
    seconds: float
    fps: float
    stages: dict[str, dict[str, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code (0 done, 1 failed, 2 wrong usage or no reference data)."""
    options = _parse(arguments)
    if options.threads:
        cv2.setNumThreads(options.threads)
    return exit_code_of(lambda: run(options))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description="How long does a frame take?")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--video", metavar="FILE", help="a video; the segmenter finds whom to erase")
    what.add_argument(
        "--synthetic", metavar="WxH", type=picture_size, help="a made clip of this size; needs ERASER_DATA"
    )
    parser.add_argument("--frames", type=int, default=150, help="at most so many frames (default 150)")
    parser.add_argument("--warm-up", type=int, default=10, help="frames that don't count (default 10)")
    parser.add_argument("--telea-every", type=int, default=5, help="run Telea on each so-many-th frame (default 5)")
    parser.add_argument("--segmenter", default=DEFAULT_SEGMENTER, metavar="MODEL")
    parser.add_argument("--fill", default=DEFAULT_FILLER, metavar="MODEL")
    parser.add_argument("--threads", type=int, help="of OpenCV and the networks, each (default: their own choice)")
    parser.add_argument("--no-whole", action="store_true", help="leave out erase_video as a whole")
    parser.add_argument("--out", type=Path, default=Path("build/latency"), metavar="FOLDER")
    return parser.parse_args(arguments)


def picture_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None or int(match[1]) % 2 or int(match[2]) % 2 or min(int(match[1]), int(match[2])) < 64:
        raise argparse.ArgumentTypeError(f"{text} is not a size: give WIDTHxHEIGHT, both even, like 1280x720")
    return int(match[1]), int(match[2])


def run(options: argparse.Namespace) -> None:
    """Measure what `options` ask for; print and write the tables."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    machine = {**describe_machine(), "load before": number(load, 2)}
    with tempfile.TemporaryDirectory() as folder:
        masks = None
        if options.synthetic:
            width, height = options.synthetic
            shots = list(crossing(width, height, options.frames))
            path, masks = str(Path(folder) / "synthetic.mp4"), [shot.mask for shot in shots]
            write_movie(Path(path), (shot.frame for shot in shots), FPS)
            del shots
        else:
            path = options.video
        if load is not None and load > BUSY * (os.cpu_count() or 1):
            print(
                f"other programs are keeping this machine busy (load {load:.1f}): times will be too long",
                file=sys.stderr,
            )
        steps = []
        if masks is not None:
            steps.append(measure_steps(path, masks, options))
            print(steps_text(steps[-1]), flush=True)
        steps.append(measure_steps(path, None, options))
        print(steps_text(steps[-1]), flush=True)
        whole = [] if options.no_whole else [measure_whole(path, Path(folder) / "erased.mp4", options)]
        for one in whole:
            print(whole_text(one), flush=True)
    targets = _targets(steps, whole) if options.synthetic else ""
    print(targets)
    _write(options, machine, steps, whole, targets)
    print(f"Written to {options.out}")


def measure_steps(path: str, masks: list[np.ndarray] | None, options: argparse.Namespace) -> Steps:
    """Time `Eraser.step` frame by frame, and Telea on the same holes in between.

    masks: per frame (H, W) uint8; None = the segmenter finds them.
    """
    segmenter = load_segmenter(options.segmenter, threads=options.threads) if masks is None else None
    selection = Selection() if masks is None else Selection(classes=())
    eraser = Eraser(segmenter, load_filler(options.fill, threads=options.threads), selection, Settings())
    times: dict[str, list[float]] = {}
    telea: list[float] = []
    holes: list[float] = []
    size = ""
    for index, frame in enumerate(_frames(path, options.frames)):
        given = None if masks is None else masks[index]
        start = time.perf_counter()
        result = eraser.step(frame, given)
        spent = (time.perf_counter() - start) * 1e3
        if index < options.warm_up:
            continue
        size = f"{frame.image.shape[1]}x{frame.image.shape[0]}"
        for stage, milliseconds in {**result.timings, "Eraser.step": spent}.items():
            times.setdefault(stage, []).append(milliseconds)
        holes.append(np.count_nonzero(result.hole) / result.hole.size)
        if index % options.telea_every == 0 and result.hole.any():
            start = time.perf_counter()
            cv2.inpaint(frame.image, result.hole, TELEA_RADIUS, cv2.INPAINT_TELEA)
            telea.append((time.perf_counter() - start) * 1e3)
    if not times:
        raise EraserError(f"{path} has no frames left after {options.warm_up} of warm-up: lower --warm-up")
    steps = Steps(
        "masks given" if masks is not None else "masks found", size, float(np.mean(holes)), eraser.stats.fills
    )
    steps.stages = {stage: Times.of(values) for stage, values in times.items()}
    if telea:
        steps.stages["Telea"] = Times.of(telea)
        steps.ratio = steps.stages["Eraser.step"].p50 / steps.stages["Telea"].p50
    return steps


def _frames(path: str, count: int) -> Iterator[Frame]:
    with open_source(path) as source:
        yield from islice(source, count)


def measure_whole(path: str, output: Path, options: argparse.Namespace) -> Whole:
    """Erase the file as a user would: decode, segment, erase with lookahead 1 s, encode with x264."""
    end = options.frames / FPS if options.video else None
    report = erase_video(
        path, output, segmenter=options.segmenter, fill=options.fill, threads=options.threads, end=end, codec="h264"
    )
    stages = {name: asdict(stage) for name, stage in report.stages.items()}
    return Whole("erase_video, masks found, lookahead 1 s", report.frames, report.seconds, report.fps, stages)


def steps_text(steps: Steps) -> str:
    """One table of `Eraser.step` as Markdown."""
    table = _stage_table({stage: asdict(times) for stage, times in steps.stages.items()})
    about = f"Hole {percent(steps.hole)} of the frame, {steps.fills} fills"
    if steps.ratio is not None:
        about += f"; Eraser.step takes {steps.ratio:.3f} of Telea's time (1/{1 / steps.ratio:.1f})"
    return f"\n### Eraser.step, {steps.size}, {steps.title}\n\n{about}.\n\n{table}"


def whole_text(whole: Whole) -> str:
    """The whole job as Markdown."""
    stages = {name: {"n": stage["count"], **stage} for name, stage in whole.stages.items()}
    about = f"{whole.frames} frames in {whole.seconds:.2f} s: {whole.fps:.1f} frames/s"
    return f"\n### {whole.title}\n\n{about}.\n\n{_stage_table(stages)}"


def _stage_table(stages: dict[str, dict[str, float]]) -> str:
    rows = [
        [name, str(times["n"]), *(number(times[column], 2) for column in ("p50", "p90", "p99", "max"))]
        for name, times in stages.items()
    ]
    return markdown_table(["ms per frame", "n", "p50", "p90", "p99", "max"], rows)


def _targets(steps: list[Steps], whole: list[Whole]) -> str:
    rows = []
    for one in steps:
        if one.title == "masks given" and one.ratio is not None:
            met = "yes" if one.ratio <= TARGET_RATIO else "NO"
            rows.append(["Eraser.step p50 / Telea p50, masks given", f"<= {TARGET_RATIO:.3f}", f"{one.ratio:.3f}", met])
    for job in whole:
        met = "yes" if job.fps >= TARGET_FPS else "NO"
        rows.append(["erase_video as a whole", f">= {TARGET_FPS:g} frames/s", f"{job.fps:.1f}", met])
    return f"\n### Targets (1280x720, 2 cores)\n\n{markdown_table(['target', 'wanted', 'reached', 'met'], rows)}\n"


def _write(
    options: argparse.Namespace, machine: dict[str, str], steps: list[Steps], whole: list[Whole], targets: str
) -> None:
    settings = {
        "input": options.video or f"synthetic {options.synthetic[0]}x{options.synthetic[1]}",
        "warm-up": str(options.warm_up),
        "threads": str(options.threads or f"default (OpenCV {cv2.getNumThreads()}, of {os.cpu_count()} cores)"),
        "segmenter": options.segmenter,
        "fill": options.fill,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    data = {
        "machine": machine,
        "settings": settings,
        "steps": [asdict(one) for one in steps],
        "whole": [asdict(one) for one in whole],
    }
    (options.out / "latency.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    about = "\n".join(f"- {key}: {value}" for key, value in {**machine, **settings}.items())
    texts = ["# Latency\n", about, *map(steps_text, steps), *map(whole_text, whole), targets]
    (options.out / "latency.md").write_text("\n".join(texts), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
