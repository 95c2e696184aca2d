"""The functions of cuda.bindings.driver that `engines.cuda` calls, on host memory: what is queued runs at once.

Work on a stream that is being recorded is kept instead, and run when the graph is launched. Every call is noted by name
in `calls`; memory that was not given back stays in `memory`. As with the driver, a thread has to make the context its
own first, and may ask for no memory and wait for nothing while it records.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

OK = 0
ANYWHERE = "cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent"  # needs no context
RECORDED = "cuMemcpy", "cuMemset", "cuEventRecord", "cuStreamWaitEvent", "cuStreamEndCapture", "cuLaunchKernel"


class FakeCuda:
    """A stand-in for the module."""

    CUstream_flags = SimpleNamespace(CU_STREAM_NON_BLOCKING=1)
    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL=1)

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.memory: dict[int, np.ndarray] = {}
        self.streams: set[int] = set()
        self.waits: list[tuple[int, int]] = []  # (stream that waits, stream that is waited for)
        self._current: set[int] = set()  # threads whose context is set
        self._recorders: set[int] = set()  # threads that record
        self._events: dict[int, int] = {}
        self._recording: dict[int, list[Callable[[], object]]] = {}
        self._graphs: dict[int, list[Callable[[], object]]] = {}
        self._next = 1000

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        return partial(self._called, name, value) if name.startswith("cu") and callable(value) else value

    def _called(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        if name != "cuCtxSetCurrent":
            self.calls.append(name)
            here = threading.get_ident()
            assert name in ANYWHERE or here in self._current, f"{name} in a thread without a context"
            assert here not in self._recorders or name.startswith(RECORDED), f"{name} while the thread records"
        return function(*arguments)

    @property
    def records(self) -> bool:
        """Whether anything is being recorded."""
        return bool(self._recording)

    def work(self, stream: int, job: Callable[[], object]) -> None:
        """Queue a job: run it, or keep it where the stream is being recorded."""
        assert stream in self.streams, "work on a stream that does not exist, or on the default one"
        if stream in self._recording:
            self._recording[stream].append(job)
        else:
            job()

    def _new(self) -> int:
        self._next += 1
        return self._next

    def cuInit(self, flags: int) -> tuple[int]:
        return (OK,)

    def cuDeviceGet(self, ordinal: int) -> tuple[int, int]:
        return OK, ordinal

    def cuDevicePrimaryCtxRetain(self, dev: int) -> tuple[int, str]:
        return OK, "context"

    def cuCtxSetCurrent(self, ctx: str) -> tuple[int]:
        assert ctx == "context"
        self._current.add(threading.get_ident())
        return (OK,)

    def cuMemAlloc(self, bytesize: int) -> tuple[int, int]:
        block = np.zeros(bytesize, np.uint8)
        self.memory[block.ctypes.data] = block
        return OK, block.ctypes.data

    def cuMemHostAlloc(self, bytesize: int, Flags: int) -> tuple[int, int]:
        return FakeCuda.cuMemAlloc(self, bytesize)

    def cuMemFree(self, dptr: int) -> tuple[int]:
        del self.memory[dptr]
        return (OK,)

    cuMemFreeHost = cuMemFree

    def cuMemcpyHtoDAsync(self, to: int, source: int, count: int, stream: int) -> tuple[int]:
        self.work(stream, partial(ctypes.memmove, to, source, count))
        return (OK,)

    cuMemcpyDtoHAsync = cuMemcpyDtoDAsync = cuMemcpyHtoDAsync

    def cuMemsetD8Async(self, dstDevice: int, uc: int, N: int, hStream: int) -> tuple[int]:
        self.work(hStream, partial(ctypes.memset, dstDevice, uc, N))
        return (OK,)

    def cuStreamCreate(self, flags: int) -> tuple[int, int]:
        assert flags == self.CUstream_flags.CU_STREAM_NON_BLOCKING
        self.streams.add(stream := self._new())
        return OK, stream

    def cuStreamDestroy(self, stream: int) -> tuple[int]:
        self.streams.remove(stream)
        return (OK,)

    def cuStreamSynchronize(self, stream: int) -> tuple[int]:
        assert stream in self.streams
        assert stream not in self._recording
        return (OK,)

    def cuStreamWaitEvent(self, stream: int, event: int, flags: int) -> tuple[int]:
        self.waits.append((stream, self._events[event]))
        return (OK,)

    def cuEventCreate(self, flags: int) -> tuple[int, int]:
        self._events[event := self._new()] = 0
        return OK, event

    def cuEventRecord(self, event: int, stream: int) -> tuple[int]:
        assert event in self._events
        self._events[event] = stream
        return (OK,)

    def cuEventQuery(self, event: int) -> tuple[int]:
        return (OK if self._events[event] else 600,)  # CUDA_ERROR_NOT_READY

    def cuEventElapsedTime(self, start: int, end: int) -> tuple[int, float]:
        assert self._events[start]
        assert self._events[end]
        return OK, 0.25

    def cuEventDestroy(self, event: int) -> tuple[int]:
        del self._events[event]
        return (OK,)

    def cuStreamBeginCapture(self, stream: int, mode: int) -> tuple[int]:
        assert stream not in self._recording
        self._recording[stream] = []
        self._recorders.add(threading.get_ident())
        return (OK,)

    def cuStreamEndCapture(self, stream: int) -> tuple[int, int]:
        self._recorders.remove(threading.get_ident())
        self._graphs[graph := self._new()] = self._recording.pop(stream)
        return OK, graph

    def cuGraphInstantiate(self, graph: int, flags: int) -> tuple[int, int]:
        self._graphs[ready := self._new()] = self._graphs[graph]
        return OK, ready

    def cuGraphLaunch(self, graphExec: int, stream: int) -> tuple[int]:
        assert stream in self.streams
        for job in self._graphs[graphExec]:
            job()
        return (OK,)

    def cuGraphExecDestroy(self, graphExec: int) -> tuple[int]:
        del self._graphs[graphExec]
        return (OK,)

    def cuGraphDestroy(self, graph: int) -> tuple[int]:
        del self._graphs[graph]
        return (OK,)
