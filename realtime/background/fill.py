"""The filler's role: invent background where no frame has shown any."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from engines.runtime import Engine, load_engine
from realtime import masks, ops
from realtime.background import texture
from realtime.ops import Region

CLASSICAL = "telea"
CONTEXT = 0.25  # share of the hole's longer side that the network sees around it, on each side
SOURCES = 0.75  # share of it within which texture is taken from what is known


class Filler(Protocol):
    """Anything that completes a picture."""

    name: str

    def fill(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Complete `image`, (H, W, 3) uint8 BGR, where `mask`, (H, W) uint8, is 255; the rest is returned as it was."""
        ...


class TeleaFiller:
    """Telea's fast marching inpainting (2004), for comparison."""

    name = CLASSICAL

    def fill(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return cv2.inpaint(image, mask, 5, cv2.INPAINT_TELEA)


class NetworkFiller:
    """Runs a filler engine on crops around the unknown pixels, and gives its answer the texture of what surrounds them.

    The network works at the resolution that its card recommends, the texture at the picture's own. It is given a crop
    and its mirror image, and the mean of both fills counts: blotches and streaks are seldom made up twice.
    default_size: (H, W), as many pixels as the network sees at most; may be set to another of the card's sizes.
    """

    def __init__(self, engine: Engine):
        self.engine = engine
        self.name = engine.card.name
        self.default_size: tuple[int, int] = engine.card.sizes[0]

    def fill(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        result, missing = image.copy(), mask.copy()
        for hole, group in masks.clusters(mask, max(8, min(mask.shape) // 16)):
            near, wide = (_around(hole, share, mask.shape) for share in (CONTEXT, SOURCES))
            guess = result.copy()
            size = self._size(near.height, near.width)
            guess[near.slices] = self._complete(result[near.slices], missing[near.slices], size)
            enlarged = (near.height * near.width / (size[0] * size[1])) ** 0.5
            rebuilt = texture.rebuild(result[wide.slices], missing[wide.slices], guess[wide.slices], enlarged)
            there = group[wide.slices]
            ops.copy_where(rebuilt, there, result[wide.slices])
            missing[wide.slices] &= ~there
        return result

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """The network's input, (H, W), for a crop."""
        multiple = self.engine.card.multiple
        scale = min(1.0, (self.default_size[0] * self.default_size[1] / (height * width)) ** 0.5)
        tall, wide = (max(multiple, round(side * scale / multiple) * multiple) for side in (height, width))
        return tall, wide

    def _complete(self, image: np.ndarray, mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The network's picture for a whole crop, (h, w, 3) uint8, seen at (H, W) = `size`."""
        height, width = mask.shape
        # Unknown pixels must not bleed into known ones when the picture shrinks: average the known ones only.
        known = (mask == 0).astype(np.float32)
        weight = ops.resize(known, size)
        small = ops.resize(image.astype(np.float32) * known[..., None], size) / np.maximum(weight, 1e-6)[..., None]
        unknown = (weight < 0.5).astype(np.float32)
        small *= (1 - unknown)[..., None]
        filled = self._answer(small[..., ::-1].transpose(2, 0, 1) / np.float32(255.0), unknown[None])
        picture = np.ascontiguousarray(filled.transpose(1, 2, 0)[..., ::-1]) * np.float32(255.0)
        enlarged = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
        return np.clip(np.rint(enlarged), 0, 255).astype(np.uint8)

    def _answer(self, image: np.ndarray, hole: np.ndarray) -> np.ndarray:
        """The network's fill, (3, h, w) float32; image: the same, RGB in [0, 1]; hole: (1, h, w) float32."""
        views = [(image, hole)]
        if self.engine.card.runtime == "onnx":  # others search at random: two of their fills have nothing in common
            views.append((image[..., ::-1], hole[..., ::-1]))
        images, holes = (np.stack(planes) for planes in zip(*views, strict=True))
        filled, *mirrored = self.engine.run(image=images, mask=holes)["image_filled"]
        return (filled + mirrored[0][..., ::-1]) / 2 if mirrored else filled


def _around(hole: Region, share: float, size: tuple[int, ...]) -> Region:
    """What lies within a share of a hole's longer side around it, in a picture of (H, W) = `size`."""
    return hole.expanded_within(max(32, round(share * max(hole.height, hole.width))), size[0], size[1])


def load_filler(model: str, *, device: str = "auto", runtime: str = "auto", threads: int | None = None) -> Filler:
    """The filler of a model name, folder or .onnx path, or "telea"; EngineError where it cannot be had."""
    if model == CLASSICAL:
        return TeleaFiller()
    return NetworkFiller(load_engine(model, "filler", device=device, runtime=runtime, threads=threads))
