"""ONNX models run by onnxruntime, on the CPU or on a GPU."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import onnxruntime

from engines.card import Card
from engines.errors import EngineError
from engines.interface import HostEngine, cores

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxEngine(HostEngine):
    """A model run by onnxruntime.

    model: the file's bytes, or its path, which is needed where its weights lie beside it. precision: what the model
    computes in, for reports. threads: of the CPU, None for all that this process may use. session: onnxruntime's own,
    None once the engine is closed.
    """

    runtime = "onnxruntime"

    def __init__(
        self,
        model: bytes | Path,
        card: Card,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        threads: int | None = None,
    ) -> None:
        self.device = device
        self.precision = precision
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.inter_op_num_threads = 1
        # Threads that spin while they wait win 6 % on an idle machine and cost the eraser's other threads far more.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        provider = PROVIDERS[device]
        settings = {"use_tf32": "0"} if device == "cuda" else {}  # who asks for FP32 wants all of its digits
        if device == "cuda" and hasattr(onnxruntime, "preload_dlls"):  # CUDA's libraries, where they are packages
            with redirect_stdout(sys.stderr):  # it prints what it does not find
                onnxruntime.preload_dlls()
        try:
            session = onnxruntime.InferenceSession(model, options, providers=[(provider, settings)])
        except Exception as error:  # onnxruntime's errors share no base class of their own
            reason = str(error).splitlines()[0]
            raise EngineError(f"{card.where}: onnxruntime can't load the model on {device} ({reason})") from error
        if provider not in session.get_providers():
            raise EngineError("onnxruntime found no GPU that it can use; choose --device cpu")
        self.session: onnxruntime.InferenceSession | None = session
        super().__init__(card, {item.name: item.shape[1] for item in session.get_inputs()})
        self._outputs = [item.name for item in session.get_outputs()]

    def close(self) -> None:
        """Free the network; `run` must not be called after it. Calling it twice does no harm."""
        self.session = None

    def _answer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.session is None:
            raise self._closed()
        return dict(zip(self._outputs, self.session.run(self._outputs, inputs), strict=True))


def has_cuda_provider() -> bool:
    """Whether this onnxruntime was made for CUDA (which says nothing about the machine)."""
    return PROVIDERS["cuda"] in onnxruntime.get_available_providers()
