"""What the status line says: one message after the other, each for long enough to be read.

    messages.say("plate saved", now)
    line = messages.at(now)

Pure: it is told the time, and never looks at a clock.
"""

from __future__ import annotations

from collections import deque

STANDS = 1.0  # seconds for which a message stands, whatever else is to be said
STAYS = 4.0  # seconds for which it stays when nothing else is


class Messages:
    """State: the message that stands, since when, when it was said last, and those that wait."""

    def __init__(self) -> None:
        self._standing: str | None = None
        self._since = self._said = float("-inf")
        self._waiting: deque[str] = deque()

    def say(self, message: str, now: float) -> None:
        """Say this next; what stands or waits already is not said twice."""
        if message == self._standing:
            self._said = now
        elif message not in self._waiting:
            self._waiting.append(message)

    def due(self, now: float) -> bool:
        """Whether something else is to stand there than `at` gave last."""
        if self._standing is None:
            return bool(self._waiting)
        return now >= (self._since + STANDS if self._waiting else self._said + STAYS)

    def at(self, now: float) -> str | None:
        """What stands there now, None where there is nothing to say."""
        if self.due(now):
            self._standing = self._waiting.popleft() if self._waiting else None
            self._since = self._said = now
        return self._standing

    def unread(self, now: float) -> list[str]:
        """What stands there for less than a moment, and what waits."""
        fresh = [self._standing] if self._standing is not None and now < self._since + STANDS else []
        return [*fresh, *self._waiting]
