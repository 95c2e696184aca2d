"""--start and --end: only that part is written, all streams alike, and frames keep the numbers they had."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from realtime.errors import EraserError, UsageError
from realtime.media.opening import open_source
from tests.media.clips import Clip, convert, index_of, packets, shown, times

LONG = {"frames": 60, "options": {"g": "12", "bf": "2"}}


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.ts", "in.avi", "in.h264", "in.mpg"])
@pytest.mark.parametrize("start", [0.0, 0.001, 0.04, 0.47, 0.48, 0.5, 1.0, 2.3])
def test_frames_from_a_start_are_the_input_s_and_keep_their_index(tmp_path: Path, name: str, start: float) -> None:
    time_base = Fraction(1, 25) if name.endswith(("avi", "h264", "mpg")) else Fraction(1, 12800)
    codec = "mpeg2video" if name == "in.mpg" else "libx264"
    source = Clip(codec, **LONG, time_base=time_base).write(tmp_path / name)  # type: ignore[arg-type]
    with open_source(source) as opened:
        whole = list(opened)
    zero = whole[0].pts * whole[0].time_base
    expected = [frame for frame in whole if frame.pts * frame.time_base - zero >= Fraction(str(start))]
    with open_source(source, start=start) as opened:
        part = list(opened)
    assert [frame.index for frame in part] == [frame.index for frame in expected]
    assert [frame.pts for frame in part] == [frame.pts for frame in expected]
    assert all((a.image == b.image).all() for a, b in zip(part, expected, strict=True))


@pytest.mark.parametrize("start", [0.5, 1.3])
def test_fragmented_files_are_cut_right(tmp_path: Path, start: float) -> None:
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    source = Clip(**LONG, container_options=options).write(tmp_path / "in.mp4")  # type: ignore[arg-type]
    with open_source(source, start=start) as opened:
        frames = list(opened)
    assert [frame.index for frame in frames] == list(range(-(-round(start * 100) // 4), 60))
    assert [index_of(frame.image) for frame in frames] == [frame.index % 12 for frame in frames]


def test_open_groups_of_pictures_are_cut_right(tmp_path: Path) -> None:
    """Pictures shown before a key frame, but stored behind it, can't be decoded from there."""
    options = {"x264-params": "open-gop=1:keyint=12:min-keyint=12:bframes=3:b-adapt=0:scenecut=0", "preset": "medium"}
    source = Clip(frames=60, options=options).write(tmp_path / "in.mp4")
    for start in (0.3, 0.48, 0.6, 1.0, 1.52):
        with open_source(source, start=start) as opened:
            frames = list(opened)
        assert frames[0].index == -(-start * 25 // 1)
        assert [index_of(f.image) for f in frames] == [f.index % 12 for f in frames]


@pytest.mark.parametrize(("name", "output"), [("in.mp4", "out.mp4"), ("in.mkv", "out.mkv"), ("in.ts", "out.mp4")])
def test_sound_is_cut_with_the_picture_and_stays_in_sync(tmp_path: Path, name: str, output: str) -> None:
    source = Clip(**LONG, audio=["eng"]).write(tmp_path / name)  # type: ignore[arg-type]
    convert(source, tmp_path / output, start=0.8, end=1.6)
    assert len(times(tmp_path / output)) == 20
    before, after = packets(source, 1), packets(tmp_path / output, 1)
    if name == "in.ts":  # each AAC packet has a header of 7 bytes there (ISO/IEC 13818-7, ADTS), elsewhere none
        before = [replace(packet, data=packet.data[7:]) for packet in before]
    first = before[[packet.data for packet in before].index(after[0].data)]
    video_start = sorted(times(source))[20]
    tick = Fraction(1, 1000)
    assert abs((first.pts - video_start) - (after[0].pts - times(tmp_path / output)[0])) <= 2 * tick
    kept = [p for p in before if video_start <= p.pts < sorted(times(source))[40] - tick]
    assert [packet.data for packet in after][: len(kept)] == [packet.data for packet in kept]
    assert len(after) - len(kept) <= 1


def test_subtitles_and_chapters_are_clipped(tmp_path: Path) -> None:
    source = Clip(
        **LONG,  # type: ignore[arg-type]
        subtitles=["eng"],
        chapters=[(0, 0.1, "gone"), (0.1, 0.4, "clipped"), (0.4, 2.4, "long")],
    ).write(tmp_path / "in.mkv")
    convert(source, tmp_path / "out.mkv", start=0.2, end=0.6)
    with av.open(str(tmp_path / "out.mkv")) as container:
        chapters = [(c["metadata"]["title"], c["start"] / 1e9, c["end"] / 1e9) for c in container.chapters()]
        assert [title for title, _, _ in chapters] == ["clipped", "long"]
        assert [time for _, *times in chapters for time in times] == pytest.approx([0, 0.2, 0.2, 0.4])
    assert [p.data for p in packets(tmp_path / "out.mkv", 1)] == [b"line 2 eng", b"line 3 eng"]
    assert [p.pts for p in packets(tmp_path / "out.mkv", 1)] == [0, Fraction(1, 10)]


def test_a_subtitle_on_screen_at_the_start_is_kept(tmp_path: Path) -> None:
    """It lies in the file before the key frame from which is read."""
    source = Clip(frames=25, options={"g": "3"}, subtitles=["eng"]).write(tmp_path / "in.mkv")
    convert(source, tmp_path / "out.mkv", start=0.25)
    assert [p.data for p in packets(tmp_path / "out.mkv", 1)] == [b"line 2 eng", b"line 3 eng"]
    assert [p.pts for p in packets(tmp_path / "out.mkv", 1)] == [0, Fraction(2, 100)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_start_in_a_pipe_is_reached_by_reading(tmp_path: Path) -> None:
    data = Path(Clip(**LONG).write(tmp_path / "in.ts")).read_bytes()  # type: ignore[arg-type]
    pipe = tmp_path / "pipe.ts"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=[data], daemon=True).start()
    with open_source(str(pipe), start=1.0) as opened:
        frames = list(opened)
    assert [frame.index for frame in frames] == list(range(25, 60))
    assert index_of(frames[0].image) == 25 % 12


def test_timecode_of_the_whole_file_advances_with_the_start(tmp_path: Path) -> None:
    source = Clip(**LONG, tags={"timecode": "01:00:00:00"}).write(tmp_path / "in.mkv")  # type: ignore[arg-type]
    convert(source, tmp_path / "out.mkv", start=1.04)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert {key.lower(): value for key, value in container.metadata.items()}["timecode"] == "01:00:01:01"


@pytest.mark.parametrize("extension", ["mov", "mp4", "mkv"])
def test_timecode_advances_with_the_start(tmp_path: Path, extension: str) -> None:
    source = Clip(**LONG, video_tags={"timecode": "01:00:00:00"})  # type: ignore[arg-type]
    convert(source.write(tmp_path / f"in.{extension}"), tmp_path / f"out.{extension}", start=1.04)
    with av.open(str(tmp_path / f"out.{extension}")) as container:
        tags = {key.lower(): value for key, value in container.streams.video[0].metadata.items()}
        assert tags["timecode"] == "01:00:01:01"


def test_the_output_starts_at_zero_with_its_first_frame(tmp_path: Path) -> None:
    source = Clip(**LONG).write(tmp_path / "in.mp4")  # type: ignore[arg-type]
    convert(source, tmp_path / "out.mp4", start=0.99)
    assert times(tmp_path / "out.mp4")[0] == 0
    assert index_of(shown(tmp_path / "out.mp4")[0].frame.to_ndarray(format="bgr24")) == 25 % 12


def test_estimates_cover_the_part_only(tmp_path: Path) -> None:
    source = Clip(**LONG).write(tmp_path / "in.mp4")  # type: ignore[arg-type]
    with open_source(source, start=0.8, end=1.6) as opened:
        assert opened.info.frames == 20
        assert opened.info.duration == pytest.approx(0.8)


def test_times_that_make_no_sense_are_said(tmp_path: Path) -> None:
    source = Clip().write(tmp_path / "in.mp4")
    with pytest.raises(UsageError, match="end"):
        open_source(source, start=1, end=1)
    with pytest.raises(EraserError, match="--start"):
        open_source(source, start=100)
