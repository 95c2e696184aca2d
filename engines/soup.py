"""`python -m engines.soup CHECKPOINT CHECKPOINT ... --out MEAN.pt`: the mean of several trainings' weights.

Trainings that start from the same weights end beside each other, and their mean is often better than any of them
(Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
inference time", ICML 2022). It is exported, and trainings start from it, as from any checkpoint.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engines.command import exit_code_of, optional
from engines.errors import EngineError

with optional(__name__):
    import torch
    from torch import Tensor

    from engines.training import read_checkpoint, write_checkpoint

MEAN = "the mean of the weights after "  # begins a line of a history
KEPT = ("task", "rival", "step", "elapsed", "seed")  # of the first checkpoint


def stir(checkpoints: Sequence[Path]) -> dict[str, Any]:
    """A checkpoint whose weights are the mean of others' averaged weights; EngineError where no network fits all."""
    if len(checkpoints) < 2:
        raise EngineError("a mean takes two checkpoints or more; name them all")
    states = [read_checkpoint(path) for path in checkpoints]
    for path, state in zip(checkpoints, states, strict=True):
        if _kind(state) != _kind(states[0]):
            raise EngineError(f"{path} is of another network than {checkpoints[0]}; only weights of one have a mean")
        if _unmeasured(state) != _unmeasured(states[0]):
            raise EngineError(
                f"{path} was trained in other parts than {checkpoints[0]}; `engines.export` takes a part of each"
            )
    mean = {name: _mean([state["mean"][name] for state in states]) for name in states[0]["mean"]}
    lines = list(dict.fromkeys(line for state in states for line in state["history"]))
    told = MEAN + " and ".join(f"({_in_short(_last_line(state))})" for state in states)
    kept = {key: states[0][key] for key in KEPT if key in states[0]}
    return {**kept, "mean": mean, "figures": {}, "history": [*lines, told]}


def _last_line(state: dict[str, Any]) -> str:
    return next(reversed(state["history"]), f"{state['step']} steps")


def _in_short(line: str) -> str:
    """What a line of a history calls its training, "1200 steps" say, or all of a mean's."""
    return line if line.startswith(MEAN) else line.split(",")[0]


def _kind(state: dict[str, Any]) -> tuple[object, ...]:
    return state["task"], {name: value.shape for name, value in state["mean"].items()}


def _unmeasured(state: dict[str, Any]) -> set[str]:
    """The normalisations that have seen no sample: those of a part that `--only` left as it was (`engines.unfold`)."""
    return {name for name, value in state["mean"].items() if name.endswith("running_var") and bool((value == 1).all())}


def _mean(values: Sequence[Tensor]) -> Tensor:
    """Of weights; what is a count is the first one's."""
    return torch.stack(list(values)).mean(0) if values[0].is_floating_point() else values[0]


def main(arguments: list[str] | None = None) -> int:
    """Parse, average, return the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m engines.soup", description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+", metavar="CHECKPOINT")
    parser.add_argument("--out", type=Path, required=True, metavar="MEAN.pt", help="the checkpoint that is written")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: _stir(options.checkpoints, options.out))


def _stir(checkpoints: Sequence[Path], out: Path) -> None:
    if out.exists():
        raise EngineError(f"{out} exists; name another file with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(out, stir(checkpoints))


if __name__ == "__main__":
    sys.exit(main())
