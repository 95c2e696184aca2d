"""What a hole is replaced by, and the whole picture with it in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime import ops
from realtime.background.fade import Fade
from realtime.background.plate import GUESSED, SEEN, Plate
from realtime.hole import Hole
from realtime.ops import Region


@dataclass(frozen=True)
class Patch:
    """The new picture of a hole. picture: (h, w, 3) uint8 BGR; trust: (h, w) uint8, what it is made of; unknown: (h, w)
    uint8, 255 where the plate knows nothing, and the picture is the frame's own.
    """

    hole: Hole
    picture: np.ndarray
    trust: np.ndarray
    unknown: np.ndarray


@dataclass(frozen=True)
class Shown:
    """A frame with a patch in place: NumPy arrays, as in `realtime.result.Result`.

    fade: for the next frame; hole_pixels, seen_pixels: how many were replaced, and by what had been SEEN. For a device
    alone, else 0: unseen, guessed: how many pixels of the hole nothing is known of, and of its rectangle only a guess;
    invented, invented_here: how many of the plate and of the hole are invented.
    """

    image: np.ndarray
    alpha: np.ndarray
    inside: np.ndarray
    made_of: np.ndarray
    fade: Fade
    hole_pixels: int
    seen_pixels: int
    unseen: int
    guessed: int
    invented: int
    invented_here: int


def show(image: np.ndarray, patch: Patch, plate: Plate, motion: np.ndarray, fade: Fade) -> Shown:
    """Put a patch into the picture of a frame. image: (H, W, 3) uint8 BGR; motion: present anchor -> frame pixels.

    Waits for a device, where the pictures are on one: once.
    """
    home, hole, size = plate.home, patch.hole, (image.shape[0], image.shape[1])
    here = hole.roi.slices
    picture, fade = fade.step(patch.picture, hole.inside, patch.trust, plate, motion, hole.roi)
    image = image.copy()
    image[here] = picture
    asked = [hole.inside, ops.equals(patch.trust, SEEN) & hole.inside]
    if not home.answers_at_once:
        asked += [patch.unknown & hole.inside, ops.equals(patch.trust, GUESSED)]
        asked += [plate.inventions(), plate.invented_in(motion, hole.roi) & hole.inside]
    made_of = ops.raised(patch.trust, GUESSED) & hole.inside
    image, *layers, counts = home.fetch(image, hole.alpha, hole.inside, made_of, ops.count_later(asked))
    numbers = counts.ravel().tolist()
    alpha, inside, made_of = (_placed(layer, hole.roi, size) for layer in layers)
    return Shown(image, alpha, inside, made_of, fade, *numbers, *[0] * (6 - len(numbers)))


def _placed(layer: np.ndarray, roi: Region, size: tuple[int, int]) -> np.ndarray:
    """A roi's layer in a (H, W) frame, zero around it."""
    whole = np.zeros(size, np.uint8)
    whole[roi.slices] = layer
    return whole
