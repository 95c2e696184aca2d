"""How good is what is invented? Every filler on the same photos and holes.

    python -m benchmarks.filling                                   # the models shipped, and the classical methods
    python -m benchmarks.filling --model swift --model build/mine --limit 40
    python -m benchmarks.filling --side 512 --quick                # on squares of 512 pixels, where there are so many
    python -m benchmarks.filling --ratings ratings.json            # with what a person said of them
    python -m benchmarks.filling --figure --limit 6                # original, mask, network output, pasted result

README.md in this folder defines every figure.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from benchmarks.data import data_folder
from benchmarks.fill_scores import Ruler, Scores, mean_scores, milliseconds
from benchmarks.fill_tables import check, kinds_text, scores_text
from benchmarks.fillers import Method, classical, networks
from benchmarks.holes import OVER, SIDE, UNDER, Case, holed, pasted
from benchmarks.machine import describe_machine
from benchmarks.mask_tables import targets_text
from benchmarks.rating import page, read_ratings
from benchmarks.sheets import contact_sheet
from engines.command import exit_code_of
from engines.data import Picture, read_backgrounds, read_people
from engines.errors import EngineError
from engines.pictures import write_picture
from engines.runtime import DEFAULT_FILLER, available_models

LONGEST = 576  # pixels of the longest side of a photo before its middle is cut out
LEAST = 64  # pixels of a square in which silhouettes still have a shape
SHOWN = 12  # holes on the contact sheet and on the page
TIMED = 5  # photos that times are taken on


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code (0 done, 1 failed, 2 wrong usage or no reference data)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.filling", description="How good is what is invented?")
    parser.add_argument("--model", action="append", help="a filler's name or folder; may be given again")
    parser.add_argument("--limit", type=int, help="only so many photos, spread evenly over all")
    parser.add_argument("--side", type=int, default=SIDE, help=f"pixels of the photos' squares (default: {SIDE})")
    parser.add_argument("--quick", action="store_true", help="one table: no large holes, other holes, times or pages")
    parser.add_argument("--figure", action="store_true", help="only the picture of original, mask, output and result")
    parser.add_argument("--ratings", type=Path, metavar="JSON", help="what the page saved, for the table")
    parser.add_argument("--threads", type=int, default=2, help="of OpenCV and the networks, each")
    parser.add_argument("--out", type=Path, default=Path("build/filling"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(options.threads)
    return exit_code_of(lambda: run_all(options))


def run_all(options: argparse.Namespace) -> None:
    """Measure what `options` ask for; print and write tables, JSON, pictures and the page."""
    if options.side < LEAST:
        raise EngineError(f"--side takes at least {LEAST} pixels, not {options.side}")
    if options.limit is not None and options.limit < 1:
        raise EngineError(f"--limit takes 1 or more, not {options.limit}")
    data = data_folder()
    ratings = None if options.ratings is None else read_ratings(options.ratings)
    backgrounds = _spread(read_backgrounds(data, "val", lambda name: True, LONGEST), options.limit)
    people = read_people(data, "val", lambda name: True)
    models = options.model or available_models("filler")
    methods = [*classical(), *networks(models, options.threads)]
    options.out.mkdir(parents=True, exist_ok=True)
    if options.figure:
        cases = list(holed(backgrounds, people, UNDER, options.side))
        write_picture(options.out / "figure.png", _figure(methods, cases))
        print(f"Written to {options.out}")
        return
    _measure(options, methods, backgrounds, people, ratings)


def _measure(
    options: argparse.Namespace,
    methods: list[Method],
    backgrounds: list[Picture],
    people: list[Picture],
    ratings: dict[str, dict[str, int]] | None,
) -> None:
    ruler, machine = Ruler(), describe_machine()
    side = options.side
    cases = list(holed(backgrounds, people, UNDER, side))
    tables = {"under": _score(ruler, methods, cases)}
    if not options.quick:
        for method in methods:
            for timed in (256, 512):
                tables["under"][method.name][f"ms_{timed}"] = milliseconds(method, cases[:TIMED], timed)
        tables["over"] = _score(ruler, methods, list(holed(backgrounds[::3], people, OVER, side)))
        chosen = list(pasted(backgrounds[::3], [person for person in people if person.trusted], side))
        kinds = {kind: _score(ruler, methods, [cases[kind] for cases in chosen]) for kind in chosen[0]}
    targets = check(tables["under"], DEFAULT_FILLER) if DEFAULT_FILLER in tables["under"] and side == SIDE else []
    about = {**machine, "threads": options.threads, "photos": len(cases), "side": side}
    sections = ["# Filling", "\n".join(f"- {key}: {value}" for key, value in about.items())]
    sections.append(scores_text("Silhouettes, 5 to 40 % of the picture", tables["under"], ratings))
    if not options.quick:
        sections += [scores_text("Over half of the picture", tables["over"]), kinds_text(kinds)]
    text = "\n\n".join([*sections, *([targets_text(targets)] if targets else [])]) + "\n"
    print(text)
    (options.out / "filling.md").write_text(text, encoding="utf-8")
    values = {"machine": machine, "scores": tables, "targets": [asdict(target) for target in targets]}
    if not options.quick:
        values |= {"holes": kinds}
        _show(options.out, methods, cases)
    (options.out / "filling.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {options.out}")


def _spread(pictures: list[Picture], limit: int | None) -> list[Picture]:
    """So many of them, evenly over all sources."""
    if limit is None or limit >= len(pictures):
        return pictures
    return [pictures[index * len(pictures) // limit] for index in range(limit)]


def _score(ruler: Ruler, methods: Sequence[Method], cases: Sequence[Case]) -> dict[str, Scores]:
    """Method -> mean figures over the cases."""
    return {
        method.name: mean_scores(ruler.scores(method.fill(case.shown, case.hole), case) for case in cases)
        for method in methods
    }


def _show(folder: Path, methods: Sequence[Method], cases: Sequence[Case]) -> None:
    """The contact sheet of the same holes for all methods, and the page on which a person rates them."""
    count = min(SHOWN, len(cases))
    shown = [cases[index * len(cases) // count] for index in range(count)]
    filled = {method.name: [method.fill(case.shown, case.hole) for case in shown] for method in methods}
    rows = [
        (case.name, [case.shown, *(pictures[number] for pictures in filled.values()), case.truth])
        for number, case in enumerate(shown)
    ]
    write_picture(folder / "filling.png", contact_sheet(["hole", *filled, "truth"], rows, shown[0].truth.shape[1]))
    fills = {
        name: [(case.name, picture) for case, picture in zip(shown, pictures, strict=True)]
        for name, pictures in filled.items()
    }
    (folder / "rating.html").write_text(page(fills), encoding="utf-8")


def _figure(methods: Sequence[Method], cases: Sequence[Case]) -> np.ndarray:
    """Original, mask, network output and pasted result of each network, after the figure of The Vanisher Network."""
    rows = []
    for case in cases:
        mask = cv2.cvtColor(case.hole, cv2.COLOR_GRAY2BGR)
        for method in methods:
            if method.drawn is not None:
                panels = [case.truth, mask, method.drawn(case.shown, case.hole), method.fill(case.shown, case.hole)]
                rows.append((f"{method.name}: {case.name}", panels))
    return contact_sheet(["original", "mask", "network output", "pasted result"], rows, case.truth.shape[1])


if __name__ == "__main__":
    sys.exit(main())
