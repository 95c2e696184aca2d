"""Which runtime to take, and why a better one can't be had here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import util

from engines.errors import EngineError
from engines.gpu import find_gpus

DEVICES = ("auto", "cpu", "cuda")
RUNTIMES = ("auto", "onnxruntime", "tensorrt", "torch")
TENSORRTS = ("tensorrt", "tensorrt_rtx")  # modules with the same classes; the second is for RTX cards
Place = tuple[str, str]  # runtime and device
ORDER: tuple[Place, ...] = (("tensorrt", "cuda"), ("onnxruntime", "cuda"), ("torch", "cuda"), ("onnxruntime", "cpu"))


def lack_of(place: Place) -> str:
    """What is missing for a runtime on a device, with what to do about it; empty when nothing is.

    The GPU comes first: nobody should install gigabytes to be told then that there is none.
    """
    return (find_gpus().lack if place[1] == "cuda" else "") or _LACKS[place]()


def candidates(runtime: str, device: str) -> list[Place]:
    """The places that a request leaves to choose from, the best first."""
    places = ORDER
    if runtime == "torch":
        places = (*ORDER, ("torch", "cpu"))  # far slower than onnxruntime there: only when asked for
    return [place for place in places if runtime in ("auto", place[0]) and device in ("auto", place[1])]


def refusal(runtime: str, device: str, lacks: dict[Place, str]) -> EngineError:
    """The error when none of the candidates will do. lacks: why, of each."""
    if not lacks:
        return EngineError(f"{runtime} needs a GPU; choose --device auto, or --runtime onnxruntime")
    if find_gpus().lack:
        way = "--device cpu" if runtime in ("auto", "onnxruntime") else "--runtime auto"
        return EngineError(f"there is no GPU that can be used here: {find_gpus().lack}; choose {way}")
    reasons = "; ".join(f"{name}: {lack}" for (name, _), lack in lacks.items())
    return EngineError(f"no runtime can be used on {device}: {reasons}; or choose --runtime auto --device auto")


def _lack_of_tensorrt() -> str:
    if not any(util.find_spec(name) for name in TENSORRTS):
        return "tensorrt is not installed (`pip install .[gpu]`; on a Jetson, JetPack brings it)"
    if not _has("cuda.bindings"):
        return "cuda-python is not installed (`pip install .[gpu]`)"
    return ""


def _lack_of_onnxruntime() -> str:
    return "" if _has("onnxruntime") else "onnxruntime is not installed (`pip install onnxruntime`)"


def _lack_of_onnxruntime_cuda() -> str:
    if lack := _lack_of_onnxruntime():
        return lack
    from engines.onnx_engine import has_cuda_provider

    if not has_cuda_provider():
        return "this onnxruntime is made for CPUs (`pip install onnxruntime-gpu` in place of onnxruntime)"
    return ""


def _lack_of_torch() -> str:
    for name in ("torch", "onnx"):
        if not _has(name):
            return f"{name} is not installed (`pip install .[train]`)"
    return ""


def _lack_of_torch_cuda() -> str:
    lack = _lack_of_torch()
    if not lack:
        import torch

        if not torch.cuda.is_available():
            lack = "this torch is made for CPUs, or for another driver"
    return lack


_LACKS: dict[Place, Callable[[], str]] = {
    ("tensorrt", "cuda"): _lack_of_tensorrt,
    ("onnxruntime", "cuda"): _lack_of_onnxruntime_cuda,
    ("torch", "cuda"): _lack_of_torch_cuda,
    ("torch", "cpu"): _lack_of_torch,
    ("onnxruntime", "cpu"): _lack_of_onnxruntime,
}


def _has(module: str) -> bool:
    try:
        return util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False
