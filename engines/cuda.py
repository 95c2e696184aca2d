"""What is needed of CUDA, through cuda-python: arrays on the device, pinned host arrays, streams, events, graphs.

Arrays on the device follow `__cuda_array_interface__` (version 3), as CuPy's, Numba's and torch's do: a pointer, a
shape, a type, and the stream on which the contents are made. Whoever reads them waits for that stream first
(`Stream.wait_for`); nothing here synchronises but `Stream.synchronize`. All arrays are C-contiguous.

Nothing of CUDA is touched before the first call; CudaError (an EngineError) says what failed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from engines.errors import EngineError


class CudaError(EngineError):
    """A call of CUDA failed."""


@lru_cache(maxsize=1)
def api() -> Any:
    """The module of the runtime's functions; CudaError where cuda-python is not installed."""
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise CudaError(f"cuda-python can't be used ({error}); `pip install .[gpu]`") from error
    return runtime


def call(function: str, *arguments: Any) -> Any:
    """Call one of the runtime's functions by name; its result, or a tuple of them, or None. CudaError when it fails."""
    error, *results = getattr(api(), function)(*arguments)
    if int(error):
        raise CudaError(f"{function} failed: {getattr(error, 'name', error)}")
    return results[0] if len(results) == 1 else tuple(results) or None


class Stream:
    """An ordered queue of work on the device; never the default one. `handle`: its address."""

    def __init__(self) -> None:
        self._stream = call("cudaStreamCreateWithFlags", api().cudaStreamNonBlocking)
        self.handle = int(self._stream)
        self._mark = Event()

    def synchronize(self) -> None:
        """Wait until everything that was queued is done."""
        call("cudaStreamSynchronize", self.handle)

    def wait_for(self, other: int | Stream | None) -> None:
        """Let what is queued from now on start after what another stream (or its handle) holds now."""
        handle = other.handle if isinstance(other, Stream) else other
        if handle is not None and handle != self.handle:
            self._mark.record(handle)
            call("cudaStreamWaitEvent", self.handle, self._mark.event, 0)

    def close(self) -> None:
        """Give the stream back; no work may be left on it."""
        self._mark.close()
        call("cudaStreamDestroy", self.handle)


class Event:
    """A mark in a stream, with the time at which the device came by."""

    def __init__(self) -> None:
        self.event = call("cudaEventCreateWithFlags", 0)

    def record(self, stream: int | Stream) -> None:
        call("cudaEventRecord", self.event, stream.handle if isinstance(stream, Stream) else stream)

    @property
    def passed(self) -> bool:
        """Whether the device has come by."""
        return not int(api().cudaEventQuery(self.event)[0])

    def milliseconds_since(self, earlier: Event) -> float:
        """Between the two marks, which must both have been passed."""
        return float(call("cudaEventElapsedTime", earlier.event, self.event))

    def close(self) -> None:
        call("cudaEventDestroy", self.event)


class DeviceArray:
    """A C-contiguous array on the device. pointer: its address; stream: handle of the stream that writes it, or None.

    free: gives the memory back on `close` or at the array's end; None for a view of somebody else's memory.
    """

    def __init__(
        self,
        pointer: int,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        stream: int | None = None,
        free: Callable[[int], object] | None = None,
    ) -> None:
        self.pointer = pointer
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.stream = stream
        self._free = free

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer, False),
            "strides": None,
            "stream": self.stream,
            "version": 3,
        }

    def close(self) -> None:
        """Free the memory if it is owned; calling it twice does no harm."""
        free, self._free = self._free, None
        if free is not None:
            free(self.pointer)  # its error, if any, is that of an earlier call, which has been told

    def __del__(self) -> None:
        self.close()


def empty(shape: tuple[int, ...], dtype: DTypeLike = np.float32, stream: Stream | None = None) -> DeviceArray:
    """A new array with arbitrary contents."""
    size = prod(shape) * np.dtype(dtype).itemsize
    pointer = int(call("cudaMalloc", max(size, 1)))
    return DeviceArray(pointer, tuple(shape), dtype, stream.handle if stream else None, api().cudaFree)


def is_on_device(array: Any) -> bool:
    """Whether an array lies on a GPU."""
    return hasattr(array, "__cuda_array_interface__")


def as_device_array(array: Any) -> DeviceArray:
    """A view of any library's array on the device; CudaError where it is not C-contiguous."""
    if isinstance(array, DeviceArray):
        return array
    facts = array.__cuda_array_interface__
    shape, dtype = tuple(facts["shape"]), np.dtype(facts["typestr"])
    packed = tuple(prod(shape[axis + 1 :]) * dtype.itemsize for axis in range(len(shape)))
    if facts.get("strides") not in (None, packed):
        raise CudaError(f"arrays on the device must be C-contiguous; this one of shape {shape} is not")
    return DeviceArray(int(facts["data"][0]), shape, dtype, facts.get("stream"))


class Pinned:
    """A page-locked host array, which the device copies from and to at full speed: `array`, float32 unless said."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> None:
        size = max(prod(shape) * np.dtype(dtype).itemsize, 1)
        self._pointer = int(call("cudaMallocHost", size))
        memory = (ctypes.c_byte * size).from_address(self._pointer)
        self.array: np.ndarray = np.frombuffer(memoryview(memory), dtype, prod(shape)).reshape(shape)

    def close(self) -> None:
        """Free the memory; `array` must not be used after it. Calling it twice does no harm."""
        if self._pointer:
            pointer, self._pointer = self._pointer, 0
            call("cudaFreeHost", pointer)


def upload(target: DeviceArray, source: np.ndarray, stream: Stream) -> None:
    """Queue a copy to the device. From a pinned array it returns at once: `source` must stay as it is until done."""
    kind = api().cudaMemcpyKind.cudaMemcpyHostToDevice
    call("cudaMemcpyAsync", target.pointer, source.ctypes.data, target.nbytes, kind, stream.handle)


def download(target: np.ndarray, source: DeviceArray, stream: Stream) -> None:
    """Queue a copy to the host; done when the stream is."""
    kind = api().cudaMemcpyKind.cudaMemcpyDeviceToHost
    call("cudaMemcpyAsync", target.ctypes.data, source.pointer, source.nbytes, kind, stream.handle)


def copy(target: DeviceArray, source: DeviceArray, stream: Stream) -> None:
    """Queue a copy within the device, after what the source's own stream is about to write there."""
    stream.wait_for(source.stream)
    kind = api().cudaMemcpyKind.cudaMemcpyDeviceToDevice
    call("cudaMemcpyAsync", target.pointer, source.pointer, source.nbytes, kind, stream.handle)


def clear(target: DeviceArray, stream: Stream) -> None:
    """Queue filling an array with zeros."""
    call("cudaMemsetAsync", target.pointer, 0, target.nbytes, stream.handle)


class Graph:
    """Recorded work that is launched as one."""

    def __init__(self, stream: Stream, work: Callable[[], None]) -> None:
        """Record what `work` queues on the stream, without running it. CudaError where it can't be recorded."""
        self._stream = stream
        with _recording(stream) as recorded:
            work()
        self._graph = recorded[0]
        self._ready = call("cudaGraphInstantiate", self._graph, 0)

    def launch(self) -> None:
        """Queue it on its stream."""
        call("cudaGraphLaunch", self._ready, self._stream.handle)

    def close(self) -> None:
        call("cudaGraphExecDestroy", self._ready)
        call("cudaGraphDestroy", self._graph)


@contextmanager
def _recording(stream: Stream) -> Iterator[list[Any]]:
    """What is queued on the stream inside the block ends up in the list, which holds the graph afterwards."""
    recorded: list[Any] = []
    call("cudaStreamBeginCapture", stream.handle, api().cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)
    try:
        yield recorded
    except BaseException:
        api().cudaStreamEndCapture(stream.handle)  # or the stream stays unusable; the first error is what matters
        raise
    recorded.append(call("cudaStreamEndCapture", stream.handle))
