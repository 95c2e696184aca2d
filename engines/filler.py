"""The filler: synthesises what stands behind a hole.

A smooth guess first: push-pull (Gortler, Grzeszczuk, Szeliski and Cohen, "The Lumigraph", SIGGRAPH 1996) averages the
known pixels down a pyramid and spreads them back up into the hole, where a few Jacobi steps at each level bring them
near the solution of Laplace's equation. The network then paints on top of that guess, so it starts from a fill as good
as the classical ones and its colours can't drift. Plain 3x3 convolutions at a quarter and an eighth of the size,
dilated in the middle (Yu and Koltun, ICLR 2016; Iizuka, Simo-Serra and Ishikawa, SIGGRAPH 2017) to see across a
hole, where EfficientNet-Lite0 also tells what the picture shows; space to depth and back (PixelShuffle: Shi et al.,
CVPR 2016) instead of convolutions at full size. What it paints is smoothed a little, so that no grid is left.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.backbone import CHANNELS, EfficientNetLite

DILATIONS = (1, 2, 4, 8, 1, 2, 4, 8, 1, 1, 1, 2, 4, 8, 1, 1)  # at an eighth of the size
NEARER = (1, 2, 1, 2)  # dilations at a quarter of it
PAINTS = 48  # channels at half of it
CONTEXT = 4  # maps of the encoder that are looked at, strides 2 to 16; the middle takes the last two
LEVELS = 4  # of the pyramid: strides 4, 8, 16 and 32
RELAXATIONS = 6  # Jacobi steps at each of them


def smooth_guess(image: Tensor, known: Tensor) -> Tensor:
    """A membrane over the hole: image (N, 3, H, W), known (N, 1, H, W), 1 where it is -> (N, 3, H/4, W/4)."""
    colour, weight = F.avg_pool2d(image * known, 4), F.avg_pool2d(known, 4)
    pyramid = []
    for _ in range(LEVELS):
        pyramid.append((colour / (weight + 1e-4), (weight * 8).clamp(max=1.0)))
        colour, weight = F.avg_pool2d(colour, 2), F.avg_pool2d(weight, 2)
    guess = (image * known).mean((2, 3), keepdim=True) / (known.mean((2, 3), keepdim=True) + 1e-4)  # (N, 3, 1, 1)
    for level, (colour, sure) in enumerate(reversed(pyramid)):
        if level > 0:
            guess = F.interpolate(guess, scale_factor=2.0, mode="bilinear", align_corners=False)
        for _ in range(RELAXATIONS):
            guess = colour * sure + guess * (1 - sure)
            guess = F.avg_pool2d(guess, 3, 1, 1, count_include_pad=False)
        guess = colour * sure + guess * (1 - sure)
    return guess


def without_grid(detail: Tensor) -> Tensor:
    """Smooth (N, C, H, W) by two boxes of 2: blind to patterns of period 2, which space to depth leaves."""
    padded = F.pad(detail, (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(padded, 2, 1), 2, 1)


class Dilated(nn.Module):
    """Residual 3x3 convolution with holes in it."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        nn.init.kaiming_normal_(self.conv.weight, 0.1)
        with torch.no_grad():
            self.conv.weight.mul_(len(DILATIONS) ** -0.5)  # a chain of sums must not grow

    def forward(self, x: Tensor) -> Tensor:
        return x + F.leaky_relu(self.conv(x), 0.1)


class Filler(nn.Module):
    """image (N, 3, H, W) float32 RGB in [0, 1], mask (N, 1, H, W), 1 = hole; H, W multiples of 32 -> image_filled.

    Pixels where the mask is 0 come back exactly as they went in.
    """

    def __init__(self, narrow: int = 64, wide: int = 128) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(4),  # (N, 64, H/4, W/4)
            nn.Conv2d(4 * 16, narrow, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(narrow, narrow, 3, padding=1),
            nn.LeakyReLU(0.1),
        )
        self.down = nn.Sequential(nn.Conv2d(narrow, wide, 3, 2, 1), nn.LeakyReLU(0.1))  # (N, wide, H/8, W/8)
        self.encoder = EfficientNetLite(levels=CONTEXT)
        self.sees = nn.ModuleList(nn.Conv2d(channels, wide, 1) for channels in CHANNELS[2:CONTEXT])
        for see in self.sees:
            nn.init.normal_(see.weight, std=1e-2)  # type: ignore[arg-type]
        self.middle = nn.Sequential(*(Dilated(wide, dilation) for dilation in DILATIONS))
        self.narrow = nn.Conv2d(wide, narrow, 1)
        self.mix = nn.Sequential(
            nn.Conv2d(narrow, narrow, 3, padding=1),
            nn.LeakyReLU(0.1),
            *(Dilated(narrow, dilation) for dilation in NEARER),
            nn.Conv2d(narrow, narrow, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.PixelShuffle(2),  # (N, narrow / 4, H/2, W/2)
        )
        self.paint = nn.Sequential(
            nn.Conv2d(narrow // 4, PAINTS, 3, padding=1),
            nn.LeakyReLU(0.1),
            Dilated(PAINTS, 1),
            Dilated(PAINTS, 1),
            nn.Conv2d(PAINTS, 3 * 4, 3, padding=1),
            nn.PixelShuffle(2),  # (N, 3, H, W)
        )
        last = self.paint[-2]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.normal_(last.weight, std=1e-2)  # so that training starts from the smooth guess
        nn.init.zeros_(last.bias)

    def train(self, mode: bool = True) -> Filler:
        """The encoder's batch statistics stay ImageNet's: batches are small."""
        super().train(mode)
        self.encoder.eval()
        return self

    def _context(self, start: Tensor) -> Tensor:
        """What the encoder makes of the first guess: (N, 3, H, W) -> (N, wide, H/8, W/8)."""
        near, far = (see(found) for see, found in zip(self.sees, self.encoder(start * 2 - 1, CONTEXT)[2:], strict=True))
        return near + F.interpolate(far, scale_factor=2.0, mode="bilinear", align_corners=False)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        known = 1 - mask
        guess = smooth_guess(image, known)
        mean = guess.mean((2, 3), keepdim=True)
        guess = F.interpolate(guess, scale_factor=4.0, mode="bilinear", align_corners=False)
        start = image * known + guess * mask
        skip = self.stem(torch.cat([start - mean, mask], 1))  # (N, narrow, H/4, W/4)
        x = self.narrow(self.middle(self.down(skip) + self._context(start)))
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        detail = without_grid(self.paint(self.mix(x + skip)))  # (N, 3, H, W)
        return image * known + (guess + detail).clamp(0, 1) * mask
