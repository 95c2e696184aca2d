"""How each classic network is trained: its paper's losses, and its paper's settings as habits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from engines import losses, measure
from engines.classics import camvid, dcgan, deepfill, maskrcnn, pix2pix, unet34, vanisher
from engines.data import Picture, chosen_on, read_backgrounds, read_people
from engines.holes import box, random_hole
from engines.tasks import HoleTask, as_run, scaled, segmenter_samples
from engines.training import Habits, Rival


class PlainTask:
    """A task without options or rival, whose network learns as a whole at one rate."""

    options: frozenset[str] = frozenset()
    rival = None

    def __init__(self, data: Path, network: nn.Module) -> None:
        self.data = data
        self.network = network

    def groups(self, rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.network.parameters()), "lr": rate}]


class VanisherSegmenterTask(PlainTask):
    """Find people with The Vanisher Network's encoder-decoder: binary cross-entropy, and Dice."""

    name = "vanisher-segmenter"
    goal = "iou"
    habits = Habits(batch=16, rate=1e-3, decay=0.0, schedule="constant")

    def __init__(self, data: Path, network: nn.Module | None = None) -> None:
        super().__init__(data, network or vanisher.VanisherSegmenter())

    def samples(self, batch: int, seed: int) -> Dataset[Any]:
        return segmenter_samples(self.data, batch, seed, shapes=((224, 224),))

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        logits = F.avg_pool2d(self.network(scaled(batch[0])).float(), 2)
        return losses.matte_loss(logits, batch[1])

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        people = [picture for picture in read_people(self.data, "train", chosen_on) if picture.trusted]
        run = as_run(network)
        backgrounds = read_backgrounds(self.data, "train", chosen_on)

        def matte(image: np.ndarray) -> np.ndarray:
            return 1 / (1 + np.exp(-run(image)[0]))

        return measure.segmenter_figures(matte, people, backgrounds, [], 224 * 224)


class VanisherFillerTask(HoleTask):
    """Restore pictures of which a random 5 to 10 % is missing: the autoencoder's mean squared error."""

    name = "vanisher-filler"
    habits = Habits(batch=16, rate=1e-3, decay=0.0, schedule="constant")
    terms: Mapping[str, float] = {"l2": 1.0}
    shapes = ((224, 224),)

    def __init__(self, data: Path, network: nn.Module | None = None, **options: Any) -> None:
        super().__init__(data, network or vanisher.VanisherFiller(), **options)

    @staticmethod
    def make_hole(rng: np.random.Generator, people: Sequence[Picture], shape: tuple[int, int]) -> np.ndarray:
        return random_hole(rng, people, shape, share=(0.05, 0.1))

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image, hole = scaled(batch[0]), scaled(batch[1])
        _, drawn = self.network(image * (1 - hole), hole)
        return self.weighed({"l2": F.mse_loss(drawn.float(), image)})


class UNet34SegmenterTask(PlainTask):
    """Name the class of every pixel of CamVid's streets: softmax cross-entropy, one-cycle learning rate.

    imagenet: the encoder starts with torchvision's weights.
    """

    name = "unet34-segmenter"
    options = frozenset({"imagenet"})
    goal = "mean_iou"
    habits = Habits(batch=8, rate=1e-3, decay=0.01, schedule="one-cycle")

    def __init__(self, data: Path, network: unet34.UNet34Segmenter | None = None, *, imagenet: bool = False) -> None:
        self.network: unet34.UNet34Segmenter
        super().__init__(data, network or unet34.UNet34Segmenter(len(camvid.CLASSES)))
        if imagenet:
            self.network.body.encoder.load_imagenet()

    def samples(self, batch: int, seed: int) -> Dataset[Any]:
        return camvid.StreetSamples(camvid.read_streets(self.data, kept=False), seed=seed)

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        logits = self.network(scaled(batch[0])).float()
        return {"entropy": F.cross_entropy(logits, batch[1][:, 0].long(), ignore_index=camvid.UNLABELLED)}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        kept, run = camvid.read_streets(self.data, kept=True), as_run(network)
        found = []
        for picture in kept:
            size = measure.working_size(*picture.image.shape[:2])
            scores = run(measure.to_network(picture.image, size))[0][0, : camvid.UNLABELLED]
            number = scores.argmax(0).astype(np.uint8)
            found.append(cv2.resize(number, picture.image.shape[1::-1], interpolation=cv2.INTER_NEAREST))
        return {"mean_iou": camvid.mean_iou(found, kept)}


class UNet34FillerTask(HoleTask):
    """Restore what is missing: L1, and features (perceptual loss). imagenet: as for the segmenter."""

    name = "unet34-filler"
    options = HoleTask.options | {"imagenet"}
    habits = Habits(batch=8, rate=1e-3, decay=0.01, schedule="one-cycle")
    terms: Mapping[str, float] = {"l1": 1.0, "features": 1.0}

    def __init__(
        self,
        data: Path,
        network: unet34.UNet34Filler | None = None,
        *,
        imagenet: bool = False,
        pretrained: bool = True,
        **options: Any,
    ) -> None:
        self.network: unet34.UNet34Filler
        super().__init__(data, network or unet34.UNet34Filler(), **options)
        if imagenet:
            self.network.body.encoder.load_imagenet()
        self.features = losses.FeatureDistance(pretrained=pretrained)

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image, hole = scaled(batch[0]), scaled(batch[1])
        filled, drawn = (made.float() for made in self.network(image * (1 - hole), hole))
        features = self.features.to(image.device)(filled, image, hole).mean()
        return self.weighed({"l1": F.l1_loss(drawn, image), "features": features})


class DeepFillTask(HoleTask):
    """GONE's filler against two WGAN-GP critics, which take five turns to its one.

    l1: of both stages inside the hole, less the farther from what is known; known: L1 outside it.
    """

    name = "deepfill"
    habits = Habits(batch=16, rate=1e-4, betas=(0.5, 0.9), decay=0.0, schedule="constant")
    terms: Mapping[str, float] = {"l1": 1.2, "known": 1.2, "critics": 0.001}
    shapes = ((256, 256),)
    penalty = 10.0
    discount = 0.99  # by which a pixel counts less than its neighbour nearer to the rim

    def __init__(
        self, data: Path, network: nn.Module | None = None, critics: deepfill.Critics | None = None, **options: Any
    ) -> None:
        super().__init__(data, network or deepfill.DeepFill(), **options)
        self.critics = critics or deepfill.Critics(self.shapes[0][0])
        self.rival = Rival(self.critics, self._critics_loss, turns=5, betas=(0.5, 0.9))

    @staticmethod
    def make_hole(rng: np.random.Generator, people: Sequence[Picture], shape: tuple[int, int]) -> np.ndarray:
        return box(rng, shape)

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        assert isinstance(self.network, deepfill.DeepFill)
        image, hole = scaled(batch[0]), scaled(batch[1])
        stages = [stage.float() for stage in self.network.stages(image * (1 - hole), hole)]
        weight = discounted(hole, self.discount)
        filled = image * (1 - hole) + stages[1] * hole
        self._shown = filled.detach(), image, hole
        total = weight.sum().clamp_min(1)
        l1 = torch.stack([((stage - image).abs().mean(1, keepdim=True) * weight).sum() / total for stage in stages])
        known = torch.stack([((stage - image).abs() * (1 - hole)).mean() for stage in stages])
        return self.weighed({"l1": l1.sum(), "known": known.sum(), "critics": -self.critics(filled, hole).mean()})

    def _critics_loss(self) -> dict[str, Tensor]:
        filled, image, hole = self._shown
        return {
            "wasserstein": (self.critics(filled, hole) - self.critics(image, hole)).mean(),
            "penalty": self.penalty * deepfill.gradient_penalty(self.critics, image, filled, hole),
        }


def discounted(hole: Tensor, factor: float) -> Tensor:
    """factor ** (distance to the nearest known pixel) inside holes, (N, 1, H, W), 0 outside."""
    distances = [cv2.distanceTransform(one[0].byte().cpu().numpy(), cv2.DIST_L2, 5) for one in hole]
    return factor ** torch.from_numpy(np.stack(distances))[:, None].to(hole.device) * hole


class DCGANTask(HoleTask):
    """Make whole pictures that a critic takes for real; filling them is a search (`dcgan.DCGAN.complete`)."""

    name = "dcgan"
    options = HoleTask.options - {"side"}
    habits = Habits(batch=64, rate=2e-4, betas=(0.5, 0.999), decay=0.0, schedule="constant")
    terms: Mapping[str, float] = {"deceit": 1.0}
    shapes = ((dcgan.SIDE, dcgan.SIDE),)
    judged = 8, dcgan.Search(steps=150)  # pictures, and how long each is sought

    def __init__(self, data: Path, network: dcgan.DCGAN | None = None, **options: Any) -> None:
        self.network: dcgan.DCGAN
        super().__init__(data, network or dcgan.DCGAN(), **options)
        self.rival = Rival(self.network.critic, self._critic_loss, betas=(0.5, 0.999))

    def groups(self, rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.network.generator.parameters()), "lr": rate}]

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image = scaled(batch[0])
        z = torch.rand(len(image), dcgan.LATENT, device=image.device) * 2 - 1
        made = self.network.generator(z).float()
        self._shown = made.detach(), image
        return self.weighed({"deceit": F.softplus(-self.network.critic(made)).mean()})

    def _critic_loss(self) -> dict[str, Tensor]:
        made, image = self._shown
        critic = self.network.critic
        return {"made": F.softplus(critic(made)).mean(), "real": F.softplus(-critic(image)).mean()}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        assert isinstance(network, dcgan.DCGAN)
        device = next(network.parameters()).device
        count, search = self.judged

        def run(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
            planes = torch.from_numpy(image[0]).to(device), torch.from_numpy(mask[0]).to(device)
            return dcgan.complete_any(network, *planes, search).cpu().numpy()[None]

        people = read_people(self.data, "train", chosen_on)
        return measure.filler_figures(run, read_backgrounds(self.data, "train", chosen_on)[:count], people)


class Pix2PixTask(HoleTask):
    """Turn a painted hue into background: conditional adversary plus 100 times L1. noise: paint noise instead."""

    name = "pix2pix"
    options = HoleTask.options - {"side"} | {"noise"}
    habits = Habits(batch=1, rate=2e-4, betas=(0.5, 0.999), decay=0.0, schedule="constant")
    terms: Mapping[str, float] = {"deceit": 1.0, "l1": 100.0}
    shapes = ((256, 256),)

    def __init__(
        self,
        data: Path,
        network: pix2pix.Pix2Pix | None = None,
        critic: pix2pix.PatchGAN | None = None,
        *,
        noise: bool = False,
        **options: Any,
    ) -> None:
        self.network: pix2pix.Pix2Pix
        super().__init__(data, network or pix2pix.Pix2Pix(noise=noise), **options)
        self.paint = pix2pix.paint_noise if noise else pix2pix.paint_hue
        self.critic = critic or pix2pix.PatchGAN()
        self.rival = Rival(self.critic, self._critic_loss, betas=(0.5, 0.999))

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image, hole = scaled(batch[0]), scaled(batch[1])
        painted = self.paint(image, hole)
        _, drawn = self.network.restore(painted, hole)
        drawn = drawn.float()
        self._shown = painted, drawn.detach(), image
        deceit = pix2pix.adversarial(self.critic(torch.cat([painted, drawn], 1)).float(), True)
        return self.weighed({"deceit": deceit, "l1": F.l1_loss(drawn, image)})

    def _critic_loss(self) -> dict[str, Tensor]:
        painted, drawn, image = self._shown
        pairs = [torch.cat([painted, answer], 1) for answer in (drawn, image)]
        made, real = (self.critic(pair).float() for pair in pairs)
        return {"made": 0.5 * pix2pix.adversarial(made, False), "real": 0.5 * pix2pix.adversarial(real, True)}


class MaskRCNNTask(PlainTask):
    """Tune Mask R-CNN to people, one class: torchvision's own losses and its recipe's settings."""

    name = "maskrcnn"
    goal = "iou"
    habits = Habits(batch=2, rate=5e-3, momentum=0.9, decay=5e-4, schedule="constant")

    def __init__(self, data: Path, network: maskrcnn.MaskRCNN | None = None) -> None:
        self.network: maskrcnn.MaskRCNN
        super().__init__(data, network or maskrcnn.MaskRCNN(1))

    def samples(self, batch: int, seed: int) -> Dataset[Any]:
        return segmenter_samples(self.data, batch, seed, shapes=((288, 384),))

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image, people = scaled(batch[0]), (batch[1][:, 0] > 127).cpu().numpy()
        targets = [{name: part.to(image.device) for name, part in target_of(mask).items()} for mask in people]
        return self.network.losses(list(image), targets)

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        people = [picture for picture in read_people(self.data, "train", chosen_on) if picture.trusted]
        device = next(network.parameters()).device

        def matte(image: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return maskrcnn.class_mattes(network(torch.from_numpy(image[0]).to(device)), [1]).numpy()[None]

        return measure.segmenter_figures(matte, people, [], [])


def target_of(mask: np.ndarray) -> dict[str, Tensor]:
    """What torchvision's detectors learn from, of a mask of people, (H, W) bool: each connected part is an instance."""
    parts = measure.pieces(mask)
    boxes = np.zeros((len(parts), 4), np.float32)
    for number, part in enumerate(parts):
        x, y, w, h = cv2.boundingRect(part.astype(np.uint8))
        boxes[number] = x, y, x + w, y + h
    masks = np.stack(parts).astype(np.uint8) if parts else np.zeros((0, *mask.shape), np.uint8)
    return {
        "boxes": torch.from_numpy(boxes),
        "labels": torch.ones(len(parts), dtype=torch.int64),
        "masks": torch.from_numpy(masks),
    }
