from __future__ import annotations

import numpy as np
import pytest

from realtime import ops
from realtime.background.bystanders import BEFORE, Bystanders
from realtime.edits import Erase
from realtime.eraser import Eraser
from realtime.motion.glance import View
from realtime.selection import Selection
from tests.realtime.fakes import PaintingFiller, colour_segmenter
from tests.realtime.pictures import disc, frame, look, put, texture

HEIGHT, WIDTH = 180, 320
WORLD = (texture(HEIGHT, 2 * WIDTH) * 0.35 + 100).astype(np.uint8)
ROOM = WORLD[:, :WIDTH]
BLUE, RED = (230, 30, 20), (20, 20, 230)
STILL, NOBODY = np.eye(3), np.zeros((HEIGHT, WIDTH), np.float32)


def at(x, radius=22, y=90):
    return disc(HEIGHT, WIDTH, x, y, radius)


def told(pictures, people, steps=None, matte=NOBODY):
    """Who stands still in the last of some pictures, at the picture's size."""
    bystanders = Bystanders()
    for index, (picture, foreign) in enumerate(zip(pictures, people, strict=True)):
        step = STILL if steps is None else steps[index]
        found = bystanders.step(View.of(picture), step, matte, foreign)
    return ops.at_least(ops.resize(found, (HEIGHT, WIDTH)), 128)


def share(found, where):
    return (found[where > 0] > 0).mean()


def test_who_stands_still_is_told_after_some_frames():
    for frames, expected in ((BEFORE, 0), (BEFORE + 1, 1)):
        assert share(told([put(ROOM, at(160), RED)] * frames, [at(160)] * frames), at(160)) == expected


def test_nothing_is_told_of_where_nobody_is():
    found = told([put(ROOM, at(160), RED)] * 8, [at(160)] * 8)
    assert share(found, ~at(160, radius=40)) == 0


@pytest.mark.parametrize("pace", [1, 3])
def test_who_moves_is_not_told_though_their_clothes_are_plain(pace):
    people = [at(160 + pace * index) for index in range(8)]
    assert share(told([put(ROOM, one, RED) for one in people], people), people[-1]) == 0


def test_who_stands_still_is_told_though_the_camera_moves_but_not_where_it_has_only_just_shown_them():
    stands = np.zeros((HEIGHT, 2 * WIDTH), np.uint8)
    stands[68:113, 290:430] = 255
    world = put(WORLD, stands, RED)
    views = [look(world, ops.translation(-10.0 * index, 0), HEIGHT, WIDTH) for index in range(8)]
    people = [look(stands, ops.translation(-10.0 * index, 0), HEIGHT, WIDTH) for index in range(8)]
    found = told(views, people, [ops.translation(-10, 0)] * 8)
    columns = np.indices((HEIGHT, WIDTH))[1]
    assert share(found, people[-1] * (columns < WIDTH - 10 * BEFORE - 20)) == 1
    assert share(found, people[-1] * (columns > WIDTH - 50)) == 0


def test_nothing_is_told_close_to_what_is_erased():
    matte = at(130).astype(np.float32) / 255
    found = told([put(ROOM, at(175) | at(130), RED)] * 8, [at(175)] * 8, matte=matte)
    assert share(found, at(130, radius=33)) == 0
    assert share(found, at(175) & ~at(130, radius=45)) == 1


def erased(pictures, clicks):
    """The results of erasing what is clicked on; clicks: (index, x, y)."""
    core, results = Eraser(colour_segmenter(), PaintingFiller(), Selection(classes=())), []
    for index, picture in enumerate(pictures):
        for _, x, y in (click for click in clicks if click[0] == index):
            core.edit(Erase(x, y))
        results.append(core.step(frame(picture, index)))
    return results


def reddish(image):
    return ((image[..., 2] > 180) & (image[..., 1] < 90)).astype(np.uint8) * 255


def test_an_object_that_passes_somebody_uncovers_them():
    walkers = [at(40 + 6 * index) for index in range(36)]
    scene = put(ROOM, at(190, y=100), RED)
    results = erased([put(scene, walker, BLUE) for walker in walkers], [(0, 40, 90)])
    passing = [(result, walker & at(190, 20, y=100)) for result, walker in zip(results, walkers, strict=True)]
    passing = [(result, hidden) for result, hidden in passing if ops.count(hidden) > 200]
    assert len(passing) > 8
    assert all(share(reddish(result.image), hidden) > 0.95 for result, hidden in passing)


def test_somebody_who_walks_is_not_left_behind_in_an_object_that_passes():
    walkers, people = [at(300 - 6 * index) for index in range(40)], [at(60 + 4 * index) for index in range(40)]
    pictures = [put(put(ROOM, one, RED), other, BLUE) for one, other in zip(people, walkers, strict=True)]
    for result, one, other in zip(erased(pictures, [(0, 300, 90)]), people, walkers, strict=True):
        assert ops.count(reddish(result.image) & other & ~ops.grow(one, 6)) < 0.02 * ops.count(at(160))


def test_a_bystander_who_is_chosen_after_all_is_not_taken_for_what_stands_behind():
    results = erased([put(ROOM, at(190), RED)] * 20, [(0, 40, 20), (12, 190, 90)])
    assert share(reddish(results[11].image), at(190)) > 0.95
    assert all(share(reddish(result.image), at(190)) == 0 for result in results[12:])
