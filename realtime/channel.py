"""A bounded queue between two threads that can be stopped from anywhere."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_WAKE_S = 0.2  # how long a wait may block: on Windows a lock that waits forever can't be interrupted by Ctrl-C


class Stopped(Exception):
    """The channel was stopped: another stage has failed or the user has interrupted. Leave quietly."""


class Channel(Generic[T]):
    """Hands items from one thread to another, in order.

    Ownership: an item belongs to the producer until `put` returns, then to the channel, then to the consumer.
    Back-pressure: `put` waits while the channel holds `max_items`, or `max_bytes` and at least one item; so a single
    item larger than the bound still passes. Memory: `max_bytes` plus one item, as far as `nbytes` is told right.
    End: the producer calls `close`; the consumer's iteration ends after what is left. `stop`, from any thread, drops
    what is left and makes both sides raise Stopped at once. Both may be called more than once.
    """

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.max_items = max_items
        self.max_bytes = max_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._closed = False
        self._stopped = False
        self._changed = threading.Condition()

    def put(self, item: T, nbytes: int) -> None:
        """Append `item`, which takes `nbytes` of memory; waits while the channel is full, raises Stopped."""
        while not self.offer(item, nbytes):
            with self._changed:
                if self._is_full(nbytes):
                    self._changed.wait(_WAKE_S)

    def offer(self, item: T, nbytes: int) -> bool:
        """As `put`, but where the channel is full it is not appended, at once, and False is returned."""
        with self._changed:
            if self._stopped:
                raise Stopped
            assert not self._closed, "offer after close"
            if self._is_full(nbytes):
                return False
            self._items.append((item, nbytes))
            self._bytes += nbytes
            self._changed.notify_all()
            return True

    def _is_full(self, nbytes: int) -> bool:
        return len(self._items) >= self.max_items or (bool(self._items) and self._bytes + nbytes > self.max_bytes)

    def __iter__(self) -> Iterator[T]:
        """The items in order until the channel is closed and empty; raises Stopped."""
        while True:
            with self._changed:
                while not (self._stopped or self._items or self._closed):
                    self._changed.wait(_WAKE_S)
                if self._stopped:
                    raise Stopped
                if not self._items:
                    return
                item, nbytes = self._items.popleft()
                self._bytes -= nbytes
                self._changed.notify_all()
            yield item
            del item  # or the generator would keep it alive while it waits for the next

    def close(self) -> None:
        """No more items will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Drop everything and end both sides."""
        with self._changed:
            self._stopped = True
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()
