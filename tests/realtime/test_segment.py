from __future__ import annotations

import numpy as np
import pytest

from realtime.errors import UsageError
from realtime.segment import network_size
from tests.realtime.fakes import red_segmenter
from tests.realtime.pictures import disc, put, texture


@pytest.mark.parametrize("shape", [(720, 1280), (1280, 720), (480, 640), (100, 2000)])
def test_the_networks_input_keeps_the_pictures_shape_and_the_cards_amount_of_pixels(shape):
    height, width = network_size(*shape, (288, 512), 32)
    assert height % 32 == width % 32 == 0
    assert 0.7 < height * width / (288 * 512) < 1.35
    if min(shape) > 400:
        assert abs(np.log(height / width * shape[1] / shape[0])) < 0.15


def test_small_pictures_are_not_enlarged():
    assert network_size(90, 160, (288, 512), 32) == (96, 160)


def test_the_matte_lies_on_the_object():
    person = disc(180, 320, 200, 90, 30)
    matte = red_segmenter().matte(put(texture(180, 320).clip(60), person), ["person"])
    rows, columns = np.nonzero(matte > 0.5)
    assert abs(columns.mean() * 320 / matte.shape[1] - 200) < 4
    assert abs(rows.mean() * 180 / matte.shape[0] - 90) < 4


def test_several_classes_are_united_and_unknown_ones_refused():
    segmenter = red_segmenter()
    picture = put(texture(180, 320).clip(60), disc(180, 320, 200, 90, 30))
    assert np.array_equal(segmenter.matte(picture, ["person", "dog"]), segmenter.matte(picture, ["person"]))
    with pytest.raises(UsageError, match=r"unknown target 'cat'.*person, dog"):
        segmenter.check(["person", "cat"])
