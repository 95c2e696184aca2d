"""Close-ups: faces that fill the frame, cut from pictures of people, before what stands behind a face.

Webcams and portraits show plain walls, uneven light and photos out of focus there, which full-length pictures
seldom do. Every function takes a NumPy generator and draws from nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from engines.augment import UNKNOWN, blend, light, resize
from engines.data import Picture

LEAST_HEAD = 36  # pixels: what is enlarged from less shows no face any more


class Head(NamedTuple):
    """A picture of a person, the middle of the head's top (x, y), and the head's width, in pixels."""

    picture: Picture
    x: float
    y: float
    width: float


def find_heads(people: Sequence[Picture]) -> list[Head]:
    """The heads that are large enough: the upper eighth of each picture's largest person."""
    heads = []
    for picture in people:
        assert picture.mask is not None
        count, labels, stats, _ = cv2.connectedComponentsWithStats((picture.mask > UNKNOWN).astype(np.uint8))
        if count < 2:
            continue
        piece = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        top, tall = int(stats[piece, cv2.CC_STAT_TOP]), int(stats[piece, cv2.CC_STAT_HEIGHT])
        upper = labels[top : top + max(4, tall // 8)] == piece
        width = float(np.quantile(upper.sum(1), 0.75))
        if width >= LEAST_HEAD:
            heads.append(Head(picture, float(np.nonzero(upper)[1].mean()), float(top), width))
    return heads


def close_up(rng: np.random.Generator, heads: Sequence[Head], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask of a frame of `shape` (H, W) that a head and its shoulders fill; larger heads come more often."""
    sizes = np.array([head.width**2 for head in heads])
    head = heads[int(rng.choice(len(heads), p=sizes / sizes.sum()))]
    assert head.picture.mask is not None
    height, width = head.picture.mask.shape
    tall = max(head.width * rng.uniform(0.9, 3.4), shape[0] / 5)
    wide = tall * shape[1] / shape[0]
    tall, wide = min(tall, height), min(wide, width)
    y = np.clip(head.y - head.width * rng.uniform(-0.4, 0.6), 0, height - tall)
    x = np.clip(head.x + head.width * rng.uniform(-0.6, 0.6) - wide / 2, 0, width - wide)
    part = slice(int(y), int(y + tall)), slice(int(x), int(x + wide))
    return resize(head.picture.image[part], head.picture.mask[part], shape)


def before(
    rng: np.random.Generator, image: np.ndarray, mask: np.ndarray, backdrop: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The person of an image before another backdrop of its size; where the person shows, (H, W) bool."""
    alpha = cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3), np.uint8)), (0, 0), rng.uniform(0.6, 1.6))
    return blend(backdrop, light(rng, image, 0.5), alpha), alpha > UNKNOWN


def behind_faces(rng: np.random.Generator, photo: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """What may stand behind a face, (H, W, 3) uint8: a plain wall of nearly that colour or of any, or a photo, mostly
    out of focus; lit unevenly."""
    height, width = photo.shape[:2]
    kind = rng.random()
    if kind < 0.4:
        near = colour if rng.random() < 0.5 else rng.uniform(0, 255, 3)
        ends = near + rng.normal(0, 25, (2, 2, 3))
        wall = cv2.resize(ends.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    elif kind < 0.85:
        wall = cv2.GaussianBlur(photo, (0, 0), height * rng.uniform(0.006, 0.05)).astype(np.float32)
    else:
        wall = photo.astype(np.float32)
    shade = cv2.resize(
        rng.uniform(0.6, 1.15, (3, 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    return np.clip(wall * shade[..., None], 0, 255).astype(np.uint8)
