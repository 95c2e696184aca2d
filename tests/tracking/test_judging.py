from __future__ import annotations

import numpy as np

from realtime.tracking.judging import near


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
