"""Frames on a GPU: arrays in its memory, the kernels that work on them, and the driver beneath.

    device = open_device()
    picture = device.sent(image)
    mask = ops.at_least(...)
    (result,) = device.fetch(picture)

The kernels are used by `realtime.ops` alone. Nothing here imports cuda-python until a GPU is asked for.
"""

from __future__ import annotations

from realtime.cuda.compiler import cached_kernels
from realtime.cuda.device import Device
from realtime.cuda.driver import CudaDriver


def open_device() -> Device:
    """The first NVIDIA GPU; EraserError, in words for people, where it cannot be used."""
    return Device(CudaDriver(cached_kernels))
