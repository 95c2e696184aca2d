"""The filler's role: invent background where no frame has shown any."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from engines.runtime import Engine, load_engine
from realtime import ops
from realtime.ops import Region

CLASSICAL = "telea"
CONTEXT = 0.75  # share of the hole's longer side that the network sees around it, on each side


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
    """Runs a filler engine on crops around the unknown pixels, at the resolution that its card recommends."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self.name = engine.card.name

    def fill(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        result = image.copy()
        for region in _crops(mask):
            crop, hole = result[region.slices], mask[region.slices]
            result[region.slices] = np.where(hole[..., None] > 0, self._complete(crop, hole), crop)
        return result

    def _complete(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The network's picture for a whole crop, (h, w, 3) uint8, resampled back to the crop's size."""
        card = self.engine.card
        height, width = mask.shape
        scale = min(1.0, (card.sizes[0][0] * card.sizes[0][1] / (height * width)) ** 0.5)
        size = tuple(max(card.multiple, round(side * scale / card.multiple) * card.multiple) for side in mask.shape)
        # Unknown pixels must not bleed into known ones when the picture shrinks: average the known ones only.
        known = (mask == 0).astype(np.float32)
        weight = ops.resize(known, size)
        small = ops.resize(image.astype(np.float32) * known[..., None], size) / np.maximum(weight, 1e-6)[..., None]
        unknown = (weight < 0.5).astype(np.float32)
        small *= (1 - unknown)[..., None]
        tensor = np.ascontiguousarray(small[..., ::-1].transpose(2, 0, 1)[None]) / np.float32(255.0)
        filled = self.engine.run(image=tensor, mask=unknown[None, None])["image_filled"][0]
        picture = np.ascontiguousarray(filled.transpose(1, 2, 0)[..., ::-1]) * np.float32(255.0)
        enlarged = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
        return np.clip(np.rint(enlarged), 0, 255).astype(np.uint8)


def _crops(mask: np.ndarray) -> list[Region]:
    """One rectangle with context for each group of unknown pixels; groups whose contexts meet share one."""
    height, width = mask.shape
    reach = max(8, min(height, width) // 16)
    joined = ops.grow(mask, reach)
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    crops = []
    for x, y, w, h, _ in stats[1:count]:
        margin = max(32, round(CONTEXT * max(w, h)))
        crops.append(Region(y, y + h, x, x + w).expand(margin, height, width))
    return crops


def load_filler(model: str, *, device: str = "auto", runtime: str = "auto", threads: int | None = None) -> Filler:
    """The filler of a model name, folder or .onnx path, or "telea"; EngineError where it cannot be had."""
    if model == CLASSICAL:
        return TeleaFiller()
    return NetworkFiller(load_engine(model, "filler", device=device, runtime=runtime, threads=threads))
