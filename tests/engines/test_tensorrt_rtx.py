"""A real TensorRT (RTX, which builds without a GPU) reads and builds the graphs of every model that is shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines.build import ranges_of
from engines.errors import EngineError
from engines.models import available_models, find_model
from engines.tensorrt_build import Job, Range, build_plan

trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed (extra `test`, Linux x86-64)")

MODELS = [(task, name) for task in ("segmenter", "filler") for name in available_models(task)]


@pytest.mark.parametrize("task", ["segmenter", "filler"])
def test_a_graph_builds_for_one_size_alone(task: str) -> None:
    model = find_model("swift", task)
    graph = model.graph("fp16")
    assert graph is not None
    plan, _ = build_plan(trt, Job(graph, "fp16", True, ranges_of(model.card, model.card.sizes), level=0))
    assert plan


@pytest.mark.parametrize("precision", ["fp16", "mixed", "fp32"])
def test_the_part_for_people_builds(precision: str) -> None:
    model = find_model("swift", "segmenter").unguided()
    assert model is not None
    graph = model.graph(precision)
    assert graph is not None
    plan, _ = build_plan(trt, Job(graph, precision, True, ranges_of(model.card), level=0))
    assert len(plan) > 100_000


@pytest.mark.parametrize("precision", ["fp16", "mixed", "fp32"])
@pytest.mark.parametrize(("task", "name"), MODELS)
def test_the_shipped_graphs_build(task: str, name: str, precision: str) -> None:
    model = find_model(name, task)
    if model.card.runtime != "onnx":
        pytest.skip(f"{name} is a {model.card.runtime} model")
    graph = model.graph(precision)
    assert graph is not None
    workspace = (3 if name == "sharp" else 1) << 30  # eight objects in a picture of four times its size
    job = Job(graph, precision, True, ranges_of(model.card), workspace, level=0)  # whether, not how fast
    plan, _ = build_plan(trt, job)
    assert len(plan) > 100_000


def test_a_build_tells_how_far_it_is_and_can_be_interrupted() -> None:
    model = find_model("swift", "filler")
    graph = model.graph("fp16")
    assert graph is not None
    job = Job(graph, "fp16", True, ranges_of(model.card), level=0)
    shares: list[float] = []
    build_plan(trt, job, progress=shares.append)
    assert len(shares) > 2
    assert shares == sorted(shares)

    def interrupt(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_plan(trt, job, progress=interrupt)


def test_halves_and_floats_that_meet_are_refused_in_tensorrts_words(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")
    graph = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 3, h, w] image) => (float[1, 3, h, w] matte)
        <float16 one = {1}> { matte = Mul(image, one) }"""
    )
    onnx.save(graph, tmp_path / "mixed.onnx")
    shapes = {"image": Range((1, 3, 32, 32), (1, 3, 32, 32), (1, 3, 32, 32))}
    with pytest.raises(EngineError, match=r"TensorRT can't (read|build) .*mixed\.onnx \(.*(Half|type)"):
        build_plan(trt, Job(tmp_path / "mixed.onnx", "fp16", True, shapes))


def test_a_graph_with_quantised_weights_builds(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")
    graph = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 8, h, w] image) => (float[1, 8, h, w] matte)
        <float scale = {0.02}, int8 zero = {0}> {
            q = QuantizeLinear(image, scale, zero)
            x = DequantizeLinear(q, scale, zero)
            w = DequantizeLinear(weight, scale, zero)
            matte = Conv <pads = [1, 1, 1, 1]> (x, w)
        }"""
    )
    weight = np.random.default_rng(0).integers(-99, 99, (8, 8, 3, 3), np.int8)
    graph.graph.initializer.append(onnx.numpy_helper.from_array(weight, "weight"))
    onnx.save(graph, tmp_path / "int8.onnx")
    shapes = {"image": Range((1, 8, 32, 32), (1, 8, 64, 64), (1, 8, 64, 64))}
    plan, _ = build_plan(trt, Job(tmp_path / "int8.onnx", "int8", True, shapes))
    assert plan
