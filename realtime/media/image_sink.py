"""Still pictures: one file, a numbered sequence, a folder."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from realtime.errors import UsageError
from realtime.media.image_source import ImageSource, is_pattern
from realtime.media.pictures import depth_lost, encode_picture, is_picture, jpeg_metadata
from realtime.media.planes import write_replaced
from realtime.media.sink import PictureSink, Replaced
from realtime.media.source import Source
from realtime.media.target import Target


class ImageSink(PictureSink):
    """Pictures written as they come.

    A still: `output` is the file. A sequence: `output` is a pattern, numbered by `Frame.index`. A folder: the pictures
    keep the names of the sequence that they come from; those of a video are frame_000000.png and so on.
    """

    def __init__(self, output: str, source: Source, *, overwrite: bool) -> None:
        self.notes = []
        self._source = source
        self._still = is_picture(output) and not is_pattern(output) and not os.path.isdir(output)
        self._pattern = os.path.basename(output) if is_pattern(output) else None
        self._output = output
        self._next_index = source.first_index
        if self._still:
            if not source.info.still:
                raise UsageError(
                    f"{output} is one picture, and {source.path} has many frames. Name a sequence"
                    f" ({_numbered(output)}) or end the name with / for a folder."
                )
            self._target = Target(output, source_path=source.path, overwrite=overwrite)
        elif self._pattern is not None:
            matches = re.compile(_pattern_to_regex(self._pattern)).fullmatch
            same = isinstance(source, ImageSource) and is_pattern(source.path)
            self._target = Target(
                os.path.dirname(output) or ".",
                source_path=os.path.dirname(source.path) or "." if same else None,
                overwrite=overwrite,
                folder=True,
                joins=lambda name: matches(name) is not None,
            )
        else:
            self._target = Target(output, source_path=source.path, overwrite=overwrite, folder=True)
        if isinstance(source, ImageSource):
            lost = depth_lost(self._path(source.first_index).suffix, source.first.native)
            if lost:
                self.notes.append(f"The pictures' samples are written with {lost} bits less. Choose .png to keep them.")

    def write(self, result: Replaced) -> None:
        frame = result.frame
        # The planes of a video are YUV; only pictures have planes that a picture file takes as they are.
        native = frame.native if isinstance(self._source, ImageSource) else None
        if native is not None:
            native = write_replaced(native, result.image, result.alpha, result.roi, frame.rotation)
        self._write(frame.index, result.image, native)

    def write_image(self, image: np.ndarray, pts: int, time_base: Fraction) -> None:
        index = pts if isinstance(self._source, ImageSource) else self._next_index
        self._next_index = index + 1
        self._write(index, image, None)

    def finish(self) -> None:
        self._target.commit()

    def abort(self) -> None:
        self._target.discard()

    def _write(self, index: int, image: np.ndarray, native: av.VideoFrame | None) -> None:
        name = self._path(index)
        metadata = b""
        if isinstance(self._source, ImageSource) and name.suffix.lower() in (".jpg", ".jpeg", ".jpe"):
            metadata = jpeg_metadata(self._source.paths[index])
        contents = encode_picture(name.suffix, image, native, metadata)
        try:
            path = self._target.temporary
            (path if self._still else path / name).write_bytes(contents)
        except OSError as error:
            raise self._target.failure(error) from error

    def _path(self, index: int) -> Path:
        """The name of the picture with this index."""
        if self._still:
            return Path(self._output)
        if self._pattern is not None:
            return Path(self._pattern % index)
        if isinstance(self._source, ImageSource):
            return Path(self._source.paths[index].name)
        return Path(f"frame_{index:06}.png")


def names_pictures(output: str, source: Source) -> bool:
    """Does `output` name a still, a sequence or a folder, rather than a video file? A name without an extension is a
    folder where the input is a sequence too."""
    if is_picture(output) or os.path.isdir(output) or output.endswith(("/", os.sep)):
        return True
    if not os.path.splitext(output)[1]:
        if isinstance(source, ImageSource) and not source.info.still:
            return True
        raise UsageError(f"{output} has no extension. Add one (.mp4, .mkv), or end it with / for a folder of pictures.")
    return False


def _numbered(output: str) -> str:
    head, extension = os.path.splitext(os.path.basename(output))
    return f"{head}_%04d{extension}"


def _pattern_to_regex(pattern: str) -> str:
    head, tail = re.split(r"%0?\d*d", pattern)
    return re.escape(head) + r"\d+" + re.escape(tail)
