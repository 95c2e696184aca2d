"""Which layers lose most by INT8: the network with one of its layers quantised at a time, beside FP32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx

from calib.quantize import MULTIPLIES
from engines.card import Card
from engines.half import error_of
from engines.onnx_engine import OnnxEngine

Arrays = dict[str, np.ndarray]


def layer_errors(
    quantised: bytes, card: Card, feeds: Sequence[Arrays], answers: Sequence[Arrays], threads: int | None
) -> dict[str, float]:
    """What is lost against FP32, as `error_of` says, per layer that multiplies, the largest first.

    quantised: the Q/DQ graph; feeds, answers: inputs, and what FP32 answers to them.
    """
    errors = {}
    for name, alone in _one_at_a_time(onnx.load_model_from_string(quantised)):
        engine = OnnxEngine(alone, card, precision="int8", threads=threads)
        errors[name] = error_of(engine, feeds, answers)
        engine.close()
    return dict(sorted(errors.items(), key=lambda item: -item[1]))


def _one_at_a_time(model: onnx.ModelProto) -> Iterator[tuple[str, bytes]]:
    """Name of each quantised layer, and the graph in which only that layer is."""
    makers = {output: node for node in model.graph.node for output in node.output}
    plain = {}  # value after Q and DQ -> value before
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            quantiser = makers.get(node.input[0])
            if quantiser is not None and quantiser.op_type == "QuantizeLinear":
                plain[node.output[0]] = quantiser.input[0]
    inputs = {index: list(node.input) for index, node in enumerate(model.graph.node)}
    layers = [
        index
        for index, node in enumerate(model.graph.node)
        if node.op_type in MULTIPLIES and any(name in plain for name in node.input)
    ]
    for layer in layers:
        for index, names in inputs.items():
            kept = names if index == layer else [plain.get(name, name) for name in names]
            model.graph.node[index].input[:] = kept
        yield model.graph.node[layer].name, model.SerializeToString()
