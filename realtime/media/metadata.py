"""What a picture's file says of it beside the samples: where its top is, its colour profile, its camera.

A JPEG's camera data stays in JPEGs, without the embedded thumbnail, because it shows what was erased. A colour profile
(ICC.1) stays wherever a kind of file can hold it and what is written has the colours that it describes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from realtime.media.tiff import add_profile, has_further, profile_in, rotation_in, upright_tags

_PNG = b"\x89PNG\r\n\x1a\n"
_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"  # how JPEG segments begin
_SEGMENT = 65519  # bytes of a profile that a JPEG segment takes
_WITH_PROFILE = {".png", ".jpg", ".jpeg", ".jpe", ".webp", ".tif", ".tiff"}
_WEBP_PROFILE = 0x20  # flag of a WebP's VP8X chunk


@dataclass(frozen=True)
class Metadata:
    """camera: EXIF segments of a JPEG, true for an upright picture; profile: ICC. Both may be empty."""

    camera: bytes = b""
    profile: bytes = b""

    def fitting(self, extension: str, gray: bool) -> Metadata:
        """What suits gray or RGB samples in files with this extension: a profile is for one kind of samples."""
        fits = extension in _WITH_PROFILE and self.profile[16:20] == (b"GRAY" if gray else b"RGB ")
        return self if fits else Metadata(self.camera)


NOTHING = Metadata()


def read_metadata(path: str | Path) -> Metadata:
    """Nothing for files that have none, or cannot be read."""
    try:
        data = Path(path).read_bytes()
    except OSError:
        return Metadata()
    upright = (upright_tags(body[len(_EXIF) :]) for body in _segments(data, 0xE1, _EXIF))
    camera = b"".join(_segment(0xE1, _EXIF + tags) for tags in upright if tags)
    return Metadata(camera, _profile(data))


def stated_rotation(data: bytes) -> int:
    """How the picture of a PNG, TIFF or WebP file is to be turned to be upright, as `Frame.rotation`."""
    chunks = dict(_chunks(data))
    return rotation_in(chunks.get(b"eXIf", chunks.get(b"EXIF", data)).removeprefix(_EXIF))


def holds_more(data: bytes) -> bool:
    """Does a PNG, TIFF or WebP file hold more pictures than one: an animation, pages?"""
    return any(name in (b"acTL", b"ANIM") for name, _ in _chunks(data)) or has_further(data)


def with_metadata(encoded: bytes, metadata: Metadata, width: int, height: int) -> bytes:
    """A file just encoded, of a picture of this size, with metadata that fits it; a profile that it has stays."""
    profile = metadata.profile
    if encoded[:2] == b"\xff\xd8":
        return _with_segments(encoded, metadata)
    if not profile or _profile(encoded):
        return encoded
    if encoded.startswith(_PNG):
        head = len(_PNG) + 25  # behind the first chunk, IHDR
        body = b"iCCP" + b"ICC\0\0" + zlib.compress(profile)
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        return encoded[:head] + chunk + encoded[head:]
    if encoded[:4] == b"RIFF":
        return _webp_with_profile(encoded, profile, width, height)
    return add_profile(encoded, profile)


def _profile(data: bytes) -> bytes:
    chunks = dict(_chunks(data))
    if b"iCCP" in chunks:
        try:
            return zlib.decompress(chunks[b"iCCP"].partition(b"\0")[2][1:])
        except zlib.error:
            return b""
    if b"ICCP" in chunks:
        return chunks[b"ICCP"]
    parts = sorted(body[len(_ICC) :] for body in _segments(data, 0xE2, _ICC))  # each begins with its number
    return b"".join(part[2:] for part in parts) or profile_in(data)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, contents) of the chunks of a PNG (ISO 15948) or WebP file (RFC 9649); none of others."""
    png, webp = data.startswith(_PNG), data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    position = len(_PNG) if png else 12
    while (png or webp) and position + 8 <= len(data):
        head = struct.unpack_from(">I4s" if png else "<4sI", data, position)
        length, name = head if png else head[::-1]
        yield name, data[position + 8 : position + 8 + length]
        position += 12 + length if png else 8 + length + length % 2


def _webp_with_profile(encoded: bytes, profile: bytes, width: int, height: int) -> bytes:
    chunks = list(_chunks(encoded))
    if chunks[0][0] != b"VP8X":
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunks.insert(0, (b"VP8X", bytes(4) + size))
    (_, extended), *rest = chunks
    extended = bytes([extended[0] | _WEBP_PROFILE]) + extended[1:]
    body = b"WEBP"
    for name, contents in ((b"VP8X", extended), (b"ICCP", profile), *rest):
        body += struct.pack("<4sI", name, len(contents)) + contents + bytes(len(contents) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _segments(jpeg: bytes, marker: int, begin: bytes) -> Iterator[bytes]:
    """Contents of the segments of a kind in a JPEG's head (ITU-T T.81, annex B) that begin like this."""
    position = 2
    while jpeg[:2] == b"\xff\xd8" and position + 4 <= len(jpeg) and jpeg[position] == 0xFF:
        kind, length = jpeg[position + 1], int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if kind == 0xDA:  # the scan begins
            return
        body = jpeg[position + 4 : position + 2 + length]
        if kind == marker and body.startswith(begin):
            yield body
        position += 2 + length


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _with_segments(jpeg: bytes, metadata: Metadata) -> bytes:
    """Insert the metadata behind the start marker of a JPEG and its JFIF header."""
    profile = metadata.profile
    parts = [profile[place : place + _SEGMENT] for place in range(0, len(profile), _SEGMENT)]
    segments = [_segment(0xE2, _ICC + bytes([number, len(parts)]) + part) for number, part in enumerate(parts, 1)]
    position = 4 + int.from_bytes(jpeg[4:6], "big") if jpeg[2:4] == b"\xff\xe0" else 2
    return jpeg[:position] + metadata.camera + b"".join(segments) + jpeg[position:]
