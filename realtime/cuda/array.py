"""Arrays in a device's memory, with as much of NumPy's ways as the frame operations need."""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from realtime.cuda.device import Block, Device

Shape = tuple[int, ...]


class ArrayView(ctypes.Structure):
    """How kernels see an array: `Array` of kernels/common.cuh."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("height", ctypes.c_int),
        ("width", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("pitch", ctypes.c_int),
    )


class DeviceArray:
    """A (H, W) or (H, W, C) picture in a device's memory, or a rectangle of one, sharing its memory.

    dtype: uint8, int32 or float32; pitch: bytes from row to row. All work on it is queued on the device's stream, in
    order, and none of it waits; `Device.fetch` does. Masks know `&`, `|` and `~`; rows and columns can be sliced
    without a step, and a slice be given a number or an array of its shape. NumPy's functions refuse it.
    """

    __slots__ = ("address", "block", "device", "dtype", "pitch", "shape", "view")
    __array_ufunc__ = None  # so that NumPy leaves `array & device_array` to this class, which refuses it

    def __init__(self, device: Device, block: Block, address: int, shape: Shape, dtype: np.dtype, pitch: int) -> None:
        self.device, self.block, self.address = device, block, address
        self.shape, self.dtype, self.pitch = shape, dtype, pitch
        channels = shape[2] if len(shape) == 3 else 1
        self.view = ArrayView(address, shape[0], shape[1], channels, pitch)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def contiguous(self) -> bool:
        """Whether rows follow each other without a gap."""
        return self.shape[0] <= 1 or self.pitch * self.shape[0] == self.nbytes

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The protocol of Numba, version 3: `stream` is the one to wait for before the array is read."""
        item = self.dtype.itemsize
        strides = (self.pitch, self.view.channels * item, item)[: self.ndim]
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address, False),
            "strides": None if self.contiguous else strides,
            "stream": self.device.stream,
            "version": 3,
        }

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise TypeError("this array is in a device's memory: fetch it first")

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        raise TypeError("what a device's memory holds is not known here: fetch it first")

    def reshaped(self, *shape: int) -> DeviceArray:
        """The same memory in another shape; of contiguous arrays only."""
        if not self.contiguous or math.prod(shape) != self.size:
            raise ValueError(f"{self.shape} cannot be seen as {shape}")
        pitch = math.prod(shape[1:]) * self.dtype.itemsize
        return DeviceArray(self.device, self.block, self.address, shape, self.dtype, pitch)

    def as_grid(self, height: int, width: int) -> DeviceArray:
        """Something of another shape for a kernel to run over; it has no values of its own."""
        return DeviceArray(self.device, self.block, self.address, (height, width), self.dtype, self.pitch)

    def __getitem__(self, key: tuple[slice, ...] | slice) -> DeviceArray:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        (y0, y1, down), (x0, x1, right) = rows.indices(self.shape[0]), columns.indices(self.shape[1])
        if (down, right) != (1, 1):
            raise IndexError("a device's array has no stepped slices: use ops.thinned")
        address = self.address + y0 * self.pitch + x0 * self.view.channels * self.dtype.itemsize
        shape = max(0, y1 - y0), max(0, x1 - x0), *self.shape[2:]
        return DeviceArray(self.device, self.block, address, shape, self.dtype, self.pitch)

    def __setitem__(self, key: tuple[slice, ...] | slice, value: DeviceArray | np.ndarray | float) -> None:
        target = self[key]
        if isinstance(value, (int, float)):
            self.device.fill(target, value)
            return
        source = self.device.sent(value)
        if source.shape != target.shape or source.dtype != target.dtype:
            raise ValueError(f"{source.dtype} {source.shape} does not fit {target.dtype} {target.shape}")
        if source.address != target.address:
            self.device.copy(source, target)

    def copy(self) -> DeviceArray:
        result = self.device.empty(self.shape, self.dtype)
        self.device.copy(self, result)
        return result

    def __invert__(self) -> DeviceArray:
        result = self.device.empty(self.shape)
        self.device.run("invert", result, self, result)
        return result

    def __and__(self, other: DeviceArray) -> DeviceArray:
        return self._combined("intersect", other, self.device.empty(self.shape))

    def __or__(self, other: DeviceArray) -> DeviceArray:
        return self._combined("unite", other, self.device.empty(self.shape))

    def __iand__(self, other: DeviceArray) -> DeviceArray:
        return self._combined("intersect", other, self)

    def __ior__(self, other: DeviceArray) -> DeviceArray:
        return self._combined("unite", other, self)

    def _combined(self, kernel: str, other: DeviceArray, result: DeviceArray) -> DeviceArray:
        if not isinstance(other, DeviceArray):
            return NotImplemented
        if other.shape != self.shape or other.dtype != np.uint8 or self.dtype != np.uint8 or self.ndim != 2:
            raise ValueError(f"{self.dtype} {self.shape} and {other.dtype} {other.shape} are not masks of one size")
        self.device.run(kernel, result, self, other, result)
        return result
