"""Training samples: number in, tensors out; nothing else decides what a sample is."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from engines import augment
from engines.augment import UNKNOWN
from engines.data import Picture
from engines.holes import box, pole, random_hole, strokes

SEGMENTER_SHAPES = ((192, 224), (224, 192), (160, 288), (224, 224), (256, 256), (192, 320))
FILLER_SHAPES = ((160, 160), (160, 160), (160, 160), (192, 192), (192, 192), (256, 256))


def to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 BGR -> (3, H, W) uint8 RGB."""
    return torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))


class SegmenterSamples(Dataset[tuple[Tensor, Tensor]]):
    """Sample `i` is (image (3, H, W) uint8 RGB, label (1, H, W) uint8: 0, 255 person, 127 inside a person's box).

    All samples of one batch (`i // batch`) share one of `shapes`. Half are people pasted over backgrounds; the rest are
    real pictures with masks, people-free pictures, and pictures of which only boxes around people are known.
    """

    def __init__(
        self,
        people: Sequence[Picture],
        cutouts: Sequence[Picture],
        backgrounds: Sequence[Picture],
        boxed: Sequence[Picture] = (),
        *,
        batch: int,
        seed: int = 0,
        shapes: Sequence[tuple[int, int]] = SEGMENTER_SHAPES,
    ) -> None:
        self.cutouts = [*people, *cutouts]
        self.people = [picture for picture in people if picture.trusted]
        self.backgrounds = backgrounds
        self.boxed = boxed
        self.batch = batch
        self.seed = seed
        self.shapes = shapes

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        shape = _shape_of_batch(self.shapes, self.seed, index // self.batch)
        rng = np.random.default_rng((self.seed, 0, index))
        kind = rng.random()
        label: np.ndarray | None
        if kind < 0.52:
            image, label = self._composite(rng, shape)
        elif kind < 0.80:
            image, label = self._real(rng, shape)
        elif kind < 0.93 and self.boxed:
            image, label = self._boxed(rng, shape)
        else:
            background = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
            image, _ = augment.crop(rng, background.image, None, shape)
            label = np.zeros(shape, np.uint8)
            if rng.random() < 0.5:
                image, label = self._distract(rng, image, label)
        image, label = augment.flip(rng, image, label)
        image = augment.wear(rng, augment.light(rng, image))
        assert label is not None
        return to_tensor(image), torch.from_numpy(label)[None]

    def _composite(self, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        background = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
        image, _ = augment.crop(rng, background.image, None, shape)
        label = np.zeros(shape, np.uint8)
        for _ in range(int(rng.choice((1, 2, 3), p=(0.6, 0.25, 0.15)))):
            person = self.cutouts[int(rng.integers(len(self.cutouts)))]
            image, label = augment.paste(rng, image, label, person)
            if rng.random() < 0.3:
                image, label = self._distract(rng, image, label)
        return image, label

    def _distract(
        self, rng: np.random.Generator, image: np.ndarray, label: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Paste something that is nobody, textured or plain: what was pasted must not be what gives a person away."""
        shape = label.shape[0], label.shape[1]
        thing = (pole, box, strokes)[int(rng.choice(3, p=(0.5, 0.25, 0.25)))](rng, shape)
        if rng.random() < 0.6:
            background = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
            texture, _ = augment.crop(rng, background.image, None, shape, least=0.2)
        else:
            texture = np.full((*shape, 3), rng.integers(0, 256, 3), np.uint8)
        texture = augment.light(rng, texture)
        weight = cv2.GaussianBlur(thing, (0, 0), rng.uniform(0.5, 1.2)).astype(np.float32)[..., None] / 255
        mixed = image * (1 - weight) + texture * weight
        return mixed.round().astype(np.uint8), np.where(thing > 0, np.uint8(0), label)

    def _real(self, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        picture = self.people[int(rng.integers(len(self.people)))]
        if rng.random() < 0.25:
            return augment.resize(picture.image, picture.mask, shape)
        return augment.crop(rng, picture.image, picture.mask, shape, least=0.35)

    def _boxed(self, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        picture = self.boxed[int(rng.integers(len(self.boxed)))]
        return augment.resize(picture.image, box_label(picture), shape)


class FillerSamples(Dataset[tuple[Tensor, Tensor]]):
    """Sample `i` is (image (3, H, W) uint8 RGB with nobody in it, hole (1, H, W) uint8, 255 = hole).

    All samples of one batch (`i // batch`) share one of `shapes`.
    """

    def __init__(
        self,
        backgrounds: Sequence[Picture],
        people: Sequence[Picture],
        *,
        batch: int,
        seed: int = 0,
        shapes: Sequence[tuple[int, int]] = FILLER_SHAPES,
    ) -> None:
        self.backgrounds = backgrounds
        self.people = people
        self.batch = batch
        self.seed = seed
        self.shapes = shapes

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        shape = _shape_of_batch(self.shapes, self.seed, index // self.batch)
        rng = np.random.default_rng((self.seed, 0, index))
        background = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
        image, _ = augment.crop(rng, background.image, None, shape, least=0.5)
        image, _ = augment.flip(rng, image, None)
        image = augment.light(rng, image, 0.3)
        return to_tensor(image), torch.from_numpy(random_hole(rng, self.people, shape))[None]


def _shape_of_batch(shapes: Sequence[tuple[int, int]], seed: int, number: int) -> tuple[int, int]:
    return shapes[int(np.random.default_rng((seed, 1, number)).integers(len(shapes)))]


def box_label(picture: Picture) -> np.ndarray:
    """(H, W) uint8: 127 inside the picture's boxes, 0 outside, where nobody is."""
    assert picture.boxes is not None
    label = np.zeros(picture.image.shape[:2], np.uint8)
    for x1, y1, x2, y2 in picture.boxes.round().astype(int).tolist():
        cv2.rectangle(label, (x1, y1), (x2 - 1, y2 - 1), UNKNOWN, cv2.FILLED)
    return label
