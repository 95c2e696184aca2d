"""Opens what a path names: video files and addresses, still pictures, sequences of pictures.

with open_source("in.mp4") as source:
    sink = open_sink("out.mp4", source)
    try:
        for result in results_of(source):
            sink.write(result)
        sink.finish()
    except BaseException:
        sink.abort()
        raise
"""

from __future__ import annotations

import os

from realtime.media.image_sink import ImageSink, names_pictures
from realtime.media.image_source import ImageSource, open_images
from realtime.media.nvdec import open_on_gpu
from realtime.media.pictures import losses
from realtime.media.sink import PictureSink, Sink
from realtime.media.source import Source, local_path
from realtime.media.video_sink import PictureVideo, VideoSink
from realtime.media.video_source import VideoSource


def open_source(path: str, *, start: float | None = None, end: float | None = None, hwaccel: bool = False) -> Source:
    """Open a video file or address, a still, a sequence pattern (img_%04d.png) or a folder of pictures.

    start, end: seconds from the beginning of the input; frames with start <= time < end are given. `Frame.index` counts
        from the input's first frame even so. hwaccel: let a GPU decode videos where nothing is lost by it, and note it.

    Raises EraserError, with one line that says what to do, where there is nothing to read.
    """
    path = local_path(path)
    open_video = open_on_gpu if hwaccel else VideoSource
    return open_images(path, start, end) or open_video(path, start=start, end=end)


def open_sink(
    output: str, source: Source, *, codec: str | None = None, crf: float | None = None, overwrite: bool = False
) -> Sink:
    """A sink of the kind that `output` names: a video file by its extension, a still, a sequence pattern or a folder.

    codec: name of an FFmpeg encoder or codec; None follows the input where it can.
    crf: constant quality of the encoder; None is visually lossless.

    Raises EraserError where the output exists and `overwrite` is not set, is the input, or cannot be written there.
    """
    if names_pictures(output, source):
        return ImageSink(output, source, overwrite=overwrite)
    if isinstance(source, VideoSource):
        return VideoSink(output, source, codec=codec, crf=crf, overwrite=overwrite)
    sink = PictureVideo(
        output, source.info.width, source.info.height, source, codec=codec, crf=crf, overwrite=overwrite
    )
    if isinstance(source, ImageSource):
        sink.notes += losses(os.path.splitext(output)[1], source.first.native)
    return sink


def open_picture_sink(output: str, width: int, height: int, source: Source, *, overwrite: bool = False) -> PictureSink:
    """A sink for pictures made of a source's frames (a preview, masks), of any size: a video, a still, a sequence or
    folder of pictures. Gray pictures come back from a video exactly as they were given.

    width, height: of the pictures, px. Raises EraserError as `open_sink` does.
    """
    if names_pictures(output, source):
        return ImageSink(output, source, overwrite=overwrite)
    return PictureVideo(output, width, height, source, overwrite=overwrite, even=True)
