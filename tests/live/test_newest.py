"""The slot that keeps the newest item only."""

from __future__ import annotations

import threading

import pytest

from realtime.channel import Stopped
from realtime.live.newest import Closed, Newest


def test_only_the_newest_waits_and_the_others_are_counted():
    slot: Newest[int] = Newest()
    for number in range(5):
        slot.put(number)
    assert slot.take(0) == 4
    assert slot.take(0) is None
    assert slot.dropped == 4


def test_what_waits_when_it_is_closed_is_still_taken():
    slot: Newest[int] = Newest()
    slot.put(1)
    slot.close()
    assert not slot.over
    assert slot.take(0) == 1
    assert slot.over
    with pytest.raises(Closed):
        slot.take(0)


@pytest.mark.parametrize(("end", "error"), [("close", Closed), ("stop", Stopped)])
def test_a_consumer_that_waits_is_woken_at_the_end(end, error):
    slot: Newest[int] = Newest()
    threading.Timer(0.05, getattr(slot, end)).start()
    with pytest.raises(error):  # else None after the time
        slot.take(60)


def test_a_stopped_slot_drops_what_waits_and_refuses_more():
    slot: Newest[int] = Newest()
    slot.put(1)
    slot.stop()
    assert slot.over
    with pytest.raises(Stopped):
        slot.take(0)
    with pytest.raises(Stopped):
        slot.put(2)
