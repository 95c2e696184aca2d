"""`python -m calib.precision MODEL`: what a model loses by FP16 and by INT8, on pictures of yours.

INT8 is calibrated on every second picture and judged on the others, like FP16, beside FP32: the masks' IoU of a
segmenter, the PSNR of a filler against the picture that its hole was cut into. Where INT8 loses too much, the layers
that lose most stay in FP32, a quarter of them at most; a model that still loses more than 1 % IoU or 0.3 dB is refused.
One that passes is written to a folder of its own, with `gpu.int8.onnx` beside the others: for `engines.build`, and for
--segmenter and --fill. All of this runs on the CPU: FP16 as FP32 whose every value is rounded, INT8 as Q/DQ defines it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.charts import bars
from benchmarks.machine import describe_machine
from benchmarks.tables import markdown_table, number
from calib.frames import FOLDER, Inputs, evenly, given, inputs_of, picture_files
from engines.card import TASKS, TOLERANCES, Card
from engines.command import exit_code_of
from engines.errors import EngineError
from engines.interface import CHANNELS
from engines.measure import hole_psnr
from engines.models import UNGUIDED, Model, find_model, find_models
from engines.onnx_engine import OnnxEngine
from engines.parity import PROBE, Probe, load_probe, random_inputs
from engines.parity import judge as judge_parity
from engines.pictures import write_picture
from realtime.errors import UsageError

if TYPE_CHECKING:
    import onnx

MOST_IOU, MOST_DB = 0.01, 0.3  # that INT8 may lose
SHARE_IN_FULL = 0.25  # of the layers that may stay in FP32: above it the engine is hardly INT8
MARGIN = 0.8  # of what may be lost is aimed at
TRIES = 3
SLACK = 1.5  # of the error on a GPU, against that on the CPU
LAYER_PICTURES = 3
SHOWN = 30  # layers in table and plot
Answers = dict[str, np.ndarray]


@dataclass(frozen=True)
class Loss:
    """What a precision loses against FP32.

    iou: of its masks with those of FP32, all pictures together; worst: of the picture where it is smallest (of those in
    which one pixel in a thousand is masked); psnr: mean, dB, of what fills the holes, against the picture itself;
    below: how far that is below FP32's. difference: mean absolute difference of all outputs. None: not of this task.
    """

    difference: float
    iou: float | None = None
    worst: float | None = None
    psnr: float | None = None
    below: float | None = None

    @property
    def fault(self) -> str:
        """Why it is refused; empty where it is not."""
        if self.iou is not None and 1 - self.iou > MOST_IOU:
            return f"its masks' IoU with FP32's is {self.iou:.4f}, {100 * (1 - self.iou):.2f} % are lost (at most 1 %)"
        if self.below is not None and self.below > MOST_DB:
            return f"its fills are {self.below:.2f} dB below FP32's (at most {MOST_DB} dB)"
        return ""

    @property
    def share(self) -> float:
        """What is lost, as a multiple of what may be."""
        return max(0.0 if self.iou is None else (1 - self.iou) / MOST_IOU, (self.below or 0.0) / MOST_DB)


@dataclass(frozen=True)
class Int8:
    """A calibrated graph, what it loses, which layers stay in FP32, and what `layer_errors` says of them."""

    graph: bytes
    loss: Loss
    in_full: tuple[str, ...]
    errors: dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code: 0 INT8 passed and is written, 1 refused or failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m calib.precision", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("model", metavar="MODEL", help="a name, a folder or an .onnx file")
    parser.add_argument(
        "--task", choices=TASKS, help="which model of this name (default: segmenter, where there is one)"
    )
    parser.add_argument(
        "--frames", type=Path, default=FOLDER, metavar="DIR", help=f"pictures, see calib.collect (default {FOLDER})"
    )
    parser.add_argument("--limit", type=int, default=64, help="pictures used of them, evenly (default 64)")
    parser.add_argument(
        "--with",
        dest="quantiser",
        choices=("modelopt", "onnxruntime"),
        help="what quantises (default: modelopt, or onnxruntime where that is not installed)",
    )
    parser.add_argument("--threads", type=int, help="of the networks (default: all cores)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default build/precision/TASK-NAME")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: run(options))


def run(options: argparse.Namespace) -> None:
    """Measure, write figures and, where INT8 passes, the model; EngineError where it is refused."""
    if options.limit < 2:
        raise UsageError(f"--limit takes 2 or more, not {options.limit}: one to calibrate on, one to judge by")
    try:
        from calib.quantize import usual_quantiser, with_plain_weights
        from engines.half import half_errors, rounded_to_half
    except ImportError as error:
        raise UsageError(f"the onnx package is needed ({error}): `pip install .[calib]`") from error
    model = _find(options.model, options.task)
    if model.card.runtime != "onnx":
        raise EngineError(f"{model.card.name} is a {model.card.runtime} model: only ONNX models have other precisions")
    graph = model.graph("fp32")
    if graph is None:
        raise EngineError(f"{model.card.name} has no graphs for GPUs; `python -m engines.graphs FOLDER` makes them")
    quantiser = options.quantiser or usual_quantiser()
    full = OnnxEngine(graph, model.card, threads=options.threads)
    feeds = list(inputs_of(evenly(picture_files(options.frames), options.limit), full))
    judged = feeds[1::2] if len(feeds) < 4 else [feed for i, feed in enumerate(feeds) if i % 4 in (1, 2)]
    taught = [feed for feed in feeds if not any(feed is each for each in judged)]
    answers = [full.run(**given(model.card, feed)) for feed in judged]
    plain = with_plain_weights(graph)
    half = OnnxEngine(rounded_to_half(plain), model.card, precision="fp16", threads=options.threads)
    losses = {"FP16": judge(half, judged, answers)}
    few = [given(model.card, feed) for feed in judged[:LAYER_PICTURES]]
    halved = half_errors(plain, model.card, few, answers[:LAYER_PICTURES], options.threads)
    int8 = _calibrate(plain, model.card, taught, judged, answers, quantiser, options.threads)
    losses["INT8"] = int8.loss
    out = options.out or Path("build/precision") / f"{model.card.task}-{model.card.name}"
    out.mkdir(parents=True, exist_ok=True)
    about = {
        **describe_machine(),
        "pictures": f"{len(taught)} to calibrate, {len(judged)} to judge",
        "by": _named(quantiser),
    }
    text = _text(model.card, about, losses, halved, int8)
    print(text)
    values = {"about": about, "losses": {name: asdict(loss) for name, loss in losses.items()}}
    values |= {"in_full": list(int8.in_full), "layers": {"FP16": halved, "INT8": int8.errors}}
    (out / "precision.md").write_text(text, encoding="utf-8")
    (out / "precision.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    charts = [
        bars(
            f"{model.card.name}: error of the answer, in thousandths, with one layer alone in {precision}",
            _worst(errors),
        )
        for precision, errors in (("INT8", int8.errors), ("FP16", halved))
    ]
    write_picture(out / "precision.png", np.vstack(charts))
    if int8.loss.fault:
        raise EngineError(f"INT8 of {model.card.name} is refused: {int8.loss.fault}; figures in {out}")
    _write_model(model, int8.graph, out, tolerance_of(model, int8.graph, full))
    print(f"{out} holds the model with its INT8 graph")


def judge(engine: OnnxEngine, feeds: Sequence[Inputs], answers: Sequence[Answers]) -> Loss:
    """What an engine loses on these inputs, of which `answers` are those of FP32."""
    card = engine.card
    found = [engine.run(**given(card, feed)) for feed in feeds]
    pairs = [(ours[name], theirs[name]) for ours, theirs in zip(found, answers, strict=True) for name in theirs]
    difference = float(np.mean([np.abs(ours - theirs).mean() for ours, theirs in pairs]))
    if card.task == "filler":
        psnrs = np.array([
            [_fill_psnr(feed, each["image_filled"]) for each in (ours, theirs)]
            for feed, ours, theirs in zip(feeds, found, answers, strict=True)
        ])  # fmt: skip
        ours, theirs = psnrs.mean(0)
        return Loss(difference, psnr=float(ours), below=float(theirs - ours))
    masks = [(ours > card.threshold, theirs > card.threshold) for ours, theirs in pairs]
    both, either = (
        np.array([np.count_nonzero(join(*pair)) for pair in masks]) for join in (np.logical_and, np.logical_or)
    )
    large = either >= 1e-3 * np.array([mask.size for mask, _ in masks])
    worst = float((both[large] / either[large]).min()) if large.any() else None
    return Loss(difference, iou=float(both.sum() / either.sum()) if either.any() else 1.0, worst=worst)


def _calibrate(
    plain: onnx.ModelProto,
    card: Card,
    taught: Sequence[Inputs],
    judged: Sequence[Inputs],
    answers: Sequence[Answers],
    quantiser: str,
    threads: int | None,
) -> Int8:
    """Quantise, and keep more layers in FP32 until the loss is small enough or there are too many of them."""
    from calib.layers import layer_errors
    from calib.quantize import quantise
    from engines.half import worst_layers

    fed = [given(card, feed) for feed in taught]
    in_full: tuple[str, ...] = ()
    errors: dict[str, float] = {}
    for left in reversed(range(TRIES)):
        graph = quantise(plain, fed, in_full, quantiser)
        loss = judge(OnnxEngine(graph, card, precision="int8", threads=threads), judged, answers)
        if not errors:
            few = [given(card, feed) for feed in judged[:LAYER_PICTURES]]
            errors = layer_errors(graph, card, few, answers[:LAYER_PICTURES], threads)
        if not loss.fault or not left:
            break
        print(f"{len(in_full)} of {len(errors)} layers in FP32: {loss.fault}", file=sys.stderr)
        more = worst_layers({name: each for name, each in errors.items() if name not in in_full}, MARGIN / loss.share)
        more = more[: int(SHARE_IN_FULL * len(errors)) - len(in_full)]
        if not more:
            break
        in_full = (*in_full, *more)
    return Int8(graph, loss, in_full, errors)


def _find(name: str, task: str | None) -> Model:
    """The model of a name; where a segmenter and a filler share it and no task is named, the segmenter."""
    return find_models(name)[0] if task is None else find_model(name, task)


def _named(quantiser: str) -> str:
    """A quantiser and its version."""
    return f"{quantiser} {import_module(quantiser).__version__}"


def _fill_psnr(feed: Inputs, filled: np.ndarray) -> float:
    """PSNR in the hole of one picture, dB."""
    pictures = [
        np.rint(each[0].transpose(1, 2, 0).clip(0, 1) * 255).astype(np.uint8) for each in (filled, feed["truth"])
    ]
    return hole_psnr(pictures[0], pictures[1], feed["mask"][0, 0] > 0)


def _worst(errors: dict[str, float]) -> list[tuple[str, float]]:
    """Name and error, in thousandths, of the layers that are shown."""
    return [(name, 1000 * error) for name, error in list(errors.items())[:SHOWN]]


def _text(card: Card, about: dict[str, str], losses: dict[str, Loss], halved: dict[str, float], int8: Int8) -> str:
    rows = [
        [
            name,
            *(number(value, 4) for value in (loss.iou, loss.worst)),
            *(number(value, 2) for value in (loss.psnr, loss.below)),
            f"{loss.difference:.2g}",
            loss.fault or "passed",
        ]
        for name, loss in losses.items()
    ]
    header = ["against FP32", "mask IoU", "worst picture", "fill PSNR", "dB below", "mean difference", "verdict"]
    layers = [[name, f"{error:.2f}", "FP32" if name in int8.in_full else "INT8"] for name, error in _worst(int8.errors)]
    return "\n\n".join([
        f"# Precision of the {card.task} {card.name}",
        "\n".join(f"- {key}: {value}" for key, value in about.items()),
        markdown_table(header, rows),
        f"Of {len(int8.errors)} layers {len(int8.in_full)} stay in FP32. Root mean square error of the answer, in "
        "thousandths, with one layer alone in INT8:",
        markdown_table(["layer", "error", "runs in"], layers),
        "The same with one layer alone in FP16:",
        markdown_table(["layer", "error"], [[name, f"{error:.3f}"] for name, error in _worst(halved)]),
    ]) + "\n"  # fmt: skip


def tolerance_of(model: Model, graph: bytes, full: OnnxEngine) -> dict[str, float]:
    """What INT8 engines may differ from FP32 by on the probes of `engines.parity`: SLACK times what this graph does."""
    size = model.card.sizes[0]
    inputs = random_inputs({name: CHANNELS[name] for name in model.card.inputs}, *size)
    probes = [Probe("random inputs", inputs, full.run(**inputs))]
    if model.beside(PROBE).is_file():
        probes.append(load_probe(model.beside(PROBE)))
    figures = judge_parity(OnnxEngine(graph, model.card, precision="int8"), probes).figures
    limits = {
        "mean_difference": lambda value: value * SLACK,
        "iou": lambda value: 1 - (1 - value) * SLACK,
        "psnr": lambda value: value - 20 * math.log10(SLACK),
    }
    return {f"int8 {name}": round(limits[name](value), 6) for name, value in figures.items()}


def people_alone(graph: bytes) -> bytes:
    """A guided segmenter's graph without the object's part."""
    import onnx

    from engines.graphs import without_guidance

    model = onnx.load_model_from_string(graph)
    without_guidance(model.graph)
    return model.SerializeToString()


def _write_model(model: Model, graph: bytes, folder: Path, tolerance: dict[str, float]) -> None:
    """Copy the model's files to a folder and add the INT8 graph."""
    names = [f"gpu.{precision}.onnx" for precision in model.card.graphs if precision != "int8"]
    names += [PROBE, *(f"gpu.{precision}{UNGUIDED}.onnx" for precision in model.card.unguided if precision != "int8")]
    (folder / "model.onnx").write_bytes(model.content())
    for name in names:
        if model.beside(name).is_file():
            (folder / name).write_bytes(model.beside(name).read_bytes())
    (folder / "gpu.int8.onnx").write_bytes(graph)
    card = replace(
        model.card,
        graphs={**model.card.graphs, "int8": hashlib.sha256(graph).hexdigest()},
        tolerance={**(model.card.tolerance or TOLERANCES[model.card.task]), **tolerance},
    )
    if card.unguided:
        part = people_alone(graph)
        (folder / f"gpu.int8{UNGUIDED}.onnx").write_bytes(part)
        card = replace(card, unguided={**card.unguided, "int8": hashlib.sha256(part).hexdigest()})
    (folder / "card.json").write_text(card.to_json(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
