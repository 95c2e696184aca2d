"""A slot between two threads that keeps the newest item only."""

from __future__ import annotations

import threading
import time
from typing import Generic, TypeVar

from realtime.channel import Stopped

T = TypeVar("T")


class Closed(Exception):
    """The producer has closed the slot, and what it held was taken."""


class Newest(Generic[T]):
    """Hands items from one thread to another; one that was not taken before the next came is dropped, and counted.

    Ownership: an item belongs to the producer until `put` returns, then to the slot, then to the consumer.
    Back-pressure: none, `put` never waits. Memory: one item.
    End: the producer calls `close`; the consumer still gets what waits. `stop`, from any thread, drops it and makes
    both sides raise Stopped. Both may be called more than once.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._items: list[T] = []  # none or one
        self._closed = False
        self._stopped = False
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Replace what waits; raises Stopped."""
        with self._changed:
            if self._stopped:
                raise Stopped
            assert not self._closed, "put after close"
            self.dropped += len(self._items)
            self._items = [item]
            self._changed.notify_all()

    def take(self, timeout: float) -> T | None:
        """The newest item; None where none came within `timeout` seconds. Raises Closed after the last, and Stopped."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (self._stopped or self._items or self._closed):
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
            if self._stopped:
                raise Stopped
            if not self._items:
                raise Closed
            return self._items.pop()

    def close(self) -> None:
        """No more items will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Drop what waits and end both sides."""
        with self._changed:
            self._stopped = True
            self._items = []
            self._changed.notify_all()

    @property
    def over(self) -> bool:
        """Whether the next `take` would raise."""
        with self._changed:
            return self._stopped or (self._closed and not self._items)
