"""The figures of `benchmarks.segmentation` as tables, and held against what is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.followed import Following
from benchmarks.scored import Scores
from benchmarks.tables import markdown_table, number, percent
from benchmarks.targets import Target

Clicks = Mapping[str, Sequence[Sequence[float]]]  # kind -> objects -> IoU after each click


def click_means(ious: Sequence[Sequence[float]]) -> dict[str, float]:
    """Mean IoU after one, two and three clicks."""
    first, second, third = np.mean(ious, axis=0)
    return {"one": float(first), "two": float(second), "three": float(third)}


def tables(scores: Mapping[str, Scores], clicks: Clicks, followed: Sequence[Following]) -> list[str]:
    """The results as Markdown."""
    made = [_people(scores), _nobody(scores)]
    if clicks:
        rows = [[kind, str(len(i)), *(number(v, 3) for v in click_means(i).values())] for kind, i in clicks.items()]
        made.append("### Clicks\n\n" + markdown_table(["object", "n", "one", "two", "three"], rows))
    if followed:
        made.append(_followed(followed))
    return made


def _people(scores: Mapping[str, Scores]) -> str:
    sources = sorted({source for found in scores.values() for source in found.iou})
    rows = [
        [
            name,
            *(number(v, 3) for v in (found.iou_all, found.iou_free, found.iou_trusted, found.iou_trusted_free)),
            *(number(found.iou[source], 3) for source in sources),
            percent(found.accuracy),
            number(found.boundary, 3),
            number(found.ms),
        ]
        for name, found in scores.items()
    ]
    header = ["network", "IoU", "no cmask", "trusted", "trusted, no cmask", *sources, "pixels", "boundary", "ms"]
    return f"### People\n\n{markdown_table(header, rows)}"


def _nobody(scores: Mapping[str, Scores]) -> str:
    sources = sorted({source for found in scores.values() for source in found.false})
    rows = [
        [
            name,
            percent(found.false_all, 2),
            *(percent(found.false[source], 2) for source in sources),
            number(found.projection, 3),
            percent(found.outside),
        ]
        for name, found in scores.items()
    ]
    header = ["network", "false area", *sources, "projection IoU", "outside boxes"]
    return f"### Nobody there, and boxes\n\n{markdown_table(header, rows)}"


def _followed(followed: Sequence[Following]) -> str:
    rows = [
        [
            f.name,
            *(
                percent(flicker, 2)
                for flicker in (f.flicker_plain, f.flicker_closer, f.flicker_guided, f.flicker_truth)
            ),
            number(f.ratio, 2),
            number(f.avoidable_ratio, 2),
            *(number(iou, 3) for iou in (f.iou_plain, f.iou_closer, f.iou_guided)),
        ]
        for f in followed
    ]
    flickers = ["flicker", "closer", "guided", "of the truth", "ratio", "above the truth"]
    header = ["scene", *flickers, "IoU", "closer IoU", "guided IoU"]
    return f"### Followed\n\n{markdown_table(header, rows)}"


def check(scores: Mapping[str, Scores], clicks: Clicks, followed: Sequence[Following]) -> list[Target]:
    """Hold the figures of the model, the first of the scores, against what is wanted: more of one for GPUs, "sharp"."""
    (name, model), *others = scores.items()
    people, projection = (0.92, 0.8) if name == "sharp" else (0.9, 0.75)
    best = max((found.iou_all for _, found in others), default=None)
    best_free = max((found.iou_free for _, found in others), default=None)

    def least(name: str, wanted: float, value: float | None) -> Target:
        return Target(name, f">= {wanted:.3g}", number(value, 3), None if value is None else value >= wanted)

    def most(name: str, wanted: float, value: float | None, digits: int = 1) -> Target:
        return Target(name, f"<= {percent(wanted)}", percent(value, digits), None if value is None else value <= wanted)

    things = [i for kind, ious in clicks.items() if kind != "person" for i in ious]
    wanted = [
        least("person IoU", people, model.iou_all),
        least("person IoU, trusted", people, model.iou_trusted),
        least("projection IoU", projection, model.projection),
        most("marked outside boxes", 0.03, model.outside),
        most("marked where nobody is", 0.005, model.false_all, 2),
        *([] if name == "sharp" else [Target("ms, 2 threads, 288x512", "<= 25", number(model.ms), model.ms <= 25)]),
        least("one click on a person", 0.75, click_means(clicks["person"])["one"] if "person" in clicks else None),
        least("one click on another object", 0.65, click_means(things)["one"] if things else None),
        least(
            "three clicks over one", 0.05, click_means(things)["three"] - click_means(things)["one"] if things else None
        ),
        _flicker("flicker, guided by unguided", [f.ratio for f in followed]),
        _flicker("flicker above the true masks', guided by unguided", [f.avoidable_ratio for f in followed]),
    ]
    if best is not None and best_free is not None:
        wanted.insert(1, least("above the best teacher", best, model.iou_all))
        wanted.insert(2, least("above the best teacher, no cmask", best_free, model.iou_free))
    return wanted


def _flicker(name: str, ratios: Sequence[float]) -> Target:
    mean = float(np.mean(ratios)) if ratios else None
    return Target(name, "<= 0.50", number(mean, 2), None if mean is None else mean <= 0.5)


def targets_text(targets: Sequence[Target]) -> str:
    """The targets as Markdown."""
    rows = [[target.name, target.wanted, target.reached, target.verdict] for target in targets]
    return "### Targets\n\n" + markdown_table(["target", "wanted", "reached", "met"], rows)
