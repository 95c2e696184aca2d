"""The calls of the driver's library, made through the real cuda-python, arrive as they should."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import util
from pathlib import Path

import pytest

from realtime.cuda import compiler
from realtime.errors import EraserError
from realtime.home import home_of
from realtime.ops import HOST
from tests.cuda.emulator import built, library
from tests.realtime.fakes import red_segmenter

JOB = """
import sys
import numpy as np
from realtime import ops
from tests.cuda import test_eraser
from tests.realtime.fakes import RedEngine

class CudaEngine(RedEngine):
    device = "cuda"

test_eraser.RedEngine, test_eraser.FRAMES = CudaEngine, 6
cpu, gpu = test_eraser.eraser("network", ops.HOST), test_eraser.eraser("network", None)
assert gpu.home.name == "a GPU for tests", gpu.home.name
test_eraser.held_against(*(test_eraser.run(core, "hand", "network") for core in (cpu, gpu)))
gpu.home.driver.wait_for(gpu.home.stream)
later = gpu.home.fetch_later(gpu.home.full((3, 4), 7))
passed = gpu.home.driver.mark()
assert not passed()
held = later()[0]
assert passed()
gpu.home.close()
gpu.home.close()
assert (held == 7).all()
"""


@pytest.fixture(scope="module")
def environment(kernels_folder):
    """That of a process in which cuda-python finds a GPU, made of the CPU."""
    if not sys.platform.startswith("linux") or util.find_spec("cuda") is None:
        pytest.skip("cuda-python is not installed, or looks for its libraries elsewhere")
    built(Path(__file__).with_name("libcuda.cpp"), kernels_folder / "libcuda.so.1", "-ldl")
    return os.environ | {
        "LD_LIBRARY_PATH": str(kernels_folder),
        "KERNELS": str(library(kernels_folder)),
        "ERASER_CACHE": str(kernels_folder),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }


def test_an_eraser_whose_engines_run_on_a_gpu_works_there(environment, kernels_folder):
    try:  # here, and not there: NVRTC looks for a driver too, and would want more of it than this one knows
        compiler.cached_kernels("sm_89", kernels_folder / "kernels")
    except EraserError as error:
        pytest.skip(f"the kernels cannot be compiled: {error}")
    done = subprocess.run(
        [sys.executable, "-c", JOB], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert [file.name[:13] for file in (kernels_folder / "kernels").iterdir()] == ["kernels-sm_89"]


def test_engines_on_the_cpu_leave_the_pictures_there():
    assert home_of(red_segmenter(), None) is HOST


def test_a_gpu_that_cannot_be_used_is_no_error_and_debug_says_why(monkeypatch, caplog):
    def fail():
        raise EraserError("there is no NVIDIA driver")

    monkeypatch.setattr("realtime.cuda.open_device", fail)
    segmenter = red_segmenter()
    segmenter.engine.device = "cuda"
    with caplog.at_level("DEBUG"):
        assert home_of(segmenter) is HOST
    assert "frames: worked on by the CPU: there is no NVIDIA driver" in caplog.text
