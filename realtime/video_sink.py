"""A video file: the erased stream encoded, the other streams of the source copied packet by packet."""

from __future__ import annotations

import os
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.packet import Packet
from av.stream import Stream

from realtime.errors import EraserError
from realtime.planes import write_replaced
from realtime.sink import Replaced, Sink
from realtime.video_source import VideoSource

_X264 = {"preset": "veryfast", "crf": "20"}


class VideoSink(Sink):
    def __init__(
        self, output: str, source: VideoSource, *, codec: str | None, crf: float | None, overwrite: bool
    ) -> None:
        self.notes = []
        self._target = Path(output)
        self._source = source
        if self._target.exists() and not overwrite:
            raise EraserError(f"{output} exists. Choose another name or pass --overwrite.")
        if self._target.exists() and os.path.exists(source.path) and os.path.samefile(output, source.path):
            raise EraserError(f"{output} is the input itself. Choose another name for the output.")
        try:
            handle, name = tempfile.mkstemp(
                prefix=f".{self._target.stem}.", suffix=self._target.suffix, dir=self._target.parent
            )
        except OSError as error:
            raise EraserError(f"{output} cannot be written ({error.strerror}). Choose another folder.") from error
        os.close(handle)
        self._temporary = Path(name)
        self._container = av.open(name, "w")
        options = dict(_X264)
        if crf is not None:
            options["crf"] = f"{crf:g}"
        first = source.first
        self._video = self._container.add_stream(
            "libx264", rate=source.info.rate, options=options, width=first.width, height=first.height
        )
        self._video.pix_fmt = first.format.name
        self._video.time_base = source.time_base
        self._video.codec_context.time_base = source.time_base
        self._copies: dict[int, Stream] = {}
        for stream in source.container.streams.audio:
            self._copies[stream.index] = self._container.add_stream_from_template(stream)
        source.keep(self._copies)

    def write(self, result: Replaced) -> None:
        native = result.frame.native
        assert native is not None
        native = write_replaced(native, result.image, result.alpha, result.roi, result.frame.rotation)
        native.pts = result.frame.pts - round(self._source.shift / result.frame.time_base)
        native.time_base = result.frame.time_base
        native.pict_type = 0
        self._container.mux(self._video.encode(native))
        self._copy_packets()

    def finish(self) -> None:
        self._container.mux(self._video.encode(None))
        self._copy_packets()
        self._container.close()
        os.replace(self._temporary, self._target)

    def abort(self) -> None:
        self._container.close()
        self._temporary.unlink(missing_ok=True)

    def _copy_packets(self) -> None:
        for packet in self._source.take_packets():
            packet.stream = self._copies[packet.stream_index]
            self._container.mux_one(packet)
