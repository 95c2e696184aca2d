"""The segmenter's role: from a picture to the matte of the selected classes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from engines.runtime import Engine, load_engine
from realtime.errors import UsageError


class Segmenter:
    """Runs a segmentation engine at the resolution that its card recommends, in the picture's own shape."""

    def __init__(self, engine: Engine):
        self.engine = engine

    @property
    def classes(self) -> tuple[str, ...]:
        return self.engine.card.classes

    def check(self, classes: Sequence[str]) -> None:
        """Raise UsageError where a class is asked for that the network does not know."""
        unknown = [name for name in classes if name not in self.classes]
        if unknown:
            raise UsageError(
                f"unknown target '{unknown[0]}': the segmenter '{self.engine.card.name}' knows {', '.join(self.classes)}"
            )

    def matte(self, image: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """The matte of all pixels of the given classes.

        image: (H, W, 3) uint8 BGR. Returns (h, w) float32 in [0, 1] at the network's output size, picture edges aligned.
        """
        height, width = network_size(image.shape[0], image.shape[1], self.engine.card.sizes[0], self.engine.card.multiple)
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        tensor = cv2.dnn.blobFromImage(small, 1 / 255.0, swapRB=True)
        mattes = self.engine.run(image=tensor)["matte"][0]
        return mattes[[self.classes.index(name) for name in classes]].max(0)


def network_size(height: int, width: int, default: Sequence[int], multiple: int) -> tuple[int, int]:
    """The network's input (H, W) for a picture: as many pixels as the default size, in the picture's shape.

    Both are multiples of `multiple`; a picture smaller than that is not enlarged beyond its own size.
    """
    scale = min(1.0, (default[0] * default[1] / (height * width)) ** 0.5)
    return tuple(max(multiple, round(side * scale / multiple) * multiple) for side in (height, width))


def load_segmenter(
    model: str, *, device: str = "auto", runtime: str = "auto", threads: int | None = None
) -> Segmenter:
    """The segmenter of a model name, model folder or .onnx path; EngineError where it cannot be had."""
    return Segmenter(load_engine(model, "segmenter", device=device, runtime=runtime, threads=threads))
