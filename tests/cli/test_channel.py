"""The channel between two threads, and the crew of threads that stop together."""

from __future__ import annotations

import threading
import time

import pytest

from realtime.channel import Channel, Stopped
from realtime.crew import Crew
from realtime.errors import EraserError


def test_items_come_out_in_order_and_end_after_close():
    channel: Channel[int] = Channel(max_items=3, max_bytes=100)

    def produce():
        for number in range(50):
            channel.put(number, nbytes=1)
        channel.close()

    thread = threading.Thread(target=produce)
    thread.start()
    assert list(channel) == list(range(50))
    thread.join()


@pytest.mark.parametrize(("max_items", "max_bytes", "expected"), [(3, 1000, 3), (100, 25, 2), (100, 5, 1)])
def test_put_waits_at_the_bound_of_items_or_bytes_but_always_takes_one(max_items, max_bytes, expected):
    channel: Channel[int] = Channel(max_items, max_bytes)
    taken = []

    def produce():
        try:
            for number in range(10):
                channel.put(number, nbytes=10)
                taken.append(number)
        except Stopped:
            pass

    thread = threading.Thread(target=produce)
    thread.start()
    deadline = time.monotonic() + 60
    while len(taken) < expected and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(taken) == expected
    channel.stop()
    thread.join(60)
    assert not thread.is_alive()


def test_stop_ends_a_consumer_that_waits():
    channel: Channel[int] = Channel(3, 100)
    threading.Timer(0.05, channel.stop).start()
    with pytest.raises(Stopped):
        next(iter(channel))


def test_stop_and_close_may_come_twice():
    channel: Channel[int] = Channel(3, 100)
    channel.close()
    channel.close()
    assert list(channel) == []
    channel.stop()
    channel.stop()


def test_a_failure_in_a_thread_reaches_the_caller_with_its_cause():
    channel: Channel[int] = Channel(3, 100)

    def fail():
        raise ValueError("two\nlines")

    with pytest.raises(EraserError, match="the reader failed: ValueError: two lines") as caught, Crew(channel) as crew:
        crew.start("reader", fail)
        list(channel)
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_eraser_error_in_a_thread_arrives_as_it_is():
    channel: Channel[int] = Channel(3, 100)
    error = EraserError("the disk is full: make room")
    cause = OSError(28, "No space left on device")

    def fail():
        raise error from cause

    with pytest.raises(EraserError) as caught, Crew(channel) as crew:
        crew.start("writer", fail)
        crew.wait()
    assert caught.value is error
    assert caught.value.__cause__ is cause


def test_a_failure_of_the_caller_ends_the_threads():
    channel: Channel[int] = Channel(1, 100)

    def produce():
        while True:
            channel.put(0, 1)

    crew = Crew(channel)
    with pytest.raises(EraserError, match="the eraser failed: KeyError"), crew:
        crew.start("reader", produce)
        raise KeyError("x")
    assert crew.hanging == ()


def test_an_interrupt_passes_through_and_leaves_a_hanging_thread_behind():
    release = threading.Event()
    crew = Crew(grace=0.1)
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt), crew:
        crew.start("reader", lambda: release.wait(100) and None, may_hang=True)
        raise KeyboardInterrupt
    assert time.monotonic() - begin < 60
    assert crew.hanging == ("reader",)
    release.set()


def test_an_offer_to_a_full_channel_is_refused_at_once():
    channel: Channel[int] = Channel(2, 100)
    assert [channel.offer(number, nbytes=1) for number in range(3)] == [True, True, False]
    channel.close()
    assert list(channel) == [0, 1]
    channel.stop()
    with pytest.raises(Stopped):
        channel.offer(3, nbytes=1)


def test_a_crew_can_be_waited_for_only_so_long():
    release = threading.Event()
    with Crew() as crew:
        crew.start("slow", lambda: release.wait(100) and None)
        begin = time.monotonic()
        crew.wait(0.1)
        assert time.monotonic() - begin < 60
        assert crew.hanging == ("slow",)
        release.set()
    assert crew.hanging == ()
