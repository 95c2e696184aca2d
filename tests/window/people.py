"""A photo and a clip with a person, made from pictures that scikit-image ships (NASA, SpaceX: public domain)."""

from __future__ import annotations

from itertools import chain, repeat

import cv2
import numpy as np
import pytest

from benchmarks.movie import write_movie
from realtime.segment import load_segmenter

WIDTH, HEIGHT, FPS = 640, 360, 15
FACE = 155  # row of the middle of her face, which is at the column that she stands at
CLOTHES = 260  # row at which she is orange there, and 40 columns to both sides


class LaunchPad:
    """A launch pad at dusk, and an astronaut's portrait that is shown before it. empty: (H, W, 3) uint8 BGR."""

    def __init__(self):
        data = pytest.importorskip("skimage.data")
        portrait = np.ascontiguousarray(data.astronaut()[:, 60:370, ::-1])
        matte = load_segmenter("swift").matte(portrait, ("person",))
        size = (158, 260)
        self._person, self._alpha = cv2.resize(portrait, size), cv2.resize(matte, size)[..., None]
        self.empty = np.ascontiguousarray(data.rocket()[:HEIGHT, :, ::-1])

    def picture(self, x):
        """With her at column x, (H, W, 3) uint8 BGR."""
        height, width = self._person.shape[:2]
        wide = cv2.copyMakeBorder(self.empty, 0, 0, width, width, cv2.BORDER_REPLICATE)
        left = x - width // 2 + width
        inner = wide[HEIGHT - height :, left : left + width]
        inner[:] = np.rint(inner * (1 - self._alpha) + self._person * self._alpha)
        return wide[:, width:-width]

    def clip(self, path, x, seconds):
        """She comes in from the left after two seconds, stays at column x from the third one on."""
        start = -self._person.shape[1] // 2
        coming = [self.picture(round(start + (x - start) * step / FPS)) for step in range(FPS)]
        staying = repeat(self.picture(x), (seconds - 3) * FPS)
        write_movie(path, chain(repeat(self.empty, 2 * FPS), coming, staying), FPS)
