"""ONNX models run by onnxruntime, on the CPU or on a GPU."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnxruntime

from engines.card import Card
from engines.errors import EngineError
from engines.interface import GUIDANCE, Clock, Entries, Timing, cores

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxEngine:
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
        self.card = card
        self.device = device
        self.precision = precision
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.inter_op_num_threads = 1
        # Threads that spin while they wait win 6 % on an idle machine and cost the eraser's other threads far more.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        provider = PROVIDERS[device]
        try:
            session = onnxruntime.InferenceSession(model, options, providers=[provider])
        except Exception as error:  # onnxruntime's errors share no base class of their own
            reason = str(error).splitlines()[0]
            raise EngineError(f"{card.where}: onnxruntime can't load the model on {device} ({reason})") from error
        if provider not in session.get_providers():
            raise EngineError("onnxruntime found no GPU that it can use; choose --device cpu")
        self.session: onnxruntime.InferenceSession | None = session
        self._entries = Entries(card, {item.name: item.shape[1] for item in session.get_inputs()})
        self._outputs = [item.name for item in session.get_outputs()]
        self._clock = Clock()

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Named (N, C, H, W) float32 arrays in and out; EngineError when they don't fit the network."""
        if self._entries.lacks_guidance(inputs):
            inputs[GUIDANCE] = np.zeros(self._entries.unguided(inputs["image"].shape), np.float32)
        self._entries.check(inputs)
        started = time.perf_counter()
        outputs = self._run(inputs)
        self._clock.add((time.perf_counter() - started) * 1000)
        return outputs

    def warm_up(self, height: int, width: int) -> None:
        """Run once on black pictures of this size, so that the first real run is as fast as the others."""
        inputs = self._entries.black(height, width)
        self._entries.check(inputs)
        self._run(inputs)

    @property
    def timing(self) -> Timing:
        """How long the runs took; zeros before the first."""
        return self._clock.timing

    def close(self) -> None:
        """Free the network; `run` must not be called after it. Calling it twice does no harm."""
        self.session = None

    def _run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.session is None:
            raise EngineError(f"{self._entries.who} was closed; load it again")
        return dict(zip(self._outputs, self.session.run(self._outputs, inputs), strict=True))


def has_cuda_provider() -> bool:
    """Whether this onnxruntime was made for CUDA (which says nothing about the machine)."""
    return PROVIDERS["cuda"] in onnxruntime.get_available_providers()
