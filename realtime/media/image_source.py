"""Frames of still pictures: one file, a numbered sequence, a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from realtime.errors import EraserError, UsageError
from realtime.frame import Frame
from realtime.media.pictures import Picture, is_picture, read_picture
from realtime.media.source import Source, SourceInfo

RATE = Fraction(25)  # pictures per second of a sequence, where a video is made of it or a time is given

_NOTED_LOSSES = 5  # broken pictures that are named
_NUMBER = r"%\d*d"  # of a pattern; %4d means %04d, as to FFmpeg


class ImageSource(Source):
    """Pictures in order, all of one size.

    paths: the files of the whole sequence; those that cannot be read count as lost.
    first: the first picture that can be read.
    """

    def __init__(
        self, path: str, paths: list[Path], *, still: bool, start: float | None = None, end: float | None = None
    ) -> None:
        self.path = path
        self.paths = paths
        self.notes = []
        if start is not None and end is not None and end <= start:
            raise UsageError(f"The end ({end:g} s) must come after the start ({start:g} s).")
        time_base = 1 / RATE
        begin, stop = (None if time is None else Fraction(time).limit_denominator(1_000_000) for time in (start, end))
        self._range = [
            index
            for index in range(len(paths))
            if (begin is None or index * time_base >= begin) and (stop is None or index * time_base < stop)
        ]
        if not self._range:
            raise EraserError(f"{path} has no picture in that time. Choose another --start or --end.")
        self.first_index = self._range[0]
        self.shift = self.first_index * time_base
        self.first = self._first_readable(still)
        height, width = self.first.image.shape[:2]
        self.info = SourceInfo(
            width=width,
            height=height,
            time_base=time_base,
            rate=RATE,
            frames=len(self._range),
            duration=None if still else float(len(self._range) * time_base),
            still=still,
        )

    def __iter__(self) -> Iterator[Frame]:
        for index in self._range:
            try:
                picture = read_picture(self.paths[index])
            except EraserError as error:
                self.lost += 1
                if self.lost <= _NOTED_LOSSES:
                    self.notes.append(str(error))
                continue
            if picture.image.shape != self.first.image.shape:
                raise EraserError(
                    f"{self.paths[index]} is {_size(picture)}, the pictures before it are {_size(self.first)}."
                    " Give pictures of one size."
                )
            self.notes += [note for note in picture.notes if note not in self.notes]
            yield Frame(picture.image, index, index, self.info.time_base, picture.native)

    def _first_readable(self, still: bool) -> Picture:
        if still:
            return read_picture(self.paths[0])
        for index in self._range:
            with suppress(EraserError):
                return read_picture(self.paths[index])
        raise EraserError(f"None of the pictures of {self.path} can be read. Check that they open in a viewer.")


def open_images(path: str, start: float | None, end: float | None) -> ImageSource | None:
    """The pictures that `path` names; None where it names none (a video file, an address)."""
    if os.path.isdir(path):
        paths = picture_files(path)
        if not paths:
            raise EraserError(
                f"The folder {path} has no pictures in it. Give a folder of .png, .jpg, .tif or .webp files."
            )
        return ImageSource(path, paths, still=False, start=start, end=end)
    if is_pattern(path) and not os.path.exists(path):
        paths = picture_files(path)
        if not paths:
            raise EraserError(f"No picture matches {path}. Check the folder and the number of digits.")
        return ImageSource(path, paths, still=False, start=start, end=end)
    if is_picture(path) and "://" not in path:
        if not os.path.exists(path):
            raise EraserError(f"There is no file {path}. Check the path.")
        return ImageSource(path, [Path(path)], still=True)
    return None


def picture_files(path: str) -> list[Path]:
    """The pictures of a folder or of a pattern, in their order; of any other path the file itself, there or not."""
    if os.path.isdir(path):
        return sorted((p for p in Path(path).iterdir() if _is_visible_picture(p)), key=natural_order)
    if is_pattern(path) and not os.path.exists(path):
        return pattern_files(path)
    return [Path(path)]


def replaced(output: str, inputs: Iterable[str]) -> Path | None:
    """A file of `inputs` that writing to `output` may replace, None where there is none. Each of these paths names a
    file, a pattern or a folder of pictures."""
    there = {os.path.realpath(file): file for file in picture_files(output) if file.exists()}
    if not there:
        return None
    own = (os.path.realpath(file) for path in inputs for file in picture_files(path))
    return next((there[file] for file in own if file in there), None)


def is_pattern(path: str) -> bool:
    """Is it a picture's path with one number in it, like img_%04d.png or img_%d.png?"""
    name = os.path.basename(path)
    return is_picture(path) and len(re.findall(_NUMBER, name)) == 1 and "://" not in path


def pattern_files(pattern: str) -> list[Path]:
    """The files that a pattern names, by their number; numbering may start anywhere and leave gaps."""
    folder = Path(pattern).parent
    match = pattern_names(Path(pattern).name)
    numbered = []
    if folder.is_dir():
        for path in folder.iterdir():
            found = match.fullmatch(path.name)
            if found:
                numbered.append((int(found[1]), path))
    return [path for _, path in sorted(numbered)]


def pattern_names(pattern: str) -> re.Pattern[str]:
    """Matches the names that a pattern's name stands for; its group is the number."""
    head, number, tail = re.split(f"({_NUMBER})", pattern)
    return re.compile(re.escape(head) + rf"(\d{{{_digits(number) or 1},}})" + re.escape(tail))


def numbered_name(pattern: str, index: int) -> str:
    """The name with this number in it."""
    return re.sub(_NUMBER, lambda number: str(index).zfill(_digits(number[0])), pattern)


def _digits(number: str) -> int:
    """How many digits a pattern's number has at least."""
    return int(number[1:-1] or 0)


def natural_order(path: Path) -> list[tuple[int, int | str]]:
    """Sort key by which img9 comes before img10."""
    return [(0, int(part)) if part.isdecimal() else (1, part.lower()) for part in re.split(r"(\d+)", path.name) if part]


def _is_visible_picture(path: Path) -> bool:
    return path.is_file() and is_picture(path.name) and not path.name.startswith(".")


def _size(picture: Picture) -> str:
    return f"{picture.image.shape[1]}x{picture.image.shape[0]}"
