from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.background.exposure import NEUTRAL, corrected, fit_exposure
from tests.realtime.pictures import disc, texture

PICTURE = texture(60, 60).clip(30, 225)
SAMPLES = PICTURE.reshape(-1, 3).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.8, 1.2), st.floats(-20, 20), st.integers(0, 99))
def test_gain_and_offset_are_found_in_spite_of_noise_and_outliers(gain, offset, seed):
    rng = np.random.default_rng(seed)
    frame = SAMPLES * gain + offset + rng.normal(0, 2, SAMPLES.shape)
    frame[rng.random(len(frame)) < 0.15] = rng.uniform(0, 255, 3)
    fitted = fit_exposure(SAMPLES, frame.clip(0, 255).astype(np.float32))
    test = np.array([[[60] * 3, [128] * 3, [180] * 3]], np.uint8)
    assert np.abs(fitted.apply(test) - (test * gain + offset)).max() < 2.5


def test_equal_pictures_give_a_neutral_exposure_that_changes_nothing():
    fitted = fit_exposure(SAMPLES, SAMPLES)
    assert fitted.neutral
    assert np.array_equal(fitted.apply(PICTURE), PICTURE)


def test_removing_an_exposure_undoes_applying_it():
    fitted = fit_exposure(SAMPLES, (SAMPLES * 0.9 + 14).clip(0, 255))
    there = np.rint(fitted.apply(PICTURE)).astype(np.uint8)
    assert np.abs(fitted.remove(there) - PICTURE).max() < 0.6


def test_too_few_samples_change_nothing():
    assert fit_exposure(SAMPLES[:20], SAMPLES[:20] + 30) is NEUTRAL


@pytest.mark.parametrize("step", [-12.0, 12.0])
def test_a_flat_picture_gets_an_offset_and_no_wild_gain(step):
    rng = np.random.default_rng(1)
    flat = np.full((2000, 3), 120, np.float32) + rng.normal(0, 2, (2000, 3)).astype(np.float32)
    fitted = fit_exposure(flat, flat + step + rng.normal(0, 2, (2000, 3)).astype(np.float32))
    assert np.abs(fitted.gain - 1).max() < 0.25
    assert np.abs(fitted.apply(np.full((1, 1, 3), 120, np.uint8)) - 120 - step).max() < 1


def test_the_membrane_carries_the_rings_difference_into_the_hole():
    hole = disc(80, 80, 40, 40, 18)
    background = texture(80, 80).astype(np.float32)
    ramp = np.linspace(2, 14, 80, dtype=np.float32)[None, :, None]
    met = corrected((background + ramp).clip(0, 255).astype(np.uint8), background, ~hole)
    assert np.abs(met - (background + ramp).clip(0, 255))[hole > 0].max() < 3


def test_an_object_on_the_ring_does_not_bleed_into_the_hole():
    hole, intruder = disc(80, 80, 40, 40, 18), disc(80, 80, 62, 40, 7)
    background = texture(80, 80).astype(np.float32).clip(60, 200)
    frame = np.where(intruder[..., None] > 0, 0, background).astype(np.uint8)
    assert np.abs(corrected(frame, background, ~hole) - background)[hole > 0].max() < 6


def test_without_a_ring_the_background_stays_as_it_is():
    picture = texture(40, 40)
    met = corrected(picture, PICTURE[:40, :40].astype(np.float32), np.zeros((40, 40), np.uint8))
    assert np.array_equal(met, PICTURE[:40, :40])
