"""Where the reference data is: the folder that the environment variable ERASER_DATA names."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np


class DataMissingError(Exception):
    """The reference data, or one file of it, is not there. The message says what to set."""

    exit_code = 2


def data_folder() -> Path:
    """Return the reference data's folder; raises DataMissingError when ERASER_DATA is unset or names no folder."""
    value = os.environ.get("ERASER_DATA")
    if not value:
        raise DataMissingError("ERASER_DATA is not set: set it to the folder of the reference data.")
    folder = Path(value)
    if not folder.is_dir():
        raise DataMissingError(f"ERASER_DATA is {value}, which is not a folder: set it to the reference data.")
    return folder


def read_picture(relative: str, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    """Read a picture of the reference data by its path inside the folder: (H, W, 3) uint8 BGR, or as `flags` say."""
    path = data_folder() / relative
    image = cv2.imread(str(path), flags)
    if image is None:
        raise DataMissingError(f"{path} cannot be read: ERASER_DATA must name the complete reference data.")
    return image
