from __future__ import annotations

import numpy as np
import pytest

from realtime.errors import UsageError
from realtime.segment import network_size, told_apart
from tests.realtime.fakes import guided_segmenter, red_segmenter
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


def test_a_guided_network_gives_people_and_every_guided_object_at_once():
    segmenter = guided_segmenter()
    picture = put(texture(180, 320).clip(60), disc(180, 320, 200, 90, 30))
    height, width = segmenter.size(picture)
    guidance = np.zeros((2, 3, height, width), np.float32)
    guidance[0, 0, :20], guidance[1, 1, 40:] = 1, 1
    matte, objects = segmenter.look(picture, ["person"], guidance)
    assert np.array_equal(matte, segmenter.matte(picture, ["person"]))
    assert objects.shape == (2, height // 2, width // 2)
    assert objects[0, :10].all()
    assert not objects[0, 10:].any()
    assert objects[1, 20:][matte[20:] == 0].all()  # who stands there is not what was clicked on
    assert segmenter.look(picture, [], guidance)[0] is None


def test_a_network_without_guidance_says_so():
    segmenter = red_segmenter()
    assert not segmenter.guided
    with pytest.raises(UsageError, match="can't be guided"):
        segmenter.look(texture(180, 320), ["person"], np.zeros((1, 3, 96, 160), np.float32))


def test_a_thing_that_is_clicked_on_does_not_take_along_who_is_behind_it():
    people = np.zeros((90, 160), np.float32)
    people[:, 80:] = 1  # somebody behind the right half of a thing
    mattes = np.zeros((4, 90, 160), np.float32)
    mattes[:, 20:60, 60:140] = 1
    guidance = np.zeros((4, 3, 180, 320), np.float32)
    guidance[0, 1, 60:70, 130:140] = 1  # a click on the thing
    guidance[1, 1, 60:70, 200:210] = 1  # a click on the person
    guidance[2, 0, 40:120, 120:160] = 1  # the thing was there a frame before, and a click adds the person to it
    guidance[2, 1, 60:70, 200:210] = 1
    guidance[3, 0, 40:120, 120:200] = 1  # half of what was meant is a person: somebody on a bicycle
    told = told_apart(mattes, people, guidance)
    for number, without in enumerate((True, False, True, False)):
        assert told[number, :, 80:].any() != without
        assert np.array_equal(told[number, :, :80], mattes[number, :, :80])
    assert not told_apart(mattes[:1], people, np.zeros((1, 3, 180, 320), np.float32))[0, :, :20].any()
