"""What a fill is judged by. Figures are means over pictures of each picture's figure over its judged pixels."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from benchmarks.fillers import Method
from benchmarks.holes import Case
from benchmarks.metrics import gradient_norm
from engines.errors import EngineError
from engines.measure import hole_psnr

PERCEPTUAL = "EfficientNet-Lite1 distance"  # of features that no training here has seen
FIGURES = ("l1", "psnr", "ssim", "gradient", "perceptual")

Scores = dict[str, float]


class Ruler:
    """Measures how a fill looks next to the truth. EngineError without torch and the network that judges."""

    def __init__(self) -> None:
        try:
            from engines.perceptual import distance_between
        except ImportError as error:
            raise EngineError(f"the benchmark needs {error.name}; install it with `pip install .[train]`") from error
        self._perceptual = distance_between()

    def scores(self, filled: np.ndarray, case: Case) -> Scores:
        """All `FIGURES` of one fill, (H, W, 3) uint8 BGR."""
        inside = case.judged
        return {
            "l1": float(np.abs(filled[inside].astype(np.float64) - case.truth[inside]).mean() / 255),
            "psnr": hole_psnr(filled, case.truth, inside),
            "ssim": float(ssim_map(filled, case.truth)[inside].mean()),
            "gradient": gradient_norm(filled, inside),
            "perceptual": self._perceptual(filled, case.truth, inside),
        }


def ssim_map(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """SSIM of two pictures' luma at each pixel, (H, W) float32 (Wang et al., TIP 2004; Gaussian of 1.5 pixels)."""
    x, y = (cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32) for image in (first, second))

    def blur(image: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(image, (11, 11), 1.5)

    mx, my = blur(x), blur(y)
    vx, vy, both = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return (2 * mx * my + c1) * (2 * both + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))


def mean_scores(scores: Iterable[Scores]) -> Scores:
    """The mean of each figure."""
    rows = list(scores)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def milliseconds(method: Method, cases: Sequence[Case], side: int) -> float:
    """The time that a method takes for a square of `side` pixels: the median over cases of the faster of two runs."""
    times = []
    for case in cases:
        image = cv2.resize(case.shown, (side, side), interpolation=cv2.INTER_CUBIC)
        hole = cv2.resize(case.hole, (side, side), interpolation=cv2.INTER_NEAREST)
        runs = []
        for _ in range(2):
            started = time.perf_counter()
            method.fill(image, hole)
            runs.append((time.perf_counter() - started) * 1e3)
        times.append(min(runs))
    return float(np.median(times))
