"""From a graph that computes in FP32 to one in FP16, all but for some layers, between FP32 inputs and outputs.

No converter of others is used: those tried leave casts behind, or graphs that ONNX's own checker refuses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from engines.half import set_nodes

# Sums over a whole picture leave the range of FP16, or lose what a pixel adds: they are computed in FP32.
IN_FULL = ("ReduceMean", "ReduceSum", "ReduceL2", "Softmax", "InstanceNormalization")
ALWAYS_FULL = {"Resize": (1, 2)}  # inputs that ONNX defines as FP32 whatever the others are


def compute_in_half(model: onnx.ModelProto, in_full: Collection[str]) -> None:
    """Every FP32 value becomes FP16, but for the graph's inputs and outputs, and what nodes in FP32 hand each other.

    model: is changed. in_full: the names of the nodes that stay in FP32, as those of IN_FULL do.
    """
    graph = model.graph
    floats = _float_values(model)
    halves = {item.name for item in graph.initializer if item.data_type == TensorProto.FLOAT16}
    full = {node.input[index] for node in graph.node for index in _full_inputs(node)} | _weights_of(graph, in_full)
    names = {item.name: f"{item.name}.half" for item in (*graph.input, *graph.output) if item.name in floats}
    wide = {names[item.name]: item.name for item in graph.input if item.name in names}  # FP16 value -> it in FP32
    for weight in graph.initializer:
        if weight.data_type == TensorProto.FLOAT and weight.name not in full:
            weight.CopyFrom(numpy_helper.from_array(_half(numpy_helper.to_array(weight)), weight.name))
    nodes = [_cast(name, half, TensorProto.FLOAT16) for half, name in wide.items()]
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in halves:  # a weight: it is needed as it is stored
            names[node.output[0]] = node.input[0]
        elif node.op_type in IN_FULL or node.name in in_full:
            nodes += _between_casts(renamed(node, names), (floats | set(names.values())) - full, wide)
        else:
            nodes.append(_typed_half(renamed(node, names), full))
    for item in graph.output:
        if item.name in names:
            nodes.append(_widened(names[item.name], item.name, wide))
    set_nodes(graph, nodes)
    del graph.value_info[:]


def _weights_of(graph: onnx.GraphProto, chosen: Collection[str]) -> set[str]:
    """The names of constants that no other nodes than the chosen take."""
    constants = {item.name for item in graph.initializer}
    constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    theirs = {name for node in graph.node if node.name in chosen for name in node.input}
    others = {name for node in graph.node if node.name not in chosen for name in node.input}
    return (theirs - others) & constants


def _between_casts(node: onnx.NodeProto, floats: set[str], wide: dict[str, str]) -> Iterator[onnx.NodeProto]:
    """The node computing in FP32 among values of FP16. wide: FP16 value -> it in FP32, where there is one already."""
    results = {name: f"{name}.full" for name in node.output if name in floats}
    names = dict(results)
    for name in node.input:
        if name in floats and name not in names:
            names[name] = wide.get(name) or f"{name}.{node.output[0]}.full"
            if name not in wide:
                yield _cast(name, names[name], TensorProto.FLOAT)
    yield renamed(node, names)
    yield from (_cast(full, name, TensorProto.FLOAT16) for name, full in results.items())
    wide |= results


def _widened(half: str, result: str, wide: dict[str, str]) -> onnx.NodeProto:
    """The node that gives an output of the graph in FP32."""
    if half in wide:
        return helper.make_node("Identity", [wide[half]], [result])
    return _cast(half, result, TensorProto.FLOAT)


def _typed_half(node: onnx.NodeProto, full: set[str]) -> onnx.NodeProto:
    """The node with FP16 where it names FP32 itself: casts to it, and constants of it."""
    for item in node.attribute:
        if node.op_type == "Cast" and item.name == "to" and item.i == TensorProto.FLOAT:
            item.i = TensorProto.FLOAT16
        is_float = item.HasField("t") and item.t.data_type == TensorProto.FLOAT
        if is_float and node.op_type in ("Constant", "ConstantOfShape") and node.output[0] not in full:
            item.t.CopyFrom(numpy_helper.from_array(_half(numpy_helper.to_array(item.t))))
    return node


def _float_values(model: onnx.ModelProto) -> set[str]:
    """The names of all FP32 values of the graph."""
    graph = shape_inference.infer_shapes(model, strict_mode=True).graph
    values = {item.name: item.type.tensor_type.elem_type for item in (*graph.value_info, *graph.input, *graph.output)}
    values |= {item.name: item.data_type for item in graph.initializer}
    return {name for name, kind in values.items() if kind == TensorProto.FLOAT}


def _full_inputs(node: onnx.NodeProto) -> list[int]:
    return [index for index in ALWAYS_FULL.get(node.op_type, ()) if index < len(node.input) and node.input[index]]


def _half(values: np.ndarray) -> np.ndarray:
    """In FP16; what is too large for it becomes its largest number, as for a limit that is meant to be none."""
    limit = np.finfo(np.float16).max
    return np.clip(values, -limit, limit).astype(np.float16)


def _cast(value: str, result: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [value], [result], f"{result}.cast", to=kind)


def renamed(node: onnx.NodeProto, names: dict[str, str]) -> onnx.NodeProto:
    node = onnx.NodeProto.FromString(node.SerializeToString())
    for values in (node.input, node.output):
        values[:] = [names.get(name, name) for name in values]
    return node
