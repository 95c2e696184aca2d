"""Stand-ins for the two networks, with answers that a test can foresee."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np

from realtime.segment import Segmenter


class RedEngine:
    """A segmentation engine that takes everything very red for a person."""

    device = "cpu"
    runtime = "fake"

    def __init__(self):
        self.card = SimpleNamespace(
            name="red",
            classes=("person", "dog"),
            sizes=((96, 160),),
            multiple=32,
            inputs={"image": ""},
            threshold=0.5,
            growth=0.01,
        )
        self.sizes = []

    def run(self, image):
        self.sizes.append(image.shape)
        red, green = image[:, 0], image[:, 1]
        half = ((red > 0.8) & (green < 0.15)).astype(np.float32)[:, None, ::2, ::2]
        return {"matte": np.concatenate([half, np.zeros_like(half)], axis=1)}


class LateEngine(RedEngine):
    """Finds nobody in its first `late` runs."""

    def __init__(self, late):
        super().__init__()
        self.late = late

    def run(self, image):
        found = super().run(image)
        return found if len(self.sizes) > self.late else {name: value * 0 for name, value in found.items()}


class GuidedEngine(RedEngine):
    """Takes for the object what the previous matte and the positive clicks cover and the negative ones don't."""

    def __init__(self):
        super().__init__()
        self.card.inputs["guidance"] = ""

    def run(self, image, guidance=None):
        if guidance is None:
            guidance = np.zeros_like(image)
        previous, positive, negative = (guidance[:, plane, ::2, ::2] for plane in range(3))
        return super().run(image) | {"object": (np.maximum(previous, positive) * (1 - negative))[:, None]}


class ColourEngine(RedEngine):
    """Takes for the object what lies near the guidance and has its commonest colour, but for what was clicked
    away.
    """

    def __init__(self):
        super().__init__()
        self.card.inputs["guidance"] = ""

    def run(self, image, guidance=None):
        if guidance is None:
            return super().run(image)
        objects = [self._object(image[0], *planes) for planes in guidance]
        return super().run(image) | {"object": np.stack(objects)[:, None, ::2, ::2]}

    @staticmethod
    def _object(image, previous, positive, negative):
        seeds = positive > 0 if positive.any() else previous > 0.5
        if not seeds.any():
            return np.zeros_like(previous)
        colors, counts = np.unique(np.rint(image[:, seeds].T * 32), axis=0, return_counts=True)
        color = colors[counts.argmax()] / 32
        alike = (np.abs(image - color[:, None, None]).max(0) < 0.1) & (negative == 0)
        _, labels = cv2.connectedComponents(alike.astype(np.uint8))
        reach = max(15, int(np.sqrt(seeds.sum()) / 2))
        near = cv2.dilate(seeds.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
        touched = np.unique(labels[near & alike])
        return np.isin(labels, touched[touched > 0]).astype(np.float32)


class PaintingFiller:
    """Fills with one colour and remembers what it was asked."""

    name = "paint"

    def __init__(self, color=(0, 200, 0)):
        self.color = color
        self.asked = []

    def fill(self, image, mask):
        self.asked.append((image.copy(), mask.copy()))
        return np.where(mask[..., None] > 0, np.array(self.color, np.uint8), image)


def colour_segmenter():
    return Segmenter(ColourEngine())


def guided_segmenter():
    return Segmenter(GuidedEngine())


def red_segmenter():
    return Segmenter(RedEngine())


def late_segmenter(late):
    return Segmenter(LateEngine(late))
