"""Pictures of people from the layouts that data sets come in.

    read_format("coco:data/instances.json")

| format | what the path names |
| --- | --- |
| `folder` | a folder with `images/` and `masks/` (same stem, .png, same size, above 127 = person) |
| `coco` | an instances file, its pictures beside it or in `images/` there; polygons and both kinds of RLE |
| `voc` | a folder with `JPEGImages/` and `SegmentationClass/` (indexed PNG, 15 = person, 255 = unsure, left out) |
| `camvid` | a folder with `train/` and `train_labels/` (9 = pedestrian, 10 = bicyclist) |
| `supervisely` | a project: `*/img/NAME` with `*/ann/NAME.json`, bitmaps and polygons of the class `person` |
| `boxes` | a folder with `images/` and `boxes.json`: stem -> [[x1, y1, x2, y2], ...] in pixels |
| `nobody` | a folder of pictures in which nobody is to be seen |
| `things` | a folder of things cut out (PNG with alpha, in folders below it too): animals, toys, tools, but nobody |

Every reader returns `Picture`s of at most `side` pixels, names every file that can't be used in one EngineError, and
skips none silently. Pictures without people count as people-free.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.augment import UNKNOWN, UNSURE
from engines.data import LONGEST_SIDE, Picture, decode, list_files, read_all, read_cutout, shrink
from engines.errors import EngineError

VOC_PERSON, VOC_UNSURE = 15, 255
CAMVID_PEOPLE = (9, 10)
PERSON = "person"
CALLED_PERSON = re.compile(rf"{PERSON}(?![a-z])")  # person_poly too, but no personal_bag


def read_format(spec: str, side: int = LONGEST_SIDE) -> list[Picture]:
    """Read FORMAT:PATH; EngineError names the formats where it is none of them."""
    kind, separator, path = spec.partition(":")
    if not separator or kind not in FORMATS:
        raise EngineError(f"{spec!r} is not FORMAT:PATH; the formats are {', '.join(FORMATS)}")
    return FORMATS[kind](Path(path), side)


def read_folder(folder: Path, side: int = LONGEST_SIDE) -> list[Picture]:
    """Images with a mask each."""

    def read(path: Path) -> Picture:
        mask = decode(folder / "masks" / f"{path.stem}.png", cv2.IMREAD_GRAYSCALE)
        return _picture(path, mask > 127, side)

    return read_all(_images(folder / "images"), read)


def read_voc(folder: Path, side: int = LONGEST_SIDE) -> list[Picture]:
    """Pascal VOC's segmentation: the pictures that have a mask."""

    def read(path: Path) -> Picture:
        labels = _indices(path)
        image = folder / "JPEGImages" / f"{path.stem}.jpg"
        return _picture(image, labels == VOC_PERSON, side, labels == VOC_UNSURE, UNSURE)

    return read_all(list_files(folder / "SegmentationClass", "*.png"), read)


def read_camvid(folder: Path, side: int = LONGEST_SIDE) -> list[Picture]:
    """CamVid as SegNet's tutorial arranges it."""

    def read(path: Path) -> Picture:
        labels = _indices(folder / "train_labels" / f"{path.stem}.png")
        return _picture(path, np.isin(labels, CAMVID_PEOPLE), side)

    return read_all(_images(folder / "train"), read)


def read_coco(file: Path, side: int = LONGEST_SIDE) -> list[Picture]:
    """COCO instances: every picture that the file lists; in a crowd (iscrowd) somebody is, but who knows where."""
    content = _json(file)
    try:
        people = {item["id"] for item in content["categories"] if item["name"] == PERSON}
        images = {file.parent / item["file_name"]: item for item in content["images"]}
        annotations: dict[int, list[dict[str, Any]]] = {}
        for item in content["annotations"]:
            if item["category_id"] in people:
                annotations.setdefault(item["image_id"], []).append(item)
    except (KeyError, TypeError) as error:
        raise EngineError(f"{file} is not a COCO instances file: it lacks {error}") from error
    if not people:
        raise EngineError(f"{file} has no category named {PERSON}")
    for name, count in Counter(item["file_name"] for item in content["images"]).items():
        if count > 1:
            raise EngineError(f"{file} lists {name} {count} times; each picture may have one entry")
    if strangers := annotations.keys() - {item["id"] for item in images.values()}:
        raise EngineError(f"{file} has people in a picture with the id {strangers.pop()}, which it does not list")

    def read(path: Path) -> Picture:
        item = images[path]
        found = path if path.exists() else file.parent / "images" / item["file_name"]
        sure, crowd = np.zeros((2, item["height"], item["width"]), bool)
        for annotation in annotations.get(item["id"], []):
            mask = _coco_mask(annotation.get("segmentation"), item["height"], item["width"])
            (crowd if annotation.get("iscrowd") else sure)[mask] = True
        return _picture(found, sure, side, crowd & ~sure, UNKNOWN)

    return read_all(images, read)


def read_supervisely(folder: Path, side: int = LONGEST_SIDE) -> list[Picture]:
    """A Supervisely project, all its data sets; objects of other classes are background."""

    def read(path: Path) -> Picture:
        content = json.loads((path.parent.parent / "ann" / f"{path.name}.json").read_text())
        mask = np.zeros((content["size"]["height"], content["size"]["width"]), np.uint8)
        for item in content["objects"]:
            if CALLED_PERSON.match(item["classTitle"].lower()):
                _draw_supervisely(mask, item)
        return _picture(path, mask > 0, side)

    images = [path for data_set in sorted(folder.glob("*/img")) for path in _images(data_set)]
    if not images:
        raise EngineError(f"no */img/ in {folder}; a Supervisely project has a folder with img/ and ann/ per data set")
    return read_all(images, read)


def read_boxes_folder(folder: Path, side: int = LONGEST_SIDE) -> list[Picture]:
    """Pictures with a box around each person; a picture that boxes.json does not name is a fault."""
    boxes = _json(folder / "boxes.json")

    def read(path: Path) -> Picture:
        if path.stem not in boxes:
            raise ValueError("boxes.json does not name it")
        image = decode(path, cv2.IMREAD_COLOR)
        small = shrink(image, side)
        found = np.asarray(boxes[path.stem], np.float32).reshape(-1, 4) * (small.shape[0] / image.shape[0])
        return Picture(path.stem, small, None, found, False)

    return read_all(_images(folder / "images"), read)


def read_nobody(folder: Path, side: int = LONGEST_SIDE) -> list[Picture]:
    """Pictures without people."""

    def read(path: Path) -> Picture:
        image = shrink(decode(path, cv2.IMREAD_COLOR), side)
        return Picture(path.stem, image, np.zeros(image.shape[:2], np.uint8))

    return read_all(_images(folder), read)


def read_things(folder: Path, side: int = LONGEST_SIDE) -> list[Picture]:
    """Cut-outs of what is nobody: the opaque part of each is its one thing."""

    def read(path: Path) -> Picture:
        picture = read_cutout(path, side)
        assert picture.mask is not None
        return replace(picture, mask=None, things=(picture.mask > 127).astype(np.uint8))

    return read_all(list_files(folder, "**/*.png"), read)


FORMATS: Mapping[str, Callable[[Path, int], list[Picture]]] = {
    "folder": read_folder,
    "coco": read_coco,
    "voc": read_voc,
    "camvid": read_camvid,
    "supervisely": read_supervisely,
    "boxes": read_boxes_folder,
    "nobody": read_nobody,
    "things": read_things,
}


def decode_rle(counts: list[int] | str | bytes, height: int, width: int) -> np.ndarray:
    """COCO's run lengths, column by column from background on, plain or packed, as (height, width) bool.

    Packed: five bits a character from code 48 on, the lowest first, the sixth says that more follow; from the fourth
    number on each is the difference to the one two before (pycocotools, maskApi.c, rleFrString).
    """
    runs = counts if isinstance(counts, list) else _unpack(counts)
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise ValueError(f"its run lengths hold {sum(runs)} pixels, not {height * width}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _unpack(packed: str | bytes) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for code in packed.encode() if isinstance(packed, str) else packed:
        bits = code - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("its run lengths end in the middle of a number")
    return runs


def _coco_mask(segmentation: Any, height: int, width: int) -> np.ndarray:
    if not segmentation:
        raise ValueError("somebody in it has no outline; boxes alone are read from the format boxes")
    if isinstance(segmentation, dict):
        if list(segmentation["size"]) != [height, width]:
            raise ValueError(f"its run lengths are for {segmentation['size']}, not {[height, width]}")
        return decode_rle(segmentation["counts"], height, width)
    mask = np.zeros((height, width), np.uint8)
    for polygon in segmentation:
        cv2.fillPoly(mask, [_corners(polygon)], 1)
    return mask > 0


def _corners(polygon: Any) -> np.ndarray:
    """(n, 2) int32: x and y of a polygon's corners; ValueError where it has fewer than three."""
    corners = np.asarray(polygon, np.float32).reshape(-1, 2).round().astype(np.int32)
    if len(corners) < 3:
        raise ValueError(f"a polygon of it has {len(corners)} corners")
    return corners


def _draw_supervisely(mask: np.ndarray, item: dict[str, Any]) -> None:
    """Draw an object over the mask: a zlib-packed PNG at its origin, or a polygon whose holes are cut out."""
    if item.get("geometryType") not in (None, "bitmap", "polygon"):
        raise ValueError(f"an object of it is a {item['geometryType']}, neither a bitmap nor a polygon")
    if item.get("bitmap"):
        data = np.frombuffer(zlib.decompress(base64.b64decode(item["bitmap"]["data"])), np.uint8)
        bitmap = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if bitmap is None:
            raise ValueError("a bitmap of it can't be decoded")
        x, y = item["bitmap"]["origin"]
        shape = (bitmap if bitmap.ndim == 2 else bitmap[..., -1])[max(0, -y) :, max(0, -x) :]
        part = mask[max(0, y) :, max(0, x) :][: shape.shape[0], : shape.shape[1]]
        part[shape[: part.shape[0], : part.shape[1]] > 0] = 1
    elif "points" in item:
        drawn = np.zeros_like(mask)
        for points, value in [(item["points"]["exterior"], 1), *((p, 0) for p in item["points"]["interior"])]:
            cv2.fillPoly(drawn, [_corners(points)], value)
        mask[drawn > 0] = 1
    else:
        raise ValueError("an object of it is neither a bitmap nor a polygon")


def _picture(
    path: Path, mask: np.ndarray, side: int, other: np.ndarray | None = None, other_label: int = UNSURE
) -> Picture:
    """The picture with its mask; ValueError where they differ in size. other: pixels that get a label of their own."""
    image = decode(path, cv2.IMREAD_COLOR)
    if mask.shape != image.shape[:2]:
        raise ValueError(f"its mask is {mask.shape[1]}x{mask.shape[0]}, not {image.shape[1]}x{image.shape[0]}")
    label = (shrink(mask.astype(np.uint8) * 255, side) > 127).astype(np.uint8) * 255
    if other is not None and other.any():
        label[shrink(other.astype(np.uint8) * 255, side) > 0] = other_label
    return Picture(path.stem, shrink(image, side), label)


def _indices(path: Path) -> np.ndarray:
    """(H, W) uint8: the numbers in a label picture, indexed or grey; a palette's colours are turned back."""
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if labels is None:
        raise ValueError(f"{path.name} is missing or not a picture")
    return labels if labels.ndim == 2 else _from_voc_colours(labels[..., :3])


def _from_voc_colours(labels: np.ndarray) -> np.ndarray:
    """Pascal VOC's colour map, BGR, back to numbers: bit k of red, green, blue is bit 7 - k // 3 of the channels."""
    numbers = np.zeros(labels.shape[:2], np.uint8)
    for bit in range(3):
        for channel, place in ((2, 0), (1, 1), (0, 2)):
            on = (labels[..., channel].astype(np.int32) >> (7 - bit)) & 1
            numbers |= (on << (3 * bit + place)).astype(np.uint8)
    numbers[(labels == (192, 224, 224)).all(-1)] = VOC_UNSURE
    return numbers


def _images(folder: Path) -> list[Path]:
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp", ".webp"))
    if not paths:
        raise EngineError(f"no pictures in {folder}")
    return paths


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{path} can't be read ({error})") from error
