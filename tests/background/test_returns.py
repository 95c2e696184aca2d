from __future__ import annotations

import numpy as np
import pytest

from realtime import ops
from realtime.background.plate import Plate
from realtime.eraser import Eraser
from realtime.rehearsal import Rehearsal
from realtime.selection import Selection
from realtime.settings import Settings
from tests.realtime.fakes import PaintingFiller
from tests.realtime.pictures import disc, frame, look, psnr, put, texture

HEIGHT, WIDTH = 120, 200
ROOM = (texture(HEIGHT, WIDTH) * 0.5 + 60).astype(np.uint8)
WATER = texture(HEIGHT, WIDTH + 40, seed=3)
SCREEN = np.zeros((HEIGHT, WIDTH), np.uint8)
SCREEN[30:90, 50:150] = 255
STANDING = disc(HEIGHT, WIDTH, 100, 60, 12)
NOBODY = STANDING * 0


def noisy(pictures, seed=0):
    rng = np.random.default_rng(seed)
    return [np.clip(each + rng.normal(0, 1.5, each.shape), 0, 255).astype(np.uint8) for each in pictures]


def core():
    return Eraser(None, PaintingFiller(), Selection(classes=()), Settings(dilate=2))


def in_two_passes(folder, pictures, masks):
    rehearsal, first, second = Rehearsal(folder), core(), core()
    for index, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        rehearsal.watch(first, frame(picture, index), mask)
    rehearsal.end()
    results = [second.render(rehearsal.replay(second, frame(each, index))).image for index, each in enumerate(pictures)]
    rehearsal.close()
    return results


def with_water(index):
    """The room with a pond that sways by some pixels."""
    water = look(WATER, ops.translation(-20 + 5 * np.sin(index / 5), 0), HEIGHT, WIDTH)
    return np.where(SCREEN[..., None] > 0, water, ROOM)


def test_water_behind_somebody_is_shown_as_it_was_nearest_in_time(tmp_path):
    masks = [NOBODY] * 40 + [STANDING] * 16 + [NOBODY] * 10
    truths = [with_water(index) for index in range(len(masks))]
    pictures = noisy(put(truth, mask) for truth, mask in zip(truths, masks, strict=True))
    one_pass, both = core(), in_two_passes(tmp_path, pictures, masks)
    past = [one_pass.step(frame(each, index), masks[index]).image for index, each in enumerate(pictures)]
    assert psnr(both[41], truths[40], STANDING) > psnr(both[41], truths[56], STANDING)
    assert psnr(both[54], truths[56], STANDING) > psnr(both[54], truths[40], STANDING)
    hidden = range(40, 56)
    gains = [psnr(both[i], truths[i], STANDING) - psnr(past[i], truths[i], STANDING) for i in hidden]
    assert np.mean(gains) > 1.5


@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_a_screen_switches_behind_somebody_when_the_rest_of_it_does(tmp_path, speed):
    switch, count = 26, 50
    world = np.pad(ROOM, ((0, 0), (0, 80), (0, 0)), mode="reflect")
    where = np.pad(SCREEN, ((0, 0), (0, 80)))
    shown = [put(world, where, color) for color in ((200, 60, 60), (60, 200, 60))]
    cameras = [ops.translation(-speed * index, 0) for index in range(count)]
    truths = [look(shown[index >= switch], camera, HEIGHT, WIDTH) for index, camera in enumerate(cameras)]
    walks = [disc(HEIGHT, WIDTH, 20 + 3 * index, 60, 12) for index in range(count)]
    results = in_two_passes(tmp_path, noisy(put(*each) for each in zip(truths, walks, strict=True)), walks)
    assert min(psnr(results[i], truths[i], walks[i]) for i in range(switch - 2, switch)) > 25
    assert min(psnr(results[i], truths[i], walks[i]) for i in range(switch, switch + 4)) > 25


def test_what_hides_while_the_plate_moves_its_anchor_is_foretold_in_its_place(tmp_path, monkeypatch):
    hides, switch = 22, 27
    monkeypatch.setattr(Plate, "needs_anchor", lambda plate, motion: motion[0, 2] < 0.5 - hides)
    world = np.pad(ROOM, ((0, 0), (0, 80), (0, 0)), mode="reflect")
    where, standing = (np.pad(mask, ((0, 0), (0, 80))) for mask in (SCREEN, STANDING))
    shown = [put(world, where, color) for color in ((200, 60, 60), (60, 200, 60))]
    cameras = [ops.translation(-index, 0) for index in range(50)]
    truths = [look(shown[index >= switch], camera, HEIGHT, WIDTH) for index, camera in enumerate(cameras)]
    masks = [look(standing, camera, HEIGHT, WIDTH) * (hides <= index < 34) for index, camera in enumerate(cameras)]
    results = in_two_passes(tmp_path, noisy(put(*each) for each in zip(truths, masks, strict=True)), masks)
    assert min(psnr(results[index], truths[index], masks[index]) for index in range(switch, 34)) > 25


def with_screen(index):
    """The room with a screen that switches late."""
    return put(ROOM, SCREEN, ((200, 60, 60), (60, 200, 60))[index >= 40])


def test_what_came_back_before_a_screen_switched_is_shown_as_it_was_then(tmp_path):
    masks = [NOBODY] * 20 + [STANDING] * 14 + [NOBODY] * 26
    truths = [with_screen(index) for index in range(len(masks))]
    pictures = noisy(put(truth, mask) for truth, mask in zip(truths, masks, strict=True))
    results = in_two_passes(tmp_path, pictures, masks)
    assert min(psnr(results[index], truths[index], STANDING) for index in range(20, 34)) > 40


@pytest.mark.parametrize(
    ("scenery", "color", "seed"),
    [
        (lambda index: ROOM, (250, 250, 250), 0),
        (with_water, (250, 250, 250), 5),
        (with_water, (250, 250, 250), 7),
        (with_water, (40, 40, 200), 1),
        (with_water, (120, 150, 200), 2),
    ],
)
def test_who_passes_where_it_shows_again_is_not_shown(tmp_path, scenery, color, seed):
    masks = [NOBODY] * 40 + [STANDING] * 10 + [NOBODY] * 30
    others = [disc(HEIGHT, WIDTH, 4 * index - 95, 60, 14) for index in range(80)]
    truths = [scenery(index) for index in range(len(masks))]
    pictures = noisy(
        (put(put(truth, other, color), mask) for truth, other, mask in zip(truths, others, masks, strict=True)), seed
    )
    results = in_two_passes(tmp_path, pictures, masks)
    assert max(alike(results[i], color)[STANDING > 0].mean() for i in range(40, 50)) < 0.08


def alike(picture, color):
    """Where a picture shows a color: (H, W) bool."""
    return (np.abs(picture.astype(int) - color) < 16).all(axis=2)
