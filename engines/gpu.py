"""Which NVIDIA GPUs there are, asked of the driver itself, so that it can be known with nothing installed."""

from __future__ import annotations

import ctypes
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

LIBRARIES = ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1", "libcuda.so")
LINUX = Path("/proc/driver/nvidia/version")
NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR


@dataclass(frozen=True)
class Gpu:
    """A device. capability: such as (9, 0); memory: bytes."""

    name: str
    capability: tuple[int, int]
    memory: int


@dataclass(frozen=True)
class Gpus:
    """The devices, in CUDA's order. cuda: the newest version that the driver can run, (0, 0) without a driver.

    lack: why there are none, empty where there are.
    """

    devices: tuple[Gpu, ...]
    cuda: tuple[int, int]
    lack: str


@lru_cache(maxsize=1)
def find_gpus() -> Gpus:
    """Ask the driver; never fails."""
    driver = _driver()
    if driver is None:
        return Gpus((), (0, 0), "there is no NVIDIA driver")
    version, count = ctypes.c_int(), ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    cuda = version.value // 1000, version.value % 1000 // 10
    error = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if error and error != NO_DEVICE:
        return Gpus((), cuda, f"the NVIDIA driver does not start (CUDA error {error})")
    if not count.value:
        return Gpus((), cuda, "the NVIDIA driver finds no GPU")
    return Gpus(tuple(_describe(driver, index) for index in range(count.value)), cuda, "")


def driver_version() -> str:
    """The kernel driver's own version, such as "580.65.06"; empty where Linux does not tell."""
    try:
        text = LINUX.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    version = re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", text)
    return version[1] if version else ""


def _driver() -> ctypes.CDLL | None:
    for name in LIBRARIES:
        with suppress(OSError):
            return ctypes.CDLL(name)
    return None


def _describe(driver: ctypes.CDLL, index: int) -> Gpu:
    device, memory, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(256)
    driver.cuDeviceGet(ctypes.byref(device), index)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    version = []
    for attribute in (MAJOR, MINOR):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        version.append(value.value)
    return Gpu(name.value.decode(errors="replace"), (version[0], version[1]), memory.value)
