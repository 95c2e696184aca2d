"""How long does a frame take?

    python -m benchmarks.latency --video FILE        # the segmenter's masks
    python -m benchmarks.latency --size 1920x1080    # a still camera, a person who crosses; exact masks, and found ones

Times every stage of `Eraser.step` beside per-frame Telea on the same holes, as fast as it goes and at a camera's pace,
then `erase_video` as a whole; where the eraser works on a GPU, its own times, memory and copies too. README.md in this
folder defines every figure.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from benchmarks.charts import stacked
from benchmarks.latency_tables import Whole, bars_of, paced_text, steps_text, targets_text, whole_text
from benchmarks.machine import describe_machine, graphics
from benchmarks.movie import write_movie
from benchmarks.scenes import crossing
from benchmarks.stepping import Paced, Steps, measure_paced, measure_steps, measure_sustained
from benchmarks.tables import number
from engines.command import exit_code_of
from engines.pictures import write_picture
from engines.runtime import DEFAULT_FILLER, DEFAULT_SEGMENTER, DEVICES, RUNTIMES
from realtime.background.fill import Filler, load_filler
from realtime.eraser import Eraser
from realtime.errors import EraserError
from realtime.files import erase_video
from realtime.frame import Frame
from realtime.media.opening import open_source
from realtime.segment import Segmenter, load_segmenter
from realtime.selection import Selection
from realtime.settings import Settings

FPS = 30
CAMERAS = "still", "hand-held"
BUSY = 0.3  # load per core above which the figures say more about other programs


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
        "--size", "--synthetic", metavar="WxH", type=picture_size, help="a made clip of this size; needs ERASER_DATA"
    )
    parser.add_argument("--camera", choices=CAMERAS, default="still", help="that of the made clip (default still)")
    parser.add_argument("--frames", type=int, default=150, help="at most so many frames (default 150)")
    parser.add_argument("--warm-up", type=int, default=10, help="frames that don't count (default 10)")
    parser.add_argument("--telea-every", type=int, default=5, help="run Telea on each so-many-th frame (default 5)")
    parser.add_argument("--paced", type=float, default=FPS, metavar="FPS", help=f"rate of a camera (default {FPS})")
    parser.add_argument("--segmenter", default=DEFAULT_SEGMENTER, metavar="MODEL")
    parser.add_argument("--fill", default=DEFAULT_FILLER, metavar="MODEL")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the networks run (default auto)")
    parser.add_argument("--runtime", choices=RUNTIMES, default="auto", help="what runs them (default auto)")
    parser.add_argument("--threads", type=int, help="of OpenCV and the networks, each (default: their own choice)")
    parser.add_argument("--no-whole", action="store_true", help="leave out erase_video as a whole")
    parser.add_argument("--out", type=Path, default=Path("build/latency"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    if not options.paced > 0:
        parser.error(f"--paced is {options.paced:g}: give more than 0 frames per second")
    return options


def picture_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None or int(match[1]) % 2 or int(match[2]) % 2 or min(int(match[1]), int(match[2])) < 64:
        raise argparse.ArgumentTypeError(f"{text} is not a size: give WIDTHxHEIGHT, both even, like 1280x720")
    return int(match[1]), int(match[2])


def run(options: argparse.Namespace) -> None:
    """Measure what `options` ask for; print and write the tables."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    machine = {**describe_machine(), "GPU": graphics(), "load before": number(load, 2)}
    with tempfile.TemporaryDirectory() as folder:
        masks = None
        if options.size:
            width, height = options.size
            shots = list(crossing(width, height, options.frames, hand_held=options.camera != CAMERAS[0]))
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
        steps, paced = _measure(path, masks, options)
        whole = [] if options.no_whole else [measure_whole(path, Path(folder) / "erased.mp4", options)]
        for one in whole:
            print(whole_text(one), flush=True)
    targets = targets_text(steps, whole) if options.size else ""
    print(targets)
    _write(options, machine, steps, paced, whole, targets)
    print(f"Written to {options.out}")


def _measure(path: str, masks: list[np.ndarray] | None, options: argparse.Namespace) -> tuple[list[Steps], list[Paced]]:
    """The core with the masks given, where there are some, and found."""
    frames = list(_frames(path, options.frames))
    if len(frames) <= options.warm_up:
        raise EraserError(f"{path} has no frames left after {options.warm_up} of warm-up: lower --warm-up")
    steps, paced = [], []
    runs = [("masks found", None)] if masks is None else [("masks given", masks), ("masks found", None)]
    camera = "" if masks is None or options.camera == CAMERAS[0] else f", {options.camera} camera"
    for name, given in runs:
        title = name + camera
        networks = _networks(given is None, options)
        try:
            steps.append(measure_steps(title, _eraser(*networks), frames, given, options.warm_up, options.telea_every))
            steps[-1].sustained = measure_sustained(_eraser(*networks), frames, given, options.warm_up)
            print(steps_text(steps[-1]), flush=True)
            paced.append(measure_paced(title, _eraser(*networks), frames, given, options.warm_up, options.paced))
        finally:
            for network in networks:
                if (engine := getattr(network, "engine", None)) is not None:
                    engine.close()
    print(paced_text(paced), flush=True)
    return steps, paced


def _networks(search: bool, options: argparse.Namespace) -> tuple[Segmenter | None, Filler]:
    """Segmenter, None where no masks are to be found, and filler."""
    chosen = {"device": options.device, "runtime": options.runtime, "threads": options.threads}
    return load_segmenter(options.segmenter, **chosen) if search else None, load_filler(options.fill, **chosen)


def _eraser(segmenter: Segmenter | None, filler: Filler) -> Eraser:
    return Eraser(segmenter, filler, Selection() if segmenter else Selection(classes=()), Settings())


def _frames(path: str, count: int) -> Iterator[Frame]:
    with open_source(path) as source:
        yield from islice(source, count)


def _end_of(path: str, count: int) -> float | None:
    """Seconds after which a video has shown so many frames, by its rate; None where nobody knows that."""
    with open_source(path) as source:
        rate = source.info.rate
    return float((count - Fraction(1, 2)) / rate) if rate else None


def measure_whole(path: str, output: Path, options: argparse.Namespace) -> Whole:
    """Erase the file as a user would: decode, segment, erase with lookahead 1 s, encode with x264."""
    end = _end_of(path, options.frames) if options.video else None
    report = erase_video(
        path,
        output,
        segmenter=options.segmenter,
        fill=options.fill,
        device=options.device,
        runtime=options.runtime,
        threads=options.threads,
        end=end,
        codec="h264",
    )
    stages = {name: asdict(stage) for name, stage in report.stages.items()}
    return Whole("erase_video, masks found, lookahead 1 s", report.frames, report.seconds, report.fps, stages)


def _write(
    options: argparse.Namespace,
    machine: dict[str, str],
    steps: list[Steps],
    paced: list[Paced],
    whole: list[Whole],
    targets: str,
) -> None:
    settings = {
        "input": options.video or f"synthetic {options.size[0]}x{options.size[1]}, {options.camera} camera",
        "warm-up": str(options.warm_up),
        "threads": str(options.threads or f"default (OpenCV {cv2.getNumThreads()}, of {os.cpu_count()} cores)"),
        "device, runtime": f"{options.device}, {options.runtime}",
        "segmenter": options.segmenter,
        "fill": options.fill,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    data = {
        "machine": machine,
        "settings": settings,
        "steps": [asdict(one) for one in steps],
        "paced": [asdict(one) for one in paced],
        "whole": [asdict(one) for one in whole],
    }
    (options.out / "latency.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    about = "\n".join(f"- {key}: {value}" for key, value in {**machine, **settings}.items())
    texts = [*map(steps_text, steps), paced_text(paced), *map(whole_text, whole), targets]
    (options.out / "latency.md").write_text("\n".join(["# Latency\n", about, *texts]), encoding="utf-8")
    title = f"Mean milliseconds per frame, {steps[0].size}, {machine['processor']}"
    write_picture(options.out / "latency.png", stacked(title, bars_of(steps, whole)))


if __name__ == "__main__":
    sys.exit(main())
