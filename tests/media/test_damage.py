"""Broken input: what decodes is given, what is lost is counted, what can't be opened is said in one line."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.errors import EraserError
from realtime.media.opening import open_source
from tests.media.clips import Clip, convert, index_of, shown

FAST_START = {"movflags": "+faststart"}


def truncate(path: str, share: float) -> str:
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.truncate(round(size * share))
    return path


def corrupt(path: str, begin: float, end: float, density: float = 0.02) -> str:
    """Overwrite a share of the bytes between two places (shares of the file) with noise."""
    data = bytearray(Path(path).read_bytes())
    generator = np.random.default_rng(3)
    for position in range(round(len(data) * begin), round(len(data) * end)):
        if generator.random() < density:
            data[position] = int(generator.integers(256))
    Path(path).write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("in.mp4", "libx264"),
        ("in.mp4", "libx265"),
        ("in.mp4", "libsvtav1"),
        ("in.mkv", "libx264"),
        ("in.mkv", "libsvtav1"),
        ("in.avi", "mpeg4"),
    ],
)
def test_a_truncated_file_gives_what_is_there_and_counts_the_rest(tmp_path: Path, name: str, codec: str) -> None:
    container_options = FAST_START if name == "in.mp4" else {}
    time_base = Fraction(1, 25) if name == "in.avi" else Fraction(1, 12800)
    options = {"g": "10", **({"b": "4M"} if codec == "mpeg4" else {})}
    clip = Clip(codec, frames=50, options=options, container_options=container_options, time_base=time_base)
    source = truncate(clip.write(tmp_path / name), 0.6)
    _, opened = convert(source, tmp_path / "out.mp4")
    frames = shown(tmp_path / "out.mp4")
    assert 5 < len(frames) < 50
    assert [index_of(f.frame.to_ndarray(format="bgr24")) for f in frames[:-3]] == [
        i % 12 for i in range(len(frames) - 3)
    ]
    assert opened.lost - opened.damaged == 50 - len(frames)


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.ts"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_corrupt_bytes_cost_some_frames_and_no_more(tmp_path: Path, name: str, codec: str) -> None:
    clip = Clip(codec, frames=60, options={"g": "10"}, container_options=FAST_START if name == "in.mp4" else {})
    source = corrupt(clip.write(tmp_path / name), 0.4, 0.6)
    _, opened = convert(source, tmp_path / "out.mp4")
    frames = shown(tmp_path / "out.mp4")
    assert opened.lost > 0
    assert 20 < len(frames) <= 60
    assert index_of(frames[-1].frame.to_ndarray(format="bgr24")) == 59 % 12


@pytest.mark.parametrize(("codec", "name"), [("libx264", "cut.mkv"), ("libx265", "cut.mkv"), ("libx265", "cut.ts")])
def test_a_stream_cut_at_an_open_group_of_pictures_is_not_damaged(tmp_path: Path, codec: str, name: str) -> None:
    """It starts with pictures that refer to what was cut off; every player leaves them out."""
    parameters = "open-gop=1:keyint=12:min-keyint=12:bframes=3:scenecut=0:log-level=error"
    if codec == "libx264":
        parameters = "open-gop=1:keyint=12:min-keyint=12:bframes=3:b-adapt=0:scenecut=0"
    options = {f"{codec[3:]}-params": parameters, "preset": "medium"}
    made = Clip(codec, frames=60, options=options).write(tmp_path / "whole.mkv")
    keys = 0
    with av.open(made) as whole, av.open(str(tmp_path / name), "w") as container:
        copy = container.add_stream_from_template(whole.streams.video[0], opaque=True)
        leading = 0
        for packet in whole.demux(video=0):
            keys += packet.is_keyframe
            if keys == 2 and packet.is_keyframe:
                key = packet.pts or 0
            if keys >= 2 and packet.size:
                leading += (packet.pts or 0) < key
                packet.stream = copy
                container.mux(packet)
    assert leading > 0
    _, opened = convert(str(tmp_path / name), tmp_path / "out.mp4")
    assert opened.lost == 0
    assert len(shown(tmp_path / "out.mp4")) >= 60 - 12 - leading


def test_a_last_frame_that_stays_long_is_no_loss(tmp_path: Path) -> None:
    """A screen recording's last picture may stand for seconds."""
    source = Clip(pts=lambda i: 512 * i, audio=["eng"], audio_delay=3.0).write(tmp_path / "in.mkv")
    _, opened = convert(source, tmp_path / "out.mkv")
    assert opened.lost == 0


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.ts", "in.avi", "in.webm"])
def test_sound_files_lose_nothing(tmp_path: Path, name: str) -> None:
    codec = "libvpx-vp9" if name == "in.webm" else "libx264"
    options = {"deadline": "realtime", "cpu-used": "8"} if name == "in.webm" else {"bf": "3", "preset": "medium"}
    time_base = Fraction(1, 25) if name == "in.avi" else Fraction(1, 12800)
    source = Clip(codec, frames=50, options=options, time_base=time_base).write(tmp_path / name)
    _, opened = convert(source, tmp_path / "out.mkv")
    assert (opened.lost, opened.damaged) == (0, 0)
    assert len(shown(tmp_path / "out.mkv")) == 50


def test_masks_keep_their_frames_where_some_are_lost(tmp_path: Path) -> None:
    """Frame.index counts lost frames too."""
    source = Clip(frames=48, options={"g": "12", "bf": "0"}, container_options=FAST_START).write(tmp_path / "in.mp4")
    corrupt(source, 0.45, 0.55, density=0.5)
    with open_source(source) as opened:
        frames = list(opened)
        lost = opened.lost
    assert lost > 0
    last = frames[-8:]
    assert [frame.index % 12 for frame in last] == [index_of(frame.image) for frame in last]
    assert last[-1].index == 47


def test_frames_behind_a_damaged_place_keep_their_times_in_an_avi(tmp_path: Path) -> None:
    source = Clip("mpeg4", frames=48, options={"g": "12"}, time_base=Fraction(1, 25)).write(tmp_path / "in.avi")
    with av.open(source) as container:
        places = [(packet.pos or 0, packet.size) for packet in container.demux(video=0)][20:22]
    data = bytearray(Path(source).read_bytes())
    for begin, size in places:
        data[begin : begin + size] = bytes(size)
    Path(source).write_bytes(data)
    with open_source(source) as opened:
        frames = list(opened)
        assert opened.lost == 2
    assert len(frames) == 46
    assert frames[-1].index == 47
    assert all(frame.pts * frame.time_base == Fraction(frame.index, 25) for frame in frames)
    assert [index_of(frame.image) for frame in frames[-12:]] == list(range(12))


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("missing.mp4", None, "no file"),
        ("empty.mp4", b"", "empty"),
        ("noise.mp4", bytes(np.random.default_rng(1).integers(0, 256, 5000, np.uint8)), "cannot be opened|no video"),
        ("text.mp4", b"this is not a video\n" * 200, "cannot be opened|not a video|no video"),
        ("text.txt", b"this is not a video\n" * 200, "cannot be opened|not a video|no video"),
        ("broken.png", b"\x89PNG\r\n\x1a\n and no more", "picture"),
        ("missing.png", None, "no file"),
        ("missing_%03d.png", None, "No picture"),
    ],
)
def test_what_is_no_video_is_said_in_one_line(tmp_path: Path, name: str, content: bytes | None, match: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(EraserError, match=match) as caught:
        open_source(str(tmp_path / name))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_sound_without_pictures_is_said(tmp_path: Path) -> None:
    made = Clip(audio=["eng"]).write(tmp_path / "in.mp4")
    with av.open(made) as source, av.open(str(tmp_path / "sound.m4a"), "w", format="mp4") as container:
        copy = container.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = copy
                container.mux(packet)
    with pytest.raises(EraserError, match="no video stream"):
        open_source(str(tmp_path / "sound.m4a"))


def test_a_video_without_frames_is_said(tmp_path: Path) -> None:
    source = Clip(frames=25, container_options=FAST_START).write(tmp_path / "in.mp4")
    data = Path(source).read_bytes()
    head = data.index(b"mdat") + 4
    Path(source).write_bytes(data[:head] + bytes(len(data) - head))
    with pytest.raises(EraserError, match="No frame"):
        open_source(source)


def test_a_folder_without_pictures_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(EraserError, match="no pictures"):
        open_source(str(tmp_path))


def test_an_address_that_does_not_answer_is_said() -> None:
    with pytest.raises(EraserError, match="address"):
        open_source("http://127.0.0.1:9/none.mp4")
