"""What is needed of CUDA's driver, through cuda-python: arrays on the device, pinned host arrays, streams, events,
graphs, kernels.

All of it is on the first GPU, in its primary context, which TensorRT, onnxruntime and torch use as well; any thread may
call. `CUDA_VISIBLE_DEVICES` chooses which GPU is the first.

Arrays on the device follow `__cuda_array_interface__` (version 3), as CuPy's, Numba's and torch's do: a pointer, a
shape, a type, and the stream on which the contents are made. Whoever reads them waits for that stream first
(`Stream.wait_for`); nothing here synchronises but `Stream.synchronize`. All arrays are C-contiguous. torch's name no
stream (version 2): they are read after the default one, so who makes them on another lets the default one wait for it
(`torch.cuda.default_stream().wait_stream(other)`).

Nothing of CUDA is touched before the first call; CudaError (an EngineError) says what failed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from engines.errors import EngineError

Dim3: TypeAlias = tuple[int, int, int]
Argument: TypeAlias = ctypes.Structure | ctypes.c_int | ctypes.c_float
DEFAULT_STREAM = 1  # CU_STREAM_LEGACY


class CudaError(EngineError):
    """A call of CUDA failed."""


@lru_cache(maxsize=1)
def api() -> Any:
    """The module of the driver's functions; CudaError where cuda-python is not installed."""
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise CudaError(f"cuda-python can't be used ({error}); `pip install .[gpu]`") from error
    return driver


@lru_cache(maxsize=1)
def _context(driver: Any) -> Any:
    """The primary context of the first GPU; it stays until the process ends."""
    try:
        _result("cuInit", *driver.cuInit(0))
    except Exception as error:  # cuda-python's own, where the driver's library is missing
        raise CudaError(f"CUDA does not start ({error})") from error
    device = _result("cuDeviceGet", *driver.cuDeviceGet(0))
    return _result("cuDevicePrimaryCtxRetain", *driver.cuDevicePrimaryCtxRetain(device))


def call(function: str, *arguments: Any) -> Any:
    """Call one of the driver's functions by name; its result, or a tuple of them, or None. CudaError when it fails."""
    try:
        answer = getattr(_entered(), function)(*arguments)
    except RuntimeError as error:  # cuda-python's, where the driver is too old to know the function
        raise CudaError(
            f"{function} failed: {error}; update the NVIDIA driver, or cuda-python to its version"
        ) from error
    return _result(function, *answer)


def _entered() -> Any:
    """The driver's functions, with the context made this thread's: others may have set another."""
    driver = api()
    driver.cuCtxSetCurrent(_context(driver))
    return driver


def _result(function: str, error: Any, *results: Any) -> Any:
    if int(error):
        raise CudaError(f"{function} failed: {getattr(error, 'name', error)}")
    return results[0] if len(results) == 1 else results or None


class Stream:
    """An ordered queue of work on the device; never the default one. `handle`: its address."""

    def __init__(self) -> None:
        self._stream = call("cuStreamCreate", api().CUstream_flags.CU_STREAM_NON_BLOCKING)
        self.handle = int(self._stream)
        self._mark = Event()

    def synchronize(self) -> None:
        """Wait until everything that was queued is done."""
        call("cuStreamSynchronize", self.handle)

    def wait_for(self, other: int | Stream | None) -> None:
        """Let what is queued from now on start after what another stream (or its handle) holds now."""
        handle = other.handle if isinstance(other, Stream) else other
        if handle is not None and handle != self.handle:
            self._mark.record(handle)
            call("cuStreamWaitEvent", self.handle, self._mark.event, 0)

    def close(self) -> None:
        """Give the stream back; no work may be left on it."""
        self._mark.close()
        call("cuStreamDestroy", self.handle)


class Event:
    """A mark in a stream, with the time at which the device came by."""

    def __init__(self) -> None:
        self.event = call("cuEventCreate", 0)

    def record(self, stream: int | Stream) -> None:
        call("cuEventRecord", self.event, stream.handle if isinstance(stream, Stream) else stream)

    @property
    def passed(self) -> bool:
        """Whether the device has come by."""
        return not int(_entered().cuEventQuery(self.event)[0])

    def milliseconds_since(self, earlier: Event) -> float:
        """Between the two marks, which must both have been passed."""
        return float(call("cuEventElapsedTime", earlier.event, self.event))

    def close(self) -> None:
        call("cuEventDestroy", self.event)


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
            with suppress(CudaError):  # that of an earlier call, which has been told
                free(self.pointer)

    def __del__(self) -> None:
        self.close()


def empty(shape: tuple[int, ...], dtype: DTypeLike = np.float32, stream: Stream | None = None) -> DeviceArray:
    """A new array with arbitrary contents."""
    size = prod(shape) * np.dtype(dtype).itemsize
    pointer = int(call("cuMemAlloc", max(size, 1)))
    return DeviceArray(pointer, tuple(shape), dtype, stream.handle if stream else None, partial(call, "cuMemFree"))


def is_on_device(array: Any) -> bool:
    """Whether an array lies on a GPU."""
    return hasattr(array, "__cuda_array_interface__")


def stream_of(facts: dict[str, Any]) -> int | None:
    """The stream to wait for before an array is read, by its `__cuda_array_interface__`; None: there is none."""
    return facts.get("stream", DEFAULT_STREAM)


def as_device_array(array: Any) -> DeviceArray:
    """A view of any library's array on the device; CudaError where it is not C-contiguous."""
    if isinstance(array, DeviceArray):
        return array
    facts = array.__cuda_array_interface__
    shape, dtype = tuple(facts["shape"]), np.dtype(facts["typestr"])
    packed = tuple(prod(shape[axis + 1 :]) * dtype.itemsize for axis in range(len(shape)))
    if facts.get("strides") not in (None, packed):
        raise CudaError(f"arrays on the device must be C-contiguous; this one of shape {shape} is not")
    return DeviceArray(int(facts["data"][0]), shape, dtype, stream_of(facts))


class Pinned:
    """A page-locked host array, which the device copies from and to at full speed: `array`, float32 unless said."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> None:
        size = max(prod(shape) * np.dtype(dtype).itemsize, 1)
        self._pointer = int(call("cuMemHostAlloc", size, 0))
        memory = (ctypes.c_byte * size).from_address(self._pointer)
        self.array: np.ndarray = np.frombuffer(memoryview(memory), dtype, prod(shape)).reshape(shape)

    def close(self) -> None:
        """Free the memory; `array` must not be used after it. Calling it twice does no harm."""
        if self._pointer:
            pointer, self._pointer = self._pointer, 0
            call("cuMemFreeHost", pointer)


def upload(target: DeviceArray, source: np.ndarray, stream: Stream) -> None:
    """Queue a copy to the device. From a pinned array it returns at once: `source` must stay as it is until done."""
    call("cuMemcpyHtoDAsync", target.pointer, source.ctypes.data, target.nbytes, stream.handle)


def download(target: np.ndarray, source: DeviceArray, stream: Stream) -> None:
    """Queue a copy to the host; done when the stream is."""
    call("cuMemcpyDtoHAsync", target.ctypes.data, source.pointer, source.nbytes, stream.handle)


def copy(target: DeviceArray, source: DeviceArray, stream: Stream) -> None:
    """Queue a copy within the device, after what the source's own stream is about to write there."""
    stream.wait_for(source.stream)
    call("cuMemcpyDtoDAsync", target.pointer, source.pointer, source.nbytes, stream.handle)


def clear(target: DeviceArray, stream: Stream) -> None:
    """Queue filling an array with zeros."""
    call("cuMemsetD8Async", target.pointer, 0, target.nbytes, stream.handle)


class Graph:
    """Recorded work that is launched as one."""

    def __init__(self, stream: Stream, work: Callable[[], None]) -> None:
        """Record what `work` queues on the stream, without running it. CudaError where it can't be recorded."""
        self._stream = stream
        with _recording(stream) as recorded:
            work()
        self._graph = recorded[0]
        self._ready = call("cuGraphInstantiate", self._graph, 0)

    def launch(self) -> None:
        """Queue it on its stream."""
        call("cuGraphLaunch", self._ready, self._stream.handle)

    def close(self) -> None:
        call("cuGraphExecDestroy", self._ready)
        call("cuGraphDestroy", self._graph)


@contextmanager
def _recording(stream: Stream) -> Iterator[list[Any]]:
    """What is queued on the stream inside the block ends up in the list, which holds the graph afterwards."""
    recorded: list[Any] = []
    call("cuStreamBeginCapture", stream.handle, api().CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
    try:
        yield recorded
    except BaseException:
        with suppress(CudaError):  # or the stream stays unusable; the first error is what matters
            call("cuStreamEndCapture", stream.handle)
        raise
    recorded.append(call("cuStreamEndCapture", stream.handle))


class Kernels:
    """Compiled kernels, loaded; they are started by their names."""

    def __init__(self, cubin: bytes) -> None:
        """CudaError where they are not for this GPU."""
        self._module = call("cuModuleLoadData", cubin)
        self._functions: dict[str, Any] = {}

    def launch(self, name: str, grid: Dim3, block: Dim3, arguments: Sequence[Argument], stream: Stream) -> None:
        """Queue a kernel; arguments: as it takes them, by value: they may change afterwards."""
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = call("cuModuleGetFunction", self._module, name.encode())
        parameters = (ctypes.c_void_p * len(arguments))(*map(ctypes.addressof, arguments))
        call("cuLaunchKernel", function, *grid, *block, 0, stream.handle, ctypes.addressof(parameters), 0)

    def close(self) -> None:
        """Unload them; none may be running."""
        call("cuModuleUnload", self._module)
