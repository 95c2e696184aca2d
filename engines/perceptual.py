"""How different a fill looks from the truth, to a network that no training here has seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from engines.losses import FeatureDistance
from engines.measure import to_network

JUDGE = 1  # EfficientNet-Lite1; trainings use Lite0 and Lite2


def distance_between() -> Callable[[np.ndarray, np.ndarray, np.ndarray], float]:
    """A function of two pictures, (H, W, 3) uint8 BGR, and a hole, (H, W) bool: their `FeatureDistance` in it."""
    features = FeatureDistance(JUDGE)

    def distance(filled: np.ndarray, true: np.ndarray, hole: np.ndarray) -> float:
        pictures = (torch.from_numpy(to_network(image, (hole.shape[0], hole.shape[1]))) for image in (filled, true))
        with torch.inference_mode():
            return float(features(*pictures, torch.from_numpy(hole.astype(np.float32))[None, None]))

    return distance
