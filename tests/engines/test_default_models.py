"""The models that are shipped do what their cards say, on any size."""

from __future__ import annotations

import numpy as np
import pytest

from engines.runtime import DEFAULT_FILLER, DEFAULT_SEGMENTER, Engine, available_models, load_engine

cv2 = pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def segmenter() -> Engine:
    return load_engine(DEFAULT_SEGMENTER, "segmenter", device="cpu", threads=2)


@pytest.fixture(scope="module")
def filler() -> Engine:
    return load_engine(DEFAULT_FILLER, "filler", device="cpu", threads=2)


def photo(name: str, size: tuple[int, int]) -> np.ndarray:
    """(1, 3, *size) float32 RGB in [0, 1] of a public-domain photo that scikit-image ships."""
    data = pytest.importorskip("skimage.data", reason="scikit-image's photos are not installed")
    image = cv2.resize(getattr(data, name)()[..., :3], size[::-1], interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / 255


def test_the_defaults_are_among_the_models() -> None:
    assert DEFAULT_SEGMENTER in available_models("segmenter")
    assert DEFAULT_FILLER in available_models("filler")


def test_cards_name_licences_training_data_and_figures(segmenter: Engine, filler: Engine) -> None:
    for engine in (segmenter, filler):
        assert engine.card.licence == "Apache-2.0"
        assert all(item["source"] and item["licence"] for item in engine.card.training_data)
        assert engine.card.metrics["parity"] < 0.02
    assert segmenter.card.classes == ("person",)


def test_the_astronaut_is_found(segmenter: Engine) -> None:
    matte = segmenter.run(image=photo("astronaut", (288, 288)))["matte"][0, 0]
    face, wall = matte[30:45, 55:70], matte[5:55, 85:100]
    assert (face > 0.5).mean() > 0.95
    assert (wall > 0.5).mean() < 0.05
    assert 0.25 < (matte > 0.5).mean() < 0.75


@pytest.mark.parametrize("name", ["coffee", "rocket"])
def test_nobody_is_found_where_nobody_is(segmenter: Engine, name: str) -> None:
    matte = segmenter.run(image=photo(name, (288, 448)))["matte"]
    assert (matte > 0.5).mean() < 0.02


def test_the_matte_is_half_the_size_for_any_size_and_batch(segmenter: Engine) -> None:
    for count, height, width in ((1, 32, 32), (2, 96, 160), (1, 320, 64)):
        image = np.random.default_rng(0).random((count, 3, height, width), np.float32)
        matte = segmenter.run(image=image)["matte"]
        assert matte.shape == (count, 1, height // 2, width // 2)
        assert matte.dtype == np.float32
        assert 0 <= matte.min() <= matte.max() <= 1


def test_a_batch_gives_what_its_pictures_give_alone(segmenter: Engine) -> None:
    images = np.concatenate([photo("astronaut", (128, 128)), photo("coffee", (128, 128))])
    together = segmenter.run(image=images)["matte"]
    alone = [segmenter.run(image=image[None])["matte"][0] for image in images]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-4)


def test_a_click_on_the_astronaut_finds_her_and_one_on_the_flag_does_not(segmenter: Engine) -> None:
    image = photo("astronaut", (288, 288))
    guidance = np.zeros((2, 3, 288, 288), np.float32)
    for plane, (x, y) in zip(guidance[:, 1], ((120, 200), (20, 150)), strict=True):
        cv2.circle(plane, (x, y), 9, 1.0, cv2.FILLED)
    outputs = segmenter.run(image=image, guidance=guidance)
    person, (her, flag) = outputs["matte"][0, 0] > 0.5, outputs["object"][:, 0] > 0.5
    assert (her & person).sum() > 0.7 * (her | person).sum()
    assert flag.any()
    assert (flag & person).sum() < 0.25 * person.sum()


def test_a_previous_matte_is_followed_where_the_person_went(segmenter: Engine) -> None:
    image = photo("astronaut", (288, 288))
    person = segmenter.run(image=image)["matte"]
    guidance = np.zeros((1, 3, 288, 288), np.float32)
    guidance[0, 0, 8:, 8:] = cv2.resize(person[0, 0], (288, 288))[:-8, :-8]
    thing = segmenter.run(image=image, guidance=guidance)["object"] > 0.5
    assert (thing & (person > 0.5)).sum() > 0.85 * (thing | (person > 0.5)).sum()


def test_people_are_the_same_whatever_is_guided_to_and_objects_alone_or_together(segmenter: Engine) -> None:
    image = photo("astronaut", (128, 160))
    guidance = np.random.default_rng(0).random((3, 3, 128, 160), np.float32)
    guidance[1] = 0
    together = segmenter.run(image=image, guidance=guidance)
    np.testing.assert_allclose(together["matte"], segmenter.run(image=image)["matte"], atol=1e-4)
    assert not together["object"][1].any()
    alone = [segmenter.run(image=image, guidance=plane[None])["object"][0] for plane in guidance]
    np.testing.assert_allclose(together["object"], np.stack(alone), atol=1e-4)


def test_known_pixels_come_back_bit_by_bit(filler: Engine) -> None:
    rng = np.random.default_rng(0)
    for count, height, width in ((1, 32, 32), (2, 64, 160)):
        mask = np.zeros((count, 1, height, width), np.float32)
        mask[:, :, height // 4 : height // 2, width // 4 : width // 2] = 1
        image = rng.random((count, 3, height, width), np.float32) * (1 - mask)
        filled = filler.run(image=image, mask=mask)["image_filled"]
        known = np.broadcast_to(mask == 0, image.shape)
        np.testing.assert_array_equal(filled[known], image[known])
        assert 0 <= filled.min() <= filled.max() <= 1


def test_nothing_to_fill_and_everything_to_fill_are_both_fine(filler: Engine) -> None:
    image, hole = photo("coffee", (64, 96)), np.ones((1, 1, 64, 96), np.float32)
    np.testing.assert_array_equal(filler.run(image=image, mask=hole * 0)["image_filled"], image)
    assert np.isfinite(filler.run(image=image * 0, mask=hole)["image_filled"]).all()


def test_a_gradient_is_continued_far_better_than_by_its_mean(filler: Engine) -> None:
    ramp = np.linspace(0.1, 0.9, 256, dtype=np.float32)
    image = np.ascontiguousarray(np.broadcast_to(ramp, (1, 3, 256, 256)))
    mask = np.zeros((1, 1, 256, 256), np.float32)
    mask[..., 64:192, 64:192] = 1
    filled = filler.run(image=image * (1 - mask), mask=mask)["image_filled"]
    hole = np.broadcast_to(mask > 0, image.shape)
    error = np.abs(filled - image)[hole].mean()
    assert error < 0.4 * np.abs(image[hole] - image[~hole].mean()).mean()


def test_a_fill_shows_no_grid(filler: Engine) -> None:
    image, mask = photo("coffee", (256, 256)), np.zeros((1, 1, 256, 256), np.float32)
    mask[..., 64:192, 64:192] = 1
    filled = filler.run(image=image * (1 - mask), mask=mask)["image_filled"][0, :, 80:176, 80:176].mean(0)
    detail = filled - cv2.GaussianBlur(filled, (0, 0), 4)
    for period in (2, 4, 8):  # strides of the network; what repeats with them is less than a grey level, unseen
        cells = 96 // period
        assert detail.reshape(cells, period, cells, period).mean((0, 2)).std() * 255 < 0.6
