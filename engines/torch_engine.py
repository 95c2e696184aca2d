"""Models that torch itself runs, because they are no feed-forward graph: `runtime: torch` in their cards.

Imported only when such a model is chosen; everything else about an engine is as for ONNX models.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.card import Card
from engines.errors import EngineError
from engines.interface import GUIDANCE, Clock, Entries, Timing, cores
from engines.models import Model

_log = logging.getLogger(__name__)

Run = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


class TorchEngine:
    """A network that torch runs; `run` as `engines.interface.Engine` promises."""

    runtime = "torch"
    precision = "fp32"

    def __init__(self, card: Card, run: Run, channels: Mapping[str, int], device: str, threads: int | None) -> None:
        self.card = card
        self.device = device
        self._entries = Entries(card, channels)
        self._network: Run | None = run
        self._clock = Clock()
        self._threads = threads or cores()

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Named (N, C, H, W) float32 arrays in and out; EngineError when they don't fit the network."""
        if self._entries.lacks_guidance(inputs):
            inputs[GUIDANCE] = np.zeros((0, *self._entries.unguided(inputs["image"].shape)[1:]), np.float32)
        else:
            self._entries.check(inputs)
        if self._network is None:
            raise EngineError(f"{self._entries.who} was closed; load it again")
        torch.set_num_threads(self._threads)  # of the process, so whoever runs sets it
        started = time.perf_counter()
        with torch.no_grad():
            outputs = self._network({name: torch.from_numpy(array).to(self.device) for name, array in inputs.items()})
        self._clock.add((time.perf_counter() - started) * 1000)
        return {name: output.float().cpu().numpy() for name, output in outputs.items()}

    def warm_up(self, height: int, width: int) -> None:
        """Nothing is gained by a run ahead: torch prepares nothing."""

    @property
    def timing(self) -> Timing:
        """How long the runs took; zeros before the first."""
        return self._clock.timing

    def close(self) -> None:
        """Free the network; `run` must not be called after it. Calling it twice does no harm."""
        self._network = None


def load_torch(model: Model, *, device: str = "auto", threads: int | None = None) -> TorchEngine:
    """Load a model whose card says `runtime: torch`; EngineError when it or its weights are not there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("there is no GPU that torch can use; choose --device cpu")
    place = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    if model.card.network not in _NETWORKS:
        raise EngineError(f"{model.card.where}: this version knows no network {model.card.network!r}")
    run, channels = _NETWORKS[model.card.network](model, place)
    return TorchEngine(model.card, run, channels, place, threads)


def _dcgan(model: Model, device: str) -> tuple[Run, dict[str, int]]:
    from engines.classics.dcgan import DCGAN, Search, complete_any

    network = DCGAN()
    state = torch.load(io.BytesIO(model.content()), map_location="cpu", weights_only=True)
    network.load_state_dict(state)
    network.to(device).eval()
    _log.warning("filler %s: every fill is a search that takes seconds; for stills and clean plates", model.card.name)

    def run(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        pairs = zip(inputs["image"], inputs["mask"], strict=True)
        with torch.enable_grad():
            return {"image_filled": torch.stack([complete_any(network, *pair, Search()) for pair in pairs])}

    return run, {"image": 3, "mask": 1}


def _maskrcnn(model: Model, device: str) -> tuple[Run, dict[str, int]]:
    from engines.classics import maskrcnn

    segmenter = maskrcnn.load(model.card, Path(str(model.file)))
    segmenter.network.to(device)
    return lambda inputs: segmenter.run(inputs["image"], inputs[GUIDANCE]), {"image": 3, GUIDANCE: 3}


_NETWORKS: dict[str, Callable[[Model, str], tuple[Run, dict[str, int]]]] = {"dcgan": _dcgan, "maskrcnn": _maskrcnn}
