"""The whole shot as memory: what a first pass learns of every shot, for a second pass to look up.

A plate keeps only what lies near its view, so a first pass stores the plate of every epoch (the time between two
re-anchorings) as it was at the end of it. A later look at some place asks the plate of its own epoch first, then those
of the epochs around it. Everything is on disk; memory is that of a `Shelf` and some kilobytes a plate.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from realtime import ops
from realtime.background.ledger import Ledger, packed, unpacked
from realtime.background.plate import SEEN, Plate
from realtime.ops import Region

HELD_BYTES = 256 << 20  # of plates in memory
HELD = 3  # of them, however large they are
REACH = 12  # epochs, before and after its own, in which a place is looked for


class Memory(Protocol):
    """What a shot ever shows."""

    def recall(self, epoch: int, motion: np.ndarray, region: Region) -> tuple[np.ndarray, np.ndarray]:
        """What is known of a region of the frame.

        motion: 3x3, anchor of `epoch` -> frame pixels. Returns (h, w, 3) uint8 BGR and (h, w) uint8 trust, as
        `Plate.read` does.
        """
        ...


@dataclass(frozen=True)
class _Stored:
    """A plate on disk.

    canvas: in the coordinates of its anchor; trust: of the canvas, (h, w) uint8, `packed`; onward: 3x3, from the
    anchor's coordinates to those of the next epoch.
    """

    ledger: Ledger
    canvas: Region
    trust: bytes
    onward: np.ndarray

    def trust_in(self, motion: np.ndarray, region: Region) -> np.ndarray:
        """The trust, (h, w) uint8, that the plate would read in a region of the frame."""
        matrix = ops.translation(-region.x0, -region.y0) @ motion @ ops.translation(self.canvas.x0, self.canvas.y0)
        return ops.warp_levels(unpacked(self.trust)["trust"], matrix, (region.height, region.width), SEEN)


class Shelf:
    """The plates of a whole film, on disk. One thread at a time.

    Those that were looked up last are in memory too: as many as HELD_BYTES hold, and HELD at least.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[Ledger, Plate] = OrderedDict()

    def holds(self, ledger: Ledger) -> bool:
        """Whether its plate is in memory."""
        return ledger in self._held

    def plate(self, ledger: Ledger) -> Plate:
        """The only plate of a ledger."""
        if ledger not in self._held:
            (arrays,) = ledger
            self._held[ledger] = Plate.restored(arrays)
        self._held.move_to_end(ledger)
        while len(self._held) > HELD and sum(plate.nbytes for plate in self._held.values()) > HELD_BYTES:
            self._held.popitem(last=False)
        return self._held[ledger]


class ShotMemory:
    """The plates of one shot by epoch: `store` them in order, then `recall`. One thread at a time."""

    def __init__(self, folder: Path, name: str, shelf: Shelf) -> None:
        """folder, name: where the plates are kept, and how those of this shot begin; shelf: of all shots."""
        self._folder, self._name, self._shelf = folder, name, shelf
        self._stored: list[_Stored] = []

    def store(self, plate: Plate, onward: np.ndarray) -> None:
        """Keep the plate of the next epoch. onward: 3x3, its anchor's coordinates -> those of the anchor after it."""
        ledger = Ledger(self._folder / f"{self._name}-{len(self._stored)}.plate")
        arrays = plate.arrays()
        ledger.append(arrays)
        ledger.close()
        self._stored.append(_Stored(ledger, plate.canvas, packed({"trust": arrays["trust"]}), onward))

    def recall(self, epoch: int, motion: np.ndarray, region: Region) -> tuple[np.ndarray, np.ndarray]:
        """As `Memory.recall`; the nearest epoch that has SEEN a pixel gives it."""
        color, trust = self._plate(epoch).read(motion, region)
        forward = backward = motion
        for distance in range(1, REACH + 1):
            if ops.equals(trust, SEEN).all():
                break
            later, earlier = epoch + distance, epoch - distance
            if later < len(self._stored):
                forward = forward @ np.linalg.inv(self._stored[later - 1].onward)
                self._complete(later, forward, region, color, trust)
            if earlier >= 0:
                backward = backward @ self._stored[earlier].onward
                self._complete(earlier, backward, region, color, trust)
        return color, trust

    def _complete(self, epoch: int, motion: np.ndarray, region: Region, color: np.ndarray, trust: np.ndarray) -> None:
        """Take what another epoch knows better, in place."""
        stored, window = self._stored[epoch], ops.bounding_region(~ops.equals(trust, SEEN))
        if window is None or not _overlaps(stored.canvas, motion, window.moved(region.y0, region.x0)):
            return
        color, trust, region = color[window.slices], trust[window.slices], window.moved(region.y0, region.x0)
        # To load a plate takes far longer than to see that it knows nothing better.
        if not self._shelf.holds(stored.ledger) and not (stored.trust_in(motion, region) > trust).any():
            return
        other_color, other_trust = self._plate(epoch).read(motion, region)
        better = cv2.compare(other_trust, trust, cv2.CMP_GT)
        cv2.copyTo(other_color, better, color)
        cv2.copyTo(other_trust, better, trust)

    def _plate(self, epoch: int) -> Plate:
        return self._shelf.plate(self._stored[epoch].ledger)


def _overlaps(canvas: Region, motion: np.ndarray, region: Region) -> bool:
    """Whether a region of the frame may show any of a canvas; motion: canvas coordinates -> frame pixels."""
    mapped = ops.transform_points(np.linalg.inv(motion), ops.region_corners(region))
    (x0, y0), (x1, y1) = mapped.min(0), mapped.max(0)
    return bool(x0 < canvas.x1 and x1 > canvas.x0 and y0 < canvas.y1 and y1 > canvas.y0)
