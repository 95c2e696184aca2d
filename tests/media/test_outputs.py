"""Outputs appear whole or not at all, and never at the cost of a file that was there."""

from __future__ import annotations

import errno
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.errors import EraserError, UsageError
from realtime.media.opening import open_picture_sink, open_sink, open_source
from realtime.outputs import check_paths
from tests.media.clips import FRAMES, HEIGHT, WIDTH, Clip, convert, shown, times, untouched


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "input").mkdir()
    return Clip(audio=["eng"]).write(tmp_path / "input" / "in.mp4")


def assert_nothing_left(folder: Path, *names: str) -> None:
    assert sorted(p.name for p in folder.iterdir() if p.name != "input") == sorted(names)


def test_nothing_is_there_before_finish(tmp_path: Path, source: str) -> None:
    with open_source(source) as opened:
        sink = open_sink(str(tmp_path / "out.mp4"), opened)
        for frame in opened:
            sink.write(untouched(frame))
            assert not (tmp_path / "out.mp4").exists()
        sink.finish()
    assert_nothing_left(tmp_path, "out.mp4")
    assert oct((tmp_path / "out.mp4").stat().st_mode & 0o777) == oct(0o666 & ~_umask())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("written", [0, 5])
def test_abort_leaves_nothing_and_may_be_repeated(tmp_path: Path, source: str, written: int) -> None:
    with open_source(source) as opened:
        sink = open_sink(str(tmp_path / "out.mp4"), opened)
        for frame, _ in zip(opened, range(written), strict=False):
            sink.write(untouched(frame))
        sink.abort()
        sink.abort()
    assert_nothing_left(tmp_path)


def test_abort_after_finish_keeps_the_output(tmp_path: Path, source: str) -> None:
    convert(source, tmp_path / "out.mp4")  # aborts after finishing
    assert len(times(tmp_path / "out.mp4")) == FRAMES


def test_an_existing_output_is_kept_unless_it_may_be_replaced(tmp_path: Path, source: str) -> None:
    (tmp_path / "out.mp4").write_bytes(b"old")
    with pytest.raises(EraserError, match=r"--overwrite \(overwrite=True\)"):
        convert(source, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"old"
    convert(source, tmp_path / "out.mp4", overwrite=True)
    assert len(times(tmp_path / "out.mp4")) == FRAMES
    assert_nothing_left(tmp_path, "out.mp4")


def test_an_aborted_replacement_keeps_the_old_file(tmp_path: Path, source: str) -> None:
    (tmp_path / "out.mp4").write_bytes(b"old")
    with open_source(source) as opened:
        sink = open_sink(str(tmp_path / "out.mp4"), opened, overwrite=True)
        sink.write(untouched(next(iter(opened))))
        sink.abort()
    assert (tmp_path / "out.mp4").read_bytes() == b"old"
    assert_nothing_left(tmp_path, "out.mp4")


@pytest.mark.parametrize("link", [False, True])
def test_the_input_is_never_the_output(tmp_path: Path, source: str, link: bool) -> None:
    before = Path(source).read_bytes()
    output = source
    if link:
        output = str(tmp_path / "link.mp4")
        os.symlink(source, output)
    with pytest.raises(EraserError, match="input itself"):
        convert(source, output, overwrite=True)
    assert Path(source).read_bytes() == before


def test_the_input_s_folder_is_never_the_output(tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((8, 8, 3), np.uint8))
    for output in (f"{tmp_path}/", str(tmp_path / "%d.png")):
        with pytest.raises(EraserError, match="input itself"):
            convert(str(tmp_path / "%d.png") if "%" in output else str(tmp_path), output, overwrite=True)


@pytest.mark.parametrize(
    ("given", "output"), [("", "%d.png"), ("%d.png", ""), ("0.png", ""), ("0.png", "%d.png"), ("", "%01d.png")]
)
def test_no_picture_of_the_input_is_ever_replaced(tmp_path: Path, given: str, output: str) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "0.png"), np.full((8, 8, 3), 7, np.uint8))
    before = (tmp_path / "0.png").read_bytes()
    with pytest.raises(EraserError, match="input itself"):
        convert(os.path.join(tmp_path, given), os.path.join(tmp_path, output), overwrite=True)
    assert (tmp_path / "0.png").read_bytes() == before
    assert_nothing_left(tmp_path, "0.png")


def test_a_sequence_beside_the_input_may_be_replaced(tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "in_0.png"), np.zeros((8, 8, 3), np.uint8))
    for overwrite in (False, True):
        convert(str(tmp_path / "in_%d.png"), tmp_path / "out_%d.png", overwrite=overwrite)
    with pytest.raises(EraserError, match="--overwrite"):
        convert(str(tmp_path / "in_%d.png"), tmp_path / "out_%d.png")
    assert_nothing_left(tmp_path, "in_0.png", "out_0.png")


@pytest.mark.parametrize("output", ["out/", "out/frame_%06d.png"])
def test_pictures_of_an_older_run_stay_and_are_noted(tmp_path: Path, source: str, output: str) -> None:
    (tmp_path / "out").mkdir()
    convert(source, os.path.join(tmp_path, output), end=0.5)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    notes, _ = convert(source, os.path.join(tmp_path, output), end=0.3, overwrite=True)
    assert notes == [f"{os.path.join(tmp_path, output)} also holds 4 older pictures, left as they were."]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("output", "kind", "match"),
    [
        ("none/out.mp4", EraserError, "no folder"),
        ("out.xyz", UsageError, "extension"),
        ("out.srt", UsageError, "extension"),
        ("out.m3u8", UsageError, "extension"),
        ("out.mp3", EraserError, "No video|extension"),
        ("out", UsageError, "extension"),
        ("folder.mp4", EraserError, "regular file|folder"),
    ],
)
def test_outputs_that_cannot_be_are_said(
    tmp_path: Path, source: str, output: str, kind: type[EraserError], match: str
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "folder.mp4" / "0.png").write_bytes(b"")
    with pytest.raises(kind, match=match) as caught:
        convert(source, tmp_path / output)
    assert "\n" not in str(caught.value)
    assert_nothing_left(tmp_path, "folder.mp4")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable_is_said(tmp_path: Path, source: str) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(EraserError, match="not writable"):
        convert(source, locked / "out.mp4")


def test_permission_errors_are_said(tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(EraserError, match="not writable"):
        convert(source, tmp_path / "out.mp4")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_a_full_disk_is_said(tmp_path: Path, extension: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary is /dev/full, where every write fails as on a full disk."""
    made = Clip(frames=100, size=(192, 128), options={"crf": "4"}).write(tmp_path / "in.mp4")
    opened: Any = av.open

    def on_full_disk(file: Any, mode: str = "r", **options: Any) -> Any:
        if mode == "w" and isinstance(file, str) and ".erasing" in file:
            os.unlink(file)
            os.symlink("/dev/full", file)
        return opened(file, mode, **options)

    monkeypatch.setattr(av, "open", on_full_disk)
    with pytest.raises(EraserError, match="disk is full"):
        convert(made, tmp_path / f"out.{extension}", crf=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4"]


@pytest.mark.parametrize("name", ["p.mp4", "p.mkv", "p.webm"])
@pytest.mark.parametrize("size", [(192, 64), (95, 63)])
def test_a_preview_shows_what_it_is_given(tmp_path: Path, source: str, name: str, size: tuple[int, int]) -> None:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[:, : size[0] // 2] = (30, 60, 200)
    with open_source(source) as opened:
        sink = open_picture_sink(str(tmp_path / name), *size, opened)
        for frame in opened:
            sink.write_image(picture, frame.index, frame.pts, frame.time_base)
        sink.finish()
    frames = shown(tmp_path / name)
    assert len(frames) == FRAMES
    assert [float(f.time) for f in frames] == pytest.approx([float(t) for t in times(source)], abs=1e-3)
    with open_source(str(tmp_path / name)) as result:
        image = next(iter(result)).image[: size[1], : size[0]]
    assert np.abs(image[5:-5, 5 : size[0] // 2 - 5].astype(int) - (30, 60, 200)).max() <= 10


@pytest.mark.parametrize("name", ["m.mp4", "m.mkv", "m.mov", "m.avi"])
@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (95, 63)])
def test_masks_come_back_from_a_video_exactly(tmp_path: Path, source: str, name: str, size: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    masks = [np.where(generator.random((size[1], size[0])) < 0.3, 255, 0).astype(np.uint8) for _ in range(FRAMES)]
    with open_source(source) as opened:
        sink = open_picture_sink(str(tmp_path / name), *size, opened)
        for frame, mask in zip(opened, masks, strict=True):
            sink.write_image(mask, frame.index, frame.pts, frame.time_base)
        sink.finish()
    with open_source(str(tmp_path / name)) as result:
        for frame, mask in zip(result, masks, strict=True):
            np.testing.assert_array_equal(frame.image, np.repeat(mask[..., None], 3, 2))


@pytest.mark.parametrize("name", ["m.mp4", "m.mkv", "m.mov", "m.avi", "m.wmv"])
def test_gray_levels_between_black_and_white_come_back_from_a_video(tmp_path: Path, source: str, name: str) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    with open_source(source) as opened:
        sink = open_picture_sink(str(tmp_path / name), 256, 64, opened)
        for frame in opened:
            sink.write_image(ramp, frame.index, frame.pts, frame.time_base)
        sink.finish()
    with open_source(str(tmp_path / name)) as result:
        images = [frame.image for frame in result]
    assert len(images) == FRAMES
    for image in images:
        np.testing.assert_allclose(image, np.repeat(ramp[..., None], 3, 2), atol=1)  # a decoder may give it as YUV


@pytest.mark.parametrize(("rotation", "aspect"), [(0, Fraction(4, 3)), (90, Fraction(3, 4))])
@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 3)])
def test_previews_and_masks_have_the_pixels_aspect_of_the_upright_picture(
    tmp_path: Path, rotation: int, aspect: Fraction, shape: tuple[int, ...]
) -> None:
    made = Clip(context={"sample_aspect_ratio": Fraction(4, 3)}, rotation=rotation).write(tmp_path / "in.mp4")
    with open_source(made) as opened:
        sink = open_picture_sink(str(tmp_path / "p.mp4"), WIDTH, HEIGHT, opened)
        for frame in opened:
            sink.write_image(np.zeros(shape, np.uint8), frame.index, frame.pts, frame.time_base)
        sink.finish()
    with av.open(str(tmp_path / "p.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == aspect


def test_one_picture_that_is_read_as_a_video_is_not_said_to_be_many(tmp_path: Path) -> None:
    container: Any = av.open(str(tmp_path / "in.avif"), "w")
    stream = container.add_stream("libsvtav1", width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
    container.mux(stream.encode(av.VideoFrame(WIDTH, HEIGHT, "yuv420p")))
    container.mux(stream.encode(None))
    container.close()
    with pytest.raises(UsageError, match="is read as a video"):
        convert(str(tmp_path / "in.avif"), tmp_path / "out.png")


def test_masks_may_go_into_a_folder_numbered_as_the_frames_are(tmp_path: Path, source: str) -> None:
    import cv2

    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:9] = 255
    with open_source(source, start=0.2) as opened:
        sink = open_picture_sink(str(tmp_path / "masks") + "/", WIDTH, HEIGHT, opened)
        indices: list[int] = []
        for frame in opened:
            if len(indices) == 2 and frame.index == indices[-1] + 1:
                continue  # as one that is lost
            sink.write_image(mask, frame.index, frame.pts, frame.time_base)
            indices.append(frame.index)
        sink.finish()
    names = sorted(p.name for p in (tmp_path / "masks").iterdir())
    assert names == [f"frame_{index:06}.png" for index in indices]
    saved = cv2.imread(str(tmp_path / "masks" / names[0]), cv2.IMREAD_UNCHANGED)
    assert saved is not None
    np.testing.assert_array_equal(saved, mask)


def test_no_output_takes_the_place_of_an_input_that_is_named_by_its_address(tmp_path: Path) -> None:
    film = tmp_path / "my film.mp4"
    film.touch()
    with pytest.raises(UsageError, match="an input"):
        check_paths([film.as_uri()], [film], overwrite=True)
