"""How fast is each network on each runtime?

    python -m benchmarks.engines                                     # all that is installed here
    python -m benchmarks.engines --python tensorrt=/opt/trt/bin/python3.10 --python torch=.venv-torch/bin/python

Every row is a process of its own (`benchmarks.engine_run`), in its own interpreter where one is named; all get the same
inputs. Rows that can't be run say why. README.md in this folder defines every figure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engine_run import ROWS
from benchmarks.machine import describe_machine, graphics
from benchmarks.tables import markdown_table, number
from benchmarks.targets import Target
from engines.card import TASKS
from engines.command import exit_code_of, height_by_width
from engines.errors import EngineError
from engines.interface import cores
from engines.models import available_models, find_model

RUNTIMES = ("tensorrt", "onnxruntime", "torch")
BEST, RIVAL = "TensorRT FP16, CUDA graph", "torch CUDA FP16, eager"
BASES = (RIVAL, "onnxruntime CPU FP32")  # what the ratios are to: the first that was measured
FASTER = 2.0  # how many times as fast as its rival TensorRT is to be
SEGMENTER_MS = 0.5  # of the segmenter at 288x512, on an NVIDIA H200
PATIENCE = 1800  # seconds for a row: TensorRT may have to build


@dataclass(frozen=True)
class Case:
    """A network at a size, and where its model is. unguided: without the object's part."""

    task: str
    model: str
    size: tuple[int, int]
    unguided: bool = False

    @property
    def title(self) -> str:
        part = ", people alone" if self.unguided else ""
        return f"{self.task} {Path(self.model).name}{part}, {self.size[0]}x{self.size[1]}"


@dataclass(frozen=True)
class Row:
    """A runtime's figures for a case: milliseconds, or why there are none."""

    name: str
    version: str = ""
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    copied: float | None = None
    parity: str = ""
    lack: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code (0 done, 1 failed, 2 wrong usage)."""
    options = _parse(arguments)
    return exit_code_of(lambda: run(options))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description="How fast is each network?")
    parser.add_argument("--task", choices=TASKS, help="this one alone")
    parser.add_argument("--model", metavar="MODEL", help="a name or path (default: every model that is shipped)")
    parser.add_argument(
        "--size",
        type=height_by_width,
        action="append",
        metavar="HxW",
        help="of the input, may be repeated (default: the card's)",
    )
    parser.add_argument("--only", action="append", metavar="WORD", help="rows that hold this word; may be repeated")
    parser.add_argument(
        "--python", type=_interpreter, action="append", default=[], metavar="RUNTIME=FILE",
        help=f"the interpreter that has a runtime ({', '.join(RUNTIMES)}); may be repeated",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=200, help="that count (default 200)")
    parser.add_argument("--warm-up", type=int, default=20, help="runs that don't (default 20)")
    parser.add_argument("--threads", type=int, default=cores(), help="of the CPU (default: all)")
    parser.add_argument("--out", type=Path, default=Path("build/engines"), metavar="FOLDER")
    return parser.parse_args(arguments)


def _interpreter(text: str) -> tuple[str, str]:
    runtime, _, file = text.partition("=")
    if runtime not in RUNTIMES or not file:
        raise argparse.ArgumentTypeError(f"{text!r}: give RUNTIME=FILE, the runtime one of {', '.join(RUNTIMES)}")
    return runtime, file


def run(options: argparse.Namespace) -> None:
    """Measure, print the tables, and write them with JSON to `options.out`."""
    interpreters = dict(options.python)
    names = [name for name in ROWS if not options.only or any(word.lower() in name.lower() for word in options.only)]
    if not names:
        raise EngineError(f"no row holds {' or '.join(options.only)}; the rows: {'; '.join(ROWS)}")
    results: dict[Case, list[Row]] = {}
    for case in cases(options.task, options.model, options.size):
        results[case] = []
        for name in names:
            print(f"{case.title}: {name} ...", file=sys.stderr)
            results[case].append(_run_row(name, case, interpreters, options))
    machine = describe_machine() | {"GPU": graphics(), "threads of the CPU": str(options.threads)}
    text = _report(machine, results, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "engines.md").write_text(text, encoding="utf-8")
    rows = [{**asdict(case), "rows": [asdict(row) for row in found]} for case, found in results.items()]
    (options.out / "engines.json").write_text(json.dumps({"machine": machine, "cases": rows}, indent=2) + "\n")
    print(text)


def cases(task: str | None, model: str | None, sizes: Sequence[tuple[int, int]] | None) -> list[Case]:
    """The networks to time at which sizes; models that are not ONNX are left out."""
    found = []
    for name in (task,) if task else TASKS:
        shipped = available_models(name)
        chosen = shipped if model is None else [model] if task or model in shipped else []
        for each in chosen:
            card = find_model(each, name).card
            if card.runtime == "onnx":
                parts = (True, False) if card.unguided else (False,)
                found += [Case(name, each, size, unguided) for size in sizes or card.sizes for unguided in parts]
    if not found:
        raise EngineError(f"there is no ONNX model {model!r}; for a path, say --task too")
    return found


def _run_row(name: str, case: Case, interpreters: Mapping[str, str], options: argparse.Namespace) -> Row:
    runtime = ROWS[name][0][0]
    command = [
        interpreters.get(runtime, sys.executable), "-m", "benchmarks.engine_run", name, "--task", case.task,
        "--model", case.model, "--size", f"{case.size[0]}x{case.size[1]}", "--runs", str(options.runs),
        "--warm-up", str(options.warm_up), "--threads", str(options.threads), *(["--unguided"] * case.unguided),
    ]  # fmt: skip
    root = str(Path(__file__).parents[1])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        done = subprocess.run(
            command, env=os.environ | {"PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Row(name, lack=str(error))
    if done.returncode:
        return Row(name, lack=f"the process ended with exit code {done.returncode}")
    return row_of(name, json.loads(done.stdout.strip().splitlines()[-1]))


def row_of(name: str, result: Mapping[str, Any]) -> Row:
    """A row from what its process printed."""
    if "lack" in result:
        return Row(name, lack=str(result["lack"]))
    p50, p90, p99 = (round(float(np.percentile(result["network"], q)), 4) for q in (50, 90, 99))
    parity = ", ".join(f"{key} {value:.4g}" for key, value in result["parity"].items())
    copied = round(float(np.median(result["copied"])), 4)
    return Row(name, str(result["version"]), p50, p90, p99, copied, parity)


def _report(machine: Mapping[str, str], results: Mapping[Case, list[Row]], options: argparse.Namespace) -> str:
    parts = ["# Engines", "\n".join(f"- {name}: {value}" for name, value in machine.items())]
    parts.append(f"Milliseconds of {options.runs} runs after {options.warm_up} that don't count.")
    for case, rows in results.items():
        parts += [f"## {case.title}", table(rows)]
    lines = [[item.name, item.wanted, item.reached, item.verdict] for item in targets(results)]
    parts += ["## Targets", markdown_table(["target", "wanted", "reached", "met"], lines)]
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[Row]) -> str:
    """The rows that were measured, with their ratios, and below why the others were not."""
    measured = {row.name: row for row in rows if row.p50 is not None}
    parts = []
    if measured:
        base = next((measured[name] for name in BASES if name in measured), next(iter(measured.values())))
        header = ["runtime", "p50", "p90", "p99", "with copies", f"times {base.name}", "against the model", "version"]
        lines = [
            [
                row.name, number(row.p50, 3), number(row.p90, 3), number(row.p99, 3), number(row.copied, 3),
                f"{(base.p50 or 0) / (row.p50 or 1):.2f}x", row.parity, row.version,
            ]
            for row in measured.values()
        ]  # fmt: skip
        parts.append(markdown_table(header, lines))
    if lacking := [row for row in rows if row.lack]:
        parts.append("Not measured:\n" + "\n".join(f"- {row.name}: {row.lack}" for row in lacking))
    return "\n\n".join(parts)


def targets(results: Mapping[Case, Sequence[Row]]) -> list[Target]:
    """What is wanted of TensorRT, and whether it was reached; not measured without a GPU."""
    found = []
    alone = any(case.unguided for case in results)  # what frames without a chosen object are run through
    for case, rows in results.items():
        p50 = {row.name: row.p50 for row in rows}
        best, rival = p50.get(BEST), p50.get(RIVAL)
        ratio = rival / best if best and rival else None
        wanted = f">= {FASTER:g}x torch FP16 eager"
        found.append(Target(f"{BEST}: {case.title}", wanted, number(ratio), None if ratio is None else ratio >= FASTER))
        if case.task == "segmenter" and case.size == (288, 512) and case.unguided == alone:
            met = None if best is None else best <= SEGMENTER_MS
            found.append(Target(f"{BEST}: {case.title}", f"<= {SEGMENTER_MS:g} ms on an H200", number(best, 3), met))
    return found


if __name__ == "__main__":
    sys.exit(main())
