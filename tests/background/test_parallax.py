from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime import ops
from realtime.background.parallax import over
from realtime.background.plate import GUESSED, SEEN, UNSEEN
from realtime.eraser import Eraser
from realtime.finding import Finding
from realtime.rehearsal import Rehearsal
from realtime.selection import Selection
from realtime.settings import Settings
from tests.realtime.fakes import PaintingFiller
from tests.realtime.pictures import disc, frame, look, psnr, put, texture

HEIGHT, WIDTH, FRAMES = 180, 320, 36
FAR = (texture(HEIGHT + 40, 4 * WIDTH, 1) * 0.6 + 60).astype(np.uint8)
NEAR = (texture(HEIGHT + 40, 4 * WIDTH, 2) * 0.6).astype(np.uint8)
SHAPE: np.ndarray = np.zeros(NEAR.shape[:2], np.uint8)
SHAPE[130:] = 255
SHAPE[60:, 100::200] = SHAPE[60:, 110::200] = 255
SHAPE = cv2.dilate(SHAPE, np.ones((1, 25), np.uint8))


def background(index, speed):
    """The camera passes by: what is near moves twice as fast as what is far."""
    far = look(FAR, ops.translation(-speed * index - 20, -10), HEIGHT, WIDTH)
    near, shape = (
        cv2.warpPerspective(layer, ops.translation(-2 * speed * index - 20, -10), (WIDTH, HEIGHT))
        for layer in (NEAR, SHAPE)
    )
    return np.where(shape[..., None] > 127, near, far)


@pytest.fixture(scope="module")
def clip():
    """Pictures with something that crosses before both layers, the truth behind it, its masks."""
    truths = [background(index, 2.0) for index in range(FRAMES)]
    masks = [disc(HEIGHT, WIDTH, 30 + 5 * index, 100, 28) for index in range(FRAMES)]
    return [put(truth, mask) for truth, mask in zip(truths, masks, strict=True)], truths, masks


def eraser():
    return Eraser(None, PaintingFiller(), Selection(classes=()), Settings(dilate=2))


def erased(clip):
    pictures, _, masks = clip
    core = eraser()
    return core, [
        core.step(frame(picture, i), mask) for i, (picture, mask) in enumerate(zip(pictures, masks, strict=True))
    ]


def in_two_passes(clip, folder):
    pictures, _, masks = clip
    rehearsal, first, core = Rehearsal(folder), eraser(), eraser()
    for index, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        rehearsal.watch(first, frame(picture, index), mask)
    rehearsal.end()
    return core, [core.render(rehearsal.replay(core, frame(picture, i))) for i, picture in enumerate(pictures)]


@pytest.fixture(scope="module")
def once(clip):
    return erased(clip)


def mean_psnr(results, clip, since):
    _, truths, masks = clip
    return np.mean([psnr(results[i].image, truths[i], masks[i]) for i in range(since, FRAMES)])


def test_near_and_far_each_move_as_they_should_behind_what_is_erased(clip, once, monkeypatch):
    core, results = once
    monkeypatch.setattr("realtime.background.parallax.DISAGREES", 0.0)
    single, plain = erased(clip)
    assert (core.stats.parallax > FRAMES // 2, single.stats.parallax) == (True, 0)
    assert mean_psnr(results, clip, 16) > mean_psnr(plain, clip, 16) + 3


def test_the_second_pass_uses_both_layers_and_shows_more(clip, once, tmp_path):
    core, results = in_two_passes(clip, tmp_path)
    assert core.stats.parallax == once[0].stats.parallax
    assert mean_psnr(results, clip, 0) > mean_psnr(once[1], clip, 0) + 1


def test_two_runs_give_the_same(clip, once):
    for one, other in zip(erased(clip)[1], once[1], strict=True):
        assert np.array_equal(one.image, other.image)


def test_what_a_frame_shows_of_the_second_layer_can_be_stored(clip):
    pictures, _, masks = clip
    core = eraser()
    for index in range(30):
        finding = core.find(frame(pictures[index], index), masks[index])
        core.learn(frame(pictures[index], index), finding)
    restored = Finding.restored(finding.arrays()).second
    assert finding.second is not None
    assert restored is not None
    assert np.array_equal(restored.mask, finding.second.mask)
    assert np.array_equal(restored.motion, finding.second.motion)
    assert restored.front == finding.second.front


@pytest.mark.parametrize("speed", [0.0, 3.0])
def test_one_layer_stays_one_layer(speed):
    core = eraser()
    for index in range(20):
        picture = look(FAR, ops.translation(-speed * index - 20, -10), HEIGHT, WIDTH)
        mask = disc(HEIGHT, WIDTH, 250 - 6 * index, 100, 28)
        core.step(frame(put(picture, mask), index), mask)
    assert core.stats.parallax == 0


def test_the_nearer_layer_hides_the_further_one_where_it_was_seen():
    back = np.full((1, 4, 3), 10, np.uint8), np.array([[SEEN, SEEN, UNSEEN, UNSEEN]], np.uint8)
    front = np.full((1, 4, 3), 20, np.uint8), np.array([[SEEN, GUESSED, GUESSED, UNSEEN]], np.uint8)
    color, trust = over(back, front)
    assert color[0, :3, 0].tolist() == [20, 10, 20]
    assert trust.tolist() == [[SEEN, SEEN, GUESSED, UNSEEN]]
