"""A video goes in and comes out: codec, depth, samples, tags."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from realtime.media.encoders import side_data
from realtime.media.opening import open_source
from tests.media.clips import (
    BOX,
    FRAMES,
    HEIGHT,
    PAINT,
    WIDTH,
    Clip,
    convert,
    digital_video,
    hdr_clip,
    index_of,
    picture,
    shown,
    times,
)

VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "0"}


def assert_samples_kept_outside_the_box(before: str | Path, after: str | Path) -> None:
    """Frame by frame, plane by plane; the box grown by its feather and one chroma sample."""
    old, new = shown(before), shown(after)
    assert len(old) == len(new) > 0
    for one, other in zip(old, new, strict=True):
        for index, (a, b) in enumerate(zip(one.planes, other.planes, strict=True)):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            step_y, step_x = (round(s / t) for s, t in zip(one.planes[0].shape, a.shape, strict=False))
            outside = np.ones(a.shape[:2], bool)
            y0, y1, x0, x1 = BOX
            outside[(y0 - 1) // step_y : -(-(y1 + 1) // step_y), (x0 - 1) // step_x : -(-(x1 + 1) // step_x)] = False
            np.testing.assert_array_equal(a[outside], b[outside], err_msg=f"plane {index}")


@pytest.mark.parametrize(
    ("codec", "pixel_format", "name"),
    [
        ("libx264", "yuv420p", "in.mp4"),
        ("libx264", "yuvj420p", "in.mp4"),
        ("libx264", "yuv422p", "in.mp4"),
        ("libx264", "yuv444p", "in.mp4"),
        ("libx264", "yuv420p10le", "in.mp4"),
        ("libx264", "yuv422p10le", "in.mov"),
        ("libx264", "gray", "in.mkv"),
        ("libx265", "yuv420p10le", "in.mp4"),
        ("libx265", "yuv422p12le", "in.mkv"),
        ("libvpx-vp9", "yuv420p", "in.webm"),
        ("libsvtav1", "yuv420p10le", "in.mp4"),
        ("prores_ks", "yuv422p10le", "in.mov"),
        ("prores_ks", "yuva444p10le", "in.mov"),
        ("mpeg4", "yuv420p", "in.avi"),
        ("mjpeg", "yuvj422p", "in.avi"),
        ("huffyuv", "yuv422p", "in.avi"),
    ],
)
def test_untouched_samples_survive_a_lossless_codec(tmp_path: Path, codec: str, pixel_format: str, name: str) -> None:
    time_base = Fraction(1, 25) if name.endswith("avi") else Fraction(1, 12800)
    options = VP9 if codec == "libvpx-vp9" else {}
    source = Clip(codec, pixel_format=pixel_format, time_base=time_base, options=options).write(tmp_path / name)
    convert(source, tmp_path / "out.mkv", paint=True, codec="ffv1")
    assert_samples_kept_outside_the_box(source, tmp_path / "out.mkv")


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        ("h264", "yuv420p"),
        ("h264", "yuv444p"),
        ("h264", "yuv420p10le"),
        ("hevc", "yuv420p"),
        ("hevc", "yuv422p10le"),
        ("vp9", "yuv420p"),
        ("av1", "yuv420p"),
    ],
)
def test_a_crf_of_0_loses_nothing(tmp_path: Path, codec: str, pixel_format: str) -> None:
    source = Clip(pixel_format=pixel_format).write(tmp_path / "in.mp4")
    convert(source, tmp_path / "out.mp4", paint=True, crf=0, codec=codec)
    assert_samples_kept_outside_the_box(source, tmp_path / "out.mp4")


def test_untouched_samples_of_rgb_video_survive(tmp_path: Path) -> None:
    source = Clip("libx264rgb", pixel_format="bgr24").write(tmp_path / "in.mkv")
    convert(source, tmp_path / "out.mkv", crf=0)
    for one, other in zip(shown(source), shown(tmp_path / "out.mkv"), strict=True):
        assert one.pixel_format == other.pixel_format == "gbrp"
        np.testing.assert_array_equal(one.planes, other.planes)


@pytest.mark.parametrize(("codec", "name"), [("av1", "out.mp4"), ("vp9", "out.webm"), ("h264", "out.mkv")])
@pytest.mark.parametrize(("encoder", "pixel_format"), [("qtrle", "rgb24"), ("png", "gray"), ("ffv1", "gray10le")])
def test_rgb_and_gray_keep_their_colours_in_any_codec(
    tmp_path: Path, encoder: str, pixel_format: str, codec: str, name: str
) -> None:
    source = Clip(encoder, pixel_format=pixel_format).write(tmp_path / ("in.mkv" if encoder == "ffv1" else "in.mov"))
    convert(source, tmp_path / name, codec=codec, crf=5)
    with open_source(source) as before, open_source(str(tmp_path / name)) as after:
        for one, other in zip(before, after, strict=True):
            assert np.abs(one.image.astype(int) - other.image).mean() < 5


@pytest.mark.parametrize(("codec", "name"), [("h264", "out.mp4"), ("hevc", "out.mkv"), ("av1", "out.webm")])
def test_gray_that_does_not_say_its_range_keeps_its_contrast(tmp_path: Path, codec: str, name: str) -> None:
    """It is taken for full; H.264 decodes as YUV, whose range would be taken for limited."""
    unsaid = Clip("ffv1", pixel_format="gray", prepare=lambda frame: setattr(frame, "color_range", 0))
    source = unsaid.write(tmp_path / "in.mkv")
    assert shown(source)[0].frame.color_range == 0
    convert(source, tmp_path / name, codec=codec, crf=5)
    with open_source(source) as before, open_source(str(tmp_path / name)) as after:
        for one, other in zip(before, after, strict=True):
            assert np.abs(one.image.astype(int) - other.image).mean() < 3


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotated_video_is_erased_where_the_viewer_sees_it_and_stays_rotated(tmp_path: Path, rotation: int) -> None:
    source = Clip(rotation=rotation).write(tmp_path / "in.mp4")
    convert(source, tmp_path / "out.mp4", paint=True, crf=0)
    with open_source(str(tmp_path / "out.mp4")) as result, open_source(source) as original:
        assert (result.info.width, result.info.height) == ((HEIGHT, WIDTH) if rotation != 180 else (WIDTH, HEIGHT))
        y0, y1, x0, x1 = BOX
        for frame, before in zip(result, original, strict=True):
            assert frame.rotation == rotation // 90
            assert np.abs(frame.image[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4].astype(int) - PAINT).max() <= 4
            outside = np.ones(frame.image.shape[:2], bool)
            outside[y0 - 4 : y1 + 4, x0 - 4 : x1 + 4] = False
            np.testing.assert_array_equal(frame.image[outside], before.image[outside])


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize(
    ("matrix", "show"),
    [
        ((-1, 0, 0, 1), lambda picture: picture[:, ::-1]),
        ((1, 0, 0, -1), lambda picture: picture[::-1]),
        ((0, 1, 1, 0), lambda picture: picture.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda picture: picture[::-1, ::-1].swapaxes(0, 1)),
    ],
)
def test_a_mirrored_video_is_erased_where_the_viewer_sees_it_and_stays_mirrored(
    tmp_path: Path, name: str, matrix: tuple[int, ...], show: Callable[[np.ndarray], np.ndarray]
) -> None:
    """FFmpeg's display matrix (a, b, c, d) moves a pixel (x, y) to (a x + c y, b x + d y)."""
    source = Clip(display_matrix=matrix).write(tmp_path / "in.mp4")
    notes, _ = convert(source, tmp_path / name, paint=True, crf=0)
    assert notes == []
    with open_source(source) as original, open_source(str(tmp_path / name)) as result:
        y0, y1, x0, x1 = BOX
        for index, (before, after) in enumerate(zip(original, result, strict=True)):
            assert np.abs(before.image.astype(int) - show(picture(index))).mean() < 6
            assert (result.info.height, result.info.width) == before.image.shape[:2]
            assert np.abs(after.image[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4].astype(int) - PAINT).max() <= 4
            outside = np.ones(after.image.shape[:2], bool)
            outside[y0 - 4 : y1 + 4, x0 - 4 : x1 + 4] = False
            np.testing.assert_array_equal(after.image[outside], before.image[outside])


def test_glances_at_a_mirrored_video_are_what_the_viewer_sees(tmp_path: Path) -> None:
    source = Clip(display_matrix=(0, 1, 1, 0)).write(tmp_path / "in.mp4")
    with open_source(source) as opened:
        for index, (_, small) in enumerate(opened.glances(WIDTH // 2, HEIGHT // 2)):
            expected = cv2.resize(picture(index), (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
            assert np.abs(expected.swapaxes(0, 1).astype(int) - small).mean() < 6


@pytest.mark.parametrize(
    ("clip", "name", "codec", "pixel_format"),
    [
        (Clip(), "in.mp4", "h264", "yuv420p"),
        (Clip("libx265"), "in.mp4", "hevc", "yuv420p"),
        (Clip("libx265", pixel_format="yuv420p10le"), "in.mkv", "hevc", "yuv420p10le"),
        (Clip("libvpx-vp9", options=VP9), "in.webm", "vp9", "yuv420p"),
        (Clip("libvpx-vp9", options=VP9, size=(95, 63)), "in.webm", "vp9", "yuv420p"),
        (Clip("libsvtav1", options={"preset": "12"}), "in.mp4", "av1", "yuv420p"),
        (Clip("libsvtav1", options={"preset": "12"}, size=(95, 63)), "in.mkv", "av1", "yuv420p"),
        (Clip("mpeg4", time_base=Fraction(1, 25)), "in.avi", "mpeg4", "yuv420p"),
        (Clip("mpeg2video", time_base=Fraction(1, 25)), "in.ts", "mpeg2video", "yuv420p"),
    ],
)
def test_the_codec_follows_the_input_s(tmp_path: Path, clip: Clip, name: str, codec: str, pixel_format: str) -> None:
    source = clip.write(tmp_path / name)
    output = tmp_path / f"out.{name.rpartition('.')[2]}"
    notes, _ = convert(source, output, paint=True)
    with av.open(str(output)) as container:
        video = container.streams.video[0].codec_context
        expected = codec if codec in ("h264", "hevc", "vp9", "av1") else "h264"
        assert (video.codec.canonical_name, video.pix_fmt) == (expected, pixel_format)
        assert (video.width, video.height) == clip.size
    assert bool(notes) == (expected != codec)
    frames = shown(output)
    assert [index_of(f.frame.to_ndarray(format="bgr24")) for f in frames] == list(range(FRAMES))


def vp9_10_bit(path: Path) -> str:
    """The wheel's libvpx writes 8 bits only; AV1 in 10 bits stands for a codec that must be exchanged."""
    return Clip("libx265", pixel_format="yuv420p10le").write(path)


def test_ten_bits_are_kept_in_a_container_that_refuses_the_codec(tmp_path: Path) -> None:
    source = vp9_10_bit(tmp_path / "in.mkv")
    notes, _ = convert(source, tmp_path / "out.webm")
    assert "AV1" in " ".join(notes)
    assert "HEVC" in " ".join(notes)
    assert {frame.pixel_format for frame in shown(tmp_path / "out.webm")} == {"yuv420p10le"}


def test_odd_sizes_that_h264_refuses_take_another_codec_or_444(tmp_path: Path) -> None:
    source = Clip("mpeg4", size=(95, 63), time_base=Fraction(1, 25)).write(tmp_path / "in.avi")
    notes, _ = convert(source, tmp_path / "out.mp4")
    assert "AV1" in " ".join(notes)
    assert shown(tmp_path / "out.mp4")[0].planes[0].shape == (63, 95)

    notes, _ = convert(source, tmp_path / "h264.mp4", codec="h264", crf=0, paint=True)
    assert "4:4:4" in " ".join(notes)
    for one, other in zip(shown(source), shown(tmp_path / "h264.mp4"), strict=True):
        assert other.planes[1].shape == (63, 95)
        kept = [plane[::step, ::step][-5:] for plane, step in zip(other.planes, (1, 2, 2), strict=True)]
        for a, b in zip(one.planes, kept, strict=True):
            np.testing.assert_array_equal(a[-5:], b)  # below the painted box every sample is there


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1"])
def test_colour_tags_and_aspect_are_kept(tmp_path: Path, codec: str) -> None:
    context = {
        "color_primaries": 9,
        "color_trc": 16,
        "colorspace": 9,
        "color_range": 1,
        "sample_aspect_ratio": Fraction(4, 3),
    }
    source = Clip(context=context).write(tmp_path / "in.mp4")
    notes, _ = convert(source, tmp_path / "out.mp4", codec=codec)
    assert notes == []
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        assert [frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range] == [9, 16, 9, 1]
        assert stream.sample_aspect_ratio == Fraction(4, 3)


def test_an_aspect_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    source = Clip(context={"sample_aspect_ratio": Fraction(4, 3)}).write(tmp_path / "in.mp4")
    assert any("aspect" in note for note in convert(source, tmp_path / "out.webm")[0])
    assert convert(source, tmp_path / "out.mkv")[0] == []


@pytest.mark.parametrize("codec", ["libx265", "libx264", "libsvtav1"])
def test_static_hdr_metadata_is_kept(tmp_path: Path, codec: str) -> None:
    notes, _ = convert(hdr_clip().write(tmp_path / "in.mp4"), tmp_path / "out.mp4", codec=codec)
    assert not any("HDR" in note for note in notes)
    before, after = (shown(tmp_path / name)[0].frame for name in ("in.mp4", "out.mp4"))
    assert side_data(after, "CONTENT_LIGHT_LEVEL") == side_data(before, "CONTENT_LIGHT_LEVEL") is not None
    chromaticity = [
        np.frombuffer(side_data(frame, "MASTERING_DISPLAY_METADATA") or b"", "<i4")[:20].reshape(10, 2)
        for frame in (before, after)
    ]
    ratios = [values[:, 0] / values[:, 1] for values in chromaticity]
    np.testing.assert_allclose(ratios[1], ratios[0], rtol=1e-3, atol=1e-3)


def test_static_hdr_metadata_that_an_encoder_cannot_be_told_is_said_to_be_lost(tmp_path: Path) -> None:
    notes, _ = convert(hdr_clip().write(tmp_path / "in.mp4"), tmp_path / "out.mp4", codec="libvpx-vp9")
    lost = [note for note in notes if "HDR" in note]
    assert ["content light level" in lost[0], "mastering metadata" in lost[1], len(lost)] == [True, True, 2]


@pytest.mark.parametrize(("flag", "order"), [("tff", 2), ("bff", 3)])
def test_interlaced_video_is_said_and_keeps_its_field_order(tmp_path: Path, flag: str, order: int) -> None:
    source = Clip(options={"x264-params": f"{flag}=1"}).write(tmp_path / "in.mp4")
    notes, opened = convert(source, tmp_path / "out.mp4", paint=True)
    assert opened.info.interlaced
    assert any("interlaced" in note for note in notes)
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert getattr(stream.codec_context, "field_order", order) == order  # PyAV tells it since version 18
        assert all(frame.interlaced_frame for frame in container.decode(stream))


@pytest.mark.parametrize("name", ["out.mov", "out.mp4"])
def test_a_clock_that_ticks_faster_than_the_frames_is_not_the_rate(tmp_path: Path, name: str) -> None:
    """Raw DV tells the rate of its clock alone."""
    source = digital_video().write(tmp_path / "in.dv")
    _, opened = convert(source, tmp_path / name)
    assert [opened.info.rate, opened.info.frames] == [25, 5]
    assert times(tmp_path / name) == [Fraction(index, 25) for index in range(5)]


def test_info_tells_what_is_known_beforehand(tmp_path: Path) -> None:
    source = Clip(audio=["eng"]).write(tmp_path / "in.mp4")
    with open_source(source) as opened:
        info = opened.info
        assert [info.width, info.height, info.rate, info.frames] == [WIDTH, HEIGHT, 25, FRAMES]
        assert info.duration == pytest.approx(FRAMES / 25, abs=0.03)
        assert not info.interlaced
        frames = list(opened)
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert all(frame.image.shape == (HEIGHT, WIDTH, 3) for frame in frames)
    assert [index_of(frame.image) for frame in frames] == list(range(FRAMES))


def test_reading_is_not_disturbed_by_writing_into_frames(tmp_path: Path) -> None:
    """The frames handed out are the decoder's references for the next ones."""
    source = Clip(frames=30, pts=None, options={"bf": "3", "g": "30"}).write(tmp_path / "in.mp4")
    with open_source(source) as opened:
        plain = [frame.image.copy() for frame in opened]
    with open_source(source) as opened:
        for frame, before in zip(opened, plain, strict=True):
            np.testing.assert_array_equal(frame.image, before)
            convert_box = np.full_like(frame.image, 255)
            from realtime.media.planes import write_replaced

            assert frame.native is not None
            write_replaced(frame.native, convert_box, np.full(before.shape[:2], 255, np.uint8), (0, HEIGHT, 0, WIDTH))


@pytest.mark.skipif("ERASER_DATA" not in os.environ, reason="ERASER_DATA names no folder with the reference clips")
def test_real_clips_stay_below_1_6_times_their_size(tmp_path: Path) -> None:
    for name in ("tennis.mp4", "room_static_a.mp4"):
        source = Path(os.environ["ERASER_DATA"]) / "videos" / name
        convert(str(source), tmp_path / name)
        assert (tmp_path / name).stat().st_size <= 1.6 * source.stat().st_size
        assert times(tmp_path / name) == times(source)
