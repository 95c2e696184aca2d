"""Inpaint Network: a U-Net over ResNet34 that names every pixel's class, and one that restores what is missing.

U-Net: Ronneberger, Fischer and Brox, MICCAI 2015. ResNet: He et al., CVPR 2016. The decoder enlarges by PixelShuffle
(Shi et al., CVPR 2016), initialised so that it begins as nearest neighbour (ICNR: Aitken et al., 2017), and takes the
encoder's maps across, as fastai's DynamicUnet does. Parameters of the encoder are named as torchvision names them, and
its ImageNet weights load where somebody has put them; no package holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.classics.published import published_file
from engines.errors import EngineError

FILE = "resnet34-b627a593.pth"
MEGABYTES = 83
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB, which torchvision's weights take off
DEPTHS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)


def _conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


class BasicBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(inputs, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width), nn.BatchNorm2d(width)
        self.downsample = None
        if stride > 1 or inputs != width:
            self.downsample = nn.Sequential(_conv(inputs, width, 1, stride), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet34(nn.Module):
    """(N, inputs, H, W) -> five maps, at strides 2, 4, 8, 16 and 32."""

    def __init__(self, inputs: int = 3, widths: tuple[int, ...] = WIDTHS, depths: tuple[int, ...] = DEPTHS) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(inputs, widths[0], 7, 2), nn.BatchNorm2d(widths[0])
        self.count = len(widths)
        source = widths[0]
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True), 1):
            blocks = [
                BasicBlock(source if k == 0 else width, width, 2 if k == 0 < number - 1 else 1) for k in range(depth)
            ]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            source = width

    def load_imagenet(self) -> None:
        """Take over torchvision's ImageNet weights; EngineError says where they belong."""
        path = published_file("ResNet34's ImageNet", FILE, MEGABYTES)
        try:
            self.adopt(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # torch raises many kinds for a damaged file
            raise EngineError(f"{path} does not hold ResNet34's weights ({str(error).splitlines()[0]})") from error

    def adopt(self, published: Mapping[str, Any]) -> None:
        """Take over the state of a ResNet that reads RGB less `MEAN`; this one reads [-1, 1], maybe more channels."""
        state = {name: value for name, value in published.items() if not name.startswith("fc.")}
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
        kernel = state["conv1.weight"] / deviation
        first = torch.zeros_like(self.conv1.weight)
        first[:, :3] = kernel / 2
        shift = (kernel * (0.5 - mean)).sum((1, 2, 3))
        self.load_state_dict(state | {"conv1.weight": first, "bn1.running_mean": state["bn1.running_mean"] - shift})

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [F.relu(self.bn1(self.conv1(x)))]  # (N, 64, H/2, W/2)
        x = F.max_pool2d(maps[0], 3, 2, 1)
        for number in range(1, self.count + 1):
            x = self.get_submodule(f"layer{number}")(x)
            maps.append(x)  # (N, 64, H/4), (N, 128, H/8), (N, 256, H/16), (N, 512, H/32)
        return maps


class Enlarge(nn.Module):
    """(N, inputs, H, W) -> (N, outputs, 2H, 2W), at first by nearest neighbour."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 4 * outputs, 1)
        with torch.no_grad():
            kernel = nn.init.kaiming_normal_(torch.empty(outputs, inputs, 1, 1))
            self.conv.weight.copy_(kernel.repeat_interleave(4, 0))
            nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(F.pixel_shuffle(self.conv(x), 2))


class Up(nn.Module):
    """Twice the size, the encoder's map beside it, two convolutions."""

    def __init__(self, inputs: int, across: int, outputs: int) -> None:
        super().__init__()
        self.enlarge = Enlarge(inputs, inputs // 2)
        self.bn = nn.BatchNorm2d(across)
        self.convs = nn.Sequential(
            nn.Conv2d(inputs // 2 + across, outputs, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor, across: Tensor) -> Tensor:
        return self.convs(torch.cat([self.enlarge(x), F.relu(self.bn(across))], 1))


class UNet34(nn.Module):
    """(N, inputs, H, W), H and W multiples of 32 -> (N, outputs, H, W), before any activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: tuple[int, ...] = WIDTHS,
        depths: tuple[int, ...] = DEPTHS,
    ) -> None:
        super().__init__()
        self.encoder = ResNet34(inputs, widths, depths)
        w1, w2, w3, w4 = widths
        self.middle = nn.Sequential(
            nn.BatchNorm2d(w4),
            nn.ReLU(inplace=True),
            nn.Conv2d(w4, 2 * w4, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * w4, w4, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.ups = nn.ModuleList([Up(w4, w3, w4), Up(w4, w2, w3), Up(w3, w1, w2), Up(w2, w1, w1)])
        self.last = Enlarge(w1, w1)
        self.out = nn.Sequential(
            nn.Conv2d(w1 + inputs, w1, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(w1, outputs, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        *across, y = self.encoder(x)
        y = self.middle(y)  # (N, 512, H/32, W/32)
        for up, skip in zip(self.ups, reversed(across), strict=True):
            y = up(y, skip)  # (N, 512, H/16), (N, 256, H/8), (N, 128, H/4), (N, 64, H/2)
        return self.out(torch.cat([self.last(y), x], 1))


class UNet34Segmenter(nn.Module):
    """image (N, 3, H, W) RGB in [0, 1] -> logits (N, classes, H, W)."""

    def __init__(self, classes: int, widths: tuple[int, ...] = WIDTHS, depths: tuple[int, ...] = DEPTHS) -> None:
        super().__init__()
        self.body = UNet34(3, classes, widths, depths)

    def forward(self, image: Tensor) -> Tensor:
        return self.body(image * 2 - 1)


class UNet34Filler(nn.Module):
    """image (N, 3, H, W) RGB in [0, 1] with the hole zeroed, mask (N, 1, H, W), 1 = hole -> image_filled, drawn."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS, depths: tuple[int, ...] = DEPTHS) -> None:
        super().__init__()
        self.body = UNet34(4, 3, widths, depths)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        drawn = torch.sigmoid(self.body(torch.cat([image * 2 - 1, mask], 1)))
        return image * (1 - mask) + drawn * mask, drawn
