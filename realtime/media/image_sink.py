"""Still pictures: one file, a numbered sequence, a folder."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from realtime.errors import EraserError, UsageError
from realtime.media.encoders import shape_of
from realtime.media.image_source import (
    ImageSource,
    is_pattern,
    numbered_name,
    pattern_names,
    picture_files,
    replaced,
)
from realtime.media.metadata import NOTHING, Metadata, read_metadata
from realtime.media.pictures import encode_picture, is_picture, losses
from realtime.media.planes import write_replaced
from realtime.media.sink import PictureSink, Replaced
from realtime.media.source import Source, SourceInfo
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
        if self._still:
            if not source.info.still:
                raise UsageError(
                    f"{output} is one picture, and {source.path} is read as a video. Name a sequence"
                    f" ({_numbered(output)}) or end the name with / for a folder."
                )
            self._target = Target(output, source_path=source.path, overwrite=overwrite)
        elif self._pattern is not None:
            matches = pattern_names(self._pattern).fullmatch
            _refuse_input(output, source)
            self._target = Target(
                os.path.dirname(output) or ".",
                source_path=None,
                overwrite=overwrite,
                folder=True,
                joins=lambda name: matches(name) is not None,
            )
        else:
            _refuse_input(output, source)
            self._target = Target(output, source_path=None, overwrite=overwrite, folder=True)

    def write(self, result: Replaced) -> None:
        frame, metadata = result.frame, self._metadata(result.frame.index)
        # The planes of a video are YUV; only pictures have planes that a picture file takes as they are.
        of_pictures = isinstance(self._source, ImageSource)
        native = frame.native if of_pictures else None
        suffix = self._path(frame.index).suffix
        lost = losses(suffix, native, metadata) if of_pictures else _losses_of_a_video(self._source.info)
        self.notes += [note for note in lost if note not in self.notes]
        if native is not None:
            native = write_replaced(native, result.image, result.alpha, result.roi, frame.rotation)
        self._write(frame.index, result.image, native, metadata)

    def write_image(self, image: np.ndarray, index: int, pts: int, time_base: Fraction) -> None:
        self._write(index, image, None, self._metadata(index))

    def complete(self) -> None:
        """Every picture was whole when it was written."""

    def commit(self) -> None:
        if self._still:
            self._target.commit()
            return
        written = set(os.listdir(self._target.temporary))
        self._target.commit()
        # Pictures of a longer run, of another part of the input or the user's own look alike: none is removed.
        if older := sum(path.name not in written for path in picture_files(self._output)):
            pictures = "1 older picture, left as it was" if older == 1 else f"{older} older pictures, left as they were"
            self.notes.append(f"{self._output} also holds {pictures}.")

    def abort(self) -> None:
        self._target.discard()

    def _metadata(self, index: int) -> Metadata:
        return read_metadata(self._source.paths[index]) if isinstance(self._source, ImageSource) else NOTHING

    def _write(self, index: int, image: np.ndarray, native: av.VideoFrame | None, metadata: Metadata) -> None:
        name = self._path(index)
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
            return Path(numbered_name(self._pattern, index))
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


def _losses_of_a_video(info: SourceInfo) -> list[str]:
    """Remarks on what pictures do not take of a video."""
    given, notes = shape_of(info.pixel_format), []
    if given.depth > 8:
        notes.append(f"The video's samples are written with {given.depth - 8} bits less.")
    if given.alpha:
        notes.append("The video's transparency is not written.")
    if info.pixel_aspect != 1:
        notes.append(f"The pictures cannot say that a pixel is {float(info.pixel_aspect):.4g} times as wide as high.")
    return notes


def _numbered(output: str) -> str:
    head, extension = os.path.splitext(os.path.basename(output))
    return f"{head}_%04d{extension}"


def _refuse_input(output: str, source: Source) -> None:
    file = replaced(output, [source.path])
    if file is not None:
        raise EraserError(f"{file} is of the input itself, and {output} would replace it. Choose another output.")
