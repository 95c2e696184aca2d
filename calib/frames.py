"""Pictures of a folder as a network's inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from engines.card import Card
from engines.guidance import CLICK_RADIUS
from engines.holes import box
from engines.interface import GUIDANCE, Engine
from engines.measure import to_network
from realtime.errors import UsageError
from realtime.media.pictures import is_picture, read_picture

FOLDER = Path("build/frames")  # where pictures are collected, if nobody says otherwise
Inputs = dict[str, np.ndarray]


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their names; UsageError where there are fewer than two."""
    paths = sorted(path for path in folder.glob("*") if is_picture(str(path))) if folder.is_dir() else []
    if len(paths) < 2:
        raise UsageError(f"{folder} must hold at least two pictures: `python -m calib.collect` makes such a folder")
    return paths


def evenly(paths: Sequence[Path], count: int) -> list[Path]:
    """At most `count` of them, evenly over all."""
    return [paths[round(index)] for index in np.linspace(0, len(paths) - 1, min(count, len(paths)))]


def inputs_of(paths: Sequence[Path], engine: Engine) -> Iterator[Inputs]:
    """For each picture what the network is given, float32 (1, C, H, W) by name, at the size that its card recommends.

    A guided segmenter is guided in every second picture: to what it finds there itself, as if it had been there a frame
    before, by a click on its middle. A filler gets a hole, the same one for the same place in the list.
    engine: the network in FP32.
    """
    for number, path in enumerate(paths):
        image = to_network(read_picture(path).image, engine.card.sizes[0])
        if engine.card.task == "filler":
            hole = (box(np.random.default_rng((3, number)), engine.card.sizes[0]) > 0).astype(np.float32)[None, None]
            yield {"image": image * (1 - hole), "mask": hole, "truth": image}
        elif GUIDANCE not in engine.card.inputs:
            yield {"image": image}
        else:
            guidance = np.zeros_like(image)
            if number % 2:
                guidance[0] = _guidance(engine.run(image=image)["matte"][0].max(0), image.shape[2:])
            yield {"image": image, GUIDANCE: guidance}


def given(card: Card, inputs: Inputs) -> Inputs:
    """Of the inputs those that the network takes."""
    return {name: array for name, array in inputs.items() if name in card.inputs}


def _guidance(matte: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(3, H, W): the matte, and a click where it is deepest; in the middle where it shows nothing."""
    planes = np.zeros((3, *size), np.float32)
    planes[0] = cv2.resize(matte, size[::-1])
    framed = cv2.copyMakeBorder((planes[0] > 0.5).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape) if depth.any() else (size[0] // 2, size[1] // 2)
    cv2.circle(planes[1], (int(x), int(y)), round(CLICK_RADIUS * size[0]), 1.0, cv2.FILLED)
    return planes
