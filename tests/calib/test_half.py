"""FP16's rounding is simulated to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

networks = pytest.importorskip("tests.calib.networks", reason="onnx is not installed (extra `train`)")


def test_every_value_is_rounded_as_fp16_rounds_it(tmp_path: Path) -> None:
    from calib.half import rounded_to_half
    from calib.quantize import with_plain_weights
    from engines.card import load_card
    from engines.onnx_engine import OnnxEngine

    third = np.full((3, 3, 1, 1), 0.0)
    third[range(3), range(3)] = np.float16(1 / 3)
    content = networks.model([("image", 3)], "matte", [("third", third, None), ("back", 3 * third, None)])
    folder = networks.save(tmp_path / "model", "segmenter", content, ["image"], "matte")
    half = rounded_to_half(with_plain_weights(folder / "model.onnx"))
    image = np.random.default_rng(0).random((1, 3, 32, 32), np.float32).astype(np.float16).astype(np.float32)
    card = load_card(folder / "card.json")
    found = OnnxEngine(half, card, threads=1).run(image=image)["matte"]
    weight = np.float32(np.float16(1 / 3))
    once = (image * weight).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(found, (once * np.float32(3 * weight)).astype(np.float16).astype(np.float32))
