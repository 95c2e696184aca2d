"""A file that is cut, erased in pieces and joined comes out as if it had been erased at one go."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.batch import pieces
from realtime.batch.driver import Driver
from realtime.batch.journal import Journal
from realtime.batch.part import Packets
from realtime.batch.pieces import Piece, cut_at, in_pieces, merged
from realtime.batch.tree import Video
from realtime.files import erase_video
from realtime.selection import Box
from realtime.shots import Shot
from tests.batch.pools import InlinePool
from tests.cli import media
from tests.realtime.pictures import disc, put, texture

HEIGHT, WIDTH, RATE = 90, 160, 10
SHOT = 14  # frames
OPTIONS: dict[str, Any] = {"boxes": [Box(60, 30, 30, 30)], "fill": "telea", "threads": 1}
SCENES = [texture(HEIGHT, WIDTH, seed) for seed in (3, 4, 5, 6)]


def film() -> list[np.ndarray]:
    """Four shots of a disc that crosses, each before a picture of its own."""
    return [put(scene, disc(HEIGHT, WIDTH, 30 + 8 * index, 45, 12)) for scene in SCENES for index in range(SHOT)]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """The film with frames of unequal length, reordered ones, sound that begins earlier, a title and a chapter."""
    path = tmp_path_factory.mktemp("film") / "in.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "four shots"
        video = container.add_stream("libx264", rate=RATE, options={"crf": "12", "bf": "2"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("aac", rate=48000)
        container.set_chapters(
            [{"id": 1, "start": 0, "end": 2000, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}]
        )
        for index, picture in enumerate(film()):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = 200 + 100 * index + 7 * (index % 3), Fraction(1, 1000)
            container.mux(video.encode(frame))
            noise = np.random.default_rng(index).uniform(-0.1, 0.1, (1, 4800)).astype(np.float32)
            audio = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
            audio.sample_rate, audio.pts = 48000, 4800 * index
            container.mux(sound.encode(audio))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def in_parts(source: Path, folder: Path, output: str, shortest: float = 1.0, **options) -> tuple[Path, list[str]]:
    """The output and the names of the tasks that it took."""
    video = Video(output, source, folder / output)
    pool = InlinePool()
    (folder / "shop").mkdir()
    given = {name: value for name, value in (OPTIONS | options).items() if name != "threads"}
    with Journal(folder) as journal:
        driver = Driver(journal, folder / "shop", pool, lambda each: in_pieces(each, given, shortest), "o", False, None)
        (outcome,) = driver.run([video])
    assert outcome.state == "done", outcome.detail
    assert not list((folder / "shop").iterdir())
    return video.output, [type(task).__name__ for task in pool.done]


def at_one_go(source: Path, folder: Path, output: str, **options) -> Path:
    erase_video(source, folder / f"whole-{output}", **(OPTIONS | options))
    return folder / f"whole-{output}"


def packets(path: Path, kind: str) -> list[tuple]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [(packet.pts, packet.duration, bytes(packet)) for packet in container.demux(stream) if packet.size]


def assert_same_frames(one: Path, other: Path) -> None:
    first, second = media.read_video(one), media.read_video(other)
    assert len(first) == len(second)
    assert [index for index, pair in enumerate(zip(first, second, strict=True)) if (pair[0] != pair[1]).any()] == []


CUTS = ["MakePlan", *["ErasePiece"] * 4, "Join"]


@pytest.mark.parametrize("options", [{}, {"lookahead": "all"}, {"start": 1.0, "end": 4.65}, {"lookahead": 0}])
def test_the_frames_are_those_of_one_run(source, tmp_path, options):
    options = {"codec": "ffv1", **options}  # without loss
    output, tasks = in_parts(source, tmp_path, "out.mkv", **options)
    whole = at_one_go(source, tmp_path, "out.mkv", **options)
    assert tasks == ["MakePlan", *["ErasePiece"] * (3 if "start" in options else 4), "Join"]
    assert_same_frames(output, whole)
    for kind in ("video", "audio"):
        one, other = packets(output, kind), packets(whole, kind)
        assert [packet[:2] for packet in one] == [packet[:2] for packet in other]
    assert packets(output, "audio") == packets(whole, "audio")


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4", "out.ts"])
def test_all_that_is_beside_the_pictures_stays(source, tmp_path, name):
    output, tasks = in_parts(source, tmp_path, name)
    whole = at_one_go(source, tmp_path, name)
    assert tasks == CUTS
    assert packets(output, "audio") == packets(whole, "audio")
    with av.open(str(output)) as one, av.open(str(whole)) as other:
        assert one.metadata.get("title") == other.metadata.get("title")
        assert one.chapters() == other.chapters()
        assert one.streams.video[0].average_rate == other.streams.video[0].average_rate
        times = [[frame.time for frame in each.decode(video=0)] for each in (one, other)]
        assert times[0] == times[1]
        assert one.duration == pytest.approx(other.duration, abs=2e3)  # microseconds
    decoding = [dts for _, dts in sorted(dts_of(output))]
    assert decoding == sorted(set(decoding))


def dts_of(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        return [(place, p.dts) for place, p in enumerate(container.demux(video=0)) if p.size and p.dts is not None]


def test_where_the_eraser_sees_no_cut_the_pieces_are_erased_as_one(source, tmp_path, monkeypatch):
    found = pieces.find_shots

    def too_many(*arguments):
        first, *others = found(*arguments)
        middle = 0.2 + 0.1 * 10 + 0.007  # of the eleventh frame, in the middle of a shot
        return [Shot(first.start, middle), Shot(middle, first.end), *others]

    monkeypatch.setattr(pieces, "find_shots", too_many)
    output, tasks = in_parts(source, tmp_path, "out.mkv", shortest=0.3, codec="ffv1")
    assert tasks == ["MakePlan", *["ErasePiece"] * 5, "ErasePiece", "Join"]
    assert_same_frames(output, at_one_go(source, tmp_path, "out.mkv", codec="ffv1"))


def test_objects_that_are_followed_keep_a_file_whole(source, tmp_path):
    from realtime.edits import parse_click

    _, tasks = in_parts(source, tmp_path, "out.mkv", edits=[parse_click("30,45")], boxes=[], end=0.5)
    assert tasks == ["EraseFile"]


def test_pieces_that_do_not_fit_are_erased_at_one_go(source, tmp_path, monkeypatch):
    class Foreign(Packets):
        def __init__(self, paths):
            super().__init__(paths)
            self.extradata = b"of another encoder"

    monkeypatch.setattr(pieces, "Packets", Foreign)
    _, tasks = in_parts(source, tmp_path, "out.mkv")
    assert tasks == [*CUTS, "EraseFile"]


def test_short_files_stay_whole(tmp_path):
    clip = media.clip(tmp_path / "in.mp4", 12)
    _, tasks = in_parts(clip, tmp_path, "out.mp4")
    assert tasks == ["MakePlan", "EraseFile"]


def test_pieces_are_cut_at_hard_cuts_and_not_too_short():
    shots = [Shot(0.0, 4.0), Shot(4.0, 7.0), Shot(7.0, 12.0), Shot(13.0, 20.0), Shot(20.0, math.inf)]
    assert cut_at(shots, 5.0) == [Piece(None, 7.0), Piece(7.0, 20.0), Piece(20.0, None)]
    assert cut_at(shots, 100.0) == [Piece(None, None)]


def test_pieces_without_a_cut_between_become_one():
    a, b, c, d = Piece(None, 1.0), Piece(1.0, 2.0), Piece(2.0, 3.0), Piece(3.0, None)
    assert merged([a, b, c, d], [True, True, True, True]) == [a, b, c, d]
    assert merged([a, b, c, d], [True, False, False, True]) == [a, Piece(1.0, None)]
    assert merged([a, b, c, d], [False, True, True, True]) == [Piece(None, 2.0), c, d]
