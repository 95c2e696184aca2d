"""All that the eraser remembers of one shot."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from realtime import masks, ops
from realtime.background.along import Along
from realtime.background.bystanders import Bystanders
from realtime.background.exposure import NEUTRAL, Exposure
from realtime.background.overlooked import Overlooked
from realtime.background.parallax import Layer, Parallax, Second
from realtime.background.plate import Plate
from realtime.background.restless import Restless
from realtime.hole import Outline
from realtime.motion.registration import Registration

EDGE = 2  # pixels at the border of two layers that belong to either


@dataclass
class Shot:
    """plate: of the background, or of its main layer; new: no frame of it was learnt yet; second: the plate of the
    second layer, None while the background lies at one distance; exposure: of the latest frame; latest: that one's
    second layer."""

    plate: Plate
    new: bool = True
    second: Plate | None = None
    registration: Registration = field(default_factory=Registration)
    smoother: masks.MaskSmoother = field(default_factory=masks.MaskSmoother)
    parallax: Parallax = field(default_factory=Parallax)
    restless: Restless = field(default_factory=Restless)
    along: Along = field(default_factory=Along)
    bystanders: Bystanders = field(default_factory=Bystanders)
    overlooked: Overlooked = field(default_factory=Overlooked)
    outline: Outline = field(default_factory=Outline)
    exposure: Exposure = NEUTRAL
    latest: Layer | None = None

    def foresee(self) -> None:
        """Read what the next frame is held against, if anything was learnt since that was done last."""
        self.registration.foresee(self.plate)
        if self.second is not None:
            self.parallax.foresee(self.second)

    def layer(self, found: Second | None, motion: np.ndarray) -> Layer | None:
        """The second layer of a frame, if it has one, from the first frame on that shows it.

        motion: 3x3, from the anchor of the plate to the frame.
        """
        if found is None:
            self.second = None
            return None
        size, sent = self.plate.frame_size, self.plate.home.sent
        if found.begun or self.second is None:
            self.second = Plate(*size, self.plate.home)
            there = ops.at_least(ops.resize(sent(found.mask), size), 128)
            self.plate.forget(motion, ops.grow_square(there, 2 * EDGE))
        plate, its_motion = self.second, found.motion
        if found.anchored:
            plate.anchor(its_motion)
            its_motion = np.eye(3)
        wrong = ops.at_least(ops.resize(sent(found.wrong), size), 128)
        if found.front:
            plate.forget(its_motion, wrong)
        else:
            self.plate.forget(motion, wrong)
        return Layer(plate, its_motion, plate.epoch, found.front)

    def resize(self, height: int, width: int) -> None:
        """Go on with frames of another size that show the same view."""
        before, self.plate = self.plate.frame_size, self.plate.resized(height, width)
        self.second, self.latest, self.parallax, self.outline = None, None, Parallax(), Outline()
        self.registration.resize(before, (height, width))
