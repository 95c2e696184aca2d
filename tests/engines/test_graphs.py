"""The graphs for GPUs are the model itself, without branches, from the same weights; and TensorRT builds them."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines.card import load_card
from engines.errors import EngineError
from engines.models import Model, available_models, find_model
from engines.onnx_engine import OnnxEngine
from engines.parity import PROBE, load_probe

MODELS = [(task, name) for task in ("segmenter", "filler") for name in available_models(task)]
onnx_models = pytest.mark.parametrize(
    "model",
    [found for task, name in MODELS if (found := find_model(name, task)).card.runtime == "onnx"],
    ids=lambda model: f"{model.card.task} {model.card.name}",
)


def inputs_of(model: Model) -> dict[str, np.ndarray]:
    """A smooth picture, with a click or a hole."""
    rng = np.random.default_rng(0)
    image = rng.random((1, 3, 6, 8), np.float32).repeat(16, 2).repeat(16, 3)
    place = np.zeros((2, 3, 96, 128), np.float32)
    place[0, 1, 40:50, 40:50] = 1
    if model.card.task == "segmenter":
        return {"image": image, "guidance": place}
    return {"image": image * (1 - place[:1, 1:2]), "mask": place[:1, 1:2]}


@onnx_models
def test_the_graph_in_fp32_gives_the_very_answers_of_the_model(model: Model) -> None:
    expected = OnnxEngine(model.content(), model.card, threads=1).run(**inputs_of(model))
    graph = model.graph("fp32")
    assert graph is not None
    found = OnnxEngine(graph, model.card, threads=1).run(**inputs_of(model))
    for name, answer in expected.items():
        np.testing.assert_array_equal(found[name], answer)


@onnx_models
@pytest.mark.parametrize("precision", ["fp16", "mixed"])
def test_the_graphs_in_fp16_give_nearly_those(model: Model, precision: str) -> None:
    expected = OnnxEngine(model.content(), model.card, threads=1).run(**inputs_of(model))
    graph = model.graph(precision)
    assert graph is not None
    found = OnnxEngine(graph, model.card, threads=1).run(**inputs_of(model))
    for name, answer in expected.items():
        np.testing.assert_allclose(found[name], answer, atol=0.01)


@onnx_models
def test_graphs_have_no_branch_and_hold_no_second_copy_of_the_weights(model: Model) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")
    for precision in ("fp16", "mixed", "fp32"):
        graph = model.graph(precision)
        assert graph is not None
        assert graph.stat().st_size < 250_000
        assert "If" not in {node.op_type for node in onnx.load(graph).graph.node}


@onnx_models
def test_the_shipped_graphs_are_those_of_the_shipped_model(model: Model) -> None:
    graphs = pytest.importorskip("engines.graphs", reason="onnx is not installed (extra `train`)")
    for precision in graphs.PRECISIONS:
        shipped = model.graph(precision)
        assert shipped is not None
        in_full = layers_in_fp32(shipped) if precision == "mixed" else ()
        assert graphs.gpu_graph(model.content(), precision, in_full) == shipped.read_bytes()
        if part := model.unguided():
            shipped = part.graph(precision)
            assert shipped is not None
            assert graphs.gpu_graph(model.content(), precision, in_full, part.part) == shipped.read_bytes()


def test_the_part_for_people_gives_the_very_matte_without_the_objects_work() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")
    model = find_model("swift", "segmenter")
    part, whole = model.unguided(), model.graph("fp32")
    assert part is not None
    assert whole is not None
    alone = part.graph("fp32")
    assert alone is not None
    image = inputs_of(model)["image"]
    expected = OnnxEngine(model.content(), model.card, threads=1).run(image=image)["matte"]
    found = OnnxEngine(alone, part.card, threads=1).run(image=image)
    assert found.keys() == {"matte"}
    np.testing.assert_array_equal(found["matte"], expected)
    sizes = [len(onnx.load(path, load_external_data=False).graph.node) for path in (alone, whole)]
    assert sizes[0] < 0.7 * sizes[1]
    assert find_model("swift", "filler").unguided() is None


def layers_in_fp32(graph: Path) -> list[str]:
    """The layers that a mixed graph says to compute in FP32."""
    onnx, graphs = pytest.importorskip("onnx"), pytest.importorskip("engines.graphs")
    properties = {item.key: item.value for item in onnx.load(graph, load_external_data=False).metadata_props}
    return properties[graphs.FP32_LAYERS].split("\n")


@onnx_models
def test_a_mixed_graph_computes_a_few_layers_in_fp32(model: Model) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")
    path = model.graph("mixed")
    assert path is not None
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    kinds = {item.name: item.type.tensor_type.elem_type for item in (*graph.value_info, *graph.output)}
    in_fp32 = set(layers_in_fp32(path))
    layers = [node for node in graph.node if node.op_type == "Conv"]
    assert 0 < len(in_fp32) < len(graph.node) / 4
    for node in layers:
        half = kinds[node.output[0]] == onnx.TensorProto.FLOAT16
        assert half == (node.name not in in_fp32), node.name
    assert any(node.name in in_fp32 for node in layers)


@onnx_models
def test_a_mixed_graph_loses_less_than_half_of_what_fp16_loses(model: Model) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
    from engines.onnx_torch import OnnxGraph

    torch.set_num_threads(1)
    probe, full = load_probe(model.beside(PROBE)), model.graph("fp32")
    assert full is not None
    answers = OnnxEngine(full, model.card, threads=1).run(**probe.inputs)
    errors = []
    for precision in ("fp16", "mixed"):
        path = model.graph(precision)
        assert path is not None
        found = OnnxGraph(path, "cpu")(**{name: torch.from_numpy(array) for name, array in probe.inputs.items()})
        errors.append(sum(float(((found[name].numpy() - answer) ** 2).mean()) for name, answer in answers.items()))
    assert errors[1] < 0.5**2 * errors[0]


def test_layers_in_fp32_hand_each_other_values_that_were_never_rounded() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")
    from engines.graphs import gpu_graph

    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[n, 3, h, w] image) => (float[n, 3, h, w] matte)
        { x = Mul(image, third)  y = Add(x, third)  matte = Sub(y, third) }"""
    )
    third = np.full((1, 3, 1, 1), 1 / 3, np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(third, "third"))
    for node, name in zip(model.graph.node, ("first", "second", "last"), strict=True):
        node.name = name
    content = model.SerializeToString()
    whole = onnx.load_model_from_string(gpu_graph(content, "mixed", ["first", "second", "last"])).graph
    assert [node.op_type for node in whole.node] == ["Mul", "Add", "Sub", "Identity"]
    part = onnx.load_model_from_string(gpu_graph(content, "mixed", ["first", "second"])).graph
    assert [node.op_type for node in part.node] == ["Cast", "Mul", "Cast", "Add", "Cast", "Sub", "Cast"]
    assert {item.data_type for item in part.initializer} == {onnx.TensorProto.FLOAT16}  # the last one takes it so


def test_weights_of_one_value_refer_to_places_of_their_own() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")
    from engines.graphs import gpu_graph

    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[n, 64, h, w] image) => (float[n, 32, h, w] matte)
        { x = Mul(image, small)  y = Add(x, large)  matte = Conv(y, weight) }"""
    )
    for name, shape in (("small", (1, 64, 1, 1)), ("large", (1, 64, 1, 4)), ("weight", (32, 64, 1, 1))):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(shape, np.float32), name))
    content = model.SerializeToString()
    places = {}
    for weight in onnx.load_model_from_string(gpu_graph(content, "fp32")).graph.initializer:
        entries = {entry.key: entry.value for entry in weight.external_data}
        places[weight.name] = int(entries["offset"]), int(entries["length"])
        assert content[places[weight.name][0] :][: places[weight.name][1]] == b"\0\0\x80\x3f" * (
            places[weight.name][1] // 4
        )
    ordered = sorted(places.values())
    assert len(ordered) == 3
    assert all(start + size <= following for (start, size), (following, _) in itertools.pairwise(ordered))


def test_a_graph_that_is_missing_or_changed_is_not_run(tmp_path: Path) -> None:
    shipped = find_model("swift", "filler")
    for name in ("model.onnx", "card.json", "gpu.fp16.onnx"):
        shutil.copy(shipped.beside(name), tmp_path)
    model = find_model(tmp_path, "filler")
    assert model.graph("fp16") is not None
    with pytest.raises(EngineError, match=r"gpu\.fp32\.onnx is missing; `python -m engines\.graphs"):
        model.graph("fp32")
    (tmp_path / "gpu.fp16.onnx").write_bytes(b"something else")
    with pytest.raises(EngineError, match=r"gpu\.fp16\.onnx does not match its card"):
        model.graph("fp16")
    shutil.copy(shipped.beside("gpu.fp16.onnx"), tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"other weights")
    with pytest.raises(EngineError, match=r"the model file does not match its card"):
        model.graph("fp16")


def test_a_graph_in_int8_stays_when_the_others_are_made_and_comes_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = pytest.importorskip("engines.graphs", reason="onnx is not installed (extra `train`)")
    pytest.importorskip("skimage", reason="scikit-image is not installed (extra `train`)")
    shipped = find_model("swift", "filler")
    shutil.copy(shipped.beside("model.onnx"), tmp_path)
    (tmp_path / "gpu.int8.onnx").write_bytes(b"int8")
    card = replace(shipped.card, graphs={"int8": hashlib.sha256(b"int8").hexdigest()})
    (tmp_path / "card.json").write_text(card.to_json())
    monkeypatch.setattr(graphs, "sensitive_layers", lambda path, card: [])  # takes long to measure
    graphs.add_graphs(tmp_path)
    model = find_model(tmp_path, "filler")
    assert set(model.card.graphs) == {*graphs.PRECISIONS, "int8"}
    assert model.graph("int8") == tmp_path / "gpu.int8.onnx"
    (tmp_path / "gpu.int8.onnx").write_bytes(b"damaged")
    with pytest.raises(EngineError, match=r"does not match its card; `python -m calib\.precision .*` makes it again"):
        model.graph("int8")


def test_a_card_may_come_without_graphs(tmp_path: Path) -> None:
    values = json.loads(find_model("swift", "filler").beside("card.json").read_text())
    del values["graphs"]
    (tmp_path / "card.json").write_text(json.dumps(values))
    assert load_card(tmp_path / "card.json").graphs == {}
