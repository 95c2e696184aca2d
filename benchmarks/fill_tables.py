"""The figures of `benchmarks.filling` as tables, and held against what is wanted."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.fill_scores import PERCEPTUAL, Scores
from benchmarks.rating import LABELS
from benchmarks.tables import markdown_table, number
from benchmarks.targets import Target

DIGITS = {"l1": 4, "psnr": 2, "ssim": 3, "gradient": 2, "perceptual": 3, "ms_256": 0, "ms_512": 0}
TITLES = ["L1", "PSNR", "SSIM", "gradient", PERCEPTUAL, "of Telea's", "ms at 256", "ms at 512"]

Table = Mapping[str, Scores]  # method -> figure -> value


def scores_text(title: str, scores: Table, ratings: Mapping[str, Mapping[str, int]] | None = None) -> str:
    """All methods under a heading; with times where they were taken, and what a person said where one did."""
    telea = scores["Telea"]["perceptual"]
    rows = []
    for name, row in scores.items():
        cells = {figure: number(row.get(figure), digits) for figure, digits in DIGITS.items()}
        share = number(row["perceptual"] / telea, 2)
        said = [] if ratings is None else [str(ratings.get(name, {}).get(label, 0)) for label in LABELS]
        first = [cells[figure] for figure in ("l1", "psnr", "ssim", "gradient", "perceptual")]
        rows.append([name, *first, share, cells["ms_256"], cells["ms_512"], *said])
    header = ["method", *TITLES, *([] if ratings is None else LABELS)]
    return f"### {title}\n\n{markdown_table(header, rows)}"


def kinds_text(scores: Mapping[str, Table]) -> str:
    """The same photos erased by other holes: hole -> method -> figures, PSNR and perceptual distance side by side."""
    kinds = list(scores)
    header = ["method", *(f"PSNR, {kind}" for kind in kinds), *(f"distance, {kind}" for kind in kinds)]
    rows = [
        [
            method,
            *(number(scores[kind][method]["psnr"], 2) for kind in kinds),
            *(number(scores[kind][method]["perceptual"], 3) for kind in kinds),
        ]
        for method in scores[kinds[0]]
    ]
    return f"### A pasted person, by the hole that erases it\n\n{markdown_table(header, rows)}"


def check(scores: Table, model: str) -> list[Target]:
    """Hold the figures of the default model against what is wanted of it."""
    row, telea, stokes = scores[model], scores["Telea"], scores["Navier-Stokes"]
    share = row["perceptual"] / telea["perceptual"]
    wanted = [Target(f"{model}: {PERCEPTUAL}", "<= 0.70 of Telea's", number(share, 2), share <= 0.7)]
    for other, theirs in (("Telea", telea), ("Navier-Stokes", stokes)):
        gain = row["psnr"] - theirs["psnr"]
        wanted.append(Target(f"{model}: PSNR above {other}'s", ">= 0.5 dB", f"{gain:+.2f}", gain >= 0.5))
    ms = row.get("ms_256")
    wanted.append(Target(f"{model}: ms at 256x256", "<= 60", number(ms, 0), None if ms is None else ms <= 60))
    return wanted
