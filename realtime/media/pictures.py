"""Picture files, one at a time: read with all their samples, written back with what was not replaced unchanged.

PNG, TIFF, BMP and the PNM family go through FFmpeg, so that depth (up to 16 bits), gray, palette and transparency stay.
JPEG and WebP go through OpenCV, and so do TIFF files that FFmpeg reads wrong: tiles, JPEG compression, YCbCr, floats.
All are upright after their EXIF orientation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import av.error
import cv2
import numpy as np

from realtime.errors import EraserError
from realtime.media.encoders import nearest_format, shape_of
from realtime.media.metadata import NOTHING, Metadata, holds_more, stated_rotation, with_metadata
from realtime.media.planes import as_format, plane_arrays, to_writable, turned, upright_image
from realtime.media.tiff import as_stored, is_plain, is_tiff

_FFMPEG = {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".bmp": "bmp", ".ppm": "ppm", ".pgm": "pgm"}
_OPENCV = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpe": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}
EXTENSIONS = frozenset((*_FFMPEG, *_OPENCV))
# What OpenCV gives, by type and number of channels, as FFmpeg names it.
_DECODED = {
    (np.uint8, 1): "gray",
    (np.uint8, 3): "bgr24",
    (np.uint8, 4): "bgra",
    (np.uint16, 1): "gray16le",
    (np.uint16, 3): "bgr48le",
    (np.uint16, 4): "bgra64le",
}
_MORE = "A picture's file holds further ones (an animation, pages); only the first is taken."
_CLIPPED = "A picture's floats below 0 or above 1 are written as 0 and 1."


@dataclass(frozen=True)
class Picture:
    """image: (H, W, 3) uint8 BGR, upright. native: the samples as stored, as upright as that; None where `image` is all
    there is. notes: what of the file is not in them."""

    image: np.ndarray
    native: av.VideoFrame | None
    notes: tuple[str, ...] = ()


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
    codec = _FFMPEG.get(path.suffix.lower()) if is_plain(data) else None
    picture = _decode_with_ffmpeg(data, codec) if codec else None
    if picture is None:
        picture = _decode_tiff_with_opencv(data) if is_tiff(data) else _decode_with_opencv(data)
    if picture is None:
        raise EraserError(f"{path} cannot be read as a picture. Check that it opens in a viewer.")
    return replace(picture, notes=(*picture.notes, _MORE)) if holds_more(data) else picture


def encode_picture(
    extension: str, image: np.ndarray, native: av.VideoFrame | None = None, metadata: Metadata = NOTHING
) -> bytes:
    """The contents of a picture file.

    image: (H, W, 3) uint8 BGR or (H, W) uint8; used where there is no `native`. metadata: of the file that it was.
    """
    extension = extension.lower()
    height, width = image.shape[:2]
    if extension in _OPENCV:
        keeps_alpha = extension == ".webp" and native is not None and any(c.is_alpha for c in native.format.components)
        pixels = as_format(native, "bgra").to_ndarray() if keeps_alpha and native is not None else image
        done, encoded = cv2.imencode(extension, pixels, _OPENCV[extension])
        if not done:
            raise EraserError(f"OpenCV could not encode a {width}x{height} {extension} picture.")
        return with_metadata(encoded.tobytes(), metadata.fitting(extension, image.ndim == 2), width, height)
    encoder = _FFMPEG[extension]
    if native is None:
        native = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="gray" if image.ndim == 2 else "bgr24")
    frame = as_format(native, nearest_format(encoder, native.format.name))
    gray = shape_of(frame.format.name).kind == "gray"
    return with_metadata(_encode_with_ffmpeg(frame, encoder), metadata.fitting(extension, gray), width, height)


def losses(extension: str, native: av.VideoFrame | None, metadata: Metadata = NOTHING) -> list[str]:
    """Remarks on what a file with this extension, a picture or an 8-bit video, cannot hold of a `Picture`."""
    extension, notes, gray = extension.lower(), [], False
    if native is not None:
        given = shape_of(native.format.name)
        depth, alpha, gray = 8, extension == ".webp", given.kind == "gray" and extension in _FFMPEG
        if extension in _FFMPEG:
            held = shape_of(nearest_format(_FFMPEG[extension], native.format.name))
            depth, alpha = held.depth, held.alpha
        if given.depth > depth:
            notes.append(
                f"The pictures' samples are written with {given.depth - depth} bits less. Choose .png to keep them."
            )
        if given.alpha and not alpha and _shows_through(native):
            notes.append("The pictures' transparency is not written. Choose .png to keep it.")
    if metadata.profile and not metadata.fitting(extension, gray).profile:
        notes.append("The pictures' colour profile cannot be written here and is left out.")
    return notes


def _encode_with_ffmpeg(frame: av.VideoFrame, encoder: str) -> bytes:
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.time_base = context.framerate = 1  # type: ignore[assignment]
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def _decode_with_ffmpeg(data: bytes, codec: str) -> Picture | None:
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except (av.error.FFmpegError, ValueError):
        return None
    if not frames:
        return None
    native = _upright(to_writable(frames[0]), stated_rotation(data))
    return Picture(upright_image(native), native)


def _decode_with_opencv(data: bytes) -> Picture | None:
    if not data:
        return None
    buffer = np.frombuffer(data, np.uint8)
    stored = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    if stored is not None and stored.ndim == 3 and stored.shape[2] == 4 and stored.dtype == np.uint8:
        pixels = np.ascontiguousarray(turned(stored.astype(np.uint8, copy=False), stated_rotation(data)))
        return Picture(np.ascontiguousarray(pixels[..., :3]), av.VideoFrame.from_ndarray(pixels, format="bgra"))
    image = cv2.imdecode(buffer, cv2.IMREAD_COLOR)
    return None if image is None else Picture(image, None)


def _decode_tiff_with_opencv(data: bytes) -> Picture | None:
    """From a file, since OpenCV 5.0 reads not every tile from memory, and what is turned only from there."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "picture.tif"
        path.write_bytes(as_stored(data))
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None:
        return None
    notes: tuple[str, ...] = ()
    if stored.dtype.kind == "f":
        kept = np.nan_to_num(stored).clip(0, 1)
        notes = (_CLIPPED,) if (kept != stored).any() else ()
        stored = (kept * 65535 + 0.5).astype(np.uint16)
    pixel_format = _DECODED.get((stored.dtype.type, 1 if stored.ndim == 2 else stored.shape[2]))
    if pixel_format is None:
        return None
    samples = np.ascontiguousarray(turned(stored, stated_rotation(data)))
    native = av.VideoFrame.from_ndarray(samples, format=pixel_format)
    return Picture(upright_image(native), native, notes)


def _upright(native: av.VideoFrame, rotation: int) -> av.VideoFrame:
    """The frame turned as `rotation` says (see `Frame.rotation`), every sample kept."""
    if not rotation:
        return native
    shape = shape_of(native.format.name)
    if (shape.step_x, shape.step_y) != (1, 1):  # chroma of a turned picture would cover other pixels
        native = as_format(native, "yuv444p")
    planes = [turned(plane, rotation) for plane in plane_arrays(native)]
    result = av.VideoFrame(planes[0].shape[1], planes[0].shape[0], native.format.name)
    for tag in ("colorspace", "color_range", "color_primaries", "color_trc"):
        setattr(result, tag, getattr(native, tag))
    for target, samples in zip(plane_arrays(result), planes, strict=True):
        target[...] = samples
    return result


def _shows_through(native: av.VideoFrame) -> bool:
    """Is any pixel not opaque?"""
    return bool((as_format(native, "rgba").to_ndarray()[..., 3] < 255).any())
