"""INT8 as explicit Q/DQ: a graph in FP32 in, the same graph with quantised layers out.

By nvidia-modelopt (extra `calib`) or, where that is missing, by the static quantiser that comes with onnxruntime, which
needs the onnx package alone. Both are told what TensorRT can run: signed 8 bits, symmetric, one
scale per tensor of activations and per channel of weights. What is not quantised stays in FP32.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from importlib import util
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import numpy_helper

from calib.frames import Inputs
from engines.errors import EngineError

MULTIPLIES = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def usual_quantiser() -> str:
    """modelopt, whose placing of Q and DQ is made for TensorRT, where it is installed."""
    return "modelopt" if util.find_spec("modelopt") else "onnxruntime"


def with_plain_weights(path: Path) -> onnx.ModelProto:
    """A graph whose weights are FP32 and lie in it: a quantiser takes weights that pass a Cast for activations."""
    model = onnx.load(path)
    graph = model.graph
    weights = {item.name: item for item in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in weights:
            plain = numpy_helper.to_array(weights[node.input[0]]).astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(plain, node.output[0]))
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [item for item in graph.initializer if item.name in used]
    for field, items in ((graph.node, nodes), (graph.initializer, kept)):
        del field[:]
        field.extend(items)
    return model


def quantise(model: onnx.ModelProto, feeds: Sequence[Inputs], in_full: Sequence[str], quantiser: str) -> bytes:
    """The quantised graph's bytes.

    feeds: inputs of one picture each, float32 (1, C, H, W), all of one size. in_full: names of nodes that stay as they
    are. EngineError where the quantiser is not installed or fails.
    """
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        logging.disable(logging.CRITICAL)  # both tell of things that nobody has to do anything about
        try:
            _QUANTISERS[quantiser](source, target, feeds, in_full)
            return target.read_bytes()
        except ImportError as error:
            raise EngineError(f"{quantiser} can't be used here ({error}): `pip install .[calib]`") from error
        except Exception as error:  # neither has errors of its own
            reason = " ".join(str(error).split())[:300]
            raise EngineError(f"{quantiser} failed to quantise the model: {type(error).__name__}: {reason}") from error
        finally:
            logging.disable(logging.NOTSET)


def _by_modelopt(source: Path, target: Path, feeds: Sequence[Inputs], in_full: Sequence[str]) -> None:
    from modelopt.onnx.quantization import quantize

    shapes = (f"{name}:{'x'.join(map(str, array.shape))}" for name, array in feeds[0].items())
    quantize(
        onnx_path=str(source),
        output_path=str(target),
        quantize_mode="int8",
        calibration_method="max",
        calibration_data={name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]},
        calibration_shapes=",".join(shapes),
        calibration_eps=["cpu"],
        high_precision_dtype="fp32",  # its FP16 gives this project's segmenter sums that overflow
        nodes_to_exclude=[re.escape(name) for name in in_full],
        log_level="ERROR",
    )


def _by_onnxruntime(source: Path, target: Path, feeds: Sequence[Inputs], in_full: Sequence[str]) -> None:
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.feeds: Iterator[Inputs] = iter(feeds)

        def get_next(self) -> Inputs | None:
            return next(self.feeds, None)

    quantization.quantize_static(
        source,
        target,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=list(MULTIPLIES),
        nodes_to_exclude=list(in_full),
        per_channel=True,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "AddQDQPairToWeight": True,  # as TensorRT 8 wants it
            "QuantizeBias": False,
            "OpTypesToExcludeOutputQuantization": list(MULTIPLIES),  # before an activation its range is far too wide
        },
    )


_QUANTISERS = {"modelopt": _by_modelopt, "onnxruntime": _by_onnxruntime}
