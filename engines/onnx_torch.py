"""A model's ONNX graph run by torch, operator by operator: for GPUs without TensorRT, and as a second opinion.

The weights of a shipped model are in its ONNX file alone, folded and rounded; running that very graph is the one way to
run that very model. Operators are those of the models that `engines.export` makes; another is named in the error.
Shapes stay on the CPU, so that nothing waits for the device while a picture goes through.

ONNX operators: https://onnx.ai/onnx/operators/ (opset 17).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor
from torch.nn import functional as F

from engines.errors import EngineError
from engines.interface import HostEngine, cores
from engines.models import Model

Values = dict[str, Tensor | None]
Answer = Tensor | tuple[Tensor, ...]
TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float16}  # onnx.TensorProto's


class OnnxGraph:
    """A graph without branches, its weights on a device. Calling it takes and gives tensors by name.

    On a GPU it turns TF32 off, for the whole process: who asks for FP32 wants all of its digits.
    """

    def __init__(self, path: Path, device: str) -> None:
        if device == "cuda":
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        graph = onnx.load(path).graph
        self.inputs = {item.name: [side.dim_value for side in item.type.tensor_type.shape.dim] for item in graph.input}
        self.outputs = [item.name for item in graph.output]
        self._device = device
        self._on_cpu = {name for node in graph.node if node.op_type == "Resize" for name in node.input[1:]}
        self._weights: Values = {item.name: self._constant(item.name, item) for item in graph.initializer}
        self._steps: list[tuple[Callable[..., Answer], list[str], list[str]]] = []
        for node in graph.node:
            attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
            if node.op_type == "Constant":
                self._weights[node.output[0]] = self._constant(node.output[0], attributes["value"])
            elif node.op_type not in OPERATORS:
                raise EngineError(f"{path}: torch can't run {node.op_type} here; choose another --runtime")
            else:
                self._steps.append((partial(OPERATORS[node.op_type], attributes), list(node.input), list(node.output)))

    @torch.inference_mode()
    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Tensors on the graph's device in, tensors there out."""
        values: Values = {**self._weights, **inputs, "": None}
        for operator, names, results in self._steps:
            answer = operator(*(values[name] for name in names))
            values |= zip(results, (answer,) if isinstance(answer, Tensor) else answer, strict=True)
        outputs = {}
        for name in self.outputs:
            output = values[name]
            assert output is not None
            outputs[name] = output
        return outputs

    def _constant(self, name: str, value: onnx.TensorProto) -> Tensor:
        """Shapes, axes, scales and single numbers stay on the CPU, where operators read them without waiting."""
        tensor = torch.from_numpy(numpy_helper.to_array(value).copy())
        read_by_hand = tensor.dtype == torch.int64 or tensor.ndim == 0 or name in self._on_cpu
        return tensor if read_by_hand else tensor.to(self._device)


class OnnxTorchEngine(HostEngine):
    """A model run by torch in FP32, "cuda" or "cpu"."""

    runtime = "torch"
    precision = "fp32"

    def __init__(self, model: Model, *, device: str, threads: int | None = None) -> None:
        graph = model.graph(self.precision)
        if graph is None:
            raise EngineError(f"{model.card.name} has no graph for GPUs; `python -m engines.graphs` makes one")
        self.device = device
        if device == "cpu":
            torch.set_num_threads(threads or cores())
        self._graph: OnnxGraph | None = OnnxGraph(graph, device)
        super().__init__(model.card, {name: shape[1] for name, shape in self._graph.inputs.items()})

    def close(self) -> None:
        """Free the network; `run` must not be called after it. Calling it twice does no harm."""
        self._graph = None

    def _answer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self._graph is None:
            raise self._closed()
        there = {name: torch.from_numpy(array).to(self.device) for name, array in inputs.items()}
        return {name: tensor.cpu().numpy() for name, tensor in self._graph(**there).items()}


def _average_pool(attributes: dict[str, Any], x: Tensor) -> Tensor:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right) or attributes.get("ceil_mode", 0):
        raise EngineError("torch can't run an AveragePool that is padded on one side")
    counted = bool(attributes.get("count_include_pad", 0))
    return F.avg_pool2d(x, attributes["kernel_shape"], attributes["strides"], (top, left), count_include_pad=counted)


def _batch_normalization(
    attributes: dict[str, Any], x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, bias, eps=attributes.get("epsilon", 1e-5))


def _cast(attributes: dict[str, Any], x: Tensor) -> Tensor:
    return x.to(TYPES[attributes["to"]])


def _clip(attributes: dict[str, Any], x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    return x.clamp(None if low is None else low.item(), None if high is None else high.item())


def _constant_of_shape(attributes: dict[str, Any], shape: Tensor) -> Tensor:
    value = numpy_helper.to_array(attributes["value"]) if "value" in attributes else np.zeros(1, np.float32)
    return torch.from_numpy(np.full(shape.tolist(), value[0], value.dtype))


def _conv(attributes: dict[str, Any], x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    strides, dilations = attributes.get("strides", (1, 1)), attributes.get("dilations", (1, 1))
    return F.conv2d(x, weight, bias, tuple(strides), (top, left), tuple(dilations), attributes.get("group", 1))


def _conv_transpose(attributes: dict[str, Any], x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        raise EngineError("torch can't run a ConvTranspose that is padded on one side")
    strides, more = attributes.get("strides", (1, 1)), attributes.get("output_padding", (0, 0))
    return F.conv_transpose2d(x, weight, bias, tuple(strides), (top, left), tuple(more), attributes.get("group", 1))


def _depth_to_space(attributes: dict[str, Any], x: Tensor) -> Tensor:
    if attributes.get("mode") != b"CRD":
        raise EngineError("torch can't run a DepthToSpace of another order than CRD")
    return F.pixel_shuffle(x, attributes["blocksize"])


def _gather(attributes: dict[str, Any], x: Tensor, index: Tensor) -> Tensor:
    axis = attributes.get("axis", 0)
    found = x.index_select(axis, index.reshape(-1).to(x.device))
    return found.reshape([*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]])


def _max_pool(attributes: dict[str, Any], x: Tensor) -> Tensor:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right) or attributes.get("ceil_mode", 0):
        raise EngineError("torch can't run a MaxPool that is padded on one side")
    strides = attributes.get("strides", (1, 1))
    return F.max_pool2d(x, attributes["kernel_shape"], strides, (top, left), attributes.get("dilations", (1, 1)))


def _pad(attributes: dict[str, Any], x: Tensor, pads: Tensor, value: Tensor | None = None) -> Tensor:
    modes = {b"edge": "replicate", b"reflect": "reflect", b"constant": "constant"}
    sides = pads.tolist()
    rank = len(sides) // 2
    around = [side for axis in reversed(range(2, rank)) for side in (sides[axis], sides[axis + rank])]
    mode = modes[attributes.get("mode", b"constant")]
    return F.pad(x, around, mode, value.item() if mode == "constant" and value is not None else None)


def _reduce(
    function: Callable[..., Tensor], attributes: dict[str, Any], x: Tensor, axes: Tensor | None = None
) -> Tensor:
    chosen = axes.tolist() if axes is not None else attributes.get("axes", list(range(x.ndim)))
    return function(x, dim=tuple(chosen), keepdim=bool(attributes.get("keepdims", 1)))


def _reshape(attributes: dict[str, Any], x: Tensor, shape: Tensor) -> Tensor:
    sides = [x.shape[axis] if side == 0 else side for axis, side in enumerate(shape.tolist())]
    return x.reshape(sides)


def _resize(
    attributes: dict[str, Any], x: Tensor, roi: Tensor | None = None, scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:  # fmt: skip
    way = attributes.get("mode"), attributes.get("coordinate_transformation_mode"), attributes.get("nearest_mode")
    size = None if sizes is None else sizes.tolist()[2:]
    factor = None if scales is None or size is not None else scales.tolist()[2:]
    if way[:2] == (b"linear", b"half_pixel"):
        return F.interpolate(x, size, factor, mode="bilinear", align_corners=False)
    if way == (b"nearest", b"asymmetric", b"floor"):
        return F.interpolate(x, size, factor, mode="nearest")
    raise EngineError(f"torch can't run a Resize by {way}; choose another --runtime")


def _slice(
    attributes: dict[str, Any], x: Tensor, starts: Tensor, ends: Tensor,
    axes: Tensor | None = None, steps: Tensor | None = None,
) -> Tensor:  # fmt: skip
    chosen = range(len(starts)) if axes is None else axes.tolist()
    strides = [1] * len(starts) if steps is None else steps.tolist()
    for axis, start, end, stride in zip(chosen, starts.tolist(), ends.tolist(), strides, strict=True):
        if stride < 0:  # torch has no such slices: turned round, they are others
            length = x.shape[axis]
            numbers = list(range(length))[slice(start, end if end >= -length else None, stride)]
            x = x.index_select(axis, torch.tensor(numbers, device=x.device, dtype=torch.int64))
        else:
            x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end, stride),)]
    return x


def _squeeze(attributes: dict[str, Any], x: Tensor, axes: Tensor) -> Tensor:
    return x.squeeze(tuple(axes.tolist()))


def _unsqueeze(attributes: dict[str, Any], x: Tensor, axes: Tensor) -> Tensor:
    for axis in sorted(axes.tolist()):
        x = x.unsqueeze(axis)
    return x


OPERATORS: dict[str, Callable[..., Answer]] = {
    "Abs": lambda attributes, x: torch.abs(x),
    "Add": lambda attributes, a, b: a + b,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda attributes, *tensors: torch.cat(tensors, attributes["axis"]),
    "ConstantOfShape": _constant_of_shape,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "Div": lambda attributes, a, b: a / b if a.is_floating_point() else a // b,
    "Elu": lambda attributes, x: F.elu(x, attributes.get("alpha", 1.0)),
    "Gather": _gather,
    "Greater": lambda attributes, a, b: a > b,
    "Identity": lambda attributes, x: x,
    "LeakyRelu": lambda attributes, x: F.leaky_relu(x, attributes.get("alpha", 0.01)),
    "MatMul": lambda attributes, a, b: a @ b,
    "MaxPool": _max_pool,
    "Mod": lambda attributes, a, b: torch.remainder(a, b),
    "Mul": lambda attributes, a, b: a * b,
    "Pad": _pad,
    "Reciprocal": lambda attributes, x: torch.reciprocal(x),
    "ReduceL2": partial(_reduce, torch.linalg.vector_norm),
    "ReduceMax": partial(_reduce, torch.amax),
    "ReduceMean": partial(_reduce, torch.mean),
    "ReduceSum": partial(_reduce, torch.sum),
    "Relu": lambda attributes, x: torch.relu(x),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": lambda attributes, x: torch.tensor(x.shape[attributes.get("start", 0) : attributes.get("end")]),
    "Sigmoid": lambda attributes, x: torch.sigmoid(x),
    "Slice": _slice,
    "Softmax": lambda attributes, x: torch.softmax(x, attributes.get("axis", -1)),
    "Split": lambda attributes, x, sizes: x.split(sizes.tolist(), attributes.get("axis", 0)),
    "Sqrt": lambda attributes, x: torch.sqrt(x),
    "Squeeze": _squeeze,
    "Sub": lambda attributes, a, b: a - b,
    "Tanh": lambda attributes, x: torch.tanh(x),
    "Transpose": lambda attributes, x: x.permute(attributes["perm"]),
    "Unsqueeze": _unsqueeze,
}
