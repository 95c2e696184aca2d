"""Any frame of a file, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.errors import EraserError
from realtime.select.clip import Clip
from tests.cli import media
from tests.realtime.pictures import texture

FRAMES = 60


def numbered(index):
    """A picture that tells its number by its light."""
    return np.full((48, 64, 3), 20 + 3 * index, np.uint8)


def number(picture):
    return int((float(picture.mean()) - 18) / 3)  # colours come back a little darker


@pytest.fixture(scope="module", params=["mp4", "mkv", "folder"])
def clip(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    pictures = [numbered(index) for index in range(FRAMES)]
    if request.param == "folder":
        path = media.write_folder(folder / "in", pictures)
    else:
        path = media.write_video(folder / f"in.{request.param}", pictures)
    clip = Clip(str(path))
    shares = list(clip.scan())
    assert shares == sorted(shares)
    assert shares[-1] == 1
    yield clip
    clip.close()


def test_frames_come_exactly_in_any_order(clip):
    assert len(clip) == FRAMES
    for index in (0, 1, 2, 40, 41, 39, 38, 5, 59, 58, 30, 0, 59):
        assert number(clip.frame(index)) == index


def test_times_are_found_again(clip):
    for index in range(0, FRAMES, 7):
        assert clip.index(clip.seconds(index)) == index
    assert clip.index(99) == FRAMES - 1


def test_shots_are_told_frame_by_frame(tmp_path):
    first, second = ((texture(96, 128, seed) * 0.6 + 40).astype(np.uint8) for seed in (1, 2))
    media.write_video(tmp_path / "in.mp4", [first] * 20 + [second] * 20)
    clip = Clip(str(tmp_path / "in.mp4"))
    assert len(list(clip.scan())) == 40
    assert clip.cuts == [0, 20]
    assert (clip.shot(3), clip.shot(20)) == (range(20), range(20, 40))


def test_a_part_of_a_file_has_the_times_of_the_whole(tmp_path):
    media.write_video(tmp_path / "in.mp4", [numbered(index) for index in range(FRAMES)])
    clip = Clip(str(tmp_path / "in.mp4"), 2.0, 4.0)
    assert len(list(clip.scan())) == 20
    assert clip.seconds(0) == pytest.approx(2.0)
    assert [number(clip.frame(index)) for index in (7, 0, 19, 18)] == [27, 20, 39, 38]


def test_a_still_is_told_to_go_elsewhere(tmp_path):
    media.write_folder(tmp_path / "one", [numbered(3)], "{:02d}.png")
    with pytest.raises(EraserError, match="erase-live"):
        Clip(str(tmp_path / "one" / "00.png"))


def test_what_passes_only_once_is_told_so():
    with pytest.raises(EraserError, match="passes only once"):
        Clip("rtsp://127.0.0.1:9/stream")
