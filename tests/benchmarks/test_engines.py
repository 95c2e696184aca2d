"""Each row is a process of its own; what was measured stands in ratios, and what was not says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import engines
from benchmarks.engine_run import ROWS
from benchmarks.engines import BEST, RIVAL, Case, Row, cases, main, row_of, table, targets
from engines.errors import EngineError
from engines.gpu import find_gpus


def test_a_row_that_can_be_measured_is_and_the_others_say_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--task", "filler", "--model", "swift", "--size", "64x64", "--runs", "3", "--warm-up", "1"]
    rows = ["--only", "onnxruntime", "--only", "INT8", "--threads", "1"]
    assert main([*arguments, *rows, "--out", str(tmp_path)]) == 0
    (case,) = json.loads((tmp_path / "engines.json").read_text())["cases"]
    found = {row["name"]: row for row in case["rows"]}
    assert list(found) == ["TensorRT INT8, CUDA graph", "onnxruntime CUDA FP32", "onnxruntime CPU FP32"]
    cpu = found["onnxruntime CPU FP32"]
    assert 0 < cpu["p50"] <= cpu["p90"] <= cpu["p99"]
    assert cpu["copied"] > 0
    assert cpu["parity"].startswith("psnr")
    if not find_gpus().devices:
        assert find_gpus().lack in found["TensorRT INT8, CUDA graph"]["lack"]
    text = (tmp_path / "engines.md").read_text()
    assert text in capsys.readouterr().out
    assert "## filler swift, 64x64" in text
    assert "1.00x" in text
    assert "Not measured:" in text


def test_ratios_are_to_torch_in_fp16_where_there_is_a_gpu() -> None:
    rows = [
        Row("TensorRT FP16, CUDA graph", "tensorrt 10", 0.2, 0.2, 0.3, 0.5),
        Row("torch CUDA FP16, eager", "torch 2", 1.0, 1.1, 1.2, 1.5),
        Row("onnxruntime CPU FP32", "onnxruntime 1", 20.0, 21.0, 22.0, 20.0),
        Row("TensorRT INT8, CUDA graph", lack="has no INT8 graph"),
    ]
    text = table(rows)
    assert "times torch CUDA FP16, eager" in text
    assert [line.split("|")[6].strip() for line in text.splitlines()[2:5]] == ["5.00x", "1.00x", "0.05x"]
    assert text.endswith("- TensorRT INT8, CUDA graph: has no INT8 graph")


def test_targets_are_met_missed_or_not_measured() -> None:
    case = Case("segmenter", "swift", (288, 512))
    best, rival = Row(BEST, p50=0.6), Row(RIVAL, p50=1.5)
    assert [(item.reached, item.verdict) for item in targets({case: [best, rival]})] == [
        ("2.5", "yes"),
        ("0.600", "NO"),
    ]
    assert [item.verdict for item in targets({case: [Row(BEST, lack="no GPU"), rival]})] == ["not measured"] * 2


def test_percentiles_are_of_the_runs() -> None:
    times = {"network": list(range(1, 102)), "copied": [3.0, 1.0, 2.0], "parity": {"iou": 0.99871}, "version": "x 1"}
    row = row_of("a", times)
    assert (row.p50, row.p90, row.p99, row.copied, row.parity) == (51, 91, 100, 2, "iou 0.9987")


@pytest.mark.parametrize("interpreter", ["/no/such/python", "/bin/false"])
def test_an_interpreter_that_does_not_work_is_said_in_its_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], interpreter: str
) -> None:
    arguments = ["--task", "filler", "--size", "64x64", "--only", "torch CPU", "--python", f"torch={interpreter}"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    assert "- torch CPU FP32, eager: " in capsys.readouterr().out


def test_what_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "abacus"]) == 1
    assert "no row holds abacus; the rows: TensorRT FP16" in capsys.readouterr().err
    for arguments in (["--size", "288"], ["--python", "caffe=python"], ["--task", "painter"]):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
    with pytest.raises(EngineError, match="for a path, say --task too"):
        cases(None, "some/path", None)


def test_every_shipped_network_is_a_case_at_its_cards_size() -> None:
    found = {(case.task, case.model, case.size) for case in cases(None, None, None)}
    assert {("segmenter", "swift", (288, 512)), ("filler", "swift", (256, 256))} <= found
    assert [case.size for case in cases("filler", "swift", [(64, 64), (96, 96)])] == [(64, 64), (96, 96)]


def test_each_runtime_can_have_an_interpreter_of_its_own() -> None:
    assert {place[0] for place, _ in ROWS.values()} == set(engines.RUNTIMES)
