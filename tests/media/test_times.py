"""No frame is dropped, doubled or moved by more than a tick of the output's clock."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from realtime.media.opening import open_source
from tests.media.clips import FRAMES, Clip, convert, index_of, packets, shown, times

TICK = {"mp4": Fraction(1, 10000), "mov": Fraction(1, 10000), "mkv": Fraction(1, 1000), "webm": Fraction(1, 1000)}


def uneven(index: int) -> int:
    """Variable frame rate in ticks of 1/12800 s: 20 to 200 ms between frames."""
    return sum(256 * (1 + (i * 7) % 10) for i in range(index))


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "webm"])
@pytest.mark.parametrize("source_container", ["mp4", "mkv"])
def test_variable_frame_rate_stays_as_it_is(tmp_path: Path, source_container: str, container: str) -> None:
    source = Clip(pts=uneven, audio=["eng"]).write(tmp_path / f"in.{source_container}")
    output = tmp_path / f"out.{container}"
    convert(source, output)
    before, after = times(source), times(output)
    assert len(before) == len(after) == FRAMES
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= TICK[container]
    assert [index_of(f.frame.to_ndarray(format="bgr24")) for f in shown(output)] == list(range(FRAMES))


@pytest.mark.parametrize("codec", ["hevc", "vp9", "av1", "ffv1"])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_every_codec_keeps_uneven_times(tmp_path: Path, codec: str, container: str) -> None:
    source = Clip(pts=lambda i: 3000 + uneven(i)).write(tmp_path / "in.mp4")
    output = tmp_path / f"out.{container}"
    convert(source, output, codec=codec)
    assert max(abs(a - b) for a, b in zip(times(source), times(output), strict=True)) <= TICK[container]
    assert [index_of(f.frame.to_ndarray(format="bgr24")) for f in shown(output)] == list(range(FRAMES))


@pytest.mark.parametrize("extension", ["avi", "wmv"])
def test_uneven_times_are_kept_where_a_packet_has_but_one(tmp_path: Path, extension: str) -> None:
    source = Clip(pts=uneven).write(tmp_path / "in.mp4")
    output = tmp_path / f"out.{extension}"
    convert(source, output)
    with open_source(str(output)) as opened:
        frames = [(frame.pts * frame.time_base, index_of(frame.image)) for frame in opened]
    assert [index for _, index in frames] == list(range(FRAMES))
    assert max(abs(a - b) for a, (b, _) in zip(times(source), frames, strict=True)) <= Fraction(1, 1000)


def test_a_y4m_file_has_the_frame_rate_of_the_input(tmp_path: Path) -> None:
    convert(Clip().write(tmp_path / "in.mp4"), tmp_path / "out.y4m")
    assert b" F25:1 " in (tmp_path / "out.y4m").read_bytes()[:100]
    assert times(tmp_path / "out.y4m") == [Fraction(index, 25) for index in range(FRAMES)]


@pytest.mark.parametrize(
    "time_base", [Fraction(1, 25), Fraction(1, 90000), Fraction(1001, 30000), Fraction(1, 1000000)]
)
def test_odd_clocks_are_kept(tmp_path: Path, time_base: Fraction) -> None:
    rate = round(1 / time_base) if time_base > Fraction(1, 100) else 25
    source = Clip(time_base=time_base, rate=rate, pts=lambda i: round(i / rate / time_base)).write(tmp_path / "in.mp4")
    convert(source, tmp_path / "out.mp4")
    assert times(tmp_path / "out.mp4") == times(source)


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_video_that_starts_late_starts_late(tmp_path: Path, container: str) -> None:
    source = Clip(pts=lambda i: 5000 + 512 * i, audio=["eng"]).write(tmp_path / "in.mp4")
    output = tmp_path / f"out.{container}"
    convert(source, output)
    assert max(abs(a - b) for a, b in zip(times(source), times(output), strict=True)) <= TICK[container]
    gaps = [packets(path, 1)[3].pts - times(path)[0] for path in (source, output)]
    assert abs(gaps[0] - gaps[1]) <= TICK[container]


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_sound_that_starts_late_stays_in_sync(tmp_path: Path, container: str) -> None:
    source = Clip(audio=["eng"], audio_delay=0.2).write(tmp_path / "in.mp4")
    output = tmp_path / f"out.{container}"
    convert(source, output)
    offsets = [packets(path, 1)[5].pts - times(path)[0] for path in (source, output)]
    assert abs(offsets[0] - offsets[1]) <= TICK[container]
    assert offsets[0] > Fraction(1, 5)


def test_b_frames_come_out_in_the_order_they_are_shown(tmp_path: Path) -> None:
    source = Clip(frames=24, options={"bf": "3", "b_strategy": "0", "preset": "medium"}).write(tmp_path / "in.mp4")
    with av.open(source) as container:
        stamps = [p.pts for p in container.demux(video=0) if p.size and p.pts is not None]
    assert stamps != sorted(stamps), "the clip has no B-frames"
    convert(source, tmp_path / "out.mp4")
    assert times(tmp_path / "out.mp4") == times(source)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_of_an_avi_come_one_a_tick(tmp_path: Path, codec: str) -> None:
    """An AVI stores no presentation times; with B-frames they follow from the order alone."""
    source = Clip(codec, frames=30, options={"bf": "2", "g": "12"}, time_base=Fraction(1, 25)).write(
        tmp_path / "in.avi"
    )
    convert(source, tmp_path / "out.mp4")
    assert times(tmp_path / "out.mp4") == [Fraction(index, 25) for index in range(30)]


def test_an_edit_list_hides_the_same_frames(tmp_path: Path) -> None:
    """Frames before zero are decoded but not shown; sound keeps its place beside those that are."""
    source = Clip(frames=20, pts=lambda i: 512 * (i - 5), audio=["eng"], options={"bf": "0"}).write(tmp_path / "in.mp4")
    before = times(source)
    convert(source, tmp_path / "out.mp4")
    assert times(tmp_path / "out.mp4") == before
    offsets = [packets(path, 1)[5].pts - times(path)[0] for path in (source, tmp_path / "out.mp4")]
    assert abs(offsets[0] - offsets[1]) <= Fraction(1, 10000)


@pytest.mark.parametrize("container", ["ts", "mp4"])
def test_a_transport_stream_s_clock_may_start_anywhere(tmp_path: Path, container: str) -> None:
    source = Clip(audio=["eng"], container_options={"output_ts_offset": "5000"}).write(tmp_path / "in.ts")
    assert times(source)[0] > 4999
    output = tmp_path / f"out.{container}"
    convert(source, output)
    after = times(output)
    assert after[0] < 3
    steps = [b - a for a, b in pairwise(after)]
    assert all(abs(step - Fraction(1, 25)) <= Fraction(1, 10000) for step in steps)
    sync = [packets(path, 1)[3].pts - times(path)[0] for path in (source, output)]
    assert abs(sync[0] - sync[1]) <= Fraction(1, 10000)


@pytest.mark.parametrize(("extension", "codec"), [("ts", "libx264"), ("mpg", "mpeg2video"), ("flv", "libx264")])
@pytest.mark.parametrize("later", [0, 60])
def test_parts_whose_clocks_start_again_or_jump_follow_one_another(
    tmp_path: Path, extension: str, codec: str, later: int
) -> None:
    if later and extension == "flv":
        pytest.skip("a clock of this format never jumps ahead")
    first, second, joined = (tmp_path / f"{name}.{extension}" for name in ("first", "second", "joined"))
    for path, offset in ((first, 0), (second, later)):
        clip = Clip(codec, 50, time_base=Fraction(1, 25), audio=["eng"])
        clip.audio_codec = "mp2" if extension == "mpg" else "aac"
        clip.container_options = {"output_ts_offset": str(offset)}
        clip.write(path)
    head = 13 if extension == "flv" else 0  # a second one of FLV's would be damage
    joined.write_bytes(first.read_bytes() + second.read_bytes()[head:])
    notes, source = convert(str(joined), tmp_path / "out.mkv")
    assert any("clock" in note for note in notes)
    assert source.lost == 0
    after = times(tmp_path / "out.mkv")
    assert len(after) == 100
    off = [b - a for a, b in pairwise(after) if abs(b - a - Fraction(1, 25)) > Fraction(1, 1000)]
    assert len(off) <= (extension == "mpg")  # whose first packet behind a seam may lack its decoding time
    sound = [packet.pts for packet in packets(tmp_path / "out.mkv", 1)]
    assert sound[-1] > Fraction(39, 10)
    assert all(0 < b - a < Fraction(1, 8) for a, b in pairwise(sound))
    with open_source(str(joined), start=2.5) as source:  # where another clock counts the frames
        frames = [(frame.index, frame.time) for frame in source]
    with open_source(str(joined)) as source:
        wanted = [(frame.index, frame.time) for frame in source]
    assert frames == [(i, time) for i, time in wanted if time >= source.origin + Fraction(5, 2)]


def test_the_whole_lasts_as_long_as_before(tmp_path: Path) -> None:
    source = Clip(pts=uneven).write(tmp_path / "in.mp4")
    convert(source, tmp_path / "out.mp4")
    lengths = []
    for path in (source, str(tmp_path / "out.mp4")):
        with av.open(path) as container:
            stream = container.streams.video[0]
            lengths.append((stream.duration or 0) * (stream.time_base or 0))
    assert lengths[1] == lengths[0]
