"""The few calls of a GPU's driver that frames need, and NVIDIA's implementation of them by `engines.cuda`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from engines import cuda
from engines.cuda import Argument, Dim3
from engines.gpu import find_gpus
from realtime.errors import EraserError

MARKS = 4  # that are told apart

__all__ = ["Argument", "CudaDriver", "Dim3", "Driver"]


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

    def mark(self) -> Callable[[], bool]:
        """Tells, without waiting, whether all that was queued before it is done. Only of a few marks at a time."""
        ...

    def wait_for(self, stream: int) -> None:
        """Let what is queued from now on start after what another stream holds now; returns at once."""
        ...

    def close(self) -> None: ...


class _InWords:
    """Turns an error of CUDA into one that says what to do."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, cuda.CudaError):
            advice = "it has too little memory for this" if "OUT_OF_MEMORY" in str(error) else "try it again"
            raise EraserError(f"the GPU failed ({error}): {advice}, or choose --device cpu") from error


_in_words = _InWords()


class CudaDriver:
    """The first NVIDIA GPU, by its primary context, which it shares with whatever else uses CUDA in this process.

    One thread at a time, though not always the same. Its stream is not the default one, and does not wait for that.
    """

    def __init__(self, kernels: Callable[[str], bytes]) -> None:
        """kernels: gives the cubin for an architecture such as "sm_90". EraserError where no GPU can be used."""
        gpus = find_gpus()
        if gpus.lack:
            raise EraserError(gpus.lack)
        gpu = gpus.devices[0]
        self.name = gpu.name
        with _in_words:
            self._queue = cuda.Stream()
            self._marks = [cuda.Event() for _ in range(MARKS)]
            self._kernels = cuda.Kernels(kernels("sm_{}{}".format(*gpu.capability)))
        self.stream = self._queue.handle

    def allocate(self, nbytes: int) -> int:
        with _in_words:
            return int(cuda.call("cuMemAlloc", nbytes))

    def allocate_pinned(self, nbytes: int) -> int:
        with _in_words:
            return int(cuda.call("cuMemHostAlloc", nbytes, 0))

    def free(self, address: int) -> None:
        with _in_words:
            cuda.call("cuMemFree", address)

    def free_pinned(self, address: int) -> None:
        with _in_words:
            cuda.call("cuMemFreeHost", address)

    def copy_in(self, device: int, pinned: int, nbytes: int) -> None:
        with _in_words:
            cuda.call("cuMemcpyHtoDAsync", device, pinned, nbytes, self.stream)

    def copy_out(self, pinned: int, device: int, nbytes: int) -> None:
        with _in_words:
            cuda.call("cuMemcpyDtoHAsync", pinned, device, nbytes, self.stream)

    def launch(self, kernel: str, grid: Dim3, block: Dim3, arguments: Sequence[Argument]) -> None:
        with _in_words:
            self._kernels.launch(kernel, grid, block, arguments, self._queue)

    def wait(self) -> None:
        with _in_words:
            self._queue.synchronize()

    def mark(self) -> Callable[[], bool]:
        self._marks.append(event := self._marks.pop(0))  # one that is used again passes later, which does no harm
        with _in_words:
            event.record(self._queue)
        return lambda: event.passed

    def wait_for(self, stream: int) -> None:
        with _in_words:
            self._queue.wait_for(stream)

    def close(self) -> None:
        """The context stays until the process ends: pictures that were fetched may still lie in its pinned memory."""
        with _in_words:
            for mark in self._marks:
                mark.close()
            self._queue.close()
            self._kernels.close()
