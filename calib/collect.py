"""`python -m calib.collect --source VIDEO|CAMERA --frames 256`: pictures that stand for a whole source.

Candidates are read evenly over a file, or as a camera gives them, and those are kept that are spread best over time and
appearance, so that a calibration sees the dark corner and the bright one, the empty room and the full one. The same
file gives the same pictures. They are pictures of whoever is in it: the command asks first, and says where they lie.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from calib.descriptor import describe, spread
from calib.frames import FOLDER
from engines.command import exit_code_of
from realtime.errors import EraserError, UsageError
from realtime.media.image_source import is_pattern
from realtime.media.opening import open_source
from realtime.media.temporary import Temporary

CANDIDATES = 4  # for each picture that is kept
QUALITY = 95  # of JPEG
MANIFEST = "frames.json"


@dataclass(frozen=True)
class Candidate:
    """A picture that may be kept. time: seconds from the source's beginning; jpeg: it, at the size to be kept."""

    time: float
    descriptor: np.ndarray
    jpeg: bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Collect; returns the exit code: 0 done, 1 failed, 2 wrong usage or no consent."""
    options = _parse(arguments)
    return exit_code_of(lambda: collect(options))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m calib.collect", description="Collect pictures that stand for a whole source, for calibration."
    )
    parser.add_argument("--source", required=True, metavar="VIDEO|CAMERA", help="as erase-video and erase-live take it")
    parser.add_argument("--frames", type=int, default=256, metavar="N", help="pictures to keep (default 256)")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="DIR", help=f"a new folder (default {FOLDER})")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to look at a camera (default 60)")
    parser.add_argument("--side", type=int, default=960, help="longest side of the pictures kept (default 960 pixels)")
    parser.add_argument("--consent", action="store_true", help="everybody shown agrees, so ask nothing")
    return parser.parse_args(arguments)


def collect(options: argparse.Namespace) -> None:
    """Do what `options` ask for. Raises EraserError, UsageError."""
    if options.frames < 1 or options.side < 32 or not options.seconds > 0:
        raise UsageError("give at least 1 frame, 32 pixels and more than 0 seconds")
    out: Path = options.out
    if out.exists():
        raise UsageError(f"{out} exists already: remove it, or give another --out")
    consent = _consent(out, options.consent)
    pictures = _thinned(_pictures(options.source, options.seconds), CANDIDATES * options.frames, options.side)
    if not pictures:
        raise EraserError(f"{options.source} gave no picture")
    chosen = spread(
        np.stack([each.descriptor for each in pictures]), np.array([each.time for each in pictures]), options.frames
    )
    _write(out, [pictures[index] for index in chosen], options.source, consent)
    few = f", all that there are (--frames was {options.frames})" if len(chosen) < options.frames else ""
    print(f"{len(chosen)} pictures of {len(pictures)} candidates in {out}{few}")


def _consent(out: Path, given: bool) -> str:
    """How consent was given; UsageError where it was not."""
    about = (
        f"The pictures show whoever is in the source. They are stored as they are in {out.resolve()}, on this machine "
        "only; nothing is sent anywhere. Deleting that folder deletes them."
    )
    print(about, file=sys.stderr)
    if given:
        return "given by --consent"
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: add --consent where everybody shown agrees")
    with suppress(EOFError):
        if input("Does everybody shown agree? [y/N] ").strip().lower() in ("y", "yes"):
            return "given at the terminal"
    raise UsageError("without consent nothing is collected")


def _pictures(source: str, seconds: float) -> Iterator[tuple[float, np.ndarray]]:
    """Time in seconds and (H, W, 3) uint8 BGR of every picture of a file; of a camera for so many seconds."""
    if (Path(source).exists() and not source.startswith("/dev/")) or is_pattern(source):
        with open_source(source) as file:
            yield from ((frame.time - float(file.origin), frame.image) for frame in file)
        return
    from realtime.live.camera import CameraRequest, open_camera

    with closing(open_camera(CameraRequest(source))) as camera:
        begin = time.monotonic()
        while not camera.ended and time.monotonic() - begin < seconds:
            capture = camera.read(0.2)
            if capture is not None:
                yield capture.captured - begin, capture.image


def _thinned(pictures: Iterable[tuple[float, np.ndarray]], most: int, side: int) -> list[Candidate]:
    """Every n-th picture, with the smallest power of two as n that leaves at most `most` of them.

    How many there are need not be known before: whenever there are too many, every second one goes.
    """
    kept: list[Candidate] = []
    step = 1
    for index, (seconds, image) in enumerate(pictures):
        if index % step:
            continue
        if len(kept) == most:
            kept, step = kept[::2], 2 * step
            if index % step:
                continue
        kept.append(_candidate(seconds, image, side))
    return kept


def _candidate(seconds: float, image: np.ndarray, side: int) -> Candidate:
    scale = side / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    good, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    assert good, "a picture of three bytes a pixel is always a JPEG"
    return Candidate(seconds, describe(image), data.tobytes())


def _write(out: Path, chosen: Sequence[Candidate], source: str, consent: str) -> None:
    """Write the folder whole or not at all; for its owner alone, where the system knows owners."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Temporary(out.absolute().parent, folder=True)
    try:
        folder.path.chmod(0o700)
        names = [f"{index:05d}.jpg" for index in range(len(chosen))]
        for name, each in zip(names, chosen, strict=True):
            (folder.path / name).write_bytes(each.jpeg)
        times = {name: round(each.time, 3) for name, each in zip(names, chosen, strict=True)}
        about = {"source": source, "consent": consent, "seconds": times}
        (folder.path / MANIFEST).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        folder.keep(out)
    except BaseException:
        folder.remove()
        raise


if __name__ == "__main__":
    sys.exit(main())
