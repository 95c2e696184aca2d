"""What the driver says is read by its own interface; here it is a driver of a few lines of C."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engines import gpu
from engines.gpu import Gpu, Gpus, find_gpus

DRIVER = r"""
#include <string.h>
int cuDriverGetVersion(int *version) { *version = 12040; return 0; }
int cuInit(unsigned flags) { return INIT; }
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGet(int *device, int index) { *device = 10 + index; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, device == 10 ? "Test A" : "Test B", size);
    return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t) 8 << 30; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 8 : attribute == 76 ? device - 3 : -1;
    return 0;
}
"""


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Gpus]:
    """Ask a driver whose cuInit gives an error code and that knows so many devices."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make a driver with")

    def ask(init: int, count: int) -> Gpus:
        (tmp_path / "driver.c").write_text(DRIVER)
        library = tmp_path / f"libcuda-{init}-{count}.so"
        options = ["-shared", "-fPIC", f"-DINIT={init}", f"-DCOUNT={count}", "-o", str(library)]
        subprocess.run([compiler, *options, str(tmp_path / "driver.c")], check=True)
        monkeypatch.setattr(gpu, "LIBRARIES", ("libcuda-that-is-not-there.so", str(library)))
        return find_gpus.__wrapped__()

    return ask


def test_each_device_is_described(ask: Callable[..., Gpus]) -> None:
    assert ask(0, 2) == Gpus((Gpu("Test A", (8, 7), 8 << 30), Gpu("Test B", (8, 8), 8 << 30)), (12, 4), "")


@pytest.mark.parametrize(
    ("init", "lack"),
    [(100, "the NVIDIA driver finds no GPU"), (999, r"the NVIDIA driver does not start (CUDA error 999)")],
)
def test_a_driver_without_a_device_or_that_fails_is_told(ask: Callable[..., Gpus], init: int, lack: str) -> None:
    assert ask(init, 0) == Gpus((), (12, 4), lack)


def test_a_driver_that_counts_none_finds_no_gpu(ask: Callable[..., Gpus]) -> None:
    assert ask(0, 0).lack == "the NVIDIA driver finds no GPU"


def test_without_a_driver_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "LIBRARIES", ("libcuda-that-is-not-there.so",))
    assert find_gpus.__wrapped__() == Gpus((), (0, 0), "there is no NVIDIA driver")


def test_the_drivers_version_is_read_where_linux_tells_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "LINUX", file := tmp_path / "version")
    assert gpu.driver_version() == ""
    for text in (
        "NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun",
        "NVIDIA UNIX Open Kernel Module for x86_64  580.65.06",
    ):
        file.write_text(f"NVRM version: {text}\nGCC version: 12.3\n")
        assert gpu.driver_version() == "580.65.06"
