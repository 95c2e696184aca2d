"""FP16's rounding is simulated to the last bit, and the layers that lose most by it are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.card import Card, load_card
from engines.onnx_engine import OnnxEngine

onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")
half = pytest.importorskip("engines.half")
networks = pytest.importorskip("tests.calib.networks")

SAME = networks.passing_on(3)


def saved(folder: Path, layers: list[Any]) -> tuple[Any, Card]:
    """A small network, and its card."""
    content = networks.model([("image", 3)], "matte", layers)
    path = networks.save(folder / "model", "segmenter", content, ["image"], "matte")
    return onnx.load_model_from_string(content), load_card(path / "card.json")


def test_every_value_is_rounded_as_fp16_rounds_it(tmp_path: Path) -> None:
    model, card = saved(tmp_path, [("third", SAME / 3, None), ("tenth", SAME / 10, None)])
    image = np.random.default_rng(0).random((1, 3, 32, 32), np.float32) + np.float32(0.5)
    found = OnnxEngine(half.rounded_to_half(model), card, threads=1).run(image=image)["matte"]
    expected = image
    for weight in (1 / 3, 1 / 10):
        expected = (expected * np.float32(np.float16(weight))).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(found, expected)


def test_what_leaves_the_range_of_fp16_becomes_its_largest_number_and_is_the_worst(tmp_path: Path) -> None:
    model, card = saved(tmp_path, [("large", 4e4 * SAME, None), ("huge", 2 * SAME, None), ("back", SAME / 4e4, None)])
    image = np.ones((1, 3, 32, 32), np.float32)
    found = OnnxEngine(half.rounded_to_half(model), card, threads=1).run(image=image)["matte"]
    assert found.max() == pytest.approx(65504 / 4e4, rel=3e-3)  # not 2, nor infinite
    answer = OnnxEngine(model.SerializeToString(), card, threads=1).run(image=image)
    errors = half.half_errors(model, card, [{"image": image}], [answer], threads=1)
    assert errors.keys() == {*half.rounding_layers(model)} == {"large", "huge", "back"}
    assert next(iter(errors)) == "huge"


def test_the_fewest_layers_are_taken_that_bring_the_error_down() -> None:
    errors = {"loud": 4.0, "middle": 2.0, "quiet": 1.0}
    assert half.worst_layers(errors, 1.0) == []
    assert half.worst_layers(errors, 0.5) == ["loud"]
    assert half.worst_layers(errors, 0.3) == ["loud", "middle"]


def test_whoever_reads_a_layers_result_comes_with_it(tmp_path: Path) -> None:
    model, _ = saved(tmp_path, [("a", SAME, "Relu"), ("b", SAME, None), ("c", SAME, None), ("d", SAME, None)])
    assert half.with_readers(model, ["a"], 9) == ["a", "a.Relu", "b"]  # a Relu rounds nothing, so its reader counts
    assert half.with_readers(model, ["c", "a"], 9) == ["a", "a.Relu", "b", "c", "d"]
    assert half.with_readers(model, ["c", "a"], 4) == ["c", "d"]
