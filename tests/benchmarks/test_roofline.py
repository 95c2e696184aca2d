"""Work is counted layer by layer, and the roofline takes the slower of arithmetic and memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")

from benchmarks import roofline
from benchmarks.roofline import COUNTED, GPUS, LIKELY, Gpu, frame_estimate, network_estimate
from benchmarks.work import FrameWork, Layer, layers_of
from engines.models import find_model
from tests.calib import networks

SLOW = Gpu("slow", fp16=1.0, int8=2.0, memory=100.0, link=10.0, start=0.0, source="made up")


def test_a_convolutions_operations_weights_and_values_are_counted(tmp_path: Path) -> None:
    layers = [("one", np.ones((8, 3, 3, 3)), "Relu"), ("two", np.ones((1, 8, 1, 1)), "Sigmoid")]
    folder = networks.save(
        tmp_path / "model", "segmenter", networks.model([("image", 3)], "matte", layers), ["image"], "matte"
    )
    one, two = layers_of(find_model(folder, "segmenter"), 64, 96)
    pixels = 64 * 96
    assert one == Layer("one", 2 * pixels * 8 * 27, 8 * 27, pixels * (3 + 8))
    assert two == Layer("two", 2 * pixels * 8, 8, pixels * (8 + 1))  # the activations are part of them


def test_a_layer_takes_the_longer_of_arithmetic_and_memory() -> None:
    arithmetic, memory = Layer("a", 1e9, 0.0, 1.0), Layer("m", 1.0, 0.0, 1e8)
    assert network_estimate("", SLOW, [arithmetic]).best == pytest.approx(1.0)
    assert network_estimate("", SLOW, [memory]).best == pytest.approx(2.0)
    both = network_estimate("", SLOW, [arithmetic, memory])
    assert [both.best, both.likely] == pytest.approx([3.0, 3.0 / LIKELY])
    assert network_estimate("", SLOW, [arithmetic, memory], int8=True).best == pytest.approx(1.5)


def test_a_frame_is_bytes_copies_and_starts() -> None:
    work = FrameWork((10, 10), kernels=100, nbytes=10**8, up=10**7, down=0, waits=1)
    assert frame_estimate("", SLOW, work).best == pytest.approx(1.0 + 1.0)
    started = Gpu("starts", 1.0, 2.0, 100.0, 10.0, 5.0, "made up")
    assert frame_estimate("", started, work).best == pytest.approx(2.5)


def test_what_was_counted_is_stored_with_where_and_when() -> None:
    counted = json.loads(COUNTED.read_text())
    assert counted["machine"]["commit"]
    assert [tuple(each["size"]) for each in counted["frames"]] == list(roofline.SIZES)


def test_what_was_counted_is_part_of_the_package() -> None:
    tomllib = pytest.importorskip("tomllib", reason="this Python reads no TOML")
    root = Path(roofline.__file__).parents[1]
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    packaged = settings["tool"]["setuptools"]["package-data"]["benchmarks"]
    assert any(COUNTED in (root / "benchmarks").glob(pattern) for pattern in packaged)


def test_the_report_says_that_nothing_was_measured(tmp_path: Path) -> None:
    assert roofline.main(["--out", str(tmp_path)]) == 0
    text = (tmp_path / "estimates.md").read_text()
    assert text.startswith("# Estimates: nothing here was measured")
    assert all(gpu.name in text for gpu in GPUS)
