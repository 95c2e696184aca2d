"""The baselines, on a clip made of plain arrays."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.baselines import oracle, telea, temporal_median
from benchmarks.scenes import Shot
from benchmarks.shown import BEFORE, NEVER

SIZE = 24


@pytest.fixture
def clip() -> list[Shot]:
    """A vertical ramp; a white square moves over it, and a white corner is never uncovered."""
    truth = np.repeat(np.arange(SIZE, dtype=np.float32)[:, None, None] * 5 + 40, SIZE, axis=1).repeat(3, axis=2)
    shots = []
    for index in range(5):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        mask[8:14, 4 * index : 4 * index + 4] = 255
        shown = np.where(mask > 0, np.uint8(BEFORE), np.uint8(0))
        mask[:3, :3], shown[:3, :3] = 255, NEVER
        frame = np.where(mask[..., None] > 0, 255, truth).astype(np.uint8)
        alpha = (mask / 255).astype(np.float32)
        wait = np.full(mask.shape, -1, np.int16)
        shots.append(Shot(index, np.eye(3), frame, truth, mask, alpha, np.zeros_like(alpha), shown, wait))
    return shots


@pytest.mark.parametrize("method", [telea, temporal_median, oracle])
def test_a_baseline_answers_every_frame_and_touches_only_the_mask(clip, method):
    outputs = list(method(clip))
    assert len(outputs) == len(clip)
    for shot, output in zip(clip, outputs, strict=True):
        outside = shot.mask == 0
        assert np.array_equal(output.image[outside], shot.frame[outside])
        assert (output.image[:3, :3] < 255).all()
        assert output.milliseconds > 0


@pytest.mark.parametrize("method", [temporal_median, oracle])
def test_what_another_frame_shows_is_exact(clip, method):
    for shot, output in zip(clip, method(clip), strict=True):
        known = shot.shown == BEFORE
        assert np.array_equal(output.image[known], shot.truth[known].astype(np.uint8))
