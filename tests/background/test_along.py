from __future__ import annotations

import numpy as np
import pytest

from realtime import ops
from realtime.background.along import Along
from realtime.eraser import Eraser
from realtime.motion.glance import View
from realtime.selection import Selection
from tests.realtime.fakes import PaintingFiller, red_segmenter
from tests.realtime.pictures import frame, look, put, texture

HEIGHT, WIDTH = 120, 200
WORLD = (texture(HEIGHT, 3 * WIDTH) * 0.5 + 60).astype(np.uint8)
ROOM = WORLD[:, :WIDTH]
CLOTH = texture(HEIGHT, WIDTH, seed=5)
STILL = np.eye(3)


def box(x, y, width, height):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[max(0, y) : y + height, max(0, x) : x + width] = 255
    return mask


def body(x):
    return box(x, 20, 30, 90)


def bag(x):
    return box(x + 30, 60, 12, 14)


def worn(picture, mask, x):
    """Cloth that moves with somebody at `x`."""
    shown = picture.copy()
    ops.copy_where(np.roll(CLOTH, x, 1), mask, shown)
    return shown


def told(pictures, masks, steps=None, others=None):
    """What is said of the last of some pictures."""
    along = Along()
    for index, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        step = STILL if steps is None else steps[index]
        found = along.step(View.of(picture), step, mask.astype(np.float32) / 255, others)
    return found


def share(found, where):
    return (found[where > 0] > 0).mean()


WALK = (60, 62, 64, 66)
TRAIL = 8  # what comes free behind somebody in two frames, and what the masks are smoothed by


def test_what_moves_with_somebody_and_is_not_in_the_mask_is_told():
    pictures = [worn(ROOM, body(x) | bag(x), x) for x in WALK]
    found = told(pictures, [body(x) for x in WALK])
    assert share(found, bag(WALK[-1])) > 0.8
    assert share(found, ~ops.grow_square(body(WALK[-1]) | bag(WALK[-1]), TRAIL)) == 0
    assert share(found, body(WALK[-1])) == 0


def test_a_plain_thing_is_told_by_its_moving_outline():
    def carried(x):
        picture = worn(ROOM, body(x), x)
        picture[bag(x) > 0] = 0
        return picture

    assert share(told([carried(x) for x in WALK], [body(x) for x in WALK]), bag(WALK[-1])) > 0.9


def test_background_is_no_part_two_frames_after_it_has_come_free():
    pictures = [worn(ROOM, body(x), x) for x in WALK]
    assert share(told(pictures, [body(x) for x in WALK]), ~ops.grow_square(body(WALK[-1]), TRAIL)) == 0


def test_background_that_the_camera_moves_past_is_not_taken_for_a_part():
    step = ops.translation(-2, 1)
    cameras = [np.linalg.matrix_power(step, index) @ ops.translation(-40, -2) for index in range(4)]
    pictures = [look(WORLD, camera, HEIGHT - 8, WIDTH) for camera in cameras]
    masks = [body(60)[: HEIGHT - 8]] * 4
    pictures = [worn(np.pad(p, ((0, 8), (0, 0), (0, 0))), body(60), 60)[: HEIGHT - 8] for p in pictures]
    assert share(told(pictures, masks, [step] * 4), ~ops.grow_square(masks[0], TRAIL)) == 0


def test_nothing_is_told_where_the_surroundings_move_by_themselves():
    pictures = [worn(WORLD[:, 3 * x : 3 * x + WIDTH], body(60 + x) | bag(60 + x), x) for x in range(4)]
    assert not told(pictures, [body(60 + x) for x in range(4)]).any()


def test_somebody_else_beside_is_no_part():
    pictures = [worn(ROOM, body(x) | bag(x), x) for x in WALK]
    assert share(told(pictures, [body(x) for x in WALK], others=bag(WALK[-1])), bag(WALK[-1])) == 0


def test_after_a_gap_it_begins_anew():
    along = Along()
    for x in WALK:
        found = along.step(View.of(worn(ROOM, body(x) | bag(x), x)), STILL, body(x).astype(np.float32) / 255)
    assert found.any()
    along.forget()
    found = along.step(View.of(worn(ROOM, body(80) | bag(80), 80)), STILL, body(80).astype(np.float32) / 255)
    assert not found.any()


def test_what_somebody_carries_is_erased_with_them_before_anything_shows_what_is_behind():
    core = Eraser(red_segmenter(), PaintingFiller(), Selection(("person",)))
    for index, x in enumerate(WALK):
        result = core.step(frame(put(worn(ROOM, bag(x), x), body(x)), index))
    assert share(result.hole, body(WALK[-1])) == 1
    assert share(result.hole, bag(WALK[-1])) > 0.9
    assert share(result.hole, ~ops.grow_square(body(WALK[-1]) | bag(WALK[-1]), TRAIL + 4)) == 0


@pytest.mark.parametrize("height", [1, 2, 5, 10])
def test_a_strip_at_the_pictures_edge_does_no_harm(height):
    strips = [box(x, HEIGHT - height, 130, height) for x in (20, 22, 24)]
    told([worn(ROOM, strip, x) for strip, x in zip(strips, (20, 22, 24), strict=True)], strips)
