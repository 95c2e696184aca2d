"""The best runtime that is here is taken, and of each better one it is said why not."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import pytest

from engines import choice, runtime
from engines.errors import EngineError
from engines.gpu import Gpu, Gpus
from engines.interface import Engine
from engines.models import Model
from engines.runtime import load_engine
from tests.engines import tiny

NO_GPU = Gpus((), (0, 0), "there is no NVIDIA driver")
ONE_GPU = Gpus((Gpu("Test GPU", (8, 9), 8 << 30),), (13, 0), "")


@pytest.fixture(autouse=True)
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU, for which nothing is installed but what the CPU needs."""
    monkeypatch.setattr(choice, "find_gpus", lambda: ONE_GPU)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name == "onnxruntime" else None)


def lacks(monkeypatch: pytest.MonkeyPatch, **without: str) -> None:
    """State what is missing for each runtime on CUDA; nothing for those that are not named."""
    for name in ("tensorrt", "onnxruntime", "torch"):
        monkeypatch.setitem(choice._LACKS, (name, "cuda"), partial(without.get, name, ""))


def test_a_runtime_that_is_not_installed_is_said(tmp_path: Path) -> None:
    for name in ("tensorrt", "torch"):
        with pytest.raises(EngineError, match=rf"{name} is not installed \(`pip install"):
            load_engine(tiny.save(tmp_path), "segmenter", runtime=name, device="cuda")


def test_without_a_gpu_that_is_what_is_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "find_gpus", lambda: NO_GPU)
    for name, way in (("tensorrt", "--runtime auto"), ("onnxruntime", "--device cpu"), ("auto", "--device cpu")):
        with pytest.raises(EngineError, match=f"no GPU .*: there is no NVIDIA driver; choose {way}"):
            load_engine(tiny.save(tmp_path), "segmenter", runtime=name, device="cuda")


def test_tensorrt_on_the_cpu_makes_no_sense(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="tensorrt needs a GPU; choose --device auto"):
        load_engine(tiny.save(tmp_path), "segmenter", runtime="tensorrt", device="cpu")


def test_the_first_runtime_that_lacks_nothing_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def load(model: Model, place: choice.Place, threads: int | None) -> Engine:
        loaded.append(place)
        return object()  # type: ignore[return-value]

    monkeypatch.setattr(runtime, "_load", load)
    folder = tiny.save(tmp_path)
    for without in ({}, {"tensorrt": "no"}, {"tensorrt": "no", "onnxruntime": "no"}):
        lacks(monkeypatch, **without)
        load_engine(folder, "segmenter")
    lacks(monkeypatch, tensorrt="no", onnxruntime="no", torch="no")
    load_engine(folder, "segmenter")
    assert loaded == [("tensorrt", "cuda"), ("onnxruntime", "cuda"), ("torch", "cuda"), ("onnxruntime", "cpu")]


def test_why_better_ones_were_passed_over_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "engines.runtime"):
        engine = load_engine(tiny.save(tmp_path), "segmenter")
    assert (engine.runtime, engine.device) == ("onnxruntime", "cpu")
    messages = [record.getMessage() for record in caplog.records]
    assert [message.split(":")[1] for message in messages] == [
        " not tensorrt on cuda", " not onnxruntime on cuda", " not torch on cuda",
    ]  # fmt: skip
    assert all("pip install" in message for message in messages)


def test_a_runtime_that_fails_makes_way_for_the_next_unless_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load = runtime._load

    def fail_on_gpus(model: Model, place: choice.Place, threads: int | None) -> Engine:
        if place[1] == "cuda":
            raise EngineError(f"{place[0]} broke")
        return load(model, place, threads)

    monkeypatch.setattr(runtime, "_load", fail_on_gpus)
    lacks(monkeypatch, torch="no torch")
    folder = tiny.save(tmp_path)
    assert load_engine(folder, "segmenter").runtime == "onnxruntime"
    assert "tensorrt on cuda failed: tensorrt broke" in caplog.text
    with pytest.raises(EngineError, match="tensorrt broke"):
        load_engine(folder, "segmenter", runtime="tensorrt")
    with pytest.raises(EngineError, match=r"no runtime can be used on cuda: .*torch: no torch"):
        load_engine(folder, "segmenter", device="cuda")
