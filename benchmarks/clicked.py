"""Objects to click on: people, cars and signs of labelled pictures, and cut-outs pasted over other pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.data import data_folder, read_picture
from engines.augment import blend
from engines.data import Picture, cut_things
from engines.measure import Ask, PlacedClick, pieces
from engines.teach import TEACHER, find_things, load_tflite
from realtime.tracking.looker import Cue, Looker
from realtime.tracking.track import Click

CAR, SIGN = 8, 6  # CamVid's labels
PASTED = 3  # pictures that each cut-out is pasted over


@dataclass(frozen=True)
class Clickable:
    """An object of a picture. image: (H, W, 3) uint8 BGR; thing: (H, W) bool; kind: for the table."""

    kind: str
    image: np.ndarray
    thing: np.ndarray


def asked(looker: Looker, image: np.ndarray) -> Ask:
    """The product's answers to clicks in a (H, W, 3) uint8 BGR picture."""

    def ask(before: np.ndarray, clicks: Sequence[PlacedClick]) -> np.ndarray:
        height, width = before.shape[0] // 2, before.shape[1] // 2  # the size of mattes
        matte = cv2.resize(before, (width, height), interpolation=cv2.INTER_AREA)
        halved = [Click((x - 0.5) / 2, (y - 0.5) / 2, inside, 0.0) for x, y, inside in clicks]
        cue = Cue(matte, halved, sure=False)
        _, (answer,) = looker.look(image, (), [cue])
        return looker.again(image, cue, answer)

    return ask


def people(pictures: Sequence[Picture]) -> Iterator[Clickable]:
    """Every connected piece of the pictures' masks."""
    for picture in pictures:
        assert picture.mask is not None
        for piece in pieces(picture.mask > 127):
            yield Clickable("person", picture.image, piece)


def camvid() -> Iterator[Clickable]:
    """Every connected car and sign of CamVid's validation frames."""
    for path in sorted((data_folder() / "camvid" / "val").glob("*")):
        labels = read_picture(f"camvid/val_labels/{path.stem}.png", cv2.IMREAD_GRAYSCALE)
        image = read_picture(f"camvid/val/{path.name}")
        for kind, number in (("car", CAR), ("sign", SIGN)):
            for piece in pieces(labels == number):
                yield Clickable(kind, image, piece)


def pasted(backgrounds: Sequence[Picture]) -> Iterator[Clickable]:
    """What a teacher cuts out of pictures that no training saw, pasted over others of them.

    EngineError where the teacher can't run.
    """
    teacher = load_tflite(data_folder() / TEACHER)
    named = [Picture(p.name, p.image, things=find_things(teacher, p)) for p in backgrounds]
    for number, cutout in enumerate(cut_things(named)):
        for turn in range(PASTED):
            rng = np.random.default_rng((number, turn))
            under = backgrounds[int(rng.integers(len(backgrounds)))].image
            image, shows = laid_over(rng, under, cutout)
            for piece in pieces(shows)[:1]:
                yield Clickable("cut-out", image, piece)


def laid_over(rng: np.random.Generator, under: np.ndarray, cutout: Picture) -> tuple[np.ndarray, np.ndarray]:
    """A picture, (H, W, 3) uint8, with a cut-out in it, whole, a fifth to four fifths as high; and where that shows.

    Its light stays as it was. Trainings paste in more ways, which may change; these figures are to stay comparable.
    """
    assert cutout.mask is not None
    scale = rng.uniform(0.2, 0.8) * under.shape[0] / cutout.mask.shape[0]
    scale = min(scale, under.shape[1] / cutout.mask.shape[1])
    height, width = (max(1, int(side * scale)) for side in cutout.mask.shape)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    thing, mask = (cv2.resize(plane, (width, height), interpolation=way) for plane in (cutout.image, cutout.mask))
    y, x = int(rng.integers(under.shape[0] - height + 1)), int(rng.integers(under.shape[1] - width + 1))
    image, placed = under.copy(), np.zeros(under.shape[:2], np.uint8)
    part = slice(y, y + height), slice(x, x + width)
    image[part], placed[part] = thing, mask
    alpha = np.asarray(cv2.GaussianBlur(placed, (0, 0), 0.8))
    return blend(under, image, alpha), alpha > 127
