"""What a frame costs a GPU on paper: bytes that its kernels touch, kernels that are started, and the roofline of both.

    python -m tests.cuda.traffic 1920x1080

Runs the eraser on the CPU stand-in of a device and counts. Estimates, not measurements: each array that a kernel is
given is taken to cross the memory bus once, and each kernel to cost LAUNCH at least.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import cast

import numpy as np

from realtime.cuda.array import DeviceArray
from realtime.cuda.device import Device
from realtime.eraser import Eraser
from realtime.ops import Home
from realtime.selection import Selection
from realtime.settings import Settings
from tests.cuda.emulator import Emulator, library
from tests.cuda.test_eraser import camera
from tests.realtime.fakes import PaintingFiller, red_segmenter
from tests.realtime.pictures import disc, frame, look, put, texture

LAUNCH = 3e-6  # seconds: what a small kernel takes at least, from start to start
BANDWIDTH = {"H200": 4.8e12, "RTX 4060": 272e9, "Jetson AGX Orin": 204.8e9, "Jetson Orin Nano (8 GB)": 68e9}
SEEN, ERASED = 3, 3  # frames without anybody, and with somebody before what they showed


class Counted(Device):
    """A device that adds up what its kernels touch."""

    nbytes = launches = 0

    def run(self, kernel: str, over: DeviceArray, *arguments: object) -> None:
        self.nbytes += sum(one.nbytes for one in arguments if isinstance(one, DeviceArray))
        self.launches += 1
        super().run(kernel, over, *arguments)


def counts(kind: str, height: int, width: int) -> tuple[float, float]:
    """Medians of a frame that needs no fill: bytes, kernels. kind: as in `tests.cuda.test_eraser.camera`."""
    world = (texture(height + 200, width + 300) * 0.6 + 60).astype(np.uint8)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        device = Counted(Emulator(library(Path(folder))))
        settings = Settings(segment_interval=0.0)
        core = Eraser(red_segmenter(), PaintingFiller(), Selection(), settings, home=cast(Home, device))
        for index in range(SEEN + ERASED):
            picture = look(world, camera(kind, index), height, width)
            if index >= SEEN:
                picture = put(picture, disc(height, width, width / 2, height / 2, height / 6))
            device.nbytes = device.launches = 0
            core.step(frame(picture, index))
            if index >= SEEN:
                found.append((device.nbytes, device.launches))
    return tuple(np.median(found, axis=0).tolist())


def main() -> None:
    width, height = map(int, (sys.argv[1] if len(sys.argv) > 1 else "1920x1080").split("x"))
    print(f"| camera, {width}x{height} | MB | kernels |", " | ".join(f"{name}, ms" for name in BANDWIDTH), "|")
    print("|---" * (3 + len(BANDWIDTH)) + "|")
    for kind in ("still", "hand"):
        nbytes, launches = counts(kind, height, width)
        times = [f"{(nbytes / speed + launches * LAUNCH) * 1e3:.1f}" for speed in BANDWIDTH.values()]
        print(f"| {kind} | {nbytes / 1e6:.0f} | {launches:.0f} |", " | ".join(times), "|", flush=True)


if __name__ == "__main__":
    main()
