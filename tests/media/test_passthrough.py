"""What lies beside the video comes through: other streams bit for bit, chapters, timecode, tags."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from av.stream import Disposition

from realtime.media.opening import open_sink, open_source
from realtime.media.passthrough import advance_timecode
from realtime.media.video_source import VideoSource
from tests.media.clips import Clip, convert, digital_video, packets, picture, shown, untouched

FONT = ("font.ttf", "font/ttf", bytes(range(256)) * 40)


def streams(path: str | Path) -> list[tuple[str, str | None]]:
    with av.open(str(path)) as container:
        return [(stream.type, stream.language) for stream in container.streams]


@pytest.mark.parametrize(("name", "other"), [("in.mp4", "out.mp4"), ("in.mp4", "out.mkv"), ("in.mkv", "out.mp4")])
def test_every_sound_track_is_copied_bit_for_bit(tmp_path: Path, name: str, other: str) -> None:
    source = Clip(frames=25, audio=["eng", "deu"]).write(tmp_path / name)
    convert(source, tmp_path / other, paint=True)
    assert streams(tmp_path / other) == streams(source) == [("video", None), ("audio", "eng"), ("audio", "deu")] or (
        streams(tmp_path / other)[1:] == [("audio", "eng"), ("audio", "deu")]
    )
    for index in (1, 2):
        before, after = packets(source, index), packets(tmp_path / other, index)
        assert [packet.data for packet in before] == [packet.data for packet in after]
        tick = Fraction(1, 1000)
        assert max(abs(a.pts - b.pts) for a, b in zip(before, after, strict=True)) <= tick


@pytest.mark.parametrize("name", ["in.avi", "in.mkv"])
def test_sound_that_tells_only_how_many_channels_it_has_goes_into_mp4(tmp_path: Path, name: str) -> None:
    clip = Clip("mjpeg", pixel_format="yuvj422p", time_base=Fraction(1, 25), audio=["eng"], audio_codec="pcm_s16le")
    source = clip.write(tmp_path / name)
    convert(source, tmp_path / "out.mp4")
    assert sound(tmp_path / "out.mp4") == sound(source) != b""


@pytest.mark.parametrize(
    ("clip", "extension"),
    [
        (Clip("mpeg2video", time_base=Fraction(1, 25), audio=["eng"], audio_codec="pcm_s16le"), "mxf"),
        (digital_video(), "dv"),
    ],
)
def test_sound_goes_into_containers_that_want_a_video_before_it(tmp_path: Path, clip: Clip, extension: str) -> None:
    source = clip.write(tmp_path / f"in.{extension}")
    notes, _ = convert(source, tmp_path / f"out.{extension}")
    assert not any("left out" in note for note in notes)
    assert sound(tmp_path / f"out.{extension}") == sound(source) != b""


def sound(path: str | Path) -> bytes:
    """What the packets of the second stream hold, however it is divided."""
    return b"".join(packet.data for packet in packets(path, 1))


def test_everything_a_matroska_file_holds_comes_through(tmp_path: Path) -> None:
    clip = Clip(
        frames=20,
        audio=["eng", "fra"],
        audio_codec="libopus",
        subtitles=["eng", "deu"],
        attachments=[FONT],
        chapters=[(0, 0.4, "Start"), (0.4, 0.8, "Ende")],
        tags={"title": "Ein Titel", "COMMENT": "ein Kommentar"},
        video_tags={"title": "Bild", "language": "eng"},
    )
    source = clip.write(tmp_path / "in.mkv")
    notes, _ = convert(source, tmp_path / "out.mkv", paint=True)
    assert notes == []
    with av.open(source) as before, av.open(str(tmp_path / "out.mkv")) as after:
        assert [s.type for s in after.streams] == [s.type for s in before.streams]
        assert [s.language for s in after.streams] == [s.language for s in before.streams]
        assert after.streams.attachments[0].data == FONT[2]
        assert [c["metadata"]["title"] for c in after.chapters()] == ["Start", "Ende"]
        assert [c["start"] * (c["time_base"] or 0) for c in after.chapters()] == [0, Fraction(2, 5)]
        assert after.metadata["title"] == "Ein Titel"
        assert after.metadata["COMMENT"] == "ein Kommentar"
        assert after.streams.video[0].metadata["title"] == "Bild"
        others = [s.index for s in before.streams if s.type in ("audio", "subtitle")]
    for index in others:
        assert packets(source, index) == packets(tmp_path / "out.mkv", index)


def test_tags_chapters_and_timecode_of_an_mp4_come_through(tmp_path: Path) -> None:
    tags = {
        "title": "T",
        "comment": "C",
        "creation_time": "2020-01-02T03:04:05.000000Z",
        "com.apple.quicktime.model": "Phone",
    }
    source = Clip(
        tags=tags,
        video_tags={"timecode": "01:00:00:00", "handler_name": "Mine"},
        audio=["deu"],
        chapters=[(0, 0.2, "one"), (0.2, 0.48, "two")],
        container_options={"movflags": "use_metadata_tags"},
    ).write(tmp_path / "in.mp4")
    notes, _ = convert(source, tmp_path / "out.mp4")
    assert notes == []
    with av.open(source) as before, av.open(str(tmp_path / "out.mp4")) as after:
        assert {key: after.metadata[key] for key in tags} == tags
        assert [_seconds(chapter) for chapter in after.chapters()] == [_seconds(c) for c in before.chapters()]
        assert after.streams.video[0].metadata["timecode"] == "01:00:00:00"
        assert after.streams.video[0].metadata["handler_name"] == "Mine"
        kinds = [stream.type for stream in before.streams]
        assert [stream.type for stream in after.streams] == kinds  # chapter and timecode tracks once, not twice


def _seconds(chapter: Any) -> tuple[Fraction, Fraction, str]:
    base = chapter["time_base"]
    return chapter["start"] * base, chapter["end"] * base, chapter["metadata"]["title"]


def test_dispositions_are_kept(tmp_path: Path) -> None:
    source = str(tmp_path / "in.mkv")
    made = Clip(audio=["eng", "eng"]).write(tmp_path / "plain.mkv")
    wanted = [Disposition.default, Disposition.comment, Disposition.default | Disposition.hearing_impaired]
    with av.open(made) as plain, av.open(source, "w") as container:
        copies = [container.add_stream_from_template(stream, opaque=True) for stream in plain.streams]
        for copy, disposition in zip(copies, wanted, strict=True):
            copy.disposition = disposition
        for packet in plain.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                container.mux(packet)
    convert(source, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as after:
        assert [stream.disposition for stream in after.streams] == wanted


def test_what_the_container_refuses_is_named(tmp_path: Path) -> None:
    source = Clip(audio=["eng"], subtitles=["deu"], attachments=[FONT]).write(tmp_path / "in.mkv")
    notes, _ = convert(source, tmp_path / "out.mp4")
    assert [stream for stream, _ in streams(tmp_path / "out.mp4")] == ["video", "audio"]
    assert any("subtitle" in note and "subrip" in note and "deu" in note for note in notes)
    assert any("attachment" in note and "font.ttf" in note for note in notes)
    notes, _ = convert(source, tmp_path / "out.webm")
    assert any("aac" in note for note in notes)


def test_a_cover_picture_is_kept_and_a_second_video_is_left_out(tmp_path: Path) -> None:
    first = Clip(audio=["eng"]).write(tmp_path / "one.mp4")
    second = Clip(frames=6).write(tmp_path / "two.mp4")
    source = str(tmp_path / "in.mp4")
    png = av.CodecContext.create("png", "w")
    assert isinstance(png, av.VideoCodecContext)
    png.width, png.height, png.pix_fmt, png.time_base = 16, 16, "rgb24", Fraction(1, 25)
    cover_frame = av.VideoFrame(16, 16, "rgb24")
    cover_frame.pts = 0
    cover: Any = [*png.encode(cover_frame), *png.encode(None)][0]
    with av.open(first) as one, av.open(second) as two, av.open(source, "w") as container:
        copies: list[tuple[Any, Any]] = [
            (stream, container.add_stream_from_template(stream, opaque=True)) for stream in [*one.streams, *two.streams]
        ]
        picture: Any = container.add_stream("png", width=16, height=16, pix_fmt="rgb24")
        picture.disposition = Disposition.attached_pic
        for opened in (one, two):
            for packet in opened.demux():
                if packet.size:
                    packet.stream = next(copy for stream, copy in copies if stream is packet.stream)
                    container.mux(packet)
        cover.stream = picture
        container.mux(cover)
    notes, _ = convert(source, tmp_path / "out.mp4")
    assert any("video" in note and "left out" in note for note in notes)
    assert any("cover" in note for note in notes)
    with av.open(str(tmp_path / "out.mp4")) as after:
        kept = [(s.type, bool(s.disposition & Disposition.attached_pic)) for s in after.streams]
        assert kept == [("video", False), ("audio", False), ("video", True)]
    convert(source, tmp_path / "out.mkv")
    convert(str(tmp_path / "out.mkv"), tmp_path / "again.mp4")
    for name in ("out.mkv", "again.mp4"):
        assert [packet.data for packet in packets(tmp_path / name, 2)] == [bytes(cover)]


@pytest.mark.parametrize(("output", "tags"), [("out.mov", {}), ("out.mp4", {"Mine": "a tag of my own"})])
def test_a_cover_that_the_tags_have_no_place_for_is_said_to_be_left_out(
    tmp_path: Path, output: str, tags: dict[str, str]
) -> None:
    cover = cv2.imencode(".jpg", picture(0))[1].tobytes()
    source = Clip(tags=tags, attachments=[("cover.jpg", "image/jpeg", cover)]).write(tmp_path / "in.mkv")
    notes, _ = convert(source, tmp_path / output)
    assert notes == ["The file's cover picture is left out: the output's tags have no place for it."]
    assert [kind for kind, _ in streams(tmp_path / output)] == ["video"]


def test_data_streams_are_copied(tmp_path: Path) -> None:
    source = str(tmp_path / "in.ts")
    payload = [bytes([index]) * 20 for index in range(5)]
    with av.open(Clip().write(tmp_path / "plain.mp4")) as plain, av.open(source, "w") as container:
        video = container.add_stream_from_template(plain.streams.video[0], opaque=True)
        data = container.add_data_stream("klv")
        data.time_base = Fraction(1, 1000)
        for index, content in enumerate(payload):
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.pts, packet.dts = data, Fraction(1, 1000), index * 80, index * 80
            container.mux(packet)
        for coded in plain.demux(video=0):
            if coded.size:
                coded.stream = video
                container.mux(coded)
    assert [packet.data for packet in packets(source, 1)] == payload
    convert(source, tmp_path / "out.ts")
    assert [packet.data for packet in packets(tmp_path / "out.ts", 1)] == payload
    gaps = [packets(path, 1)[1].pts - shown(path)[0].time for path in (source, tmp_path / "out.ts")]
    assert gaps[0] == gaps[1]


def test_drop_frame_timecodes_skip_their_numbers() -> None:
    """SMPTE ST 12-1: the first two numbers of a minute are left out, except every tenth minute."""
    rate = Fraction(30000, 1001)
    hours, minutes, seconds, frame = 0, 0, 0, 0
    for count in range(40000):
        if count % 611 == 0 or frame == 2:
            counted = f"{hours:02}:{minutes:02}:{seconds:02};{frame:02}"
            assert advance_timecode("00:00:00;00", count, rate) == counted
        frame += 1
        if frame == 30:
            frame, seconds = 0, seconds + 1
        if seconds == 60:
            seconds, minutes = 0, minutes + 1
            frame = 2 if minutes % 10 else 0
    assert advance_timecode("01:00:00:24", 1, Fraction(25)) == "01:00:01:00"
    assert advance_timecode("23:59:59:24", 1, Fraction(25)) == "00:00:00:00"
    assert advance_timecode("not a timecode", 9, Fraction(25)) == "not a timecode"


def test_subtitles_of_an_mp4_are_copied_and_its_chapter_track_is_not(tmp_path: Path) -> None:
    """Both are text tracks; only one of them is subtitles."""
    source = str(tmp_path / "in.mp4")
    made = Clip(frames=25).write(tmp_path / "plain.mp4")
    texts = [f"line {number}".encode() for number in range(3)]
    with av.open(made) as plain, av.open(source, "w") as container:
        video = container.add_stream_from_template(plain.streams.video[0], opaque=True)
        subtitles: Any = container.add_mux_stream("mov_text")
        subtitles.time_base = Fraction(1, 1000)
        subtitles.metadata["language"] = "deu"
        chapter = {"id": 1, "start": 0, "end": 900, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}
        container.set_chapters([chapter])  # type: ignore[list-item]
        for number, text in enumerate(texts):
            packet: Any = av.Packet(len(text).to_bytes(2, "big") + text)
            packet.stream, packet.time_base = subtitles, Fraction(1, 1000)
            packet.pts = packet.dts = 300 * number
            packet.duration = 200
            container.mux(packet)
        for coded in plain.demux(video=0):
            if coded.size:
                coded.stream = video
                container.mux(coded)
    notes, _ = convert(source, tmp_path / "out.mp4")
    assert notes == []
    assert [kind for kind, _ in streams(tmp_path / "out.mp4")] == [kind for kind, _ in streams(source)]
    for path in (source, str(tmp_path / "out.mp4")):  # samples of two bytes are empty: nothing is shown
        shown_texts = [(packet.data[2:], packet.pts) for packet in packets(path, 1) if len(packet.data) > 2]
        assert shown_texts == [(text, Fraction(3 * number, 10)) for number, text in enumerate(texts)]
    with av.open(str(tmp_path / "out.mp4")) as after:
        assert [c["metadata"]["title"] for c in after.chapters()] == ["one"]
        assert after.streams[1].language == "deu"


def test_packets_whose_times_run_back_are_left_out_and_said(tmp_path: Path) -> None:
    source = Clip(frames=25, audio=["eng"]).write(tmp_path / "in.mp4")
    with open_source(source) as opened:
        assert isinstance(opened, VideoSource)
        sink = open_sink(str(tmp_path / "out.mp4"), opened)
        take = opened.take_packets

        def disturbed() -> Iterator[Any]:
            for packet in take():
                if packet.pts is not None and 20000 < packet.pts < 22000:
                    packet.pts = packet.dts = 5
                yield packet

        opened.take_packets = disturbed  # type: ignore[method-assign]
        for frame in opened:
            sink.write(untouched(frame))
        sink.finish()
    assert [note for note in sink.notes if "damaged" in note] == [
        "Some packets of stream #1 are damaged and were left out."
    ]
    assert len(packets(tmp_path / "out.mp4", 1)) == len(packets(source, 1)) - 2
    assert len(shown(tmp_path / "out.mp4")) == 25


@pytest.mark.parametrize("extension", ["mkv", "ts", "mov"])
def test_sound_that_an_edit_list_hides_stays_hidden(tmp_path: Path, extension: str) -> None:
    """Times before zero are hidden; the last packet there is what AAC's first sound is decoded with."""
    clip = Clip(frames=50, pts=lambda i: 512 * (i - 25), audio=["eng"], audio_delay=-1, options={"bf": "0"})
    source = clip.write(tmp_path / "in.mp4")
    output = tmp_path / f"out.{extension}"
    notes, _ = convert(source, output)
    assert not any("damaged" in note for note in notes)
    with av.open(source) as container:
        heard = [bytes(packet) for packet in container.demux(audio=0) if packet.size and not packet.is_discard]
    with av.open(str(output)) as container:
        copied = [bytes(packet) for packet in container.demux(audio=0) if packet.size and not packet.is_discard]
    assert len(heard) < 50
    pairs = zip(heard, copied[-len(heard) :], strict=True)
    assert all(after.endswith(before) for before, after in pairs)  # in a transport stream behind a header of its own
    assert len(copied) - len(heard) == (0 if extension == "mov" else 1)
