"""Differences of exposure between the plate and a frame: one line per channel, and a membrane for what is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime import ops

MIN_SAMPLES = 400
PRIOR = 30.0
MAX_RESIDUAL = 24.0  # grey levels from the ring's usual difference that are still exposure; more is another content
MEMBRANE_SCALE = 4
THINNED = 2  # pixels to one that the membrane is made from
_VALUES = np.arange(256, dtype=np.float32)[:, None]


@dataclass(frozen=True)
class Exposure:
    """The camera's exposure of one frame relative to the plate: frame = gain * plate + offset, per BGR channel.

    gain, offset: (3,) float32.
    """

    gain: np.ndarray
    offset: np.ndarray

    @property
    def neutral(self) -> bool:
        """Whether no value changes by as much as one grey level: then nothing needs to be computed."""
        ends = np.stack([self.offset, self.gain * 255 + self.offset - 255])
        return bool(np.abs(ends).max() < 1.0)

    def apply(self, plate: np.ndarray) -> np.ndarray:
        """Plate values, (H, W, 3) uint8, as this frame would show them: (H, W, 3) float32."""
        if self.neutral:
            return ops.to_float(plate)
        return ops.look_up(plate, _VALUES * self.gain + self.offset)

    def remove(self, frame: np.ndarray) -> np.ndarray:
        """Frame values, (H, W, 3) uint8, as the plate stores them; the inverse of `apply`.

        Returns (H, W, 3) float32, or the frame itself where the exposure is neutral.
        """
        if self.neutral:
            return frame
        return ops.look_up(frame, (_VALUES - self.offset) / self.gain)


NEUTRAL = Exposure(np.ones(3, np.float32), np.zeros(3, np.float32))


def fit_exposure(plate: np.ndarray, frame: np.ndarray) -> Exposure:
    """Least squares line per channel through aligned samples, without outliers (three rounds of trimming).

    plate, frame: (N, 3) float32 BGR samples of the same places. Neutral where there are too few of them.
    """
    x, y = np.ascontiguousarray(plate.T), np.ascontiguousarray(frame.T)
    unclipped = (y.max(0) < 251) & (y.min(0) > 4)
    if np.count_nonzero(unclipped) < MIN_SAMPLES:
        return NEUTRAL
    gain, offset = np.ones((3, 1), np.float32), np.median((y - x)[:, unclipped], axis=1, keepdims=True)
    for _ in range(3):
        residual = np.abs(y - x * gain - offset).max(0)
        kept = unclipped & (residual <= max(3.0, 2.5 * float(np.median(residual))))
        weight = kept / np.float32(np.count_nonzero(kept))
        mean_x, mean_y = x @ weight, y @ weight
        dx, dy = x - mean_x[:, None], y - mean_y[:, None]
        # The gain of a flat picture is noise: the prior, in squared grey levels, pulls it to one.
        gain = (((dx * dy) @ weight + PRIOR) / ((dx * dx) @ weight + PRIOR)).clip(0.5, 2.0)[:, None]
        offset = mean_y[:, None] - gain * mean_x[:, None]
    return Exposure(gain[:, 0].astype(np.float32), offset[:, 0].astype(np.float32))


def corrected(frame: np.ndarray, background: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """The background as it meets the frame on the ring around the hole: (h, w, 3) uint8.

    frame: (h, w, 3) uint8; background: (h, w, 3) float32, already exposed; ring: (h, w) uint8, 255 where both show the
    same real background. What is added is smooth, and zero where the ring tells nothing: a quarter-scale push-pull
    stand-in for the membrane of Perez et al., Poisson Image Editing, SIGGRAPH 2003.
    """
    return ops.corrected(background, _membrane(frame, background, ring))


def _membrane(frame: np.ndarray, background: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """What must be added, at a quarter of the size."""
    # It is smooth: every second pixel tells enough.
    difference = ops.difference(frame, background, THINNED)
    weight = ops.usual(difference, ops.thinned(ring, THINNED), MAX_RESIDUAL)
    height, width = (max(1, -(-side // MEMBRANE_SCALE)) for side in ring.shape)
    return ops.push_pull(*ops.mean_of_known(difference, weight, (height, width), 2))
