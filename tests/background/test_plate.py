from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import ops
from realtime.background.exposure import Exposure
from realtime.background.filljob import Place
from realtime.background.plate import GUESSED, SEEN, SETTLED, UNSEEN, Evidence, Plate
from realtime.ops import Region
from tests.realtime.pictures import disc, look, psnr, texture

HEIGHT, WIDTH = 90, 160
FRAME = Region(0, HEIGHT, 0, WIDTH)
ALL = np.full((HEIGHT, WIDTH), 255, np.uint8)
NONE = np.zeros((HEIGHT, WIDTH), np.uint8)


def evidence(usable=ALL, doubtful=NONE, changed=NONE):
    return Evidence(usable, doubtful, changed)


def learnt(picture, usable=ALL, doubtful=NONE):
    plate = Plate(HEIGHT, WIDTH)
    plate.update(picture, np.eye(3), evidence(usable, doubtful))
    return plate


def test_a_new_plate_has_seen_nothing():
    _, trust = Plate(HEIGHT, WIDTH).read(np.eye(3), FRAME)
    assert (trust == UNSEEN).all()


def test_a_still_camera_reads_back_exactly_what_it_wrote():
    picture = texture(HEIGHT, WIDTH)
    color, trust = learnt(picture).read(np.eye(3), FRAME)
    assert np.array_equal(color, picture)
    assert (trust == SEEN).all()


def test_a_still_camera_never_resamples(monkeypatch):
    plate = learnt(texture(HEIGHT, WIDTH))

    def refuse(*args, **kwargs):
        raise AssertionError("resampled")

    monkeypatch.setattr(ops, "warp", refuse)
    monkeypatch.setattr(ops, "warp_mask", refuse)
    for _ in range(3):
        plate.update(texture(HEIGHT, WIDTH), np.eye(3), evidence())
        plate.read(np.eye(3), Region(10, 50, 20, 90))
        plate.read_scaled(np.eye(3), FRAME, (45, 80))
        plate.write_guess(np.zeros((40, 70, 3), np.float32), np.eye(3), Region(10, 50, 20, 90), NONE[10:50, 20:90])


@settings(deadline=None, max_examples=30)
@given(st.floats(10, 150), st.floats(10, 80), st.floats(3, 30))
def test_only_what_was_usable_becomes_seen(x, y, radius):
    hole = disc(HEIGHT, WIDTH, x, y, radius)
    _, trust = learnt(texture(HEIGHT, WIDTH), ~hole).read(np.eye(3), FRAME)
    assert np.array_equal(trust == SEEN, hole == 0)


def test_doubtful_pixels_are_guessed_and_replaced_at_once_when_seen():
    hole = disc(HEIGHT, WIDTH, 80, 45, 20)
    plate = learnt(np.full((HEIGHT, WIDTH, 3), 200, np.uint8), ~hole, hole)
    _, trust = plate.read(np.eye(3), FRAME)
    assert np.array_equal(trust == GUESSED, hole > 0)
    plate.update(np.full((HEIGHT, WIDTH, 3), 100, np.uint8), np.eye(3), evidence(hole))
    color, trust = plate.read(np.eye(3), FRAME)
    assert (trust == SEEN).all()
    assert (color[hole > 0] == 100).all()


def test_who_stands_still_takes_the_place_of_guesses_and_not_of_what_was_seen_and_goes_when_the_background_shows():
    hole, stands = disc(HEIGHT, WIDTH, 80, 45, 30), disc(HEIGHT, WIDTH, 100, 45, 20)
    picture = texture(HEIGHT, WIDTH)
    plate = learnt(picture, ~hole)
    plate.write_guess(np.zeros((HEIGHT, WIDTH, 3), np.float32), np.eye(3), FRAME, ALL)
    for shade in (190, 200):
        plate.update(np.full((HEIGHT, WIDTH, 3), shade, np.uint8), np.eye(3), replace(evidence(NONE), standing=stands))
    color, trust = plate.read(np.eye(3), FRAME)
    assert (color[(stands & hole) > 0] == 200).all()
    assert (color[(hole & ~stands) > 0] == 0).all()
    assert np.array_equal(color[hole == 0], picture[hole == 0])
    assert np.array_equal(trust == GUESSED, hole > 0)
    assert not (plate.inventions() & stands).any()
    plate.update(picture, np.eye(3), evidence())
    color, trust = plate.read(np.eye(3), FRAME)
    assert np.array_equal(color, picture)
    assert (trust == SEEN).all()


def test_a_guess_never_overwrites_what_was_seen():
    picture = texture(HEIGHT, WIDTH)
    hole = disc(HEIGHT, WIDTH, 80, 45, 20)
    plate = learnt(picture, ~hole)
    plate.write_guess(np.zeros((HEIGHT, WIDTH, 3), np.float32), np.eye(3), FRAME, ALL)
    color, trust = plate.read(np.eye(3), FRAME)
    assert (color[hole > 0] == 0).all()
    assert np.array_equal(color[hole == 0], picture[hole == 0])
    assert np.array_equal(trust == GUESSED, hole > 0)


def test_a_pixel_that_is_free_for_less_than_the_patience_leaves_no_ghost():
    picture = texture(HEIGHT, WIDTH)
    hole = disc(HEIGHT, WIDTH, 80, 45, 20)
    plate = Plate(HEIGHT, WIDTH)
    for _ in range(3):
        plate.update(picture, np.eye(3), evidence(), patience=3)
    ghost = np.where(hole[..., None] > 0, 255, picture).astype(np.uint8)
    for usable in (~hole, ALL, ALL, ~hole):
        plate.update(ghost, np.eye(3), evidence(usable, changed=hole), patience=3)
    color, trust = plate.read(np.eye(3), FRAME)
    assert np.array_equal(color, picture)
    assert (trust == SEEN).all()


def test_averaging_takes_the_noise_off():
    picture = texture(HEIGHT, WIDTH).clip(30, 220)
    plate = learnt(picture)
    for seed in range(40):
        noisy = picture + np.random.default_rng(seed).normal(0, 6, picture.shape)
        plate.update(noisy.astype(np.uint8), np.eye(3), evidence())
    color, _ = plate.read(np.eye(3), FRAME)
    assert psnr(color, picture, ALL) > psnr(noisy, picture, ALL) + 8


@pytest.mark.parametrize("shift", [(3, 2), (3.5, 2.25), (-40.3, 11.7)])
def test_what_a_moved_camera_wrote_is_read_where_it_stands(shift):
    world = texture(HEIGHT * 2, WIDTH * 2)
    here, there = ops.translation(-50, -40), ops.translation(shift[0] - 50, shift[1] - 40)
    motion = there @ np.linalg.inv(here)
    plate = learnt(look(world, here, HEIGHT, WIDTH))
    plate.update(look(world, there, HEIGHT, WIDTH), motion, evidence())
    color, trust = plate.read(motion, FRAME)
    inner = NONE.copy()
    inner[3:-3, 3:-3] = 255
    assert (trust[inner > 0] == SEEN).all()
    assert psnr(color, look(world, there, HEIGHT, WIDTH), inner) > 34


def test_a_view_beyond_the_canvas_is_re_anchored_and_keeps_what_is_still_in_view():
    world = texture(HEIGHT + 40, WIDTH * 7)
    plate = Plate(HEIGHT, WIDTH)
    memory = []
    for x in range(0, WIDTH * 5, 20):
        camera = ops.translation(-20.0 - x, -20)
        motion = camera @ ops.translation(20, 20) @ np.linalg.inv(plate.since(0))
        if plate.needs_anchor(motion):
            plate.anchor(motion)
            motion = np.eye(3)
            _, trust = plate.read(motion, FRAME)
            assert (trust[3:-3, 3 : WIDTH - 24] == SEEN).all()
        plate.update(look(world, camera, HEIGHT, WIDTH), motion, evidence())
        memory.append(plate.nbytes)
    assert plate.epoch >= 1
    assert max(memory) <= 6 * (HEIGHT * WIDTH * 13)


def test_an_older_motion_still_reads_the_right_place_after_re_anchoring():
    world = texture(HEIGHT * 2, WIDTH * 2)
    first, second = ops.translation(-40, -40), ops.translation(-70.4, -52.7)
    motion = second @ np.linalg.inv(first)
    plate = learnt(look(world, first, HEIGHT, WIDTH))
    epoch = plate.epoch
    plate.anchor(motion)
    color, trust = plate.read(np.eye(3) @ np.linalg.inv(plate.since(epoch)), FRAME)
    assert (trust[4:-4, 4:-4] == SEEN).all()
    inner = NONE.copy()
    inner[6:-6, 6:-6] = 255
    assert psnr(color, look(world, first, HEIGHT, WIDTH), inner) > 32


@settings(deadline=None, max_examples=25)
@given(st.floats(-30, 30), st.floats(-20, 20), st.floats(0.85, 1.2))
def test_a_pixel_is_only_trusted_where_its_whole_footprint_was_seen(dx, dy, zoom):
    hole = disc(HEIGHT, WIDTH, 80, 45, 18)
    poison = np.where(hole[..., None] > 0, 255, 100).astype(np.uint8).repeat(3, axis=2)
    plate = learnt(poison, ~hole)
    motion = ops.translation(dx, dy) @ np.diag([zoom, zoom, 1.0])
    color, trust = plate.read(motion, FRAME)
    assert np.allclose(color[trust == SEEN], 100, atol=0.01)


def test_what_passes_by_does_not_smear_the_plate_but_what_stays_replaces_it():
    picture = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    place = disc(HEIGHT, WIDTH, 80, 45, 20)
    other = np.where(place[..., None] > 0, 200, picture).astype(np.uint8)
    plate = learnt(picture)
    plate.update(other, np.eye(3), evidence(ALL, changed=place))
    assert (plate.read(np.eye(3), FRAME)[0] == 100).all()
    for _ in range(32):
        plate.update(other, np.eye(3), evidence(ALL, changed=place))
    assert np.array_equal(plate.read(np.eye(3), FRAME)[0], other)


def test_who_comes_in_unrecognised_leaves_no_ghost_however_long_the_place_was_open_before():
    picture, somebody = texture(HEIGHT, WIDTH), disc(HEIGHT, WIDTH, 80, 45, 20)
    occupied = np.where(somebody[..., None] > 0, np.uint8(250), picture)
    plate = Plate(HEIGHT, WIDTH)
    for _ in range(2 * SETTLED):
        plate.update(picture, np.eye(3), evidence(), patience=3)
    for _ in range(SETTLED - 4):
        plate.update(occupied, np.eye(3), evidence(changed=somebody), patience=3)
    assert np.array_equal(plate.read(np.eye(3), FRAME)[0], picture)


def test_what_was_glimpsed_beside_an_object_replaces_what_was_invented_there_and_is_not_invented_again():
    hole = disc(HEIGHT, WIDTH, 80, 45, 20)
    picture, guess = texture(HEIGHT, WIDTH), np.full((HEIGHT, WIDTH, 3), 7, np.float32)
    plate = learnt(picture, ~hole)
    plate.write_guess(guess, np.eye(3), FRAME, hole)
    smaller = disc(HEIGHT, WIDTH, 80, 45, 15)
    plate.update(picture, np.eye(3), evidence(~hole, hole & ~smaller))
    plate.write_guess(guess, np.eye(3), FRAME, hole)
    color, trust = plate.read(np.eye(3), FRAME)
    assert np.array_equal(color[smaller == 0], picture[smaller == 0])
    assert (color[smaller > 0] == 7).all()
    assert np.array_equal(trust == GUESSED, hole > 0)


@pytest.mark.parametrize(("edge", "frames"), [(80, 4), (65, 26)])  # half of it has shown; a sixteenth
def test_a_guess_is_worn_when_what_has_shown_of_it_has_been_seen_for_long_enough(edge, frames):
    hole, picture = disc(HEIGHT, WIDTH, 80, 45, 20), texture(HEIGHT, WIDTH)
    plate = learnt(picture, ~hole)
    plate.write_guess(np.zeros((HEIGHT, WIDTH, 3), np.float32), np.eye(3), FRAME, hole)
    region = ops.bounding_region(hole)
    left = hole.copy()
    left[:, :edge] = 0
    for _ in range(frames - 1):
        plate.update(picture, np.eye(3), evidence(~left))
        assert not plate.worn(np.eye(3), region, hole[region.slices]).any()
    plate.update(picture, np.eye(3), evidence(~left))
    assert np.array_equal(plate.worn(np.eye(3), region, hole[region.slices]), left[region.slices])


def test_a_guess_is_worn_however_large_the_rectangle_around_all_holes_is():
    hole, picture = disc(HEIGHT, WIDTH, 80, 45, 10), texture(HEIGHT, WIDTH)
    plate = learnt(picture, ~hole)
    plate.write_guess(np.zeros((HEIGHT, WIDTH, 3), np.float32), np.eye(3), FRAME, hole)
    left = hole.copy()
    left[:, :80] = 0
    for _ in range(4):
        plate.update(picture, np.eye(3), evidence(~left))
    assert np.array_equal(plate.worn(np.eye(3), FRAME, hole), left)
    elsewhere = disc(HEIGHT, WIDTH, 120, 45, 30) | left
    assert not plate.worn(np.eye(3), FRAME, elsewhere).any()  # little of it is guessed


def test_what_a_mask_let_through_for_a_moment_is_made_anew_with_the_guess_around_it():
    hole, island = disc(HEIGHT, WIDTH, 80, 45, 30), disc(HEIGHT, WIDTH, 90, 45, 4)
    picture, guess = texture(HEIGHT, WIDTH), np.zeros((HEIGHT, WIDTH, 3), np.float32)
    plate = learnt(picture, ~hole)
    plate.update(picture, np.eye(3), evidence(~hole | island), patience=3)
    plate.write_guess(guess, np.eye(3), FRAME, hole)
    rim = hole & ~disc(HEIGHT, WIDTH, 80, 45, 28)
    left = hole.copy()
    left[:, :70] = 0
    for _ in range(6):
        plate.update(picture, np.eye(3), evidence(~left, rim))
    anew = plate.worn(np.eye(3), FRAME, left)
    assert np.array_equal(anew, left & ~rim)
    plate.write_guess(guess + 9, np.eye(3), FRAME, anew)
    color, _ = plate.read(np.eye(3), FRAME)
    assert (color[island > 0] == 9).all()
    assert np.array_equal(color[rim > 0], picture[rim > 0])


def test_slivers_at_its_rim_make_a_guess_no_younger():
    hole, picture = disc(HEIGHT, WIDTH, 80, 45, 20), texture(HEIGHT, WIDTH)
    plate, guess = learnt(picture, ~hole), np.zeros((HEIGHT, WIDTH, 3), np.float32)
    plate.write_guess(guess, np.eye(3), FRAME, hole)
    region = ops.bounding_region(hole)
    left = hole.copy()
    left[:, :80] = 0
    for row in range(4):
        assert not plate.worn(np.eye(3), region, hole[region.slices]).any()
        plate.update(picture, np.eye(3), evidence(~left))
        sliver = np.zeros_like(hole)
        sliver[row, :20] = 255
        plate.forget(np.eye(3), sliver)
        plate.write_guess(guess, np.eye(3), FRAME, sliver)
    assert np.array_equal(plate.worn(np.eye(3), region, hole[region.slices]), left[region.slices])


@pytest.mark.parametrize("zoom", [0.78, 1.3])
def test_a_new_anchor_wears_no_guess_and_makes_none_younger(zoom):
    hole, picture = disc(HEIGHT, WIDTH, 80, 45, 20), texture(HEIGHT, WIDTH)
    plate = learnt(picture, ~hole)
    plate.write_guess(np.zeros((HEIGHT, WIDTH, 3), np.float32), np.eye(3), FRAME, hole)
    for _ in range(30):
        plate.update(picture, np.eye(3), evidence(~hole))
    motion = ops.translation(80, 45) @ np.diag([zoom, zoom, 1.0]) @ ops.translation(-80, -45)
    there = look(hole, motion, HEIGHT, WIDTH)
    there = (there > 0).astype(np.uint8) * 255
    plate.anchor(motion)
    assert not plate.worn(np.eye(3), FRAME, there).any()
    left = there.copy()
    left[:, :75] = 0
    plate.update(look(picture, motion, HEIGHT, WIDTH), np.eye(3), evidence(~left))
    assert plate.worn(np.eye(3), FRAME, left).any()


def test_a_stored_plate_comes_back_with_all_that_was_seen_and_nothing_that_was_invented():
    seen, glimpsed = disc(HEIGHT, WIDTH, 50, 45, 30), disc(HEIGHT, WIDTH, 110, 45, 15)
    plate = learnt(texture(HEIGHT, WIDTH), seen, glimpsed)
    plate.write_guess(np.zeros((HEIGHT, WIDTH, 3), np.float32), np.eye(3), FRAME, ~(seen | glimpsed))
    restored = Plate.restored(plate.arrays())
    color, trust = restored.read(np.eye(3), FRAME)
    assert np.array_equal(color[trust != UNSEEN], texture(HEIGHT, WIDTH)[trust != UNSEEN])
    assert np.array_equal(trust, np.where(seen > 0, SEEN, np.where(glimpsed > 0, GUESSED, UNSEEN)))


def test_arrays_that_are_no_plate_are_refused():
    arrays = learnt(texture(HEIGHT, WIDTH)).arrays()
    with pytest.raises(ValueError, match="no plate"):
        Plate.restored(arrays | {"trust": arrays["trust"][1:]})
    with pytest.raises(KeyError):
        Plate.restored({"color": arrays["color"]})


@pytest.mark.parametrize("scale", [0.5, 0.75, 2.0])
def test_a_plate_goes_on_at_another_size_of_the_same_view(scale):
    size = round(HEIGHT * scale), round(WIDTH * scale)
    world = texture(HEIGHT, WIDTH)
    hole = disc(HEIGHT, WIDTH, 60, 40, 20)
    whole = Region(0, size[0], 0, size[1])
    color, trust = learnt(world, ~hole).resized(*size).read(np.eye(3), whole)
    assert trust.shape == size
    far = ops.resize(ops.grow(hole, 3), size) > 0
    assert (trust[~far] == SEEN).all()
    assert (trust[ops.resize(ops.shrink(hole, 2), size) == 255] == UNSEEN).all()
    assert psnr(color, ops.resize(world, size), ~far) > 40


def test_a_plate_that_has_followed_the_camera_goes_on_at_another_size():
    world = texture(HEIGHT, 2 * WIDTH)
    plate = Plate(HEIGHT, WIDTH)
    for x in (0, 20, 40):
        motion = ops.translation(-x, 0)
        plate.update(look(world, motion, HEIGHT, WIDTH), motion, evidence())
    small = plate.resized(HEIGHT // 2, WIDTH // 2)
    color, trust = small.read(ops.translation(-10, 0), Region(0, HEIGHT // 2, 0, WIDTH // 2))
    inner = slice(4, -4), slice(4, -4)
    assert (trust[inner] == SEEN).all()
    truth = ops.resize(world[:, 20 : 20 + WIDTH], (HEIGHT // 2, WIDTH // 2))
    assert psnr(color[inner], truth[inner], trust[inner] == SEEN) > 30


def test_below_the_picture_a_guess_goes_on_mirrored():
    plate, guess = learnt(texture(HEIGHT, WIDTH), NONE), texture(30, WIDTH, seed=3)
    tilted = ops.translation(0, -5)  # the camera sees 5 rows more
    plate.update(np.zeros((HEIGHT, WIDTH, 3), np.uint8), tilted, evidence(NONE))
    neutral = Exposure(np.ones(3, np.float32), np.zeros(3, np.float32))
    Place(plate, np.eye(3), 0, neutral, Region(HEIGHT - 30, HEIGHT, 0, WIDTH)).remember(guess, ALL[:30])
    color, trust = plate.read(tilted, FRAME)
    assert (trust[-35:] == GUESSED).all()
    np.testing.assert_array_equal(color[-35:-5], guess)
    np.testing.assert_array_equal(color[-5:], guess[:-6:-1])
