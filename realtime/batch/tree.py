"""Which videos a batch is for, and where each one's output goes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from realtime.batch.journal import NAME as JOURNAL
from realtime.errors import EraserError, UsageError

# What people call video files. What is in them is found out when they are opened.
EXTENSIONS = frozenset(
    (
        *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov"),
        *(".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv"),
    )
)


@dataclass(frozen=True)
class Video:
    """One file of a batch. name: its path below what all inputs have in common, and below the output folder."""

    name: str
    input: Path
    output: Path


@dataclass(frozen=True)
class Work:
    """The videos in the order of their names; others: how many files there are that are no videos; outputs: folders
    that were not entered, since another batch has written to them."""

    videos: tuple[Video, ...]
    others: int
    outputs: tuple[Path, ...] = ()


def find_work(source: Path, output: Path) -> Work:
    """The videos of a folder and all folders below it, or those that a text file lists, one path a line.

    Hidden files and folders count as no videos; links to folders are not followed. Paths in a list are relative to it;
    empty lines and those that begin with # are none. Raises EraserError where there is nothing to read, UsageError
    where an output would lie on an input.
    """
    if source.is_dir():
        root = source
        files, others, outputs = _below(source, output)
    elif source.is_file():
        files, others, outputs = _listed(source), 0, []
        root = Path(os.path.commonpath([file.parent for file in files]))
    else:
        raise EraserError(f"There is no folder and no list {source}. Check the path.")
    videos = []
    for file in sorted(files, key=lambda file: _natural(file.relative_to(root).as_posix())):
        name = file.relative_to(root).as_posix()
        videos.append(Video(name, file, output / name))
    _check_apart(videos)
    return Work(tuple(videos), others, tuple(outputs))


def _below(folder: Path, output: Path) -> tuple[list[Path], int, list[Path]]:
    """The videos below a folder, the number of other files, and the outputs of other batches, whose videos don't count;
    without what is below `output`."""
    videos, others, outputs = [], 0, []
    beside = output.resolve()
    for parent, folders, names in os.walk(folder):
        # A batch into the folder itself finds its outputs on its inputs: that is refused later, with its own words.
        kept = [name for name in folders if not name.startswith(".") and (Path(parent) / name).resolve() != beside]
        written = [name for name in kept if (Path(parent) / name / JOURNAL).is_file()]
        outputs += [Path(parent) / name for name in written]
        folders[:] = [name for name in kept if name not in written]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS:
                videos.append(Path(parent) / name)
            else:
                others += 1
    return videos, others, outputs


def _listed(source: Path) -> list[Path]:
    """The files that a list names, each once, absolute."""
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EraserError(
            f"{source} is no list of files ({error}): give a folder, or a text file with one path a line"
        ) from error
    wanted = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for line in wanted:
        if "://" in line:
            raise EraserError(f"{source} lists the address {line}: a batch is for files; save it to one first")
    if not wanted:
        raise EraserError(f"{source} lists no files: write one path a line")
    return list(dict.fromkeys(Path(os.path.abspath(source.parent / line)) for line in wanted))


def _check_apart(videos: Iterable[Video]) -> None:
    inputs = {os.path.realpath(video.input) for video in videos}
    for video in videos:
        if os.path.realpath(video.output) in inputs:
            raise UsageError(f"the output of {video.input} would replace an input: give another folder as --output")


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts clip9 before clip10."""
    return list(_parts(name.lower()))


def _parts(name: str) -> Iterator[tuple[int, int, str]]:
    for part in re.split(r"(\d+)", name):
        yield (0, int(part), part) if part.isdecimal() else (1, 0, part)
