"""What can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from engines import losses, measure
from engines.augment import UNKNOWN
from engines.critic import PatchCritic, critic_loss, deceit
from engines.data import (
    LONGEST_SIDE,
    Picture,
    add_labels,
    chosen_on,
    cut_things,
    learns_from,
    read_backgrounds,
    read_boxes,
    read_cutouts,
    read_people,
)
from engines.errors import EngineError
from engines.filler import Filler
from engines.following import follow
from engines.holes import random_hole
from engines.loaders import read_format
from engines.samples import (
    FILLER_SHAPES,
    SEGMENTER_SHAPES,
    SHARP_FILLER_SHAPES,
    SHARP_SHAPES,
    FillerSamples,
    SegmenterSamples,
)
from engines.segmenter import SIZES, Matte, Segmenter, steadfast
from engines.training import Habits, Rival

STEADY = 1.0  # weight of masks that stay as they were a frame before
LARGE_HOLES = (0.1, 0.5)  # of the picture: what the filler learns from
RULERS = (0, 2)  # versions of EfficientNet-Lite whose features tell the filler how far it is; `JUDGE` is another
FILLER_SIDE = 576  # pixels of the pictures that holes are cut into: what is blurred teaches blur


class SegmenterTask:
    """Find people, and whatever the guidance means.

    size: "swift" or "sharp". labels: the folder that `engines.teach` wrote, if any. also: more pictures, as
    FORMAT:PATH (`engines.loaders`). only: what of the network learns (`engines.segmenter.PARTS`), if not all of it;
    people are found as before while the object's part learns, and the other way round. plain: how often a batch is of
    whole pictures, as they are (`engines.samples.SegmenterSamples`).
    """

    name = "segmenter"
    options = frozenset({"size", "labels", "also", "only", "plain"})
    goal = "iou"
    rival = None
    habits = Habits()

    def __init__(
        self,
        data: Path,
        *,
        size: str = "swift",
        labels: Path | None = None,
        also: Sequence[str] = (),
        only: str | None = None,
        plain: float = 0.0,
        pretrained: bool = True,
    ) -> None:
        if not 0 <= plain <= 1:
            raise EngineError(f"--plain takes a share from 0 to 1, not {plain:g}")
        self.data = data
        self.plain = plain
        self.size = size
        self.labels = labels
        self.also = also
        self.only = only
        self.network = Segmenter(size)
        if pretrained:
            self.network.encoder.load_imagenet()
        if only is not None:
            self.network.learn_only(only)

    def samples(self, batch: int, seed: int) -> Dataset[Any]:
        shapes = SHARP_SHAPES if self.size == "sharp" else SEGMENTER_SHAPES
        height, width = SIZES[self.size].picture
        return segmenter_samples(
            self.data,
            batch,
            seed,
            labels=self.labels,
            also=self.also,
            shapes=shapes,
            plain=self.plain,
            area=height * width,
        )

    def groups(self, rate: float) -> list[dict[str, Any]]:
        return _encoder_slowly(self.network, rate)

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image, label, guidance, thing = scaled(batch[0]), batch[1], scaled(batch[2]), batch[3]
        maps = self.network.maps(image)
        people = self.network.people(image, maps)
        terms: dict[str, Tensor] = {}
        if self.only != "object":
            terms |= losses.matte_loss(people.float(), label)
        if self.only != "matte":
            half = max(1, len(image) // 2)  # the first half follows what it found a frame before, the rest is guided
            carried, before = follow(image[:half], guidance[:half], self._look)
            guided = torch.cat([carried, guidance[half:]])
            found = self.network.thing(maps, people.detach(), guided).float()
            terms |= losses.object_loss(found, thing)
            terms["steady"] = STEADY * losses.steadiness(found[:half], before, thing[:half])
        return terms

    def _look(self, image: Tensor) -> Callable[[Tensor], Tensor]:
        maps = self.network.maps(image)
        people = self.network.people(image, maps)
        return lambda guidance: steadfast(self.network.thing(maps, people, guidance), guidance)

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        people = [p for p in read_people(self.data, "train", chosen_on) if p.trusted]
        backgrounds = read_backgrounds(self.data, "train", chosen_on)
        assert isinstance(network, Segmenter)
        run, (height, width) = as_run(Matte(network)), SIZES[self.size].picture

        def people_in(image: np.ndarray) -> np.ndarray:
            return run(image, np.zeros_like(image))[0]

        figures = measure.segmenter_figures(people_in, people, backgrounds, [], height * width)
        return figures | measure.click_figures(run, people, height * width)


def segmenter_samples(
    data: Path,
    batch: int,
    seed: int,
    *,
    labels: Path | None = None,
    also: Sequence[str] = (),
    shapes: Sequence[tuple[int, int]] = SEGMENTER_SHAPES,
    plain: float = 0.0,
    area: int = measure.AREA,
) -> SegmenterSamples:
    """What a segmenter of people learns from; labels, also: as `SegmenterTask` takes them."""
    side = measure.SIDE if plain else LONGEST_SIDE
    people = read_people(data, "train", learns_from, side)
    backgrounds = read_backgrounds(data, "train", learns_from)
    boxed = read_boxes(data, held=False)
    if labels is not None:
        backgrounds, boxed = add_labels(backgrounds, labels), add_labels(boxed, labels)
    things = []
    for picture in (picture for spec in also for picture in read_format(spec, side)):
        if picture.boxes is not None:
            boxed.append(picture)
        elif picture.mask is None:
            things += cut_things([picture])
        elif (picture.mask > UNKNOWN).any():
            people.append(picture)
        elif (picture.mask == UNKNOWN).any():  # a crowd
            boxed.append(replace(picture, boxes=np.zeros((0, 4), np.float32)))
        else:
            backgrounds.append(picture)
    return SegmenterSamples(
        people,
        read_cutouts(data),
        backgrounds,
        boxed,
        things,
        batch=batch,
        seed=seed,
        shapes=shapes,
        plain=plain,
        area=area,
    )


class HoleTask:
    """What all tasks that fill holes share: their samples, and how they are judged.

    weigh: weights of the loss's terms, where they are to differ from `terms`. with_people: learn to fill pictures of
    people too, not only people-free ones. side: of the squares that are learnt from, where it is to differ from
    `shapes`. network: takes image and mask, gives image_filled, maybe first of several.
    """

    name: str
    options = frozenset({"weigh", "with_people", "side"})
    goal = "hole_psnr"
    rival: Rival | None = None
    habits = Habits()
    terms: Mapping[str, float] = {}
    shapes: Sequence[tuple[int, int]] = FILLER_SHAPES

    def __init__(
        self,
        data: Path,
        network: nn.Module,
        *,
        weigh: Mapping[str, float] | None = None,
        with_people: bool = False,
        side: int | None = None,
    ) -> None:
        if unknown := (weigh or {}).keys() - self.terms.keys():
            raise EngineError(f"the loss of {self.name} has no {unknown.pop()}; its terms are {', '.join(self.terms)}")
        if side is not None:
            if side < 32 or side % 32:
                raise EngineError(f"--side takes a multiple of 32, as in 128, not {side}")
            self.shapes = ((side, side),)
        self.data = data
        self.network = network
        self.weights = {**self.terms, **(weigh or {})}
        self.with_people = with_people

    @staticmethod
    def make_hole(rng: np.random.Generator, people: Sequence[Picture], shape: tuple[int, int]) -> np.ndarray:
        """The hole of a sample, (H, W) uint8, 255 = hole."""
        return random_hole(rng, people, shape)

    def samples(self, batch: int, seed: int) -> Dataset[Any]:
        people = read_people(self.data, "train", learns_from, FILLER_SIDE if self.with_people else LONGEST_SIDE)
        pictures = read_backgrounds(self.data, "train", learns_from, FILLER_SIDE)
        return FillerSamples(
            [*pictures, *(people if self.with_people else [])],
            [*people, *read_cutouts(self.data)],
            batch=batch,
            seed=seed,
            shapes=self.shapes,
            make_hole=self.make_hole,
            peopled=self.peopled(),
        )

    def peopled(self) -> list[Picture]:
        """Photos of people to learn from what is beside them: their holes keep off the people."""
        return []

    def groups(self, rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.network.parameters()), "lr": rate}]

    def weighed(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The terms of a loss times their weights."""
        return {name: self.weights[name] * term for name, term in terms.items()}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        run = as_run(network)
        people = read_people(self.data, "train", chosen_on)
        backgrounds = read_backgrounds(self.data, "train", chosen_on)
        return measure.filler_figures(lambda image, mask: run(image, mask)[0], backgrounds, people)


class FillerTask(HoleTask):
    """Our filler. A critic plays against it only where "deceit" has a weight: it takes thousands of steps to help.

    size: "swift" or "sharp", the same network, which learns from larger squares to fill larger pictures. freeze: leave
    the encoder as it is.
    """

    name = "filler"
    options = HoleTask.options | {"size", "freeze"}
    habits = Habits(batch=8, rate=8e-4)
    terms: Mapping[str, float] = {"l1": 1.0, "features": 3.5, "grid": 8.0, "deceit": 0.0, "match": 0.0}

    def __init__(
        self, data: Path, *, size: str = "swift", freeze: bool = False, pretrained: bool = True, **options: Any
    ) -> None:
        self.network: Filler
        if size == "sharp":
            self.shapes = SHARP_FILLER_SHAPES
            self.habits = replace(self.habits, batch=4)
        super().__init__(data, Filler(), **options)
        self.network.encoder.requires_grad_(not freeze)
        if pretrained:
            self.network.encoder.load_imagenet()
        self.rulers = [losses.FeatureDistance(version, pretrained=pretrained) for version in RULERS]
        self.critic = PatchCritic()
        self.rival = Rival(self.critic, self._critic_loss) if self.weights["deceit"] > 0 else None

    @staticmethod
    def make_hole(rng: np.random.Generator, people: Sequence[Picture], shape: tuple[int, int]) -> np.ndarray:
        """Large ones: a step takes as long for a small hole, and learns less from it."""
        return random_hole(rng, people, shape, share=LARGE_HOLES)

    def peopled(self) -> list[Picture]:
        people = [p for p in read_people(self.data, "train", learns_from, FILLER_SIDE) if p.trusted]
        return [*people, *read_boxes(self.data, held=False, side=FILLER_SIDE)]

    def groups(self, rate: float) -> list[dict[str, Any]]:
        encoder, rest = _encoder_slowly(self.network, rate)
        return [encoder, {**rest, "muon": True}]

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image, hole = scaled(batch[0]), scaled(batch[1])
        filled = self.network(image * (1 - hole), hole).float()
        ruler = self.rulers[int(torch.randint(len(self.rulers), ()))].to(image.device)
        terms = {
            "l1": losses.hole_l1(filled, image, hole),
            "features": ruler(*losses.windows(filled, image, hole)).mean(),
            "grid": losses.grid(filled, image, hole),
        }
        if self.rival is not None:
            self._shown = filled.detach(), image, hole
            terms["deceit"], terms["match"] = deceit(self.critic, filled, image, hole)
        return self.weighed(terms)

    def _critic_loss(self) -> dict[str, Tensor]:
        return critic_loss(self.critic, *self._shown)


def _encoder_slowly(network: Segmenter | Filler, rate: float) -> list[dict[str, Any]]:
    """The encoder learns slowly: it is to keep what ImageNet taught it."""
    encoder = {id(p) for p in network.encoder.parameters()}
    rest = [p for p in network.parameters() if id(p) not in encoder]
    return [{"params": list(network.encoder.parameters()), "lr": rate / 5}, {"params": rest, "lr": rate}]


def scaled(image: Tensor) -> Tensor:
    """(N, C, H, W) uint8 -> float32 in [0, 1], channels last in memory."""
    return image.to(memory_format=torch.channels_last).float() / 255


def as_run(module: nn.Module) -> Callable[..., list[np.ndarray]]:
    """A torch module as a function of NumPy arrays."""
    device = next(module.parameters()).device

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            outputs = module(*(torch.from_numpy(array).to(device) for array in arrays))
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return [output.float().cpu().numpy() for output in outputs]

    return run
