"""A segmenter as two engines: one that is guided to objects, and one without their part for all other frames.

On a CPU one graph skips by an If what a frame does not ask for; TensorRT's engines have none. The object's part is a
quarter of the shipped segmenter's operations, and half of the kernels that are started for them.
"""

from __future__ import annotations

from typing import Any

from engines.interface import GUIDANCE, Timing
from engines.tensorrt_engine import TensorRtEngine


class GuidedEngine:
    """Runs one or the other, as `TensorRtEngine` does; without guidance there is no "object" among the answers."""

    device = TensorRtEngine.device
    runtime = TensorRtEngine.runtime

    def __init__(self, guided: TensorRtEngine, unguided: TensorRtEngine) -> None:
        self.card = guided.card
        self.precision = guided.precision
        self._guided, self._unguided = guided, unguided
        self._latest = unguided

    def run(self, **inputs: Any) -> dict[str, Any]:
        """Named (N, C, H, W) float32 arrays in and out; EngineError when they don't fit the network."""
        self._latest = self._fitting(inputs)
        return self._latest.run(**inputs)

    def takes(self, shapes: dict[str, tuple[int, ...]]) -> bool:
        """Whether there is a range for these shapes."""
        return self._fitting(shapes).takes(shapes)

    def warm_up(self, height: int, width: int) -> None:
        """Prepare both for pictures of this size."""
        for engine in (self._guided, self._unguided):
            engine.warm_up(height, width)

    @property
    def timing(self) -> Timing:
        """How long the runs took of the engine that ran last."""
        return self._latest.timing

    def close(self) -> None:
        """Free both; calling it twice does no harm."""
        for engine in (self._guided, self._unguided):
            engine.close()

    def _fitting(self, given: dict[str, Any]) -> TensorRtEngine:
        return self._guided if GUIDANCE in given else self._unguided
