"""Picture files that commands write."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write (H, W) or (H, W, 3) uint8, BGR, as its name says; OSError where it can't be written."""
    good, data = cv2.imencode(path.suffix, image)
    if not good:
        raise OSError(f"{path}: no picture format of that name")
    path.write_bytes(data.tobytes())
