"""The few calls of a GPU's driver that frames need, and NVIDIA's implementation of them through cuda-python."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from realtime.errors import EraserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cuda.bindings import driver as cuda_driver

    Kernels = Callable[[str], bytes]  # the cubin for an architecture such as "sm_90"

Dim3: TypeAlias = tuple[int, int, int]
Argument: TypeAlias = ctypes.Structure | ctypes.c_int | ctypes.c_float


class Driver(Protocol):
    """What a `Device` needs. All copies and launches are queued on one stream, in order, and return at once.

    name: of the device, for people; stream: its handle; addresses are integers.
    """

    name: str
    stream: int

    def allocate(self, nbytes: int) -> int:
        """Device memory; EraserError where there is not enough."""
        ...

    def allocate_pinned(self, nbytes: int) -> int:
        """Host memory that copies to and from the device without another copy in between."""
        ...

    def free(self, address: int) -> None: ...

    def free_pinned(self, address: int) -> None: ...

    def copy_in(self, device: int, pinned: int, nbytes: int) -> None:
        """Queue a copy from pinned to device memory; the pinned memory must stay as it is until it has been made."""
        ...

    def copy_out(self, pinned: int, device: int, nbytes: int) -> None: ...

    def launch(self, kernel: str, grid: Dim3, block: Dim3, arguments: Sequence[Argument]) -> None:
        """Queue a kernel; arguments: as it takes them, by value; they are not changed afterwards."""
        ...

    def wait(self) -> None:
        """Return when everything that was queued is done."""
        ...

    def wait_for(self, stream: int) -> None:
        """Let what is queued from now on start after what another stream holds now; returns at once."""
        ...

    def close(self) -> None: ...


class CudaDriver:
    """The first NVIDIA GPU, by its primary context, which it shares with whatever else uses CUDA in this process.

    One thread at a time, though not always the same. Its stream is not the default one, and does not wait for that.
    """

    def __init__(self, kernels: Kernels) -> None:
        """kernels: gives the cubin for an architecture. EraserError where there is no GPU, driver or cuda-python."""
        try:
            from cuda.bindings import driver as cuda
        except ImportError as error:
            raise EraserError("cuda-python is not installed (`pip install .[gpu]`)") from error
        self._cuda: cuda_driver = cuda
        try:
            (status,) = cuda.cuInit(0)
        except Exception as error:  # cuda-python's own, where the driver's library is missing
            raise EraserError("there is no NVIDIA driver") from error
        if int(status) != 0:
            raise EraserError(f"the NVIDIA driver finds no GPU ({_name_of(status)})")
        if self._call(cuda.cuDeviceGetCount()) == 0:
            raise EraserError("the NVIDIA driver finds no GPU")
        self._device = self._call(cuda.cuDeviceGet(0))
        self.name = self._call(cuda.cuDeviceGetName(64, self._device)).split(b"\0")[0].decode()
        attribute = cuda.CUdevice_attribute
        major = self._call(
            cuda.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, self._device)
        )
        minor = self._call(
            cuda.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, self._device)
        )
        context = self._call(cuda.cuDevicePrimaryCtxRetain(self._device))
        self._context = context
        self._enter()
        self._module = self._call(cuda.cuModuleLoadData(kernels(f"sm_{major}{minor}")))
        self._functions: dict[str, object] = {}
        self._stream = self._call(cuda.cuStreamCreate(cuda.CUstream_flags.CU_STREAM_NON_BLOCKING))
        self.stream = int(self._stream)
        self._mark = self._call(cuda.cuEventCreate(cuda.CUevent_flags.CU_EVENT_DISABLE_TIMING))

    def allocate(self, nbytes: int) -> int:
        self._enter()
        return int(self._call(self._cuda.cuMemAlloc(nbytes)))

    def allocate_pinned(self, nbytes: int) -> int:
        self._enter()
        return int(self._call(self._cuda.cuMemHostAlloc(nbytes, 0)))

    def free(self, address: int) -> None:
        self._enter()
        self._call(self._cuda.cuMemFree(address))

    def free_pinned(self, address: int) -> None:
        self._enter()
        self._call(self._cuda.cuMemFreeHost(address))

    def copy_in(self, device: int, pinned: int, nbytes: int) -> None:
        self._enter()
        self._call(self._cuda.cuMemcpyHtoDAsync(device, pinned, nbytes, self._stream))

    def copy_out(self, pinned: int, device: int, nbytes: int) -> None:
        self._enter()
        self._call(self._cuda.cuMemcpyDtoHAsync(pinned, device, nbytes, self._stream))

    def launch(self, kernel: str, grid: Dim3, block: Dim3, arguments: Sequence[Argument]) -> None:
        self._enter()
        parameters = (ctypes.c_void_p * len(arguments))(*map(ctypes.addressof, arguments))
        function = self._functions.get(kernel)
        if function is None:
            function = self._functions[kernel] = self._call(
                self._cuda.cuModuleGetFunction(self._module, kernel.encode())
            )
        self._call(self._cuda.cuLaunchKernel(function, *grid, *block, 0, self._stream, ctypes.addressof(parameters), 0))

    def wait(self) -> None:
        self._enter()
        self._call(self._cuda.cuStreamSynchronize(self._stream))

    def wait_for(self, stream: int) -> None:
        self._enter()
        self._call(self._cuda.cuEventRecord(self._mark, stream))
        self._call(self._cuda.cuStreamWaitEvent(self._stream, self._mark, 0))

    def close(self) -> None:
        self._enter()
        self._call(self._cuda.cuEventDestroy(self._mark))
        self._call(self._cuda.cuStreamDestroy(self._stream))
        self._call(self._cuda.cuModuleUnload(self._module))
        # The context stays until the process ends: pictures that were fetched may still lie in its pinned memory.

    def _enter(self) -> None:
        """Make the context current in this thread: the eraser may be called from any."""
        self._call(self._cuda.cuCtxSetCurrent(self._context))

    @staticmethod
    def _call(answer: tuple) -> Any:
        """What a call returned besides its status; EraserError where that is not success."""
        status, *values = answer
        if int(status) != 0:
            advice = "it has too little memory for this" if "OUT_OF_MEMORY" in _name_of(status) else "try it again"
            raise EraserError(f"the GPU failed ({_name_of(status)}): {advice}, or choose --device cpu")
        return values[0] if len(values) == 1 else tuple(values)


def _name_of(status: object) -> str:
    return getattr(status, "name", str(status))
