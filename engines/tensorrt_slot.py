"""All that is prepared for one shape of a TensorRT engine's inputs."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import numpy as np

from engines import cuda
from engines.cuda import DeviceArray
from engines.errors import EngineError
from engines.interface import GUIDANCE

Shapes = dict[str, tuple[int, ...]]
_log = logging.getLogger(__name__)


class Slot:
    """An execution context, arrays at fixed addresses and, from the second run on, a CUDA graph.

    arrays: inputs and outputs on the device, by name. graphs: whether to record one.
    """

    def __init__(self, context: Any, shapes: Shapes, outputs: list[str], stream: cuda.Stream, graphs: bool) -> None:
        self._context, self._stream, self._graphs = context, stream, graphs
        for name, shape in shapes.items():
            if not context.set_input_shape(name, shape):
                raise EngineError(f"TensorRT refuses {name} of shape {shape}")
        if lacking := context.infer_shapes():
            raise EngineError(f"TensorRT can't tell the shapes of {', '.join(lacking)}")
        self._memory: DeviceArray | None = None
        if hasattr(context, "update_device_memory_size_for_shapes"):
            self._memory = cuda.empty((max(context.update_device_memory_size_for_shapes(), 1),), np.uint8)
            if hasattr(context, "set_device_memory"):  # from 10.1 on
                context.set_device_memory(self._memory.pointer, self._memory.nbytes)
            else:
                context.device_memory = self._memory.pointer
        shapes = shapes | {name: tuple(context.get_tensor_shape(name)) for name in outputs}
        self.arrays = {name: cuda.empty(shape, stream=stream) for name, shape in shapes.items()}
        for name, array in self.arrays.items():
            context.set_tensor_address(name, array.pointer)
        self._pinned: dict[str, cuda.Pinned] = {}
        self._graph: cuda.Graph | None = None
        self._runs = 0
        self._unguided = False
        self._marks: tuple[cuda.Event, cuda.Event] | None = None  # in the stream before and after a timed run

    def pinned(self, name: str) -> np.ndarray:
        """The host's side of an input or output."""
        if name not in self._pinned:
            self._pinned[name] = cuda.Pinned(self.arrays[name].shape)
        return self._pinned[name].array

    def queue(self, given: set[str], timed: bool = False) -> None:
        """Queue a run on what the arrays will hold by then; the guidance is zero unless it is among the given."""
        if GUIDANCE in self.arrays and GUIDANCE not in given and not self._unguided:
            cuda.clear(self.arrays[GUIDANCE], self._stream)
        self._unguided = GUIDANCE not in given
        # The first run lets TensorRT do what it does once and no graph may hold.
        if self._runs == 1 and self._graphs and self._recordable:
            self._record()
        self._runs += 1
        if timed:
            self._marks = self._marks or (cuda.Event(), cuda.Event())
            self._marks[0].record(self._stream)
        if self._graph is None:
            self._enqueue()
        else:
            self._graph.launch()
        if timed and self._marks:
            self._marks[1].record(self._stream)

    def time(self) -> float | None:
        """Milliseconds of the last timed run; None before there is one, while the device is at it, or if CUDA fails."""
        if self._marks is None or not self._marks[1].passed:
            return None
        with suppress(cuda.CudaError):  # no run is worth less for not being timed
            return self._marks[1].milliseconds_since(self._marks[0])
        return None

    def close(self) -> None:
        """Give everything back; no work may be left on the stream."""
        if self._graph is not None:
            self._graph.close()
        self._context = None
        for part in (*self.arrays.values(), *self._pinned.values(), *(self._marks or ())):
            part.close()
        if self._memory is not None:
            self._memory.close()

    @property
    def _recordable(self) -> bool:
        """Whether TensorRT can run in a graph, by its own word where it gives one."""
        tells = hasattr(self._context, "is_stream_capturable")
        return not tells or self._context.is_stream_capturable(self._stream.handle)

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._stream.handle):
            raise EngineError("TensorRT can't run the network; --debug shows what it says")

    def _record(self) -> None:
        try:
            self._graph = cuda.Graph(self._stream, self._enqueue)
        except EngineError as error:
            _log.debug("no CUDA graph: %s", error)
