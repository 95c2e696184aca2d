"""What training minimises."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from engines.augment import UNKNOWN


def matte_loss(logits: Tensor, label: Tensor) -> dict[str, Tensor]:
    """Terms of the segmenter's loss, to be added up.

    logits (N, 1, H/2, W/2) float32; label (N, 1, H, W) uint8 as `SegmenterSamples` gives it.
    bce and dice hold where the label is known (Dice: Milletari, Navab and Ahmadi, 3DV 2016). box: each row and column
    through a person's box holds a person somewhere (projection term of BoxInst, Tian et al., CVPR 2021).
    """
    unknown = F.max_pool2d((label == UNKNOWN).float(), 2)  # (N, 1, H/2, W/2)
    known = 1 - unknown
    target = F.avg_pool2d((label > UNKNOWN).float(), 2) * known
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    matte = torch.sigmoid(logits) * known
    both = 2 * (matte * target).sum((1, 2, 3))
    dice = 1 - (both + 1) / (matte.sum((1, 2, 3)) + target.sum((1, 2, 3)) + 1)
    shows = (target.mean((1, 2, 3)) > 1e-3).float()  # Dice of an empty picture is all or nothing: leave it to bce
    boxed = logits.masked_fill(unknown == 0, -20.0)
    rows, columns = unknown.amax(3), unknown.amax(2)
    through = (F.softplus(-boxed.amax(3)) * rows).sum() + (F.softplus(-boxed.amax(2)) * columns).sum()
    return {
        "bce": (bce * known).sum() / known.sum().clamp_min(1),
        "dice": (dice * shows).sum() / shows.sum().clamp_min(1),
        "box": 0.1 * through / (rows.sum() + columns.sum()).clamp_min(1),
    }
