"""`python -m engines.paint PICTURE`: find instances, paint over those that are to go, turn the paint into background.

    python -m engines.paint street.jpg                                                  # finds and numbers them
    python -m engines.paint street.jpg --remove 2,5 --fill build/models/pix2pix
    python -m engines.paint street.jpg --keep person --noise --fill swift

After Deep Layer Regeneration: Mask R-CNN finds, pix2pix (or any other filler) regenerates. Writes to --out `found.png`
(the instances, numbered), `found.json` (number, class, score, box, and the file of each one's mask) and the masks;
with --keep or --remove `painted.png` and `hole.png`; with --fill `filled.png`. On a CPU it takes seconds a picture.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from engines.command import exit_code_of
from engines.errors import EngineError
from engines.holes import grow
from engines.measure import fill
from engines.models import find_model
from engines.pictures import write_picture
from engines.runtime import load_engine

HUE = "ff00ff"  # red, green and blue: magenta, which pix2pix learns from
GROWN = 0.01  # of the picture's height, by which a hole exceeds its masks: outlines are never exact
TINTS = ((60, 60, 255), (60, 200, 60), (255, 120, 40), (40, 200, 255), (230, 80, 230), (200, 200, 40))  # BGR


@dataclass(frozen=True)
class Found:
    """One instance: box x1 y1 x2 y2 in pixels, mask (H, W) bool."""

    kind: str
    score: float
    box: tuple[float, ...]
    mask: np.ndarray


def main(arguments: list[str] | None = None) -> int:
    """Parse, find, paint, fill; return the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(
        prog="python -m engines.paint", description="Paint over what Mask R-CNN finds, and regenerate it"
    )
    parser.add_argument("picture", type=Path)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--remove", metavar="A,B,...", help="numbers or classes of what is painted over")
    which.add_argument("--keep", metavar="A,B,...", help="all but these are painted over")
    parser.add_argument("--segmenter", default="maskrcnn", metavar="MODEL", help="maskrcnn, its .pth file, or a folder")
    paint = parser.add_mutually_exclusive_group()
    paint.add_argument("--hue", default=HUE, metavar="RRGGBB", help=f"default: {HUE}")
    paint.add_argument("--noise", action="store_true", help="paint noise, not a hue")
    parser.add_argument("--fill", metavar="MODEL", help="a filler that turns the paint into background")
    parser.add_argument("--out", type=Path, default=Path("build/paint"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: _paint(options))


def _paint(options: argparse.Namespace) -> None:
    image = cv2.imread(str(options.picture))
    if image is None:
        raise EngineError(f"{options.picture} can't be read as a picture; give a JPEG or PNG file")
    hue = None if options.noise else read_hue(options.hue)
    if options.fill is not None and options.keep is None and options.remove is None:
        raise EngineError("--fill needs --keep or --remove, which say what is painted over")
    filler = None if options.fill is None else load_engine(options.fill, "filler")
    found = find(options.segmenter, image)
    options.out.mkdir(parents=True, exist_ok=True)
    _report(options.out, image, found)
    if options.keep is None and options.remove is None:
        return
    named = choose(found, options.keep or options.remove)
    hole = hole_over(found, named if options.keep is None else set(range(len(found))) - named)
    write_picture(options.out / "hole.png", hole.astype(np.uint8) * 255)
    painted = paint_over(image, hole, hue)
    write_picture(options.out / "painted.png", painted)
    if filler is not None:
        filled = fill(
            lambda picture, mask: filler.run(image=picture, mask=mask)["image_filled"],
            image,
            hole,
            filler.card.multiple,
        )
        write_picture(options.out / "filled.png", filled)
    print(f"Written to {options.out}")


def find(segmenter: str, image: np.ndarray) -> list[Found]:
    """The instances in (H, W, 3) uint8 BGR, best first; EngineError without torch, torchvision or the weights."""
    model = find_model(segmenter, "segmenter")
    if model.card.network != "maskrcnn":
        raise EngineError(
            f"{segmenter} tells no instances apart; give maskrcnn, its .pth file, or a folder of your own"
        )
    try:
        import torch

        from engines.classics import maskrcnn
    except ImportError as error:
        raise EngineError(f"Mask R-CNN needs {error.name}; install it with `pip install .[maskrcnn]`") from error
    finder = maskrcnn.load(model.card, Path(str(model.file)))
    names = dict(zip(finder.labels, model.card.classes, strict=True))
    planes = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)).astype(np.float32) / 255)
    with torch.inference_mode():
        seen = finder.network(planes)
    rows = zip(seen.labels.tolist(), seen.scores.tolist(), seen.boxes.tolist(), seen.masks.numpy() > 0.5, strict=True)
    return [Found(names[label], score, tuple(box), mask) for label, score, box, mask in rows if label in names]


def choose(found: Sequence[Found], text: str) -> set[int]:
    """The places in `found` of what numbers (from 1) and classes name; EngineError where a word names nothing."""
    chosen: set[int] = set()
    for word in (word.strip() for word in text.split(",")):
        hits = {place for place, one in enumerate(found) if word in (one.kind, str(place + 1))}
        if not hits:
            there = ", ".join(f"{place} {one.kind}" for place, one in enumerate(found, 1)) or "nothing"
            raise EngineError(f"{word!r} was not found in the picture; found: {there}")
        chosen |= hits
    return chosen


def hole_over(found: Sequence[Found], removed: set[int]) -> np.ndarray:
    """(H, W) bool: the masks of what is removed, grown, without what is kept."""
    if not removed:
        raise EngineError("nothing is left to paint over; keep less")
    hole, kept = (
        np.any(
            [one.mask for place, one in enumerate(found) if (place in removed) == gone] or [False * found[0].mask], 0
        )
        for gone in (True, False)
    )
    grown = grow(hole.astype(np.uint8), round(GROWN * hole.shape[0])) > 0
    return hole | (grown & ~kept)


def paint_over(image: np.ndarray, hole: np.ndarray, hue: tuple[int, int, int] | None) -> np.ndarray:
    """(H, W, 3) uint8 BGR with a hue, BGR, or noise (None) where `hole`, (H, W) bool, is."""
    noise = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
    return np.where(hole[..., None], noise if hue is None else np.array(hue, np.uint8), image)


def read_hue(text: str) -> tuple[int, int, int]:
    """ "ff00ff" as BGR."""
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError as error:
        raise EngineError(f"--hue takes six hexadecimal digits, as in {HUE}, not {text!r}") from error
    return blue, green, red


def _report(folder: Path, image: np.ndarray, found: Sequence[Found]) -> None:
    """Print what was found, and write it as a picture, as JSON and as masks."""
    shown, entries = image.copy(), []
    for number, one in enumerate(found, 1):
        tint = TINTS[number % len(TINTS)]
        shown[one.mask] = (shown[one.mask] * 0.5 + np.array(tint) * 0.5).astype(np.uint8)
        x1, y1, x2, y2 = (round(side) for side in one.box)
        cv2.rectangle(shown, (x1, y1), (x2, y2), tint, 2)
        cv2.putText(shown, f"{number} {one.kind}", (x1 + 4, y1 + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255,) * 3, 2)
        file = f"mask-{number}.png"
        write_picture(folder / file, one.mask.astype(np.uint8) * 255)
        entries.append({"number": number, "class": one.kind, "score": one.score, "box": one.box, "mask": file})
        print(f"{number}: {one.kind}, score {one.score:.2f}, box {x1},{y1} to {x2},{y2}")
    write_picture(folder / "found.png", shown)
    (folder / "found.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    if not found:
        print(f"nothing was found in the picture; {folder / 'found.json'} is empty")


if __name__ == "__main__":
    sys.exit(main())
