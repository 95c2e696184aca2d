"""Everything a frame passes through at run time; no training code, no torch.

    from realtime import Eraser, erase_video
    erase_video("in.mp4", "out.mp4")

The names below are imported when first used, so that importing one module of the package costs no more than it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.background.fill import load_filler
    from realtime.eraser import Eraser
    from realtime.errors import EraserError, UsageError
    from realtime.files import erase_video
    from realtime.frame import Frame
    from realtime.media.opening import open_source
    from realtime.pending import Pending
    from realtime.result import Result, Stats
    from realtime.segment import load_segmenter
    from realtime.selection import Box, Selection
    from realtime.settings import Settings

__all__ = [
    "Box",
    "Eraser",
    "EraserError",
    "Frame",
    "Pending",
    "Result",
    "Selection",
    "Settings",
    "Stats",
    "UsageError",
    "erase_video",
    "load_filler",
    "load_segmenter",
    "open_source",
]

_MODULES = {
    "Box": "selection",
    "Eraser": "eraser",
    "EraserError": "errors",
    "Frame": "frame",
    "Pending": "pending",
    "Result": "result",
    "Selection": "selection",
    "Settings": "settings",
    "Stats": "result",
    "UsageError": "errors",
    "erase_video": "files",
    "load_filler": "background.fill",
    "load_segmenter": "segment",
    "open_source": "media.opening",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'realtime' has no attribute '{name}'")
    return getattr(import_module(f"realtime.{_MODULES[name]}"), name)
