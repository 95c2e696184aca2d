"""What the pass that erases is told of objects that were traced before."""

from __future__ import annotations

import numpy as np
import pytest

from realtime import ops
from realtime.edits import Paint
from realtime.tracking.bothways import Traced
from realtime.tracking.film import Scraps
from realtime.tracking.finder import Finder
from realtime.tracking.retracer import Retracer
from realtime.tracking.tracing import Trace
from realtime.tracking.track import Track
from tests.realtime.pictures import disc

SIZE = HEIGHT, WIDTH = 90, 160
PICTURE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
NEAR, FAR = disc(HEIGHT, WIDTH, 40, 45, 12), disc(HEIGHT, WIDTH, 120, 45, 12)


def begun(folder, masks, people, *, role="erase", erased=()):
    """What is erased from each frame on, (h, w) uint8, of an object with these masks beside people.

    erased: the frames in which all people are.
    """
    traced = Traced([0.1 * index for index in range(len(masks))], SIZE, Scraps(folder / "scraps"), [])
    for index, (mask, there) in enumerate(zip(masks, people, strict=True)):
        traced.keep_matte(index, there.astype(np.float32) / 255, people=index in erased)
        if mask is not None:
            traced.keep_track(index, Track(1, mask.astype(np.float32) / 255, role, fresh=False), 0)
    retracer = Retracer(Finder(None, (), 0.05, watch=False), Trace(shots=[traced]))
    found = [retracer.look(PICTURE, time).begun for time in traced.times]
    return [np.zeros(SIZE, np.uint8) if each is None else each for each in found]


def test_what_an_object_has_far_from_where_it_was_is_erased_from_then_on(tmp_path):
    first, second = begun(tmp_path, [NEAR, NEAR | FAR], [NEAR, NEAR])
    assert not first.any()
    assert np.array_equal(second, FAR)


@pytest.mark.parametrize("before", [NEAR, None])
def test_people_whom_it_takes_along_are_known_to_be_no_background_unless_it_is_new(tmp_path, before):
    _, found = begun(tmp_path, [before, NEAR | FAR], [NEAR | FAR] * 2)
    assert ops.count(found & FAR) == (ops.count(FAR) if before is None else 0)


def test_who_was_kept_is_erased_from_then_on_with_all_people(tmp_path):
    _, second, third = begun(tmp_path, [NEAR, NEAR, None], [NEAR | FAR] * 3, role="keep", erased=(0, 1, 2))
    assert not second.any()
    assert np.array_equal(third, NEAR)


def test_all_people_are_erased_from_when_somebody_asks_for_it(tmp_path):
    _, second, third = begun(tmp_path, [NEAR] * 3, [NEAR | FAR] * 3, erased=(1, 2))
    assert np.array_equal(second & FAR, FAR)
    assert not third.any()


def test_a_stroke_counts_in_the_frames_in_which_it_was_traced(tmp_path):
    stroke, never = Paint(((40.0, 45.0),), 8, True), Paint(((90.0, 45.0),), 8, True)
    traced = Traced([0.0, 0.1, 0.2, 0.3], SIZE, Scraps(tmp_path / "scraps"), [(1, stroke), (2, never)])
    for row in traced.rows[:3]:
        row.ways[0] = np.eye(3)
    retracer = Retracer(Finder(None, (), 0.05, watch=False), Trace(shots=[traced]))
    for index, time in enumerate(traced.times):
        retracer.look(PICTURE, time)
        retracer.settle(np.eye(3), SIZE)
        assert (retracer.objects.strokes.mask(SIZE) is not None) == (index < 3), index
