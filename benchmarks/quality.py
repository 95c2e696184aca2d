"""How good is the erased picture? Composites with known background, and real clips.

    python -m benchmarks.quality                        # everything
    python -m benchmarks.quality --scenes pan --masks given --clips none --quick

README.md in this folder defines every figure.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.clips import CLIPS
from benchmarks.data import data_folder
from benchmarks.machine import describe_machine
from benchmarks.measure import Report, measure
from benchmarks.room import read_room
from benchmarks.runs import Networks, Run
from benchmarks.scenes import SCENES, scene
from benchmarks.showcase import show_clip
from benchmarks.tables import markdown_table, number, percent
from benchmarks.targets import Target, check_targets
from engines.command import exit_code_of
from engines.runtime import DEFAULT_FILLER, DEFAULT_SEGMENTER
from realtime.background.fill import load_filler
from realtime.segment import load_segmenter

ROOM, ROOM_FPS = "room_static_a", 10
HEADER = [
    *("method", "before", "later", "never", "all", "outside", "shadow", "flicker", "of Telea's"),
    *("leftover", "if shown", "missed", "gradient", "fills", "ms"),
]
FIGURES = ["psnr_before", "psnr_later", "psnr_never", "psnr_all", "psnr_outside", "psnr_shadow"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code (0 done, 1 failed, 2 wrong usage or no reference data)."""
    options = _parse(arguments)
    cv2.setNumThreads(options.threads)
    return exit_code_of(lambda: run_all(options))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description="How good is the erased picture?")
    parser.add_argument("--scenes", nargs="+", choices=[*SCENES, "none"], default=list(SCENES), metavar="SCENE")
    parser.add_argument("--clips", nargs="+", choices=[*CLIPS, ROOM, "none"], default=[*CLIPS, ROOM], metavar="CLIP")
    reaches = [0.0, 1.0, math.inf]
    parser.add_argument("--lookahead", nargs="+", type=_lookahead, default=reaches, metavar="SECONDS|all")
    parser.add_argument("--masks", choices=("given", "found", "both"), default="both")
    parser.add_argument("--frames", type=int, help="only the first so many frames of each clip")
    parser.add_argument("--segmenter", default=DEFAULT_SEGMENTER, metavar="MODEL")
    parser.add_argument("--fill", default=DEFAULT_FILLER, metavar="MODEL")
    parser.add_argument("--threads", type=int, default=2, help="of OpenCV and the networks, each")
    parser.add_argument("--quick", action="store_true", help="without baselines and contact sheets")
    parser.add_argument("--out", type=Path, default=Path("build/quality"), metavar="FOLDER")
    return parser.parse_args(arguments)


def _lookahead(text: str) -> float:
    """Seconds; infinite for "all"."""
    return math.inf if text == "all" else float(text)


def run_all(options: argparse.Namespace) -> None:
    """Measure what `options` ask for; print and write tables, JSON and contact sheets."""
    data_folder()
    found = options.masks != "given"
    segmenter = load_segmenter(options.segmenter, threads=options.threads) if found else None
    networks = Networks(segmenter, load_filler(options.fill, threads=options.threads))
    runs = [Run(seconds, given=True) for seconds in options.lookahead if options.masks != "found"]
    runs += [Run(seconds, given=False) for seconds in options.lookahead if found]
    options.out.mkdir(parents=True, exist_ok=True)
    machine = describe_machine()

    reports = []
    for report in _measure_all(options, networks, runs):
        print(f"\n{report_text(report)}", flush=True)
        reports.append(report)
    targets = check_targets({report.name: report.methods for report in reports})
    print(f"\n{targets_text(targets)}")
    if not options.quick:
        for name in options.clips:
            if name in CLIPS:
                show_clip(name, networks, runs, options.out, options.frames)
    _write(options, machine, reports, targets)
    print(f"\nWritten to {options.out}")


def _measure_all(options: argparse.Namespace, networks: Networks, runs: list[Run]) -> Iterator[Report]:
    keep = {"quick": options.quick, "folder": options.out}
    for name in options.scenes:
        if name != "none":
            made = scene(name, options.frames)
            # Told to find people, the eraser would erase those too who are to stay.
            suited = [run for run in runs if run.given or not made.bystanders]
            if made.near is not None:
                suited += [replace(run, single=True) for run in runs if run.given]
            yield measure(name, list(made), made.fps, networks, suited, **keep)
    if ROOM in options.clips:
        shots = read_room(options.frames)
        report = measure(ROOM, shots, ROOM_FPS, networks, runs, **keep)
        floor = float(np.median([shot.floor for shot in shots]))
        report.about += (
            f". Truth is the clean plate in the frame's exposure; outside the mask it agrees to {floor:.1f} dB"
        )
        yield report


def report_text(report: Report) -> str:
    """One scene as Markdown."""
    rows = [
        [
            method,
            *(number(figures[figure]) for figure in FIGURES),
            number(figures["flicker"], 2),
            number(figures["flicker_of_telea"], 2),
            *(percent(figures[figure]) for figure in ("leftover", "leftover_before", "missed")),
            number(figures["gradient"], 2),
            number(figures["fills"], 0),
            number(figures["ms"]),
        ]
        for method, figures in report.methods.items()
    ]
    return f"### {report.name}\n{report.about}.\n\n{markdown_table(HEADER, rows)}"


def targets_text(targets: list[Target]) -> str:
    """The targets as Markdown."""
    rows = [[target.name, target.wanted, target.reached, target.verdict] for target in targets]
    return f"### Targets\n\n{markdown_table(['target', 'wanted', 'reached', 'met'], rows)}"


def _write(options: argparse.Namespace, machine: dict[str, str], reports: list[Report], targets: list[Target]) -> None:
    settings = {"segmenter": options.segmenter, "fill": options.fill, "threads": options.threads}
    data = {
        "machine": machine,
        "settings": settings,
        "scenes": [asdict(report) for report in reports],
        "targets": [asdict(target) for target in targets],
    }
    (options.out / "quality.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    about = [f"- {key}: {value}" for key, value in {**machine, **settings}.items()]
    sections = ["# Quality", "\n".join(about), *(report_text(report) for report in reports), targets_text(targets)]
    (options.out / "quality.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
