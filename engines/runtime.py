"""Run a network: named arrays in, named arrays out, whatever is underneath.

    engine = load_engine("swift", "segmenter")
    matte = engine.run(image=image)["matte"]

Imports NumPy alone, and of the runtimes the one that is chosen. A model is a folder with
`model.onnx` and `card.json`, an .onnx file with its card beside it (`card.json` or the same stem with .json), or the
name of one that this package ships.
"""

from __future__ import annotations

import logging
from pathlib import Path

from engines.card import TASKS
from engines.choice import DEVICES, RUNTIMES, Place, candidates, lack_of, refusal
from engines.errors import EngineError
from engines.interface import GUIDANCE, Engine, Timing
from engines.models import Model, available_models, find_model

__all__ = [
    "DEFAULT_FILLER",
    "DEFAULT_SEGMENTER",
    "DEVICES",
    "GUIDANCE",
    "RUNTIMES",
    "Engine",
    "Timing",
    "available_models",
    "load_engine",
]

DEFAULT_SEGMENTER = "swift"
DEFAULT_FILLER = "swift"
_log = logging.getLogger(__name__)


def load_engine(
    model: str | Path | Model, task: str, *, device: str = "auto", runtime: str = "auto", threads: int | None = None
) -> Engine:
    """Load a model for a task ("segmenter" or "filler").

    model: a shipped name, a folder, or an .onnx file with its card beside it; or what `find_model` found. device:
    "auto" (a GPU where one can be used), "cpu" or "cuda". runtime: "auto" (the best that is here: TensorRT, onnxruntime
    on CUDA, torch on CUDA, onnxruntime on the CPU), "onnxruntime", "tensorrt" or "torch". threads: of the CPU, None for
    all that this process may use. EngineError when the model, its card, the device or the runtime doesn't do.
    """
    if device.startswith("cuda:"):
        way = f"say cuda, and CUDA_VISIBLE_DEVICES={device[5:]} in the environment, which chooses the GPU"
        raise EngineError(f"device is {device!r}; {way}")
    _choose(device, DEVICES, "device")
    _choose(runtime, RUNTIMES, "runtime")
    _choose(task, TASKS, "task")
    if threads is not None and threads < 1:
        raise EngineError(f"threads is {threads}; it must be at least 1")
    found = model if isinstance(model, Model) else find_model(model, task)
    if found.card.runtime == "torch":
        return _load_torch(found, runtime, device, threads)
    lacks: dict[Place, str] = {}
    for place in candidates(runtime, device):
        lacks[place] = lack_of(place)
        if not lacks[place]:
            try:
                return _load(found, place, threads)
            except EngineError as error:
                if runtime != "auto" or place == ("onnxruntime", "cpu"):
                    raise
                lacks[place] = str(error)
                _log.warning("%s %s: %s on %s failed: %s", task, found.card.name, *place, error)
        _log.debug("%s %s: not %s on %s: %s", task, found.card.name, *place, lacks[place])
    raise refusal(runtime, device, lacks)


def _load(model: Model, place: Place, threads: int | None) -> Engine:
    runtime, device = place
    if runtime == "tensorrt":
        from engines.build import load_all

        return load_all(model)
    if runtime == "torch":
        from engines.onnx_torch import OnnxTorchEngine

        return OnnxTorchEngine(model, device=device)
    from engines.onnx_engine import OnnxEngine

    graph = model.graph("fp32") if device == "cuda" else None  # the CPU's has branches, which would stop a GPU
    return OnnxEngine(graph or model.content(), model.card, device=device, threads=threads)


def _load_torch(model: Model, runtime: str, device: str, threads: int | None) -> Engine:
    """A model that is no graph, so that nothing but torch can run it."""
    if runtime not in ("auto", "torch"):
        raise EngineError(f"{model.card.name} is a torch model; choose --runtime auto, or an ONNX model")
    try:
        from engines.torch_engine import load_torch
    except ImportError as error:
        lack = f"{error.name}, which is not installed; `pip install .[train]`, or choose an ONNX model"
        raise EngineError(f"{model.card.name} needs {lack}") from error
    return load_torch(model, device=device, threads=threads)


def _choose(value: str, choices: tuple[str, ...], what: str) -> None:
    if value not in choices:
        raise EngineError(f"{what} is {value!r}; choose one of {', '.join(choices)}")
