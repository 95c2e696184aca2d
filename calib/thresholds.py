"""`python -m calib.thresholds MODEL`: where to cut a segmenter's matte, and how far to grow the mask.

An eraser errs in two ways: it leaves something of a person, or it damages background for nothing. Both are measured on
labelled pictures for every threshold and outward growth, as shares of the picture, and for the boxes around the masks;
what is chosen makes weight * leftover + damage smallest. A pixel of a person that stays shows at once, one of the
background that is replaced hardly does, hence the weight. --store writes threshold and growth into the model's card,
from where `erase-video` and `erase-live` take them.

DIR is the folder of training data, of which only what trainings keep back for choices is used, with composites of it;
FORMAT:PATH names your own labelled pictures (folder, coco, voc, camvid, supervisely: see `engines.loaders`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.charts import Curve, curves
from benchmarks.machine import describe_machine
from benchmarks.tables import markdown_table, percent
from calib.damage import Study, study
from calib.labelled import read_labelled
from engines.command import exit_code_of
from engines.models import Model, find_model
from engines.pictures import write_picture
from engines.runtime import DEFAULT_SEGMENTER
from realtime.errors import UsageError
from realtime.report import write_text
from realtime.segment import load_segmenter

WEIGHT = 4.0  # of leftover against damage
THRESHOLDS = tuple(round(0.2 + 0.05 * step, 2) for step in range(13))
GROWTHS = (0.0, 0.0025, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03)
DRAWN = (0.3, 0.4, 0.5, 0.6, 0.7)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    about = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(prog="python -m calib.thresholds", description=about[1], epilog=about[2])
    parser.add_argument("model", metavar="MODEL", nargs="?", default=DEFAULT_SEGMENTER, help="a segmenter")
    data = os.environ.get("ERASER_DATA")
    parser.add_argument(
        "--data",
        default=data,
        required=data is None,
        metavar="DIR|FORMAT:PATH",
        help="pictures (default: $ERASER_DATA)",
    )
    parser.add_argument("--weight", type=float, default=WEIGHT, help=f"of leftover (default {WEIGHT:g})")
    parser.add_argument("--store", action="store_true", help="write what is found into the model's card")
    parser.add_argument("--threads", type=int, help="of the network (default: all cores)")
    parser.add_argument("--out", type=Path, default=Path("build/thresholds"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: run(options))


def run(options: argparse.Namespace) -> None:
    """Measure, print and write what `options` ask for."""
    if not options.weight > 0:
        raise UsageError(f"the weight is {options.weight:g}: give more than 0")
    model = find_model(options.model, "segmenter")
    pictures = read_labelled(options.data)
    segmenter = load_segmenter(options.model, device="cpu", threads=options.threads)
    segmenter.engine.card = replace(model.card, threshold=0.5)  # the matte as the network gives it
    thresholds = sorted({*THRESHOLDS, model.card.threshold})
    found = study(segmenter, pictures, thresholds, sorted({*GROWTHS, model.card.growth}))
    best = found.best(options.weight)
    now = found.thresholds.index(model.card.threshold), found.growths.index(model.card.growth)
    people = sum(bool(picture.mask is not None and picture.mask.any()) for picture in pictures)
    about = {
        **describe_machine(),
        "model": f"{model.card.name}, {model.card.sha256[:12]}",
        "pictures": f"{people} with people, {len(pictures) - people} without",
        "weight of leftover": f"{options.weight:g}",
    }
    text = _text(found, options.weight, best, now, about)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    values = {"about": about, "thresholds": found.thresholds, "growths": found.growths, "iou": found.iou.tolist()}
    values |= {"leftover": found.leftover.tolist(), "damage": found.damage.tolist()}
    values |= {"best": {"threshold": found.thresholds[best[0]], "growth": found.growths[best[1]]}}
    (options.out / "thresholds.md").write_text(text, encoding="utf-8")
    (options.out / "thresholds.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    write_picture(options.out / "thresholds.png", chart(found, options.weight, best))
    if options.store:
        store(model, found.thresholds[best[0]], found.growths[best[1]])


def store(model: Model, threshold: float, growth: float) -> None:
    """Write threshold and growth into the model's card, whole or not at all."""
    path = Path(model.card.where)
    write_text(path, replace(model.card, threshold=threshold, growth=growth).to_json())
    print(f"stored in {path}")


def chart(found: Study, weight: float, best: tuple[int, int]) -> np.ndarray:
    """Leftover over damage: one curve of growths per threshold, one of boxes; a ring at the best. (H, W, 3) uint8."""
    shown = [row for row, value in enumerate(found.thresholds) if value in DRAWN or row == best[0]]
    lines = [
        Curve(
            f"mask, {found.thresholds[row]:g}",
            [(100 * damage, 100 * left) for damage, left in zip(found.damage[row], found.leftover[row], strict=True)],
            best[1] if row == best[0] else None,
        )
        for row in shown
    ]
    boxes = zip(found.box_damage, found.box_leftover, strict=True)
    lines.append(Curve("boxes", [(100 * damage, 100 * left) for damage, left in boxes]))
    title = (
        f"Growth from 0 to {percent(found.growths[-1], 0)} of the height, along each curve; leftover weighs {weight:g}"
    )
    return curves(title, lines, "needlessly erased, % of the picture", "person left, % of the picture")


def _text(found: Study, weight: float, best: tuple[int, int], now: tuple[int, int], about: dict[str, str]) -> str:
    costs = found.cost(weight)

    def line(name: str, row: int, column: int) -> list[str]:
        shares = (found.leftover[row, column], found.damage[row, column], costs[row, column])
        cells = (f"{found.thresholds[row]:.2f}", percent(found.growths[column], 2), f"{found.iou[row]:.3f}")
        return [name, *cells, *(percent(float(share), 3) for share in shares)]

    rows = [line("the card's", *now), line("the best", *best)]
    rows += [line("best growth", row, int(costs[row].argmin())) for row in range(len(found.thresholds))]
    boxes = weight * found.box_leftover + found.box_damage
    least = int(boxes.argmin())
    shares = (found.box_leftover[least], found.box_damage[least], boxes[least])
    rows.append(["boxes", f"{found.thresholds[least]:.2f}", "-", "-", *(percent(float(share), 3) for share in shares)])
    header = ["", "threshold", "growth", "mask IoU", "leftover", "damage", f"{weight:g} x leftover + damage"]
    lines = "\n".join(f"- {key}: {value}" for key, value in about.items())
    return f"# Threshold and growth\n\n{lines}\n\n{markdown_table(header, rows)}\n"


if __name__ == "__main__":
    sys.exit(main())
