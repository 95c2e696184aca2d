"""Engines that TensorRT runs: no allocation and no work on the host per frame but queueing one graph.

For each shape of the inputs there is a slot: an execution context, arrays on the device at fixed addresses, and, from
the second run on, the CUDA graph of that context, since most of a small network's time on a fast GPU is the queueing of
its kernels. Working memory is what the shape needs (TensorRT 8 can't tell: there the contexts share what the largest
one needs). All work is queued on one stream of the engine's own.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engines import cuda
from engines.card import Card
from engines.cuda import DeviceArray
from engines.errors import EngineError
from engines.gpu import find_gpus
from engines.interface import GUIDANCE, OBJECT, Clock, Engine, Entries, Timing
from engines.tensorrt_build import Range, failure, layer_types, logger_of
from engines.tensorrt_slot import Shapes, Slot

SLOTS = 8  # shapes that are kept ready; a ninth takes the place of the one that was not used for longest
_log = logging.getLogger(__name__)


class TensorRtEngine:
    """A built engine, loaded. Inputs and outputs are float32 (N, C, H, W), on the host or on the device.

    Host arrays go through pinned memory and the answers are new arrays. Arrays on the device (anything with
    `__cuda_array_interface__`) are read after the stream that they name, or after the default one where they name none
    (as torch's, `engines.cuda`), and must stay as they are until then; the answers are `DeviceArray`s on `stream`,
    nothing is waited for, and they hold until the next run of the same shape, which on host arrays does not wait for
    who reads them. One thread at a time, though not always the same.
    elsewhere: makes the engine that runs what this one has no range for; None: such inputs are an error. graphs: False
    queues the network's kernels one by one each time (to see what the graphs are worth).
    """

    runtime = "tensorrt"
    device = "cuda"

    def __init__(
        self,
        trt: Any,
        plan: bytes,
        card: Card,
        precision: str,
        elsewhere: Callable[[], Engine] | None = None,
        graphs: bool = True,
    ) -> None:
        if lack := find_gpus().lack:  # TensorRT 8's runtime crashes the process without one
            raise EngineError(f"TensorRT needs a GPU: {lack}")
        self.card = card
        self.precision = precision
        self._trt = trt
        try:
            self._runtime = trt.Runtime(logger_of(trt))
        except TypeError as error:  # what its bindings make of a null pointer
            raise failure(logger_of(trt), "TensorRT does not start") from error
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise failure(logger_of(trt), f"TensorRT {trt.__version__} can't load the engine of {card.name}")
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        inputs = [name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        self._outputs = [name for name in names if name not in inputs]
        if any(self._engine.get_tensor_dtype(name) != trt.DataType.FLOAT for name in names):
            raise EngineError(f"the engine of {card.name} has inputs or outputs that are not float32")
        self.ranges = {name: _range(self._engine, name) for name in inputs}
        self._entries = Entries(card, {name: self._engine.get_tensor_shape(name)[1] for name in inputs})
        self.stream = cuda.Stream()
        self._kernels: Any = None  # what contexts of TensorRT-RTX share, which nothing else keeps alive
        self._config = self._rtx_config()
        self._shared: DeviceArray | None = None  # working memory, with TensorRT 8
        self._slots: OrderedDict[tuple[Any, ...], Slot] = OrderedDict()
        self._make_elsewhere = elsewhere
        self._graphs = graphs
        self._elsewhere: Engine | None = None
        self._clock = Clock()
        self._closed = False

    @property
    def layers(self) -> dict[str, int]:
        """How many layers give results of which type."""
        return layer_types(self._trt, self._engine)

    def run(self, **inputs: Any) -> dict[str, Any]:
        """Named (N, C, H, W) float32 arrays in and out, as the class says; EngineError when they don't fit."""
        if self._closed:
            raise EngineError(f"{self._entries.who} was closed; load it again")
        on_device = {cuda.is_on_device(array) for array in inputs.values()}
        if len(on_device) > 1:
            raise EngineError(f"{self._entries.who} takes all inputs on the device, or none")
        given: dict[str, Any] = (
            {name: cuda.as_device_array(array) for name, array in inputs.items()} if True in on_device else inputs
        )
        shapes: Shapes = {name: tuple(array.shape) for name, array in given.items()}
        if self._entries.lacks_guidance(given):
            shapes[GUIDANCE] = self._entries.unguided(shapes["image"])
        self._entries.check({name: DeviceArray(0, shape, _dtype(given, name)) for name, shape in shapes.items()})
        if True in on_device:
            if not self.takes(shapes):
                raise EngineError(f"{self._entries.who} has no range for {shapes} on the device: {self._advice()}")
            return self._run_on_device(given, shapes)
        started = time.perf_counter()
        outputs = self._answer(given, shapes)
        self._clock.add((time.perf_counter() - started) * 1000)
        return outputs

    def takes(self, shapes: Shapes) -> bool:
        """Whether the engine has a range for these shapes."""
        return all(_within(shape, self.ranges[name]) for name, shape in shapes.items())

    def warm_up(self, height: int, width: int) -> None:
        """Run twice on black pictures of this size: the second records the graph that all others launch."""
        inputs = self._entries.black(height, width)
        self._entries.check(inputs)
        for _ in range(2):
            self._answer(inputs, {name: array.shape for name, array in inputs.items()})

    @property
    def timing(self) -> Timing:
        """How long the runs took: with host arrays by the clock, with the device's by the GPU (known one run later)."""
        return self._clock.timing

    def close(self) -> None:
        """Free the network; `run` must not be called after it. Calling it twice does no harm."""
        if self._closed:
            return
        self._closed = True
        self.stream.synchronize()
        for slot in self._slots.values():
            slot.close()
        self._slots.clear()
        if self._shared is not None:
            self._shared.close()
        self.stream.close()
        if self._elsewhere is not None:
            self._elsewhere.close()
        self._config = self._kernels = self._engine = self._runtime = None

    def _answer(self, inputs: Mapping[str, np.ndarray], shapes: Shapes) -> dict[str, np.ndarray]:
        """Run host arrays, as many pictures or objects at a time as the engine takes."""
        if not all(_within(shape, self.ranges[name], axis=2) for name, shape in shapes.items()):
            return self._ask_elsewhere(inputs, shapes)
        parts = [self._run_on_host(part) for part in _parts(inputs, shapes, self.ranges)]
        outputs = {}
        for name in self._outputs:
            several = shapes["image"][0] > 1 or name == OBJECT
            outputs[name] = np.concatenate([part[name] for part in (parts if several else parts[:1])])
        return outputs

    def _run_on_host(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        shapes: Shapes = {name: array.shape for name, array in inputs.items()}
        if self._entries.lacks_guidance(inputs):
            shapes[GUIDANCE] = self._entries.unguided(shapes["image"])
        slot = self._slot(shapes)
        for name, array in inputs.items():
            pinned = slot.pinned(name)
            np.copyto(pinned, array)
            cuda.upload(slot.arrays[name], pinned, self.stream)
        slot.queue(set(inputs))
        for name in self._outputs:
            cuda.download(slot.pinned(name), slot.arrays[name], self.stream)
        self.stream.synchronize()
        return {name: slot.pinned(name).copy() for name in self._outputs}

    def _run_on_device(self, inputs: Mapping[str, DeviceArray], shapes: Shapes) -> dict[str, DeviceArray]:
        slot = self._slot(shapes)
        if (milliseconds := slot.time()) is not None:
            self._clock.add(milliseconds)
        for name, array in inputs.items():
            if array.pointer != slot.arrays[name].pointer:
                cuda.copy(slot.arrays[name], array, self.stream)
        slot.queue(set(inputs), timed=True)
        return {name: slot.arrays[name] for name in self._outputs}

    def _slot(self, shapes: Shapes) -> Slot:
        key = tuple(sorted(shapes.items()))
        slot = self._slots.pop(key, None)
        if slot is None:
            if len(self._slots) >= SLOTS:
                self.stream.synchronize()
                self._slots.popitem(last=False)[1].close()
            slot = Slot(self._context(), shapes, self._outputs, self.stream, self._graphs)
        self._slots[key] = slot  # the last is the one that was used last
        return slot

    def _rtx_config(self) -> Any:
        """How TensorRT-RTX, which makes its kernels when it runs, is to do so; None for others.

        A shape's own kernels are made before its first run: a graph would keep those that stand in for them.
        """
        if not hasattr(self._trt, "DynamicShapesKernelSpecializationStrategy"):
            return None
        config = self._engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(self._trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        strategies = self._trt.DynamicShapesKernelSpecializationStrategy
        config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
        self._kernels = config.create_runtime_cache()
        config.set_runtime_cache(self._kernels)
        return config

    def _context(self) -> Any:
        """A new execution context; in TensorRT 8 with its working memory, later without."""
        if self._config is not None:
            context = self._engine.create_execution_context(self._config)
        elif hasattr(self._trt, "ExecutionContextAllocationStrategy"):
            context = self._engine.create_execution_context(self._trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        else:
            context = self._engine.create_execution_context_without_device_memory()
        if context is None:
            raise EngineError(f"TensorRT can't prepare {self._entries.who}: the GPU's memory may be full")
        if not hasattr(context, "update_device_memory_size_for_shapes"):
            if self._shared is None:
                self._shared = cuda.empty((max(self._engine.device_memory_size, 1),), np.uint8)
            context.device_memory = self._shared.pointer
        context.set_optimization_profile_async(0, self.stream.handle)
        return context

    def _ask_elsewhere(self, inputs: Mapping[str, np.ndarray], shapes: Shapes) -> dict[str, np.ndarray]:
        height, width = shapes["image"][2:]
        if self._make_elsewhere is None:
            raise EngineError(f"{self._entries.who} was built without a range for {height}x{width}: {self._advice()}")
        if self._elsewhere is None:
            self._elsewhere = self._make_elsewhere()
            _log.warning(
                "%s at %dx%d runs on the %s, far slower: %s",
                self._entries.who, height, width, self._elsewhere.device, self._advice(),
            )  # fmt: skip
        return self._elsewhere.run(**inputs)

    def _advice(self) -> str:
        image = self.ranges["image"]
        sides = " to ".join(f"{height}x{width}" for height, width in (image.smallest[2:], image.largest[2:]))
        return f"the engine takes {sides}; `python -m engines.build {self.card.name} --shape ...` builds another"


def _range(engine: Any, name: str) -> Range:
    smallest, usual, largest = (tuple(shape) for shape in engine.get_tensor_profile_shape(name, 0))
    return Range(smallest, usual, largest)


def _within(shape: tuple[int, ...], allowed: Range, axis: int = 0) -> bool:
    """Whether a shape, from an axis on, is in the range."""
    sides = zip(allowed.smallest[axis:], shape[axis:], allowed.largest[axis:], strict=True)
    return all(low <= side <= high for low, side, high in sides)


def _dtype(inputs: Mapping[str, Any], name: str) -> np.dtype:
    return inputs[name].dtype if name in inputs else np.dtype(np.float32)


def _parts(
    inputs: Mapping[str, np.ndarray], shapes: Shapes, ranges: Mapping[str, Range]
) -> list[dict[str, np.ndarray]]:
    """The inputs cut into what the engine takes at once: single pictures, or a picture with some of its objects."""
    images = shapes["image"][0]
    if images > 1:
        return [{name: array[index : index + 1] for name, array in inputs.items()} for index in range(images)]
    if GUIDANCE not in inputs:
        return [dict(inputs)]
    most, count = ranges[GUIDANCE].largest[0], shapes[GUIDANCE][0]
    return [{**inputs, GUIDANCE: inputs[GUIDANCE][start : start + most]} for start in range(0, count, most)]
