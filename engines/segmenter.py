"""The segmenter: EfficientNet-Lite0 and a light U-Net decoder; a matte per class at half the input's resolution.

U-Net: Ronneberger, Fischer and Brox, MICCAI 2015. The decoder adds its skip connections, as feature pyramids do (Lin
et al., CVPR 2017), instead of stacking them: half the multiplications at the resolutions that cost most.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.backbone import CHANNELS, EfficientNetLite0

WIDTHS = (16, 32, 48, 96)  # of the decoder at strides 2, 4, 8, 16


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class Up(nn.Module):
    """One step of the decoder: twice the size, plus the encoder's map of that size."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(inputs, outputs, 1)
        self.lateral = nn.Conv2d(skip, outputs, 1)
        self.mix = _conv(outputs, outputs, 3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(self.narrow(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.mix(x + self.lateral(skip))


class Segmenter(nn.Module):
    """(N, 3, H, W) float32 RGB in [0, 1], H and W multiples of 32 -> logits (N, classes, H/2, W/2)."""

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0()
        ups = []
        inputs = CHANNELS[-1]
        for skip, outputs in zip(CHANNELS[-2::-1], WIDTHS[::-1], strict=True):
            ups.append(Up(inputs, skip, outputs))
            inputs = outputs
        self.decoder = nn.ModuleList(ups)
        self.head = nn.Conv2d(inputs, classes, 3, padding=1)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, -1.5)  # most pixels of most pictures are nobody

    def forward(self, image: Tensor) -> Tensor:
        *skips, x = self.encoder(image * 2 - 1)  # strides 2, 4, 8, 16 and 32
        for up, skip in zip(self.decoder, reversed(skips), strict=True):
            x = up(x, skip)
        return self.head(x)


class Matte(nn.Module):
    """What is exported: the segmenter with its sigmoid; matte (N, classes, H/2, W/2) in [0, 1]."""

    def __init__(self, network: Segmenter) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.network(image))
