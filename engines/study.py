"""`python -m engines.study NETWORK --vary NAME=A,B,...`: train once per value of one setting, and compare the results.

    python -m engines.study deepfill --steps 2000 --vary rate=1e-5,1e-4,1e-3
    python -m engines.study deepfill --steps 2000 --vary l1=1.2,2.0
    python -m engines.study deepfill --steps 2000 --vary with-people=no,yes

NAME is `rate`, `batch`, `seed`, `with-people`, or a term of the loss, whose weight is varied. Each training has a
folder of its own in --out and resumes there; `study.md` sets the figures side by side.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from engines.catalog import NAMES, make_task
from engines.command import add_data_option, exit_code_of
from engines.errors import EngineError

OF_THE_PLAN = {"rate": float, "batch": int, "seed": int}
ANSWERS = {"yes": True, "no": False}


def main(arguments: list[str] | None = None) -> int:
    """Parse, train, compare, return the exit code: 0 done, 1 failed, 130 interrupted (what is trained stays)."""
    parser = argparse.ArgumentParser(prog="python -m engines.study", description="Train once per value of a setting")
    parser.add_argument("network", choices=NAMES, metavar="NETWORK", help=", ".join(NAMES))
    parser.add_argument("--vary", required=True, metavar="NAME=A,B,...")
    add_data_option(parser)
    parser.add_argument("--out", type=Path, default=Path("build/study"), metavar="FOLDER")
    parser.add_argument("--steps", type=int, help="length of each training; reproducible")
    parser.add_argument("--minutes", type=float, help="length of each training")
    parser.add_argument("--pictures", type=int, help="length of each training, in samples")
    parser.add_argument("--batch", type=int, help="samples to a step; default: the network's own")
    parser.add_argument("--threads", type=int, help="of torch on the CPU")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: print(study(**vars(options))))


def study(network: str, vary: str, data: Path, out: Path, **plan: Any) -> str:
    """The table as Markdown, also written to `out`/study.md; EngineError where a value or a training fails."""
    name, _, values = vary.partition("=")
    if not values:
        raise EngineError(f"--vary takes NAME=A,B,..., as in rate=1e-4,1e-3, not {vary!r}")
    settings = [(value, *_setting(name, value)) for value in values.split(",")]
    found = {}
    for value, for_task, for_plan in settings:
        task = make_task(network, data, for_plan.get("seed", 0), **for_task)
        from engines.training import Plan, read_figures, train

        print(f"{network}: {name}={value}", flush=True)
        path = train(
            task, Plan(out=out / f"{name}={value}", **{**plan, **for_plan}), lambda line: print(line, flush=True)
        )
        found[value] = read_figures(path)
    text = table(network, name, found)
    (out / "study.md").write_text(text, encoding="utf-8")
    return text


def _setting(name: str, value: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a value means for the task and for the plan."""
    try:
        if name in OF_THE_PLAN:
            return {}, {name: OF_THE_PLAN[name](value)}
        if name == "with-people":
            return ({"with_people": True} if ANSWERS[value] else {}), {}
        return {"weigh": {name: float(value)}}, {}
    except (ValueError, KeyError) as error:
        raise EngineError(f"{value!r} is no value for {name}") from error


def table(network: str, name: str, found: dict[str, dict[str, float]]) -> str:
    """Figures of each training, value -> figure -> number, side by side."""
    figures = list(next(iter(found.values())))
    lines = [f"# {network} by {name}", "", f"| {name} | {' | '.join(figures)} |", f"| ---: |{' ---: |' * len(figures)}"]
    lines += [f"| {value} | {' | '.join(f'{row[figure]:.4g}' for figure in figures)} |" for value, row in found.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
