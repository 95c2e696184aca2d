"""The pieces that following an object is made of."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime import ops
from realtime.background.imprint import imprint
from realtime.edits import Paint
from realtime.motion.flow import DenseFlow, Flow, Reduced
from realtime.motion.glance import View
from realtime.motion.sight import Sight
from realtime.refine import place, sharpened
from realtime.tracking import grabcut, judging
from realtime.tracking.appearance import Appearance
from realtime.tracking.found import summed_up
from realtime.tracking.parts import Parts, claimed, hanging_together, part_at
from realtime.tracking.strokes import Strokes
from realtime.tracking.track import Click, Track
from tests.realtime.pictures import disc, put, texture

HEIGHT, WIDTH = 96, 160
ROOM = (texture(HEIGHT, WIDTH) * 0.35 + 90).astype(np.uint8)
BLUE, YELLOW = (230, 40, 20), (20, 220, 230)


def at(x, y=48, radius=14):
    return disc(HEIGHT, WIDTH, x, y, radius)


def matte(mask):
    return mask.astype(np.float32) / np.float32(255)


def lab(picture):
    return cv2.cvtColor(picture, cv2.COLOR_BGR2Lab)


def iou(first, second):
    return np.count_nonzero(first & second) / np.count_nonzero(first | second)


def test_flow_carries_mattes_and_points_with_the_picture():
    world = texture(HEIGHT, WIDTH + 20)
    flow = Flow()
    assert flow.step(Reduced(world[:, 5:-15], (HEIGHT, WIDTH))) is None
    step = flow.step(Reduced(world[:, 2:-18], (HEIGHT, WIDTH)))
    assert iou(step.matte(matte(at(80))) >= 0.5, at(83) > 0) > 0.95
    assert step.point(80, 48) == pytest.approx((83, 48), abs=0.5)
    assert flow.step(Reduced(world, (40, 60))) is None


@pytest.mark.parametrize("finest", [0, 1])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (10, 130), (15, 100), (9, 640), (130, 10)])
def test_pictures_too_small_for_flow_stay_where_they_are(size, finest):
    picture = texture(*size)[..., 0]
    assert not DenseFlow(finest)(picture, np.roll(picture, 2, 1)).any()


def test_an_outline_goes_with_its_object_and_not_with_what_passes_behind_it():
    behind, cloth = texture(HEIGHT, WIDTH + 20), texture(HEIGHT, WIDTH + 20, 3) // 2
    flow = Flow()

    def picture(camera, x):
        """The background has moved by `camera` pixels to the left, the object by x to the right."""
        return np.where(
            at(60 + x)[..., None] > 0, cloth[:, 10 - x : WIDTH + 10 - x], behind[:, camera : WIDTH + camera]
        )

    mask = matte(at(60))
    flow.step(Reduced(picture(0, 0), (HEIGHT, WIDTH)))
    for frame in range(1, 6):
        mask = flow.step(Reduced(picture(2 * frame, frame), (HEIGHT, WIDTH))).matte(mask)
    assert iou(mask >= 0.5, at(65) > 0) > 0.7


def test_thin_limbs_are_carried_along():
    flow, limb = Flow(), np.zeros((HEIGHT, WIDTH), np.uint8)
    limb[30:70, 60:64] = 255
    moved = np.roll(limb, 5, 1)
    flow.step(Reduced(put(ROOM, limb, BLUE), (HEIGHT, WIDTH)))
    assert iou(flow.step(Reduced(put(ROOM, moved, BLUE), (HEIGHT, WIDTH))).matte(matte(limb)) >= 0.5, moved > 0) > 0.8


def test_a_part_of_a_matte_is_what_hangs_together():
    both = matte(at(40) | at(110))
    assert np.array_equal(part_at(both, 40, 48) >= 0.5, at(40) > 0)
    assert part_at(both, 75, 48) is None
    assert np.array_equal(hanging_together(both, at(105, 48, 3)) >= 0.5, at(110) > 0)


def test_parts_keep_their_numbers_and_get_new_ones_from_where_objects_get_theirs():
    parts, nobody = Parts(iter(range(7, 99))), np.zeros((HEIGHT, WIDTH), np.uint8)
    parts.update(matte(at(40) | at(110, 48, 18)), nobody)
    assert {part.number: bool(part.mask[48, 40]) for part in parts.latest} == {7: False, 8: True}
    parts.update(matte(at(46, 48, 18) | at(104)), nobody)
    assert {part.number: bool(part.mask[48, 46]) for part in parts.latest} == {7: False, 8: True}
    parts.update(matte(at(46) | at(104)), at(46))
    assert [part.number for part in parts.latest] == [7]


def test_an_object_claims_its_part_wholly_and_of_a_shared_part_only_what_it_covers():
    own = matte(at(60, 48, 12))
    claim, shared = claimed(matte(at(62)), own, 3)
    assert (np.array_equal(claim >= 0.5, at(62) > 0), shared) == (True, False)
    claim, shared = claimed(matte(at(60) | at(80, 48, 20) | at(105, 48, 20)), own, 3)
    assert shared
    assert not (claim >= 0.5)[48, 80:].any()


def test_colours_tell_an_object_from_others_and_find_it_again():
    look = lab(put(put(ROOM, at(40), BLUE), at(110), YELLOW))
    appearance = Appearance(look, matte(at(40)))
    assert appearance.distance(look, matte(at(40, 50, 12))) < 0.1
    assert appearance.distance(look, matte(at(110))) > 0.8
    region = appearance.find(look, (28, 28), np.zeros((HEIGHT, WIDTH), np.uint8))
    assert abs((region.x0 + region.x1) / 2 - 40) < 4
    darker = lab((put(ROOM, at(40), BLUE) * 0.9).astype(np.uint8))
    assert appearance.distance(darker, matte(at(40))) < 0.6


def test_colours_cut_out_what_is_clicked_or_boxed_and_find_the_rim_again():
    picture = put(put(ROOM, at(60), BLUE), at(120), YELLOW)
    assert iou(grabcut.from_clicks(picture, [(60, 48)], []) > 0, at(60) > 0) > 0.85
    assert iou(grabcut.from_box(picture, ops.Region(32, 65, 44, 77)) > 0, at(60) > 0) > 0.85
    likely = Appearance(lab(picture), matte(at(60))).likelihood(lab(picture), at(63), 10)
    assert iou(grabcut.refit(picture, at(63), likely) > 0, at(60) > 0) > 0.85


def test_a_network_may_answer_with_one_of_two_people_but_not_with_a_scrap_of_one():
    pair, one, scrap = matte(at(50) | at(72)), matte(at(50)), matte(at(50, 48, 4))
    assert judging.united(one, pair) is one
    assert judging.united(scrap, pair) is pair
    assert np.array_equal(judging.united(one, matte(at(52))), np.maximum(one, matte(at(52))))


def test_one_of_a_crowd_is_no_scrap_and_what_hangs_together_with_somebody_far_away_is_not_of_them():
    crowd = matte(at(30) | at(55) | at(80) | at(105) | at(130))
    assert judging.united(matte(at(30)), crowd).max() == 1
    assert not judging.united(matte(at(30)), crowd)[48, 80:].any()
    joined = matte(at(50, 48, 20) | at(75, 48, 8) | at(90, 48, 8))
    assert not judging.united(matte(at(50, 48, 20)), joined)[48, 80:].any()


def test_what_is_clicked_away_goes_with_all_that_hangs_together_with_it():
    pieces = matte(at(40) | at(100))
    left = judging.clicked_away(pieces, [(40, 48)], [(100, 48)])
    assert not (left[:, 80:] > 0).any()
    assert left[48, 40] == 1
    within = judging.clicked_away(matte(at(60, 48, 30)), [(40, 48)], [(80, 48)])
    assert (within[48, 40], within[48, 80]) == (1, 0)


def begun(mask, picture):
    track = Track(1, matte(mask))
    track.begin(matte(mask), lab(picture), 0.0)
    return track


def test_a_track_is_lost_only_after_several_doubtful_looks_in_a_row():
    picture, nothing = put(ROOM, at(80), BLUE), np.zeros((HEIGHT, WIDTH), np.float32)
    track = begun(at(80), picture)
    for look in (nothing, nothing, matte(at(80)), nothing, nothing):
        track.look(look, lab(picture), 0.1)
        assert track.state == "followed"
        assert not (at(80) & ~ops.at_least(track.hole(), 0.5)).any()
    track.look(nothing, lab(picture), 0.2)
    assert track.state == "lost"
    assert not (at(80) & ~ops.at_least(track.hole(), 0.5)).any()


def test_what_looks_different_at_once_is_another_object():
    track = begun(at(80), put(ROOM, at(80), BLUE))
    for _ in range(3):
        track.look(matte(at(80)), lab(put(ROOM, at(80), YELLOW)), 0.1)
    assert track.state == "lost"


def test_when_two_part_again_the_one_that_looks_like_it_is_followed():
    picture = put(put(ROOM, at(50), BLUE), at(110), YELLOW)
    familiar = begun(at(50), picture).familiar(matte(at(50) | at(110)), lab(picture), 0.0)
    assert np.array_equal(familiar >= 0.5, at(50) > 0)


@pytest.mark.parametrize(
    ("other", "time", "kept"), [(at(110), 1.0, False), (at(110), 3.0, True), (at(52, 86, 8), 1.0, True)]
)
def test_when_two_part_again_the_one_that_was_clicked_on_is_followed_but_not_without_what_is_above_or_below(
    other, time, kept
):
    picture = put(ROOM, at(50) | other, BLUE)
    track = begun(at(50) | other, picture)
    track.clicks = [Click(48.0, 50.0, True, 0.0)]
    familiar = track.familiar(matte(at(50) | other), lab(picture), time) >= 0.5
    assert familiar[at(50) > 0].all()
    assert familiar[other > 0].all() if kept else not familiar[other > 0].any()


def test_whoever_is_erased_is_no_stranger_to_the_plate():
    one, other = at(40), at(120)
    track, size = Track(1, matte(one), person=True, fresh=False), (HEIGHT, WIDTH)
    alone = summed_up(matte(ops.grow(one, 1)), False, [track], size)
    beside = summed_up(matte(one | other), False, [track], size)
    assert not alone.foreign.any()
    assert np.array_equal(beside.foreign, other)


def test_strokes_are_painted_rubbed_out_and_taken_back():
    strokes = Strokes()
    strokes.paint(Paint(((20.0, 40.0), (60.0, 40.0)), 5, True), np.eye(3))
    strokes.paint(Paint(((60.0, 40.0),), 8, False), np.eye(3))
    mask = strokes.mask((HEIGHT, WIDTH))
    assert (mask[40, 22], mask[44, 40], mask[48, 40], mask[40, 60]) == (255, 255, 0, 0)
    assert strokes.begun((HEIGHT, WIDTH)) is not None
    assert strokes.begun((HEIGHT, WIDTH)) is None
    strokes.follow(ops.translation(10, 0))
    assert not strokes.drop_at(20, 40, (HEIGHT, WIDTH))
    assert strokes.drop_at(35, 42, (HEIGHT, WIDTH))
    assert not strokes.mask((HEIGHT, WIDTH)).any()


def test_a_matte_is_placed_in_the_frame_to_within_half_its_pixel():
    small = matte(disc(48, 80, 30.25, 20.25, 10))
    region, enlarged = place(small, (192, 320))
    mask = np.zeros((192, 320), np.uint8)
    mask[region.slices] = ops.at_least(enlarged, 0.5)
    assert iou(mask > 0, disc(192, 320, 122.5, 82.5, 40) > 0) > 0.95
    assert place(np.zeros((48, 80), np.float32), (192, 320)) is None


def test_a_small_mattes_rim_is_drawn_along_the_edges_of_the_picture():
    room = (texture(192, 320) * 0.2 + 90).astype(np.uint8)
    star = np.zeros((192, 320), np.uint8)
    angles = np.arange(14) * np.pi / 7
    radii = np.where(np.arange(14) % 2, 24, 56)
    points = np.stack([160 + radii * np.cos(angles), 96 + radii * np.sin(angles)], axis=1)
    cv2.fillPoly(star, [np.rint(points).astype(np.int32)], 255)
    rough = cv2.GaussianBlur(cv2.resize(matte(star), (80, 48), interpolation=cv2.INTER_AREA), (0, 0), 1.2)
    masks = []
    for region, enlarged in (place(rough, (192, 320)), sharpened(rough, put(room, star, BLUE))):
        masks.append(np.zeros((192, 320), np.uint8))
        masks[-1][region.slices] = ops.at_least(enlarged, 0.5)
    assert iou(masks[0] > 0, star > 0) < 0.88
    assert iou(masks[1] > 0, star > 0) > 0.93


@pytest.mark.parametrize(("plate", "forgotten"), [("object", True), ("room", False)])
def test_the_plate_forgets_an_object_that_stood_there_but_not_what_is_behind_one_that_came(plate, forgotten):
    frame = put(ROOM, at(80), BLUE)
    known = np.full((HEIGHT, WIDTH), 255, np.uint8)
    expected = frame if plate == "object" else ROOM
    view = View.of(frame)
    stale = imprint(at(80), at(80), view, expected, Sight(expected, view.contrast, known, known))
    assert bool(stale[48, 80]) == forgotten
    assert not stale[:20].any()


def test_an_object_that_stands_still_has_no_speed_when_mattes_change_their_size():
    matte = np.zeros((144, 256), np.float32)
    matte[60:100, 100:140] = 1
    lab = np.full((144, 256, 3), 100, np.uint8)
    track = Track(1, matte)
    track.begin(matte, lab, 0.0)
    track.fit((72, 128))
    assert track.matte.shape == (72, 128)
    track.look(track.matte, lab[:72, :128], 0.1)
    assert np.abs([*track.drift, *track.speed]).max() < 1e-3
