"""Image In-painting using DCGANs: a generator of whole pictures, searched for the one that fits around a hole.

DCGAN: Radford, Metz and Chintala, ICLR 2016; 5x5 kernels of stride 2, spectral normalisation (Miyato et al., ICLR 2018)
in the critic. The search: Yeh et al., "Semantic Image Inpainting with Deep Generative Models", CVPR 2017. It walks
through latent vectors z by gradient descent, down the weighted context loss (known pixels count by how many of their
neighbours are missing) plus lambda times the prior loss (what the critic thinks), clips z to [-1, 1] in each step, and
blends the answer in. Another start gives another plausible fill. It takes a thousand passes: nothing for live.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from engines.filler import smooth_guess

SIDE = 64  # pixels of the pictures that it makes
LATENT = 100
WIDTHS = (512, 256, 128, 64)


class Generator(nn.Module):
    """z (N, 100) in [-1, 1] -> (N, 3, 64, 64) in [0, 1]."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.start = nn.Linear(LATENT, widths[0] * 4 * 4)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for source, width in pairwise(widths):  # (N, 256, 8, 8), (N, 128, 16, 16), (N, 64, 32, 32)
            layers += [nn.ConvTranspose2d(source, width, 5, 2, 2, 1), nn.BatchNorm2d(width), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], 3, 5, 2, 2, 1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        x = self.start(z)
        return self.layers(x.view(len(z), -1, 4, 4)) * 0.5 + 0.5


class Critic(nn.Module):
    """(N, 3, 64, 64) in [0, 1] -> (N,), above 0 = real."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        source = 3
        for width in reversed(widths):  # (N, 64, 32, 32), (N, 128, 16, 16), (N, 256, 8, 8), (N, 512, 4, 4)
            layers += [spectral_norm(nn.Conv2d(source, width, 5, 2, 2)), nn.LeakyReLU(0.2)]
            source = width
        self.layers = nn.Sequential(*layers, nn.Flatten(), spectral_norm(nn.Linear(source * 4 * 4, 1)))

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image * 2 - 1)[:, 0]


@dataclass(frozen=True)
class Search:
    """How z is sought. prior: lambda, 1e-3 as the paper's table tuned it (its text says 3e-3); window: pixels, odd."""

    steps: int = 1000
    rate: float = 0.03
    prior: float = 1e-3
    window: int = 7
    starts: int = 1
    seed: int = 0


class DCGAN(nn.Module):
    """Generator and critic; `complete` fills 64x64 pictures."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.generator = Generator(widths)
        self.critic = Critic(widths)

    def complete(
        self, image: Tensor, mask: Tensor, search: Search, watch: Callable[[int, Tensor], None] | None = None
    ) -> Tensor:
        """image (3, 64, 64) in [0, 1], mask (1, 64, 64), 1 = hole -> (starts, 3, 64, 64), the best fit first.

        watch: told the step and each start's loss, (starts,), in every step. The network must be in inference mode.
        """
        known, weight = 1 - mask, missing_neighbours(mask, search.window)
        noise = torch.Generator().manual_seed(search.seed)
        z = (torch.rand(search.starts, LATENT, generator=noise) * 2 - 1).to(image.device).requires_grad_()
        optimizer = torch.optim.Adam([z], search.rate)
        for step in range(search.steps):
            losses = self._loss(z, image, weight, search.prior)
            if watch is not None:
                watch(step, losses.detach())
            (z.grad,) = torch.autograd.grad(losses.sum(), z)
            optimizer.step()
            with torch.no_grad():
                z.clamp_(-1, 1)
        with torch.no_grad():
            best_first = self._loss(z, image, weight, search.prior).argsort()
            return blend(image * known, self.generator(z[best_first]), known)

    def _loss(self, z: Tensor, image: Tensor, weight: Tensor, prior: float) -> Tensor:
        made = self.generator(z)
        context = (weight * (made - image).abs()).sum((1, 2, 3))
        return context + prior * F.softplus(-self.critic(made))


def missing_neighbours(mask: Tensor, window: int) -> Tensor:
    """W of the context loss, (1, H, W): for known pixels the share of the window around them that is missing."""
    share = F.avg_pool2d(mask[None], window, 1, window // 2, count_include_pad=False)[0]
    return share * (1 - mask)


def blend(image: Tensor, made: Tensor, known: Tensor) -> Tensor:
    """Paste pictures (S, 3, H, W) into one, (3, H, W), known (1, H, W): a membrane takes up what differs at the rim."""
    starts = made.shape[0]
    known = known[None].expand(starts, -1, -1, -1)
    seam = smooth_guess(image - made, known)  # (S, 3, H/4, W/4)
    seam = F.interpolate(seam, scale_factor=4.0, mode="bilinear", align_corners=False)
    return torch.where(known > 0, image, (made + seam).clamp(0, 1))


def complete_any(network: DCGAN, image: Tensor, mask: Tensor, search: Search) -> Tensor:
    """The best fill of a picture of any size: image (3, H, W), mask (1, H, W) -> (3, H, W), sought at 64x64."""
    small = F.interpolate(image[None] * (1 - mask), (SIDE, SIDE), mode="area")[0]
    share = F.interpolate(1 - mask[None], (SIDE, SIDE), mode="area")[0]
    hole = (share < 0.5).float()
    best = network.complete(small / share.clamp_min(1e-3) * (1 - hole), hole, search)[:1]
    large = F.interpolate(best, image.shape[1:], mode="bilinear", align_corners=False)[0]
    return torch.where(mask > 0, large, image)
