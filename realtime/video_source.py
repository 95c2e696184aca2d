"""Frames of a video file or address, and beside them the packets of its other streams.

The source decodes one video stream. Packets of the streams that a sink asked for with `keep` are put aside while
demuxing, undecoded, and taken by the sink with `take_packets`; nobody asked, nothing is kept. The source is read by one
thread and drained by another: the queue between them is a deque, whose append and popleft are atomic. It holds what lies
between the frame being read and the frame being written, so it is bounded by the driver's own queues.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from realtime.errors import EraserError, UsageError
from realtime.frame import Frame
from realtime.planes import to_writable, upright_image
from realtime.source import Source, SourceInfo

_NETWORK_TIMEOUT = 15.0  # s without data before an address is given up
_DECODER_THREADS = min(4, os.cpu_count() or 1)
_READ_ERRORS = 32  # failed reads in a row after which the rest of a damaged file is given up


class VideoSource(Source):
    """One video stream of a container, decoded.

    container, stream: the open input and the stream being decoded, for the sink to copy properties from.
    first: the first decoded frame as the decoder gave it, with its side data.
    """

    def __init__(self, path: str, *, start: float | None = None, end: float | None = None) -> None:
        if start is not None and end is not None and end <= start:
            raise UsageError(f"The end ({end:g} s) must come after the start ({start:g} s).")
        self.path = path
        self.notes = []
        self.lost = 0
        self.container = _open(path)
        self.stream = self._choose_stream()
        self.stream.thread_type = "AUTO"
        self.stream.codec_context.thread_count = _DECODER_THREADS
        assert self.stream.time_base is not None
        self.time_base: Fraction = self.stream.time_base
        self._wanted: set[int] | None = None
        self._aside: deque[Packet] = deque()
        self._origin = Fraction(self.container.start_time or 0, 1_000_000)
        self._start = None if start is None else self._origin + Fraction(start)
        self._end = None if end is None else self._origin + Fraction(end)
        self._expected: list[int] = []  # heap of pts whose packets went into the decoder and whose frames have not come
        self._frames = self._decode()
        self._index = -1
        self._first_pending = next(self._frames, None)
        if self._first_pending is None:
            self.close()
            raise EraserError(f"No frame of {path} could be decoded. Check that the file plays, or make it anew.")
        self.first = self._first_pending
        self.rotation = _quarter_turns(self.first)
        self.info = self._describe()
        if self.info.interlaced:
            self.notes.append(
                "The video is interlaced; it is erased as it is and keeps its field order. Deinterlace it first for clean edges."
            )

    def keep(self, streams: Iterable[int]) -> None:
        """Put packets of these streams aside for `take_packets`. To be called before the source is read."""
        self._wanted = set(streams)
        self._aside = deque(packet for packet in self._aside if packet.stream_index in self._wanted)

    def take_packets(self) -> Iterator[Packet]:
        """The packets put aside since the last call, in the order of the file."""
        while self._aside:
            yield self._aside.popleft()

    def __iter__(self) -> Iterator[Frame]:
        if self._wanted is None:
            self.keep(())
        native = self._first_pending
        self._first_pending = None
        while native is not None:
            self._index += 1
            yield self._frame(native)
            native = next(self._frames, None)

    def close(self) -> None:
        self.container.close()

    def _frame(self, native: av.VideoFrame) -> Frame:
        native = to_writable(native)
        return Frame(
            image=upright_image(native, self.rotation),
            index=self._index,
            pts=native.pts or 0,
            time_base=self.time_base,
            native=native,
            rotation=self.rotation,
        )

    def _choose_stream(self) -> VideoStream:
        streams = [s for s in self.container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            self.close()
            raise EraserError(f"{self.path} has no video stream. Give a file that has one.")
        return streams[0]

    def _decode(self) -> Iterator[av.VideoFrame]:
        for packet in self._demux():
            if packet.stream_index != self.stream.index:
                if packet.size and (self._wanted is None or packet.stream_index in self._wanted):
                    self._aside.append(packet)
                continue
            try:
                frames = self.stream.decode(packet)
            except av.error.FFmpegError:
                continue
            yield from frames

    def _demux(self) -> Iterator[Packet]:
        """Packets of all streams; a damaged place is stepped over."""
        errors = 0
        while errors < _READ_ERRORS:
            try:
                for packet in self.container.demux():
                    errors = 0
                    yield packet
                return
            except av.error.FFmpegError:
                errors += 1

    def _describe(self) -> SourceInfo:
        turned = self.rotation % 2 == 1
        width, height = self.first.width, self.first.height
        duration = None
        if self.container.duration:
            duration = self.container.duration / 1e6
        rate = self.stream.average_rate or self.stream.guessed_rate
        frames = self.stream.frames or None
        if frames is None and duration and rate:
            frames = round(duration * rate)
        return SourceInfo(
            width=height if turned else width,
            height=width if turned else height,
            time_base=self.time_base,
            rate=rate,
            frames=frames,
            duration=duration,
            interlaced=self.first.interlaced_frame,
            codec=self.stream.codec_context.codec.canonical_name,
            pixel_format=self.first.format.name,
        )


def _open(path: str) -> InputContainer:
    is_address = "://" in path
    if not is_address and not os.path.exists(path):
        raise EraserError(f"There is no file {path}. Check the path.")
    try:
        return av.open(path, timeout=_NETWORK_TIMEOUT if is_address else None, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise EraserError(f"{path} cannot be opened as a video ({_reason(error)}). Check that it plays.") from error


def _reason(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


def _quarter_turns(frame: av.VideoFrame) -> int:
    """Clockwise quarter turns that bring a frame upright; FFmpeg's angle is counterclockwise."""
    return round(-frame.rotation / 90) % 4
