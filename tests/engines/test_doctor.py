"""The doctor tells what is there and gives one line of advice for what is not, on any machine, even a bare one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engines import doctor
from engines.doctor import Finding, examine, gui_backend
from engines.gpu import Gpu, Gpus, find_gpus

ROOT = Path(__file__).parents[2]
GPUS = Gpus((Gpu("NVIDIA Test", (8, 9), 8 << 30),), (12, 4), "")


def found(name: str) -> Finding:
    return next(finding for finding in examine() if finding.name == name)


def test_with_nothing_installed_it_says_what_to_install(tmp_path: Path) -> None:
    code = [sys.executable, "-S", "-E", "-m", "engines.doctor"]  # -S: without site-packages
    done = subprocess.run(code, cwd=ROOT, env={"XDG_CACHE_HOME": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    names = [line.split("  ")[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    wanted = ["Python", "GPU", "driver", "cuda-python", "NVRTC", "TensorRT", "onnxruntime", "torch", "FFmpeg", "OpenCV",
              "cameras", "engines", "tensorrt on cuda"]  # fmt: skip
    assert names[: len(wanted)] == wanted
    for package in ("onnxruntime", "av", "opencv-python", ".[gpu]", ".[train]"):
        assert f"pip install {package}`" in done.stdout


def test_every_lack_has_one_line_of_advice_and_nothing_else_has() -> None:
    for finding in examine():
        assert "\n" not in finding.found + finding.advice
        if finding.found in ("none", "no", "not installed"):
            assert finding.advice


def test_what_runs_here_is_named_last() -> None:
    if find_gpus().devices:
        pytest.skip("this machine has a GPU")
    *better, last = [finding for finding in examine() if " on " in finding.name]
    assert (last.name, last.found) == ("onnxruntime on cpu", "taken")
    assert all(finding.found == "no" and finding.advice for finding in better)


def test_a_gpu_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_gpus", lambda: GPUS)
    assert found("GPU").found == "NVIDIA Test (compute capability 8.9, 8 GiB)"
    assert found("driver").found.endswith("runs CUDA up to 12.4")


def test_of_several_gpus_it_says_how_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_gpus", lambda: Gpus(GPUS.devices * 2, (12, 4), ""))
    assert "CUDA_VISIBLE_DEVICES" in found("GPU").advice
    monkeypatch.setattr(doctor, "find_gpus", lambda: GPUS)
    assert not found("GPU").advice


def test_a_cuda_python_that_is_too_new_for_the_driver_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_gpus", lambda: GPUS)
    monkeypatch.setattr(doctor, "_version", {"cuda-bindings": "13.1.0"}.get)
    assert "pip install 'cuda-python<13'" in found("cuda-python").advice
    monkeypatch.setattr(doctor, "_version", {"cuda-bindings": "12.9.0"}.get)
    assert not found("cuda-python").advice


def test_a_compiler_that_is_too_new_for_the_driver_is_told_with_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_gpus", lambda: GPUS)
    monkeypatch.setattr(doctor, "_nvrtc_version", lambda: (13, 0))
    assert "frames are worked on by the CPU" in found("NVRTC").advice
    assert "nvidia-cuda-nvrtc-cu12`" in found("NVRTC").advice
    monkeypatch.setattr(doctor, "_nvrtc_version", lambda: (12, 9))
    assert (found("NVRTC").found, found("NVRTC").advice) == ("12.9", "")


def test_help_is_given_and_what_is_unknown_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        doctor.main(["--help"])
    assert "usage: python -m engines.doctor" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        doctor.main(["--fix"])


def test_a_tensorrt_that_does_not_import_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(doctor, "TENSORRTS", ("tensorrt",))
    assert "can't be imported" in found("TensorRT").found
    assert "libnvinfer.so.10: cannot open" in found("TensorRT").found
    assert found("TensorRT").advice


def test_a_look_that_fails_is_a_finding_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Finding:
        raise RuntimeError("bad\nluck")

    monkeypatch.setitem(doctor.LOOKS, "FFmpeg", fail)
    assert found("FFmpeg").found == "can't be told (bad luck)"
    assert found("engines").found.endswith("MB")


@pytest.mark.parametrize(
    ("information", "backend"),
    [
        ("  GUI:                           QT5\n    QT:                          YES (ver 5.15)\n\n", "QT5"),
        ("  GUI: \n    GTK+:                        YES (ver 3.24)\n    VTK support:   NO\n\n", "GTK+"),
        ("  GUI:                           WIN32UI\n    Win32 UI:                    YES\n\n", "WIN32UI"),
        ("  GUI:                           NONE\n\n", "none"),
        ("  GUI: \n    GTK+:                        NO\n\n  Media I/O:\n    ZLib: YES\n", "none"),
        ("nothing of the kind", "none"),
    ],
)
def test_the_library_that_draws_windows_is_read_from_opencvs_own_words(information: str, backend: str) -> None:
    assert gui_backend(information) == backend
