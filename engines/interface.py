"""What every runtime's engine offers, and what they share: checking inputs, and keeping the time."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol

import numpy as np

from engines.card import Card
from engines.errors import EngineError

GUIDANCE = "guidance"  # the one input that may be left out, and that may hold more than the image does
OBJECT = "object"  # the one output with an entry for each of the guidance's objects
CHANNELS = {"image": 3, "mask": 1, GUIDANCE: 3}  # of whatever inputs a network has


@dataclass(frozen=True)
class Timing:
    """Milliseconds of the last run and the median of the latest hundred; runs: how many there were (warm-up not)."""

    last: float
    median: float
    runs: int


class Engine(Protocol):
    """A loaded network. `device` is "cpu" or "cuda", `runtime` the library that runs it, `precision` its arithmetic."""

    card: Card
    device: str
    runtime: str
    precision: str

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


class Clock:
    """The times of an engine's runs."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=100)
        self._runs = 0

    def add(self, milliseconds: float) -> None:
        self._times.append(milliseconds)
        self._runs += 1

    @property
    def timing(self) -> Timing:
        """Zeros before the first run."""
        if not self._times:
            return Timing(0.0, 0.0, 0)
        return Timing(self._times[-1], median(self._times), self._runs)


class Entries:
    """A network's inputs: how many channels each has, and whether arrays fit them."""

    def __init__(self, card: Card, channels: Mapping[str, int]) -> None:
        self.card = card
        self.channels = dict(channels)

    @property
    def who(self) -> str:
        """The network's name in messages."""
        return f"the {self.card.task} {self.card.name}"

    def black(self, height: int, width: int) -> dict[str, np.ndarray]:
        """Zeros for every input, for one picture of this size."""
        return {name: np.zeros((1, count, height, width), np.float32) for name, count in self.channels.items()}

    def lacks_guidance(self, inputs: Mapping[str, Any]) -> bool:
        """Whether the guidance was left out, of a network that takes one, and an image tells its size."""
        image = inputs.get("image")
        guidable = GUIDANCE in self.channels and GUIDANCE not in inputs
        return guidable and image is not None and len(image.shape) == 4

    def unguided(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a guidance to nothing, for an image of this shape."""
        return shape[0], self.channels[GUIDANCE], *shape[2:]

    def check(self, inputs: Mapping[str, Any]) -> None:
        """EngineError unless these are the network's inputs: arrays (on any device) of the right type and shape."""
        if inputs.keys() != self.channels.keys():
            raise EngineError(f"{self.who} takes {', '.join(self.channels)}, not {', '.join(inputs) or 'nothing'}")
        multiple = self.card.multiple
        for name, array in inputs.items():
            shape = tuple(array.shape)
            if array.dtype != np.float32 or len(shape) != 4 or shape[1] != self.channels[name]:
                wanted = f"float32 (N, {self.channels[name]}, H, W)"
                raise EngineError(f"{self.who} takes {name} as {wanted}, not {array.dtype} {shape}")
            if any(side == 0 or side % multiple for side in shape[2:]):
                raise EngineError(
                    f"{self.who} takes multiples of {multiple} as height and width, not {shape[2]}x{shape[3]}"
                )
        shapes = {name: tuple(array.shape) for name, array in inputs.items()}
        single = GUIDANCE in shapes and shapes["image"][0] == 1 and shapes[GUIDANCE][0] > 0
        counts = {1 if single else shape[0] for shape in shapes.values()}
        if len(counts) > 1 or len({shape[2:] for shape in shapes.values()}) > 1:
            raise EngineError(f"{self.who} takes inputs of one size, not {list(shapes.values())}")


class HostEngine:
    """What engines of host arrays share; `_answer` is the network itself, on inputs that fit it."""

    def __init__(self, card: Card, channels: Mapping[str, int]) -> None:
        self.card = card
        self._entries = Entries(card, channels)
        self._clock = Clock()

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Named (N, C, H, W) float32 arrays in and out; EngineError when they don't fit the network."""
        if self._entries.lacks_guidance(inputs):
            inputs[GUIDANCE] = np.zeros(self._entries.unguided(inputs["image"].shape), np.float32)
        self._entries.check(inputs)
        started = time.perf_counter()
        outputs = self._answer(inputs)
        self._clock.add((time.perf_counter() - started) * 1000)
        return outputs

    def warm_up(self, height: int, width: int) -> None:
        """Run once on black pictures of this size, so that the first real run is as fast as the others."""
        inputs = self._entries.black(height, width)
        self._entries.check(inputs)
        self._answer(inputs)

    @property
    def timing(self) -> Timing:
        """How long the runs took, copies included; zeros before the first."""
        return self._clock.timing

    def _answer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise NotImplementedError

    def _closed(self) -> EngineError:
        """The error of a run after `close`."""
        return EngineError(f"{self._entries.who} was closed; load it again")


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
