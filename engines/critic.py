"""The filler's adversary: tells, patch by patch, whether a picture was filled there.

Patches: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017. Spectral
normalisation: Miyato et al., ICLR 2018. Only patches that see the hole count as filled (Yu et al., "Free-Form Image
Inpainting with Gated Convolution", ICCV 2019; Suvorov et al., LaMa, WACV 2022). It does not see the mask, so that only
what looks filled gives a filling away.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

WIDTHS = (32, 64, 128, 128)
STRIDES = (2, 2, 2, 1)


class PatchCritic(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] -> every layer's map; the last is the score (N, 1, H/8, W/8), above 0 = untouched."""

    def __init__(self) -> None:
        super().__init__()
        layers = []
        inputs = 3
        for width, stride in zip(WIDTHS, STRIDES, strict=True):
            layers.append(spectral_norm(nn.Conv2d(inputs, width, 2 + stride, stride, 1)))
            inputs = width
        self.layers = nn.ModuleList(layers)
        self.score = spectral_norm(nn.Conv2d(inputs, 1, 3, padding=1))

    def forward(self, image: Tensor) -> list[Tensor]:
        x = image * 2 - 1
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            maps.append(x)
        return [*maps, self.score(x)]


def critic_loss(critic: PatchCritic, filled: Tensor, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
    """Hinge loss (Lim and Ye, "Geometric GAN", 2017): real patches above 1, patches of the hole below -1."""
    scores = critic(torch.cat([image, filled]))[-1]
    real, fake = scores.float().chunk(2)
    inside = F.adaptive_avg_pool2d(hole, fake.shape[2:])
    return {
        "critic_real": F.relu(1 - real).mean(),
        "critic_fake": (F.relu(1 + fake) * inside).sum() / inside.sum().clamp_min(1e-6),
    }


def deceit(critic: PatchCritic, filled: Tensor, image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """What the filler minimises: how filled its hole looks to the critic, and the L1 between the critic's features.

    Matching features: Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016.
    """
    with torch.no_grad():
        wanted = critic(image)[:-1]
    *found, score = critic(filled)
    inside = F.adaptive_avg_pool2d(hole, score.shape[2:])
    looks = -(score * inside).sum() / inside.sum().clamp_min(1e-6)
    share = hole.mean().clamp_min(1e-3)
    match = torch.stack([F.l1_loss(a, b) / b.abs().mean().clamp_min(1e-3) for a, b in zip(found, wanted, strict=True)])
    return looks, match.mean() / share
