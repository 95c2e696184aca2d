"""Times per stage and the report."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import EraserError
from realtime.report import Histogram, StageTimes, write_text

DURATIONS = st.lists(st.floats(0.002, 1e6), min_size=1, max_size=300)


@given(DURATIONS, st.sampled_from([1, 50, 90, 99, 100]))
def test_percentiles_are_within_one_per_cent_of_the_exact_ones(durations, percent):
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    exact = float(np.percentile(durations, percent, method="inverted_cdf"))
    assert histogram.percentile(percent) == pytest.approx(exact, rel=0.01)
    assert histogram.max == max(durations)
    assert histogram.total == pytest.approx(sum(durations))


def test_a_histogram_takes_any_duration_and_does_not_grow():
    histogram = Histogram()
    size = len(histogram._counts)
    for duration in (0.0, 1e-9, 1e-3, 1.0, 1e12):
        histogram.add(duration)
    assert histogram.count == 5
    assert histogram.percentile(100) <= histogram.max
    assert len(histogram._counts) == size


def test_an_empty_histogram_has_no_percentiles():
    assert Histogram().percentile(50) == 0


def test_stages_keep_their_order_and_count_only_the_frames_they_ran_in():
    times = StageTimes()
    times.add({"segment": 10.0, "fill": 40.0})
    times.add({"segment": 12.0})
    summary = times.summary()
    assert list(summary) == ["segment", "fill"]
    assert summary["segment"].count == 2
    assert summary["segment"].mean == 11
    assert summary["segment"].max == 12
    assert summary["fill"].count == 1
    assert summary["fill"].p50 == pytest.approx(40, rel=0.01)


def test_a_report_file_is_replaced_whole_and_nothing_is_left_beside(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    write_text(path, json.dumps({"new": True}))
    assert json.loads(path.read_text()) == {"new": True}
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_goes_into_a_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(path.read_text)
        write_text(path, "{}")
        assert read.result(60) == "{}"
    assert path.is_fifo()


def test_a_report_follows_a_link(tmp_path):
    (tmp_path / "report.json").symlink_to("real.json")
    for text in ("first", "second"):
        write_text(tmp_path / "report.json", text)
        assert (tmp_path / "real.json").read_text() == text
    assert (tmp_path / "report.json").is_symlink()


def test_a_report_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(EraserError, match="cannot write"):
        write_text(tmp_path / "nowhere" / "report.json", "{}")


def test_a_name_that_is_no_utf_8_can_be_reported(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp4")
    write_text(tmp_path / "report.json", json.dumps({"input": name, "title": "ä"}, ensure_ascii=False))
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"input": name, "title": "ä"}
    assert "ä" in text
