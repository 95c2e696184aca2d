"""What can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from engines import losses, measure
from engines.augment import UNKNOWN
from engines.backbone import EfficientNetLite
from engines.critic import PatchCritic, critic_loss, deceit
from engines.data import add_labels, chosen_on, learns_from, read_backgrounds, read_boxes, read_cutouts, read_people
from engines.filler import Filler
from engines.loaders import read_format
from engines.samples import FillerSamples, SegmenterSamples
from engines.segmenter import Matte, Segmenter
from engines.training import Rival

FILLER_SIDE = 576  # pixels of the pictures that holes are cut into: what is blurred teaches blur
FILLER_WEIGHTS = {"l1": 1.0, "features": 1.0, "deceit": 0.02, "match": 0.02}


class SegmenterTask:
    """Find people, and whatever the guidance means.

    size: "swift" or "sharp". labels: the folder that `engines.teach` wrote, if any. also: more pictures, as
    FORMAT:PATH (`engines.loaders`).
    """

    name = "segmenter"
    goal = "iou"
    rival = None

    def __init__(
        self,
        data: Path,
        *,
        size: str = "swift",
        labels: Path | None = None,
        also: Sequence[str] = (),
        pretrained: bool = True,
    ) -> None:
        self.data = data
        self.labels = labels
        self.also = also
        self.network = Segmenter(size)
        if pretrained:
            self.network.encoder.load_imagenet()

    def samples(self, batch: int, seed: int) -> Dataset[Any]:
        people = read_people(self.data, "train", learns_from)
        backgrounds = read_backgrounds(self.data, "train", learns_from)
        boxed = read_boxes(self.data, held=False)
        if self.labels is not None:
            backgrounds, boxed = add_labels(backgrounds, self.labels), add_labels(boxed, self.labels)
        for picture in (picture for spec in self.also for picture in read_format(spec)):
            if picture.boxes is not None:
                boxed.append(picture)
            elif picture.mask is not None:
                (people if (picture.mask > UNKNOWN).any() else backgrounds).append(picture)
        return SegmenterSamples(people, read_cutouts(self.data), backgrounds, boxed, batch=batch, seed=seed)

    def groups(self, rate: float) -> list[dict[str, Any]]:
        return _encoder_slowly(self.network, rate)

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image, label, guidance, thing = batch
        matte, found = self.network(_scaled(image), _scaled(guidance))
        return losses.matte_loss(matte.float(), label) | losses.object_loss(found.float(), thing)

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        people = [p for p in read_people(self.data, "train", chosen_on) if p.trusted]
        backgrounds = read_backgrounds(self.data, "train", chosen_on)
        assert isinstance(network, Segmenter)
        run = as_run(Matte(network))
        figures = measure.segmenter_figures(lambda image: run(image, np.zeros_like(image))[0], people, backgrounds, [])
        return figures | measure.click_figures(run, people)


class FillerTask:
    """Synthesise what a hole hides.

    weights: of the loss's terms; without "deceit" there is no critic.
    """

    name = "filler"
    goal = "hole_psnr"

    def __init__(self, data: Path, *, weights: Mapping[str, float] = FILLER_WEIGHTS, pretrained: bool = True) -> None:
        self.data = data
        self.weights = weights
        self.network = Filler()
        encoder = EfficientNetLite()
        if pretrained:
            self.network.encoder.load_imagenet()
            encoder.load_imagenet()
        self.features = losses.FeatureDistance(encoder)
        self.critic = PatchCritic()
        self.rival = Rival(self.critic, self._critic_loss) if weights["deceit"] > 0 else None

    def samples(self, batch: int, seed: int) -> Dataset[Any]:
        people = [*read_people(self.data, "train", learns_from), *read_cutouts(self.data)]
        backgrounds = read_backgrounds(self.data, "train", learns_from, FILLER_SIDE)
        return FillerSamples(backgrounds, people, batch=batch, seed=seed)

    def groups(self, rate: float) -> list[dict[str, Any]]:
        return _encoder_slowly(self.network, rate)

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image, hole = _scaled(batch[0]), _scaled(batch[1])
        filled = self.network(image * (1 - hole), hole).float()
        terms = {
            "l1": losses.hole_l1(filled, image, hole),
            "features": self.features.to(image.device)(filled, image, hole).mean(),
        }
        if self.rival is not None:
            self._shown = filled.detach(), image, hole
            terms["deceit"], terms["match"] = deceit(self.critic, filled, image, hole)
        return {name: self.weights[name] * term for name, term in terms.items()}

    def _critic_loss(self) -> dict[str, Tensor]:
        return critic_loss(self.critic, *self._shown)

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        people = read_people(self.data, "train", chosen_on)
        backgrounds = read_backgrounds(self.data, "train", chosen_on)
        device = next(network.parameters()).device

        def run(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                filled = network(torch.from_numpy(image).to(device), torch.from_numpy(mask).to(device))
            return filled.float().cpu().numpy()

        return measure.filler_figures(run, backgrounds, people)


def _encoder_slowly(network: Segmenter | Filler, rate: float) -> list[dict[str, Any]]:
    """The encoder learns slowly: it is to keep what ImageNet taught it."""
    encoder = {id(p) for p in network.encoder.parameters()}
    rest = [p for p in network.parameters() if id(p) not in encoder]
    return [{"params": list(network.encoder.parameters()), "lr": rate / 5}, {"params": rest, "lr": rate}]


def _scaled(image: Tensor) -> Tensor:
    """(N, C, H, W) uint8 -> float32 in [0, 1], channels last in memory."""
    return image.to(memory_format=torch.channels_last).float() / 255


def as_run(module: nn.Module) -> Callable[..., list[np.ndarray]]:
    """A torch module as a function of NumPy arrays."""
    device = next(module.parameters()).device

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            outputs = module(*(torch.from_numpy(array).to(device) for array in arrays))
        return [output.float().cpu().numpy() for output in outputs]

    return run
