"""Run a network: named arrays in, named arrays out, whatever is underneath.

    engine = load_engine("swift", "segmenter")
    matte = engine.run(image=image)["matte"]

Imports NumPy and onnxruntime, no training code. A model is a folder with `model.onnx` and `card.json`, an .onnx file
with its card beside it (`card.json` or the same stem with .json), or the name of one that this package ships.
"""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass
from importlib import resources, util
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Protocol

import numpy as np
import onnxruntime

from engines.card import TASKS, Card, load_card
from engines.errors import EngineError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

DEFAULT_SEGMENTER = "swift"
DEFAULT_FILLER = "swift"
DEVICES = ("auto", "cpu", "cuda")
RUNTIMES = ("auto", "onnxruntime", "tensorrt", "torch")
GUIDANCE = "guidance"  # the one input that may be left out, and that may hold more than the image does


@dataclass(frozen=True)
class Timing:
    """Milliseconds of the last run and the median of the latest hundred; runs: how many there were (warm-up not)."""

    last: float
    median: float
    runs: int


class Engine(Protocol):
    """A loaded network. `device` is "cpu" or "cuda", `runtime` the library that runs it."""

    card: Card
    device: str
    runtime: str

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Named (N, C, H, W) float32 arrays in and out; EngineError when they don't fit the network.

        A segmenter whose card names a guidance takes it for as many objects as there are images, for any number of
        objects in a single image, or not at all (nothing is guided to).
        """

    def warm_up(self, height: int, width: int) -> None:
        """Run once on black pictures of this size, so that the first real run is as fast as the others."""

    @property
    def timing(self) -> Timing:
        """How long the runs took."""

    def close(self) -> None:
        """Free the network; `run` must not be called after it. Calling it twice does no harm."""


class OnnxEngine:
    """An ONNX model run by onnxruntime, on the CPU or on a GPU."""

    runtime = "onnxruntime"

    def __init__(self, model: bytes, card: Card, *, device: str = "cpu", threads: int | None = None) -> None:
        self.card = card
        self.device = device
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or _cores()
        options.inter_op_num_threads = 1
        # Threads that spin while they wait win 6 % on an idle machine and cost the eraser's other threads far more.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
        try:
            session = onnxruntime.InferenceSession(model, options, providers=[provider])
        except Exception as error:  # onnxruntime's errors share no base class of their own
            reason = str(error).splitlines()[0]
            raise EngineError(f"{card.where}: onnxruntime can't load the model on {device} ({reason})") from error
        if provider not in session.get_providers():
            raise EngineError("onnxruntime found no GPU that it can use; choose --device cpu")
        self._session: onnxruntime.InferenceSession | None = session
        self._channels = {item.name: item.shape[1] for item in session.get_inputs()}
        self._outputs = [item.name for item in session.get_outputs()]
        self._times: deque[float] = deque(maxlen=100)
        self._runs = 0

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Named (N, C, H, W) float32 arrays in and out; EngineError when they don't fit the network."""
        image = inputs.get("image")
        if image is not None and image.ndim == 4 and GUIDANCE in self._channels and GUIDANCE not in inputs:
            shape = image.shape[0], self._channels[GUIDANCE], *image.shape[2:]
            inputs[GUIDANCE] = np.zeros(shape, np.float32)
        self._check(inputs)
        started = time.perf_counter()
        outputs = self._run(inputs)
        self._times.append((time.perf_counter() - started) * 1000)
        self._runs += 1
        return outputs

    def warm_up(self, height: int, width: int) -> None:
        """Run once on black pictures of this size, so that the first real run is as fast as the others."""
        inputs = {name: np.zeros((1, count, height, width), np.float32) for name, count in self._channels.items()}
        self._check(inputs)
        self._run(inputs)

    @property
    def timing(self) -> Timing:
        """How long the runs took; zeros before the first."""
        if not self._times:
            return Timing(0.0, 0.0, 0)
        return Timing(self._times[-1], median(self._times), self._runs)

    def close(self) -> None:
        """Free the network; `run` must not be called after it. Calling it twice does no harm."""
        self._session = None

    def _run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self._session is None:
            raise EngineError(f"the {self.card.task} {self.card.name} was closed; load it again")
        return dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))

    def _check(self, inputs: dict[str, np.ndarray]) -> None:
        who = f"the {self.card.task} {self.card.name}"
        if inputs.keys() != self._channels.keys():
            raise EngineError(f"{who} takes {', '.join(self._channels)}, not {', '.join(inputs) or 'nothing'}")
        for name, array in inputs.items():
            if array.dtype != np.float32 or array.ndim != 4 or array.shape[1] != self._channels[name]:
                wanted = f"float32 (N, {self._channels[name]}, H, W)"
                raise EngineError(f"{who} takes {name} as {wanted}, not {array.dtype} {array.shape}")
            if any(side == 0 or side % self.card.multiple for side in array.shape[2:]):
                height, width = array.shape[2:]
                raise EngineError(
                    f"{who} takes multiples of {self.card.multiple} as height and width, not {height}x{width}"
                )
        single = GUIDANCE in inputs and inputs["image"].shape[0] == 1 and inputs[GUIDANCE].shape[0] > 0
        counts = {1 if single else array.shape[0] for array in inputs.values()}
        if len(counts) > 1 or len({array.shape[2:] for array in inputs.values()}) > 1:
            raise EngineError(f"{who} takes inputs of one size, not {[array.shape for array in inputs.values()]}")


def load_engine(
    model: str | Path, task: str, *, device: str = "auto", runtime: str = "auto", threads: int | None = None
) -> Engine:
    """Load a model for a task ("segmenter" or "filler").

    model: a shipped name, a folder, or an .onnx file with its card beside it. device: "auto" (a GPU where onnxruntime
    can use one), "cpu" or "cuda". runtime: "auto", "onnxruntime", "tensorrt" or "torch". threads: of the CPU, None for
    all that this process may use. EngineError when the model, its card, the device or the runtime doesn't do.
    """
    _choose(device, DEVICES, "device")
    _choose(runtime, RUNTIMES, "runtime")
    _choose(task, TASKS, "task")
    if threads is not None and threads < 1:
        raise EngineError(f"threads is {threads}; it must be at least 1")
    file, card = _locate(model, task)
    if card.task != task:
        raise EngineError(f"{model} is a {card.task}, not a {task}; the {task}s here: {_names(task)}")
    _require_runtime(runtime, card)
    device = _device(device)
    content = file.read_bytes()
    card.check_model(content)
    return OnnxEngine(content, card, device=device, threads=threads)


def available_models(task: str) -> list[str]:
    """Names of the models that this package ships for a task."""
    folder = _weights() / task
    if not folder.is_dir():
        return []
    return sorted(item.name for item in folder.iterdir() if (item / "card.json").is_file())


def _weights() -> Traversable:
    return resources.files("engines") / "weights"


def _locate(model: str | Path, task: str) -> tuple[Traversable, Card]:
    """The model's file and its card."""
    if str(model) in available_models(task):
        folder = _weights() / task / str(model)
        return folder / "model.onnx", load_card(folder / "card.json")
    path = Path(model)
    if path.is_dir():
        file, card = path / "model.onnx", path / "card.json"
    elif path.suffix == ".onnx":
        file, card = path, path.with_suffix(".json")
        if not card.exists():
            card = path.parent / "card.json"
    else:
        raise EngineError(
            f"there is no {task} {str(model)!r}; choose one of {_names(task)}, or a path to an .onnx file"
        )
    if not file.is_file():
        raise EngineError(f"{file} is missing; a model is a folder with model.onnx and card.json, or an .onnx file")
    return file, load_card(card)


def _names(task: str) -> str:
    return ", ".join(available_models(task)) or "(none)"


def _choose(value: str, choices: tuple[str, ...], what: str) -> None:
    if value not in choices:
        raise EngineError(f"{what} is {value!r}; choose one of {', '.join(choices)}")


def _require_runtime(runtime: str, card: Card) -> None:
    """EngineError unless onnxruntime is what was asked for and can run the model."""
    if runtime in ("tensorrt", "torch"):
        if util.find_spec(runtime) is None:
            extra = {"tensorrt": "gpu", "torch": "train"}[runtime]
            raise EngineError(f"{runtime} is not installed; `pip install .[{extra}]`, or choose --runtime onnxruntime")
        raise EngineError(f"{card.name} has no {runtime} engine yet; choose --runtime onnxruntime")
    if card.runtime != "onnx":
        raise EngineError(f"{card.name} is a {card.runtime} model, which this version can't run; choose an ONNX model")


def _device(device: str) -> str:
    has_gpu = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not has_gpu:
        raise EngineError(
            "there is no GPU that onnxruntime can use here (it needs onnxruntime-gpu and an NVIDIA driver); "
            "choose --device cpu"
        )
    return "cuda" if has_gpu and device != "cpu" else "cpu"


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
