"""The user's own folders, as each system has them: for what can be made again, and for settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE, CONFIG = "ERASER_CACHE", "ERASER_CONFIG"  # variables that name another folder
# By system: a variable that names the folder of all programs, and that folder where it is not set.
_PLACES = {
    CACHE: {
        "win32": ("LOCALAPPDATA", "~/AppData/Local"),
        "darwin": ("", "~/Library/Caches"),
        "linux": ("XDG_CACHE_HOME", "~/.cache"),
    },
    CONFIG: {
        "win32": ("APPDATA", "~/AppData/Roaming"),
        "darwin": ("", "~/Library/Application Support"),
        "linux": ("XDG_CONFIG_HOME", "~/.config"),
    },
}


def user_folder(kind: str) -> Path:
    """The project's folder of a kind, CACHE or CONFIG; it need not exist."""
    if chosen := os.environ.get(kind):
        return Path(chosen).expanduser()
    places = _PLACES[kind]
    variable, usual = places.get(sys.platform, places["linux"])
    return Path(os.environ.get(variable) or usual).expanduser() / "object-eraser"
