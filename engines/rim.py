"""Draws the rims of mattes along the edges of their picture, as the last step of a network.

The guided filter (He, Sun and Tang, "Guided Image Filtering", ECCV 2010), with a colour guide: near each pixel the
matte is a linear function of colour. It rounds off what is thin, such as arms; so a matte takes from it only where it
is unsure itself. (`realtime.refine` does the same on the full picture, for what is to have sharp rims there.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RADIUS = 4  # of the neighbourhood, pixels of the matte
PRIOR = 2e-4  # of the fitted line, against noise; colours lie in [0, 1]
UNSURE = 2.0  # how fast the filter's answer counts where the matte leaves 0 and 1


class Rim(nn.Module):
    """image (N, 3, H, W) in [0, 1], logits (M, C, H/2, W/2) each -> their mattes in [0, 1], with rims along edges.

    N is M or one. In FP32 in all graphs (`engines.half.FULL`): it takes differences of squares.
    """

    def forward(self, image: Tensor, *logits: Tensor) -> tuple[Tensor, ...]:
        guide = F.avg_pool2d(image, 2)
        red, green, blue = guide.split(1, 1)
        pairs = torch.cat([guide * red, guide[:, 1:] * green, blue * blue], 1)  # rr rg rb gg gb bb
        r, g, b, rr, rg, rb, gg, gb, bb = _mean(torch.cat([guide, pairs], 1)).split(1, 1)
        # The covariances of the colours, symmetric, and the inverse of their matrix (Cramer's rule).
        rr, gg, bb = rr - r * r + PRIOR, gg - g * g + PRIOR, bb - b * b + PRIOR
        rg, rb, gb = rg - r * g, rb - r * b, gb - g * b
        c0, c1, c2 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
        c3, c4, c5 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
        one = 1 / (rr * c0 + rg * c1 + rb * c2)

        def drawn(matte: Tensor) -> Tensor:
            mean, *with_colour = (_mean(plane) for plane in (matte, matte * red, matte * green, matte * blue))
            vr, vg, vb = (each - channel * mean for each, channel in zip(with_colour, (r, g, b), strict=True))
            slope_r = (c0 * vr + c1 * vg + c2 * vb) * one
            slope_g = (c1 * vr + c3 * vg + c4 * vb) * one
            slope_b = (c2 * vr + c4 * vg + c5 * vb) * one
            offset = mean - slope_r * r - slope_g * g - slope_b * b
            along = _mean(slope_r) * red + _mean(slope_g) * green + _mean(slope_b) * blue + _mean(offset)
            unsure = ((1 - (2 * matte - 1).abs()) * UNSURE).clamp(max=1)
            return matte + (along.clamp(0, 1) - matte) * unsure

        return tuple(drawn(torch.sigmoid(each)) for each in logits)


def _mean(planes: Tensor) -> Tensor:
    return box_mean(planes, 2 * RADIUS + 1, 2 * RADIUS + 1)


def box_mean(planes: Tensor, height: int, width: int) -> Tensor:
    """The mean of each neighbourhood of odd sides, as far as it lies in the picture; of (N, C, h, w)."""
    rows = F.avg_pool2d(planes, (1, width), 1, (0, width // 2), count_include_pad=False)
    return F.avg_pool2d(rows, (height, 1), 1, (height // 2, 0), count_include_pad=False)
