"""The figures are what their formulas say."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from benchmarks.baselines import Output
from benchmarks.metrics import Score, gradient_norm, leftover, psnr, psnr_over
from benchmarks.scenes import Shot
from benchmarks.shown import BEFORE, LATER, NEVER


def flat(value: float, dtype: type = np.float32) -> np.ndarray:
    return np.full((8, 8, 3), value, dtype)


def everywhere() -> np.ndarray:
    return np.full((8, 8), 255, np.uint8)


def test_psnr_of_a_known_error():
    assert psnr_over(flat(110, np.uint8), flat(100), everywhere()) == pytest.approx(20 * math.log10(255 / 10))


def test_psnr_looks_at_masked_pixels_only():
    image = flat(100, np.uint8)
    image[:4] = 0
    mask = everywhere()
    mask[:4] = 0
    assert psnr_over(image, flat(100), mask) == 99.0
    assert psnr_over(image, flat(100), np.zeros_like(mask)) is None
    assert psnr(None) is None


def test_leftover_is_the_share_that_is_nearer_to_the_person():
    frame, truth = flat(200, np.uint8), flat(100)
    result = flat(100, np.uint8)
    result[:2] = 190
    judged = leftover(result, frame, truth, everywhere())
    assert judged.size == 64
    assert judged.mean() == pytest.approx(0.25)


def test_leftover_does_not_judge_where_person_and_background_look_alike():
    assert leftover(flat(100, np.uint8), flat(110, np.uint8), flat(100), everywhere()).size == 0


def test_gradient_norm_compares_inside_with_outside():
    ramp = np.repeat(np.arange(0, 128, 4, dtype=np.uint8)[None, :, None], 32, axis=0).repeat(3, axis=2)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    assert gradient_norm(ramp, mask) == pytest.approx(0, abs=0.4)
    smeared = ramp.copy()
    smeared[mask > 0] = 64
    assert gradient_norm(smeared, mask) > 1


AT_REST = np.eye(3)


def add(
    score: Score,
    result: np.ndarray,
    shown: np.ndarray,
    mask: np.ndarray | None = None,
    hole: np.ndarray | None = None,
    fills: int = 0,
    camera: np.ndarray = AT_REST,
    truth: np.ndarray | None = None,
) -> None:
    truth = flat(100) if truth is None else truth
    mask = np.full(truth.shape[:2], 255, np.uint8) if mask is None else mask
    alpha, wait = (mask / 255).astype(np.float32), np.full(mask.shape, -1, np.int16)
    shot = Shot(0, camera, np.full_like(result, 220), truth, mask, alpha, np.zeros_like(alpha), shown, wait)
    score.add(Output(result, np.full_like(mask, 255) if hole is None else hole, milliseconds=5.0, fills=fills), shot)


def test_a_score_splits_the_hole_by_what_was_shown():
    shown = np.full((8, 8), BEFORE, np.uint8)
    shown[:, 4:6] = LATER
    shown[:, 6:] = NEVER
    result = flat(100, np.uint8)
    result[:, 4:6] = 105
    result[:, 6:] = 120
    score = Score()
    add(score, result, shown)
    figures = score.figures()
    assert figures["psnr_before"] == 99.0
    assert figures["psnr_later"] == pytest.approx(20 * math.log10(255 / 5))
    assert figures["psnr_never"] == pytest.approx(20 * math.log10(255 / 20))
    assert figures["psnr_all"] == pytest.approx(10 * math.log10(255**2 / (0.25 * 25 + 0.25 * 400)))
    assert (figures["share_before"], figures["share_later"], figures["share_never"]) == (0.5, 0.25, 0.25)
    assert figures["ms"] == 5.0


def test_flicker_is_the_change_of_the_error_not_the_error():
    shown = np.full((8, 8), BEFORE, np.uint8)
    steady, jumping = Score(), Score()
    for value in (110, 110, 110):
        add(steady, flat(value, np.uint8), shown)
    for value in (110, 90, 110):
        add(jumping, flat(value, np.uint8), shown)
    assert steady.figures()["flicker"] == 0
    assert jumping.figures()["flicker"] == pytest.approx(20)


def test_a_wrong_guess_that_stays_in_its_place_in_the_world_does_not_flicker_and_one_that_swims_does():
    shown, guess = np.full((8, 8), BEFORE, np.uint8), flat(100, np.uint8)
    guess += np.arange(0, 160, 20, dtype=np.uint8)[:, None]  # wide enough to be seen through the Gaussian
    fixed, swimming = Score(), Score()
    for shift in (0, 2, 4):
        camera = np.array([[1.0, 0, shift], [0, 1, 0], [0, 0, 1]])
        add(fixed, np.roll(guess, shift, axis=1), shown, camera=camera)
        add(swimming, guess, shown, camera=camera)
    assert fixed.figures()["flicker"] == 0
    assert swimming.figures()["flicker"] == pytest.approx(40)


def test_what_resampling_makes_of_single_pixels_is_no_flicker():
    world = np.random.default_rng(0).normal(128, 30, (64, 64, 3)).astype(np.float32)
    shown, grey = np.full((64, 64), NEVER, np.uint8), np.full((64, 64, 3), 128, np.uint8)
    score = Score()
    for shift in (0, 0.5, 1):
        camera = np.array([[1.0, 0, shift], [0, 1, 0], [0, 0, 1]])
        truth = cv2.warpPerspective(world, camera, (64, 64), borderMode=cv2.BORDER_REFLECT)
        add(score, grey, shown, camera=camera, truth=truth)
    assert score.figures()["flicker"] < 3


def test_flicker_counts_only_what_is_hole_in_both_frames():
    shown = np.full((8, 8), BEFORE, np.uint8)
    left, right = everywhere(), everywhere()
    left[:, 4:], right[:, :4] = 0, 0
    score = Score()
    add(score, flat(110, np.uint8), shown, left)
    add(score, flat(90, np.uint8), shown, right)
    assert score.figures()["flicker"] is None


def test_damage_outside_the_mask_is_measured_where_the_frame_was_changed():
    mask = everywhere()
    mask[4:] = 0
    result = flat(220, np.uint8)
    result[4:6] = 130  # outside the mask; the last rows are left as the frame has them
    score = Score()
    add(score, result, np.where(mask > 0, np.uint8(BEFORE), np.uint8(0)), mask)
    assert score.figures()["psnr_outside"] == pytest.approx(20 * math.log10(255 / 30))


def test_missed_pixels_and_fills_are_counted():
    shown = np.full((8, 8), BEFORE, np.uint8)
    hole = everywhere()
    hole[:2] = 0
    score = Score()
    for fills in (0, 1, 1, 2):
        add(score, flat(100, np.uint8), shown, hole=hole, fills=fills)
    assert score.figures()["missed"] == 0.25
    assert score.figures()["fills"] == 50


def test_leftover_is_also_told_for_what_could_be_known():
    shown = np.full((8, 8), BEFORE, np.uint8)
    shown[4:] = NEVER
    result = flat(100, np.uint8)
    result[4:] = 219
    score = Score()
    add(score, result, shown)
    assert score.figures()["leftover"] == 0.5
    assert score.figures()["leftover_before"] == 0
