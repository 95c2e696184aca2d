"""Two frames made of one picture, so that a network learns to follow what it said a moment ago.

In a video the previous matte is the network's own, with its own faults, carried along by optical flow. Guidance made
from true masks does not teach to live with that: faults come and go, and the mask flickers. So a picture is moved a
little to be the frame before, the network answers there, a few times over as it would along a still video, and the
answer comes back with the motion.

After Ross, Gordon and Bagnell, "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online
Learning", AISTATS 2011: a learner must see the states that its own answers lead to.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

STILL = 0.35  # how often nothing moves
SHIFT, TURN, ZOOM = 0.04, 0.03, 0.02  # deviations: of half the picture, radians, the logarithm
BEND = 0.006  # of half the picture: how wrong optical flow is
ROUNDS = 3  # answers at most in the frame before

Look = Callable[[Tensor], Callable[[Tensor], Tensor]]


def follow(image: Tensor, guidance: Tensor, look: Look) -> tuple[Tensor, Tensor]:
    """What a network that is guided as `guidance` says a frame before finds there, carried along to `image`.

    image (N, 3, H, W) in [0, 1]; guidance (N, 3, H, W); look: image -> guidance -> logits (N, 1, H/2, W/2). Returns
    the guidance for this frame (N, 3, H, W), carried by a flow with errors, and the matte (N, 1, H/2, W/2) in [0, 1],
    carried by the true motion. No gradient flows through either.
    """
    with torch.no_grad():
        motion = _motion(len(image), image.device)
        answer = look(_worn(_moved(image, motion, "border")))
        guided = _moved(guidance, motion, "zeros")
        nothing = torch.zeros_like(guided[:, 1:])
        for _ in range(int(torch.randint(1, ROUNDS + 1, ()))):
            matte = torch.sigmoid(answer(guided).float())
            guided = torch.cat([F.interpolate(matte, scale_factor=2.0, mode="bilinear"), nothing], 1)
        back = torch.linalg.inv(motion)
        carried = _moved(guided, back, "zeros", BEND)
        return carried, _moved(matte, back, "zeros")


def _motion(count: int, device: torch.device) -> Tensor:
    """(N, 3, 3): this frame -> the frame before, in halves of the picture from its middle."""
    shift, (turn, zoom) = torch.randn(count, 2) * SHIFT, torch.randn(2, count)
    turn, scale = turn * TURN, torch.exp(zoom * ZOOM)
    motion = torch.eye(3).repeat(count, 1, 1)
    moves = torch.rand(count) >= STILL
    cos, sin = scale * torch.cos(turn), scale * torch.sin(turn)
    linear = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    motion[moves, :2] = torch.cat([linear, shift[..., None]], 2)[moves]
    return motion.to(device)


def _moved(planes: Tensor, motion: Tensor, padding: str, bend: float = 0.0) -> Tensor:
    """Every pixel looked up where `motion` says: destination -> source; bilinear."""
    count, _, height, width = planes.shape
    grid = F.affine_grid(motion[:, :2], [count, 1, height, width], align_corners=False)
    if bend:
        coarse = torch.randn(count, 2, 5, 7, device=planes.device) * bend
        grid = grid + F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    return F.grid_sample(planes, grid, padding_mode=padding, align_corners=False)


def _worn(image: Tensor) -> Tensor:
    """Another exposure and other noise, as from one frame to the next."""
    count = len(image)
    gain = torch.exp(torch.randn(count, 1, 1, 1, device=image.device) * 0.03)
    noise = torch.randn_like(image) * (torch.rand(count, 1, 1, 1, device=image.device) * 0.02)
    return (image * gain + noise).clamp(0, 1)
