"""`python -m engines.train NETWORK --data DIR --out DIR --minutes M`: train a network, resume where it was."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from engines.catalog import NAMES, make_task
from engines.command import add_data_option, exit_code_of
from engines.errors import EngineError


def main(arguments: list[str] | None = None) -> int:
    """Parse, train, return the exit code: 0 done, 1 failed, 130 interrupted (the checkpoint stays)."""
    parser = argparse.ArgumentParser(prog="python -m engines.train", description=__doc__)
    parser.add_argument("task", choices=NAMES, metavar="NETWORK", help=", ".join(NAMES))
    add_data_option(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint and the log; resumes there")
    parser.add_argument("--steps", type=int, help="length; reproducible")
    parser.add_argument("--minutes", type=float, help="length; the schedule follows the clock")
    parser.add_argument("--pictures", type=int, help="length in samples, to compare networks that saw equally many")
    parser.add_argument("--batch", type=int, help="samples to a step; default: the network's own")
    parser.add_argument("--rate", type=float, help="learning rate at its peak; default: the network's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="of torch on the CPU")
    parser.add_argument("--workers", type=int, help="processes that make samples")
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="PATH",
        help="start from a checkpoint's weights, or, segmenter and filler, a model's",
    )
    parser.add_argument(
        "--remember", type=float, default=0.0, metavar="SHARE", help="of ImageNet in the encoder of the model of --from"
    )
    parser.add_argument(
        "--size", choices=("swift", "sharp"), help="segmenter, filler: for a CPU (the default) or a GPU"
    )
    parser.add_argument(
        "--weigh", action="append", default=[], metavar="TERM=WEIGHT", help="fillers: weight of a term of the loss"
    )
    parser.add_argument(
        "--side", type=int, help="fillers: pixels of the squares that it learns from, for most networks"
    )
    parser.add_argument("--freeze", action="store_true", help="filler: its encoder stays as it is, a step is shorter")
    parser.add_argument("--with-people", action="store_true", help="fillers: learn from photos of people too")
    parser.add_argument(
        "--imagenet", action="store_true", help="unet34: start with torchvision's ResNet34, once fetched"
    )
    parser.add_argument("--noise", action="store_true", help="pix2pix: paint noise, not a hue, over what is to go")
    parser.add_argument("--labels", type=Path, help="segmenter: what `python -m engines.teach` wrote")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="FORMAT:PATH",
        help="segmenter: more pictures; see engines.loaders",
    )
    parser.add_argument(
        "--only", choices=("matte", "object"), help="segmenter: train what finds people, or what finds a guided object"
    )
    parser.add_argument(
        "--plain",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="segmenter: of the batches, whole pictures as they are",
    )
    parser.add_argument("--judge-every", type=float, metavar="MINUTES", help="evaluate now and then, keep best.pt")
    parser.add_argument("--patience", type=int, default=3, help="evaluations without a better figure before it stops")
    parser.add_argument("--half", action="store_true", default=None, help="bfloat16 on a CPU too, if it computes in it")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = vars(parser.parse_args(arguments))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch's threads that spin collapse where cores are shared
    return exit_code_of(lambda: _train(**options))


def _train(task: str, data: Path, seed: int, **options: Any) -> None:
    from engines.training import Plan, train

    planned = {field.name for field in fields(Plan)}
    given: dict[str, Any] = {name: options.pop(name) for name in [*options] if name not in planned}
    asked = [
        f"{name} {' '.join(value) if isinstance(value, list) else value}"
        for name, value in given.items()
        if value and name != "labels"
    ]
    given["weigh"] = dict(_weight(text) for text in given["weigh"])
    made = make_task(task, data, seed, **{name: value for name, value in given.items() if value})
    train(made, Plan(**options, seed=seed, asked=asked), lambda line: print(line, flush=True))


def _weight(text: str) -> tuple[str, float]:
    """ "l1=2" as name and number."""
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise EngineError(f"--weigh takes TERM=WEIGHT, as in l1=2, not {text!r}") from error


if __name__ == "__main__":
    sys.exit(main())
