"""A TensorRT that doubles its inputs, on the stand-in for CUDA, offering what a real version's bindings offer, no more.

What a version has not raises AttributeError here too, so `hasattr` sees the version; methods take the number of
arguments that the real ones take. Graphs are not read: `matte` and `object` are twice `image` and `guidance`.
"""

from __future__ import annotations

import ctypes
import json
import weakref
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from tests.engines.bindings import Offer
from tests.engines.fake_cuda import FakeCuda

DOUBLES = {"image": "matte", "guidance": "object"}


class Member(int):
    """A member of an enumeration."""


class FakeTensorRt:
    """The module. built: what was built so far, as dicts; broken: precisions in which engines give wrong answers;
    dead: whether nothing starts."""

    __name__ = "tensorrt"

    def __init__(self, version: str, offer: Offer, cuda: FakeCuda, inputs: tuple[str, ...] = ("image",)) -> None:
        self.__version__ = version
        self.offer, self.cuda, self.inputs = offer, cuda, inputs
        self.built: list[dict[str, Any]] = []
        self.broken: tuple[str, ...] = ()
        self.dead = False
        self.contexts = 0
        self.kernels: list[Any] = []  # what each context of RTX shares its kernels with

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self.offer:
            raise AttributeError(name)
        if name in ("ILogger", "IProgressMonitor"):
            return _base_class(self.offer, name)
        makers: dict[str, Callable[..., Any]] = {"Builder": _Builder, "OnnxParser": _Parser, "Runtime": _Runtime}
        if name in makers:
            return lambda *arguments: self._make(name, makers[name], *arguments)
        return _Enumeration(self.offer[name])

    def _make(self, name: str, maker: Callable[..., Any], *arguments: Any) -> Any:
        if self.dead:
            raise TypeError(f"pybind11::init(): factory function of {name} returned nullptr")
        return self.strict(name, maker(self, *arguments))

    def strict(self, kind: str, inner: Any) -> Any:
        """An object with the members of a real class alone."""
        return _Strict(self.offer[kind], kind, inner)


class _Strict:
    def __init__(self, members: dict[str, Any], kind: str, inner: Any) -> None:
        vars(self).update(_members=members, _kind=kind, _inner=inner)

    def __getattr__(self, name: str) -> Any:
        if name not in self._members:
            raise AttributeError(f"{self._kind} has no {name}")
        value = getattr(self._inner, name)
        overloads = self._members[name]
        if overloads is None:
            return value

        def method(*arguments: Any) -> Any:
            assert any(low <= len(arguments) <= high for low, high in overloads), f"{self._kind}.{name}{arguments}"
            return value(*arguments)

        return method

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._members:
            raise AttributeError(f"{self._kind} has no {name}")
        setattr(self._inner, name, value)


class _Enumeration:
    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    def __getattr__(self, name: str) -> Member:
        if name not in self._members:
            raise AttributeError(name)
        return Member(sorted(self._members).index(name))


def _base_class(offer: Offer, name: str) -> type:
    """A class to derive from, with the severities that a logger knows."""
    severities = ("INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE")
    members = {member: index for index, member in enumerate(severities) if member in offer[name]}
    return type(name, (), members)


class _Builder:
    def __init__(self, trt: FakeTensorRt, logger: Any) -> None:
        self.trt = trt

    def create_network(self, flags: int = 0) -> Any:
        self.flags = flags
        return self.trt.strict("INetworkDefinition", _Network(self.trt))

    def create_builder_config(self) -> Any:
        return self.trt.strict("IBuilderConfig", _Config(self.trt))

    def create_optimization_profile(self) -> Any:
        return self.trt.strict("IOptimizationProfile", _Profile())

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        config = config._inner
        names = ("STRONGLY_TYPED", "EXPLICIT_BATCH")
        flags = self.trt.NetworkDefinitionCreationFlag
        job = {
            "flags": [name for name in names if hasattr(flags, name) and self.flags == 1 << int(getattr(flags, name))],
            "allowed": [
                name
                for name in ("FP16", "INT8", "PREFER_PRECISION_CONSTRAINTS")
                if hasattr(self.trt.BuilderFlag, name) and getattr(self.trt.BuilderFlag, name) in config.flags
            ],
            "tf32": self.trt.BuilderFlag.TF32 in config.flags,
            "kept": [layer.name for layer in network._inner.layers if layer.precision is not None],
            "graph": network._inner.graph,
            "shapes": config.profile.shapes,
            "fixed": [tensor.shape for tensor in network._inner.tensors],
            "sources": config.sources,
            "timing": config.timing.contents.decode(),
        }
        if getattr(config, "progress_monitor", None) is not None:
            monitor = config.progress_monitor
            monitor.phase_start("outer", None, 2)
            monitor.phase_start("inner", "outer", 9)
            goes_on = [monitor.step_complete("inner", 0), monitor.step_complete("outer", 0)]
            monitor.phase_finish("inner")
            if not all([*goes_on, monitor.step_complete("outer", 1)]):
                return None
        self.trt.built.append(job)
        factor = 2.5 if any(precision in job["graph"] for precision in self.trt.broken) else 2.0
        recordable = getattr(self.trt.BuilderFlag, "REQUIRE_USER_ALLOCATION", None) in {None, *config.flags}
        return json.dumps({"shapes": job["shapes"], "factor": factor, "recordable": recordable}).encode()


class _Network:
    graph = ""

    def __init__(self, trt: FakeTensorRt) -> None:
        self.trt = trt
        self.num_inputs = len(trt.inputs)
        self.tensors = [_Tensor(name) for name in trt.inputs]
        half, full = trt.DataType.HALF, trt.DataType.FLOAT
        self.layers = [
            _Layer(trt, "weight", (), full),
            _Layer(trt, "half", (half, None), half),
            _Layer(trt, "widened", (half,), full),
            _Layer(trt, "full", (full, None), full),
        ]
        self.num_layers = len(self.layers)

    def get_input(self, index: int) -> Any:
        return self.trt.strict("ITensor", self.tensors[index])

    def get_layer(self, index: int) -> Any:
        return self.trt.strict("ILayer", self.layers[index])


class _Tensor:
    def __init__(self, name: str, dtype: int | None = None) -> None:
        self.name, self.shape, self.dtype = name, (-1, 3, -1, -1), dtype


class _Layer:
    """precision: what was asked for; inputs: their types, None for one that is left out."""

    num_outputs = 1
    precision: int | None = None

    def __init__(self, trt: FakeTensorRt, name: str, inputs: tuple[int | None, ...], output: int) -> None:
        self.trt, self.name, self.inputs, self.output = trt, name, inputs, output
        self.num_inputs = len(inputs)

    def get_input(self, index: int) -> Any:
        return None if self.inputs[index] is None else self._tensor(self.inputs[index])

    def get_output(self, index: int) -> Any:
        return self._tensor(self.output)

    def _tensor(self, kind: int | None) -> Any:
        return self.trt.strict("ITensor", _Tensor(self.name, kind))


class _Parser:
    num_errors = 1

    def __init__(self, trt: FakeTensorRt, network: Any, logger: Any) -> None:
        self.trt, self.network = trt, network._inner

    def parse_from_file(self, path: str) -> bool:
        self.network.graph = path.rsplit("/", 1)[-1]
        if "unguided" in self.network.graph:
            self.network.num_inputs = 1
            del self.network.tensors[1:]
        return "unreadable" not in path

    def get_error(self, index: int) -> Any:
        return self.trt.strict("ParserError", type("Error", (), {"desc": lambda: "an operator is unknown"}))


class _Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, name: str, smallest: Any, usual: Any, largest: Any) -> None:
        self.shapes[name] = [list(smallest), list(usual), list(largest)]


class _Timing:
    def __init__(self, contents: bytes) -> None:
        self.contents = contents

    def serialize(self) -> bytes:
        return b"learnt"


class _Config:
    def __init__(self, trt: FakeTensorRt) -> None:
        self.trt = trt
        self.flags: set[int] = {trt.BuilderFlag.TF32}
        self.limits: dict[int, int] = {}
        self.previews: dict[int, bool] = {}
        self.sources = 0

    def set_memory_pool_limit(self, pool: int, size: int) -> None:
        self.limits[pool] = size

    def set_flag(self, flag: int) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: int) -> None:
        self.flags.discard(flag)

    def set_tactic_sources(self, sources: int) -> bool:
        self.sources = sources
        return True

    def set_preview_feature(self, feature: int, on: bool) -> None:
        self.previews[feature] = on

    def create_timing_cache(self, contents: bytes) -> Any:
        return self.trt.strict("ITimingCache", _Timing(contents))

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        self.timing = cache._inner
        return self.timing.contents != b"another GPU's"

    def add_optimization_profile(self, profile: Any) -> int:
        self.profile = profile._inner
        return 0


class _Runtime:
    def __init__(self, trt: FakeTensorRt, logger: Any) -> None:
        self.trt = trt

    def deserialize_cuda_engine(self, plan: bytes) -> Any:
        try:
            values = json.loads(plan)
        except ValueError:
            return None
        return self.trt.strict("ICudaEngine", _Engine(self.trt, **values))


class _Engine:
    device_memory_size = 4096

    def __init__(self, trt: FakeTensorRt, shapes: dict[str, Any], factor: float, recordable: bool) -> None:
        self.trt, self.shapes, self.factor, self.recordable = trt, shapes, factor, recordable
        self.names = [*shapes, *(DOUBLES[name] for name in shapes)]
        self.num_io_tensors = len(self.names)
        self.lasting = not hasattr(trt, "DynamicShapesKernelSpecializationStrategy")  # the first run's kernels are

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def get_tensor_mode(self, name: str) -> int:
        return self.trt.TensorIOMode.INPUT if name in self.shapes else self.trt.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> int:
        return self.trt.DataType.FLOAT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return -1, 3, -1, -1

    def get_tensor_profile_shape(self, name: str, index: int) -> list[list[int]]:
        return self.shapes[name]

    def create_engine_inspector(self) -> Any:
        text = json.dumps({"Layers": [{"Name": "a", "Outputs": [{"Format/Datatype": "Row major Half"}]}, "b"]})
        return self.trt.strict("EngineInspector", type("I", (), {"get_engine_information": lambda format: text}))

    def create_runtime_config(self) -> Any:
        return self.trt.strict("IRuntimeConfig", _RuntimeConfig(self.trt))

    def create_execution_context(self, given: Any) -> Any:
        if isinstance(given, _Strict):  # a configuration, of RTX
            config, strategies = given._inner, self.trt.DynamicShapesKernelSpecializationStrategy
            self.trt.kernels.append(config.cache())
            self.lasting = config.dynamic_shapes_kernel_specialization_strategy == strategies.EAGER
            given = config.allocation
        assert given == self.trt.ExecutionContextAllocationStrategy.USER_MANAGED
        return self.create_execution_context_without_device_memory()

    def create_execution_context_without_device_memory(self) -> Any:
        self.trt.contexts += 1
        return self.trt.strict("IExecutionContext", _Context(self))


class _RuntimeConfig:
    """cache: a weak reference, as the real one holds nothing."""

    def __init__(self, trt: FakeTensorRt) -> None:
        self.trt = trt
        self.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.LAZY

    def set_execution_context_allocation_strategy(self, strategy: int) -> None:
        self.allocation = strategy

    def create_runtime_cache(self) -> Any:
        return self.trt.strict("IRuntimeCache", None)

    def set_runtime_cache(self, cache: Any) -> bool:
        self.cache = weakref.ref(cache)
        return True


class _Context:
    device_memory = 0

    def __init__(self, engine: _Engine) -> None:
        self.engine = engine
        self.addresses: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.profile: int | None = None
        self.ran = False  # since shapes and memory were set

    def update_device_memory_size_for_shapes(self) -> int:
        assert not self.infer_shapes(), "the shapes are not set"
        return 4 * max(prod(shape) for shape in self.shapes.values())

    def set_device_memory(self, memory: int, size: int) -> None:
        assert size == self.update_device_memory_size_for_shapes()
        self.device_memory = memory
        self.ran = False

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        self.profile = index
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        smallest, _, largest = self.engine.shapes[name]
        self.shapes[name], self.ran = shape, False
        return all(low <= side <= high for low, side, high in zip(smallest, shape, largest, strict=True))

    def infer_shapes(self) -> list[str]:
        return [name for name in self.engine.shapes if name not in self.shapes]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return next(self.shapes[entry] for entry in self.shapes if DOUBLES[entry] == name)

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.addresses[name] = memory
        return True

    def is_stream_capturable(self, stream: int) -> bool:
        return self.engine.recordable

    def execute_async_v3(self, stream: int) -> bool:
        assert self.device_memory in self.engine.trt.cuda.memory, "the context has no working memory"
        assert self.profile == 0
        assert self.addresses.keys() == set(self.engine.names), "an address is missing"
        if self.engine.trt.cuda.records:
            assert self.ran, "the first run does things that no graph may hold"
            assert self.engine.recordable, "memory may be asked for, which no graph may hold"
            assert self.engine.lasting, "the graph would keep kernels that stand in for better ones"
        self.ran = True
        self.engine.trt.cuda.calls.append("execute_async_v3")
        self.engine.trt.cuda.work(stream, self._double)
        return True

    def _double(self) -> None:
        for name, shape in self.shapes.items():
            source, target = (
                np.ctypeslib.as_array((ctypes.c_float * prod(shape)).from_address(self.addresses[end]))
                for end in (name, DOUBLES[name])
            )
            target[:] = source * self.engine.factor
