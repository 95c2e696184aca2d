"""Where results go: video files, still pictures, sequences of pictures.

    sink = open_sink("out.mp4", source)
    try:
        for result in results:
            sink.write(result)
        sink.finish()
    except BaseException:
        sink.abort()
        raise

Everything is written beside the target under a hidden name and moved into place by `finish`, so that a failure never
leaves a half-written file, nor harms one that was there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from typing import Protocol

import numpy as np

from realtime.frame import Frame
from realtime.source import Source


class Replaced(Protocol):
    """What a sink needs of a result.

    image: (H, W, 3) uint8 BGR, equal to `frame.image` where alpha is 0.
    alpha: (H, W) uint8, above 0 where the picture was changed.
    roi: (y0, y1, x0, x1), the box around alpha > 0; None when nothing was changed.
    """

    @property
    def frame(self) -> Frame: ...
    @property
    def image(self) -> np.ndarray: ...
    @property
    def alpha(self) -> np.ndarray: ...
    @property
    def roi(self) -> tuple[int, int, int, int] | None: ...


class Sink(ABC):
    """Takes results in the order of their frames. `finish` or `abort` ends it; `abort` may follow either.

    notes: one-line remarks for the user: what could not be kept, and what was done instead.
    """

    notes: list[str]

    @abstractmethod
    def write(self, result: Replaced) -> None:
        """Write one picture. Raises EraserError where the disk is full or the encoder fails."""

    @abstractmethod
    def finish(self) -> None:
        """Write what is still buffered and move the output into place."""

    @abstractmethod
    def abort(self) -> None:
        """Remove everything written so far. Does nothing after `finish`."""


class PictureSink(Sink):
    """A sink that also takes pictures which are no results: previews, masks."""

    @abstractmethod
    def write_image(self, image: np.ndarray, pts: int, time_base: Fraction) -> None:
        """Write (H, W, 3) uint8 BGR or (H, W) uint8, the first one's kind throughout, for this time of the source."""


def open_sink(
    output: str, source: Source, *, codec: str | None = None, crf: float | None = None, overwrite: bool = False
) -> Sink:
    """A sink of the kind that `output` names: a video file by its extension, a still, a sequence pattern or a folder.

    codec: name of an FFmpeg encoder or codec; None follows the input where it can.
    crf: constant quality of the encoder; None is visually lossless.

    Raises EraserError where the output exists and `overwrite` is not set, is the input, or cannot be written there.
    """
    from realtime.image_sink import ImageSink, names_pictures
    from realtime.video_sink import PictureVideo, VideoSink
    from realtime.video_source import VideoSource

    if names_pictures(output, source):
        return ImageSink(output, source, overwrite=overwrite)
    if isinstance(source, VideoSource):
        return VideoSink(output, source, codec=codec, crf=crf, overwrite=overwrite)
    return PictureVideo(
        output, source.info.width, source.info.height, source, codec=codec, crf=crf, overwrite=overwrite
    )


def open_picture_sink(output: str, width: int, height: int, source: Source, *, overwrite: bool = False) -> PictureSink:
    """A sink for pictures made of a source's frames (a preview, masks), of any size: a video, a still, a sequence or
    folder of pictures. Gray pictures come back from a video exactly as they were given.

    width, height: of the pictures, px. Raises EraserError as `open_sink` does.
    """
    from realtime.image_sink import ImageSink, names_pictures
    from realtime.video_sink import PictureVideo

    if names_pictures(output, source):
        return ImageSink(output, source, overwrite=overwrite)
    return PictureVideo(output, width, height, source, overwrite=overwrite, even=True)
