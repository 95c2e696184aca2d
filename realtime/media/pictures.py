"""Picture files, one at a time: read with all their samples, written back with what was not replaced unchanged.

PNG, TIFF, BMP and the PNM family go through FFmpeg, so that depth (up to 16 bits), gray, palette and transparency stay.
JPEG and WebP go through OpenCV, upright after their EXIF orientation. A JPEG's colour profile and camera data are
carried over; its embedded thumbnail is not, because it shows what was erased.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import cv2
import numpy as np

from realtime.errors import EraserError
from realtime.media.encoders import nearest_format
from realtime.media.planes import as_format, depth, to_writable, upright_image

_FFMPEG = {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".bmp": "bmp", ".ppm": "ppm", ".pgm": "pgm"}
_OPENCV = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpe": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}
EXTENSIONS = frozenset((*_FFMPEG, *_OPENCV))

_ORIENTATION, _THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0112, 0x0201, 0x0202  # EXIF tags


@dataclass(frozen=True)
class Picture:
    """image: (H, W, 3) uint8 BGR, upright. native: the samples as stored, as upright as that; None where `image` is all
    there is."""

    image: np.ndarray
    native: av.VideoFrame | None


def is_picture(path: str) -> bool:
    """Does the name end like a picture's?"""
    return Path(path).suffix.lower() in EXTENSIONS


def read_picture(path: str | Path) -> Picture:
    """Raises EraserError where the file is no picture or is damaged beyond reading."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EraserError(f"{path} cannot be read ({error.strerror}). Check the path and its permissions.") from error
    codec = _FFMPEG.get(path.suffix.lower())
    picture = (_decode_with_ffmpeg(data, codec) if codec else None) or _decode_with_opencv(data)
    if picture is None:
        raise EraserError(f"{path} cannot be read as a picture. Check that it opens in a viewer.")
    return picture


def encode_picture(
    extension: str, image: np.ndarray, native: av.VideoFrame | None = None, metadata: bytes = b""
) -> bytes:
    """The contents of a picture file.

    image: (H, W, 3) uint8 BGR or (H, W) uint8; used where there is no `native`. metadata: of `jpeg_metadata`.
    """
    extension = extension.lower()
    if extension in _OPENCV:
        keeps_alpha = extension == ".webp" and native is not None and any(c.is_alpha for c in native.format.components)
        pixels = as_format(native, "bgra").to_ndarray() if keeps_alpha and native is not None else image
        done, encoded = cv2.imencode(extension, pixels, _OPENCV[extension])
        if not done:
            raise EraserError(f"OpenCV could not encode a {image.shape[1]}x{image.shape[0]} {extension} picture.")
        return _with_segments(encoded.tobytes(), metadata)
    encoder = _FFMPEG[extension]
    if native is None:
        native = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="gray" if image.ndim == 2 else "bgr24")
    frame = as_format(native, nearest_format(encoder, native.format.name))
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.time_base = context.framerate = 1  # type: ignore[assignment]
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def jpeg_metadata(path: str | Path) -> bytes:
    """EXIF and colour profile of a JPEG, made true for an upright picture without a thumbnail; b"" for other files."""
    try:
        jpeg = Path(path).read_bytes()
    except OSError:
        return b""
    return b"".join(_upright_exif(segment) if marker == 0xE1 else segment for marker, segment in _segments(jpeg))


def depth_lost(extension: str, native: av.VideoFrame | None) -> int:
    """Bits per sample that a picture with this extension has fewer than `native`; 0 where none are lost."""
    if native is None:
        return 0
    extension = extension.lower()
    kept = depth(nearest_format(_FFMPEG[extension], native.format.name)) if extension in _FFMPEG else 8
    return max(0, depth(native.format.name) - kept)


def _decode_with_ffmpeg(data: bytes, codec: str) -> Picture | None:
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except (av.error.FFmpegError, ValueError):
        return None
    if not frames:
        return None
    native = to_writable(frames[0])
    if native.rotation:
        return Picture(upright_image(native, round(-native.rotation / 90) % 4), None)
    return Picture(upright_image(native), native)


def _decode_with_opencv(data: bytes) -> Picture | None:
    if not data:
        return None
    buffer = np.frombuffer(data, np.uint8)
    stored = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    if stored is not None and stored.ndim == 3 and stored.shape[2] == 4 and stored.dtype == np.uint8:
        pixels = stored.astype(np.uint8, copy=False)
        return Picture(np.ascontiguousarray(pixels[..., :3]), av.VideoFrame.from_ndarray(pixels, format="bgra"))
    image = cv2.imdecode(buffer, cv2.IMREAD_COLOR)
    return None if image is None else Picture(image, None)


def _segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, whole segment) of the EXIF and ICC profile segments in a JPEG's head (ITU-T T.81, annex B)."""
    position = 2
    while jpeg[:2] == b"\xff\xd8" and position + 4 <= len(jpeg) and jpeg[position] == 0xFF:
        marker, length = jpeg[position + 1], int.from_bytes(jpeg[position + 2 : position + 4], "big")
        segment = jpeg[position : position + 2 + length]
        if marker == 0xDA:  # the scan begins
            return
        if (marker == 0xE1 and segment[4:10] == b"Exif\0\0") or (marker == 0xE2 and segment[4:16] == b"ICC_PROFILE\0"):
            yield marker, segment
        position += 2 + length


def _upright_exif(segment: bytes) -> bytes:
    """An EXIF segment with orientation 1 and without the thumbnail; nothing where it cannot be understood."""
    data = bytearray(segment)
    base = 10  # of the TIFF structure, behind marker, length and "Exif\0\0"
    try:
        order = {b"II": "<", b"MM": ">"}[bytes(data[base : base + 2])]
        first = base + struct.unpack_from(order + "I", data, base + 4)[0]
        count = struct.unpack_from(order + "H", data, first)[0]
        for entry in range(first + 2, first + 2 + 12 * count, 12):
            if struct.unpack_from(order + "H", data, entry)[0] == _ORIENTATION:
                struct.pack_into(order + "H", data, entry + 8, 1)
        link = first + 2 + 12 * count
        second = struct.unpack_from(order + "I", data, link)[0]
        if second:
            _blank_thumbnail(data, base, base + second, order)
            struct.pack_into(order + "I", data, link, 0)
    except (KeyError, struct.error):
        return b""
    return bytes(data)


def _blank_thumbnail(data: bytearray, base: int, directory: int, order: str) -> None:
    found = {}
    for entry in range(directory + 2, directory + 2 + 12 * struct.unpack_from(order + "H", data, directory)[0], 12):
        tag, _, _, value = struct.unpack_from(order + "HHII", data, entry)
        found[tag] = value
    start, length = base + found.get(_THUMBNAIL_OFFSET, 0), found.get(_THUMBNAIL_LENGTH, 0)
    stop = min(len(data), start + length)
    if _THUMBNAIL_OFFSET in found and start < stop:
        data[start:stop] = bytes(stop - start)


def _with_segments(encoded: bytes, segments: bytes) -> bytes:
    """Insert segments behind the start marker of a JPEG and its JFIF header."""
    if not segments or encoded[:2] != b"\xff\xd8":
        return encoded
    position = 2
    if encoded[2:4] == b"\xff\xe0":
        position = 4 + int.from_bytes(encoded[4:6], "big")
    return encoded[:position] + segments + encoded[position:]
