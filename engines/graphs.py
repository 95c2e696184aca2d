"""`python -m engines.graphs FOLDER...`: beside a model, the graphs that GPUs run, and answers to hold engines against.

A model.onnx is made for CPUs: it computes in FP32 and skips what a frame doesn't ask for by an If, which TensorRT can't
build. So each model has the same graph three times more, without branches: `gpu.fp16.onnx` computes in FP16 between
FP32 inputs and outputs (TensorRT 11 takes the types that it finds; earlier ones are told to do the same),
`gpu.mixed.onnx` too, but for the layers that lose most by it, and `gpu.fp32.onnx` in FP32. All take their weights out
of model.onnx, as external data at the place where they lie in that file, so the four are one set of weights.
`probe.npz` holds a picture and what the model answers to it, for `engines.parity`. Of a guided segmenter there are
`gpu.PRECISION.unguided.onnx` too, without the object's part, for frames that ask for people alone.

`engines.export` calls this; the command is for models that exist already. It writes the card anew. Which layers lose
most is measured, one rounded at a time (`engines.half`): it takes 20 s or so.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from engines.cache import write_whole
from engines.card import TOLERANCES, Card, load_card
from engines.command import exit_code_of, optional
from engines.errors import EngineError
from engines.interface import GUIDANCE, OBJECT
from engines.models import UNGUIDED
from engines.onnx_engine import OnnxEngine
from engines.parity import PROBE, load_probe, save_probe

with optional(__name__):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    from engines.half import half_errors, is_full, set_nodes, with_readers, worst_layers
    from engines.half_graph import compute_in_half, renamed

PRECISIONS = ("fp32", "fp16", "mixed")
REST = 0.1  # of FP16's error that the mixed graph may keep
MOST = 0.25  # of the layers that it may have in FP32
SHARED = 256  # bytes from which on a weight is worth a reference instead of a copy
FOLDED = (
    *("Add", "Cast", "Concat", "ConstantOfShape", "Div", "Gather", "Mod", "Mul"),
    *("Reshape", "Slice", "Squeeze", "Sub", "Transpose", "Unsqueeze"),
)
FP32_LAYERS = "layers in FP32"  # the property of a mixed graph that names them, one a line


def add_graphs(folder: Path) -> None:
    """Write the GPU graphs of `folder`/model.onnx beside it and their checksums into its card; one in INT8 stays."""
    card = load_card(folder / "card.json")
    if card.like:
        raise EngineError(
            f"{folder} has no files of its own; name {os.path.normpath(folder / card.like)}, whose they are"
        )
    content = (folder / "model.onnx").read_bytes()
    card.check_model(content)
    _add_probe(folder, content, card)
    checksums: dict[str, dict[str, str]] = {"": {}, UNGUIDED: {}}
    for precision in PRECISIONS:
        in_full = sensitive_layers(folder / "gpu.fp32.onnx", card) if precision == "mixed" else ()
        for part in ("", UNGUIDED) if finds_people_alone(content) else ("",):
            graph = gpu_graph(content, precision, in_full, part)
            write_whole(folder / f"gpu.{precision}{part}.onnx", graph)
            checksums[part][precision] = hashlib.sha256(graph).hexdigest()
    tolerance = card.tolerance or TOLERANCES[card.task]
    graphs, unguided = {**card.graphs, **checksums[""]}, {**card.unguided, **checksums[UNGUIDED]}
    card = replace(card, graphs=graphs, unguided=unguided, tolerance=tolerance)
    write_whole(folder / "card.json", card.to_json().encode())


def sensitive_layers(path: Path, card: Card) -> list[str]:
    """The layers of a graph that are to stay in FP32 where the rest is FP16: what loses most on the probe."""
    probe = load_probe(path.parent / PROBE)
    model = onnx.load(path)
    answers = OnnxEngine(path, card, threads=1).run(**probe.inputs)
    errors = half_errors(model, card, [probe.inputs], [answers], threads=1)
    return with_readers(model, worst_layers(errors, REST), int(MOST * len(errors)))


def gpu_graph(content: bytes, precision: str, in_full: Collection[str] = (), part: str = "") -> bytes:
    """The graph of a model.onnx (its bytes) without branches; its weights refer to that file.

    precision: "fp16", "mixed" or "fp32", of the arithmetic; inputs and outputs are FP32. in_full: of "mixed", the names
    of the nodes in FP32, besides those that always are (`engines.half.FULL`). part: UNGUIDED for the network without
    the object's part. Of each If the first branch is taken, which must give what the If gives, whatever its condition
    (`engines.export.only_if_guided` makes such ones).
    """
    model = onnx.load_model_from_string(content)
    graph = model.graph
    _take_branches(graph)
    if part == UNGUIDED:
        without_guidance(graph)
    _fold_numbers(model)
    _drop_unused(graph)
    if precision != "fp32":
        compute_in_half(model, {*in_full, *(node.name for node in graph.node if is_full(node))})
        helper.set_model_props(model, {FP32_LAYERS: "\n".join(in_full)} if in_full else {})
    _drop_unused(graph)
    _share_weights(graph, content)
    return model.SerializeToString()


def finds_people_alone(content: bytes) -> bool:
    """Whether a model is guided to objects, and needs no guidance for its matte."""
    graph = onnx.load_model_from_string(content).graph
    return GUIDANCE in {item.name for item in graph.input} and GUIDANCE not in needed(graph, "matte")


def needed(graph: onnx.GraphProto, output: str) -> set[str]:
    """The names of all values that an output is computed from."""
    makers = {name: node for node in graph.node for name in node.output}
    found, open_names = set(), [output]
    while open_names:
        name = open_names.pop()
        if name not in found:
            found.add(name)
            open_names += makers[name].input if name in makers else []
    return found


def without_guidance(graph: onnx.GraphProto) -> None:
    """Leave out of a segmenter's graph the guidance, the object, and all that is there for them alone."""
    for values, name in ((graph.output, OBJECT), (graph.input, GUIDANCE)):
        values.remove(next(item for item in values if item.name == name))
    _drop_unused(graph)


def _add_probe(folder: Path, content: bytes, card: Card) -> None:
    """Write a small picture and the model's answers: a person, followed and clicked on; coffee, with holes."""
    from skimage import data

    if card.task == "segmenter":
        photo = _cut(data.astronaut(), (32, 80), (160, 288), card.multiple)
        height, width = photo.shape[:2]
        guidance = np.zeros((2, 3, height, width), np.float32)
        guidance[0, 0, height // 16 : height * 3 // 4, width // 3 : width * 5 // 8] = 1  # about where her head is
        guidance[1, 1, height * 3 // 8 : height * 7 // 16, width // 2 : width * 17 // 32] = 1
        inputs: dict[str, np.ndarray] = {"guidance": guidance} if "guidance" in card.inputs else {}
    else:
        photo = _cut(data.coffee(), (100, 200), (160, 192), card.multiple)
        mask = np.zeros((1, 1, *photo.shape[:2]), np.float32)
        mask[..., 40:110, 50:100] = mask[..., 90:160, 140:150] = 1
        inputs = {"mask": mask}
    image = np.ascontiguousarray(photo.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    inputs = {"image": image * (1 - inputs["mask"]) if "mask" in inputs else image, **inputs}
    answers = OnnxEngine(content, card, threads=1).run(**inputs)
    save_probe(folder / PROBE, inputs, answers)


def _cut(photo: np.ndarray, corner: tuple[int, int], size: tuple[int, int], multiple: int) -> np.ndarray:
    """A rectangle of a photo, its sides the next multiples of what a network takes."""
    sides = [-(-side // multiple) * multiple for side in size]
    top, left = (min(start, whole - side) for start, whole, side in zip(corner, photo.shape, sides, strict=False))
    return photo[top : top + sides[0], left : left + sides[1]]


def _take_branches(graph: onnx.GraphProto) -> None:
    nodes = []
    for node in graph.node:
        if node.op_type != "If":
            nodes.append(node)
            continue
        branch = next(item.g for item in node.attribute if item.name == "then_branch")
        names = {inner.name: outer for inner, outer in zip(branch.output, node.output, strict=True)}
        nodes += [renamed(item, names) for item in branch.node]
        graph.initializer.extend(branch.initializer)
    set_nodes(graph, nodes)


def _fold_numbers(model: onnx.ModelProto) -> None:
    """Compute what depends on constants alone, such as the margins of a Pad: older parsers want to see the numbers."""
    graph = model.graph
    known = {item.name for item in graph.initializer if item.data_type == TensorProto.INT64}
    steps: list[onnx.NodeProto] = []
    for node in graph.node:
        is_number = node.op_type == "Constant" and _value(node).size <= SHARED
        if is_number or (node.op_type in FOLDED and known.issuperset(filter(None, node.input))):
            known.update(node.output)
            steps.append(node)
    computed = [node.output[0] for node in steps if node.op_type != "Constant"]
    weights = [item for item in graph.initializer if item.name in known]
    outputs = [helper.make_value_info(name, onnx.TypeProto()) for name in computed]
    part = helper.make_model(helper.make_graph(steps, "", [], outputs, weights), opset_imports=model.opset_import)
    values = ReferenceEvaluator(part).run(None, {})
    folded = dict(zip(computed, values, strict=True))
    set_nodes(
        graph,
        [
            helper.make_node("Constant", [], node.output, value=numpy_helper.from_array(np.asarray(folded[name])))
            if (name := node.output[0]) in folded
            else node
            for node in list(graph.node)
        ],
    )


def _value(constant: onnx.NodeProto) -> np.ndarray:
    return numpy_helper.to_array(constant.attribute[0].t)


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {item.name for item in graph.output}
    kept = []
    for node in reversed(graph.node):
        if used & set(node.output):
            kept.append(node)
            used |= set(node.input)
    weights = [item for item in graph.initializer if item.name in used]
    set_nodes(graph, kept[::-1])
    del graph.initializer[:]
    graph.initializer.extend(weights)


def _share_weights(graph: onnx.GraphProto, content: bytes) -> None:
    """Weights that lie in the model's file, `content`, become references into it, each to a place of its own."""
    taken: list[tuple[int, int]] = []  # TensorRT refuses two weights of different sizes at one place, say all zeros
    for weight in sorted(graph.initializer, key=lambda weight: len(weight.raw_data), reverse=True):
        size = len(weight.raw_data)
        place = _find(weight.raw_data, content, taken) if size >= SHARED else -1
        if place >= 0:
            taken.append((place, place + size))
            entries = {"location": "model.onnx", "offset": str(place), "length": str(size)}
            weight.ClearField("raw_data")
            weight.data_location = TensorProto.EXTERNAL
            weight.external_data.extend(onnx.StringStringEntryProto(key=key, value=entries[key]) for key in entries)


def _find(data: bytes, content: bytes, taken: list[tuple[int, int]]) -> int:
    """Where data lies in content outside what is taken; -1 where it does not."""
    place = content.find(data)
    while place >= 0 and (ends := [end for start, end in taken if start < place + len(data) and place < end]):
        place = content.find(data, max(ends))
    return place


def main(arguments: list[str] | None = None) -> int:
    """Add graphs to each folder; returns the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m engines.graphs", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("folder", nargs="+", type=Path, help="of a model: model.onnx and card.json")
    folders = parser.parse_args(arguments).folder
    return exit_code_of(lambda: [*map(add_graphs, folders)])


if __name__ == "__main__":
    sys.exit(main())
