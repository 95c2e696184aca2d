"""CamVid's street scenes with a class for every pixel, as SegNet's tutorial arranges them: PATH/train, train_labels.

Brostow, Fauqueur and Cipolla, "Semantic Object Classes in Video", 2009. For research: no default weights come of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from engines import augment
from engines.data import Picture, decode, list_files, read_all
from engines.samples import to_tensor

CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "person", "bicyclist"),
    "unlabelled",
)
UNLABELLED = 11


def read_streets(data: Path, *, kept: bool) -> list[Picture]:
    """Training frames with their labels as mask: every tenth, which is kept back for choices, or the others."""

    def read(path: Path) -> Picture:
        labels = decode(path.parent.parent / "train_labels" / f"{path.stem}.png", cv2.IMREAD_GRAYSCALE)
        return Picture(path.stem, decode(path, cv2.IMREAD_COLOR), labels)

    paths = list_files(data / "camvid" / "train", "*.jpg")
    return read_all([path for number, path in enumerate(paths) if (number % 10 == 0) == kept], read)


class StreetSamples(Dataset[tuple[Tensor, Tensor]]):
    """Sample `i` is (image (3, H, W) uint8 RGB, label (1, H, W) uint8, a number from 0 to 11)."""

    def __init__(self, streets: Sequence[Picture], *, seed: int = 0, shape: tuple[int, int] = (192, 256)) -> None:
        self.streets, self.seed, self.shape = streets, seed, shape

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, 0, index))
        picture = self.streets[int(rng.integers(len(self.streets)))]
        assert picture.mask is not None
        image, label = augment.crop(rng, picture.image, picture.mask, self.shape, least=0.5)
        if rng.random() < 0.5:
            image, label = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(label[:, ::-1])
        return to_tensor(augment.light(rng, image, 0.3)), torch.from_numpy(label)[None]


def mean_iou(found: Sequence[np.ndarray], streets: Sequence[Picture]) -> float:
    """IoU of each class over all pictures together, mean over the classes that occur; found: (H, W) class numbers."""
    both, either = np.zeros(UNLABELLED), np.zeros(UNLABELLED)
    for answer, picture in zip(found, streets, strict=True):
        assert picture.mask is not None
        known = picture.mask < UNLABELLED
        for number in range(UNLABELLED):
            a, b = (answer == number) & known, picture.mask == number
            both[number] += np.count_nonzero(a & b)
            either[number] += np.count_nonzero(a | b)
    return float((both[either > 0] / either[either > 0]).mean())
