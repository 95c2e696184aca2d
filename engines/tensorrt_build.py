"""From an ONNX graph to a TensorRT engine, with any TensorRT from 8.6 to 11, or TensorRT-RTX.

The versions differ in how a network learns its types. 11 and RTX take them from the graph, always. 10 does so when told
(STRONGLY_TYPED). 8 never does: it chooses, and FP16 and INT8 must be allowed. All differences are asked for by
`hasattr`, never by number. Building needs a GPU, but for RTX, which builds for any of its GPUs without one.
"""

from __future__ import annotations

import importlib
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engines.choice import TENSORRTS
from engines.errors import EngineError

Shape = tuple[int, ...]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Range:
    """The shapes of an input that an engine takes: smallest, the one that it is made fast for, largest."""

    smallest: Shape
    usual: Shape
    largest: Shape


@dataclass(frozen=True)
class Job:
    """What to build.

    precision: "fp16", "mixed" (of FP16 and FP32), "fp32" or "int8". typed: whether the graph itself says so
    (`engines.graphs` makes such ones, and one with QuantizeLinear does); otherwise it is FP32, and TensorRT 8 and 10
    choose by themselves. workspace: bytes
    that a layer may use besides its inputs and outputs. level: builder optimisation level, 0 to 5, None for TensorRT's.
    """

    graph: Path
    precision: str
    typed: bool
    ranges: Mapping[str, Range]
    workspace: int = 1 << 30
    level: int | None = None


def tensorrt_module() -> Any:
    """The first TensorRT that can be imported; EngineError where none can."""
    reasons: list[str] = []
    for name in TENSORRTS:
        with _noting(reasons):
            return importlib.import_module(name)
    raise EngineError(f"TensorRT can't be used ({'; '.join(reasons)}); `pip install .[gpu]`")


@contextmanager
def _noting(reasons: list[str]) -> Iterator[None]:
    try:
        yield
    except (ImportError, OSError, RuntimeError) as error:  # of broken installs all three are seen
        reasons.append(str(error))


def version_of(trt: Any) -> str:
    """Name and version, such as "tensorrt 10.16.1"."""
    return f"{trt.__name__} {trt.__version__}"


@lru_cache(maxsize=2)
def logger_of(trt: Any) -> Any:
    """The one logger that all of a module's objects share; it passes on to `logging` and keeps the errors."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(msg)
            if severity != trt.ILogger.VERBOSE:
                _log.debug("TensorRT: %s", msg)

    return Log()


def build_plan(
    trt: Any, job: Job, timing: bytes = b"", progress: Callable[[float], None] | None = None
) -> tuple[bytes, bytes]:
    """Build; returns the engine and TensorRT's timing cache, which makes the next build faster (give it as `timing`).

    progress: called with the share that is done, in [0, 1], where this TensorRT tells. EngineError with TensorRT's own
    words when the graph can't be read or built.
    """
    logger = logger_of(trt)
    logger.errors.clear()
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # what its bindings make of a null pointer
        raise failure(logger, "TensorRT does not start") from error
    network = builder.create_network(_network_flags(trt, job))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(job.graph)):
        logger.errors[:] = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise failure(logger, f"TensorRT can't read {job.graph}")
    config = builder.create_builder_config()
    cache = _configure(trt, config, job, timing)
    if job.typed and job.precision in ("fp16", "mixed") and _chooses_types(trt, job):
        _keep_full(trt, config, network)
    config.add_optimization_profile(_profile(builder, network, job))
    monitor = None
    if progress is not None and hasattr(trt, "IProgressMonitor"):
        monitor = config.progress_monitor = _monitor(trt, progress)
    plan = builder.build_serialized_network(network, config)
    if monitor is not None and monitor.stopped is not None:
        raise monitor.stopped
    if plan is None:
        raise failure(logger, f"TensorRT can't build {job.graph}")
    return bytes(memoryview(plan)), b"" if cache is None else bytes(memoryview(cache.serialize()))


def layer_types(trt: Any, engine: Any) -> dict[str, int]:
    """How many layers give results of which type, by the engine inspector's word; empty where it says nothing."""
    text = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    try:
        layers = json.loads(text)["Layers"]
    except (ValueError, KeyError, TypeError):
        return {}
    kinds: Counter[str] = Counter()
    for layer in layers:
        outputs = layer.get("Outputs") if isinstance(layer, dict) else None
        kinds[_kind(outputs[0]) if outputs else "other"] += 1
    return dict(kinds.most_common())


def _kind(tensor: Mapping[str, Any]) -> str:
    """FP16, FP32, INT8 or other, of a tensor as the inspector describes it; the words differ between versions."""
    text = " ".join(str(tensor.get(name, "")) for name in ("Datatype", "Format/Datatype", "Format"))
    for kind, words in (("FP16", r"FP16|Half"), ("INT8", r"INT8"), ("FP32", r"FP32|Float")):
        if re.search(words, text, re.IGNORECASE):
            return kind
    return "other"


def _network_flags(trt: Any, job: Job) -> int:
    flags = trt.NetworkDefinitionCreationFlag
    if not hasattr(trt.BuilderFlag, "FP16"):
        if not job.typed and job.precision != "fp32":
            raise EngineError(
                f"{version_of(trt)} computes in what the graph says, and {job.graph} says FP32; "
                f"`python -m engines.graphs {job.graph.parent}` makes one that says FP16"
            )
        return 0
    if hasattr(flags, "STRONGLY_TYPED"):
        return 1 << int(flags.STRONGLY_TYPED) if job.typed else 0
    return 1 << int(flags.EXPLICIT_BATCH)


def _configure(trt: Any, config: Any, job: Job, timing: bytes) -> Any | None:
    """Set what the job asks for; returns the timing cache in use, if any."""
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, job.workspace)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # or the inspector does not know the types
    if job.level is not None:
        config.builder_optimization_level = job.level
    if job.precision in ("fp32", "mixed"):
        config.clear_flag(trt.BuilderFlag.TF32)  # who asks for FP32 wants all of its digits: TF32 has as few as FP16
    if _chooses_types(trt, job):
        for flag in {"fp32": (), "int8": ("FP16", "INT8")}.get(job.precision, ("FP16",)):
            config.set_flag(getattr(trt.BuilderFlag, flag))
    if not hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED") and hasattr(trt.BuilderFlag, "FP16"):
        sources = trt.TacticSource.EDGE_MASK_CONVOLUTIONS, trt.TacticSource.JIT_CONVOLUTIONS
        config.set_tactic_sources(sum(1 << int(source) for source in sources))  # as later ones: no cuBLAS, no cuDNN
    if hasattr(trt.PreviewFeature, "PROFILE_SHARING_0806"):  # of 8.6; later it is always so
        config.set_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806, True)
    if hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"):  # of RTX; no graph may hold a run that asks for memory
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    if trt.__name__ == TENSORRTS[1]:  # RTX measures nothing when it builds, and warns of what it will drop
        return None
    for contents in dict.fromkeys((timing, b"")):  # one that is damaged, or another GPU's, is left out
        cache = config.create_timing_cache(contents)
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
    return None


def _chooses_types(trt: Any, job: Job) -> bool:
    if not hasattr(trt.BuilderFlag, "FP16"):
        return False
    return not (job.typed and hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"))


def _keep_full(trt: Any, config: Any, network: Any) -> None:
    """Ask TensorRT 8, which may compute in FP16 whatever it likes, for FP32 where the graph has it on both sides."""
    config.set_flag(trt.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)  # whether it did, the answers tell
    for layer in map(network.get_layer, range(network.num_layers)):
        around = [layer.get_input(index) for index in range(layer.num_inputs)]
        around += [layer.get_output(index) for index in range(layer.num_outputs)]
        types = {tensor.dtype for tensor in around if tensor is not None}
        if layer.num_inputs and types == {trt.DataType.FLOAT}:
            layer.precision = trt.DataType.FLOAT


def _profile(builder: Any, network: Any, job: Job) -> Any:
    """The ranges of all inputs. Sides that don't vary are told to the network too, which is built for them alone."""
    inputs = {tensor.name: tensor for tensor in map(network.get_input, range(network.num_inputs))}
    if inputs.keys() != job.ranges.keys():
        raise EngineError(f"{job.graph} takes {', '.join(sorted(inputs))}, not {', '.join(sorted(job.ranges))}")
    profile = builder.create_optimization_profile()
    for name, shapes in job.ranges.items():
        sides = zip(shapes.smallest, shapes.largest, strict=True)
        inputs[name].shape = tuple(low if low == high else -1 for low, high in sides)
        profile.set_shape(name, shapes.smallest, shapes.usual, shapes.largest)
    return profile


def _monitor(trt: Any, progress: Callable[[float], None]) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Follows the outermost phase; the others are parts of its steps. stopped: by what the build was, if it was."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.phase, self.steps = "", 1
            self.stopped: BaseException | None = None

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if not parent_phase:
                self.phase, self.steps = phase_name, max(num_steps, 1)

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:
                if phase_name == self.phase:
                    progress((step + 1) / self.steps)
            except BaseException as error:  # Ctrl-C too: none may pass through TensorRT, which ends when told so
                self.stopped = error
            return self.stopped is None

        def phase_finish(self, phase_name: str) -> None:
            pass

    return Monitor()


def failure(logger: Any, what: str) -> EngineError:
    """An error that says what failed, and the last that TensorRT's logger was told."""
    reason = "; ".join(dict.fromkeys(" ".join(error.split()) for error in logger.errors[-3:]))
    return EngineError(f"{what} ({reason[:400] or 'it gives no reason'})")
