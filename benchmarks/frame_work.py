"""Counts what the eraser asks of a device, on the CPU stand-in that the project's tests have for one."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from benchmarks.made_room import Known, room
from benchmarks.work import FrameWork
from engines.runtime import DEFAULT_SEGMENTER, load_engine
from realtime.background.fill import TeleaFiller
from realtime.cuda.array import DeviceArray
from realtime.eraser import Eraser
from realtime.errors import EraserError
from realtime.frame import Frame
from realtime.ops import Home

FRAMES = 8  # of which the last counts: by then the eraser has settled


def count_frames(sizes: Sequence[tuple[int, int]]) -> Iterator[FrameWork]:
    """The work of a frame of each size (H, W): a still camera, somebody who crosses, masks found in every frame.

    EraserError where there is no stand-in: it is part of a checkout, and needs g++.
    """
    try:
        from tests.cuda.emulator import emulated
    except ImportError as error:
        raise EraserError(
            f"the stand-in for a GPU is not here ({error}): count in a checkout of the project"
        ) from error
    if not any(shutil.which(name) for name in ("g++", "clang++")):
        raise EraserError("the stand-in for a GPU is built by g++ or clang++: install one of them")
    with tempfile.TemporaryDirectory() as folder:
        device = emulated(Path(folder))
        for size in sizes:
            print(f"counting at {size[1]}x{size[0]} ...", file=sys.stderr)
            known = Known(load_engine(DEFAULT_SEGMENTER, "segmenter", threads=1))
            eraser = Eraser(known, TeleaFiller(), home=cast(Home, device))
            for index, (image, mask) in enumerate(room(size, FRAMES)):
                known.mask = mask
                with counted(device) as counts:
                    eraser.step(Frame(image, index, index, Fraction(1, 30)))
            yield FrameWork(size, **counts)


@contextmanager
def counted(device: Any) -> Iterator[dict[str, int]]:
    """Counts what is asked of a device meanwhile; a kernel reads or writes each array that it is given, once."""
    counts = dict.fromkeys(("kernels", "nbytes", "up", "down", "waits"), 0)
    driver, run, waits = device.driver, device.run, device.waits
    copy_in, copy_out = driver.copy_in, driver.copy_out

    def counting_run(kernel: str, over: DeviceArray, *arguments: object) -> None:
        arrays = {id(each): each.nbytes for each in arguments if isinstance(each, DeviceArray)}
        counts["kernels"] += 1
        counts["nbytes"] += sum(arrays.values())
        run(kernel, over, *arguments)

    def counting_in(address: int, pinned: int, nbytes: int) -> None:
        counts["up"] += nbytes
        copy_in(address, pinned, nbytes)

    def counting_out(pinned: int, address: int, nbytes: int) -> None:
        counts["down"] += nbytes
        copy_out(pinned, address, nbytes)

    device.run, driver.copy_in, driver.copy_out = counting_run, counting_in, counting_out
    try:
        yield counts
    finally:
        device.run, driver.copy_in, driver.copy_out = run, copy_in, copy_out
        counts["waits"] = device.waits - waits
