from __future__ import annotations

import numpy as np
import pytest

from realtime import ops
from realtime.background.exposure import NEUTRAL, Exposure
from realtime.background.restless import Restless
from realtime.eraser import Eraser
from realtime.motion.glance import View
from realtime.selection import Selection
from realtime.settings import Settings
from tests.realtime.fakes import PaintingFiller
from tests.realtime.pictures import disc, frame, look, psnr, put, texture

HEIGHT, WIDTH = 120, 200
STILL = np.eye(3)
OPEN = np.full((HEIGHT, WIDTH), 255, np.uint8)
NOTHING = OPEN * 0
ROOM = (texture(HEIGHT, WIDTH) * 0.5 + 60).astype(np.uint8)
NOISE = np.random.default_rng(0)
SCREEN = NOTHING.copy()
SCREEN[40:90, 60:140] = 255


def noisy(picture):
    return np.clip(picture + NOISE.normal(0, 1.5, picture.shape), 0, 255).astype(np.uint8)


def told(pictures, step=STILL):
    """What is renewed by the last of some pictures, all of which are as the plate says."""
    restless = Restless()
    for picture in pictures:
        renewed = restless.step(View.of(picture), NEUTRAL, OPEN, NOTHING, step)
    return renewed


def share(mask, where=OPEN):
    return (mask[where > 0] > 0).mean()


def test_what_sways_takes_the_newest_sample_and_what_rests_an_average():
    water = [
        look(texture(HEIGHT, WIDTH + 40), ops.translation(-20 + 4 * np.sin(i / 4), 0), HEIGHT, WIDTH) for i in range(60)
    ]
    pictures = [noisy(put(ROOM, SCREEN) * (SCREEN[..., None] == 0) + each * (SCREEN[..., None] > 0)) for each in water]
    renewed = told(pictures)
    inner = ops.shrink(SCREEN, 3)
    assert share(renewed, inner) > 0.7
    assert share(renewed, ~ops.grow_square(SCREEN, 3)) < 0.01


def test_a_moving_camera_is_no_swaying_background():
    world = texture(HEIGHT + 80, WIDTH + 80)
    step = ops.translation(-1.5, 0.4)
    pictures = [noisy(look(world, np.linalg.matrix_power(step, index), HEIGHT, WIDTH)) for index in range(25)]
    inner = ops.shrink(np.pad(OPEN[20:-20, 10:-45], ((20, 20), (10, 45))), 1)
    assert share(told(pictures, step=step), inner) < 0.05


def test_changing_exposure_is_no_swaying_background():
    restless = Restless()
    for index in range(40):
        drift = 12 * np.sin(index / 3)
        exposure = Exposure(np.ones(3, np.float32), np.full(3, drift, np.float32))
        renewed = restless.step(View.of(noisy(ROOM + drift)), exposure, OPEN, NOTHING, STILL)
    assert share(renewed) < 0.01


def test_a_screen_that_switches_is_believed_when_it_has_stayed_so():
    restless = Restless()
    for _ in range(10):
        restless.step(View.of(noisy(ROOM)), NEUTRAL, OPEN, NOTHING, STILL)
    *early, late = [restless.step(View.of(noisy(put(ROOM, SCREEN))), NEUTRAL, OPEN, SCREEN, STILL) for _ in range(3)]
    assert max(share(renewed) for renewed in early) < 0.01
    assert share(late, SCREEN) > 0.95
    assert share(late, ~ops.grow_square(SCREEN, 2)) < 0.01


def test_somebody_who_runs_by_is_not_believed():
    restless, seen = Restless(), []
    for index in range(16):
        body = disc(HEIGHT, WIDTH, -60 + 20 * index, 60, 25)
        seen.append(share(restless.step(View.of(noisy(put(ROOM, body))), NEUTRAL, OPEN, body, STILL), body | 1))
    assert max(seen) < 0.01


def test_somebody_who_walks_by_is_not_believed():
    restless, seen = Restless(), []
    for index in range(40):
        body = disc(HEIGHT, WIDTH, -30 + 5 * index, 60, 20)
        picture = noisy(put(ROOM, body))
        seen.append(share(restless.step(View.of(picture), NEUTRAL, OPEN, body, STILL), body | 1))
    assert max(seen) < 0.01


@pytest.mark.parametrize("color", [(40, 40, 200), (160, 160, 160)])
def test_somebody_who_walks_by_before_water_of_their_own_colors_is_not_believed(color):
    restless, seen = Restless(), []
    for index in range(55):
        water = look(texture(HEIGHT, WIDTH + 40), ops.translation(-20 + 5 * np.sin(index / 5), 0), HEIGHT, WIDTH)
        body = disc(HEIGHT, WIDTH, 5 * index - 175, 60, 20)
        renewed = restless.step(View.of(noisy(put(water, body, color))), NEUTRAL, OPEN, body, STILL)
        seen += [share(renewed, body)] if index >= 40 else []
    assert max(seen) < 0.25


@pytest.mark.parametrize("passing", [6, 12])
def test_what_was_somebody_passing_gives_way_to_what_prevails(passing):
    body = disc(HEIGHT, WIDTH, 100, 60, 20)
    core = Eraser(None, PaintingFiller(), Selection(classes=()), Settings(dilate=2))
    for index in range(passing):
        core.observe(frame(noisy(put(ROOM, body)), index), NOTHING)
    for index in range(passing, 2 * passing + 6):
        core.observe(frame(noisy(ROOM), index), NOTHING)
    result = core.step(frame(noisy(put(ROOM, body)), 2 * passing + 6), body)
    assert psnr(result.image, ROOM, body) > 30


def test_a_flash_leaves_the_plate_as_it_was():
    body = disc(HEIGHT, WIDTH, 100, 60, 20)
    core = Eraser(None, PaintingFiller(), Selection(classes=()), Settings(dilate=2))
    for index in range(10):
        core.observe(frame(noisy(ROOM), index), NOTHING)
    core.step(frame(put(np.full_like(ROOM, 250), body), 10), body)
    result = core.step(frame(noisy(put(ROOM, body)), 11), body)
    assert core.stats.cuts == 0
    assert psnr(result.image, ROOM, body) > 35


def test_a_screen_behind_somebody_shows_what_it_showed_last():
    first, second = (put(ROOM, SCREEN, color) for color in ((200, 60, 60), (60, 200, 60)))
    core = Eraser(None, PaintingFiller(), Selection(classes=()), Settings(dilate=2))
    for index in range(12):
        core.observe(frame(noisy(first), index), NOTHING)
    for index in range(12, 17):
        core.observe(frame(noisy(second), index), NOTHING)
    body = disc(HEIGHT, WIDTH, 100, 60, 15)
    result = core.step(frame(put(second, body), 17), body)
    assert psnr(result.image, second, body) > 30
