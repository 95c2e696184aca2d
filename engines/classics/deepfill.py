"""GONE's filler, DeepFill: coarse to fine, with a layer that copies from what is known.

Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR 2018. The first stage guesses, the second
refines by two branches: dilated convolutions, and contextual attention, which matches 3x3 patches of features inside
the hole with known ones and copies the 4x4 patches that these stand for. Two WGAN-GP critics (Gulrajani et al., NIPS
2017) judge the whole picture and the part around the hole.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 32
SHARPNESS = 10.0  # of the attention's softmax


def _conv(inputs: int, outputs: int, size: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    pad = dilation * (size - 1) // 2
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, pad, dilation), nn.ELU(inplace=True))


class Enlarge(nn.Module):
    """Nearest neighbour, then a convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _conv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def _encoder(c: int) -> list[nn.Module]:
    """(N, 5, H, W) -> (N, 4c, H/4, W/4)."""
    return [_conv(5, c, 5), _conv(c, 2 * c, 3, 2), _conv(2 * c, 2 * c), _conv(2 * c, 4 * c, 3, 2), _conv(4 * c, 4 * c)]


def _dilated(c: int) -> list[nn.Module]:
    return [_conv(4 * c, 4 * c, dilation=dilation) for dilation in (2, 4, 8, 16)]


def _decoder(inputs: int, c: int) -> nn.Sequential:
    """(N, inputs, H/4, W/4) -> (N, 3, H, W) in [-1, 1]."""
    return nn.Sequential(
        *(_conv(inputs, 4 * c), _conv(4 * c, 4 * c), Enlarge(4 * c, 2 * c), _conv(2 * c, 2 * c)),
        *(Enlarge(2 * c, c), _conv(c, c // 2), nn.Conv2d(c // 2, 3, 3, padding=1), nn.Hardtanh()),
    )


def _shifted(x: Tensor, dy: int, dx: int) -> Tensor:
    """What lies (dy, dx) from each pixel, 0 beyond the edge; both in -1, 0, 1."""
    height, width = x.shape[2], x.shape[3]
    return F.pad(x, (1, 1, 1, 1))[:, :, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]


def _coherent(scores: Tensor, height: int, width: int) -> Tensor:
    """Let matches speak for their neighbours: if a matches b, what lies beside a matches what lies beside b.

    scores (N, HW known, HW wanted); along rows, then along columns.
    """
    kernel = torch.eye(3, device=scores.device, dtype=scores.dtype).view(1, 1, 3, 3)
    for _ in range(2):
        scores = F.conv2d(scores[:, None], kernel, padding=1)[:, 0]
        scores = scores.view(-1, height, width, height, width).permute(0, 2, 1, 4, 3)
        scores = scores.reshape(-1, height * width, height * width)
        height, width = width, height
    return scores


def contextual_attention(x: Tensor, mask: Tensor) -> Tensor:
    """Rebuild features (N, C, H, W), H and W even, out of their known part; mask (N, 1, H, W), 1 = hole."""
    small, hole = F.avg_pool2d(x, 2), F.max_pool2d(mask, 2)
    n, _, height, width = small.shape
    around = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    patches = torch.cat([_shifted(small, dy, dx) for dy, dx in around], 1).flatten(2)  # (N, 9C, HW/4)
    known = patches / patches.norm(dim=1, keepdim=True).clamp_min(1e-4)
    usable = 1 - F.max_pool2d(hole, 3, 1, 1).flatten(2).transpose(1, 2)  # (N, HW/4, 1): wholly known patches
    scores = _coherent(known.transpose(1, 2) @ patches, height, width)  # (N, HW/4 known, HW/4 wanted)
    weights = torch.softmax(scores * usable * SHARPNESS, 1) * usable
    blocks = F.pixel_unshuffle(x, 2)  # (N, 4C, H/2, W/2): a 4x4 patch is 2x2 of these
    rebuilt = torch.zeros_like(blocks)
    for dy in (0, 1):
        for dx in (0, 1):
            copied = (_shifted(blocks, dy, dx).flatten(2) @ weights).view(n, -1, height, width)
            rebuilt = rebuilt + _shifted(copied, -dy, -dx) / 4
    return F.pixel_shuffle(rebuilt, 2)


class DeepFill(nn.Module):
    """image (N, 3, H, W) RGB in [0, 1] with the hole zeroed, mask (N, 1, H, W), 1 = hole; H, W multiples of 8.

    Returns image_filled and drawn, both (N, 3, H, W): the refined picture pasted into the hole, and all of it.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        c = width
        self.coarse = nn.Sequential(*_encoder(c), _conv(4 * c, 4 * c), *_dilated(c), _decoder(4 * c, c))
        self.hallucinate = nn.Sequential(*_encoder(c), _conv(4 * c, 4 * c), *_dilated(c))
        self.match = nn.Sequential(*_encoder(c), _conv(4 * c, 4 * c))
        self.settle = nn.Sequential(_conv(4 * c, 4 * c), _conv(4 * c, 4 * c))
        self.merge = _decoder(8 * c, c)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        _, drawn = self.stages(image, mask)
        return image * (1 - mask) + drawn * mask, drawn

    def stages(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What each stage draws: (N, 3, H, W) in [0, 1] twice."""
        known, ones = 1 - mask, torch.ones_like(mask)
        x = (image * 2 - 1) * known
        coarse = self.coarse(torch.cat([x, ones, mask], 1))
        x = torch.cat([x + coarse * mask, ones, mask], 1)
        attended = self.settle(contextual_attention(self.match(x), F.max_pool2d(mask, 4)))  # (N, 4c, H/4, W/4)
        refined = self.merge(torch.cat([self.hallucinate(x), attended], 1))
        return coarse * 0.5 + 0.5, refined * 0.5 + 0.5


class Critic(nn.Module):
    """(N, 3, side, side) in [0, 1] -> (N,): how real. Local critics end with 512 channels, the global one with 256."""

    def __init__(self, side: int, last: int, width: int = 64) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width, last)
        self.layers = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(a, b, 5, 2, 2), nn.LeakyReLU(0.2)) for a, b in pairwise(widths))
        )  # (N, last, side/16, side/16)
        self.score = nn.Linear(last * (side // 16) ** 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.score(self.layers(image * 2 - 1).flatten(1))[:, 0]


class Critics(nn.Module):
    """Both critics for pictures of one size."""

    def __init__(self, side: int, width: int = 64) -> None:
        super().__init__()
        self.whole = Critic(side, 4 * width, width)
        self.part = Critic(side // 2, 8 * width, width)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """How real pictures (N, 3, side, side) and their parts around the hole look, added up: (N,)."""
        return self.whole(image) + self.part(around_hole(image, mask))


def around_hole(image: Tensor, mask: Tensor) -> Tensor:
    """(N, 3, H/2, W/2): the part of each picture whose middle is nearest to that of its hole."""
    height, width = image.shape[2] // 2, image.shape[3] // 2
    parts = []
    for picture, hole in zip(image, mask[:, 0], strict=True):
        corner = []
        for axis, side in ((1, height), (0, width)):
            weight = hole.sum(axis)
            place = torch.arange(len(weight), device=hole.device, dtype=weight.dtype)
            middle = float((weight * place).sum() / weight.sum().clamp_min(1))
            corner.append(min(max(0, round(middle - side / 2)), side))
        parts.append(picture[:, corner[0] : corner[0] + height, corner[1] : corner[1] + width])
    return torch.stack(parts)


def gradient_penalty(critics: Critics, real: Tensor, made: Tensor, mask: Tensor) -> Tensor:
    """How far the critics' slope between real and made pictures, inside the hole, is from 1 (WGAN-GP)."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = (real * share + made * (1 - share)).requires_grad_()
    (slope,) = torch.autograd.grad(critics(between, mask).sum(), between, create_graph=True)
    return ((slope * mask).flatten(1).norm(dim=1) - 1).square().mean()
