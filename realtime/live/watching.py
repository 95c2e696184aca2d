"""What takes the pictures where there is no window: nothing is drawn, but the user is told how it goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.live.control import Live

_OFTEN = 10.0  # seconds between two lines about the rate
_PATIENCE = 0.1  # seconds to wait for a picture before looking whether all is over


class Watcher:
    """Counts every picture as presented when it arrives; tells messages once each, and the rate now and then."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._message: str | None = None
        self._next = time.monotonic() + _OFTEN

    def watch(self, live: Live) -> None:
        """Until the loop ends."""
        while live.running:
            shown = live.newest(_PATIENCE)
            if shown is None:
                continue
            live.presented(shown)
            status = shown.status
            if status.message != self._message:
                self._message = status.message
                if status.message is not None:
                    self._tell(status.message)
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + _OFTEN
                lowered = f"; lowered: {', '.join(status.lowered)}" if status.lowered else ""
                self._tell(
                    f"{status.fps:.1f} frames/s, {status.latency_ms:.0f} ms behind, {status.dropped} dropped{lowered}"
                )
