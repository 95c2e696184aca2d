"""What a picture's file says beside its samples is kept, or it is said that it is not."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from realtime.media.metadata import Metadata
from realtime.media.pictures import encode_picture, read_picture
from realtime.media.planes import to_writable
from tests.media.clips import convert, index_of, picture

# Upright pictures as they are stored with each orientation (CIPA DC-008, 4.6.5).
STORED = {
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def tags(orientation: int) -> bytes:
    """EXIF data with nothing but an orientation."""
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def deep(index: int) -> np.ndarray:
    """(H, W, 4) uint16 BGRA whose samples use all 16 bits."""
    noise = np.random.default_rng(index).integers(0, 256, (64, 96, 4), np.uint16)
    return np.dstack([picture(index), np.full((64, 96), 90, np.uint8)]).astype(np.uint16) * 256 + noise


def png(samples: np.ndarray, name: bytes, contents: bytes) -> bytes:
    """A PNG file with one more chunk."""
    encoded = cv2.imencode(".png", samples)[1].tobytes()
    checked = name + contents
    chunk = struct.pack(">I", len(contents)) + checked + struct.pack(">I", zlib.crc32(checked))
    return encoded[:33] + chunk + encoded[33:]


def tiff(samples: np.ndarray, orientation: int, pages: int = 1) -> bytes:
    """A plain TIFF file of (H, W, 4) uint16 BGRA; further pages are the same one."""
    height, width = samples.shape[:2]
    data = samples[..., [2, 1, 0, 3]].astype("<u2").tobytes()
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 4, 8), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 16),
        (274, 3, 1, orientation), (277, 3, 1, 4), (278, 4, 1, height), (279, 4, 1, len(data)), (338, 3, 1, 2),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    start = 16 + len(data)
    link = start if pages > 1 else 0
    head = b"II*\0" + struct.pack("<I", start) + struct.pack("<4H", 16, 16, 16, 16)
    return head + data + directory + struct.pack("<I", link)


def webp(samples: np.ndarray, orientation: int) -> bytes:
    """A lossless WebP file of (H, W, 4) uint8 BGRA."""
    picture_chunk = cv2.imencode(".webp", samples, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()[12:]
    height, width = samples.shape[:2]
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    extended = b"VP8X" + struct.pack("<II", 10, 0x18) + size  # with alpha and EXIF
    exif = tags(orientation)
    body = b"WEBP" + extended + picture_chunk + b"EXIF" + struct.pack("<I", len(exif)) + exif
    return b"RIFF" + struct.pack("<I", len(body)) + body


def profile(space: bytes) -> bytes:
    """As much of an ICC profile as matters; longer than a JPEG segment."""
    return bytes(16) + space + bytes(108) + np.random.default_rng(0).bytes(70000)


def stated_profile(path: Path) -> bytes:
    """The profile that FFmpeg finds in a file, by way of a PNG that it writes."""
    codec = {".jpg": "mjpeg", ".tif": "tiff"}.get(path.suffix, path.suffix[1:])
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    (frame,) = [*context.decode(av.Packet(path.read_bytes())), *context.decode(None)]
    head, _, rest = encode_picture(".png", np.zeros((1, 1, 3), np.uint8), to_writable(frame)).partition(b"iCCP")
    chunk = rest[: int.from_bytes(head[-4:], "big")] if rest else b""
    return zlib.decompress(chunk.partition(b"\0")[2][1:]) if chunk else b""


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_a_turned_or_mirrored_picture_is_written_upright_with_all_its_samples(
    tmp_path: Path, extension: str, orientation: int
) -> None:
    upright = deep(3)
    stored = np.ascontiguousarray(STORED[orientation](upright))
    file = png(stored, b"eXIf", tags(orientation)) if extension == ".png" else tiff(stored, orientation)
    (tmp_path / f"in{extension}").write_bytes(file)
    notes, _ = convert(str(tmp_path / f"in{extension}"), tmp_path / f"out{extension}")
    written = cv2.imread(str(tmp_path / f"out{extension}"), cv2.IMREAD_UNCHANGED)
    assert written is not None
    np.testing.assert_array_equal(written, upright)
    assert index_of(read_picture(tmp_path / f"out{extension}").image) == 3  # not turned once more
    assert notes == []


@pytest.mark.parametrize("orientation", STORED)
def test_a_turned_webp_with_transparency_is_written_upright(tmp_path: Path, orientation: int) -> None:
    upright = np.dstack([picture(5), np.tile(np.arange(96, dtype=np.uint8), (64, 1))])
    (tmp_path / "in.webp").write_bytes(webp(np.ascontiguousarray(STORED[orientation](upright)), orientation))
    convert(str(tmp_path / "in.webp"), tmp_path / "out.webp")
    written = cv2.imread(str(tmp_path / "out.webp"), cv2.IMREAD_UNCHANGED)
    assert written is not None
    np.testing.assert_array_equal(written[..., 3], upright[..., 3])
    assert index_of(written[..., :3]) == 5


@pytest.mark.parametrize("size", [(96, 64), (95, 63)])
@pytest.mark.parametrize(
    ("given", "wanted"),
    [(".png",) * 2, (".tif",) * 2, (".webp",) * 2, (".jpg",) * 2, (".png", ".tif"), (".tif", ".jpg")],
)
def test_a_colour_profile_is_kept(tmp_path: Path, given: str, wanted: str, size: tuple[int, int]) -> None:
    colours = profile(b"RGB ")
    (tmp_path / f"in{given}").write_bytes(encode_picture(given, picture(1, *size), None, Metadata(profile=colours)))
    assert stated_profile(tmp_path / f"in{given}") == colours
    notes, _ = convert(str(tmp_path / f"in{given}"), tmp_path / f"out{wanted}", paint=True)
    assert stated_profile(tmp_path / f"out{wanted}") == colours
    assert index_of(read_picture(tmp_path / f"out{wanted}").image) == 1
    assert notes == []


def test_a_webp_with_transparency_keeps_both_it_and_the_profile(tmp_path: Path) -> None:
    samples = av.VideoFrame.from_ndarray(np.dstack([picture(1), np.full((64, 96), 120, np.uint8)]), format="bgra")
    colours = Metadata(profile=profile(b"RGB "))
    (tmp_path / "in.webp").write_bytes(encode_picture(".webp", picture(1), samples, colours))
    assert stated_profile(tmp_path / "in.webp") == colours.profile
    read = cv2.imread(str(tmp_path / "in.webp"), cv2.IMREAD_UNCHANGED)
    assert read is not None
    assert (read[..., 3] == 120).all()


def test_a_turned_picture_keeps_its_profile(tmp_path: Path) -> None:
    colours = profile(b"RGB ")
    body = b"ICC\0\0" + zlib.compress(colours)
    turned = png(np.rot90(picture(1)), b"eXIf", tags(6))
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
    (tmp_path / "in.png").write_bytes(turned[:33] + chunk + turned[33:])
    convert(str(tmp_path / "in.png"), tmp_path / "out.png")
    assert stated_profile(tmp_path / "out.png") == colours


@pytest.mark.parametrize(("space", "extension"), [(b"CMYK", ".jpg"), (b"RGB ", ".bmp")])
def test_a_profile_that_does_not_fit_is_left_out_and_that_is_said(tmp_path: Path, space: bytes, extension: str) -> None:
    encoded = cv2.imencode(".jpg", picture(1))[1].tobytes()
    body = b"ICC_PROFILE\0\1\1" + profile(space)[:500]
    segment = b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body
    (tmp_path / "in.jpg").write_bytes(encoded[:2] + segment + encoded[2:])
    notes, _ = convert(str(tmp_path / "in.jpg"), tmp_path / f"out{extension}")
    assert body[14:] not in (tmp_path / f"out{extension}").read_bytes()
    assert len([note for note in notes if "colour profile" in note]) == 1


def test_a_gray_mask_takes_no_rgb_profile(tmp_path: Path) -> None:
    colours = Metadata(profile=profile(b"RGB "))
    for extension in (".png", ".tif", ".jpg"):
        path = tmp_path / f"mask{extension}"
        path.write_bytes(encode_picture(extension, np.zeros((64, 96), np.uint8), None, colours))
        assert stated_profile(path) == b""


@pytest.mark.parametrize("extension", [".png", ".webp", ".tif"])
def test_of_an_animation_and_of_pages_the_first_is_taken_and_that_is_said(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"in{extension}"
    if extension == ".tif":
        path.write_bytes(tiff(deep(1), 1, pages=2))
    else:
        animation = cv2.Animation()
        animation.frames, animation.durations = [picture(1), picture(2)], [40, 40]
        assert cv2.imwriteanimation(str(path), animation)
    notes, _ = convert(str(path), tmp_path / "out.png")
    assert index_of(read_picture(tmp_path / "out.png").image) == 1
    assert len([note for note in notes if "only the first" in note]) == 1


def test_lost_transparency_is_said_where_anything_shows_through(tmp_path: Path) -> None:
    for alpha, said in ((255, 0), (254, 1)):
        cv2.imwrite(str(tmp_path / "in.png"), np.dstack([picture(1), np.full((64, 96), alpha, np.uint8)]))
        notes, _ = convert(str(tmp_path / "in.png"), tmp_path / "out.jpg", overwrite=True)
        assert len([note for note in notes if "transparency" in note]) == said


def test_what_a_video_of_pictures_cannot_hold_is_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for index in range(2):
        cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), deep(index))
    notes, _ = convert(str(tmp_path / "in"), tmp_path / "out.mp4")
    assert any("8 bits less" in note for note in notes)
    assert any("transparency" in note for note in notes)
