"""Which encoder a video is written with."""

from __future__ import annotations

import re
from pathlib import Path

import av
import pytest

from realtime.errors import EraserError, UsageError
from realtime.media.encoders import Choice, choose_encoder, nearest_format, shape_of


def choice(
    tmp_path: Path, extension: str, pixel_format: str, size: tuple[int, int] = (96, 64), **options: object
) -> Choice:
    container = av.open(str(tmp_path / f"out.{extension}"), "w")
    return choose_encoder(container, pixel_format, *size, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("codec", "pixel_format", "extension", "encoder", "held"),
    [
        ("h264", "yuv420p", "mp4", "libx264", "yuv420p"),
        ("h264", "yuv422p10le", "mov", "libx264", "yuv422p10le"),
        ("h264", "yuv420p", "ts", "libx264", "yuv420p"),
        ("h264", "yuv420p", "webm", "libsvtav1", "yuv420p"),
        ("hevc", "yuv444p12le", "mkv", "libx265", "yuv444p12le"),
        ("vp9", "yuv420p10le", "mp4", "libx265", "yuv420p10le"),
        ("vp9", "yuv420p10le", "webm", "libsvtav1", "yuv420p10le"),
        ("vp9", "yuv444p", "webm", "libvpx-vp9", "yuv444p"),
        ("av1", "yuv444p", "mp4", "libx265", "yuv444p"),
        ("av1", "yuvj420p", "mp4", "libsvtav1", "yuv420p"),
        ("mpeg4", "yuv420p", "mp4", "libx264", "yuv420p"),
        ("prores", "yuva444p12le", "mov", "prores_ks", "yuva444p10le"),
        ("qtrle", "bgra", "mkv", "ffv1", "bgra"),
        ("vp9", "yuv420p", "mov", "libx265", "yuv420p"),
        ("dvvideo", "yuv411p", "mp4", "libx264", "yuv422p"),
    ],
)
def test_the_nearest_encoder_is_chosen(
    tmp_path: Path, codec: str, pixel_format: str, extension: str, encoder: str, held: str
) -> None:
    chosen = choice(tmp_path, extension, pixel_format, source_codec=codec)
    assert (chosen.encoder, shape_of(chosen.pixel_format)) == (encoder, shape_of(held))


def test_vp9_of_ten_bits_becomes_hevc_with_a_note(tmp_path: Path) -> None:
    """The wheel's libvpx has no high bit depth."""
    notes = choice(tmp_path, "mp4", "yuv420p10le", source_codec="vp9").notes
    assert len(notes) == 1
    assert "HEVC" in notes[0]
    assert "VP9" in notes[0]


def test_following_the_input_needs_no_note(tmp_path: Path) -> None:
    assert choice(tmp_path, "mp4", "yuv420p", source_codec="h264").notes == ()


def test_a_codec_that_is_not_followed_is_not_said_to_be_impossible(tmp_path: Path) -> None:
    notes = choice(tmp_path, "mkv", "yuv420p", source_codec="ffv1").notes
    assert notes == ("The video is written as H.264 in place of FFV1. --codec chooses another.",)
    assert choice(tmp_path, "mkv", "yuv420p", source_codec="ffv1", codec="ffv1").notes == ()


def test_lost_transparency_is_said(tmp_path: Path) -> None:
    chosen = choice(tmp_path, "mp4", "yuva420p", source_codec="h264")
    assert chosen.encoder == "libx264"
    assert any("transparency" in note for note in chosen.notes)


def test_quality_is_passed_on(tmp_path: Path) -> None:
    assert choice(tmp_path, "mp4", "yuv420p", source_codec="h264", crf=31.5).options["crf"] == "31.5"
    assert choice(tmp_path, "mp4", "yuv420p", source_codec="h264").options["crf"] == "20"
    assert "lossless=1" in choice(tmp_path, "mp4", "yuv420p", codec="hevc", crf=0).options["x265-params"]


def test_codecs_have_their_usual_names(tmp_path: Path) -> None:
    for name, encoder in {"h265": "libx265", "x264": "libx264", "AV1": "libsvtav1", "prores": "prores_ks"}.items():
        assert choice(tmp_path, "mkv", "yuv420p", codec=name).encoder == encoder


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Choose one of .*hevc"):
        choice(tmp_path, "mp4", "yuv420p", codec="nonesuch")
    with pytest.raises(UsageError, match="no video encoder"):
        choice(tmp_path, "mp4", "yuv420p", codec="aac")
    with pytest.raises(EraserError, match=r"H\.264 cannot be written into \.webm"):
        choice(tmp_path, "webm", "yuv420p", codec="h264")


@pytest.mark.parametrize(
    ("extension", "codec", "crf", "said"),
    [
        ("webm", None, 70, "AV1 takes no --crf of 70. Choose one from 0 to 63."),
        ("webm", "vp9", 70, "VP9 takes no --crf of 70. Choose one from 0 to 63."),
        ("webm", "vp8", 3, "VP8 takes no --crf of 3. Choose one from 4 to 63."),
        ("mp4", None, 51.5, "H.264 takes no --crf of 51.5. Choose one from 0 to 51."),
        ("mp4", "hevc", 200, "HEVC takes no --crf of 200. Choose one from 0 to 51."),
        ("mp4", "mpeg4", 32, "MPEG4 takes no --crf of 32. Choose one from 0 to 31."),
    ],
)
def test_a_quality_that_a_codec_does_not_have_is_refused_with_those_it_has(
    tmp_path: Path, extension: str, codec: str | None, crf: float, said: str
) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(said)}$"):
        choice(tmp_path, extension, "yuv420p", source_codec="h264", codec=codec, crf=crf)


@pytest.mark.parametrize(("extension", "codec", "title"), [("mkv", "ffv1", "FFV1"), ("mov", "prores", "ProRes")])
def test_a_codec_without_a_quality_leaves_it_out_with_a_note(
    tmp_path: Path, extension: str, codec: str, title: str
) -> None:
    chosen = choice(tmp_path, extension, "yuv422p10le", codec=codec, crf=3)
    assert chosen.notes == (f"{title} takes no --crf: it is left out.",)
    assert "crf" not in chosen.options


@pytest.mark.parametrize(
    ("pixel_format", "nearest"),
    [("gbrp16le", "rgb48be"), ("bgra", "rgba"), ("gray", "gray"), ("bgr24", "rgb24"), ("ya8", "ya8")],
)
def test_png_takes_the_nearest_format(pixel_format: str, nearest: str) -> None:
    assert nearest_format("png", pixel_format) == nearest


def test_without_a_gpu_the_cpu_encodes_and_a_note_says_so(tmp_path: Path) -> None:
    chosen = choice(tmp_path, "mp4", "yuv420p", source_codec="h264", codec="gpu")
    if chosen.encoder != "libx264":
        pytest.skip("there is a GPU that encodes")
    assert chosen.notes == ("No GPU here encodes this video: the CPU does (libx264).",)


def test_a_gpu_encodes_what_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as can be told where none is: every encoder is taken to open."""
    monkeypatch.setattr("realtime.media.encoders._opens", lambda *arguments: True)

    def encoder(source_codec: str, pixel_format: str = "yuv420p", **options: object) -> str:
        chosen = choice(tmp_path, "mp4", pixel_format, source_codec=source_codec, codec="gpu", **options)  # type: ignore[arg-type]
        assert shape_of(chosen.pixel_format) == shape_of(pixel_format)
        return chosen.encoder

    if "h264_nvenc" not in av.codecs_available:
        pytest.skip("this FFmpeg has no encoders for GPUs")
    assert (encoder("h264"), encoder("hevc", "yuv420p10le"), encoder("av1")) == (
        "h264_nvenc",
        "hevc_nvenc",
        "av1_nvenc",
    )
    assert encoder("h264", field_order=2) == encoder("h264", lossless=True) == "libx264"
    assert choice(tmp_path, "mp4", "yuv420p", source_codec="h264").encoder == "libx264"
