"""One click on a person: is that person erased from then on, and nothing else? And, in a file, before it too?

    python -m benchmarks.clicks                         # every scene, the default segmenter, then colours alone
    python -m benchmarks.clicks --scenes pan --segmenter sharp --sheets
    python -m benchmarks.clicks --middle --scenes tennis    # clicks in the middle alone, followed both ways

README.md in this folder defines every figure.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from benchmarks import bothways
from benchmarks.bothways import REAL, BothWays, deepest
from benchmarks.data import data_folder
from benchmarks.machine import describe_machine
from benchmarks.scenes import COVERED, SCENES, Scene, scene
from benchmarks.tables import markdown_table, number
from engines.command import exit_code_of
from engines.measure import hole_psnr, iou
from engines.pictures import write_picture
from engines.runtime import DEFAULT_SEGMENTER
from realtime.background.fill import TeleaFiller
from realtime.edits import Erase
from realtime.eraser import Eraser
from realtime.frame import Frame
from realtime.result import Result
from realtime.segment import Segmenter, load_segmenter
from realtime.selection import Selection

COLOURS = "colours alone"
ENTERED = 0.6  # share of the person's largest area from which on the click may come
SMALLEST = 0.003  # share of the picture that must show of the person for a frame to count
FIRST_SECOND, WHOLE_CLIP = 0.80, 0.75  # targets


@dataclass(frozen=True)
class Clicked:
    """One scene. first_second, clip: mean IoU of the object's mask with what shows of the person; worst: the smallest
    of the clip; behind: mean PSNR, dB, of the erased picture where the person is or a hole, from a second after the
    click on, None where that is beyond the end; lost: frames in which the object was not followed; ms: median of
    `Eraser.observe`'s search alone.
    """

    scene: str
    method: str
    click: int
    frames: int
    first_second: float
    clip: float
    worst: float
    behind: float | None
    lost: int
    ms: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code (0 done, 1 failed, 2 wrong usage or no reference data)."""
    options = _parse(arguments)
    cv2.setNumThreads(options.threads)
    return exit_code_of(lambda: run_all(options))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clicks", description="How well is a click followed?")
    known = [*SCENES, *REAL]
    parser.add_argument("--scenes", nargs="+", choices=known, default=known, metavar="SCENE", help=", ".join(known))
    parser.add_argument("--middle", action="store_true", help="only clicks in the middle, followed both ways")
    parser.add_argument(
        "--segmenter",
        nargs="+",
        default=[DEFAULT_SEGMENTER, COLOURS],
        metavar="MODEL",
        help=f"names or folders; '{COLOURS}' is none (default: {DEFAULT_SEGMENTER}, then that)",
    )
    parser.add_argument("--frames", type=int, help="only the first so many frames of each scene")
    parser.add_argument("--threads", type=int, default=2, help="of OpenCV and the network, each")
    parser.add_argument("--sheets", action="store_true", help="also write a contact sheet for each scene and method")
    parser.add_argument(
        "--out", type=Path, default=Path("build/clicks"), metavar="FOLDER", help="default: build/clicks"
    )
    return parser.parse_args(arguments)


def run_all(options: argparse.Namespace) -> None:
    """Measure what `options` ask for; print and write table and JSON."""
    data_folder()
    options.out.mkdir(parents=True, exist_ok=True)
    machine = describe_machine()
    results: list[Clicked] = []
    middles: list[BothWays] = []
    for name in options.segmenter:
        segmenter = None if name == COLOURS else load_segmenter(name, threads=options.threads)
        short = Path(name).name
        for scene_name in options.scenes:
            if scene_name in SCENES and not options.middle:
                clicked, sheet = measure(scene(scene_name, options.frames), segmenter, short)
                results.append(clicked)
                _tell(options, _row(clicked), f"{scene_name}_{short}", sheet)
            if segmenter is not None and segmenter.guided:
                middle, sheet = bothways.measure(_clip(scene_name, options.frames), segmenter, short)
                middles.append(middle)
                _tell(options, _middle_row(middle), f"{scene_name}_{short}_middle", sheet)
    text = report_text(results, middles)
    about = "\n".join(f"- {key}: {value}" for key, value in {**machine, "threads": options.threads}.items())
    print(f"\n{text}")
    (options.out / "clicks.md").write_text(f"# Clicks\n\n{about}\n\n{text}\n", encoding="utf-8")
    data = {"machine": machine, "clicks": [asdict(one) for one in results], "middle": [asdict(one) for one in middles]}
    (options.out / "clicks.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"\nWritten to {options.out}")


def _tell(options: argparse.Namespace, row: str, name: str, sheet: np.ndarray) -> None:
    print(row, flush=True)
    if options.sheets:
        write_picture(options.out / f"{name.replace(' ', '_')}.jpg", sheet)


def _clip(name: str, frames: int | None) -> bothways.Clip:
    return bothways.of_video(name, frames) if name in REAL else bothways.of_scene(scene(name, frames))


def measure(made: Scene, segmenter: Segmenter | None, method: str) -> tuple[Clicked, np.ndarray]:
    """Click once on the person who is largest in the scene, and follow; also a contact sheet, (H, W, 3) uint8."""
    areas = [[float((made.visible(i, who) > 0.5).sum()) for i in range(len(made))] for who in range(len(made.people))]
    who = max(range(len(areas)), key=lambda one: max(areas[one]))
    click = next(i for i, area in enumerate(areas[who]) if area >= ENTERED * max(areas[who]))
    eraser = Eraser(segmenter, TeleaFiller(), Selection(classes=()))
    scores, behind, lost, spent, tiles = [], [], 0, [], []
    for index in range(len(made)):
        shot = made.shot(index)
        visible = made.visible(index, who)
        truth = visible > 0.5
        if index == click:
            eraser.edit(Erase(*deepest(truth)))
        pending = eraser.observe(Frame(shot.frame, index, index, Fraction(1, made.fps)))
        if index < click:
            continue
        spent.append(pending.timer.milliseconds["segment"])
        result = eraser.render(pending)
        lost += all(thing.state != "erased" for thing in result.things)
        found = _found(result)
        if truth.mean() >= SMALLEST:
            scores.append((index, iou(found, truth)))
            if index >= click + made.fps:
                touched = (result.hole > 0) | (visible > COVERED)
                behind.append(hole_psnr(result.image, made.without(index, who), touched))
        if (index - click) % max(1, (len(made) - click) // 6) == 0:
            tiles.append(_tile(result, found, truth))
    early = [score for index, score in scores if index < click + made.fps]
    every = [score for _, score in scores]
    ious = float(np.mean(early)), float(np.mean(every)), min(every)
    figures = *ious, float(np.mean(behind)) if behind else None, lost, float(np.median(spent))
    return Clicked(made.name, method, click, len(made), *figures), np.vstack(tiles)


def _found(result: Result) -> np.ndarray:
    """Where the objects are, lost or not, (H, W) bool."""
    found = np.zeros(result.hole.shape, bool)
    for thing in result.things:
        found[thing.roi.slices] |= thing.mask > 0
    return found


def _tile(result: Result, found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The frame with the found mask in red and the true rim in green, beside the erased picture."""
    shown = result.frame.image.copy()
    shown[found] = shown[found] // 2 + np.array([0, 0, 127], np.uint8)
    contours, _ = cv2.findContours(truth.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(shown, contours, -1, (0, 255, 0), 1)
    return np.hstack([shown, result.image])


MIDDLE_HEADER = ["scene", "method", "click", "before", "after", "worst", "lost", "ms"]
HEADER = ["scene", "method", "click", "first second", "clip", "worst", "behind", "lost", "ms", "met"]


def report_text(results: Sequence[Clicked], middles: Sequence[BothWays] = ()) -> str:
    """The tables as Markdown."""
    tables = []
    if results:
        tables.append(markdown_table(HEADER, [_cells(one) for one in results]))
    if middles:
        rows = markdown_table(MIDDLE_HEADER, [_middle_cells(one) for one in middles])
        tables.append(f"## Clicks in the middle, followed both ways\n\n{rows}")
    return "\n\n".join(tables)


def _row(one: Clicked) -> str:
    return " ".join(f"{name} {cell}" for name, cell in zip(HEADER, _cells(one), strict=True))


def _cells(one: Clicked) -> list[str]:
    met = "yes" if one.first_second >= FIRST_SECOND and one.clip >= WHOLE_CLIP else "NO"
    ious = [number(value, 3) for value in (one.first_second, one.clip, one.worst)]
    return [one.scene, one.method, str(one.click), *ious, number(one.behind), f"{one.lost}", number(one.ms), met]


def _middle_row(one: BothWays) -> str:
    return " ".join(f"{name} {cell}" for name, cell in zip(MIDDLE_HEADER, _middle_cells(one), strict=True))


def _middle_cells(one: BothWays) -> list[str]:
    ious = [number(value, 3) for value in (one.before, one.after, one.worst)]
    return [one.clip, one.method, str(one.click), *ious, f"{one.lost}", number(one.ms)]


if __name__ == "__main__":
    sys.exit(main())
