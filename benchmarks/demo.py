"""A demonstration that needs nothing but the installed packages.

    python -m benchmarks.demo --out demo

An astronaut's portrait (NASA, public domain), cut out by the project's own segmenter, drifts past a photo of a rocket
at dusk (SpaceX, public domain) before a hand-held camera; `erase_video` erases her. Both photos come with scikit-image.
Written: before.mp4, after.mp4, before_after.jpg.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.movie import write_movie
from benchmarks.scenes import Scene, look_at, tremble
from benchmarks.sprites import Pose, Sprite, cut_out
from engines.errors import EngineError
from engines.pictures import write_picture
from engines.runtime import DEFAULT_FILLER, DEFAULT_SEGMENTER
from realtime.errors import EraserError
from realtime.files import erase_video
from realtime.segment import Segmenter, load_segmenter

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 25, 4.0
BUST = 336  # rows of the portrait above the helmet that she holds
FLAG = np.array([(0, 0), (96, 0), (94, 216), (72, 246), (44, 278), (29, 336), (0, 336)])  # behind her shoulder
TALL = 262  # her height in the clip, pixels
SHOWN_AT = 0.47  # of the clip: the moment of the before/after picture


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the clip, erase the person, say where the results are; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description="Erase a person from a made clip.")
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="FOLDER")
    parser.add_argument("--frames", type=int, default=round(SECONDS * FPS), help="length of the clip")
    parser.add_argument("--segmenter", default=DEFAULT_SEGMENTER, metavar="MODEL")
    parser.add_argument("--fill", default=DEFAULT_FILLER, metavar="MODEL")
    options = parser.parse_args(arguments)
    try:
        paths, fps = make_demo(options.out, options.frames, options.segmenter, options.fill)
    except ModuleNotFoundError as error:
        if error.name not in ("skimage", "pooch"):
            raise
        print("The demo takes its photos from scikit-image: pip install 'object-eraser[demo]'", file=sys.stderr)
        return 1
    except (EraserError, EngineError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Erased one person from {options.frames} frames at {fps:.1f} frames/s. Have a look:")
    for path in paths:
        print(f"  {path}")
    return 0


def make_demo(folder: Path, frames: int, segmenter: str, fill: str) -> tuple[list[Path], float]:
    """Write the three files into `folder`; returns their paths and the frames per second of the erasing."""
    folder.mkdir(parents=True, exist_ok=True)
    before, after, picture = (folder / name for name in ("before.mp4", "after.mp4", "before_after.jpg"))
    clip = launch_pad(load_segmenter(segmenter), frames)
    write_movie(before, (shot.frame for shot in clip), FPS, crf=16)
    report = erase_video(before, after, segmenter=segmenter, fill=fill, overwrite=True)
    index = min(frames - 1, round(frames * SHOWN_AT))
    write_picture(picture, _beside(_read(before, index), _read(after, index)))
    return [before, after, picture], report.fps


def launch_pad(segmenter: Segmenter, frames: int) -> Scene:
    """The clip: the astronaut drifts from left to right past the rocket."""
    from skimage import data

    astronaut = _sprite(np.ascontiguousarray(data.astronaut()[..., ::-1]), segmenter)
    world = data.rocket()[..., ::-1].astype(np.float32)
    height, width = world.shape[:2]
    progress = np.arange(frames) / max(frames - 1, 1)
    x, y, roll = (tremble(frames, seed, reach, FPS) for seed, reach in ((1, 5.0), (2, 5.0), (3, 0.004)))
    scale = 1.04
    cameras = [
        look_at((width - 1) / 2 + x[i], height - 186 + y[i], scale, roll[i], (WIDTH, HEIGHT)) for i in range(frames)
    ]
    along = 2 * progress - 1  # she comes and goes fast, and takes her time before the rocket
    poses = [
        Pose(
            x=width / 2 + (width / 2 + 260) * (0.3 * u + 0.7 * u**3),
            y=height + 4 + 5 * np.sin(5 * u),
            height=TALL / scale,
            tilt=-0.15 * u * abs(u) + 0.03 * np.sin(6 * u),
            phase=5 * u,
            bend=-0.01,
        )
        for u in along
    ]
    return Scene(
        "launch pad", world, cameras, [(astronaut, poses)], np.ones(frames), np.zeros(frames), 1, WIDTH, HEIGHT
    )


def _sprite(portrait: np.ndarray, segmenter: Segmenter) -> Sprite:
    """Cut the person out of her portrait: the segmenter's matte, its edge drawn exactly by GrabCut (Rother 2004)."""
    matte = cv2.resize(segmenter.matte(portrait, ("person",)), portrait.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    cv2.fillPoly(matte, [FLAG], 0.0)
    portrait, matte = portrait[:BUST], matte[:BUST]
    body = cv2.morphologyEx((matte > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((25, 25), np.uint8))
    trimap = np.where(body > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[cv2.erode(body, np.ones((19, 19), np.uint8)) > 0] = cv2.GC_FGD
    trimap[cv2.dilate(body, np.ones((15, 15), np.uint8)) == 0] = cv2.GC_BGD
    cv2.fillPoly(trimap, [FLAG], cv2.GC_BGD)
    model = np.zeros((2, 1, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(portrait, trimap, (0, 0, 0, 0), model[0], model[1], 4, cv2.GC_INIT_WITH_MASK)
    mask = np.where((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD), np.uint8(255), np.uint8(0))
    smooth = cv2.GaussianBlur(mask, (0, 0), 2.0)
    return cut_out(portrait, np.where(smooth > 127, np.uint8(255), np.uint8(0)), open_bottom=True).scaled(2 * TALL)


def _read(path: Path, index: int) -> np.ndarray:
    """One frame of a clip, (H, W, 3) uint8 BGR."""
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == index:
                return frame.to_ndarray(format="bgr24")
    raise EraserError(f"{path} has fewer than {index + 1} frames")


def _beside(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Two pictures side by side with a caption in each."""
    gap = np.full((before.shape[0], 8, 3), 255, np.uint8)
    pictures = [picture.copy() for picture in (before, after)]
    for picture, caption in zip(pictures, ("before", "after"), strict=True):
        for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(picture, caption, (14, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.8, colour, thickness, cv2.LINE_AA)
    return np.concatenate([pictures[0], gap, pictures[1]], axis=1)


if __name__ == "__main__":
    sys.exit(main())
