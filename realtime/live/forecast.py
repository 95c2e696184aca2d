"""What a frame will take on each of the governor's levels, by this machine's profile."""

from __future__ import annotations

from collections.abc import Callable

from realtime.deviceprofile import Profile
from realtime.live.governor import Level
from realtime.models import Models
from realtime.segment import network_size
from realtime.tracking.looker import GLANCE


def forecast(
    profile: Profile | None, models: Models, fps: float, size: tuple[int, int]
) -> Callable[[Level], float] | None:
    """Seconds per frame on a level, on average; None where the profile doesn't know the machine's engines.

    size: (H, W) of the frames; fps: that come in a second. Fills are left out: they are made beside the frames.
    """
    if profile is None or models.segmenter is None:
        return None
    segmenter, engine = models.segmenter, models.segmenter.engine

    def seconds(level: Level) -> float:
        small = size[0] * level.plate_scale, size[1] * level.plate_scale
        default = [side * level.network_scale for side in segmenter.default_size]
        run = profile.network(engine, network_size(round(small[0]), round(small[1]), default, engine.card.multiple))
        rest = profile.frame(models.device, (round(small[0]), round(small[1])))
        runs = 1.0 if level.interval <= 0 else min(1.0, 1.0 / (fps * level.interval))
        runs *= 1 + GLANCE if level.closer else 1  # as for one person
        return ((run or 0.0) * runs + (rest or 0.0)) / 1e3

    known = profile.network(engine, segmenter.default_size), profile.frame(models.device, size)
    return None if None in known else seconds
