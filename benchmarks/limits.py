"""Where the segmenter fails, in pictures: `python -m benchmarks.limits limits.jpg`.

Made from pictures that scikit-image ships (NASA, SpaceX and others: public domain or CC0), so that they can be shown
anywhere: what the segmenter takes for people is green.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.sheets import contact_sheet, overlay
from engines.command import exit_code_of
from engines.pictures import check_name, write_picture
from engines.runtime import DEFAULT_SEGMENTER
from realtime.errors import EraserError
from realtime.segment import Segmenter, load_segmenter

WIDTH, HEIGHT = 640, 360
TILE = 320  # pixels of width
COLUMNS = 4
GREEN = (60, 255, 60)  # BGR


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sheet; returns the exit code (0 done, 1 failed, 2 wrong usage)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description="Where the segmenter fails.")
    parser.add_argument("out", type=Path, metavar="PICTURE", help="the sheet to write")
    parser.add_argument("--model", default=DEFAULT_SEGMENTER, help="a segmenter's name, folder or .onnx file")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: _write(options.out, options.model))


def _write(out: Path, model: str) -> None:
    check_name(out)
    write_picture(out, limits_sheet(load_segmenter(model)))


def limits_sheet(segmenter: Segmenter) -> np.ndarray:
    """(h, w, 3) uint8 BGR: easy and hard pictures, what is found in them tinted."""
    tiles = [
        (label, overlay(image, (_matte(segmenter, image) > 0.5).astype(np.uint8), GREEN))
        for label, image in pictures(segmenter).items()
    ]
    sheets = []
    for start in range(0, len(tiles), COLUMNS):
        labels, images = zip(*tiles[start : start + COLUMNS], strict=True)
        sheets.append(contact_sheet(labels, [(None, images)], TILE))
    return np.concatenate(sheets)


def pictures(segmenter: Segmenter) -> dict[str, np.ndarray]:
    """Label -> (360, 640, 3) uint8 BGR."""
    try:
        from skimage import data
    except ImportError as error:
        raise EraserError("the pictures come with scikit-image; install it with `pip install .[demo]`") from error
    portrait, launch = (np.ascontiguousarray(picture[..., ::-1]) for picture in (data.astronaut(), data.rocket()))
    person = portrait[:, 60:370]
    alpha = _matte(segmenter, person)
    rng = np.random.default_rng(0)
    launch = _framed(launch)
    dark = _framed(portrait) * 0.06 + rng.normal(0, 4, (HEIGHT, WIDTH, 3))
    return {
        "a portrait: found": _framed(portrait),
        "twelve, 9 % of the height": _placed(launch, person, alpha, rng, 12, 0.09, 300),
        "a crowd, 30 % of the height": _placed(launch, person, alpha, rng, 30, 0.3, 350),
        "head down": np.ascontiguousarray(_framed(portrait)[::-1]),
        "in the dark": dark.clip(0, 255).astype(np.uint8),
        "grey, from behind": _framed(cv2.cvtColor(data.camera(), cv2.COLOR_GRAY2BGR)),
        "a cat, close: nobody": _framed(np.ascontiguousarray(data.chelsea()[..., ::-1])),
        "a workshop: nobody": _framed(np.ascontiguousarray(data.stereo_motorcycle()[0][..., ::-1])),
    }


def _matte(segmenter: Segmenter, image: np.ndarray) -> np.ndarray:
    """Of people, (H, W) float32, at the picture's own size."""
    return cv2.resize(segmenter.matte(image, ("person",)), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _framed(picture: np.ndarray) -> np.ndarray:
    """The middle of a picture, at (360, 640)."""
    height, width = picture.shape[:2]
    keep = min(height, round(width * HEIGHT / WIDTH))
    top = (height - keep) // 3
    return cv2.resize(picture[top : top + keep], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def _placed(
    scene: np.ndarray,
    person: np.ndarray,
    alpha: np.ndarray,
    rng: np.random.Generator,
    count: int,
    tall: float,
    bottom: int,
) -> np.ndarray:
    """The scene with the same person many times, `tall` of its height, above row `bottom`."""
    image = scene.copy()
    height = round(tall * HEIGHT)
    size = round(height * person.shape[1] / person.shape[0]), height
    small = cv2.resize(person, size, interpolation=cv2.INTER_AREA)
    weight = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)[..., None]
    for column in np.linspace(0, WIDTH - size[0], count).astype(int):
        row = bottom - height - int(rng.integers(0, height))
        part = image[row : row + height, column : column + size[0]]
        part[:] = np.rint(part * (1 - weight) + small * weight)
    return image


if __name__ == "__main__":
    sys.exit(main())
