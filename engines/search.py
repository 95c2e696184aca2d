"""`python -m engines.search CHECKPOINT PICTURE`: fill a picture by DCGAN's search, several times over.

    python -m engines.search build/dcgan/checkpoint.pt face.jpg --corrupt text --starts 4 --trace
    python -m engines.search build/dcgan/checkpoint.pt photo.jpg --mask mask.png

Writes `fills.png` (the picture, what is left of it, and a fill per start, the best first) and, with --trace,
`trace.png`: each start's loss over the steps, in percent of what it began with. Works at 64x64 pixels, offline.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from engines.command import exit_code_of
from engines.corruptions import CORRUPTIONS
from engines.errors import EngineError
from engines.pictures import write_picture
from engines.plot import panel


def main(arguments: list[str] | None = None) -> int:
    """Parse, search, return the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m engines.search", description="Fill a picture by DCGAN's search")
    parser.add_argument("checkpoint", type=Path, help="of `python -m engines.train dcgan`")
    parser.add_argument("picture", type=Path)
    missing = parser.add_mutually_exclusive_group(required=True)
    missing.add_argument("--mask", type=Path, help="what is missing: a picture of the same shape, white there")
    missing.add_argument("--corrupt", choices=tuple(CORRUPTIONS), help="make something missing")
    parser.add_argument("--starts", type=int, default=4, help="how many fills are sought")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--prior", type=float, default=1e-3, help="lambda; the paper's text has 3e-3")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trace", action="store_true", help="draw the loss in percent over the steps")
    parser.add_argument("--out", type=Path, default=Path("build/search"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: _search(options))


def _search(options: argparse.Namespace) -> None:
    try:
        import torch

        from engines.classics.dcgan import DCGAN, SIDE, Search
        from engines.training import load_weights
    except ImportError as error:
        raise EngineError(f"the search needs {error.name}; install it with `pip install .[train]`") from error
    network = DCGAN()
    load_weights(options.checkpoint, network, "dcgan")
    image = cv2.resize(_read(options.picture, cv2.IMREAD_COLOR), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if options.mask is None:
        mask = CORRUPTIONS[options.corrupt](np.random.default_rng(options.seed), (SIDE, SIDE))
    else:
        mask = cv2.resize(_read(options.mask, cv2.IMREAD_GRAYSCALE), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    hole = mask > 127
    if hole.all() or not hole.any():
        raise EngineError("nothing or everything is missing; give a mask that leaves a part of the picture")
    planes = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)).astype(np.float32) / 255)
    trace: list[np.ndarray] = []
    search = Search(steps=options.steps, prior=options.prior, starts=options.starts, seed=options.seed)
    fills = network.eval().complete(
        planes, torch.from_numpy(hole)[None].float(), search, lambda step, losses: trace.append(losses.cpu().numpy())
    )
    pictures = [(fill.numpy().transpose(1, 2, 0)[..., ::-1] * 255).round().astype(np.uint8) for fill in fills]
    options.out.mkdir(parents=True, exist_ok=True)
    row = [image, np.where(hole[..., None], np.uint8(0), image), *pictures]
    sheet = cv2.resize(np.hstack(row), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    write_picture(options.out / "fills.png", sheet)
    if options.trace:
        percent = 100 * np.stack(trace) / trace[0]
        panels = [panel(f"start {n}, loss in %", np.arange(len(curve)), curve) for n, curve in enumerate(percent.T, 1)]
        write_picture(options.out / "trace.png", np.vstack(panels))
    print(f"Written to {options.out}")


def _read(path: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise EngineError(f"{path} can't be read as a picture; give a JPEG or PNG file")
    return image


if __name__ == "__main__":
    sys.exit(main())
