"""The scenes are deterministic, and their truth is the frame without the person and the noise."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from benchmarks.scenes import NOISE, SCENES, WIDTH, Scene, crossing, scene
from benchmarks.shown import BEFORE, LATER, NEVER, OUTSIDE

pytestmark = pytest.mark.usefixtures("eraser_data")


@pytest.fixture(scope="module", params=SCENES)
def short(request: pytest.FixtureRequest) -> Scene:
    return scene(request.param, frames=4)


def test_a_scene_is_the_same_every_time(short: Scene):
    again = scene(short.name, frames=4)
    for first, second in zip(itertools.islice(short, 2), again, strict=False):
        assert np.array_equal(first.frame, second.frame)
        assert np.array_equal(first.truth, second.truth)
        assert np.array_equal(first.shown, second.shown)


def test_outside_the_mask_the_frame_is_the_truth_plus_noise(short: Scene):
    shot = short.shot(2)
    free = (
        (shot.mask == 0) & (shot.shade < 0.002) & (shot.truth.min(2) > 8) & (shot.truth.max(2) < 247)
    )  # noise is clipped elsewhere
    error = shot.frame[free] - shot.truth[free]
    assert error.mean() == pytest.approx(0, abs=0.15)
    assert error.std() == pytest.approx(NOISE, rel=0.08)
    assert np.abs(error).max() < 16  # soft edges end at an alpha of 0.02


def test_the_mask_is_where_alpha_is_and_labels_cover_it(short: Scene):
    shot = short.shot(1)
    assert shot.mask.any() == (short.name != "rises")
    assert np.array_equal(shot.mask > 0, shot.alpha > 0.02)
    assert np.array_equal(shot.shown != OUTSIDE, shot.mask > 0)
    assert (shot.wait[shot.shown == LATER] > 0).all()
    assert (shot.wait[shot.shown == NEVER] == -1).all()


def test_a_shadow_darkens_the_frame_and_not_the_truth():
    shot = scene("shadow", frames=60).shot(45)
    dark = (shot.shade > 0.3) & (shot.mask == 0)
    assert dark.sum() > 500
    assert (shot.frame[dark] / np.maximum(shot.truth[dark], 1)).mean() < 0.7
    assert not scene("still", frames=2).shot(1).shade.any()


def test_every_camera_stays_inside_the_world():
    corners = np.array([[[0, 0], [479, 0], [479, 269], [0, 269]]], float)
    for name in SCENES:
        made = scene(name)
        height, width = made.world.shape[:2]
        for camera in made.cameras:
            x, y = cv2.perspectiveTransform(corners, np.linalg.inv(camera))[0].T
            assert x.min() >= -0.5
            assert x.max() <= width - 0.5
            assert y.min() >= -0.5
            assert y.max() <= height - 0.5


def test_the_cameras_move_as_the_scenes_say():
    still, pan, shake = scene("still"), scene("pan"), scene("shake")
    assert all(np.array_equal(camera, still.cameras[0]) for camera in still.cameras)
    assert pan.cameras[0][0, 2] - pan.cameras[-1][0, 2] >= WIDTH
    middle = np.array([camera @ [256, 195, 1] for camera in shake.cameras])
    assert 9 < np.abs(middle[:, :2] - [239.5, 134.5]).max() <= 10.1


def test_exposure_drifts_by_twenty_grey_levels():
    made = scene("flicker")
    background = [
        float((made.world * gain + offset).mean()) for gain, offset in zip(made.gains, made.offsets, strict=True)
    ]
    assert max(background) - min(background) >= 20


@pytest.mark.parametrize(
    ("name", "label", "share"),
    [("still", BEFORE, 0.9), ("pan", LATER, 0.05), ("stays", LATER, 0.5), ("sway", NEVER, 0.5)],
)
def test_a_scene_hides_what_it_is_for(name, label, share):
    made = scene(name)
    made.cameras = made.cameras[::6]
    made.people = [(sprite, poses[::6]) for sprite, poses in made.people]
    counts = np.sum([np.bincount(shot.shown.ravel(), minlength=4) for shot in made], axis=0)
    assert counts[label] / counts[1:].sum() > share


def test_near_and_far_move_apart_and_each_is_labelled_by_its_own_camera():
    made = scene("parallax", frames=70)
    assert made.near is not None
    near = made.near.cameras[-1][0, 2] - made.near.cameras[0][0, 2]
    assert near < 1.4 * (made.cameras[-1][0, 2] - made.cameras[0][0, 2]) < 0
    counts = np.bincount(made.shot(60).shown.ravel(), minlength=4)
    assert counts[BEFORE] > 0.5 * counts[1:].sum()


def test_who_is_not_erased_belongs_to_the_truth_and_is_known_to_nobody_behind_the_mask():
    made = scene("moving", frames=75)
    shot = made.shot(68)
    hidden = (shot.shown == NEVER) & (shot.mask > 0)
    alone = scene("moving", frames=75)
    alone.bystanders = []
    assert np.abs(shot.truth - alone.shot(68).truth)[hidden].mean() > 20
    assert not np.array_equal(made.shot(0).truth, made.shot(30).truth)


def test_the_camera_of_a_made_clip_stands_or_is_hand_held():
    for hand_held in (False, True):
        shots = list(crossing(192, 108, 5, hand_held=hand_held))
        assert all(shot.frame.shape == (108, 192, 3) for shot in shots)
        assert 0.03 < np.mean(shots[2].mask > 0) < 0.2
        change = np.abs(shots[0].truth - shots[1].truth).mean()
        assert change > 1 if hand_held else change == 0
