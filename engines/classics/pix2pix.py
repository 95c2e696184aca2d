"""Deep Layer Regeneration's second half: a conditional GAN that turns what is painted over into background.

pix2pix: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017: a U-Net of eight
halvings and a critic that judges 70x70 patches of picture and answer side by side. What is to go is painted with one
solid hue, or with noise; the generator sees the painted picture alone, no mask.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HUE = (1.0, 0.0, 1.0)  # RGB: magenta, which hardly any background has
TILE = 64  # pixels after which the noise that an exported network paints repeats itself
WIDTHS = (64, 128, 256, 512, 512, 512, 512, 512)


def paint_hue(image: Tensor, mask: Tensor) -> Tensor:
    """The picture, (N, 3, H, W), with the hue where mask, (N, 1, H, W), is 1."""
    return image * (1 - mask) + torch.tensor(HUE, device=image.device).view(1, 3, 1, 1) * mask


def paint_noise(image: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """The same with uniform noise for the hue."""
    return image * (1 - mask) + torch.rand(image.shape, generator=generator).to(image.device) * mask


class Generator(nn.Module):
    """(N, 3, H, W) in [-1, 1], H and W multiples of 2 ** len(widths) -> (N, 3, H, W) in [-1, 1]."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        last = len(widths) - 1
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        source = 3
        for number, width in enumerate(widths):  # (N, 64, H/2), (N, 128, H/4), ... (N, 512, H/256)
            layers: list[nn.Module] = [] if number == 0 else [nn.LeakyReLU(0.2)]
            layers.append(nn.Conv2d(source, width, 4, 2, 1, bias=number in (0, last)))
            if 0 < number < last:
                layers.append(nn.BatchNorm2d(width))
            self.downs.append(nn.Sequential(*layers))
            source = width
        for number in range(last, 0, -1):
            inputs = widths[number] * (1 if number == last else 2)
            width = widths[number - 1]
            layers = [nn.ReLU(), nn.ConvTranspose2d(inputs, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width)]
            if number >= last - 3 and number < last:
                layers.append(nn.Dropout(0.5))
            self.ups.append(nn.Sequential(*layers))
        self.out = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * widths[0], 3, 4, 2, 1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for down in self.downs:
            x = down(x)
            maps.append(x)
        for up, across in zip(self.ups, reversed(maps[:-1]), strict=True):
            x = torch.cat([up(x), across], 1)
        return self.out(x)


class Pix2Pix(nn.Module):
    """image (N, 3, H, W) RGB in [0, 1], mask (N, 1, H, W), 1 = hole -> image_filled, drawn.

    noise: what it is to know as paint; not the hue, but noise, always the same. Kept with the weights.
    """

    paint: Tensor

    def __init__(self, widths: tuple[int, ...] = WIDTHS, *, noise: bool = False) -> None:
        super().__init__()
        self.generator = Generator(widths)
        nothing, everything = torch.zeros(1, 3, TILE, TILE), torch.ones(1, 1, TILE, TILE)
        fixed = torch.Generator().manual_seed(0)
        paint = paint_noise(nothing, everything, fixed) if noise else paint_hue(nothing, everything)
        self.register_buffer("paint", paint)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        paint = self.paint.repeat(1, 1, image.shape[2] // TILE, image.shape[3] // TILE)
        return self.restore(image * (1 - mask) + paint * mask, mask)

    def restore(self, painted: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same for a picture that is painted over already."""
        drawn = self.generator(painted * 2 - 1) * 0.5 + 0.5
        return painted * (1 - mask) + drawn * mask, drawn


class PatchGAN(nn.Module):
    """Painted picture and answer, (N, 6, H, W) in [0, 1] -> scores (N, 1, H/8 - 2, W/8 - 2), each of 70x70 pixels."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS[:4]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        source = 6
        for number, width in enumerate(widths):
            stride = 2 if number < 3 else 1
            layers.append(nn.Conv2d(source, width, 4, stride, 1, bias=number == 0))
            if number > 0:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(0.2))
            source = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(source, 1, 4, 1, 1))

    def forward(self, pair: Tensor) -> Tensor:
        return self.layers(pair * 2 - 1)


def adversarial(scores: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy of a critic's scores with one answer for all patches."""
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))
