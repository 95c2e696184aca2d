"""Pictures for training, decoded once and kept small in memory.

The folder that is read looks like this (all parts optional, but a task says which it needs):

    people/{train,val}/images/*.jpg + masks/*.png     0 background, 255 person
    people/cutouts/*.png                              RGBA
    people/suspect_unlabelled_people.txt              stems whose background holds unlabelled people
    people_boxes/images/*.jpg + boxes.json            stem -> [[x1, y1, x2, y2], ...] in pixels
    backgrounds/{train,val}/*.jpg                     nobody in them

Arrays are OpenCV's: (H, W, 3) uint8 BGR, masks (H, W) uint8.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from engines.errors import EngineError

LONGEST_SIDE = 512
NON_COMMERCIAL = ("cmask_", "imnet_")  # prefixes of pictures that default weights must not learn from
FAULTY = frozenset({"hsd_0052", "hsd_0110"})  # masks known to be wrong
HELD_BOXES = 150


@dataclass(frozen=True)
class Picture:
    """image (H, W, 3) uint8 BGR; mask (H, W) uint8, 255 = person, where there is one; boxes (n, 4) float32 x1 y1 x2 y2.

    `trusted` is False where people outside the mask are unlabelled: its person may be cut out, its background not used.
    things: (H, W) uint8, 0 = nothing, 1, 2, ... = an object each, where a teacher named any. animal: whether a teacher
    saw an animal.
    """

    name: str
    image: np.ndarray
    mask: np.ndarray | None = None
    boxes: np.ndarray | None = None
    trusted: bool = True
    things: np.ndarray | None = None
    animal: bool = False

    def inside_boxes(self) -> np.ndarray:
        """(H, W) bool: inside any of its boxes."""
        assert self.boxes is not None
        inside = np.zeros(self.image.shape[:2], np.uint8)
        for x1, y1, x2, y2 in self.boxes.round().astype(int).tolist():
            cv2.rectangle(inside, (x1, y1), (x2 - 1, y2 - 1), 1, cv2.FILLED)
        return inside > 0

    @property
    def prefix(self) -> str:
        """The source it comes from: the part of its name before the first underscore."""
        return self.name.split("_")[0]


def order(name: str) -> int:
    """A number that is the same on every machine, for splits that do not depend on the order of files."""
    return zlib.crc32(name.encode())


def is_held(name: str) -> bool:
    """Whether a training picture belongs to the twentieth part that choices are made on, and never learnt from."""
    return order(name) % 20 == 0


def is_permitted(name: str) -> bool:
    """Whether default weights may learn from this picture."""
    return not name.startswith(NON_COMMERCIAL)


def learns_from(name: str) -> bool:
    """Training pictures that default weights are trained on."""
    return is_permitted(name) and not is_held(name)


def chosen_on(name: str) -> bool:
    """Training pictures kept back to make choices on."""
    return is_permitted(name) and is_held(name)


def read_people(
    data: Path, part: str, keep: Callable[[str], bool] = is_permitted, side: int = LONGEST_SIDE
) -> list[Picture]:
    """Labelled people of `part` ("train" or "val") whose stem `keep` takes, scaled down to `side` at most."""
    folder = data / "people" / part
    listed = data / "people" / "suspect_unlabelled_people.txt"
    lines = listed.read_text().splitlines() if listed.exists() else []
    suspect = {line.split("\t")[0] for line in lines if not line.startswith("#")}

    def read(path: Path) -> Picture:
        image = decode(path, cv2.IMREAD_COLOR)
        mask = decode(folder / "masks" / f"{path.stem}.png", cv2.IMREAD_GRAYSCALE)
        if mask.shape != image.shape[:2]:
            raise ValueError(f"its mask is {mask.shape[1]}x{mask.shape[0]}, not {image.shape[1]}x{image.shape[0]}")
        mask = shrink(mask, side)
        return Picture(
            path.stem, shrink(image, side), (mask > 127).astype(np.uint8) * 255, None, path.stem not in suspect
        )

    paths = [p for p in list_files(folder / "images", "*.jpg") if keep(p.stem) and p.stem not in FAULTY]
    return read_all(paths, read)


def read_cutouts(data: Path, side: int = LONGEST_SIDE) -> list[Picture]:
    """People already cut out (RGBA); the mask is their alpha."""
    return read_all(list_files(data / "people" / "cutouts", "*.png"), lambda path: read_cutout(path, side))


def read_cutout(path: Path, side: int) -> Picture:
    """An RGBA picture; the mask is its alpha."""
    rgba = decode(path, cv2.IMREAD_UNCHANGED)
    if rgba.ndim != 3 or rgba.shape[2] != 4:
        raise ValueError("it has no alpha channel")
    rgba = shrink(rgba, side)
    return Picture(path.stem, np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3]), None, False)


def read_backgrounds(
    data: Path, part: str, keep: Callable[[str], bool] = is_permitted, side: int = LONGEST_SIDE
) -> list[Picture]:
    """Pictures with nobody in them."""
    paths = [p for p in list_files(data / "backgrounds" / part, "*.jpg") if keep(p.stem)]
    return read_all(paths, lambda path: Picture(path.stem, shrink(decode(path, cv2.IMREAD_COLOR), side)))


def read_boxes(data: Path, *, held: bool, side: int = LONGEST_SIDE) -> list[Picture]:
    """Pictures with a box around each person: the `HELD_BOXES` that training never sees, or the others."""
    folder = data / "people_boxes"
    try:
        boxes: dict[str, list[list[float]]] = json.loads((folder / "boxes.json").read_text())
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{folder / 'boxes.json'} can't be read ({error}); --data must name the data's folder"
        ) from error

    def read(path: Path) -> Picture:
        image = decode(path, cv2.IMREAD_COLOR)
        small = shrink(image, side)
        scale = small.shape[0] / image.shape[0]
        return Picture(path.stem, small, None, np.asarray(boxes[path.stem], np.float32).reshape(-1, 4) * scale, False)

    stems = sorted(boxes, key=order)
    stems = stems[:HELD_BOXES] if held else stems[HELD_BOXES:]
    return read_all([folder / "images" / f"{stem}.jpg" for stem in stems], read)


def add_labels(pictures: Iterable[Picture], labels: Path) -> list[Picture]:
    """The same pictures with what `engines.teach` wrote to the folder `labels`: masks where there are boxes, things,
    and whether there is an animal.
    """

    def read(folder: str, picture: Picture) -> np.ndarray | None:
        path = labels / folder / f"{picture.name}.png"
        if not path.exists():
            return None
        label = decode(path, cv2.IMREAD_GRAYSCALE)
        if label.shape != picture.image.shape[:2]:
            raise EngineError(f"{path} does not fit its picture; make the labels again with `python -m engines.teach`")
        return label

    if not (labels / "things").is_dir() or not (labels / "animals.txt").is_file():
        raise EngineError(f"there are no labels in {labels}; make them with `python -m engines.teach`")
    animals = set((labels / "animals.txt").read_text().split())
    found = []
    for picture in pictures:
        mask = read("people_boxes", picture) if picture.boxes is not None else picture.mask
        things = read("things", picture)
        found.append(replace(picture, mask=mask, things=things, animal=picture.name in animals))
    return found


def cut_things(pictures: Iterable[Picture]) -> list[Picture]:
    """Every thing of the pictures as a cut-out of its own."""
    cutouts = []
    for picture in pictures:
        if picture.things is not None:
            for number in range(1, int(picture.things.max()) + 1):
                mask = (picture.things == number).astype(np.uint8) * 255
                ys, xs = np.nonzero(mask)
                part = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
                cutouts.append(Picture(f"{picture.name}_{number}", picture.image[part].copy(), mask[part].copy()))
    return cutouts


def list_files(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder, sorted; EngineError where there are none."""
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise EngineError(f"no {pattern} in {folder}; --data must name the folder that holds people/ and backgrounds/")
    return paths


def decode(path: Path, flags: int) -> np.ndarray:
    """A picture file as OpenCV's `flags` say; ValueError where it can't be read."""
    image = cv2.imread(str(path), flags)
    if image is None:
        raise ValueError(f"{path.name} is missing or not a picture")
    return image


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """The picture at `side` pixels at most."""
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def read_all(paths: Iterable[Path], read: Callable[[Path], Picture]) -> list[Picture]:
    """Read every path; one error names all that could not be read, none is skipped silently."""

    def attempt(path: Path) -> Picture | str:
        try:
            return read(path)
        except (OSError, ValueError, KeyError, TypeError, zlib.error, cv2.error) as error:
            return f"{path}: {error}"

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(attempt, paths))
    faults = [result for result in results if isinstance(result, str)]
    if faults:
        raise EngineError(f"{len(faults)} pictures can't be used; mend or remove them: " + "; ".join(faults))
    return [result for result in results if isinstance(result, Picture)]
