"""Picture files that commands write."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def check_name(path: Path) -> None:
    """OSError where no picture format has such a name."""
    if not path.suffix or not cv2.haveImageWriter(path.name):
        raise OSError(f"{path}: no picture format of that name; give one that ends in .png, say")


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write (H, W) or (H, W, 3) uint8, BGR, as its name says; OSError where it can't be written."""
    check_name(path)
    good, data = cv2.imencode(path.suffix, image)
    if not good:
        raise OSError(f"{path}: no format of that name takes this picture")
    path.write_bytes(data.tobytes())
