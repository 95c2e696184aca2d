"""Every method on one clip with known background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.baselines import oracle, telea, temporal_median
from benchmarks.metrics import Score
from benchmarks.runs import Method, Networks, Run
from benchmarks.showcase import Pictures, pick_frames, write_sheet

NOT_ON_SHEETS = ("temporal median", "oracle", "found 0 s")


@dataclass
class Report:
    """What was measured on one scene: per method its figures (see `metrics.Score.figures`), and a line about it."""

    name: str
    about: str
    methods: dict[str, dict[str, float | None]] = field(default_factory=dict)


def measure(
    name: str, shots: Sequence[Any], fps: float, networks: Networks, runs: list[Run], *, quick: bool, folder: Path
) -> Report:
    """Run every method over one clip with known background and write its contact sheet into `folder`.

    shots: `scenes.Shot`, or `room.RoomShot`. quick: without baselines and contact sheet.
    """
    methods: dict[str, Method] = {}
    if not quick:
        methods["Telea"] = lambda: telea(shots)
        methods["temporal median"] = lambda: temporal_median(shots)
        methods["oracle"] = lambda: oracle(shots)
    methods |= {run.name: run.method(shots, fps, networks) for run in runs}

    report = Report(name, _about(shots))
    picks = pick_frames(shots)
    pictures: Pictures = {
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
    if not quick:
        shown = {method: column for method, column in pictures.items() if method not in NOT_ON_SHEETS}
        write_sheet(folder / f"{name}.png", shown, {i: shots[i].mask for i in picks}, fps)
    return report


def _about(shots: Sequence[Any]) -> str:
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
