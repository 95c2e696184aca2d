import numpy as np
import pytest

from realtime.background import texture
from realtime.background.texture import rebuild
from tests.realtime.pictures import disc


def stripes(height: int, width: int) -> np.ndarray:
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[:, (np.arange(width) // 6) % 2 == 0] = 190
    return picture


def blurred(picture: np.ndarray) -> np.ndarray:
    return np.full_like(picture, round(float(picture.mean())))


@pytest.mark.parametrize("contrast", [1.0, 0.2])
def test_a_blurred_guess_gets_the_texture_of_its_surroundings_back(contrast):
    picture, hole = (stripes(120, 180) * contrast).astype(np.uint8), disc(120, 180, 90, 60, 22)
    rebuilt = rebuild(picture, hole, blurred(picture), 4.0)
    inside = hole > 0
    before = np.abs(blurred(picture)[inside].astype(int) - picture[inside]).mean()
    after = np.abs(rebuilt[inside].astype(int) - picture[inside]).mean()
    assert after < 0.03 * before


def test_what_is_known_stays_as_it_is():
    picture, hole = stripes(120, 180), disc(120, 180, 90, 60, 22)
    rebuilt = rebuild(picture, hole, blurred(picture), 4.0)
    assert np.array_equal(rebuilt[hole == 0], picture[hole == 0])


def test_the_same_hole_is_always_rebuilt_in_the_same_way():
    picture, hole = stripes(120, 180), disc(120, 180, 150, 20, 40)
    assert np.array_equal(rebuild(picture, hole, blurred(picture), 4.0), rebuild(picture, hole, blurred(picture), 4.0))


def test_colours_are_taken_from_the_known_part_only():
    picture, hole = stripes(120, 180), disc(120, 180, 90, 60, 30)
    poisoned = np.where(hole[..., None] > 0, np.uint8(255), picture)
    assert rebuild(poisoned, hole, blurred(picture), 4.0).max() <= 190


def test_the_guess_shows_through_where_patches_disagree(monkeypatch):
    noise, hole = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8), disc(80, 80, 40, 40, 20)
    guess = blurred(noise)

    def away_from_guess() -> float:
        return float(np.abs(rebuild(noise, hole, guess, 4.0)[hole > 0].astype(int) - guess[hole > 0]).mean())

    mixed = away_from_guess()
    monkeypatch.setattr(texture, "DOUBTFUL", np.inf)
    assert mixed < 0.7 * away_from_guess()


def test_the_more_a_guess_was_enlarged_the_less_of_it_shows():
    noise, hole = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8), disc(80, 80, 40, 40, 20)
    guess = blurred(noise)
    near, sharp, twice, most = (
        float(np.abs(rebuild(noise, hole, guess, enlarged)[hole > 0].astype(int) - guess[hole > 0]).mean())
        for enlarged in (0.5, 2.0, 4.0, 8.0)
    )
    assert near == sharp < twice < most


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_hole_that_no_coarser_scale_shows_is_rebuilt(monkeypatch, width):
    monkeypatch.setattr(texture, "DOUBTFUL", np.inf)  # so that patches alone are seen
    picture, hole = stripes(160, 240), np.zeros((160, 240), np.uint8)
    hole[40:120, 100 : 100 + width] = 255
    rebuilt = rebuild(picture, hole, blurred(picture), 4.0)
    assert np.abs(rebuilt[hole > 0].astype(int) - picture[hole > 0]).mean() < 40


@pytest.mark.parametrize("size", [(8, 300), (20, 20), (97, 131), (700, 800)])
def test_any_size_is_rebuilt_and_a_large_hole_is_no_blur(size):
    picture, hole = stripes(*size), disc(*size, size[1] // 2, size[0] // 2, min(size) // 5)
    rebuilt = rebuild(picture, hole, blurred(picture), 4.0)
    assert rebuilt.shape == picture.shape
    if size == (700, 800):
        assert rebuilt[hole > 0].std() > 0.8 * picture[hole > 0].std()


@pytest.mark.parametrize("known", [0, 3])
def test_where_too_little_is_known_to_take_patches_from_the_guess_stays(known):
    picture, hole = stripes(60, 80), np.full((60, 80), 255, np.uint8)
    hole[:, :known] = 0
    rebuilt = rebuild(picture, hole, blurred(picture), 4.0)
    assert np.array_equal(rebuilt[hole > 0], blurred(picture)[hole > 0])
