"""`python -m engines.teach --data DIR --out LABELS`: labels that teachers give to pictures without masks.

What it writes are pictures to look at, and `engines.train segmenter --labels LABELS` learns from them:

    things/STEM.png         0 nothing, 1, 2, ... an object each; of people-free pictures and of pictures with boxes
    people_boxes/STEM.png   0 nobody, 127 unsure, 255 person
    animals.txt             stems of the people-free pictures that show an animal

Things are what DeepLabV3 (the data's teachers/, Pascal VOC's classes without people) is sure of. People are found by a
segmenter at several sizes, and a picture's label is taken inside the boxes only that its mask fills from side to side;
outside all boxes it is unsure where the segmenter is sure of somebody, since many people have no box.
Animals are what EfficientNet-Lite0 calls so, as its package ships it, with ImageNet's classes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from engines.augment import UNKNOWN
from engines.command import add_data_option, exit_code_of
from engines.data import Picture, learns_from, read_backgrounds, read_boxes
from engines.errors import EngineError
from engines.holes import grow
from engines.measure import Run, matte_of, pieces, to_network
from engines.pictures import write_picture
from engines.runtime import DEFAULT_SEGMENTER, load_engine

TEACHER = Path("teachers") / "deeplabv3_257_mv_gpu.tflite"
PERSON = 15  # of Pascal VOC's classes
AREAS = (288 * 512, 576 * 576)
SURE, LEAST_AREA = 0.75, 0.008
UNBOXED = 0.002  # share of the picture from which on somebody beside all boxes counts

Teacher = Callable[[np.ndarray], np.ndarray]


def load_tflite(path: Path, threads: int = 2) -> Teacher:
    """A TensorFlow Lite network of one input and output: (1, H, W, C) float32 in and out. EngineError without one."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise EngineError("this teacher needs ai-edge-litert; install it with `pip install .[teach]`") from error
    if not path.is_file():
        raise EngineError(f"the teacher {path} is missing; --data must name the folder that holds teachers/")
    network = Interpreter(str(path), num_threads=threads)
    network.allocate_tensors()
    entry, exit_ = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]

    def run(image: np.ndarray) -> np.ndarray:
        network.set_tensor(entry, np.ascontiguousarray(image, np.float32))
        network.invoke()
        return network.get_tensor(exit_)

    return run


def voc_classes(teacher: Teacher, image: np.ndarray) -> np.ndarray:
    """(H, W, 21) float32: DeepLabV3's probability of each of Pascal VOC's classes; image (H, W, 3) uint8 BGR."""
    small = cv2.resize(image, (257, 257), interpolation=cv2.INTER_AREA)
    logits = teacher(small[None, ..., ::-1].astype(np.float32) / 127.5 - 1)[0]
    logits = cv2.resize(logits, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def find_things(teacher: Teacher, picture: Picture) -> np.ndarray:
    """(H, W) uint8: the teacher's objects, numbered, people and what touches their boxes left out."""
    chances = voc_classes(teacher, picture.image)
    best = chances.argmax(-1)
    people = picture.inside_boxes() if picture.boxes is not None else np.zeros(best.shape, bool)
    things, number = np.zeros(best.shape, np.uint8), 0
    for name in range(1, chances.shape[2]):
        count, pieces, stats, _ = cv2.connectedComponentsWithStats((best == name).astype(np.uint8))
        for piece in range(1, count if name != PERSON else 1):
            inside = pieces == piece
            share = stats[piece, cv2.CC_STAT_AREA] / inside.size
            if LEAST_AREA < share < 0.6 and chances[..., name][inside].mean() > SURE and people[inside].mean() < 0.15:
                number += 1
                things[inside & ~people] = number
    return things


def animal_finder() -> Callable[[Picture], bool]:
    """Whether a picture shows an animal more probably than anything else that ImageNet names."""
    try:
        import torch

        from engines.backbone import ANIMALS, Classifier
    except ImportError as error:
        raise EngineError(f"finding animals needs {error.name}; install it with `pip install .[train]`") from error
    network = Classifier().eval()
    network.load_imagenet()

    def shows_animal(picture: Picture) -> bool:
        with torch.inference_mode():
            chances = network.chances(torch.from_numpy(to_network(picture.image, (224, 224))))
        return bool(chances[0, ANIMALS].sum() > 0.5)

    return shows_animal


def find_people(run: Run, picture: Picture) -> np.ndarray:
    """(H, W) uint8: 0 nobody, 127 unsure, 255 person, of a picture of which the boxes around people are known."""
    mirrored = np.ascontiguousarray(picture.image[:, ::-1])
    mattes = [matte_of(run, picture.image, area) for area in AREAS]
    mattes += [matte_of(run, mirrored, area)[:, ::-1] for area in AREAS]
    matte = np.mean(mattes, axis=0)
    unsure = (matte > 0.15) & (matte < 0.85)
    label = np.where(unsure, np.uint8(UNKNOWN), (matte > 0.5).astype(np.uint8) * 255)
    assert picture.boxes is not None
    height, width = label.shape
    for x1, y1, x2, y2 in picture.boxes.round().astype(int).tolist():
        box = slice(max(0, y1), min(height, y2)), slice(max(0, x1), min(width, x2))
        found = matte[box] > 0.5
        filled = min(found.any(0).mean(), found.any(1).mean()) if found.size else 0
        if filled < 0.85:  # somebody is there whom the segmenter does not see whole
            label[box] = np.where(label[box] == 0, UNKNOWN, label[box])
    outside = ~picture.inside_boxes()
    label[outside] = 0
    label[outside & _somebody(matte, outside)] = UNKNOWN
    return label


def _somebody(matte: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """(H, W) bool: where people stand, it seems, around whom nobody drew a box, with a rim of a hundredth."""
    people = np.zeros(matte.shape, np.uint8)
    for piece in pieces((matte > 0.5) & outside, UNBOXED):
        if matte[piece].mean() > SURE:
            people |= piece
    return grow(people, round(0.01 * matte.shape[0])) > 0


def main(arguments: list[str] | None = None) -> int:
    """Parse, label, return the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m engines.teach", description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the labels")
    parser.add_argument("--segmenter", default=DEFAULT_SEGMENTER, metavar="MODEL", help="who finds the people")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: _label(options.data, options.out, options.segmenter))


def _label(data: Path, out: Path, segmenter: str) -> None:
    engine = load_engine(segmenter, "segmenter")
    teacher = load_tflite(data / TEACHER)
    boxed = read_boxes(data, held=False)
    for folder in ("things", "people_boxes"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    free = read_backgrounds(data, "train", learns_from)
    shows_animal = animal_finder()
    animals = [picture.name for picture in free if shows_animal(picture)]
    (out / "animals.txt").write_text("".join(f"{name}\n" for name in animals))
    print(f"{len(animals)} pictures of animals")
    count = 0
    for picture in [*free, *boxed]:
        things = find_things(teacher, picture)
        count += int(things.max())
        if things.any():
            write_picture(out / "things" / f"{picture.name}.png", things)
    print(f"{count} things")
    for picture in boxed:
        label = find_people(lambda image: engine.run(image=image)["matte"], picture)
        write_picture(out / "people_boxes" / f"{picture.name}.png", label)
    print(f"{len(boxed)} pictures with boxes")


if __name__ == "__main__":
    sys.exit(main())
