"""The status line: every message can be read."""

from __future__ import annotations

from realtime.live.messages import STANDS, STAYS, Messages


def test_a_message_stays_a_while_and_goes():
    messages = Messages()
    assert messages.at(0) is None
    messages.say("saved", 1)
    assert messages.due(1)
    assert messages.at(1) == messages.at(1 + STAYS - 0.01) == "saved"
    assert messages.due(1 + STAYS)
    assert messages.at(1 + STAYS) is None


def test_one_after_the_other_stands_long_enough_to_be_read():
    messages = Messages()
    for each in ("the disk is full", "saved", "written"):
        messages.say(each, 0)
    assert [messages.at(share * STANDS) for share in (0, 0.99, 1, 1.99, 2)] == [
        "the disk is full", "the disk is full", "saved", "saved", "written"
    ]  # fmt: skip
    assert messages.at(2 * STANDS + STAYS) is None


def test_what_comes_when_nothing_stands_stands_at_once():
    messages = Messages()
    messages.say("saved", 0)
    assert messages.at(0) == "saved"
    assert messages.at(STAYS) is None
    messages.say("saved", STAYS + 0.1)
    assert messages.at(STAYS + 0.1) == "saved"


def test_what_is_said_over_and_over_stays_and_lets_an_answer_be_read():
    messages = Messages()
    seen = []
    for tick in range(100):
        now = 0.1 * tick
        messages.say("lost", now)
        if tick == 50:
            messages.say("saved", now)
        seen.append(messages.at(now))
    assert 0.1 * seen.count("saved") >= STANDS - 0.1
    assert seen.count(None) == 0
    assert seen[0] == seen[-1] == "lost"


def test_what_nobody_could_read_is_known():
    messages = Messages()
    messages.say("saved", 0)
    messages.say("written", 0)
    messages.at(0)
    assert messages.unread(0.1) == ["saved", "written"]
    assert messages.unread(STANDS) == ["written"]
    messages.at(STANDS)
    assert messages.unread(2 * STANDS) == []
