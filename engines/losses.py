"""What training minimises."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.augment import UNKNOWN
from engines.backbone import EfficientNetLite0


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


def object_loss(logits: Tensor, thing: Tensor) -> dict[str, Tensor]:
    """Terms of the guided object's loss: logits (M, 1, H/2, W/2) float32; thing (M, 1, H, W) uint8, 255 = object."""
    terms = matte_loss(logits, thing)
    return {"object_bce": terms["bce"], "object_dice": terms["dice"]}


class FeatureDistance(nn.Module):
    """L1 between ImageNet features at strides 2, 4 and 8 (perceptual loss: Johnson, Alahi and Fei-Fei, ECCV 2016).

    Each level counts by the share of its variance that differs, so that no level outweighs the others.
    """

    def __init__(self, encoder: EfficientNetLite0, levels: int = 3) -> None:
        super().__init__()
        self.encoder = encoder.eval().requires_grad_(False)
        self.levels = levels

    def train(self, mode: bool = True) -> FeatureDistance:
        """Stay in inference mode: these features are a ruler, not a student."""
        return super().train(False)

    def forward(self, found: Tensor, true: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] twice -> a number."""
        with torch.no_grad():
            targets = self.encoder(true * 2 - 1, self.levels)
        maps = self.encoder(found * 2 - 1, self.levels)
        distances = [F.l1_loss(a, b) / b.std().clamp_min(1e-3) for a, b in zip(maps, targets, strict=True)]
        return torch.stack(distances).mean()


def fill_loss(filled: Tensor, image: Tensor, hole: Tensor, features: FeatureDistance) -> dict[str, Tensor]:
    """Terms of the filler's loss, to be added up: filled, image (N, 3, H, W) in [0, 1], hole (N, 1, H, W), 1 = hole.

    l1 counts the hole's pixels only (the rest comes back as it was); features see the whole picture, seams included.
    """
    share = hole.mean().clamp_min(1e-3)
    return {
        "l1": ((filled - image).abs() * hole).mean() / share,
        "features": 0.1 * features(filled, image) / share,
    }
