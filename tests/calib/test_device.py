"""The profile holds a time for every network that can be run here, and the drivers find it."""

from __future__ import annotations

from pathlib import Path

import pytest

from calib import device
from engines.runtime import available_models, load_engine
from realtime.deviceprofile import load_profile
from tests.engines import tiny

needs_models = pytest.mark.skipif(
    "swift" not in available_models("segmenter"), reason="the default models are not in this checkout"
)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work, less often."""
    for name, value in {"RUNS": 2, "SECONDS": 0.1, "FRAMES": 6, "FRAME_SIZES": ((96, 160),)}.items():
        monkeypatch.setattr(device, name, value)


@needs_models
def test_every_shipped_network_and_the_rest_of_a_frame_are_timed(tmp_path: Path) -> None:
    assert device.main(["--out", str(tmp_path / "device.json")]) == 0
    profile = load_profile(tmp_path / "device.json")
    assert profile is not None
    on_cpu = {(each.task, each.model) for each in profile.networks if each.runtime == "onnxruntime"}
    assert {("segmenter", "swift"), ("filler", "swift")} <= on_cpu
    engine = load_engine("swift", "segmenter", device="cpu", threads=1)
    whole, least = (profile.network(engine, size) for size in ((288, 512), (160, 320)))
    assert whole is not None
    assert least is not None
    assert 0 < least < whole
    assert [each.size for each in profile.frames] == [(96, 160)]
    assert profile.frames[0].p50 > 0


def test_what_the_governor_chooses_from_is_timed(tmp_path: Path) -> None:
    engine = load_engine(tiny.save(tmp_path, sizes=[[320, 320]]), "segmenter", threads=1)
    assert device.sizes_of(engine) == [(320, 320), (256, 256), (192, 192)]
    times = device.network_time(engine, (192, 192))
    assert (times.model, times.runtime, times.precision) == ("tiny", "onnxruntime", "fp32")
    assert 0 < times.p50 <= times.p90


def test_a_file_is_timed_whatever_else_is_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available_models", lambda task: [])
    folder = tiny.save(tmp_path / "models", name="mine")
    (folder / "model.onnx").rename(folder / "mine.onnx")
    (folder / "card.json").rename(folder / "mine.json")
    command = ["--model", str(folder / "mine.onnx"), "--no-frames", "--out", str(tmp_path / "device.json")]
    for other in (False, True):
        if other:
            tiny.save(folder, name="other")
        assert device.main(command) == 0
        profile = load_profile(tmp_path / "device.json")
        assert profile is not None
        assert {each.model for each in profile.networks} == {"mine"}


@needs_models
def test_a_model_that_is_not_there_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert device.main(["--model", "nosuch", "--out", str(tmp_path / "device.json")]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "there is no model 'nosuch'; choose one of" in said
    assert all(name in said for task in ("segmenter", "filler") for name in available_models(task))
    assert not (tmp_path / "device.json").exists()
