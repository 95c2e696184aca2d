"""Directories of tags: of TIFF files, and of the EXIF data in other pictures (TIFF 6.0; CIPA DC-008)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}  # by a file's first bytes, as `struct` has them
_ORIENTATION, _ALPHA, _PROFILE = 0x0112, 0x0152, 0x8773
_COMPRESSION, _PHOTOMETRIC, _SAMPLE_FORMAT, _TILE_WIDTH = 0x0103, 0x0106, 0x0153, 0x0142
_JPEG, _YCBCR, _FLOAT = {6, 7}, 6, 3  # values of these
# Where the samples of a thumbnail lie and how long they are: as a JPEG file, in strips.
_THUMBNAILS = ((0x0201, 0x0202), (0x0111, 0x0117))
_SHORT, _UNDEFINED = 3, 7  # types: of most numbers, of a profile's bytes
# EXIF's orientation to `Frame.rotation`.
_ROTATION = {2: 4, 3: 2, 4: 6, 5: 7, 6: 1, 7: 5, 8: 3}


@dataclass(frozen=True)
class Directory:
    """The tags of one picture. order: of bytes, as `struct` has it; entries: where each tag's lies; link: where the
    offset of the next directory lies; next: this offset, 0 where there is none."""

    order: str
    entries: dict[int, int]
    link: int
    next: int


def read_directory(data: bytes, start: int | None = None) -> Directory | None:
    """The directory at `start`, the first one where it is None; None where it cannot be understood."""
    try:
        order = _ORDERS[data[:4]]
        begin = struct.unpack_from(order + "I", data, 4)[0] if start is None else start
        places = range(begin + 2, begin + 2 + 12 * struct.unpack_from(order + "H", data, begin)[0], 12)
        entries = {struct.unpack_from(order + "H", data, place)[0]: place for place in places}
        return Directory(order, entries, places.stop, struct.unpack_from(order + "I", data, places.stop)[0])
    except (KeyError, struct.error):
        return None


def rotation_in(data: bytes) -> int:
    """How the picture is to be turned to be upright, as `Frame.rotation`."""
    directory = read_directory(data)
    if directory is None or _ORIENTATION not in directory.entries:
        return 0
    (orientation,) = struct.unpack_from(directory.order + "H", data, directory.entries[_ORIENTATION] + 8)
    return _ROTATION.get(orientation, 0)


def is_tiff(data: bytes) -> bool:
    return data[:4] in _ORDERS


def is_plain(data: bytes) -> bool:
    """Does FFmpeg read the first picture as it is? It makes black of tiles, takes JPEG's and other YCbCr for RGB, and
    knows only some kinds of floats."""
    directory = read_directory(data)
    if directory is None:
        return True
    compression, photometric, sample_format = (
        _values(data, directory, tag)[:1] for tag in (_COMPRESSION, _PHOTOMETRIC, _SAMPLE_FORMAT)
    )
    return not (
        _TILE_WIDTH in directory.entries
        or _JPEG.intersection(compression)
        or _YCBCR in photometric
        or _FLOAT in sample_format
    )


def as_stored(data: bytes) -> bytes:
    """A copy from which every reader takes the samples as they lie in the file: it says that they are upright, and
    multiplied by their alpha already."""
    directory = read_directory(data)
    result = bytearray(data)
    for tag in (_ORIENTATION, _ALPHA):
        if directory is not None and tag in directory.entries:
            struct.pack_into(directory.order + "HIHH", result, directory.entries[tag] + 2, _SHORT, 1, 1, 0)
    return bytes(result)


def has_further(data: bytes) -> bool:
    """Does another picture follow the first one?"""
    directory = read_directory(data)
    return directory is not None and directory.next != 0


def upright_tags(data: bytes) -> bytes:
    """EXIF data with orientation 1 and without the thumbnail; nothing where it cannot be understood."""
    first = read_directory(data)
    if first is None:
        return b""
    result = bytearray(data)
    if _ORIENTATION in first.entries:
        struct.pack_into(first.order + "H", result, first.entries[_ORIENTATION] + 8, 1)
    if first.next:
        second = read_directory(data, first.next)
        if second is None:
            return b""
        for tags in _THUMBNAILS:
            starts, lengths = (_values(data, second, tag) for tag in tags)
            if len(starts) != len(lengths):
                return b""
            for start, length in zip(starts, lengths, strict=True):
                stop = min(len(data), start + length)
                result[start:stop] = bytes(max(0, stop - start))
        struct.pack_into(first.order + "I", result, first.link, 0)
    return bytes(result)


def profile_in(data: bytes) -> bytes:
    """The ICC profile of a TIFF file's first picture; b"" where it has none."""
    directory = read_directory(data)
    if directory is None or _PROFILE not in directory.entries:
        return b""
    length, start = struct.unpack_from(directory.order + "II", data, directory.entries[_PROFILE] + 4)
    return data[start : start + length]


def add_profile(data: bytes, profile: bytes) -> bytes:
    """A TIFF file of one picture with this ICC profile: a longer directory takes the place of its own, at the end."""
    directory = read_directory(data)
    assert directory is not None, "it was written here"
    order, place = directory.order, len(data) + len(data) % 2
    added = struct.pack(order + "HHII", _PROFILE, _UNDEFINED, len(profile), place)
    entries = {tag: data[at : at + 12] for tag, at in directory.entries.items()} | {_PROFILE: added}
    tags = struct.pack(order + "H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    body = data[8:] + bytes(len(data) % 2) + profile + bytes(len(profile) % 2)
    return data[:4] + struct.pack(order + "I", 8 + len(body)) + body + tags


def _values(data: bytes, directory: Directory, tag: int) -> tuple[int, ...]:
    """The numbers that a tag holds, SHORT or LONG; none where it is not there or cannot be understood."""
    if tag not in directory.entries:
        return ()
    order, place = directory.order, directory.entries[tag] + 8
    kind, count = struct.unpack_from(order + "HI", data, place - 6)
    numbers = f"{order}{count}{'H' if kind == _SHORT else 'I'}"
    try:
        if struct.calcsize(numbers) > 4:  # they lie elsewhere
            (place,) = struct.unpack_from(order + "I", data, place)
        return struct.unpack_from(numbers, data, place)
    except struct.error:
        return ()
