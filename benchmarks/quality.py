"""How good is the erased picture? Composites with known background, and real clips.

    python -m benchmarks.quality --out quality          # everything
    python -m benchmarks.quality --scenes pan --masks given --clips none --quick

README.md in this folder defines every figure.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.baselines import Output, oracle, telea, temporal_median
from benchmarks.clips import read_clip
from benchmarks.data import DataMissingError, data_folder
from benchmarks.machine import describe_machine
from benchmarks.metrics import Score
from benchmarks.room import read_room
from benchmarks.runs import run_eraser
from benchmarks.scenes import SCENES, Shot, scene
from benchmarks.sheets import close_up, contact_sheet, overlay, write_picture
from benchmarks.tables import markdown_table, number, percent
from benchmarks.targets import Target, check_targets
from engines.errors import EngineError
from engines.runtime import DEFAULT_FILLER, DEFAULT_SEGMENTER
from realtime.eraser import Eraser, Settings
from realtime.errors import EraserError
from realtime.fill import Filler, load_filler
from realtime.segment import Segmenter, load_segmenter
from realtime.selection import Selection

CLIPS = {"bmx_trees": 24, "dance_twirl": 24, "tennis": 24}  # with given masks; frames per second
ROOM, ROOM_FPS = "room_static_a", 10
PICKS = 4  # rows of a contact sheet
HEADER = [
    *("method", "before", "later", "never", "all", "outside", "shadow", "flicker", "of Telea's"),
    *("leftover", "if shown", "missed", "gradient", "fills", "ms"),
]
NOT_ON_SHEETS = ("temporal median", "oracle", "found 0 s")
FIGURES = ["psnr_before", "psnr_later", "psnr_never", "psnr_all", "psnr_outside", "psnr_shadow"]


@dataclass
class Report:
    """What was measured on one scene: per method its figures (see `metrics.Score.figures`), and a line about it."""

    name: str
    about: str
    methods: dict[str, dict[str, float | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Networks:
    """What the erasers of a run share. segmenter: None where all masks are given."""

    segmenter: Segmenter | None
    filler: Filler

    def for_given(self) -> Eraser:
        return Eraser(None, self.filler, Selection(classes=()), Settings())

    def for_found(self) -> Eraser:
        return Eraser(self.segmenter, self.filler, Selection(), Settings())


@dataclass(frozen=True)
class Run:
    """One configuration of the eraser. name: as in tables, such as "eraser 1 s" or, with its own masks, "found 1 s"."""

    name: str
    lookahead: float
    given: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code (0 done, 1 failed, 2 wrong usage or no reference data)."""
    options = _parse(arguments)
    cv2.setNumThreads(options.threads)
    try:
        data_folder()
        run_all(options)
    except DataMissingError as error:
        print(error, file=sys.stderr)
        return 2
    except (EraserError, EngineError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description="How good is the erased picture?")
    parser.add_argument("--scenes", nargs="+", choices=[*SCENES, "none"], default=list(SCENES), metavar="SCENE")
    parser.add_argument("--clips", nargs="+", choices=[*CLIPS, ROOM, "none"], default=[*CLIPS, ROOM], metavar="CLIP")
    parser.add_argument("--lookahead", nargs="+", type=float, default=[0.0, 1.0], metavar="SECONDS")
    parser.add_argument("--masks", choices=("given", "found", "both"), default="both")
    parser.add_argument("--frames", type=int, help="only the first so many frames of each clip")
    parser.add_argument("--segmenter", default=DEFAULT_SEGMENTER, metavar="MODEL")
    parser.add_argument("--fill", default=DEFAULT_FILLER, metavar="MODEL")
    parser.add_argument("--threads", type=int, default=2, help="of OpenCV and the networks, each")
    parser.add_argument("--quick", action="store_true", help="without baselines and contact sheets")
    parser.add_argument("--out", type=Path, default=Path("quality"), metavar="FOLDER")
    return parser.parse_args(arguments)


def run_all(options: argparse.Namespace) -> None:
    """Measure what `options` ask for; print and write tables, JSON and contact sheets."""
    found = options.masks != "given"
    segmenter = load_segmenter(options.segmenter, threads=options.threads) if found else None
    networks = Networks(segmenter, load_filler(options.fill, threads=options.threads))
    runs = [Run(f"eraser {s:g} s", s, True) for s in options.lookahead if options.masks != "found"]
    runs += [Run(f"found {s:g} s", s, False) for s in options.lookahead if found]
    options.out.mkdir(parents=True, exist_ok=True)

    reports = []
    for report in _measure_all(options, networks, runs):
        print(f"\n{report_text(report)}", flush=True)
        reports.append(report)
    targets = check_targets({report.name: report.methods for report in reports})
    print(f"\n{targets_text(targets)}")
    if not options.quick:
        for name in options.clips:
            if name in CLIPS:
                _show_clip(name, networks, runs, options)
    _write(options, reports, targets)
    print(f"\nWritten to {options.out}")


def _measure_all(options: argparse.Namespace, networks: Networks, runs: list[Run]) -> Iterator[Report]:
    for name in options.scenes:
        if name != "none":
            made = scene(name, options.frames)
            yield measure(name, list(made), made.fps, networks, runs, options)
    if ROOM in options.clips:
        shots = read_room(options.frames)
        floor = float(np.median([shot.floor for shot in shots]))
        report = measure(ROOM, shots, ROOM_FPS, networks, runs, options, with_oracle=False)
        report.about += (
            f". Truth is the clean plate in the frame's exposure; outside the mask it agrees to {floor:.1f} dB"
        )
        yield report


def measure(
    name: str,
    shots: Sequence[Any],
    fps: float,
    networks: Networks,
    runs: list[Run],
    options: argparse.Namespace,
    with_oracle: bool = True,
) -> Report:
    """Run every method over one clip with known background; writes its contact sheet unless --quick.

    shots: `scenes.Shot`, or alike.
    """
    methods: dict[str, Callable[[], Iterable[Output]]] = {}
    if not options.quick:
        methods = {"Telea": lambda: telea(shots), "temporal median": lambda: temporal_median(shots)}
        if with_oracle:
            methods["oracle"] = lambda: oracle(shots)
    methods |= {run.name: _eraser_method(shots, fps, networks, run) for run in runs}

    report = Report(name, _about(shots))
    picks = _picks(shots)
    pictures: dict[str, dict[int, np.ndarray]] = {
        "before": {i: shots[i].frame for i in picks},
        "truth": {i: shots[i].truth.astype(np.uint8) for i in picks},
    }
    for method, start in methods.items():
        score = Score()
        pictures[method] = {}
        for shot, output in zip(shots, start(), strict=True):
            score.add(output, shot)
            if shot.index in picks:
                pictures[method][shot.index] = output.image
        report.methods[method] = score.figures()
    _relate_flicker(report)
    if not options.quick:
        shown = {method: column for method, column in pictures.items() if method not in NOT_ON_SHEETS}
        _write_sheet(options.out / f"{name}.png", shown, {i: shots[i].mask for i in picks}, fps)
    return report


def _eraser_method(shots: Sequence[Any], fps: float, networks: Networks, run: Run) -> Callable[[], Iterable[Output]]:
    make = networks.for_given if run.given else networks.for_found
    return lambda: run_eraser(shots, make, fps=fps, lookahead=run.lookahead, given=run.given)


def _about(shots: Sequence[Shot]) -> str:
    labels = np.sum([np.bincount(shot.shown.ravel(), minlength=4) for shot in shots], axis=0)
    hole = max(1, labels[1:].sum())
    before, later, never = (f"{100 * count / hole:.1f} %" for count in labels[1:])
    share = 100 * hole / labels.sum()
    return (
        f"{len(shots)} frames, hole {share:.1f} % of the picture; "
        f"of it {before} shown before, {later} only later, {never} never"
    )


def _relate_flicker(report: Report) -> None:
    """Add each method's flicker as a multiple of Telea's."""
    reference = report.methods.get("Telea", {}).get("flicker")
    for figures in report.methods.values():
        flicker = figures["flicker"]
        figures["flicker_of_telea"] = flicker / reference if flicker is not None and reference else None


def _picks(shots: Sequence[Any]) -> list[int]:
    """Frames for a contact sheet: evenly among those that have something to erase."""
    masked = [index for index, shot in enumerate(shots) if shot.mask.any()] or [0]
    return [masked[i] for i in sorted({round(x) for x in np.linspace(0, len(masked) - 1, PICKS)})]


def _show_clip(name: str, networks: Networks, runs: list[Run], options: argparse.Namespace) -> None:
    """Write the contact sheet of a real clip whose background nobody knows, erased with its masks."""
    shots = read_clip(name, options.frames)
    picks = _picks(shots)
    pictures = {
        "before": {i: shots[i].frame for i in picks},
        "mask": {i: overlay(shots[i].frame, shots[i].mask) for i in picks},
    }
    methods: dict[str, Callable[[], Iterable[Output]]] = {"Telea": lambda: telea(shots)}
    methods |= {run.name: _eraser_method(shots, CLIPS[name], networks, run) for run in runs if run.given}
    for method, start in methods.items():
        pictures[method] = {i: output.image for i, output in enumerate(start()) if i in picks}
    _write_sheet(options.out / f"{name}.png", pictures, {i: shots[i].mask for i in picks}, CLIPS[name])


def _write_sheet(
    path: Path, pictures: dict[str, dict[int, np.ndarray]], masks: dict[int, np.ndarray], fps: float
) -> None:
    """A contact sheet of whole frames, then of the surroundings of each hole. pictures: method -> frame -> picture."""
    label = "{}, {:.2f} s".format
    rows = [(label(path.stem, i / fps), [column[i] for column in pictures.values()]) for i in masks]
    rows += [
        (label(f"{path.stem}, close up", i / fps), [close_up(column[i], mask) for column in pictures.values()])
        for i, mask in masks.items()
    ]
    write_picture(path, contact_sheet(list(pictures), rows, 480))


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


def _write(options: argparse.Namespace, reports: list[Report], targets: list[Target]) -> None:
    machine = describe_machine()
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
