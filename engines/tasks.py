"""What can be trained, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from engines import losses, measure
from engines.backbone import EfficientNetLite0
from engines.data import is_held, is_permitted, read_backgrounds, read_boxes, read_cutouts, read_people
from engines.filler import Filler
from engines.samples import FillerSamples, SegmenterSamples
from engines.segmenter import Matte, Segmenter


def learns_from(name: str) -> bool:
    """Pictures that default weights are trained on."""
    return is_permitted(name) and not is_held(name)


def chosen_on(name: str) -> bool:
    """Training pictures kept back to make choices on."""
    return is_permitted(name) and is_held(name)


class SegmenterTask:
    """Find people."""

    name = "segmenter"

    def __init__(self, data: Path, *, pretrained: bool = True) -> None:
        self.data = data
        self.network = Segmenter()
        if pretrained:
            self.network.encoder.load_imagenet()

    def samples(self, batch: int, seed: int) -> Dataset[Any]:
        people = read_people(self.data, "train", learns_from)
        backgrounds = read_backgrounds(self.data, "train", learns_from)
        boxed = read_boxes(self.data, held=False)
        return SegmenterSamples(people, read_cutouts(self.data), backgrounds, boxed, batch=batch, seed=seed)

    def groups(self, rate: float) -> list[dict[str, Any]]:
        encoder = {id(p) for p in self.network.encoder.parameters()}
        rest = [p for p in self.network.parameters() if id(p) not in encoder]
        return [{"params": list(self.network.encoder.parameters()), "lr": rate / 2}, {"params": rest, "lr": rate}]

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image, label = batch
        return losses.matte_loss(self.network(_scaled(image)).float(), label)

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        people = [p for p in read_people(self.data, "train", chosen_on) if p.trusted]
        backgrounds = read_backgrounds(self.data, "train", chosen_on)
        assert isinstance(network, Segmenter)
        return measure.segmenter_figures(as_run(Matte(network)), people, backgrounds, [])


class FillerTask:
    """Synthesise what a hole hides."""

    name = "filler"

    def __init__(self, data: Path) -> None:
        self.data = data
        self.network = Filler()
        encoder = EfficientNetLite0()
        encoder.load_imagenet()
        self.features = losses.FeatureDistance(encoder)

    def samples(self, batch: int, seed: int) -> Dataset[Any]:
        people = [*read_people(self.data, "train", learns_from), *read_cutouts(self.data)]
        return FillerSamples(read_backgrounds(self.data, "train", learns_from), people, batch=batch, seed=seed)

    def groups(self, rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.network.parameters()), "lr": rate}]

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image, hole = _scaled(batch[0]), _scaled(batch[1])
        filled = self.network(image * (1 - hole), hole)
        return losses.fill_loss(filled.float(), image, hole, self.features.to(image.device))

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        people = read_people(self.data, "train", chosen_on)
        backgrounds = read_backgrounds(self.data, "train", chosen_on)
        device = next(network.parameters()).device

        def run(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                filled = network(torch.from_numpy(image).to(device), torch.from_numpy(mask).to(device))
            return filled.float().cpu().numpy()

        return measure.filler_figures(run, backgrounds, people)


def _scaled(image: Tensor) -> Tensor:
    """(N, C, H, W) uint8 -> float32 in [0, 1], channels last in memory."""
    return image.to(memory_format=torch.channels_last).float() / 255


def as_run(module: nn.Module) -> measure.Run:
    """A torch module of one input as a NumPy function."""
    device = next(module.parameters()).device

    def run(array: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return module(torch.from_numpy(array).to(device)).float().cpu().numpy()

    return run


TASKS = {"segmenter": SegmenterTask, "filler": FillerTask}
