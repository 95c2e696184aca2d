"""The segmenter's role: from pictures to the mattes of the selected classes."""

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

    @property
    def guided(self) -> bool:
        """Whether the network follows a guidance (previous matte, clicks) to an object of any kind."""
        return "guidance" in self.engine.card.inputs

    def size(self, image: np.ndarray) -> tuple[int, int]:
        """The (h, w) that the network sees an image (H, W, 3) at, and that its guidance must have."""
        card = self.engine.card
        return network_size(image.shape[0], image.shape[1], card.sizes[0], card.multiple)

    def check(self, classes: Sequence[str]) -> None:
        """Raise UsageError where a class is asked for that the network does not know."""
        unknown = [name for name in classes if name not in self.classes]
        if unknown:
            raise UsageError(
                f"unknown target '{unknown[0]}': the segmenter '{self.engine.card.name}' knows "
                f"{', '.join(self.classes)}"
            )

    def matte(self, image: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """The matte of all pixels of the given classes.

        image: (H, W, 3) uint8 BGR. Returns (h, w) float32 in [0, 1] at the network's output size, edges aligned.
        """
        return self._of_classes(self.engine.run(image=self._planes(image))["matte"], classes)

    def look(
        self, image: np.ndarray, classes: Sequence[str], guidance: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """The matte of the given classes, as `matte` returns it (None for no classes), and those of guided objects.

        guidance: (M, 3, h, w) float32 in [0, 1] at `size(image)`, M at least 1; for each object its previous matte,
        positive clicks and negative clicks (discs of radius round(0.03 h), value 1). Returns the objects' mattes as
        (M, h/2, w/2) float32 in [0, 1]. UsageError where the network takes no guidance.
        """
        if not self.guided:
            raise UsageError(
                f"the segmenter '{self.engine.card.name}' can't be guided to an object; choose one whose card names a "
                "guidance among its inputs"
            )
        outputs = self.engine.run(image=self._planes(image), guidance=guidance)
        return self._of_classes(outputs["matte"], classes) if classes else None, outputs["object"][:, 0]

    def _planes(self, image: np.ndarray) -> np.ndarray:
        height, width = self.size(image)
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return cv2.dnn.blobFromImage(small, 1 / 255.0, swapRB=True)

    def _of_classes(self, mattes: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        return mattes[0][[self.classes.index(name) for name in classes]].max(0)


class MatteFollower:
    """Gives a matte for every frame of one shot though the network runs only every `interval` seconds.

    In between, the latest matte is carried along by dense optical flow (DIS, Kroeger et al., ECCV 2016).
    State: the latest matte, its picture, and when the network last ran.
    """

    def __init__(self, segmenter: Segmenter, classes: Sequence[str], interval: float):
        self._segmenter, self._classes, self._interval = segmenter, classes, interval
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._matte: np.ndarray | None = None
        self._gray: np.ndarray | None = None
        self._segmented = 0.0

    def matte(self, image: np.ndarray, time: float) -> np.ndarray:
        """The matte of the next frame, (h, w) float32 in [0, 1]. image: (H, W, 3) uint8 BGR; time: its seconds."""
        if self._matte is None or self._gray is None or not 0 <= time - self._segmented < self._interval:
            self._segmented = time
            self._matte = self._segmenter.matte(image, self._classes)
            self._gray = _gray(image, self._matte.shape)
        else:
            gray = _gray(image, self._matte.shape)
            backward = self._flow.calc(gray, self._gray, np.zeros((*gray.shape, 2), np.float32))
            y, x = np.indices(gray.shape, dtype=np.float32)
            self._matte = cv2.remap(self._matte, x + backward[..., 0], y + backward[..., 1], cv2.INTER_LINEAR)
            self._gray = gray
        return self._matte


def _gray(image: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)


def network_size(height: int, width: int, default: Sequence[int], multiple: int) -> tuple[int, int]:
    """The network's input (H, W) for a picture: as many pixels as the default size, in the picture's shape.

    Both are multiples of `multiple`; a picture smaller than that is not enlarged beyond its own size.
    """
    scale = min(1.0, (default[0] * default[1] / (height * width)) ** 0.5)
    return tuple(max(multiple, round(side * scale / multiple) * multiple) for side in (height, width))


def load_segmenter(model: str, *, device: str = "auto", runtime: str = "auto", threads: int | None = None) -> Segmenter:
    """The segmenter of a model name, model folder or .onnx path; EngineError where it cannot be had."""
    return Segmenter(load_engine(model, "segmenter", device=device, runtime=runtime, threads=threads))
