"""The governor, on simulated timings."""

from __future__ import annotations

from itertools import pairwise

import pytest

from realtime.live.governor import FULL, Governor, Level, ladder

FPS = 30.0
INTERVAL = 0.05
SIDE = 1280


class Machine:
    """Works on frames at up to `FPS`; a frame takes `seconds` at the best level, less at lower ones."""

    def __init__(self, governor: Governor, seconds: float) -> None:
        self.governor, self.seconds, self.now = governor, seconds, 100.0
        self.levels: list[Level] = []

    def cost(self, level: Level) -> float:
        segmentation = 0.3 * min(1.0, INTERVAL / level.interval) * level.network_scale**2
        return self.seconds * (segmentation + 0.7 * level.plate_scale**2)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            spent = self.cost(self.governor.level)
            self.now += max(spent, 1 / FPS)
            self.governor.spent(spent, self.now)
            self.levels.append(self.governor.level)

    @property
    def load(self) -> float:
        return self.cost(self.governor.level) * FPS


def machine(share: float) -> Machine:
    """A machine that needs `share` of a frame's time at the best level."""
    return Machine(Governor(FPS, INTERVAL, SIDE), share / FPS)


def changes(levels: list[Level]) -> int:
    return sum(before != after for before, after in pairwise(levels))


def test_a_fast_machine_is_left_alone():
    fast = machine(0.6)
    fast.run(60)
    assert set(fast.levels) == {Level(INTERVAL)}


def test_closer_looks_go_first_then_the_segmentation_rate_the_network_and_the_plate():
    levels = ladder(INTERVAL, FPS, SIDE)
    assert [len(level.lowered) for level in levels] == sorted(len(level.lowered) for level in levels)
    assert levels[-1].lowered == ("closer looks", "segmentation rate", "network resolution", "plate resolution")
    assert [level.closer for level in levels] == [True] + [False] * (len(levels) - 1)
    for before, after in pairwise(levels):
        assert after.interval >= before.interval
        assert after.network_scale <= before.network_scale
        assert after.plate_scale <= before.plate_scale
        assert after != before


@pytest.mark.parametrize("share", [0.95, 1.1, 1.5, 3.0])
def test_a_slow_machine_holds_the_rate_within_seconds(share):
    slow = machine(share)
    slow.run(8)
    assert slow.load <= FULL
    assert slow.governor.level.lowered


def test_a_machine_far_too_slow_ends_at_the_lowest_level_and_stays():
    hopeless = machine(50)
    hopeless.run(60)
    assert hopeless.governor.level == ladder(INTERVAL, FPS, SIDE)[-1]
    assert changes(hopeless.levels[-100:]) == 0


def test_a_load_that_stays_is_not_answered_by_going_up_and_down():
    slow = machine(1.3)
    slow.run(10)
    before = len(slow.levels)
    slow.run(300)
    assert changes(slow.levels[before:]) <= 12  # a try now and then, and back
    assert sum(slow.cost(level) * FPS > 1 for level in slow.levels[before:]) < 0.03 * len(slow.levels[before:])


def test_it_goes_back_up_when_there_is_room_again():
    busy = machine(2.0)
    busy.run(10)
    assert "plate resolution" in busy.governor.level.lowered
    busy.seconds = 0.5 / FPS
    busy.run(60)
    assert busy.governor.level == Level(INTERVAL)


def test_a_step_up_that_proves_wrong_makes_the_next_one_wait_longer():
    waiting = machine(1.1)
    waiting.run(5)
    waits = []
    for _ in range(8):  # a load that comes back each time something was raised
        waiting.seconds = 0.3 / FPS
        level, begin = waiting.governor.level, waiting.now
        while waiting.governor.level == level:
            waiting.run(0.1)
        waits.append(waiting.now - begin)
        waiting.seconds = 1.6 / FPS
        waiting.run(3)
    assert waits[0] < 10
    assert waits[0] < waits[1] < waits[2]
    assert 50 < waits[-1] < 70


def test_it_goes_back_up_after_a_load_that_made_each_step_down_look_worth_much():
    starting = machine(0.6)
    full, starting.seconds = starting.seconds, 3.0 / FPS  # as while a fill is made, and everything is new
    starting.run(2)
    assert starting.governor.level.lowered
    starting.seconds = full
    starting.run(120)
    assert starting.governor.level == Level(INTERVAL)


def test_one_slow_frame_changes_nothing():
    steady = machine(0.5)
    steady.run(5)
    steady.governor.spent(8 / FPS, steady.now + 8 / FPS)
    steady.now += 8 / FPS
    steady.run(3)
    assert set(steady.levels) == {Level(INTERVAL)}


@pytest.mark.parametrize(("side", "scales"), [(320, [1]), (640, [1, 0.75, 0.5]), (1280, [1, 0.75, 0.375, 0.25])])
def test_the_plate_is_lowered_only_to_sizes_that_cost_less_and_still_show_something(side, scales):
    assert list(dict.fromkeys(level.plate_scale for level in ladder(INTERVAL, FPS, side))) == scales


def test_a_gpu_that_segments_each_frame_has_rates_to_lower_too():
    levels = ladder(0.0, FPS, SIDE)
    assert levels[1].interval == 0.0
    assert levels[2].interval > 1 / FPS


def test_a_forecast_makes_it_begin_on_the_best_level_that_will_do():
    levels = ladder(INTERVAL, FPS, SIDE)
    costs = dict(zip(levels, (2.0, 1.5, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2), strict=False))
    governor = Governor(FPS, INTERVAL, SIDE, lambda level: costs[level] / FPS)
    assert governor.level == levels[2]


def test_where_nothing_will_do_it_begins_at_the_lowest_level_and_without_a_forecast_at_the_best():
    levels = ladder(INTERVAL, FPS, SIDE)
    assert Governor(FPS, INTERVAL, SIDE, lambda level: 1.0).level == levels[-1]
    assert Governor(FPS, INTERVAL, SIDE).level == levels[0]


def test_a_forecast_that_was_too_dark_is_put_right():
    slow = Machine(Governor(FPS, INTERVAL, SIDE, lambda level: 1.0), 0.3 / FPS)
    slow.run(120)
    assert slow.levels[-1] == Level(INTERVAL)
