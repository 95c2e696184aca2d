from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime import ops
from realtime.background.plate import Evidence, Plate
from realtime.motion.glance import Glance, View
from realtime.motion.registration import Registration
from realtime.motion.sight import disagreement
from tests.realtime.pictures import look, texture

HEIGHT, WIDTH = 180, 320
EVERYWHERE = np.full((HEIGHT, WIDTH), 255, np.uint8)


def follow(pictures, usable=None):
    """The motion of each picture, found as the eraser does: located, then written into the plate.

    usable: of each, (H, W) uint8, None for everything.
    """
    registration, plate, locations = Registration(), Plate(HEIGHT, WIDTH), []
    for index, picture in enumerate(pictures):
        view = View.of(picture)
        seen = EVERYWHERE if usable is None else usable[index]
        location = registration.locate(Glance(view), seen, plate)
        plate.update(picture, location.motion, Evidence(seen, ~seen & 0, ~seen & 0))
        registration.foresee(plate)
        locations.append(location)
    return locations


def corner_error(found, true):
    """Largest error, pixels, with which a motion places the frame's corners."""
    corners = ops.region_corners(ops.Region(0, HEIGHT, 0, WIDTH))
    return np.abs(ops.transform_points(found, corners) - ops.transform_points(true, corners)).max()


def noisy(picture, seed, sigma=2.0):
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def test_a_still_camera_is_exactly_the_identity_in_spite_of_noise():
    picture = texture(HEIGHT, WIDTH)
    for location in follow([noisy(picture, seed) for seed in range(12)]):
        assert np.array_equal(location.motion, np.eye(3))
        assert not location.lost


def test_a_still_camera_stays_still_while_the_exposure_drifts_by_20_grey_levels():
    picture = texture(HEIGHT, WIDTH).clip(10, 225)
    drifting = [noisy((picture + step).astype(np.uint8), step) for step in range(0, 21, 2)]
    assert all(np.array_equal(location.motion, np.eye(3)) for location in follow(drifting))


def test_a_shaking_camera_is_followed_to_a_tenth_of_a_pixel_without_drift():
    world = texture(400, 600)
    rng = np.random.default_rng(3)
    cameras = [ops.translation(-100, -80)]
    for _ in range(25):
        turn, (x, y) = rng.normal(0, 0.004), rng.uniform(-10, 10, 2)
        roll = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        cameras.append(ops.translation(-100 + x, -80 + y) @ roll)
    pictures = [noisy(look(world, camera, HEIGHT, WIDTH), i, 1.5) for i, camera in enumerate(cameras)]
    first = np.linalg.inv(cameras[0])
    errors = [corner_error(f.motion, c @ first) for f, c in zip(follow(pictures), cameras, strict=True)]
    assert np.median(errors) < 0.1
    assert max(errors) < 0.4


def test_a_pan_of_a_frame_width_is_followed_without_drift():
    world = texture(220, 760)
    cameras = [ops.translation(-20 - 8 * i, -20) for i in range(42)]
    pictures = [noisy(look(world, camera, HEIGHT, WIDTH), i, 1.5) for i, camera in enumerate(cameras)]
    first = np.linalg.inv(cameras[0])
    errors = [corner_error(f.motion, c @ first) for f, c in zip(follow(pictures), cameras, strict=True)]
    assert errors[-1] < 1.0


def test_a_fast_first_jerk_of_the_camera_is_followed():
    world = texture(300, 460)
    pictures = [look(world, ops.translation(-60, -60), HEIGHT, WIDTH)] * 3
    pictures += [look(world, ops.translation(-85, -48), HEIGHT, WIDTH)] * 2
    locations = follow(pictures)
    assert corner_error(locations[-1].motion, ops.translation(-25, 12)) < 0.2
    assert not locations[-1].lost


def test_another_scene_is_lost():
    pictures = [texture(HEIGHT, WIDTH, seed=1)] * 4 + [texture(HEIGHT, WIDTH, seed=2)]
    locations = follow(pictures)
    assert [location.lost for location in locations] == [False] * 4 + [True]


@pytest.mark.parametrize("grey", [0, 128])
def test_a_plain_picture_without_corners_is_not_lost_and_not_moved(grey):
    plain = np.full((HEIGHT, WIDTH, 3), grey, np.uint8)
    for location in follow([noisy(plain, seed) for seed in range(5)]):
        assert np.array_equal(location.motion, np.eye(3))
        assert not location.lost


def test_an_object_that_covers_a_third_of_the_frame_does_not_pull_the_camera_along():
    picture = texture(HEIGHT, WIDTH)
    thing = texture(HEIGHT, WIDTH, seed=9)
    usable = EVERYWHERE.copy()
    usable[:, 90:230] = 0
    pictures = []
    for i in range(10):
        moved = picture.copy()
        moved[:, 100:220] = np.roll(thing, 5 * i, axis=1)[:, 100:220]
        pictures.append(moved)
    assert all(np.array_equal(location.motion, np.eye(3)) for location in follow(pictures, [usable] * 10))


def passed(wall):
    """Noisy pictures of a wall that somebody walks past, and where each surely shows the wall."""
    pictures, usable, somebody = [], [], texture(110, 55, seed=9)
    for number in range(30):
        picture, clear = noisy(wall, number), EVERYWHERE.copy()
        x = 10 + 6 * number
        picture[45:155, x : x + 55] = somebody
        clear[36:164, max(0, x - 9) : x + 64] = 0
        pictures.append(picture)
        usable.append(clear)
    return pictures, usable


@pytest.mark.parametrize("seed", range(3))
def test_corners_that_lie_close_together_do_not_move_a_still_camera_while_somebody_passes_them(seed):
    wall = np.full((HEIGHT, WIDTH, 3), 110.0) + np.linspace(-15, 15, WIDTH)[:, None]
    wall[60:105, 140:185] = texture(45, 45, seed)
    for location in follow(*passed(wall)):
        assert np.array_equal(location.motion, np.eye(3))


def test_corners_that_lie_close_together_tell_how_a_camera_shifts():
    wall = np.full((HEIGHT, WIDTH + 100, 3), 110, np.uint8)
    wall[60:105, 140:185] = texture(45, 45)
    pictures = [noisy(wall[:, 2 * number : 2 * number + WIDTH], number) for number in range(30)]
    errors = [corner_error(f.motion, ops.translation(-2 * i, 0)) for i, f in enumerate(follow(pictures))]
    assert max(errors) < 0.6


def test_a_nearly_plain_wall_is_no_flash_and_a_flash_is_one():
    wall = np.full((HEIGHT, WIDTH, 3), 130, np.uint8)
    wall[60:72, 80:92] = 80
    assert not any(location.blank for location in follow(*passed(wall)))
    flash = np.full_like(wall, 250)
    assert follow([texture(HEIGHT, WIDTH), flash])[1].blank


def test_disagreement_is_zero_for_the_same_picture_and_about_one_for_unrelated_ones():
    a, b = (texture(HEIGHT, WIDTH, seed)[..., 0] for seed in (1, 2))
    assert disagreement(a, a, EVERYWHERE) == 0
    assert 0.8 < disagreement(a, b, EVERYWHERE) < 1.2


def test_views_have_at_most_640_pixels_on_their_longest_side():
    assert View.of(np.zeros((1080, 1920, 3), np.uint8)).size == (360, 640)
    assert View.of(np.zeros((100, 60, 3), np.uint8)).size == (100, 60)


def test_a_real_still_camera_is_still_while_a_person_walks_in_and_the_exposure_drifts(eraser_data):
    capture = cv2.VideoCapture(str(eraser_data / "videos" / "room_static_a.mp4"))
    masked = np.zeros((432, 768), np.uint8)
    registration, plate = Registration(), Plate(432, 768)
    for _ in range(90):
        _, picture = capture.read()
        view = View.of(picture)
        usable = np.full(view.size, 255, np.uint8)
        usable[:, view.size[1] // 3 : view.size[1] * 3 // 4] = 0  # where the person walks and stands
        location = registration.locate(Glance(view), usable, plate)
        assert np.array_equal(location.motion, np.eye(3))
        plate.update(picture, location.motion, Evidence(~masked, masked, masked))


def test_a_camera_that_starts_to_creep_is_followed_though_no_step_alone_tells():
    world = texture(HEIGHT + 40, WIDTH + 60)
    cameras = [ops.translation(-20 - 0.3 * max(0, i - 5), -20) for i in range(60)]
    pictures = [noisy(look(world, camera, HEIGHT, WIDTH), i, 1.5) for i, camera in enumerate(cameras)]
    first = np.linalg.inv(cameras[0])
    errors = [corner_error(f.motion, c @ first) for f, c in zip(follow(pictures), cameras, strict=True)]
    assert max(errors) < 1.6


@pytest.mark.parametrize("still", [True, False])
def test_a_camera_is_followed_on_when_the_frames_change_their_size(still):
    world = texture(400, 600)
    registration, plate = Registration(), Plate(HEIGHT, WIDTH)
    size, half = (HEIGHT, WIDTH), (HEIGHT // 2, WIDTH // 2)
    for number in range(14):
        if number == 8:
            plate = plate.resized(*half)
            registration.resize(size, half)
        camera = ops.translation(-100 - (0 if still else 3 * number), -80)
        picture = look(world, camera, HEIGHT, WIDTH)
        if number >= 8:
            picture = ops.resize(picture, half)
        view = View.of(picture)
        seen = np.full(view.size, 255, np.uint8)
        location = registration.locate(Glance(view), seen, plate)
        usable = np.full(picture.shape[:2], 255, np.uint8)
        plate.update(picture, location.motion, Evidence(usable, ~usable, ~usable))
        expected = 0.0 if still else -3.0 * number * (0.5 if number >= 8 else 1.0)
        assert not location.lost
        assert location.motion[0, 2] == pytest.approx(expected, abs=0.0 if still else 0.3)
