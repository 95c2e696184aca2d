"""Where an eraser works on pixels: on the GPU that its networks run on, if there is a way, or on the CPU."""

from __future__ import annotations

import logging
from typing import cast

from realtime.errors import EraserError
from realtime.ops import HOST, Home

_log = logging.getLogger(__name__)


def home_of(*networks: object) -> Home:
    """The home that suits a segmenter and a filler: where their engines run.

    A GPU that cannot be used for pixels is no error: --debug says why, and the CPU does it.
    """
    devices = {getattr(getattr(network, "engine", None), "device", "cpu") for network in networks}
    if "cuda" not in devices:
        return HOST
    try:
        from realtime.cuda import open_device

        device = open_device()
    except EraserError as error:
        _log.debug("frames: worked on by the CPU: %s", error)
        return HOST
    _log.debug("frames: worked on by %s", device.name)
    return cast(Home, device)
