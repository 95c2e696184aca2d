"""The commands run as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from engines.runtime import available_models

ROOT = Path(__file__).parents[2]

needs_models = pytest.mark.skipif(
    "swift" not in available_models("segmenter") or "swift" not in available_models("filler"),
    reason="the default models are not in this checkout",
)


def run(module: str, *arguments: str, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "ERASER_DATA"}
    if data is not None:
        environment["ERASER_DATA"] = str(data)
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=290)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("quality", ["--frames", "2"]),
        ("latency", ["--synthetic", "128x96"]),
        ("segmentation", ["--limit", "2"]),
        ("live", []),
        ("batch", ["--files", "1"]),
        ("filling", ["--limit", "2"]),
    ],
)
def test_without_reference_data_a_benchmark_says_so_in_one_line(tmp_path, module, arguments):
    done = run(module, *arguments, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "ERASER_DATA" in done.stderr


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    done = run("quality", "--out", str(tmp_path), data=tmp_path / "nowhere")
    assert done.returncode == 2
    assert "nowhere" in done.stderr


def test_quality_measures_a_scene_and_writes_tables_and_sheets(tmp_path, eraser_data):
    what = ["--scenes", "still", "--clips", "none", "--masks", "given", "--frames", "8"]
    done = run("quality", *what, "--fill", "telea", "--threads", "1", "--out", str(tmp_path), data=eraser_data)
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "quality.json").read_text(encoding="utf-8"))
    (still,) = data["scenes"]
    assert list(still["methods"]) == ["Telea", "temporal median", "oracle", "eraser 0 s", "eraser 1 s", "eraser all"]
    assert still["methods"]["oracle"]["psnr_before"] > 50
    assert still["methods"]["eraser 1 s"]["psnr_all"] > still["methods"]["Telea"]["psnr_all"]
    assert data["machine"]["commit"]
    assert "| eraser 1 s" in (tmp_path / "quality.md").read_text(encoding="utf-8")
    assert cv2.imread(str(tmp_path / "still.png")).shape[1] == 6 * 480
    assert "masks given, lookahead 1 s, whole hole: still" in done.stdout


@needs_models
def test_latency_times_every_stage_beside_telea(tmp_path, eraser_data):
    what = ["--synthetic", "320x180", "--frames", "12", "--warm-up", "2", "--threads", "1"]
    done = run("latency", *what, "--out", str(tmp_path), data=eraser_data)
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "latency.json").read_text(encoding="utf-8"))
    given, found = data["steps"]
    for steps in (given, found):
        assert steps["stages"]["Eraser.step"]["n"] == 10
        assert steps["stages"]["Eraser.step"]["p50"] <= steps["stages"]["Eraser.step"]["max"]
    assert given["ratio"] == pytest.approx(given["stages"]["Eraser.step"]["p50"] / given["stages"]["Telea"]["p50"])
    assert 0.05 < given["hole"] < 0.2
    assert data["whole"][0]["frames"] == 12
    assert data["whole"][0]["fps"] > 0


@needs_models
def test_segmentation_judges_the_default_model_and_writes_a_sheet(tmp_path, eraser_data):
    what = ["--limit", "3", "--no-teachers", "--scenes", "none", "--threads", "1"]
    done = run("segmentation", *what, "--out", str(tmp_path), data=eraser_data)
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "segmentation.json").read_text(encoding="utf-8"))
    scores = data["scores"]["swift"]
    assert scores["iou_all"] > 0.7
    assert scores["false_all"] < 0.05
    assert scores["projection"] > 0.5
    assert "person IoU" in (tmp_path / "segmentation.md").read_text(encoding="utf-8")
    assert cv2.imread(str(tmp_path / "segmentation.png")).shape[1] == 8 * 240


@needs_models
def test_where_the_segmenter_fails_is_shown_without_reference_data(tmp_path):
    pytest.importorskip("skimage", reason="scikit-image is not installed: the pictures come with it")
    done = run("limits", str(tmp_path / "limits.png"))
    assert done.returncode == 0, done.stderr
    sheet = cv2.imread(str(tmp_path / "limits.png"))
    assert sheet.shape == (2 * (20 + 180), 4 * 320, 3)
    portrait, empty_sky = sheet[160, 120], sheet[60, 420]  # her suit is tinted, what is behind the rocket is not
    assert portrait[1] > 1.5 * portrait[0]
    assert empty_sky[1] < 1.5 * empty_sky[0]


def test_a_sheet_whose_name_is_no_pictures_is_refused_before_the_work(tmp_path):
    for name in ("limits", "limits.pnk"):
        done = run("limits", str(tmp_path / name), "--model", "no_such_model")
        assert done.returncode == 1
        assert (
            done.stderr
            == f"error: {tmp_path / name}: no picture format of that name; give one that ends in .png, say\n"
        )


@needs_models
def test_live_measures_rate_latency_and_threads(tmp_path, eraser_data):
    what = ["--sizes", "160x96", "--seconds", "4", "--warm-up", "1", "--shown-by", "nobody"]
    done = run("live", *what, "--out", str(tmp_path), data=eraser_data)
    assert done.returncode == 0, done.stderr
    (one,) = json.loads((tmp_path / "live.json").read_text(encoding="utf-8"))["runs"]
    assert one["fps"] > 0
    assert one["latency"]["p50"] <= one["latency"]["p90"] <= one["latency"]["p99"]
    assert 0 <= one["dropped"] <= 1
    if sys.platform.startswith("linux"):
        assert {"process", "capture"} <= one["cpu"].keys()
        assert one["cpu"]["process"] > 0
    assert "160x96, nobody: shown" in done.stdout


@needs_models
def test_a_soak_samples_memory_and_threads(tmp_path, eraser_data):
    done = run("live", "--sizes", "160x96", "--soak", "0.2", "--warm-up", "1", "--out", str(tmp_path), data=eraser_data)
    assert done.returncode == 0, done.stderr
    (one,) = json.loads((tmp_path / "soak.json").read_text(encoding="utf-8"))["runs"]
    assert one["samples"]
    assert one["samples"][0]["memory_mb"] > 50 or not sys.platform.startswith("linux")


@needs_models
def test_the_demo_needs_no_reference_data(tmp_path):
    pytest.importorskip("skimage", reason="scikit-image is not installed: the demo's photos come with it")
    done = run("demo", "--frames", "6", "--fill", "telea", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for name in ("before.mp4", "after.mp4"):
        assert str(tmp_path / name) in done.stdout
        with av.open(str(tmp_path / name)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 6
    picture = cv2.imread(str(tmp_path / "before_after.jpg"))
    assert picture.shape == (360, 2 * 640 + 8, 3)
    before, after = picture[:, :640].astype(np.int32), picture[:, 648:].astype(np.int32)
    assert np.abs(before - after).max() > 80, "nobody was erased"
