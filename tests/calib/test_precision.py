"""INT8 is written where it loses little, layer by layer saved where that helps, and refused where it loses much."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed (extra `calib` or `train`)")
import onnx

from calib import precision
from engines.models import find_model
from engines.onnx_engine import OnnxEngine
from engines.parity import Probe, judge, random_inputs
from tests.calib import networks

has_modelopt = pytest.mark.skipif(
    importlib.util.find_spec("modelopt") is None, reason="nvidia-modelopt is not installed (extra `calib`)"
)
quantisers = pytest.mark.parametrize("quantiser", ["onnxruntime", pytest.param("modelopt", marks=has_modelopt)])


def run(model: Path, frames: Path, out: Path, *arguments: str) -> int:
    return precision.main([str(model), "--frames", str(frames), "--threads", "1", "--out", str(out), *arguments])


def figures(out: Path) -> dict:
    return json.loads((out / "precision.json").read_text())


@quantisers
def test_a_model_that_passes_is_written_with_its_int8_graph(tmp_path: Path, quantiser: str) -> None:
    model = networks.brightness_segmenter(tmp_path / "model")
    out = tmp_path / "out"
    assert run(model, networks.pictures(tmp_path / "frames"), out, "--with", quantiser) == 0
    written = find_model(out, "segmenter")
    graph = written.graph("int8")
    assert graph is not None
    image = np.full((1, 3, 64, 96), 0.1, np.float32)
    image[..., :40] = 0.9
    answer, full = (OnnxEngine(path, written.card).run(image=image)["matte"] for path in (graph, out / "model.onnx"))
    np.testing.assert_allclose(answer, full, atol=0.1)
    assert (answer != full).any()
    assert figures(out)["losses"]["INT8"]["iou"] > 0.99
    assert figures(out)["losses"]["FP16"]["iou"] == 1.0
    assert figures(out)["layers"]["FP16"].keys() >= figures(out)["layers"]["INT8"].keys()
    assert (out / "precision.png").is_file()


def test_a_damaged_int8_graph_is_made_again_in_its_folder(tmp_path: Path) -> None:
    model, frames = networks.brightness_segmenter(tmp_path / "model"), networks.pictures(tmp_path / "frames")
    for _ in range(2):
        assert run(model, frames, model, "--with", "onnxruntime") == 0
        assert find_model(model, "segmenter").graph("int8") is not None
        (model / "gpu.int8.onnx").write_bytes(b"damaged")


@pytest.mark.parametrize("limit", [1, 0, -1])
def test_one_picture_is_too_few_to_calibrate_and_to_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], limit: int
) -> None:
    model, frames = networks.brightness_segmenter(tmp_path / "model"), networks.pictures(tmp_path / "frames")
    assert run(model, frames, tmp_path / "out", "--limit", str(limit)) == 2
    assert f"--limit takes 2 or more, not {limit}" in capsys.readouterr().err


def test_a_guided_segmenter_is_written_without_the_objects_part_too(tmp_path: Path) -> None:
    model = find_model("swift", "segmenter")
    full = model.graph("fp32")
    assert full is not None
    precision._write_model(model, onnx.load(full).SerializeToString(), tmp_path, {})
    written = find_model(tmp_path, "segmenter")
    part = written.unguided()
    assert part is not None
    assert part.card.graphs.keys() == {*model.card.unguided, "int8"}
    graph, same = part.graph("int8"), part.graph("fp32")
    assert graph is not None
    assert same is not None
    image = np.random.default_rng(0).random((1, 3, 96, 128), np.float32)
    answers = [OnnxEngine(path, part.card, threads=1).run(image=image)["matte"] for path in (graph, same)]
    np.testing.assert_array_equal(answers[0], answers[1])


@quantisers
def test_what_an_int8_engine_may_differ_by_is_what_the_graph_itself_does_and_a_little_more(
    tmp_path: Path, quantiser: str
) -> None:
    model, out = networks.copying_filler(tmp_path / "model"), tmp_path / "out"
    frames = networks.pictures(tmp_path / "frames")
    assert run(model, frames, out, "--task", "filler", "--with", quantiser) == 0
    written = find_model(out, "filler")
    inputs = random_inputs({"image": 3, "mask": 1}, *networks.SIZE)
    probe = Probe("random inputs", inputs, OnnxEngine(out / "model.onnx", written.card).run(**inputs))
    graph = written.graph("int8")
    assert graph is not None
    verdict = judge(OnnxEngine(graph, written.card, precision="int8"), [probe])
    assert not verdict.faults
    assert 0 < verdict.figures["psnr"] - written.card.tolerance["int8 psnr"] < 5


@quantisers
def test_scales_are_what_tensorrt_can_run(tmp_path: Path, quantiser: str) -> None:
    out = tmp_path / "out"
    model = networks.brightness_segmenter(tmp_path / "model")
    assert run(model, networks.pictures(tmp_path / "frames"), out, "--with", quantiser) == 0
    graph = onnx.load(out / "gpu.int8.onnx").graph
    zeros = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    quantised = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert quantised
    for node in quantised:
        zero = zeros[node.input[2]]
        assert zero.dtype == np.int8
        assert not zero.any()
    assert {item.type.tensor_type.elem_type for item in (*graph.input, *graph.output)} == {onnx.TensorProto.FLOAT}


@quantisers
def test_tensorrt_takes_the_graph(tmp_path: Path, quantiser: str) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed (extra `test`, Linux x86-64)")
    out = tmp_path / "out"
    model = networks.brightness_segmenter(tmp_path / "model")
    assert run(model, networks.pictures(tmp_path / "frames"), out, "--with", quantiser) == 0
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network, config = builder.create_network(0), builder.create_builder_config()
    parser = trt.OnnxParser(network, logger)
    assert parser.parse_from_file(str(out / "gpu.int8.onnx")), parser.get_error(0)
    profile = builder.create_optimization_profile()
    profile.set_shape("image", *[(1, 3, *networks.SIZE)] * 3)
    config.add_optimization_profile(profile)
    assert builder.build_serialized_network(network, config) is not None


@quantisers
def test_the_layer_that_loses_most_stays_in_full(tmp_path: Path, quantiser: str) -> None:
    out = tmp_path / "out"
    model = networks.touchy_segmenter(tmp_path / "model", calm=6)
    assert run(model, networks.pictures(tmp_path / "frames"), out, "--with", quantiser) == 0
    found = figures(out)
    assert next(iter(found["layers"]["INT8"])) == "touchy"
    assert found["in_full"][0] == "touchy"
    assert not any(name.startswith("calm") for name in found["in_full"])
    assert found["losses"]["INT8"]["iou"] > 0.99


def test_a_model_that_loses_too_much_is_refused_with_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    model = networks.touchy_segmenter(tmp_path / "model", calm=0)
    assert run(model, networks.pictures(tmp_path / "frames"), out, "--with", "onnxruntime") == 1
    error = capsys.readouterr().err
    assert "INT8 of small is refused: its masks' IoU with FP32's is" in error
    assert not (out / "gpu.int8.onnx").exists()
    assert figures(out)["losses"]["INT8"]["iou"] < 0.99


def test_a_filler_is_judged_by_what_it_puts_into_holes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    model = networks.copying_filler(tmp_path / "model")
    frames = networks.pictures(tmp_path / "frames")
    assert run(model, frames, out, "--task", "filler", "--with", "onnxruntime") == 0
    loss = figures(out)["losses"]["INT8"]
    assert loss["iou"] is None
    assert abs(loss["below"]) < 0.3


def test_a_loss_at_the_limit_passes_and_above_it_does_not() -> None:
    assert not precision.Loss(0.0, iou=0.9901).fault
    assert "1.10 %" in precision.Loss(0.0, iou=0.989).fault
    assert not precision.Loss(0.0, psnr=20.0, below=0.29).fault
    assert "0.31 dB" in precision.Loss(0.0, psnr=20.0, below=0.31).fault


@pytest.mark.parametrize(("count", "code"), [(0, 2), (1, 2), (2, 0)])
def test_a_folder_needs_two_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, code: int) -> None:
    model, frames = networks.brightness_segmenter(tmp_path / "model"), networks.pictures(tmp_path / "frames", count)
    assert run(model, frames, tmp_path / "out", "--with", "onnxruntime") == code
    if code:
        assert "calib.collect" in capsys.readouterr().err
