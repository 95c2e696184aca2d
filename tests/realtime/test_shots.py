from __future__ import annotations

import math
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from realtime import ops
from realtime.media.opening import open_source
from realtime.shots import Shot, ShotFinder, find_shots
from tests.realtime.pictures import disc, look, put, texture

HEIGHT, WIDTH = 90, 160
STREET, ROOM, FIELD = (texture(HEIGHT, 6 * WIDTH, seed) for seed in (3, 4, 5))


def panned(world, count, speed=0.0):
    """A camera that pans by `speed` pixels a frame."""
    return [look(world, ops.translation(-speed * index, 0), HEIGHT, WIDTH) for index in range(count)]


def dissolved(before, after, frames):
    """The second clip faded in over the first one's last `frames`."""
    mixed = []
    for index, (one, other) in enumerate(zip(before[len(before) - frames :], after, strict=False)):
        share = (index + 1) / (frames + 1)
        mixed.append(cv2.addWeighted(one, 1 - share, other, share, 0))
    return [*before[: len(before) - frames], *mixed, *after[frames:]]


def shots(pictures):
    finder = ShotFinder()
    for index, picture in enumerate(pictures):
        finder.add(picture, float(index))
    return finder.shots()


def test_a_hard_cut_ends_one_shot_and_begins_the_next_at_the_same_frame():
    assert shots(panned(STREET, 20) + panned(ROOM, 15)) == [Shot(0, 20), Shot(20, math.inf)]


def test_a_cut_among_the_last_frames_is_found_too():
    assert shots(panned(STREET, 20) + panned(ROOM, 2)) == [Shot(0, 20), Shot(20, math.inf)]


@pytest.mark.parametrize("frames", [1, 5, 12, 30])
def test_the_frames_of_a_dissolve_belong_to_neither_shot(frames):
    first, second = shots(dissolved(panned(STREET, 60), panned(ROOM, 60), frames))
    assert (first.start, second.end) == (0, math.inf)
    assert abs(first.end - (60 - frames)) <= 1
    assert abs(second.start - 60) <= 1


def test_a_dissolve_between_moving_cameras_is_found():
    first, second = shots(dissolved(panned(STREET, 50, 0.8), panned(ROOM, 50, 0.5), 16))
    assert first.end <= 34 + 2
    assert second.start >= 50 - 2


def test_a_fast_pan_is_one_shot():
    assert shots(panned(STREET, 30, 0.15 * WIDTH)) == [Shot(0, math.inf)]


@pytest.mark.parametrize("seed", [4, 5])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_slow_zoom_is_one_shot(seed, direction):
    world = texture(3 * HEIGHT, 3 * WIDTH, seed)
    zoomed = [zoom(world, 2 ** (index / 99)) for index in range(100)]
    assert shots(zoomed[::direction]) == [Shot(0, math.inf)]


def zoom(world, scale):
    """What a camera sees that looks at the middle of a world three times as large."""
    enlarged = ops.translation(WIDTH / 2, HEIGHT / 2) @ np.diag([scale, scale, 1.0])
    return look(world, enlarged @ ops.translation(-1.5 * WIDTH, -1.5 * HEIGHT), HEIGHT, WIDTH)


def test_flashes_and_jumps_of_exposure_are_no_cuts():
    pictures = panned(STREET, 60, 0.5)
    for index in (10, 11, 12):
        pictures[index] = np.full_like(pictures[0], 255)
    pictures[20] = cv2.convertScaleAbs(pictures[20], alpha=0.4, beta=150)
    for index in range(30, 60):
        pictures[index] = cv2.convertScaleAbs(pictures[index], alpha=0.6, beta=20)
    assert shots(pictures) == [Shot(0, math.inf)]


def test_somebody_who_comes_to_fill_most_of_the_picture_is_no_dissolve():
    pictures = panned(STREET, 60)
    for index in range(20, 60):
        pictures[index] = put(pictures[index], disc(HEIGHT, WIDTH, 80, 60, 2 * (index - 20)))
    assert shots(pictures) == [Shot(0, math.inf)]


def test_two_dissolves_and_a_cut_in_a_row_are_three_changes():
    film = dissolved(panned(STREET, 40), panned(ROOM, 40), 8) + panned(FIELD, 40)
    found = shots(dissolved(film, panned(STREET[:, WIDTH:], 40), 12))
    assert len(found) == 4
    assert found[1].end == found[2].start == 72


def test_a_fade_through_black_belongs_to_neither_shot():
    black = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 25
    faded = dissolved(dissolved(panned(STREET, 40), black, 8), panned(ROOM, 40), 8)
    first, second = shots(faded)
    assert abs(first.end - 32) <= 1
    assert abs(second.start - 57) <= 1


def test_the_same_scene_after_a_moment_of_black_is_the_same_shot():
    black = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 20
    assert shots(panned(STREET, 20) + black + panned(STREET, 20)) == [Shot(0, math.inf)]


def test_black_frames_at_both_ends_of_a_film_are_no_shots():
    black = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 10
    assert shots(black + panned(STREET, 20) + black) == [Shot(10, 30)]


def test_shots_of_a_file_are_told_in_the_times_of_its_frames(tmp_path):
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, picture in enumerate(panned(STREET, 20) + panned(ROOM, 20)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_source(str(path)) as source:
        times = [frame.time for frame in source]
    assert find_shots(path) == [Shot(times[0], times[20]), Shot(times[20], math.inf)]
    assert find_shots(path, start=0.4, end=0.6) == [Shot(times[10], math.inf)]


def test_shots_of_pictures_are_found_alike(tmp_path):
    for index, picture in enumerate(panned(STREET, 8) + panned(ROOM, 8)):
        cv2.imwrite(str(tmp_path / f"{index:02}.png"), picture)
    assert find_shots(tmp_path) == [Shot(0, 0.32), Shot(0.32, math.inf)]
