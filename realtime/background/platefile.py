"""A plate in a file, so that a camera that stands where it stood knows its background from the first frame on."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from realtime import ops
from realtime.background.plate import UNSEEN, Plate
from realtime.errors import EraserError
from realtime.media.temporary import Temporary
from realtime.ops import HOST, Home

FORMAT = "eraser plate 1"


def write_plate(path: str | os.PathLike[str], plate: Plate) -> None:
    """Write a plate as .npz, whole or not at all; EraserError where that fails."""
    target = Path(path)
    try:
        beside = Temporary(target.parent)
        try:
            with beside.path.open("wb") as file:
                np.savez_compressed(file, format=np.array(FORMAT), **plate.arrays())  # type: ignore[arg-type]
            beside.keep(target)
        finally:
            beside.remove()
    except OSError as error:
        raise EraserError(f"cannot write the plate {target}: {error.strerror or error}") from error


def read_plate(path: str | os.PathLike[str], size: tuple[int, int] | None = None, home: Home = HOST) -> Plate:
    """The plate of a file. size: (H, W) of the frames that it is for, to which it is scaled; None for its own; home:
    where those are worked on.

    Raises EraserError where the file cannot be read, is no plate, is damaged or is for frames of another shape.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["format"]) != FORMAT:
                raise ValueError(f"its format is {file['format']}")
            plate = Plate.restored(file, home)
    except OSError as error:
        raise EraserError(f"cannot read the plate {path}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise EraserError(f"{path} is no plate that this program saved, or is damaged: save it anew") from error
    height, width = plate.frame_size
    if size is not None and not ops.same_shape(size, (height, width)):
        raise EraserError(
            f"the plate {path} is for pictures of {width}x{height}, these are {size[1]}x{size[0]}: save one of this "
            "shape, or choose that one"
        )
    if not (plate.arrays()["trust"] > UNSEEN).any():
        raise EraserError(f"the plate {path} is empty: save it when something has been seen")
    return plate if size is None or size == (height, width) else plate.resized(*size)
