"""The functions of cuda.bindings.runtime that `engines.cuda` calls, on host memory: what is queued runs at once.

Work on a stream that is being recorded is kept instead, and run when the graph is launched. Every call is noted by name
in `calls`; memory that was not given back stays in `memory`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

OK = 0


class FakeCuda:
    """A stand-in for the module."""

    cudaStreamNonBlocking = 1
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2, cudaMemcpyDeviceToDevice=3)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.memory: dict[int, np.ndarray] = {}
        self.streams: set[int] = set()
        self.waits: list[tuple[int, int]] = []  # (stream that waits, stream that is waited for)
        self._events: dict[int, int] = {}
        self._recording: dict[int, list[Callable[[], object]]] = {}
        self._graphs: dict[int, list[Callable[[], object]]] = {}
        self._next = 1000

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name.startswith("cuda") and callable(value):
            self.calls.append(name)
        return value

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

    def cudaMalloc(self, size: int) -> tuple[int, int]:
        block = np.zeros(size, np.uint8)
        self.memory[block.ctypes.data] = block
        return OK, block.ctypes.data

    cudaMallocHost = cudaMalloc

    def cudaFree(self, devPtr: int) -> tuple[int]:
        del self.memory[devPtr]
        return (OK,)

    def cudaFreeHost(self, ptr: int) -> tuple[int]:
        del self.memory[ptr]
        return (OK,)

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: int, stream: int) -> tuple[int]:
        self.work(stream, partial(ctypes.memmove, dst, src, count))
        return (OK,)

    def cudaMemsetAsync(self, devPtr: int, value: int, count: int, stream: int) -> tuple[int]:
        self.work(stream, partial(ctypes.memset, devPtr, value, count))
        return (OK,)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[int, int]:
        assert flags == self.cudaStreamNonBlocking
        self.streams.add(stream := self._new())
        return OK, stream

    def cudaStreamDestroy(self, stream: int) -> tuple[int]:
        self.streams.remove(stream)
        return (OK,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[int]:
        assert stream in self.streams
        assert stream not in self._recording
        return (OK,)

    def cudaStreamWaitEvent(self, stream: int, event: int, flags: int) -> tuple[int]:
        self.waits.append((stream, self._events[event]))
        return (OK,)

    def cudaEventCreateWithFlags(self, flags: int) -> tuple[int, int]:
        self._events[event := self._new()] = 0
        return OK, event

    def cudaEventRecord(self, event: int, stream: int) -> tuple[int]:
        assert event in self._events
        self._events[event] = stream
        return (OK,)

    def cudaEventQuery(self, event: int) -> tuple[int]:
        return (OK if self._events[event] else 600,)  # cudaErrorNotReady

    def cudaEventElapsedTime(self, start: int, end: int) -> tuple[int, float]:
        assert self._events[start]
        assert self._events[end]
        return OK, 0.25

    def cudaEventDestroy(self, event: int) -> tuple[int]:
        del self._events[event]
        return (OK,)

    def cudaStreamBeginCapture(self, stream: int, mode: int) -> tuple[int]:
        assert stream not in self._recording
        self._recording[stream] = []
        return (OK,)

    def cudaStreamEndCapture(self, stream: int) -> tuple[int, int]:
        self._graphs[graph := self._new()] = self._recording.pop(stream)
        return OK, graph

    def cudaGraphInstantiate(self, graph: int, flags: int) -> tuple[int, int]:
        self._graphs[ready := self._new()] = self._graphs[graph]
        return OK, ready

    def cudaGraphLaunch(self, graphExec: int, stream: int) -> tuple[int]:
        assert stream in self.streams
        for job in self._graphs[graphExec]:
            job()
        return (OK,)

    def cudaGraphExecDestroy(self, graphExec: int) -> tuple[int]:
        del self._graphs[graphExec]
        return (OK,)

    def cudaGraphDestroy(self, graph: int) -> tuple[int]:
        del self._graphs[graph]
        return (OK,)
