"""Stills, sequences and folders, in and out."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from realtime.errors import EraserError, UsageError
from realtime.media.image_source import natural_order
from realtime.media.opening import open_source
from realtime.media.pictures import encode_picture, read_picture
from tests.media.clips import BOX, PAINT, Clip, convert, index_of, picture, shown, times


def outside_the_box(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.ones(shape[:2], bool)
    y0, y1, x0, x1 = BOX
    mask[y0 - 1 : y1 + 1, x0 - 1 : x1 + 1] = False
    return mask


def write_sequence(folder: Path, names: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), picture(index))


@pytest.mark.parametrize("extension", [".png", ".tif", ".bmp", ".ppm"])
def test_a_still_gives_a_still_with_every_other_pixel_as_it_was(tmp_path: Path, extension: str) -> None:
    source, output = tmp_path / f"in{extension}", tmp_path / f"out{extension}"
    assert cv2.imwrite(str(source), picture(3))
    with open_source(str(source)) as opened:
        assert opened.info.still
        assert opened.info.frames == 1
    notes, _ = convert(str(source), output, paint=True)
    assert notes == []
    result = cv2.imread(str(output))
    assert result is not None
    np.testing.assert_array_equal(result[outside_the_box(result.shape)], picture(3)[outside_the_box(result.shape)])
    y0, y1, x0, x1 = BOX
    assert (result[y0:y1, x0:x1] == PAINT).all()


@pytest.mark.parametrize("pixel_format", ["rgb48be", "rgba64be", "gray16be", "gray", "ya8", "rgba"])
def test_depth_gray_and_transparency_of_a_png_are_kept(tmp_path: Path, pixel_format: str) -> None:
    native = av.VideoFrame.from_ndarray(picture(2), format="bgr24").reformat(format=pixel_format)
    samples = np.random.default_rng(0).integers(0, 255, native.planes[0].buffer_size, np.uint8)
    native.planes[0].update(samples.tobytes())
    (tmp_path / "in.png").write_bytes(encode_picture(".png", picture(0), native))
    convert(str(tmp_path / "in.png"), tmp_path / "out.png", paint=True)
    before, after = (cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED) for name in ("in.png", "out.png"))
    assert before is not None
    assert after is not None
    assert (before.shape, before.dtype) == (after.shape, after.dtype)
    outside = outside_the_box(before.shape)
    np.testing.assert_array_equal(before[outside], after[outside])
    if before.ndim == 3 and before.shape[2] == 4:
        np.testing.assert_array_equal(before[..., 3], after[..., 3])


def test_a_palette_png_keeps_its_colours(tmp_path: Path) -> None:
    frame = av.VideoFrame.from_ndarray(picture(1), format="bgr24").reformat(format="rgb8")
    palette = av.VideoFrame(96, 64, "pal8")
    palette.planes[0].update(bytes(frame.planes[0])[: palette.planes[0].buffer_size])
    colours = np.random.default_rng(2).integers(0, 256, (256, 4), np.uint8)
    colours[:, 3] = 255
    palette.planes[1].update(colours.tobytes())
    (tmp_path / "in.png").write_bytes(_png(palette))
    before = cv2.imread(str(tmp_path / "in.png"))
    convert(str(tmp_path / "in.png"), tmp_path / "out.png", paint=True)
    after = cv2.imread(str(tmp_path / "out.png"))
    assert before is not None
    assert after is not None
    outside = outside_the_box(before.shape)
    np.testing.assert_array_equal(before[outside], after[outside])


def _png(frame: av.VideoFrame) -> bytes:
    context = av.CodecContext.create("png", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.time_base = 1  # type: ignore[assignment]
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def exif(orientation: int, thumbnail: bytes) -> bytes:
    """An APP1 segment: one directory with the orientation and a camera's name, one with a thumbnail (CIPA DC-008)."""
    maker = b"Camera\0\0"
    first = struct.pack("<H", 2)
    first += struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + struct.pack("<HHII", 0x010F, 2, 7, 38)
    second_at = 38 + len(maker)
    thumbnail_at = second_at + 2 + 24 + 4
    second = struct.pack("<H", 2) + struct.pack("<HHII", 0x0201, 4, 1, thumbnail_at)
    second += struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail)) + struct.pack("<I", 0)
    tiff = b"II*\0" + struct.pack("<I", 8) + first + struct.pack("<I", second_at) + maker + second + thumbnail
    return b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff


def tiff(samples: np.ndarray, tile: int = 0, orientation: int = 1, jpeg: bool = False) -> bytes:
    """A TIFF file of (H, W) or (H, W, 3 or 4) samples, in the order RGBA; in tiles of this many pixels where asked, or
    compressed as a JPEG of YCbCr."""
    height, width = samples.shape[:2]
    count, bits = (*samples.shape, 1)[2], samples.dtype.itemsize * 8
    chunks = [samples.tobytes()]
    if jpeg:
        chunks = [cv2.imencode(".jpg", samples[..., ::-1])[1].tobytes()]
    if tile:
        chunks = [
            samples[y : y + tile, x : x + tile].tobytes() for y in range(0, height, tile) for x in range(0, width, tile)
        ]
    offsets = [8 + sum(map(len, chunks[:number])) for number in range(len(chunks))]
    numbers = {
        256: [width], 257: [height], 258: [bits] * count, 259: [1], 262: [2 if count > 1 else 1], 274: [orientation],
        277: [count], 339: [3 if samples.dtype.kind == "f" else 1] * count,
    }  # fmt: skip
    if tile:
        numbers |= {322: [tile], 323: [tile], 324: offsets, 325: [len(chunk) for chunk in chunks]}
    else:
        numbers |= {273: offsets, 278: [height], 279: [len(chunks[0])]}
    if count == 4:
        numbers |= {338: [2]}
    if jpeg:
        numbers |= {259: [7], 262: [6], 530: [2, 2]}
    body, entries = b"".join(chunks), b""
    for tag in sorted(numbers):
        value = np.array(numbers[tag], "<u4").tobytes()
        if len(value) > 4:
            value, body = struct.pack("<I", 8 + len(body)), body + value
        entries += struct.pack("<HHI", tag, 4, len(numbers[tag])) + value
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(numbers)) + entries + bytes(4)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_tiled_tiff_keeps_its_samples(tmp_path: Path, channels: int, bits: int, orientation: int) -> None:
    samples = np.dstack([picture(3), np.full((64, 96), 77, np.uint8)])[..., [2, 1, 0, 3]]
    samples = samples[..., 1] if channels == 1 else samples[..., :channels]
    if bits == 16:
        samples = samples.astype(np.uint16) * 256 + 19
    stored = np.ascontiguousarray(np.rot90(samples) if orientation == 6 else samples)
    (tmp_path / "in.tif").write_bytes(tiff(stored, tile=16, orientation=orientation))
    notes, _ = convert(str(tmp_path / "in.tif"), tmp_path / "out.png")
    assert notes == []
    result = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert result is not None
    np.testing.assert_array_equal(result if channels == 1 else result[..., [2, 1, 0, 3][:channels]], samples)


def test_a_tiff_with_jpeg_compression_keeps_its_colours(tmp_path: Path) -> None:
    (tmp_path / "in.tif").write_bytes(tiff(picture(3)[..., ::-1], jpeg=True))
    assert np.abs(read_picture(tmp_path / "in.tif").image.astype(int) - picture(3)).mean() < 6


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("brightest", [1, 2])
def test_a_tiff_of_floats_is_written_with_16_bits_and_what_is_clipped_is_said(
    tmp_path: Path, channels: int, brightest: int
) -> None:
    samples = np.linspace(0, brightest, 64 * 96 * channels, dtype=np.float32).reshape(64, 96, channels).squeeze()
    (tmp_path / "in.tif").write_bytes(tiff(samples))
    notes, _ = convert(str(tmp_path / "in.tif"), tmp_path / "out.png")
    assert [note for note in notes if "floats" in note] == notes
    assert len(notes) == (brightest > 1)
    result = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert result is not None
    result = result if channels == 1 else result[..., [2, 1, 0, 3][:channels]]
    assert np.abs(result - samples.clip(0, 1) * 65535).max() <= 1


def test_a_thumbnail_without_compression_is_not_written_either(tmp_path: Path) -> None:
    thumbnail = b"what is to be erased" * 10
    begin = exif(1, thumbnail)
    for jpeg, strips in ((0x0201, 0x0111), (0x0202, 0x0117)):
        begin = begin.replace(struct.pack("<HHI", jpeg, 4, 1), struct.pack("<HHI", strips, 4, 1))
    data = cv2.imencode(".jpg", picture(4))[1].tobytes()
    (tmp_path / "in.jpg").write_bytes(data[:2] + begin + data[2:])
    convert(str(tmp_path / "in.jpg"), tmp_path / "out.jpg")
    written = (tmp_path / "out.jpg").read_bytes()
    assert b"Camera" in written
    assert b"erased" not in written


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_jpeg_is_written_upright_with_its_camera_data_but_not_its_thumbnail(tmp_path: Path, orientation: int) -> None:
    thumbnail = b"what is to be erased" * 10
    colours = bytes(16) + b"RGB " + b"P" * 20
    profile = b"\xff\xe2" + struct.pack(">H", 2 + 14 + 40) + b"ICC_PROFILE\0\1\1" + colours
    turned = np.rot90(picture(4), {1: 0, 3: 2, 6: 1, 8: 3}[orientation])
    _, encoded = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, 98])
    data = encoded.tobytes()
    (tmp_path / "in.jpg").write_bytes(data[:2] + exif(orientation, thumbnail) + profile + data[2:])
    convert(str(tmp_path / "in.jpg"), tmp_path / "out.jpg", paint=True)
    written = (tmp_path / "out.jpg").read_bytes()
    assert b"Camera" in written
    assert colours in written
    assert thumbnail in (tmp_path / "in.jpg").read_bytes()
    assert b"erased" not in written
    result = cv2.imread(str(tmp_path / "out.jpg"))  # applies the orientation that the file states
    assert result is not None
    assert result.shape == picture(4).shape
    difference = np.abs(result.astype(int) - picture(4))[outside_the_box(result.shape)]
    assert np.percentile(difference, 95) <= 12
    assert index_of(result) == 4


def test_webp_keeps_its_transparency(tmp_path: Path) -> None:
    pixels = np.dstack([picture(1), np.full((64, 96), 120, np.uint8)])
    assert cv2.imwrite(str(tmp_path / "in.webp"), pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])
    convert(str(tmp_path / "in.webp"), tmp_path / "out.webp", paint=True)
    result = cv2.imread(str(tmp_path / "out.webp"), cv2.IMREAD_UNCHANGED)
    assert result is not None
    assert result.shape == (64, 96, 4)
    assert (result[..., 3] == 120).all()


def test_fewer_bits_are_said(tmp_path: Path) -> None:
    deep = (picture(1).astype(np.uint16) << 8) + 7
    assert cv2.imwrite(str(tmp_path / "in.png"), deep)
    notes, _ = convert(str(tmp_path / "in.png"), tmp_path / "out.jpg")
    assert any("bits" in note for note in notes)


def test_a_folder_is_read_in_natural_order_and_gives_a_folder_with_its_names(tmp_path: Path) -> None:
    names = [f"img{n}.png" for n in (1, 2, 9, 10, 11)]
    write_sequence(tmp_path / "in", names)
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    with open_source(str(tmp_path / "in")) as source:
        assert [index_of(frame.image) for frame in source] == [0, 1, 2, 3, 4]
    convert(str(tmp_path / "in"), str(tmp_path / "out") + "/", paint=True)
    assert sorted((p.name for p in (tmp_path / "out").iterdir()), key=lambda n: natural_order(Path(n))) == names
    assert not list(tmp_path.glob(".erasing*"))


def test_a_pattern_starts_anywhere_and_gives_a_pattern(tmp_path: Path) -> None:
    write_sequence(tmp_path, [f"a_{n:03}.png" for n in (7, 8, 9, 11)])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("stays")
    convert(str(tmp_path / "a_%03d.png"), tmp_path / "out" / "b_%02d.png")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"b_{n:02}.png" for n in range(4)] + ["mine.txt"]
    for n in range(4):
        result = cv2.imread(str(tmp_path / "out" / f"b_{n:02}.png"))
        assert result is not None
        np.testing.assert_array_equal(result, picture(n))


def test_a_pattern_s_number_has_leading_zeros_even_where_none_is_said(tmp_path: Path) -> None:
    """As to FFmpeg, %4d means %04d."""
    write_sequence(tmp_path, ["a_0007.png", "a_0008.png"])
    for again in (False, True):
        convert(str(tmp_path / "a_%4d.png"), tmp_path / "b_%3d.png", overwrite=again)
        assert sorted(path.name for path in tmp_path.glob("b_*")) == ["b_000.png", "b_001.png"]
    with pytest.raises(EraserError, match="already"):
        convert(str(tmp_path / "a_%4d.png"), tmp_path / "b_%3d.png")


def test_a_pattern_may_hold_a_percent_sign(tmp_path: Path) -> None:
    write_sequence(tmp_path / "in", [f"100%_{n}.png" for n in range(2)])
    (tmp_path / "out").mkdir()
    convert(str(tmp_path / "in" / "100%_%d.png"), tmp_path / "out" / "50%x_%02d.png")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["50%x_00.png", "50%x_01.png"]


def test_part_of_a_sequence_keeps_its_numbers(tmp_path: Path) -> None:
    write_sequence(tmp_path / "in", [f"{n:03}.png" for n in range(10)])
    with open_source(str(tmp_path / "in"), start=0.08, end=0.2) as source:
        assert source.info.frames == 3
        assert [frame.index for frame in source] == [2, 3, 4]
    convert(str(tmp_path / "in"), str(tmp_path / "out") + "/", start=0.08, end=0.2)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["002.png", "003.png", "004.png"]


@pytest.mark.parametrize("size", [(96, 64), (95, 63)])
def test_a_sequence_gives_a_video(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "in").mkdir()
    for index in range(5):
        cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), picture(index, *size))
    convert(str(tmp_path / "in"), tmp_path / "out.mp4")
    frames = shown(tmp_path / "out.mp4")
    assert [index_of(f.frame.to_ndarray(format="bgr24")) for f in frames] == list(range(5))
    assert [float(f.time) for f in frames] == pytest.approx([i / 25 for i in range(5)])
    with open_source(str(tmp_path / "out.mp4")) as result:
        assert (result.info.width, result.info.height) == size
        image = next(iter(result)).image
    assert np.abs(image.astype(int) - picture(0, *size)).mean() < 6


def test_a_video_gives_a_sequence(tmp_path: Path) -> None:
    source = Clip().write(tmp_path / "in.mp4")
    convert(source, str(tmp_path / "frames") + "/", paint=True)
    with open_source(source) as opened, open_source(str(tmp_path / "frames")) as result:
        for frame, other in zip(opened, result, strict=True):
            outside = outside_the_box(frame.image.shape)
            np.testing.assert_array_equal(frame.image[outside], other.image[outside])


def test_what_pictures_do_not_take_of_a_video_is_said(tmp_path: Path) -> None:
    deep = Clip("prores_ks", pixel_format="yuva444p10le", options={"profile": "4444"})
    wide = Clip(context={"sample_aspect_ratio": Fraction(4, 3)})
    for clip, words in ((deep, ["4 bits less", "transparency"]), (wide, ["1.333"])):
        notes, _ = convert(clip.write(tmp_path / "in.mov"), str(tmp_path / "out") + "/", overwrite=True)
        assert len(notes) == len(words)
        assert all(word in note for word, note in zip(words, notes, strict=True))
    notes, _ = convert(Clip().write(tmp_path / "plain.mp4"), str(tmp_path / "plain") + "/")
    assert notes == []


def test_a_broken_picture_of_a_sequence_is_lost_and_the_rest_is_done(tmp_path: Path) -> None:
    write_sequence(tmp_path / "in", [f"{n}.png" for n in range(4)])
    (tmp_path / "in" / "2.png").write_bytes(b"broken")
    notes, source = convert(str(tmp_path / "in"), str(tmp_path / "out") + "/")
    assert source.lost == 1
    assert any("2.png" in note for note in notes)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0.png", "1.png", "3.png"]


def test_pictures_of_different_sizes_are_refused(tmp_path: Path) -> None:
    write_sequence(tmp_path / "in", ["0.png"])
    cv2.imwrite(str(tmp_path / "in" / "1.png"), picture(1, 32, 32))
    with pytest.raises(EraserError, match=r"1\.png is 32x32.*96x64"):
        convert(str(tmp_path / "in"), str(tmp_path / "out") + "/")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".erasing*"))


def test_a_video_does_not_fit_one_picture(tmp_path: Path) -> None:
    source = Clip().write(tmp_path / "in.mp4")
    with pytest.raises(UsageError, match=r"out_%04d\.png"):
        convert(source, tmp_path / "out.png")


def test_a_still_gives_a_video_of_one_frame(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "in.png"), picture(0))
    convert(str(tmp_path / "in.png"), tmp_path / "out.mp4")
    assert len(times(tmp_path / "out.mp4")) == 1


def test_natural_order_compares_numbers_as_numbers() -> None:
    names = ["b1", "a10", "a9", "a09b", "A1"]
    assert [p.name for p in sorted(map(Path, names), key=natural_order)] == ["A1", "a9", "a09b", "a10", "b1"]


def test_natural_order_takes_a_superscript_for_a_letter() -> None:
    names = ["5²10", "5²9"]
    assert [p.name for p in sorted(map(Path, names), key=natural_order)] == ["5²9", "5²10"]


def test_a_16_bit_picture_is_shown_to_the_eraser_as_8_bits(tmp_path: Path) -> None:
    deep = picture(5).astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "in.png"), deep)
    assert np.abs(read_picture(tmp_path / "in.png").image.astype(int) - picture(5)).max() <= 1
