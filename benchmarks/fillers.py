"""The fillers that are compared: every model given, alone and as the eraser uses it, and the classical ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from engines.measure import draw, fill
from engines.runtime import Engine, load_engine
from realtime.background.fill import NetworkFiller
from realtime.background.filljob import quick_fill

RADIUS = 5  # pixels, of both of OpenCV's methods

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Method:
    """A way to fill: `fill` takes (H, W, 3) uint8 BGR and a hole, (H, W) uint8, 255 = unknown; gives (H, W, 3) uint8.

    drawn: all of the picture that a network drew before its answer was pasted, where it shows that.
    """

    name: str
    fill: Fill
    drawn: Fill | None = None


def classical() -> list[Method]:
    """Telea, Navier-Stokes and a membrane."""
    ways = {"Telea": cv2.INPAINT_TELEA, "Navier-Stokes": cv2.INPAINT_NS}

    def inpaint(flag: int) -> Fill:
        return lambda image, hole: cv2.inpaint(image, hole, RADIUS, flag)

    found = [(name, inpaint(flag)) for name, flag in ways.items()]
    return [Method(name, fill) for name, fill in [*found, ("membrane", quick_fill)]]


def networks(models: Sequence[str], threads: int) -> list[Method]:
    """Each model on whole pictures, and as the eraser uses it: on crops, with the texture of the surroundings.

    They are named after their cards, or as they were given, where two cards have one name.
    """
    engines = {model: load_engine(model, "filler", device="cpu", threads=threads) for model in models}
    names = [engine.card.name for engine in engines.values()]
    methods = []
    for model, engine in engines.items():
        name = engine.card.name if names.count(engine.card.name) == 1 else model
        eraser = NetworkFiller(engine)
        methods.append(Method(name, _alone(engine, pasted=True), _alone(engine, pasted=False)))
        methods.append(Method(f"{name}, as erased", eraser.fill))
    return methods


def _alone(engine: Engine, *, pasted: bool) -> Fill:
    """The network on whole pictures: its answer pasted into the hole, or all that it draws."""

    def run(planes: np.ndarray, mask: np.ndarray) -> np.ndarray:
        outputs = engine.run(image=planes, mask=mask)
        return outputs["image_filled"] if pasted else outputs.get("drawn", outputs["image_filled"])

    way = fill if pasted else draw
    return lambda image, hole: way(run, image, hole > 0, engine.card.multiple)
