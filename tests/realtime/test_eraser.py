from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import ops
from realtime.background.plate import GUESSED, SEEN
from realtime.eraser import Eraser
from realtime.errors import EraserError
from realtime.selection import Box, Selection
from realtime.settings import Settings
from tests.realtime.fakes import PaintingFiller, late_segmenter, red_segmenter
from tests.realtime.pictures import disc, frame, look, psnr, put, texture

HEIGHT, WIDTH = 180, 320
NOTHING = Selection(classes=())
ROOM = (texture(HEIGHT, WIDTH) * 0.6 + 60).astype(np.uint8)


STANDING_LEFT = disc(HEIGHT, WIDTH, 100, 90, 24)


def walk(index, step=6, start=40):
    """A disc that walks from left to right, as a mask."""
    return disc(HEIGHT, WIDTH, start + step * index, 90, 24)


def eraser(selection=NOTHING, segmenter=None, filler=None, **options):
    return Eraser(segmenter, filler or PaintingFiller(), selection, Settings(**options))


def run(core, pictures, masks=None, lookahead=0):
    """All results, rendering each frame `lookahead` frames after it was observed."""
    pending, results = [], []
    for index, picture in enumerate(pictures):
        pending.append(core.observe(frame(picture, index), None if masks is None else masks[index]))
        if len(pending) > lookahead:
            results.append(core.render(pending.pop(0)))
    return results + [core.render(one) for one in pending]


def test_what_was_seen_before_comes_back_exactly_behind_a_still_camera():
    masks = [walk(index) for index in range(30)]
    results = run(eraser(), [put(ROOM, mask) for mask in masks], masks)
    for result, mask in list(zip(results, masks, strict=True))[12:]:
        assert psnr(result.image, ROOM, mask) > 45


def test_lookahead_shows_what_is_revealed_only_later_and_saves_the_fill():
    masks = [walk(index) for index in range(30)]
    pictures = [put(ROOM, mask) for mask in masks]
    live, file = eraser(), eraser()
    blind, seeing = run(live, pictures, masks), run(file, pictures, masks, lookahead=15)
    assert psnr(blind[0].image, ROOM, masks[0]) < 20
    assert all(psnr(result.image, ROOM, mask) > 40 for result, mask in zip(seeing, masks, strict=True))
    assert (live.stats.fills, file.stats.fills) == (1, 0)


@pytest.mark.parametrize(("lookahead", "shown"), [(0, 4), (3, 1), (15, 0)])
def test_somebody_who_was_found_late_is_erased_from_the_frames_that_wait_too(lookahead, shown):
    masks = [walk(index - 10, step=5, start=-20) * (index >= 10) for index in range(30)]
    pictures = [put(ROOM, mask) for mask in masks]
    core = eraser(Selection(), late_segmenter(14), dilate=2, segment_interval=0)
    results = run(core, pictures, lookahead=lookahead)
    assert all(
        psnr(each.image, ROOM, mask) < 20 for each, mask in zip(results[10:], masks[10 : 10 + shown], strict=False)
    )
    for result, mask in list(zip(results, masks, strict=True))[10 + shown :]:
        assert psnr(result.image, ROOM, mask) > 40
    assert not any(result.hole.any() for result in results[:9])


def test_a_limb_that_was_missed_is_erased_from_the_frames_that_wait_too():
    arm = np.zeros((HEIGHT, WIDTH), np.uint8)
    arm[84:96, 120:190] = 255
    segmenter = red_segmenter()
    run_whole, sizes = segmenter.engine.run, segmenter.engine.sizes

    def without_arm(image):
        found = run_whole(image)
        if len(sizes) <= 12:
            found["matte"][..., found["matte"].shape[-1] * 125 // WIDTH :] = 0
        return found

    segmenter.engine.run = without_arm
    core = eraser(Selection(), segmenter, dilate=2, segment_interval=0)
    results = run(core, [put(ROOM, STANDING_LEFT | arm)] * 24, lookahead=15)
    erased = [(result.hole[arm > 0] > 0).mean() for result in results]
    assert max(erased[:6]) < 0.2
    assert min(erased[9:]) > 0.95


def test_the_past_is_shown_before_the_future():
    door_closed, door_open = ROOM, ROOM.copy()
    door_open[60:120, 150:170] = 240
    masks = [disc(HEIGHT, WIDTH, 160, 90, 1) & 0] * 6 + [disc(HEIGHT, WIDTH, 160, 90, 50)] * 10 + [ROOM[..., 0] * 0] * 6
    pictures = [door_closed] * 6 + [put(door_open, mask) for mask in masks[6:16]] + [door_open] * 6
    results = run(eraser(), pictures, masks, lookahead=14)
    assert psnr(results[8].image, door_closed, masks[8]) > 40


def test_what_the_camera_brings_into_the_hole_is_filled_around_what_was_guessed_before():
    wide = (texture(HEIGHT, 2 * WIDTH) * 0.6 + 60).astype(np.uint8)
    hole = disc(HEIGHT, WIDTH, WIDTH - 20, 90, 50)
    views = [wide[:, 5 * index : 5 * index + WIDTH] for index in range(6)]
    filler = PaintingFiller()
    run(eraser(filler=filler), [put(view, hole) for view in views], [hole] * len(views))
    (_, first), *_, (image, last) = filler.asked
    guessed = disc(HEIGHT, WIDTH, WIDTH - 40, 90, 20) > 0
    assert first[guessed].all()
    assert not last[guessed].any()
    assert np.abs(image[guessed].astype(int) - filler.color).mean() < 5


def test_a_guess_is_made_once_reused_and_replaced_when_the_background_shows():
    hole = disc(HEIGHT, WIDTH, 160, 90, 30)
    masks = [hole] * 12 + [np.zeros_like(hole)] * 3 + [hole] * 3
    filler = PaintingFiller()
    core = eraser(filler=filler)
    results = run(core, [put(ROOM, mask) for mask in masks], masks)
    assert len(filler.asked) == core.stats.fills == 1
    inner = disc(HEIGHT, WIDTH, 160, 90, 20) > 0
    assert all((result.image[inner] == filler.color).all() for result in results[:12])
    assert (results[0].trust[inner] == GUESSED).all()
    assert psnr(results[-1].image, ROOM, hole) > 40
    assert (results[-1].trust[inner] == SEEN).all()


def test_a_guess_is_made_anew_when_half_of_what_it_guessed_has_shown():
    hole, half = disc(HEIGHT, WIDTH, 160, 90, 50), disc(HEIGHT, WIDTH, 160, 90, 50)
    half[:, :160] = 0
    masks = [hole] * 4 + [half] * 4 + [hole] * 4
    core = eraser()
    fills = []
    for index, mask in enumerate(masks):
        core.step(frame(put(ROOM, mask), index), mask)
        fills.append(core.stats.fills)
    assert fills == [1] * 4 + [2] * 8


def test_the_real_background_fades_in_behind_what_hides_it_from_view():
    hole, gap = disc(HEIGHT, WIDTH, 160, 90, 40), disc(HEIGHT, WIDTH, 160, 90, 12)
    masks = [hole] * 25 + [hole & ~gap] * 4
    results = run(eraser(dilate=1), [put(ROOM, mask) for mask in masks], masks, lookahead=19)
    inner = disc(HEIGHT, WIDTH, 160, 90, 4) > 0
    values = np.array([result.image[inner].mean(0) for result in results[:25]])
    steps = np.abs(np.diff(values, axis=0)).max(1)
    change = np.abs(values[-1] - values[0]).max()
    assert change > 20
    assert steps.max() < 0.2 * change
    assert np.abs(values[-1] - ROOM[inner].mean(0)).max() < 0.15 * change


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_pixels_outside_hole_and_feather_are_byte_identical(seed):
    rng = np.random.default_rng(seed)
    core = eraser()
    for index in range(4):
        mask = disc(HEIGHT, WIDTH, *rng.uniform((0, 0), (WIDTH, HEIGHT)), rng.uniform(1, 60))
        picture = put(np.roll(ROOM, rng.integers(-4, 5, 2), (0, 1)), mask)
        result = core.step(frame(picture, index), mask)
        assert np.array_equal(result.image[result.alpha == 0], picture[result.alpha == 0])
        assert (result.alpha[mask > 0] == 255).all()
        assert np.array_equal(result.hole, ops.equals(result.alpha, 255) & result.hole)
        if result.roi is not None:
            outside = result.alpha.copy()
            outside[result.roi.slices] = 0
            assert not outside.any()


def test_a_frame_without_anything_to_erase_passes_untouched():
    result = eraser().step(frame(ROOM, 0), np.zeros((HEIGHT, WIDTH), np.uint8))
    assert result.image is not None
    assert np.array_equal(result.image, ROOM)
    assert result.roi is None


def test_the_same_frames_give_the_same_bytes():
    masks = [walk(index) for index in range(12)]
    world = texture(HEIGHT + 40, WIDTH + 40)
    rng = np.random.default_rng(5)
    cameras = [ops.translation(*rng.uniform(-30, -5, 2)) for _ in masks]
    pictures = [put(look(world, c, HEIGHT, WIDTH), m) for c, m in zip(cameras, masks, strict=True)]
    first, second = run(eraser(), pictures, masks, lookahead=3), run(eraser(), pictures, masks, lookahead=3)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_a_moving_camera_shows_the_real_background():
    world = texture(HEIGHT + 60, WIDTH + 260)
    rng = np.random.default_rng(2)
    cameras = [ops.translation(-20 - 6 * i + rng.uniform(-3, 3), -20 + rng.uniform(-3, 3)) for i in range(36)]
    scenes = [look(world, camera, HEIGHT, WIDTH) for camera in cameras]
    masks = [walk(index, step=4, start=80) for index in range(36)]
    results = run(eraser(), [put(s, m) for s, m in zip(scenes, masks, strict=True)], masks, lookahead=20)
    for result, scene, mask in zip(results[:30], scenes, masks, strict=False):
        assert psnr(result.image, scene, mask) > 31


def test_a_camera_that_comes_to_rest_gets_a_new_anchor_and_stops_resampling():
    world = texture(HEIGHT + 60, WIDTH + 100)
    cameras = [ops.translation(-10.0 - 3.3 * min(index, 8), -20) for index in range(40)]
    core = eraser()
    pendings = [core.observe(frame(look(world, c, HEIGHT, WIDTH), i), walk(i)) for i, c in enumerate(cameras)]
    assert not np.array_equal(pendings[20].motion, np.eye(3))
    assert np.array_equal(pendings[-1].motion, np.eye(3))
    assert core.stats.anchors == 1


def test_the_plates_exposure_follows_the_frame():
    masks = [walk(index) for index in range(30)]
    steps = [round(20 * np.sin(index / 4)) for index in range(30)]
    rooms = [(ROOM.astype(int) + step).astype(np.uint8) for step in steps]
    results = run(eraser(), [put(room, mask) for room, mask in zip(rooms, masks, strict=True)], masks)
    for result, room, mask in list(zip(results, rooms, masks, strict=True))[12:]:
        assert psnr(result.image, room, mask) > 38


def test_a_scene_cut_starts_a_new_plate():
    other = texture(HEIGHT, WIDTH, seed=7)
    hole = disc(HEIGHT, WIDTH, 160, 90, 30)
    none = np.zeros_like(hole)
    filler = PaintingFiller()
    core = eraser(filler=filler)
    run(core, [ROOM] * 5 + [put(other, hole)] * 5, [none] * 5 + [hole] * 5)
    assert core.stats.cuts == 1
    assert len(filler.asked) == 1


def test_pendings_of_the_old_scene_still_render_from_their_own_plate():
    other = texture(HEIGHT, WIDTH, seed=7)
    masks = [walk(index) for index in range(16)] + [np.zeros((HEIGHT, WIDTH), np.uint8)] * 8
    pictures = [put(ROOM, mask) for mask in masks[:16]] + [other] * 8
    results = run(eraser(), pictures, masks, lookahead=10)
    assert all(psnr(results[i].image, ROOM, masks[i]) > 40 for i in range(16))
    assert all(np.array_equal(result.image, other) for result in results[16:])


def test_a_change_of_size_starts_anew():
    core = eraser()
    core.step(frame(ROOM, 0), walk(0))
    half = ROOM[::2, ::2]
    result = core.step(frame(half, 1), walk(0)[::2, ::2].copy())
    assert result.image.shape == half.shape


def test_a_network_mask_erases_and_is_found_at_the_networks_size():
    masks = [walk(index) for index in range(30)]
    core = eraser(Selection(), red_segmenter())
    results = run(core, [put(ROOM, mask) for mask in masks])
    for result, mask in list(zip(results, masks, strict=True))[16:]:
        assert (result.hole[mask > 0] == 255).mean() > 0.99
        assert psnr(result.image, ROOM, mask) > 35


def test_between_two_runs_of_the_network_the_mask_follows_the_object():
    masks = [walk(index, step=3) for index in range(12)]
    segmenter = red_segmenter()
    results = run(eraser(Selection(), segmenter, segment_interval=0.1), [put(ROOM, mask) for mask in masks])
    assert len(segmenter.engine.sizes) == 4
    for result, mask in zip(results, masks, strict=True):
        assert (result.hole[mask > 0] == 255).mean() > 0.97


def test_boxes_are_erased_and_protected_boxes_are_not():
    selection = Selection((), (Box(40, 40, 80, 60),), (Box(90, 40, 100, 60),))
    result = eraser(selection).step(frame(ROOM, 0))
    assert (result.alpha[45:95, 45:85] == 255).all()
    assert np.array_equal(result.image[40:100, 90:190], ROOM[40:100, 90:190])


def test_dilate_decides_how_far_the_hole_grows():
    mask = disc(HEIGHT, WIDTH, 160, 90, 20)
    areas = [np.count_nonzero(eraser(dilate=d).step(frame(ROOM, 0), mask).hole) for d in (0, 3, 9)]
    assert areas[0] == np.count_nonzero(mask)
    assert areas[0] < areas[1] < areas[2]


def test_the_segmenters_card_decides_where_dilate_does_not():
    picture = put((ROOM * 0.5).astype(np.uint8), walk(5))

    def hole(growth, **options):
        segmenter = red_segmenter()
        segmenter.engine.card.growth = growth
        core = eraser(Selection(), segmenter, **options)
        return np.count_nonzero(core.step(frame(picture, 0)).hole)

    assert hole(0.05) > hole(0.01) > 0
    assert hole(0.05, dilate=2) == hole(0.01, dilate=2)


@pytest.mark.parametrize("shadow", [True, False])
def test_a_shadow_goes_with_its_object_unless_told_otherwise(shadow):
    none, results = np.zeros((HEIGHT, WIDTH), np.uint8), []
    core = eraser(shadow=shadow)
    for index in range(20):
        mask = walk(index) if index > 4 else none
        shade = disc(HEIGHT, WIDTH, 40 + 6 * index, 122, 20) if index > 4 else none
        lit = np.where(shade[..., None] > 0, ROOM * 0.7, ROOM).astype(np.uint8)
        results.append((core.step(frame(put(lit, mask), index), mask), shade, mask))
    result, shade, mask = results[-1]
    assert (psnr(result.image, ROOM, shade & ~mask) > 30) == shadow


def test_a_mask_of_the_wrong_size_is_refused_with_both_sizes():
    with pytest.raises(EraserError, match=r"320x180.*100x50"):
        eraser().step(frame(ROOM, 0), np.zeros((50, 100), np.uint8))


def test_an_unknown_class_is_refused_with_the_known_ones():
    with pytest.raises(EraserError, match="person, dog"):
        eraser(Selection(("cat",)), red_segmenter())


def test_classes_without_a_segmenter_are_refused():
    with pytest.raises(EraserError, match="needs a segmenter"):
        eraser(Selection())


def test_every_stage_is_timed():
    result = eraser().step(frame(ROOM, 0), walk(0))
    stages = {"segment", "motion", "exposure", "mask", "hole", "read", "update", "composite", "fill"}
    assert stages == set(result.timings)
    assert all(value >= 0 for value in result.timings.values())


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (8, 8), (17, 40), (64, 20)])
def test_the_smallest_pictures_do_not_fail(shape):
    core = eraser()
    for index in range(5):
        mask = np.full(shape, 255 if index == 3 else 0, np.uint8)
        mask[: shape[0] // 2 + 1, : shape[1] // 2 + 1] = 255
        assert core.step(frame(texture(*shape, seed=index // 2), index), mask).image.shape == (*shape, 3)


def test_a_frame_that_waits_counts_all_its_pictures():
    core = eraser(Selection(), red_segmenter(), segment_interval=0)
    pending = [core.observe(frame(put(ROOM, walk(index)), index)) for index in range(3)][-1]
    parts = [pending.frame.image, pending.background, pending.trust, pending.hole.alpha, pending.hole.inside]
    found = [getattr(pending.finding, name) for name in ("mask", "keep", "changed", "found", "ago", "leaps")]
    assert pending.nbytes >= sum(each.nbytes for each in (*parts, *found) if each is not None)


def test_the_memory_of_a_long_pan_is_bounded():
    world = texture(HEIGHT + 20, WIDTH * 6)
    core, sizes = eraser(), []
    for index in range(110):
        picture = look(world, ops.translation(-14 * index, -10), HEIGHT, WIDTH)
        pending = core.observe(frame(picture, index), walk(0))
        core.render(pending)
        sizes.append(pending.plate.nbytes)
    assert core.stats.anchors >= 1
    assert core.stats.cuts == 0
    assert max(sizes) < 7 * HEIGHT * WIDTH * 14


def test_a_real_view_that_travels_many_frame_widths_is_re_anchored_and_not_lost(eraser_data):
    capture = cv2.VideoCapture(str(eraser_data / "videos" / "bmx_trees.mp4"))
    rider = sorted((eraser_data / "videos" / "bmx_trees_masks").glob("*.png"))
    core = eraser()
    for index, path in enumerate(rider):
        picture = cv2.resize(capture.read()[1], (427, 240), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (427, 240), interpolation=cv2.INTER_NEAREST)
        core.step(frame(picture, index), mask)
    assert core.stats.cuts == 0
    assert core.stats.anchors >= 1
    assert core.stats.coverage > 0.7
