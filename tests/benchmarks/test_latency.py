"""A video is timed over as many of its own frames as were asked for."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import latency
from benchmarks.movie import write_movie
from realtime.media.opening import open_source


@pytest.mark.parametrize("fps", [10, 60])
def test_the_whole_video_ends_after_as_many_frames_as_the_steps(tmp_path, fps):
    path = str(tmp_path / "video.mp4")
    write_movie(tmp_path / "video.mp4", [np.zeros((64, 64, 3), np.uint8)] * 12, fps)
    with open_source(path, end=latency._end_of(path, 7)) as source:
        assert sum(1 for _ in source) == 7
