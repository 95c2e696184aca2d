"""`python -m engines.export NETWORK CHECKPOINT --out engines/weights/ROLE/NAME`: ONNX, checked, with its card.

The graph's weights are rounded to FP16 and cast to FP32 where they are used: half the file at no cost in speed, since
the runtime folds the casts when it loads. The command compares the file with torch, measures it on the validation
pictures and writes both results into the card; then it adds the graphs for GPUs (`engines.graphs`).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from engines.card import Card
from engines.catalog import NAMES, recipe_of
from engines.command import add_data_option, exit_code_of, optional
from engines.errors import EngineError
from engines.interface import CHANNELS
from engines.models import FILES
from engines.runtime import Engine, load_engine

with optional(__name__):
    import onnx
    import torch
    from onnx import TensorProto, helper, numpy_helper
    from torch import nn

    from engines.graphs import add_graphs, needed
    from engines.recipes import Recipe
    from engines.segmenter import SIZES, Segmenter
    from engines.training import load_weights

OPSET = 17
TOLERANCE = 0.02  # largest difference to torch in FP32, of outputs in [0, 1]; what rounding weights to FP16 may cost


def export(
    task: str,
    checkpoint: Path,
    out: Path,
    data: Path,
    say: Callable[[str], None] = print,
    *,
    size: str = "swift",
    quick: bool = False,
    object_from: Path | None = None,
) -> Card:
    """Write `out`/model.onnx and `out`/card.json from a checkpoint; EngineError when they fail a check.

    object_from: another checkpoint, of a segmenter of which the object's part learnt alone; it is taken from there.
    quick: compared with torch, but not measured, and without the graphs for GPUs: enough for a benchmark.
    """
    recipe = recipe_of(task, size)
    network = recipe.network()
    state = load_weights(checkpoint, network, task)
    history = state["history"]
    if object_from is not None:
        history += [line for line in _take_object(network, object_from, recipe) if line not in history]
    module = recipe.wrap(network).eval()
    out.mkdir(parents=True, exist_ok=True)
    model = to_onnx(module, recipe) if recipe.runtime == "onnx" else saved(network)
    if len(model) > recipe.largest:
        raise EngineError(f"the model has {len(model)} bytes, more than {recipe.largest}; make the network smaller")
    card = Card(
        name=out.name,
        task=recipe.role,
        runtime=recipe.runtime,
        network="" if recipe.runtime == "onnx" else task,
        classes=recipe.classes,
        inputs=recipe.inputs,
        outputs=recipe.outputs,
        multiple=recipe.multiple,
        sizes=recipe.sizes,
        licence=recipe.licence,
        training_data=tuple({"source": source, "licence": licence} for source, licence in recipe.data.items()),
        metrics={},
        sha256=hashlib.sha256(model).hexdigest(),
        author="the object-eraser project",
        date=date.today().isoformat(),
        notes=recipe.notes,
        history=tuple(history),
    )
    with tempfile.TemporaryDirectory() as folder:  # measured there, so that a bad export leaves the old one alone
        (Path(folder) / FILES[recipe.runtime]).write_bytes(model)
        (Path(folder) / "card.json").write_text(card.to_json())
        engine = load_engine(Path(folder), recipe.role, device="cpu", threads=2)
    figures = {} if quick else recipe.measure(engine, data)
    if recipe.runtime == "onnx":
        difference = parity(engine, module, recipe)
        if difference > TOLERANCE:
            raise EngineError(f"the exported model differs from torch by {difference:.4f}, more than {TOLERANCE}")
        figures = {"parity": difference, **({} if quick else speed(engine, recipe)), **figures}
    engine.close()
    card = replace(card, metrics={name: round(value, 5) for name, value in figures.items()})
    for name, content in ((FILES[recipe.runtime], model), ("card.json", card.to_json().encode())):
        beside = out / f"{name}.tmp"
        beside.write_bytes(content)
        os.replace(beside, out / name)
    if recipe.runtime == "onnx" and not quick:
        add_graphs(out)
    say(", ".join([f"{out}: {len(model)} bytes", *(f"{name} {value:.4f}" for name, value in figures.items())]))
    return card


def _take_object(network: nn.Module, checkpoint: Path, recipe: Recipe) -> list[str]:
    """Put the object's part of another training into a segmenter; return that training's history."""
    other = recipe.network()
    if not isinstance(network, Segmenter) or not isinstance(other, Segmenter):
        raise EngineError("only the segmenter has a part for objects; leave --object-from out")
    history = load_weights(checkpoint, other, "segmenter")["history"]
    try:
        network.take("object", other)
    except ValueError as error:
        raise EngineError(f"{checkpoint} was trained on another encoder; start both trainings alike") from error
    return list(history)


def saved(network: nn.Module) -> bytes:
    """The weights of a network that torch itself runs, rounded to FP16, as a file."""
    state = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def to_onnx(module: nn.Module, recipe: Recipe) -> bytes:
    """The module as an ONNX file of opset 17 with free batch, height and width, its weights stored in FP16.

    It computes in FP32, and skips the guided object's part where there is no guidance.
    """
    names = [*recipe.inputs, *recipe.outputs]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter announces its own end on every call
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            module,
            tuple(torch.from_numpy(array) for array in probe(recipe, 1, 128, 96).values()),
            path,
            opset_version=OPSET,
            dynamo=False,
            input_names=list(recipe.inputs),
            output_names=list(recipe.outputs),
            dynamic_axes={name: _axes(name, name in recipe.inputs) for name in names},
        )
        model = onnx.load(path)
    store_half(model)
    if "object" in recipe.outputs:
        only_if_guided(model)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def _axes(name: str, entry: bool) -> dict[int, str]:
    """Which sides of a tensor are free: there may be more objects than images."""
    count = "m" if name in ("guidance", "object") else "n"
    return {0: count, 2: "h", 3: "w"} if entry else {0: count, 2: "oh", 3: "ow"}


def only_if_guided(model: onnx.ModelProto) -> None:
    """Put what only the object needs into an If node, so that frames without guidance don't pay for it."""
    graph = model.graph
    for_matte, for_object = needed(graph, "matte"), needed(graph, "object")
    rest = [node for node in graph.node if for_matte & {*node.output}]
    branch = [node for node in graph.node if not for_matte & {*node.output} and for_object & {*node.output}]
    inner = [weight for weight in graph.initializer if weight.name in for_object - for_matte]
    outer = [weight for weight in graph.initializer if weight.name in for_matte]
    guided = [
        helper.make_node("ReduceMax", ["guidance"], ["guidance.max"], keepdims=0),
        helper.make_node("Constant", [], ["zero"], value=helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])),
        helper.make_node("Greater", ["guidance.max", "zero"], ["guided"]),
    ]
    one = numpy_helper.from_array(np.array([1], np.int64), "one")
    empty = [  # zeros as large as the answer would be: (M, 1, H/2, W/2)
        helper.make_node("Shape", ["guidance"], ["count"], end=1),
        helper.make_node("Shape", ["matte"], ["sides"], start=2),
        helper.make_node("Concat", ["count", "one", "sides"], ["shape"], axis=0),
        helper.make_node("ConstantOfShape", ["shape"], ["nothing"]),
    ]
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    found = helper.make_graph(branch, "guided", [], [helper.make_value_info("object", kind)], inner)
    nothing = helper.make_graph(empty, "unguided", [], [helper.make_value_info("nothing", kind)], [one])
    choice = helper.make_node("If", ["guided"], ["object.chosen"], then_branch=found, else_branch=nothing)
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*rest, *guided, choice, helper.make_node("Identity", ["object.chosen"], ["object"])])
    graph.initializer.extend(outer)


def store_half(model: onnx.ModelProto) -> None:
    """Round large FP32 weights to FP16, each followed by a cast back to FP32."""
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 64:
            continue
        half = numpy_helper.from_array(values.astype(np.float16), f"{weight.name}.half")
        casts.append(helper.make_node("Cast", [half.name], [weight.name], f"{weight.name}.cast", to=TensorProto.FLOAT))
        weight.CopyFrom(half)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def probe(recipe: Recipe, count: int, height: int, width: int) -> dict[str, np.ndarray]:
    """Smooth random pictures, a box as mask, and guidance to objects, to feed a network with, at least of this size."""
    rng = np.random.default_rng(0)
    height, width = (-(-side // recipe.multiple) * recipe.multiple for side in (height, width))
    inputs = {}
    for name in recipe.inputs:
        coarse = rng.random((count, CHANNELS[name], height // 16, width // 16), np.float32)
        inputs[name] = np.ascontiguousarray(coarse.repeat(16, 2).repeat(16, 3))
        if name == "mask":
            inputs[name][:] = 0
            inputs[name][..., height // 4 : height // 2, width // 4 : width // 2] = 1
    return inputs


def parity(engine: Engine, module: nn.Module, recipe: Recipe) -> float:
    """Largest difference between the exported model and torch, over two sizes, a batch, and an image of two objects."""
    worst = 0.0
    for count, height, width in ((2, 128, 224), (1, *recipe.sizes[0]), (2, 96, 96)):
        inputs = probe(recipe, count, height, width)
        if "guidance" in inputs and height == width:
            inputs["image"] = inputs["image"][:1]
        with torch.inference_mode():
            expected = module(*(torch.from_numpy(array) for array in inputs.values()))
        expected = expected if isinstance(expected, tuple) else (expected,)
        for found, wanted in zip(engine.run(**inputs).values(), expected, strict=True):
            worst = max(worst, float(np.abs(found - wanted.numpy()).max()))
    return worst


def speed(engine: Engine, recipe: Recipe) -> dict[str, float]:
    """Milliseconds at the default size: of the clock with two threads, and of CPU time.

    Other programs only ever make a run slower, so the clock's figure is the fifth fastest of a hundred runs.
    """
    height, width = recipe.sizes[0]
    inputs = probe(recipe, 1, height, width)
    engine.warm_up(height, width)
    times, before = [], time.process_time()
    for _ in range(100):
        engine.run(**inputs)
        times.append(engine.timing.last)
    cpu = (time.process_time() - before) * 1000 / len(times)
    return {f"ms_{height}x{width}_2_threads": sorted(times)[4], f"cpu_ms_{height}x{width}": cpu}


def main(arguments: list[str] | None = None) -> int:
    """Parse, export, return the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m engines.export", description=__doc__)
    parser.add_argument("task", choices=NAMES, metavar="NETWORK", help=", ".join(NAMES))
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the model; its name is the model's name")
    add_data_option(parser)
    parser.add_argument("--size", choices=tuple(SIZES), default="swift", help="of ours: which was trained")
    parser.add_argument(
        "--object-from", type=Path, metavar="CHECKPOINT", help="segmenter: of a training with --only object"
    )
    parser.add_argument(
        "--quick", action="store_true", help="no figures and no graphs for GPUs: enough for a benchmark"
    )
    given = parser.parse_args(arguments)
    options = {"size": given.size, "quick": given.quick, "object_from": given.object_from}
    return exit_code_of(lambda: export(given.task, given.checkpoint, given.out, given.data, **options))


if __name__ == "__main__":
    sys.exit(main())
