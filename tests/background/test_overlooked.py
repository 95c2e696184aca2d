from __future__ import annotations

import numpy as np
import pytest

from realtime import ops
from realtime.background.overlooked import Overlooked
from realtime.edits import Erase
from realtime.eraser import Eraser
from realtime.motion.glance import View
from realtime.selection import Selection
from realtime.settings import Settings
from tests.realtime.fakes import PaintingFiller, colour_segmenter, late_segmenter
from tests.realtime.pictures import disc, frame, look, psnr, put, texture

HEIGHT, WIDTH = 180, 320
WORLD = (texture(HEIGHT, 2 * WIDTH) * 0.35 + 100).astype(np.uint8)
ROOM = WORLD[:, :WIDTH]
STILL = np.eye(3)
SOMEBODY = disc(HEIGHT, WIDTH, 160, 90, 45)
EVERYWHERE, NOBODY = np.full((HEIGHT, WIDTH), 255, np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
GREEN = (0, 200, 0)


def clothes(seed=1):
    """Very red, with folds."""
    folds = texture(HEIGHT, WIDTH, seed)
    return np.dstack([folds[..., 0], folds[..., 1] // 16, 225 + folds[..., 2] // 10]).astype(np.uint8)


def with_somebody(mask, room=ROOM, seed=1):
    return np.where(mask[..., None] > 0, clothes(seed), room)


def told(pictures, mattes, plate, steps=None):
    """In which frames somebody is told to be in the plate, and where in the last of them, at the picture's size."""
    overlooked, when, where = Overlooked(), [], None
    for index, (picture, matte) in enumerate(zip(pictures, mattes, strict=True)):
        step = STILL if steps is None else steps[index]
        expected = plate[index] if isinstance(plate, list) else plate
        found = overlooked.step(View.of(picture), step, matte.astype(np.float32) / 255, expected, EVERYWHERE)
        if found is not None:
            when.append(index)
            where = ops.at_least(ops.resize(found, (HEIGHT, WIDTH)), 128)
    return when, where


def share(found, where):
    return (found[where > 0] > 0).mean()


def test_who_was_overlooked_at_first_is_told_once_as_many_frames_speak_for_them():
    picture = with_somebody(SOMEBODY)
    when, where = told([picture] * 40, [NOBODY] * 12 + [SOMEBODY] * 28, picture)
    assert 12 + 12 / 2 < when[0] < 30
    assert share(where, disc(HEIGHT, WIDTH, 160, 90, 38)) == 1
    assert share(where, ~ops.grow(SOMEBODY, 8)) == 0


def test_who_sways_meanwhile_is_told_too():
    swaying = [disc(HEIGHT, WIDTH, 160 + round(2 * np.sin(index)), 90, 45) for index in range(40)]
    pictures = [np.roll(with_somebody(SOMEBODY), round(2 * np.sin(index)), axis=1) for index in range(40)]
    when, _ = told(pictures, [NOBODY] * 5 + swaying[5:], with_somebody(SOMEBODY))
    assert when


def test_what_was_background_for_long_is_none_the_less_because_a_network_takes_it_for_somebody_for_a_while():
    picture = with_somebody(SOMEBODY)
    when, _ = told([picture] * 250, [NOBODY] * 200 + [SOMEBODY] * 50, picture)
    assert not when


def test_an_unsure_network_does_not_speak_for_anybody():
    picture = with_somebody(SOMEBODY)
    when, _ = told([picture] * 60, [(SOMEBODY * 0.7).astype(np.uint8)] * 60, picture)
    assert not when


@pytest.mark.parametrize("plate", [ROOM, with_somebody(SOMEBODY, seed=2)], ids=["room", "somebody else"])
def test_who_stands_before_something_else_was_not_overlooked(plate):
    when, _ = told([with_somebody(SOMEBODY)] * 60, [SOMEBODY] * 60, plate)
    assert not when


def test_what_is_plain_proves_nothing():
    picture = put(ROOM, SOMEBODY, (60, 40, 40))
    when, _ = told([picture] * 60, [ops.shrink(SOMEBODY, 6)] * 60, picture)
    assert not when


def test_votes_go_with_the_camera():
    somebody = np.zeros((HEIGHT, 2 * WIDTH), np.uint8)
    somebody[45:135, 220:310] = 255
    folds = np.hstack([clothes(), clothes(2)])
    world = np.where(somebody[..., None] > 0, folds, WORLD)
    moves = [ops.translation(-4.0 * index, 0) for index in range(30)]
    views = [look(world, move, HEIGHT, WIDTH) for move in moves]
    people = [look(somebody, move, HEIGHT, WIDTH) for move in moves]
    steps = [STILL] + [ops.translation(-4, 0)] * 29
    when, where = told(views, [NOBODY] * 6 + people[6:], views, steps)
    assert when
    assert share(where, ops.shrink(people[when[-1]], 8)) == 1


def erased(pictures, late, lookahead=0):
    """The results of erasing people whom the network doesn't find in its first runs; lookahead: in frames."""
    settings = Settings(segment_interval=0)
    core = Eraser(late_segmenter(late), PaintingFiller(GREEN), settings=settings)
    waiting, results = [], []
    for index, picture in enumerate(pictures):
        waiting.append(core.observe(frame(picture, index)))
        if len(waiting) > lookahead:
            results.append(core.render(waiting.pop(0)))
    return [*results, *(core.render(each) for each in waiting)]


def greenish(result):
    return ((result.image[..., 1] > 150) & (result.image[..., 2] < 90)).astype(np.uint8) * 255


def test_somebody_who_is_found_late_is_not_erased_to_themselves():
    within = disc(HEIGHT, WIDTH, 160, 90, 36)
    results = erased([with_somebody(SOMEBODY)] * 60, late=10)
    assert share(greenish(results[14]), within) == 0  # for now
    assert all(share(greenish(result), within) > 0.95 for result in results[40:])


def test_frames_that_wait_do_not_show_the_mistake_either():
    within = disc(HEIGHT, WIDTH, 160, 90, 36)
    results = erased([with_somebody(SOMEBODY)] * 60, late=10, lookahead=30)
    assert all(share(greenish(result), within) > 0.95 for result in results[14:])


def test_frames_that_wait_go_on_showing_what_is_chosen_only_after_them():
    thing, walkers = disc(HEIGHT, WIDTH, 160, 90, 20), [disc(HEIGHT, WIDTH, 40 + 6 * i, 90, 24) for i in range(36)]
    scene = put(ROOM, thing, (40, 200, 200))
    core, waiting, results = Eraser(colour_segmenter(), PaintingFiller(GREEN), Selection(classes=())), [], []
    core.edit(Erase(40, 90))
    for index, walker in enumerate(walkers):
        if index == 32:
            core.edit(Erase(160, 90))
        waiting.append(core.observe(frame(put(scene, walker, (230, 30, 20)), index)))
        if len(waiting) > 20:
            results.append(core.render(waiting.pop(0)))
    results += [core.render(each) for each in waiting]
    assert all(psnr(result.image, scene, thing) > 35 for result in results[14:32])
    assert share(greenish(results[35]), ops.shrink(thing, 4)) == 1


def test_what_stood_in_the_open_for_long_comes_back_when_it_is_masked_by_mistake():
    results = erased([with_somebody(SOMEBODY)] * 190, late=160)
    assert psnr(results[-1].image, with_somebody(SOMEBODY), SOMEBODY) > 40
