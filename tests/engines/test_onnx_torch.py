"""Torch runs the shipped graphs and gives what onnxruntime gives; in FP16 nearly so, with every operator rounding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from engines.errors import EngineError
from engines.models import find_model
from engines.onnx_engine import OnnxEngine
from engines.parity import PROBE, compare, load_probe
from engines.runtime import load_engine
from tests.engines import tiny

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")

from engines.onnx_torch import OnnxGraph, OnnxTorchEngine  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Torch's threads and those of other programs are in each other's way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("task", ["segmenter", "filler"])
def test_torch_gives_onnxruntimes_answers(task: str) -> None:
    model = find_model("swift", task)
    engine = load_engine("swift", task, runtime="torch", device="cpu", threads=1)
    assert (engine.runtime, engine.device, engine.precision) == ("torch", "cpu", "fp32")
    probe = load_probe(model.beside(PROBE))
    expected = OnnxEngine(model.content(), model.card, threads=1).run(**probe.inputs)
    for name, answer in engine.run(**probe.inputs).items():
        np.testing.assert_allclose(answer, expected[name], atol=1e-4)
    assert engine.timing.runs == 1
    engine.close()
    with pytest.raises(EngineError, match="was closed"):
        engine.run(**probe.inputs)


@pytest.mark.parametrize("task", ["segmenter", "filler"])
def test_the_graph_in_fp16_stays_within_the_cards_tolerance_when_every_operator_rounds(task: str) -> None:
    model = find_model("swift", task)
    path = model.graph("fp16")
    assert path is not None
    probe = load_probe(model.beside(PROBE))
    answers = OnnxGraph(path, "cpu")(**{name: torch.from_numpy(array) for name, array in probe.inputs.items()})
    figures = compare(model.card, probe, {name: answer.numpy() for name, answer in answers.items()})
    for name, limit in model.card.tolerance.items():
        assert figures[name] <= limit if name == "mean_difference" else figures[name] >= limit


def test_guidance_may_be_left_out_and_sizes_and_counts_vary() -> None:
    engine = load_engine("swift", "segmenter", runtime="torch", device="cpu", threads=1)
    engine.warm_up(32, 64)
    image = np.random.default_rng(0).random((2, 3, 64, 96), np.float32)
    outputs = engine.run(image=image)
    assert (outputs["matte"].shape, outputs["object"].shape) == ((2, 1, 32, 48), (2, 1, 32, 48))
    assert not outputs["object"].any()


@pytest.mark.parametrize(
    "nodes",
    [
        "matte = BatchNormalization <epsilon = 0.01> (image, few, few, few, few)",
        "matte = ConvTranspose <strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]> (image, kernel)",
        "matte = Conv <pads = [0, 1, 2, 1], strides = [2, 1]> (image, kernel)",
        "matte = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (image)",
        "matte = Elu <alpha = 0.5> (image)",
        "x = Sub(image, few4)  matte = Tanh(x)",
        "matte = Softmax <axis = 1> (image)",
        "matte = ReduceL2 <axes = [1], keepdims = 1> (image)",
        "matte = ReduceMean <axes = [2, 3], keepdims = 0> (image)",
        'matte = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">'
        " (image, , scales)",
        'matte = Resize <mode = "linear", coordinate_transformation_mode = "half_pixel"> (image, , , sizes)',
        'matte = Pad <mode = "reflect"> (image, pads)',
        "matte = Pad (image, pads, half)",
        "matte = Slice (image, last, first, axis, back)",
        "matte = Slice (image, start, last, axis)",
        "matte = Gather <axis = 3> (image, axis)",
        "matte = Squeeze (image, start)",
        "s = Shape <start = 2> (image)  t = Mul(s, s)  u = Concat <axis = 0> (start, t)  v = ConstantOfShape(u)  "
        "w = Reshape(v, all)  y = ReduceMax(image)  matte = Add(y, w)",
        "g = Greater(image, half)  matte = Cast <to = 1> (g)",
        "matte = Clip(image, , half)",
    ],
)
def test_an_operator_gives_what_onnxruntime_gives(tmp_path: Path, nodes: str) -> None:
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
    g (float[1, 3, 8, 12] image) => (matte)
    <float[3] few = {{0.5, 0.25, 0.125}}, float half = {{0.5}}, float[4] scales = {{1, 1, 2, 2}},
     int64[4] sizes = {{1, 3, 5, 9}}, int64[8] pads = {{0, 0, 1, 2, 0, 0, 3, 1}}, int64[1] last = {{-1}},
     int64[1] first = {{-99}}, int64[1] axis = {{3}}, int64[1] back = {{-2}}, int64[1] start = {{0}},
     int64[1] all = {{-1}}>
    {{ {nodes} }}"""
    model = onnx.parser.parse_model(text)
    kernel = np.random.default_rng(1).random((3, 3, 3, 3), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(kernel, "kernel"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(kernel[:1, :, :1, :1].copy(), "few4"))
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(model, tmp_path / "model.onnx")
    image = np.random.default_rng(0).random((1, 3, 8, 12), np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    (wanted,) = onnxruntime.InferenceSession(tmp_path / "model.onnx", options).run(None, {"image": image})
    found = OnnxGraph(tmp_path / "model.onnx", "cpu")(image=torch.from_numpy(image))["matte"].numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_fp32_on_a_gpu_has_all_of_its_digits(tmp_path: Path) -> None:
    graph = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 3, h, w] image) => (float[1, 3, h, w] matte) { matte = Relu(image) }"""
    )
    onnx.save(graph, tmp_path / "model.onnx")
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    OnnxGraph(tmp_path / "model.onnx", "cuda")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    graph = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 3, h, w] image) => (float[1, 3, h, w] matte) { matte = Erf(image) }"""
    )
    onnx.save(graph, tmp_path / "model.onnx")
    with pytest.raises(EngineError, match="torch can't run Erf"):
        OnnxGraph(tmp_path / "model.onnx", "cpu")


def test_a_model_without_graphs_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no graph for GPUs; `python -m engines\.graphs`"):
        OnnxTorchEngine(find_model(tiny.save(tmp_path), "segmenter"), device="cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("task", ["segmenter", "filler"])
def test_on_a_gpu_torch_gives_onnxruntimes_answers(task: str) -> None:
    model = find_model("swift", task)
    engine = load_engine("swift", task, runtime="torch", device="cuda")
    probe = load_probe(model.beside(PROBE))
    for name, answer in engine.run(**probe.inputs).items():
        np.testing.assert_allclose(answer, probe.answers[name], atol=0.01)
