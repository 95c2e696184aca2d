"""The segmenter's role: from pictures to the mattes of the selected classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engines.runtime import Engine, load_engine
from realtime import ops
from realtime.errors import UsageError
from realtime.ops import HOST, Home

Outputs = dict[str, np.ndarray]

NO_PERSON, PERSON = 0.1, 0.3  # share of an object up to which it is surely nobody, and from which it may be somebody


@dataclass(frozen=True)
class _Begun:
    """A run that was queued on a device before it was asked for. size: (H, W) of the network's input."""

    image: np.ndarray
    size: tuple[int, int]
    home: Home
    outputs: Callable[[], Outputs]


class Segmenter:
    """Runs a segmentation engine at the resolution that its card recommends, in the picture's own shape.

    default_size: (H, W), as many pixels as the network sees at scale 1; may be set to another of the card's sizes.
    State: a run that was begun and is not asked for yet.
    """

    def __init__(self, engine: Engine):
        self.engine = engine
        self.default_size: tuple[int, int] = engine.card.sizes[0]
        self._begun: _Begun | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.engine.card.classes

    def check(self, classes: Sequence[str]) -> None:
        """Raise UsageError where a class is asked for that the network does not know."""
        unknown = [name for name in classes if name not in self.classes]
        if unknown:
            raise UsageError(
                f"unknown target '{unknown[0]}': the segmenter '{self.engine.card.name}' knows "
                f"{', '.join(self.classes)}"
            )

    @property
    def guided(self) -> bool:
        """Whether the network follows any object that it is shown, besides finding its classes."""
        return "guidance" in self.engine.card.inputs

    def size(self, image: np.ndarray, scale: float = 1.0) -> tuple[int, int]:
        """The network's input (H, W) for a (H, W, 3) picture; scale: of its sides, 1 for `default_size`."""
        default = [side * scale for side in self.default_size]
        return network_size(image.shape[0], image.shape[1], default, self.engine.card.multiple)

    def matte(self, image: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """The matte of all pixels of the given classes.

        image: (H, W, 3) uint8 BGR. Returns (h, w) float32 in [0, 1] at the network's output size, edges aligned.
        """
        matte, _ = self.look(image, classes, np.zeros((0, 3, *self.size(image)), np.float32))
        assert matte is not None, "classes were asked for"
        return matte

    def look(
        self, image: np.ndarray, classes: Sequence[str], guidance: np.ndarray, home: Home = HOST
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """The matte of the given classes, as `matte` returns it (None for no classes), and those of guided objects.

        guidance: (M, 3, h, w) float32 in [0, 1] at `size(image)`, or that size at another scale; for each object its
        previous matte carried to this image, positive clicks and negative clicks (discs of radius round(0.03 h),
        value 1). All M objects go through as one batch; with M = 0 only the classes are sought, at this size. home:
        where the picture is reduced, if the engine takes it from there. Returns the objects' mattes as (M, h/2, w/2)
        float32 in [0, 1]: without the classes', where it is none of them that is meant. UsageError where the network
        takes no guidance.
        """
        if len(guidance) and not self.guided:
            raise UsageError(
                f"the segmenter '{self.engine.card.name}' can't be guided to an object; choose one whose card names a "
                "guidance among its inputs"
            )
        height, width = guidance.shape[2:]
        if self._begun is not None and not len(guidance) and self._is_begun(image, (height, width), home):
            outputs = self._begun.outputs()
        else:
            outputs = self._asked(image, guidance, home)()
        self._begun = None
        found = centred(outputs["matte"][0], self.engine.card.threshold)
        matte = found[[self.classes.index(name) for name in classes]].max(0) if classes else None
        if not len(guidance):
            return matte, np.zeros((0, height // 2, width // 2), np.float32)
        return matte, told_apart(outputs["object"][:, 0], found.max(0), guidance)

    def begin(self, image: np.ndarray, size: tuple[int, int], home: Home) -> bool:
        """Queue the run on the picture that will be looked at next, guided to nothing: it changes no answer.

        Only where the engine leaves its answers on a device, which is told: they are copied from there with what is
        fetched next, so that `look`, if that comes later, need not wait for them. image: (H, W, 3) uint8 BGR; size: of
        the input.
        """
        if self._is_begun(image, size, home):
            return True
        guidance = np.zeros((0, 3, *size), np.float32)
        if not self._takes_device_arrays(home, guidance.shape):
            return False
        self._begun = _Begun(image, size, home, self._asked(image, guidance, home))
        return True

    def _is_begun(self, image: np.ndarray, size: tuple[int, int], home: Home) -> bool:
        begun = self._begun
        return begun is not None and begun.image is image and begun.size == size and begun.home is home

    def _asked(self, image: np.ndarray, guidance: np.ndarray, home: Home) -> Callable[[], Outputs]:
        """Run the network, or queue that on a device; its outputs, to be called for."""
        on_device = self._takes_device_arrays(home, guidance.shape)
        inputs = {"image": ops.network_input(home.picture(image) if on_device else image, guidance.shape[2:])}
        if len(guidance):
            inputs["guidance"] = home.sent(guidance) if on_device else guidance
        outputs = self.engine.run(**inputs)
        return home.fetch_foreign_later(outputs) if on_device else lambda: outputs

    def _takes_device_arrays(self, home: Home, guidance: tuple[int, ...]) -> bool:
        """Whether the engine reads inputs from the home's memory, a device's, for guidance of this shape."""
        takes = getattr(self.engine, "takes", None)
        if home.answers_at_once or takes is None:
            return False
        shapes = {"image": (1, *guidance[1:])} | ({"guidance": guidance} if guidance[0] else {})
        return bool(takes(shapes))


def told_apart(mattes: np.ndarray, people: np.ndarray, guidance: np.ndarray) -> np.ndarray:
    """Objects' mattes, (M, h, w) float32, without the people behind or beside them, where no person is meant.

    A cup before a shirt is taken for a part of who wears it. Whether a person is meant is told by what was a frame
    before or, where nothing was, by what is clicked on. people: (h, w) float32; guidance: (M, 3, 2h, 2w) float32, as
    `Segmenter.look` takes it.
    """
    before, clicked = (guidance[:, plane, ::2, ::2] >= 0.5 for plane in (0, 1))
    told = mattes.copy()
    for matte, was, click in zip(told, before, clicked, strict=True):
        meant = was if was.any() else click
        if meant.any():
            somebody = float(people[meant].mean())
            nobody = min(max((PERSON - somebody) / (PERSON - NO_PERSON), 0.0), 1.0)
            if nobody:
                matte *= 1 - np.float32(nobody) * people
    return told


def centred(matte: np.ndarray, threshold: float) -> np.ndarray:
    """The matte on the scale on which 0.5 divides object and background, as everything after the network takes it.

    matte: float32 in [0, 1]; threshold: where this network divides them, in (0, 1). 0 and 1 stay; in between it is the
    posterior under other prior odds (Saerens, Latinne and Decaestecker, Neural Computation 2002).
    """
    if threshold == 0.5:
        return matte
    inside, outside = matte * np.float32(1 - threshold), (1 - matte) * np.float32(threshold)
    return inside / (inside + outside)


def network_size(height: int, width: int, default: Sequence[float], multiple: int) -> tuple[int, int]:
    """The network's input (H, W) for a picture: as many pixels as the default size, in the picture's shape.

    Both are multiples of `multiple`; a picture smaller than that is not enlarged beyond its own size.
    """
    scale = min(1.0, (default[0] * default[1] / (height * width)) ** 0.5)
    return tuple(max(multiple, round(side * scale / multiple) * multiple) for side in (height, width))


def load_segmenter(model: str, *, device: str = "auto", runtime: str = "auto", threads: int | None = None) -> Segmenter:
    """The segmenter of a model name, model folder or .onnx path; EngineError where it cannot be had."""
    return Segmenter(load_engine(model, "segmenter", device=device, runtime=runtime, threads=threads))
