"""`python -m engines.plot LOG.csv`: draw a training's log beside it, one panel per term of the loss."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import cv2
import numpy as np

from engines.command import exit_code_of
from engines.errors import EngineError
from engines.pictures import write_picture

PANEL = (160, 640)  # height and width, pixels
MARGIN = 24
SMOOTH = 9  # lines of the log that the thick curve averages


def plot(log: Path) -> np.ndarray:
    """(H, W, 3) uint8 BGR of a log.csv; EngineError where it is none."""
    try:
        with log.open(newline="") as file:
            rows = list(csv.DictReader(file))
        columns = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
        steps = columns.pop("step")
    except (OSError, IndexError, KeyError, TypeError, ValueError) as error:
        raise EngineError(f"{log} is not a training's log.csv with lines in it ({error})") from error
    shown = [name for name in columns if name not in ("progress", "seconds")]
    return np.concatenate([panel(name, steps, columns[name]) for name in shown])


def panel(name: str, steps: np.ndarray, values: np.ndarray) -> np.ndarray:
    """One curve over its steps, thin, and its running mean: (160, 640, 3) uint8 BGR."""
    height, width = PANEL
    picture = np.full((height, width, 3), 255, np.uint8)
    low, high = min(0.0, float(values.min())), max(float(values.max()), 1e-9)
    x = MARGIN + (steps - steps[0]) / max(1.0, float(steps[-1] - steps[0])) * (width - 2 * MARGIN)
    kernel = np.ones(min(SMOOTH, len(values)))
    smooth = np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")
    for curve, colour, thickness in ((values, (210, 190, 170), 1), (smooth, (160, 60, 20), 2)):
        y = height - MARGIN - (curve - low) / (high - low) * (height - 2 * MARGIN)
        points = np.stack([x, y], 1).round().astype(np.int32)
        cv2.polylines(picture, [points], False, colour, thickness, cv2.LINE_AA)
    text = f"{name}: {smooth[-1]:.4g} after {steps[-1]:.0f} steps; the panel reaches from {low:.2g} to {high:.3g}"
    cv2.putText(picture, text, (MARGIN, MARGIN - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return picture


def main(arguments: list[str] | None = None) -> int:
    """Parse, draw, return the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m engines.plot", description=__doc__)
    parser.add_argument("log", type=Path)
    log = parser.parse_args(arguments).log
    return exit_code_of(lambda: _draw(log))


def _draw(log: Path) -> None:
    write_picture(log.with_suffix(".png"), plot(log))
    print(log.with_suffix(".png"))


if __name__ == "__main__":
    sys.exit(main())
