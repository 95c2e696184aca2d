"""What a container takes, found by trying: no list of FFmpeg's tells it for every version."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress

import av
import av.error
from av.container import OutputContainer


def can_begin(container: OutputContainer, begin: Callable[[OutputContainer], object]) -> bool:
    """Whether a file of the container's format can be begun as `begin` begins one; that is written into memory."""
    trial = av.open(io.BytesIO(), "w", format=container.format.name)
    try:
        begin(trial)
    except (av.error.FFmpegError, ValueError):
        return False
    finally:
        with suppress(av.error.FFmpegError):  # some muxers cannot end a file without frames or packets
            trial.close()
    return True
