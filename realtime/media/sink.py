"""Where results go.

Everything is written beside the target under a hidden name and moved into place by `commit`, so that a failure never
leaves a half-written file, nor harms one that was there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from typing import Protocol

import numpy as np

from realtime.frame import Frame


class Replaced(Protocol):
    """What a sink needs of a result.

    image: (H, W, 3) uint8 BGR, equal to `frame.image` where alpha is 0.
    alpha: (H, W) uint8, above 0 where the picture was changed.
    roi: (y0, y1, x0, x1), the box around alpha > 0; None when nothing was changed.
    """

    @property
    def frame(self) -> Frame: ...
    @property
    def image(self) -> np.ndarray: ...
    @property
    def alpha(self) -> np.ndarray: ...
    @property
    def roi(self) -> tuple[int, int, int, int] | None: ...


class Sink(ABC):
    """Takes results in the order of their frames. `finish` or `abort` ends it; `abort` may follow either. Of several
    sinks of one job all are completed before any is committed.

    notes: one-line remarks for the user: what could not be kept, and what was done instead.
    """

    notes: list[str]

    @abstractmethod
    def write(self, result: Replaced) -> None:
        """Write one picture. Raises EraserError where the disk is full or the encoder fails."""

    @abstractmethod
    def complete(self) -> None:
        """Write what is still buffered: what may fail for want of space."""

    @abstractmethod
    def commit(self) -> None:
        """Move the completed output into place."""

    def finish(self) -> None:
        self.complete()
        self.commit()

    @abstractmethod
    def abort(self) -> None:
        """Remove everything written so far. Does nothing after `commit`."""


class PictureSink(Sink):
    """A sink that also takes pictures which are no results: previews, masks."""

    @abstractmethod
    def write_image(self, image: np.ndarray, index: int, pts: int, time_base: Fraction) -> None:
        """Write (H, W, 3) uint8 BGR or (H, W) uint8, the first one's kind throughout, for this frame of the source."""
