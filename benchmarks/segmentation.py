"""How good are the masks? The segmenter beside every teacher that runs here, on pictures that no training saw.

    python -m benchmarks.segmentation
    python -m benchmarks.segmentation --model build/my_model --limit 20

README.md in this folder defines every figure.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import clicked
from benchmarks.data import data_folder
from benchmarks.followed import SCENES, Following, follow
from benchmarks.machine import describe_machine
from benchmarks.mask_sheet import mask_sheet
from benchmarks.mask_tables import Clicks, check, click_means, tables, targets_text
from benchmarks.peers import ours, teachers
from benchmarks.scored import score
from engines.command import exit_code_of
from engines.data import Picture, read_backgrounds, read_boxes, read_people
from engines.errors import EngineError
from engines.measure import SIDE, click_ious
from engines.pictures import write_picture
from engines.runtime import DEFAULT_SEGMENTER
from realtime.segment import Segmenter, load_segmenter
from realtime.tracking.looker import Looker


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code (0 done, 1 failed, 2 wrong usage or no reference data)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segmentation", description="How good are the masks?")
    parser.add_argument("--model", default=DEFAULT_SEGMENTER, help="a segmenter's name, folder or .onnx file")
    parser.add_argument("--limit", type=int, help="only the first so many pictures of each kind")
    parser.add_argument("--no-teachers", action="store_true", help="only the model")
    parser.add_argument("--scenes", nargs="+", choices=[*SCENES, "none"], default=list(SCENES), metavar="SCENE")
    parser.add_argument("--threads", type=int, default=2, help="of each network")
    parser.add_argument("--out", type=Path, default=Path("build/segmentation"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: run_all(options))


def run_all(options: argparse.Namespace) -> None:
    """Measure what `options` ask for; print and write tables, JSON and a contact sheet."""
    data = data_folder()
    machine = describe_machine()
    people = read_people(data, "val", _all, SIDE)[: options.limit]
    backgrounds = read_backgrounds(data, "val", _all, SIDE)[: options.limit]
    boxed = read_boxes(data, held=True, side=SIDE)[: options.limit]
    model = ours(options.model, options.threads)
    peers, missing = teachers(data / "teachers", options.threads)
    peers = [model, *([] if options.no_teachers else peers)]
    scores = {peer.name: score(peer, people, backgrounds, boxed) for peer in peers}
    segmenter = load_segmenter(options.model, device="cpu", threads=options.threads)
    clicks: Clicks = {}
    followed: list[Following] = []
    if segmenter.guided:
        clicks, missing["cut-outs"] = _click(segmenter, people, backgrounds, options.limit)
        followed = [follow(segmenter, name, options.limit) for name in options.scenes if name != "none"]
    missing = {name: why for name, why in missing.items() if why}
    targets = check(scores, clicks, followed)
    sections = [
        "# Segmentation",
        "\n".join(f"- {key}: {value}" for key, value in {**machine, "threads": options.threads}.items()),
        *tables(scores, clicks, followed),
        targets_text(targets),
        *(["### Left out\n\n" + "\n".join(f"- {name}: {why}" for name, why in missing.items())] if missing else []),
    ]
    text = "\n\n".join(sections) + "\n"
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "segmentation.md").write_text(text, encoding="utf-8")
    values = {
        "machine": machine,
        "scores": {name: asdict(found) for name, found in scores.items()},
        "clicks": {kind: {"objects": len(ious), **click_means(ious)} for kind, ious in clicks.items()},
        "followed": [asdict(following) for following in followed],
        "targets": [asdict(target) for target in targets],
        "left_out": missing,
    }
    (options.out / "segmentation.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    write_picture(options.out / "segmentation.png", mask_sheet(model, people, backgrounds, boxed))
    print(f"Written to {options.out}")


def _all(name: str) -> bool:
    return True


def _click(
    segmenter: Segmenter, people: Sequence[Picture], backgrounds: Sequence[Picture], limit: int | None
) -> tuple[dict[str, list[list[float]]], str]:
    """IoU after each of three clicks on every object, by kind; and why there are no cut-outs, if there are none."""

    looker = Looker(segmenter)
    ious: dict[str, list[list[float]]] = {}

    def add(things: Iterable[clicked.Clickable]) -> None:
        for thing in list(things)[:limit]:
            found = click_ious(clicked.asked(looker, thing.image), thing.thing, segmenter.size(thing.image))
            ious.setdefault(thing.kind, []).append(found)

    add(clicked.people(people))
    add(clicked.camvid())
    try:
        add(clicked.pasted(backgrounds))
    except EngineError as error:
        return ious, str(error)
    return ious, ""


if __name__ == "__main__":
    sys.exit(main())
