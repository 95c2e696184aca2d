from __future__ import annotations

import numpy as np

from realtime import ops
from realtime.tracking import grabcut
from realtime.tracking.judging import apart, beside, near


def matte(*boxes):
    """(100, 120) float32, 1 in boxes of rows and columns."""
    image = np.zeros((100, 120), np.float32)
    for rows, columns in boxes:
        image[slice(*rows), slice(*columns)] = 1
    return image


PERSON = (20, 80), (40, 60)


def test_a_limb_that_the_network_left_out_is_taken_wherever_it_reaches():
    arm = matte(PERSON, ((30, 36), (60, 90)))
    assert np.array_equal(near(arm, matte(PERSON)), arm)


def test_of_a_crowd_only_what_the_answer_encloses_is_taken():
    answer = matte(PERSON)
    answer[44:48, 48:52] = 0
    crowd = matte(((20, 80), (5, 120)))
    assert np.array_equal(near(crowd, answer), matte(PERSON))


def test_people_around_an_object_are_told_apart_by_clicks_that_lie_on_them_alone():
    own = ops.at_least(matte(PERSON), 0.5)
    crowd = beside(matte(((30, 80), (0, 120))), matte(PERSON))
    points = apart(crowd, own)
    discs = grabcut.discs(own.shape, points, 3)
    assert {x < 40 for x, _ in points} == {True, False}, "on both sides"
    assert not (discs & own).any()
    assert not (discs & ~ops.at_least(crowd, 0.5)).any()
    assert all(15 <= x <= 85 for x, _ in points), "whoever is far away does no harm"


def test_what_is_thinner_than_a_click_is_nobody_to_be_told_apart():
    assert apart(matte(((30, 34), (0, 38))), ops.at_least(matte(PERSON), 0.5)) == []
