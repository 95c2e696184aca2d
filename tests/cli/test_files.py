"""The file driver: bounded, never drops a frame, and leaves nothing behind when any stage fails."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from realtime import files, pipeline, reader
from realtime.eraser import Eraser
from realtime.errors import EraserError, UsageError
from realtime.media.video_sink import VideoSink
from realtime.media.video_source import VideoSource
from realtime.selection import Box, GivenMasks
from tests.cli import media

FRAMES = 24
BOX = Box(20, 30, 40, 24)


class Broken(Exception):
    """What the tests throw into the works."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a clip, in.mp4, of which nothing else may be left after a failure."""
    media.clip(tmp_path / "in.mp4", FRAMES)
    return tmp_path


def erase(folder: Path, **options):
    return files.erase_video(folder / "in.mp4", folder / "out.mp4", **({"boxes": [BOX], "fill": "telea"} | options))


def assert_nothing_is_left(folder: Path, *expected: str) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(["in.mp4", *expected])
    assert {thread.name for thread in threading.enumerate()}.isdisjoint({"reader", "writer"})


def failing(call, after: int, error: BaseException):
    """`call`, which raises `error` from the call number `after` on."""
    count = 0

    def wrapper(*arguments, **options):
        nonlocal count
        count += 1
        if count > after:
            raise error
        return call(*arguments, **options)

    return wrapper


def on_frame(monkeypatch: pytest.MonkeyPatch, action) -> None:
    """Call `action` with the count of frames read so far, in the reader's thread, before each frame is given."""
    frames = VideoSource.__iter__

    def watched(source):
        for count, frame in enumerate(frames(source), 1):
            action(count)
            yield frame

    monkeypatch.setattr(VideoSource, "__iter__", watched)


def test_every_frame_is_written_once_and_in_order(folder):
    seen = []
    report = erase(folder, progress=seen.append)
    assert report.frames == FRAMES
    assert [progress.frames for progress in seen] == list(range(1, FRAMES + 1))
    written, originals = media.read_video(folder / "out.mp4"), media.read_video(folder / "in.mp4")
    assert len(written) == FRAMES
    for before, after in zip(originals, written, strict=True):
        assert media.difference(before[60:], after[60:]) < 4


@pytest.mark.parametrize("after", [0, 1, FRAMES - 1])
def test_a_failing_reader_stops_the_job(folder, monkeypatch, after):
    def fail(count):
        if count > after:
            raise Broken("no light")

    on_frame(monkeypatch, fail)
    with pytest.raises(EraserError, match="the reader failed: Broken: no light") as caught:
        erase(folder)
    assert isinstance(caught.value.__cause__, Broken)
    assert_nothing_is_left(folder)


@pytest.mark.parametrize("half", ["observe", "render"])
@pytest.mark.parametrize("after", [0, 5, FRAMES - 1])
def test_a_failing_eraser_stops_the_job(folder, monkeypatch, half, after):
    monkeypatch.setattr(Eraser, half, failing(getattr(Eraser, half), after, Broken("lost the plot")))
    with pytest.raises(EraserError, match="the eraser failed: Broken: lost the plot") as caught:
        erase(folder)
    assert isinstance(caught.value.__cause__, Broken)
    assert_nothing_is_left(folder)


@pytest.mark.parametrize(("method", "after"), [("write", 0), ("write", 5), ("write", FRAMES - 1), ("complete", 0)])
def test_a_failing_writer_stops_the_job(folder, monkeypatch, method, after):
    monkeypatch.setattr(VideoSink, method, failing(getattr(VideoSink, method), after, Broken("no ink")))
    with pytest.raises(EraserError, match="the writer failed: Broken: no ink") as caught:
        erase(folder)
    assert isinstance(caught.value.__cause__, Broken)
    assert_nothing_is_left(folder)


def test_a_failure_that_explains_itself_arrives_as_it_is(folder, monkeypatch):
    error = EraserError("the disk is full: make room")
    monkeypatch.setattr(VideoSink, "write", failing(VideoSink.write, 3, error))
    with pytest.raises(EraserError) as caught:
        erase(folder)
    assert caught.value is error
    assert_nothing_is_left(folder)


def test_a_failing_mask_stops_the_job(folder, monkeypatch):
    media.write_folder(folder / "masks", media.square_masks(FRAMES - 1))
    with pytest.raises(EraserError, match=r"masks .* end before the video"):
        erase(folder, boxes=(), mask=folder / "masks")
    assert_nothing_is_left(folder, "masks")


def test_masks_are_closed_after_the_job(folder, monkeypatch):
    media.write_video(folder / "masks.mp4", media.square_masks(FRAMES))
    closed = []
    monkeypatch.setattr(GivenMasks, "close", lambda masks: closed.append(masks))
    erase(folder, boxes=(), mask=folder / "masks.mp4")
    assert len(closed) == 1


def test_an_interrupt_ends_the_job_and_leaves_nothing(folder):
    def interrupt(progress):
        if progress.frames == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        erase(folder, lookahead=0.3, progress=interrupt)
    assert_nothing_is_left(folder)


def test_a_source_that_hangs_is_left_behind(folder, monkeypatch):
    """As a network address does whose server says nothing: the job ends, and does not close what is being read."""
    hanging, release, closed = threading.Event(), threading.Event(), []

    def hang(count):
        if count == 5:
            hanging.set()
            release.wait(100)

    def interrupt(progress):
        hanging.wait(100)
        raise KeyboardInterrupt

    on_frame(monkeypatch, hang)
    monkeypatch.setattr(VideoSource, "close", lambda source: closed.append(source))
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        erase(folder, lookahead=0, progress=interrupt)
    assert time.monotonic() - begin < 60
    assert closed == []
    reader = next(thread for thread in threading.enumerate() if thread.name == "reader")
    release.set()
    reader.join(60)
    assert_nothing_is_left(folder)


def test_a_failure_in_every_output_is_cleaned_up(folder, monkeypatch):
    monkeypatch.setattr(Eraser, "render", failing(Eraser.render, 8, Broken("late")))
    with pytest.raises(EraserError, match="late"):
        erase(folder, preview=folder / "preview.mp4", save_mask=folder / "hole.mp4", report=folder / "report.json")
    assert_nothing_is_left(folder)


def test_no_output_is_replaced_where_another_cannot_be_completed(folder, monkeypatch):
    for name in ("preview.mp4", "hole.mp4"):
        (folder / name).write_bytes(b"precious")
    monkeypatch.setattr(VideoSink, "complete", failing(VideoSink.complete, 0, Broken("no ink")))
    with pytest.raises(EraserError, match="no ink"):
        erase(folder, preview=folder / "preview.mp4", save_mask=folder / "hole.mp4", overwrite=True)
    for name in ("preview.mp4", "hole.mp4"):
        assert (folder / name).read_bytes() == b"precious"
    assert_nothing_is_left(folder, "preview.mp4", "hole.mp4")


def test_masks_may_go_into_the_folder_of_the_output(folder):
    (folder / "out").mkdir()
    files.erase_video(folder / "in.mp4", folder / "out" / "o.mp4", boxes=[BOX], fill="telea", save_mask=folder / "out")
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {"o.mp4", *(f"frame_{index:06}.png" for index in range(FRAMES))}


def test_nothing_is_made_beside_a_folder_that_is_there_already(folder, monkeypatch):
    """Another disk may be mounted on it."""
    (folder / "out").mkdir()
    beside = set()
    on_frame(monkeypatch, lambda _: beside.update(path.name for path in folder.iterdir()))
    files.erase_video(folder / "in.mp4", folder / "out", boxes=[BOX], fill="telea", lookahead="all")
    assert beside == {"in.mp4", "out"}
    assert len(list((folder / "out").iterdir())) == FRAMES


def test_a_file_s_address_is_its_path(folder):
    (folder / "in.mp4").rename(folder / "my film.mp4")
    address = (folder / "my film.mp4").as_uri()
    with pytest.raises(UsageError, match="an input"):
        files.erase_video(address, folder / "my film.mp4", boxes=[BOX], fill="telea", overwrite=True)
    report = files.erase_video(address, folder / "out.mp4", boxes=[BOX], fill="telea", lookahead="all")
    assert (report.frames, report.input) == (FRAMES, str(folder / "my film.mp4"))


def test_a_failed_job_keeps_the_file_that_it_was_to_replace(folder, monkeypatch):
    (folder / "out.mp4").write_bytes(b"precious")
    monkeypatch.setattr(Eraser, "render", failing(Eraser.render, 8, Broken("late")))
    with pytest.raises(EraserError, match="late"):
        erase(folder, overwrite=True)
    assert (folder / "out.mp4").read_bytes() == b"precious"
    assert_nothing_is_left(folder, "out.mp4")


class Watch:
    """Counts how many frames are read, observed and not yet rendered, and written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, write_delay: float = 0.0) -> None:
        self.read = self.waiting = self.written = 0
        self.most_waiting = self.most_ahead = 0
        observe, render, write = Eraser.observe, Eraser.render, VideoSink.write

        def watch_frame(count):
            self.read = count
            self.most_ahead = max(self.most_ahead, self.read - self.written)

        def watch_observe(eraser, *arguments):
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)
            return observe(eraser, *arguments)

        def watch_render(eraser, pending):
            self.waiting -= 1
            return render(eraser, pending)

        def watch_write(sink, result):
            time.sleep(write_delay)
            write(sink, result)
            self.written += 1

        on_frame(monkeypatch, watch_frame)
        monkeypatch.setattr(Eraser, "observe", watch_observe)
        monkeypatch.setattr(Eraser, "render", watch_render)
        monkeypatch.setattr(VideoSink, "write", watch_write)


@pytest.mark.parametrize(("lookahead", "waiting"), [(0, 1), (0.1, 2), (0.5, 6), (100, FRAMES)])
def test_the_lookahead_is_counted_in_seconds_of_the_video(folder, monkeypatch, lookahead, waiting):
    watch = Watch(monkeypatch)
    report = erase(folder, lookahead=lookahead)
    assert watch.most_waiting == waiting
    assert report.frames == FRAMES
    assert report.notes == ()


def test_the_lookahead_is_bounded_in_frames(folder, monkeypatch):
    monkeypatch.setattr(pipeline, "LOOKAHEAD_FRAMES", 4)
    watch = Watch(monkeypatch)
    report = erase(folder)
    assert watch.most_waiting == 5
    assert "lookahead is held to about 0.4 s" in report.notes[0]


def test_the_lookahead_is_bounded_in_bytes(folder, monkeypatch):
    monkeypatch.setattr(pipeline, "LOOKAHEAD_BYTES", 500_000)
    watch = Watch(monkeypatch)
    report = erase(folder)
    assert 2 <= watch.most_waiting <= 500_000 // (media.WIDTH * media.HEIGHT * 3) + 1
    assert "lookahead is held" in report.notes[0]


def test_a_slow_writer_holds_back_the_reader(folder, monkeypatch):
    watch = Watch(monkeypatch, write_delay=0.02)
    assert erase(folder, lookahead=0).frames == FRAMES
    assert watch.most_ahead <= 2 * reader.QUEUED_ITEMS + 4


def test_a_report_says_what_was_done(folder):
    report = erase(folder, report=folder / "report.json")
    assert (report.width, report.height, report.lost) == (media.WIDTH, media.HEIGHT, 0)
    assert report.fills > 0
    assert report.coverage is not None
    assert 0 <= report.coverage <= 1
    assert report.segmenter is None
    assert report.filler == "telea"
    assert {"decode", "motion", "fill", "encode"} <= report.stages.keys()
    assert (folder / "report.json").read_text() == report.to_json()


def test_without_anything_to_erase_the_frames_pass_untouched(folder):
    black = np.zeros((media.HEIGHT, media.WIDTH), np.uint8)
    media.write_folder(folder / "masks", [black] * FRAMES)
    report = erase(folder, boxes=(), mask=folder / "masks")
    assert report.coverage is None
    assert report.fills == 0
    assert len(media.read_video(folder / "out.mp4")) == FRAMES


@pytest.mark.parametrize(
    "options",
    [
        {"lookahead": -1},
        {"lookahead": float("nan")},
        {"start": 2.0, "end": 1.0},
        {"start": -1.0},
        {"end": 0.0},
        {"dilate": -1},
        {"target": " , "},
        {"fill": "nobody"},
        {"target": "person", "segmenter": "nobody"},
    ],
)
def test_a_request_without_sense_is_refused_before_anything_is_written(folder, options):
    with pytest.raises(UsageError):
        erase(folder, **options)
    assert_nothing_is_left(folder)


@pytest.mark.parametrize("option", ["preview", "save_mask", "report"])
@pytest.mark.parametrize("name", ["in.mp4", "out.mp4", "./in.mp4"])
def test_no_output_may_be_an_input_or_another_output(folder, option, name):
    before = (folder / "in.mp4").read_bytes()
    with pytest.raises(UsageError, match="another name"):
        erase(folder, overwrite=True, **{option: folder / name})
    assert (folder / "in.mp4").read_bytes() == before
    assert_nothing_is_left(folder)


def test_no_mask_is_replaced_by_those_that_are_saved(folder):
    media.write_folder(folder / "masks", media.square_masks(FRAMES), "m_{:04d}.png")
    before = (folder / "masks" / "m_0003.png").read_bytes()
    for given, saved in (("masks", "masks/m_%04d.png"), ("masks/m_%04d.png", "masks")):
        with pytest.raises(UsageError, match=r"would replace .*m_0000\.png"):
            erase(folder, boxes=(), mask=folder / given, save_mask=folder / saved, overwrite=True)
    assert (folder / "masks" / "m_0003.png").read_bytes() == before
    assert_nothing_is_left(folder, "masks")


def test_a_report_that_is_a_folder_is_refused_before_anything_is_written(folder):
    (folder / "reports").mkdir()
    with pytest.raises(EraserError, match="is a folder"):
        erase(folder, report=folder / "reports")
    assert_nothing_is_left(folder, "reports")
