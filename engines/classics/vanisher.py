"""The Vanisher Network: an encoder-decoder that finds what to erase, and an autoencoder that fills it.

Both read 224x224 pictures. The encoder is pairs of 3x3 convolutions of 64, 128, 256 and 512 channels, each with batch
normalisation and ReLU, each pair followed by max pooling; the decoder is transposed convolutions back to full size.
The paper's text says about 30 million parameters; its table, which is followed here, makes 5.4 million.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)


def _pair(inputs: int, width: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for source in (inputs, width):
        layers += [nn.Conv2d(source, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return layers


class Vanisher(nn.Module):
    """(N, inputs, H, W), H and W multiples of 16 -> (N, outputs, H, W), before any activation."""

    def __init__(self, inputs: int, outputs: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        down: list[nn.Module] = []
        for source, width in zip((inputs, *widths), widths, strict=False):
            down += [*_pair(source, width), nn.MaxPool2d(2)]
        self.encoder = nn.Sequential(*down)  # (N, 512, H/16, W/16)
        up: list[nn.Module] = []
        targets = (*reversed(widths[:-1]), widths[0])
        for source, width in zip(reversed(widths), targets, strict=True):
            up += [nn.ConvTranspose2d(source, width, 2, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        self.decoder = nn.Sequential(*up, nn.Conv2d(widths[0], outputs, 3, padding=1))  # (N, outputs, H, W)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class VanisherSegmenter(nn.Module):
    """image (N, 3, H, W) RGB in [0, 1] -> logits (N, 1, H, W) of what to erase."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.body = Vanisher(3, 1, widths)

    def forward(self, image: Tensor) -> Tensor:
        return self.body(image * 2 - 1)


class VanisherFiller(nn.Module):
    """image (N, 3, H, W) RGB in [0, 1] with the hole zeroed, mask (N, 1, H, W), 1 = hole -> image_filled, drawn.

    drawn is all that the autoencoder makes of the picture; image_filled has it pasted into the hole.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.body = Vanisher(4, 3, widths)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        drawn = torch.sigmoid(self.body(torch.cat([image * 2 - 1, mask], 1)))
        return image * (1 - mask) + drawn * mask, drawn
