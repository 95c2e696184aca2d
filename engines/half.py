"""FP16 on a CPU, and which layers lose most by it: the graph in FP32 with values rounded as FP16 rounds them.

onnxruntime runs an FP16 graph on a CPU in FP32 from one node to the next: hardly anything of FP16's error shows there.
What is simulated is how values are stored; sums are added up in FP32, as most of a GPU's convolutions do too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from engines.card import Card
from engines.interface import Engine
from engines.onnx_engine import OnnxEngine

# Operators that round nothing anew; of a Cast, those that make FP32 of weights that are stored in FP16.
EXACT = ("Constant", "Reshape", "Transpose", "Identity", "Slice", "Split", "Concat", "Clip", "Relu")
FULL = "_in_full"  # the end of the names of modules that compute in FP32 in every graph
SPLIT = np.array(2**13 + 1, np.float32)  # leaves 11 of FP32's 24 bits
LARGEST = np.array(np.finfo(np.float16).max, np.float32)
Arrays = Mapping[str, np.ndarray]


def rounded_to_half(model: onnx.ModelProto, only: Collection[str] | None = None) -> bytes:
    """The graph, with its constants and the results of its operators rounded to 11 significant bits.

    By Dekker's splitting ("A floating-point technique for extending the available precision", 1971), in operators that
    no optimiser takes for a conversion; what leaves FP16's range becomes its largest number. model: in FP32, its
    weights in the graph itself. only: names of layers; all others stay exact.
    """
    model = onnx.ModelProto.FromString(model.SerializeToString())
    layers = {*rounding_layers(model)} if only is None else {*only}
    constants = {name for node in model.graph.node if node.name in layers for name in node.input}
    for weight in model.graph.initializer:
        if weight.name in constants:
            _round(weight)
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output[0] in constants:
            _round(node.attribute[0].t)
        nodes.append(node)
        if node.name in layers:
            name = node.output[0]
            node.output[0] = whole = f"{name}.whole"
            nodes += [
                helper.make_node("Mul", [whole, "half.split"], [f"{name}.large"]),
                helper.make_node("Sub", [f"{name}.large", whole], [f"{name}.rest"]),
                helper.make_node("Sub", [f"{name}.large", f"{name}.rest"], [f"{name}.short"]),
                helper.make_node("Clip", [f"{name}.short", "half.lowest", "half.largest"], [name]),
            ]
    set_nodes(model.graph, nodes)
    for name, value in (("split", SPLIT), ("lowest", -LARGEST), ("largest", LARGEST)):
        model.graph.initializer.append(numpy_helper.from_array(value, f"half.{name}"))
    return model.SerializeToString()


def rounding_layers(model: onnx.ModelProto) -> list[str]:
    """The names of the nodes whose results FP16 rounds."""
    graph = shape_inference.infer_shapes(model).graph
    kinds = {item.name: item.type.tensor_type.elem_type for item in (*graph.value_info, *graph.output)}
    stored = {item.name for item in graph.initializer}
    return [
        node.name
        for node in graph.node
        if kinds.get(node.output[0]) == TensorProto.FLOAT
        and node.op_type not in EXACT
        and not is_full(node)
        and not (node.op_type == "Cast" and node.input[0] in stored)
    ]


def is_full(node: onnx.NodeProto) -> bool:
    """Whether a node is of a module that computes in FP32 in every graph."""
    return any(scope.endswith(FULL) for scope in node.name.split("/"))


def with_readers(model: onnx.ModelProto, layers: Iterable[str], most: int) -> list[str]:
    """As many of the layers as make no more than `most` together with those that read their results.

    A result is only spared the rounding where whoever reads it computes in FP32 too. layers: the most urgent first.
    """
    taken: dict[str, None] = {}
    nodes = {node.name: node for node in model.graph.node}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for layer in layers:
        open_nodes, more = [nodes[layer]], dict.fromkeys([layer])
        while open_nodes:
            for reader in readers.get(open_nodes.pop().output[0], ()):
                more[reader.name] = None
                if reader.op_type in EXACT:
                    open_nodes.append(reader)
        if len(taken | more) > most:
            break
        taken |= more
    return [node.name for node in model.graph.node if node.name in taken]


def half_errors(
    model: onnx.ModelProto,
    card: Card,
    feeds: Sequence[Arrays],
    answers: Sequence[Arrays],
    threads: int | None = None,
) -> dict[str, float]:
    """What is lost when one layer alone is rounded, as `error_of` says, for each, the largest first.

    model: as for `rounded_to_half`; feeds, answers: inputs, and what the model answers to them.
    """
    errors = {}
    for name in rounding_layers(model):
        engine = OnnxEngine(rounded_to_half(model, {name}), card, precision="fp16", threads=threads)
        errors[name] = error_of(engine, feeds, answers)
        engine.close()
    return dict(sorted(errors.items(), key=lambda item: -item[1]))


def error_of(engine: Engine, feeds: Sequence[Arrays], answers: Sequence[Arrays]) -> float:
    """Root mean square difference of all outputs from the answers."""
    squares = []
    for feed, answer in zip(feeds, answers, strict=True):
        found = engine.run(**feed)
        squares += [float(np.mean((found[output] - answer[output]) ** 2)) for output in answer]
    return float(np.mean(squares)) ** 0.5


def worst_layers(errors: Mapping[str, float], share: float) -> list[str]:
    """The fewest layers without which the error of all falls to `share`, if their errors add up like noise.

    errors: the largest first.
    """
    wanted = share**2 * sum(error**2 for error in errors.values())
    rest, taken = sum(error**2 for error in errors.values()), []
    for name, error in errors.items():
        if rest <= wanted:
            break
        rest -= error**2
        taken.append(name)
    return taken


def set_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Give a graph these nodes in place of its own."""
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _round(tensor: onnx.TensorProto) -> None:
    """Round a constant to FP16, where it is one of FP32."""
    if tensor.data_type == TensorProto.FLOAT:
        values = numpy_helper.to_array(tensor)
        rounded = np.clip(values, -LARGEST, LARGEST).astype(np.float16).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
