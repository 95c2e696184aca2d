"""How much there is to do, counted: operations and bytes of a network's layers, kernels and bytes of a frame.

A layer is what TensorRT makes one kernel of: a convolution or a product of matrices with what is computed pixel by
pixel after it, or a node that moves or sums. Values between layers are read and written once; shapes are free.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from engines.errors import EngineError
from engines.interface import CHANNELS
from engines.models import Model
from engines.parity import random_inputs

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
MOVERS = ("Resize", "Concat", "AveragePool", "MaxPool", "GlobalAveragePool", "Transpose", "Pad", "Softmax")
SUMS = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2")


@dataclass(frozen=True)
class Layer:
    """flops: floating-point operations, two to a multiply-add; weights, values: numbers read and written."""

    name: str
    flops: float
    weights: float
    values: float


@dataclass(frozen=True)
class FrameWork:
    """What the eraser asks of a device for a frame, without its networks. kernels: launches; nbytes: that they read and
    write; up, down: bytes copied to the device and back; waits: how often the CPU waits for it.
    """

    size: tuple[int, int]
    kernels: int
    nbytes: int
    up: int
    down: int
    waits: int


def layers_of(model: Model, height: int, width: int) -> list[Layer]:
    """The layers of a model on one picture of a size; EngineError where it has no graph for GPUs."""
    path = model.graph("fp32")
    if path is None:
        raise EngineError(f"{model.card.name} has no graphs for GPUs; `python -m engines.graphs` makes them")
    return list(_layers(onnx.load(path), _shapes(path, height, width)))


def _shapes(path: Path, height: int, width: int) -> dict[str, tuple[int, ...]]:
    """The shape of every value, by running the network once."""
    model = onnx.load(path)
    wanted = {name for node in model.graph.node for name in node.output} - {item.name for item in model.graph.output}
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in wanted)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    inputs = random_inputs({item.name: CHANNELS[item.name] for item in session.get_inputs()}, height, width)
    names = [item.name for item in session.get_outputs()]
    found = zip(names, session.run(names, inputs), strict=True)
    shapes = {item.name: tuple(item.dims) for item in model.graph.initializer}
    return shapes | {name: array.shape for name, array in inputs.items()} | {name: array.shape for name, array in found}


def _layers(model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]]) -> Iterator[Layer]:
    weights = {item.name for item in model.graph.initializer}
    for node in model.graph.node:  # FP16 weights pass a Cast
        if node.op_type in ("Cast", "Constant") and all(name in weights for name in node.input):
            weights |= set(node.output)
    latest: set[str] = set()  # what the last layer leaves, and what was computed from it pixel by pixel
    for node in model.graph.node:
        if set(node.output) <= weights:
            continue
        read = [name for name in node.input if name in shapes and name not in weights]
        numbers = {name: float(np.prod(shapes[name])) for name in (*read, *node.output)}
        made = sum(numbers[name] for name in node.output)
        held = sum(float(np.prod(shapes[name])) for name in node.input if name in weights)
        if node.op_type in (*PRODUCTS, *MOVERS, *SUMS):
            flops = 2 * made * _depth(node, shapes) if node.op_type in PRODUCTS else sum(numbers[name] for name in read)
            yield Layer(node.name or node.output[0], flops, held, sum(numbers[name] for name in read) + made)
            latest = set(node.output)
        elif len(max((shapes[name] for name in node.output), key=len)) == 4:
            other = sum(numbers[name] for name in read if name not in latest)  # the second operand of a sum
            if other:
                yield Layer(node.name or node.output[0], made, held, other)
            latest |= set(node.output)


def _depth(node: Any, shapes: dict[str, tuple[int, ...]]) -> float:
    """Multiply-adds to each number of a product's result."""
    if node.op_type in ("Conv", "ConvTranspose"):
        return float(np.prod(shapes[node.input[1]][1:]))
    return float(shapes[node.input[0]][-1])
