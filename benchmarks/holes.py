"""The photos and holes that fillers are compared on. Seeded: the same on every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from engines import augment
from engines.data import Picture
from engines.holes import grow, random_hole

SIDE = 256  # pixels of the square that every photo is cut to
SEED = 7
UNDER, OVER = (0.05, 0.4), (0.5, 0.75)  # share of the picture that a hole takes, in the two splits
GROWN = 5  # pixels by which a dilated hole exceeds its mask at this size


@dataclass(frozen=True)
class Case:
    """A photo with something to erase: shown (H, W, 3) uint8 BGR as a filler gets it, hole (H, W) uint8, 255 = erase,
    truth (H, W, 3) uint8, judged (H, W) bool: the pixels that figures are taken over.
    """

    name: str
    shown: np.ndarray
    hole: np.ndarray
    truth: np.ndarray
    judged: np.ndarray


def square(image: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The middle square of a photo at `side` pixels: (side, side, 3) uint8."""
    height, width = image.shape[:2]
    small = min(height, width)
    y, x = (height - small) // 2, (width - small) // 2
    method = cv2.INTER_AREA if small > side else cv2.INTER_CUBIC
    return cv2.resize(image[y : y + small, x : x + small], (side, side), interpolation=method)


def holed(
    backgrounds: Sequence[Picture], people: Sequence[Picture], share: tuple[float, float], side: int = SIDE
) -> Iterator[Case]:
    """One case per photo: silhouettes of people, grown a little, that take `share` of the picture; black inside."""
    for number, picture in enumerate(backgrounds):
        rng = np.random.default_rng((SEED, number, round(100 * share[0])))
        hole = np.zeros((side, side), np.uint8)
        while not share[0] <= np.count_nonzero(hole) / hole.size <= share[1]:
            more = random_hole(rng, people, (side, side), share=(share[0] / 2, share[1]), people_only=True)
            hole = more if np.count_nonzero(hole) > share[1] * hole.size else hole | more
        truth = square(picture.image, side)
        yield Case(picture.name, np.where(hole[..., None] > 0, np.uint8(0), truth), hole, truth, hole > 0)


def pasted(backgrounds: Sequence[Picture], people: Sequence[Picture], side: int = SIDE) -> Iterator[dict[str, Case]]:
    """A person pasted over each photo, with soft edges, to be erased by a box, by its mask and by its dilated mask.

    All three are judged over the same pixels, those of the box.
    """
    for number, picture in enumerate(backgrounds):
        rng = np.random.default_rng((SEED, number))
        truth = square(picture.image, side)
        for _ in range(20):
            shown, shows = augment.paste(rng, truth, people[int(rng.integers(len(people)))])
            if UNDER[0] <= shows.mean() <= UNDER[1]:
                break
        mask = shows.astype(np.uint8) * 255
        x, y, w, h = cv2.boundingRect(grow(mask, GROWN))
        box = np.zeros_like(mask)
        box[y : y + h, x : x + w] = 255
        holes = {"box": box, "mask": mask, "dilated mask": grow(mask, GROWN)}
        yield {kind: Case(picture.name, shown, hole, truth, box > 0) for kind, hole in holes.items()}
