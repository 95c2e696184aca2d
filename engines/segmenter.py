"""The segmenter: EfficientNet-Lite0 and two light U-Net decoders; mattes at half the input's resolution.

A face that fills the frame is larger than what a deep pixel of the encoder sees; so the whole picture is looked at once
more, at stride 32, before people are outlined (`Context`). The size for GPUs, `sharp`, sees larger pictures, and looks
for people twice, with the same weights: there, and at half the size. What is near shows better in the second look, what
is far in the first; the mean of their logits is surer than either, and where people fill the picture, one that leans
on the second. (A gate that learnt which to believe, after Chen et al., "Attention to Scale: Scale-Aware Semantic Image
Segmentation", CVPR 2016, found nothing better than the plain mean.)

U-Net: Ronneberger, Fischer and Brox, MICCAI 2015. The decoders add their skip connections, as feature pyramids do (Lin
et al., CVPR 2017), instead of stacking them: half the multiplications at the resolutions that cost most.

The encoder and the decoder of the classes see the image alone, so who is found never depends on what was clicked. The
decoder of the guided object sees the same maps plus what the guidance encoder makes of the previous matte and the
clicks. The pictures' maps (N) broadcast to the objects (M): one picture with ten objects is encoded once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.backbone import CHANNELS, Block, EfficientNetLite, Stage
from engines.rim import Rim

PLANES = 3  # of the guidance: previous matte, positive clicks, negative clicks
KEY = 32  # channels that pixels are compared by
HOLD = 0.5  # the logit up to which an object's pixel stays on the side of its outline where it was a frame before
WIDTHS = (16, 32, 48, 96)  # of the decoders at strides 2, 4, 8 and 16
HUB = 128  # channels of the guidance and of the context at stride 32
CELL, NEAR = 8, 5  # pixels of a matte, and cells to a side: what is nearby
RAMP, TIE = 4.0, 0.04  # how fast inside turns into outside around a matte of 0.5; the logit of what is held is not zero
LEANING = 0.5, 0.75  # shares of the answer that are the coarse look's, in most pictures and in close-ups
FILLED, STEEP = 0.3, 1.25  # the share of a picture that people take from which on it is more, and how fast
SURE, DOUBT = 2.5, 2.0  # the logit from which nothing is doubtful, and the weight of what lacks to it


class Size(NamedTuple):
    """What distinguishes the networks of one recipe. picture: the (height, width) to run at; looks: one or two."""

    picture: tuple[int, int]
    looks: int


SIZES = {"swift": Size((288, 512), 1), "sharp": Size((448, 800), 2)}


# What of the network finds what: these parts can be trained alone.
PARTS = {"matte": ("context", "decoder"), "object": ("guide", "object_decoder")}


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=0 if kernel == stride else kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


def _silent(conv: nn.Conv2d) -> nn.Conv2d:
    """A convolution that adds nothing yet: a network that was trained without it starts from what it knows."""
    assert conv.bias is not None
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv


class Up(nn.Module):
    """One step of a decoder: twice the size, plus the encoder's map of that size, plus the guidance's if there is."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(inputs, outputs, 1)
        self.lateral = nn.Conv2d(skip, outputs, 1)
        self.mix = _conv(outputs, outputs, 3)

    def forward(self, x: Tensor, skip: Tensor, guide: Tensor | None = None) -> Tensor:
        x = F.interpolate(self.narrow(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        x = x + self.lateral(skip)
        return self.mix(x if guide is None else x + guide)


class Decoder(nn.Module):
    """From the encoder's maps, strides 2 to 32, to logits (N, classes, H/2, W/2)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        ups = []
        inputs = CHANNELS[-1]
        for skip, outputs in zip(CHANNELS[-2::-1], WIDTHS[::-1], strict=True):
            ups.append(Up(inputs, skip, outputs))
            inputs = outputs
        self.ups = nn.ModuleList(ups)
        self.head = nn.Conv2d(inputs, classes, 3, padding=1)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, -1.5)  # most pixels of most pictures are nobody

    def forward(self, maps: list[Tensor], guides: list[Tensor | None]) -> Tensor:
        """guides: what to add at strides 32, 16, 8, 4 and 2."""
        first, *others = guides
        x = maps[-1] if first is None else maps[-1] + first
        for up, skip, guide in zip(self.ups, maps[-2::-1], others, strict=True):
            x = up(x, skip, guide)
        return self.head(x)


def _spread(channels: int) -> nn.Sequential:
    """Two blocks at stride 32 that carry each what is known of a place, a click say, 64 pixels further."""
    wide = Stage(1, 5, 1, 2, channels)
    return nn.Sequential(Block(channels, wide, 1), Block(channels, wide, 1))


class Context(nn.Module):
    """What the surroundings and the picture as a whole say about each place: (N, C, H/32, W/32) -> the same.

    The mean over the picture: Liu, Rabinovich and Berg, "ParseNet: Looking Wider to See Better", 2015.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(CHANNELS[-1], HUB, 1)
        self.whole = nn.Conv2d(HUB, HUB, 1)
        self.spread = _spread(HUB)
        self.leave = _silent(nn.Conv2d(HUB, CHANNELS[-1], 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return self.leave(self.spread(x + self.whole(x.mean((2, 3), keepdim=True))))


class Likeness(nn.Module):
    """How much each pixel of a map resembles what the guidance marks, and what it leaves alone.

    The pixels' keys are averaged under each plane and under none, and every pixel is compared with these four by the
    cosine of the angle between them: (N, C, h, w) and (M, 3, h, w) -> (M, 4, h, w) in [-1, 1], 0 for an empty plane.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.key = nn.Conv2d(channels, KEY, 1)

    def forward(self, features: Tensor, planes: Tensor) -> Tensor:
        keys = _unit(self.key(features).flatten(2), 1)  # (N, KEY, hw)
        rest = (1 - planes.sum(1, keepdim=True)).clamp_min(0)
        weights = torch.cat([planes, rest], 1).flatten(2)  # (M, 4, hw)
        weights = weights / (weights.sum(2, keepdim=True) + 1e-3)
        means = _unit(torch.matmul(weights, keys.transpose(1, 2)), 2)  # (M, 4, KEY)
        return torch.matmul(means, keys).unflatten(2, (features.shape[2], features.shape[3]))


class Guide(nn.Module):
    """Guidance (M, 3, H, W), the encoder's maps and who was found -> what the object's decoder adds at strides 32 to 2.

    At stride 2 it is there so that outlines can stay as they were: a coarser matte doesn't tell where they ran. People
    are outlined better by what looks for nothing else, limbs above all: so where they are is told as well.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        at2, at4, at8, at16 = WIDTHS
        self.outline = _silent(nn.Conv2d(PLANES, at2, 3, padding=1))
        self.outline_found = _silent(nn.Conv2d(classes, at2, 3, padding=1))
        self.stem = _conv(PLANES, at4, 4, 4)
        self.stem_found = _silent(nn.Conv2d(classes, at4, 3, padding=1))
        self.like8, self.like16 = Likeness(CHANNELS[2]), Likeness(CHANNELS[3])
        self.down8 = _conv(at4, at8, 3, 2)
        self.mix8 = _conv(PLANES + 1 + at8, at8, 1)
        self.down16 = _conv(at8, at16, 3, 2)
        self.mix16 = _conv(PLANES + 1 + at16, at16, 1)
        self.down32 = _conv(at16, HUB, 3, 2)
        self.enter = nn.Conv2d(CHANNELS[-1], HUB, 1)
        self.spread = _spread(HUB)
        self.leave = nn.Conv2d(HUB, CHANNELS[-1], 1)

    def forward(self, maps: list[Tensor], found: Tensor, guidance: Tensor) -> list[Tensor | None]:
        """found: the mattes of the classes, (N, classes, H/2, W/2) in [0, 1]."""
        at8 = F.avg_pool2d(guidance, 8)
        g2 = self.outline(F.avg_pool2d(guidance, 2)) + self.outline_found(found)
        g4 = self.stem(guidance) + self.stem_found(F.avg_pool2d(found, 2))
        g8 = self.mix8(torch.cat([self.like8(maps[2], at8), self.down8(g4)], 1))
        g16 = self.mix16(torch.cat([self.like16(maps[3], F.avg_pool2d(at8, 2)), self.down16(g8)], 1))
        g32 = self.leave(self.spread(self.enter(maps[4]) + self.down32(g16)))
        return [g32, g16, g8, g4, g2]


class Segmenter(nn.Module):
    """image (N, 3, H, W) float32 RGB in [0, 1], guidance (M, 3, H, W) float32 in [0, 1], H and W multiples of 32.

    N is M or one. Returns logits: classes (N, classes, H/2, W/2) and object (M, 1, H/2, W/2).
    """

    def __init__(self, size: str = "swift", classes: int = 1) -> None:
        super().__init__()
        self.encoder = EfficientNetLite()
        self.context = Context()
        self.decoder = Decoder(classes)
        self.looks = SIZES[size].looks
        self.guide = Guide(classes)
        self.object_decoder = Decoder(1)
        self.still: list[nn.Module] = []  # what is not trained

    def maps(self, image: Tensor) -> list[Tensor]:
        """The encoder's maps, strides 2, 4, 8, 16 and 32."""
        return self.encoder(image * 2 - 1)

    def people(self, image: Tensor, maps: list[Tensor]) -> Tensor:
        """The logits of the classes. maps: the image's."""
        fine = self._look(maps)
        if self.looks == 1:
            return fine
        coarse = self._look(self.maps(_halved(image)))
        coarse = F.interpolate(coarse, fine.shape[2:], mode="bilinear", align_corners=False)
        return fine + (coarse - fine) * _coarse_share(coarse)

    def _look(self, maps: list[Tensor]) -> Tensor:
        return self.decoder(maps, [self.context(maps[-1]), None, None, None, None])

    def thing(self, maps: list[Tensor], people: Tensor, guidance: Tensor) -> Tensor:
        """The logits of objects. maps, people: the image's, and its logits of the classes."""
        return self.object_decoder(maps, self.guide(maps, torch.sigmoid(people), guidance))

    def forward(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.maps(image)
        people = self.people(image, maps)
        return people, self.thing(maps, people, guidance)

    def learn_only(self, part: str) -> None:
        """Leave all but one of `PARTS` as it is, batch statistics included."""
        self.still = [child for name, child in self.named_children() if name not in PARTS[part]]
        for child in self.still:
            child.requires_grad_(False)
        self.train(self.training)

    def take(self, part: str, other: Segmenter) -> None:
        """Take one of `PARTS` from a network that has the same encoder; ValueError where it has another."""
        image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            pairs = zip(self.eval().maps(image), other.eval().maps(image), strict=True)
            if not all(torch.allclose(mine, theirs, atol=1e-3) for mine, theirs in pairs):
                raise ValueError("the encoders differ")
        for name in PARTS[part]:
            getattr(self, name).load_state_dict(getattr(other, name).state_dict())

    def train(self, mode: bool = True) -> Segmenter:
        super().train(mode)
        for child in self.still:
            child.eval()
        return self


class Matte(nn.Module):
    """What is exported: the mattes in [0, 1], that of the classes `without_doubt`; the object's is 0 where nothing
    guides to it. Those of `sharp` have their rims along the picture's edges.
    """

    def __init__(self, network: Segmenter) -> None:
        super().__init__()
        self.network = network
        self.rim_in_full = Rim() if network.looks == 2 else None

    def forward(self, image: Tensor, guidance: Tensor) -> tuple[Tensor, Tensor]:
        classes, thing = self.network(image, guidance)
        guided = (guidance.amax((1, 2, 3), keepdim=True) > 0).float()
        classes, thing = without_doubt(classes), steadfast(thing, guidance)
        if self.rim_in_full is None:
            return torch.sigmoid(classes), torch.sigmoid(thing) * guided
        matte, thing = self.rim_in_full(image, classes, thing)
        return matte, thing * guided


def steadfast(logits: Tensor, guidance: Tensor) -> Tensor:
    """Logits of objects, (M, 1, H/2, W/2), that change sides only where they are surer than `HOLD` of it.

    What was in an object's matte a frame before stays in it down to -HOLD, what was outside stays out up to HOLD, and
    beyond that the logit tells what lacks to it or exceeds it: hysteresis, as in a Schmitt trigger. Not where somebody
    clicked: the answer to that shall be the network's own. guidance: (M, 3, H, W).
    """
    before = F.avg_pool2d(guidance[:, :1], 2)
    inside = ((before - 0.5) * RAMP + 0.5).clamp(0, 1)
    clicked = (guidance[:, 1:].amax((1, 2, 3), keepdim=True) > 0).to(logits.dtype)
    hold = HOLD * (1 - clicked)
    above = logits + hold * inside
    steady = F.relu(above - hold) - F.relu(above) + above
    return steady + hold * TIE * (inside - 0.5)


def without_doubt(logits: Tensor) -> Tensor:
    """Logits (N, C, h, w), h and w multiples of `CELL`, less what is doubtful all around.

    What is found of somebody is mostly sure, and doubtful at the rim; a cushion or a dog taken for somebody is doubtful
    as a whole. So the mean of the logits of all that is found nearby is held against `SURE`. Beyond the picture's edge
    there may be somebody for sure: who comes in shows little at first, and that is doubtful.
    """
    found = (logits > 0).to(logits.dtype)
    sure = _nearby(logits * found, SURE) / _nearby(found, 1.0).clamp_min(1e-3)
    sure = F.interpolate(sure, scale_factor=float(CELL), mode="bilinear", align_corners=False)
    return logits - DOUBT * F.relu(SURE - sure)


def _nearby(plane: Tensor, beyond: float) -> Tensor:
    """The mean over the cells around each, (N, C, h, w) -> (N, C, h / CELL, w / CELL); beyond: of those outside."""
    around = NEAR // 2
    return F.avg_pool2d(F.pad(F.avg_pool2d(plane, CELL), (around, around, around, around), value=beyond), NEAR, 1)


def _coarse_share(coarse: Tensor) -> Tensor:
    """How much of the answer is the coarse look's, (N, C, 1, 1), given its logits: 0.5, or up to 0.75 of a close-up.

    A face that fills the frame is too large for the fine look, which loses hair and clothes that it sees no end of.
    """
    taken = torch.sigmoid(coarse).mean((2, 3), keepdim=True)
    least, most = LEANING
    return (taken * STEEP + (least - FILLED * STEEP)).clamp(least, most)


def _halved(image: Tensor) -> Tensor:
    """(N, 3, H, W) at half the size, both sides rounded up to multiples of 32."""
    sides = [(side + 63) // 64 * 32 for side in image.shape[2:]]
    return F.interpolate(image, sides, mode="bilinear", align_corners=False)


def _unit(vectors: Tensor, dim: int) -> Tensor:
    return vectors / (vectors.square().sum(dim, keepdim=True) + 1e-6).sqrt()
