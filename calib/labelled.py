"""Labelled pictures to choose a threshold on: none that a network has learnt from, none that it is judged by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from engines import augment
from engines.data import Picture, chosen_on, read_backgrounds, read_people
from engines.errors import EngineError
from engines.loaders import read_format

SIDE = 640  # pixels: pictures are used at their own size, or this one
COMPOSITES = 120


def read_labelled(data: str, side: int = SIDE) -> list[Picture]:
    """Pictures with masks, empty ones where nobody is; EngineError where there are none.

    data: FORMAT:PATH as `engines.loaders` reads them, all of them; or the folder of training data: of `train` the part
    that trainings keep back for choices, and cut-outs of its people over its people-free pictures; nothing of `val`.
    """
    kind, separator, _ = data.partition(":")
    if separator and len(kind) > 1:  # C:\ is no format
        pictures = [picture for picture in read_format(data, side) if picture.mask is not None]
    else:
        folder = Path(data)
        people = [picture for picture in read_people(folder, "train", chosen_on, side) if picture.trusted]
        places = read_backgrounds(folder, "train", chosen_on, side)
        pictures = [*people, *(_empty(place.name, place.image) for place in places), *composites(people, places)]
    if not any(picture.mask is not None and picture.mask.any() for picture in pictures):
        raise EngineError(f"{data} has no labelled people to choose a threshold on")
    return pictures


def composites(people: Sequence[Picture], places: Sequence[Picture], count: int = COMPOSITES) -> Iterator[Picture]:
    """People, cut out, in places where nobody is; the same ones each time."""
    for number in range(count if people and places else 0):
        rng = np.random.default_rng((5, number))
        place = places[int(rng.integers(len(places)))]
        person = people[int(rng.integers(len(people)))]
        image, inside = augment.paste(rng, place.image, person)
        yield Picture(f"composite_{number:03d}", image, inside.astype(np.uint8) * 255)


def _empty(name: str, image: np.ndarray) -> Picture:
    return Picture(name, image, np.zeros(image.shape[:2], np.uint8))
