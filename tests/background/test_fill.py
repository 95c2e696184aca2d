from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from realtime.background import fill
from realtime.background.fill import NetworkFiller, TeleaFiller
from tests.realtime.pictures import disc, texture


class MeanEngine:
    """A filler engine that answers the mean of what it is shown, and keeps what it was shown."""

    device = "cpu"

    def __init__(self, size=(64, 64), runtime="onnx"):
        self.card = SimpleNamespace(name="mean", sizes=(size,), multiple=32, runtime=runtime)
        self.seen = []

    def run(self, image, mask):
        self.seen.append((image, mask))
        mean = image.sum((2, 3), keepdims=True) / np.maximum((1 - mask).sum((2, 3), keepdims=True), 1)
        return {"image_filled": image * (1 - mask) + mean * mask}


PICTURE = texture(200, 300)


def test_known_pixels_are_returned_as_they_were():
    hole = disc(200, 300, 150, 100, 40)
    for filler in (NetworkFiller(MeanEngine()), TeleaFiller()):
        filled = filler.fill(PICTURE, hole)
        assert np.array_equal(filled[hole == 0], PICTURE[hole == 0])
        assert not np.array_equal(filled[hole > 0], PICTURE[hole > 0])


def test_the_network_sees_the_hole_zeroed_and_sizes_that_its_card_allows():
    engine = MeanEngine()
    NetworkFiller(engine).fill(PICTURE, disc(200, 300, 150, 100, 40))
    (image, mask) = engine.seen[0]
    assert image.shape[1:2] + mask.shape[1:2] == (3, 1)
    assert image.shape[2] % 32 == image.shape[3] % 32 == 0
    assert image.shape[2] * image.shape[3] <= 1.6 * 64 * 64
    assert not image[np.broadcast_to(mask, image.shape) > 0].any()


def test_what_is_inside_the_hole_does_not_change_the_fill():
    hole = disc(200, 300, 150, 100, 40)
    poisoned = np.where(hole[..., None] > 0, 255, PICTURE).astype(np.uint8)
    filler = NetworkFiller(MeanEngine())
    assert np.array_equal(filler.fill(PICTURE, hole)[hole > 0], filler.fill(poisoned, hole)[hole > 0])


class RampEngine(MeanEngine):
    """Fills with what grows brighter from the left of what it sees to the right."""

    def run(self, image, mask):
        ramp = np.broadcast_to(np.linspace(0, 1, image.shape[3], dtype=np.float32), image.shape)
        return {"image_filled": image * (1 - mask) + ramp * mask}


@pytest.mark.parametrize(("runtime", "slope"), [("onnx", 0), ("torch", 100)])
def test_the_mirror_image_counts_too_unless_the_network_searches_at_random(monkeypatch, runtime, slope):
    monkeypatch.setattr("realtime.background.texture.rebuild", lambda image, hole, guess, enlarged: guess)
    hole = disc(200, 300, 150, 100, 60)
    filled = NetworkFiller(RampEngine(runtime=runtime)).fill(PICTURE, hole)
    assert filled[100, 195].mean() - filled[100, 105].mean() == pytest.approx(slope, abs=30)


def test_texture_is_taken_from_further_than_the_network_sees(monkeypatch):
    picture, shown = texture(400, 400), []
    picture[:, :30] = (0, 0, 255)
    engine, rebuild = MeanEngine(), fill.texture.rebuild
    monkeypatch.setattr(fill.texture, "rebuild", lambda image, *rest: shown.append(image) or rebuild(image, *rest))
    NetworkFiller(engine).fill(picture, disc(400, 400, 200, 200, 80))
    ((seen, _),) = engine.seen
    assert not (seen[0, 0] > 0.99).all(axis=0).any()
    assert (shown[0] == (0, 0, 255)).all(axis=2).any()


def test_holes_far_apart_are_filled_one_by_one():
    engine = MeanEngine()
    NetworkFiller(engine).fill(texture(200, 900), disc(200, 900, 80, 100, 20) | disc(200, 900, 800, 100, 20))
    assert len(engine.seen) == 2


def test_a_small_hole_near_a_large_one_leaves_no_seam_in_it(monkeypatch):
    monkeypatch.setattr("realtime.background.texture.rebuild", lambda image, hole, guess, enlarged: guess)
    large, small = disc(400, 600, 380, 200, 140), disc(400, 600, 150, 200, 30)
    ramp = np.broadcast_to(np.linspace(0, 250, 600).astype(np.uint8)[None, :, None], (400, 600, 3)).copy()
    filled = NetworkFiller(MeanEngine((256, 256))).fill(ramp, large | small)
    assert np.ptp(filled[disc(400, 600, 380, 200, 125) > 0].astype(int), axis=0).max() <= 1


def test_a_picture_without_any_known_pixel_is_still_answered():
    filled = NetworkFiller(MeanEngine()).fill(PICTURE, np.full((200, 300), 255, np.uint8))
    assert filled.shape == PICTURE.shape
