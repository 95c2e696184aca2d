"""Frames of a video file or address, and beside them the packets of its other streams.

The source decodes one video stream. Packets of the streams that a sink asked for with `keep` are put aside while
demuxing, undecoded, and taken by the sink with `take_packets`; what nobody asked for is not even read. The source is
read by one thread and drained by another: between them is a deque, whose append and popleft are atomic. It holds what
lies between the frame being read and the frame being written, so the driver's own queues bound it, and at the end what
lies behind the last frame: usually next to nothing, but all of a sound that goes on without a picture.

Times. `Frame.pts` is the input's own clock. `cut` says which part of it is written and what the sink takes off: nothing
for a whole file, the first frame's time after --start, the start of the clock for formats whose clocks start anywhere
(MPEG transport streams, network streams). Where that clock starts again or jumps, `realtime.media.clock` goes on.

Damage. A packet or a frame that cannot be read or decoded is stepped over; `realtime.media.losses` counts the cost.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import av.error
import numpy as np
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from realtime.errors import EraserError, NoVideo, UsageError
from realtime.frame import Frame
from realtime.media.clock import Clock, jumps_ahead
from realtime.media.losses import Losses, field_order, has_full_index
from realtime.media.passthrough import Cut
from realtime.media.planes import depth, rotation_of, to_writable, turned, upright_image, writable_format
from realtime.media.source import Source, SourceInfo, passes_once

_NETWORK_TIMEOUT = 15.0  # s without data before an address is given up
_DECODER_THREADS = min(4, os.cpu_count() or 1)
_NETWORK_ERRORS = 2  # of these timeouts in a row, after which an address is given up
_READ_ERRORS = 32  # failed reads in a row after which the rest of a damaged file is given up
_SEEK_BACK = (0, 2, 10, 60)  # s before the start, until a key frame is found that comes before it
_OTHER_STREAMS_LAG = 5  # s that other streams may lie behind the video in the file
_NO_TIMES = {"avi", "asf"}  # formats that store only when frames are decoded
# With those, formats in which a frame's time or number is a guess after a jump, since not every packet has a time.
_NO_SEEKING = _NO_TIMES | {"mpeg"}
_GUESS_TIMES = 1  # AVFMT_FLAG_GENPTS
_TEXT_ART = {"tty", "bin", "xbin", "adf", "idf"}  # FFmpeg renders text files as video


class VideoSource(Source):
    """One video stream of a container, decoded.

    container, stream: the open input and the stream being decoded, for the sink to copy properties from.
    first, first_index: the first frame as it was decoded, with its side data, and its index.
    cut: the part of the input that is read.
    """

    def __init__(self, path: str, *, start: float | None = None, end: float | None = None) -> None:
        if start is not None and end is not None and end <= start:
            raise UsageError(f"The end ({end:g} s) must come after the start ({start:g} s).")
        self.path = path
        self.notes = []
        self._open()
        try:
            self._prepare(start, end)
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self.container = _open(self.path, self._hwaccel())
        try:
            self.stream = _video_stream(self.container, self.path)
        except EraserError:
            self.close()
            raise
        self.stream.thread_type = "AUTO"  # type: ignore[assignment]
        self.stream.codec_context.thread_count = _DECODER_THREADS
        self._has_times = self.container.format.name not in _NO_TIMES
        is_pipe = passes_once(self.path) and not _is_address(self.path)  # an address may be able to seek
        self._seeks = self.container.format.name not in _NO_SEEKING and not is_pipe
        if not self._has_times:
            # PyAV lets FFmpeg guess them; with B-frames it guesses wrong.
            self.container.flags &= ~_GUESS_TIMES
        self._losses = Losses(self.path, self.container, self.stream, has_times=self._has_times)

    def _prepare(self, start: float | None, end: float | None) -> None:
        self.time_base = self.stream.time_base or Fraction(1, 1000)
        self._rate = _rate(self.stream)
        self._wanted: set[int] | None = None
        self._aside: deque[Packet] = deque()
        self.origin = origin = Fraction(self.container.start_time or 0, 1_000_000)
        self._start = None if not start else origin + Fraction(start).limit_denominator(1_000_000)
        self._end = None if end is None else origin + Fraction(end).limit_denominator(1_000_000)
        self._last_pts: int | None = None
        self._index = 0  # of the next frame
        self._packets = self._demux() if self._start is None else self._seek(self._start)
        self._frames = self._read()
        first = next(self._frames, None)
        if first is None:
            if self._start is not None and not self._losses.seen:
                raise EraserError(f"{self.path} has no frame at or after {start:g} s. Choose an earlier --start.")
            raise EraserError(f"No frame of {self.path} could be decoded. Check that the file plays.")
        self._pending: tuple[int, av.VideoFrame] | None = first
        self.first_index, self.first = first
        self.rotation = rotation_of(self.first)
        self.info = self._describe(origin)
        self.shift = self._clock_start(origin)
        start_time = None if self._start is None else self.shift
        self.cut = Cut(start_time, self._end, self.shift)
        self._add_notes()

    def keep(self, streams: Iterable[int]) -> None:
        """Put packets of these streams aside for `take_packets`. To be called before the source is read."""
        self._wanted = set(streams)
        self._aside = deque(packet for packet in self._aside if packet.stream_index in self._wanted)
        for stream in self.container.streams:
            if stream.index not in self._wanted and stream.index != self.stream.index:
                stream.discard = Discard.all

    def first_packet(self, stream: int) -> bytes | None:
        """The first packet of a stream, where it came before the first frame, as cover pictures do."""
        return next((bytes(packet) for packet in self._aside if packet.stream_index == stream), None)

    def take_packets(self) -> Iterator[Packet]:
        """The packets put aside since the last call, in the order of the file."""
        while self._aside:
            yield self._aside.popleft()

    def __iter__(self) -> Iterator[Frame]:
        if self._wanted is None:
            self.keep(())
        while self._pending is not None:
            index, native = self._pending
            yield self._frame(index, native)
            self._pending = next(self._frames, None)

    def glances(self, height: int, width: int) -> Iterator[tuple[float, np.ndarray]]:
        """As `Source.glances`; only the small picture is converted."""
        if self._wanted is None:
            self.keep(())
        across = (height, width) if self.rotation % 2 else (width, height)
        while self._pending is not None:
            _, native = self._pending
            assert native.pts is not None
            small = native.reformat(*across, "bgr24", interpolation="AREA", threads=1).to_ndarray()
            yield float(native.pts * self.time_base), turned(small, self.rotation)
            self._pending = next(self._frames, None)

    def skim(self) -> Iterator[Fraction]:
        """Read on without decoding, for the other streams' packets alone: the times at which the packets of the video
        are to be decoded, seconds of the input's clock."""
        for packet in self._packets:
            if packet.stream_index != self.stream.index:
                self._put_aside(packet)
                continue
            ticks = packet.pts if packet.dts is None else packet.dts
            if ticks is None:
                continue
            if self._end is not None and ticks * self.time_base >= self._end:
                self._read_other_streams(self._end)
                return
            yield ticks * self.time_base

    def close(self) -> None:
        self.container.close()

    def _frame(self, index: int, native: av.VideoFrame) -> Frame:
        pts = native.pts
        assert pts is not None
        if (native.width, native.height) != (self.first.width, self.first.height):
            self._note_once(
                "The picture changes its size within the video; those frames are scaled to the first one's."
            )
            native = native.reformat(self.first.width, self.first.height, self.first.format.name, threads=1)
        native = to_writable(native)
        image = upright_image(native, self.rotation)
        return Frame(image, index, pts, self.time_base, native, self.rotation)

    def _note_once(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _demux(self) -> Iterator[Packet]:
        """Packets of all streams, on one clock; a damaged place is stepped over. A stream's last packet is empty."""
        clock = Clock(self.container, self.stream.index)
        errors = 0
        while errors < (_NETWORK_ERRORS if _is_address(self.path) else _READ_ERRORS):
            packets = self.container.demux()
            while True:
                try:
                    packet = next(packets)
                except StopIteration:
                    return
                except av.error.FFmpegError:
                    self._losses.seen = True
                    errors += 1
                    break
                errors = 0
                clock.place(packet)
                if clock.parts > 1:
                    self._note_once("The input's clock starts again or jumps: its parts are shown one after the other.")
                yield packet
        self.notes.append("The input broke off; what came until then is written.")

    def _seek(self, start: Fraction) -> Iterator[Packet]:
        """Packets from a key frame at or before `start`; sets the index of that frame. From the input's beginning where
        the input cannot seek."""
        if not self._seeks:
            return self._demux()
        for back in _SEEK_BACK:
            try:
                self.container.seek(int((start - back) / self.time_base), stream=self.stream)
            except (av.error.FFmpegError, OSError):
                break
            packets = self._demux()
            key, group = self._key_frame(packets)
            if key is not None and key.pts is not None and key.pts * self.time_base <= start:
                before = self._count_before(key, group)
                if before is None:
                    self._aside.clear()
                    break
                self._index = before
                self._losses.key_pts = key.pts
                return itertools.chain(group, packets)
        self.close()
        self._open()
        return self._demux()

    def _key_frame(self, packets: Iterator[Packet]) -> tuple[Packet | None, list[Packet]]:
        """The next key frame, and the packets from it up to its time: those shown before it are among them."""
        key, group = None, []
        for packet in packets:
            if packet.stream_index != self.stream.index:
                group.append(packet)
            elif key is not None or packet.is_keyframe:
                key = key or packet
                group.append(packet)
                if key.pts is None or packet.dts is None or packet.dts >= key.pts:
                    break
        return key, group

    def _count_before(self, key: Packet, read: list[Packet]) -> int | None:
        """How many frames are shown before the key frame; None where it lies behind a jump of the clock, so that its
        time means nothing. Puts the subtitles aside that are still shown at the start.

        read: the packets up to the key frame's time to be shown.
        """
        assert key.pts is not None
        if has_full_index(self.container, self.stream) and key.dts is not None:
            entries = self.stream.index_entries
            position = entries.search_timestamp(key.dts, any_frame=True)
            hidden = sum(entry.is_discard for entry in entries[: max(0, position)])
            ours = (p for p in read if p.stream_index == self.stream.index and p.pts is not None)
            return position - hidden + sum(packet.pts < key.pts for packet in ours)  # type: ignore[operator]
        count = 0
        with _open(self.path) as container:
            stream = _video_stream(container, self.path)
            for other in container.streams:
                if other.index != stream.index and other.type != "subtitle":
                    other.discard = Discard.all
            clock = Clock(container, stream.index)
            for packet in container.demux():
                clock.place(packet)
                if clock.parts > 1:
                    return None
                if packet.stream_index != stream.index:
                    self._recall(packet, read[0])
                elif packet.pts == key.pts and packet.pos != key.pos:
                    return None
                elif packet.dts is not None and packet.dts >= key.pts:
                    break
                else:
                    count += bool(packet.size) and packet.pts is not None and packet.pts < key.pts
        return count

    def _recall(self, subtitle: Packet, sought: Packet) -> None:
        """Put a subtitle aside that is still shown at the start, but lies before the first packet sought."""
        if subtitle.pts is None or subtitle.pos is None or sought.pos is None or subtitle.pos >= sought.pos:
            return
        shown_until = (subtitle.pts + (subtitle.duration or 0)) * subtitle.time_base
        if self._start is not None and shown_until > self._start:
            subtitle.stream = self.container.streams[subtitle.stream_index]
            self._put_aside(subtitle)

    def _read(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """(index, frame) of the part asked for."""
        for frame, damaged in self._decode():
            assert frame.pts is not None
            key_pts = self._losses.key_pts
            if self._start is not None and key_pts is not None and frame.pts < key_pts:
                continue  # shown before the key frame sought, without what it refers to
            index = self._index
            self._index += 1
            time = frame.pts * self.time_base
            if self._start is not None and time < self._start:
                continue
            if self._end is not None and time >= self._end:
                self._read_other_streams(self._end)
                return
            self.damaged += damaged
            self.lost += damaged
            yield index, frame
        self._lose(self._losses.behind_the_last(self._end, self._rate))

    def _decode(self) -> Iterator[tuple[av.VideoFrame, bool]]:
        """Every frame that decodes, with strictly rising pts, and whether it is damaged."""
        for packet in self._packets:
            if packet.stream_index != self.stream.index:
                self._put_aside(packet)
                continue
            if not packet.size and packet.dts is not None:
                continue  # an AVI's "show the last frame again"; to a decoder it would mean the end
            yield from self._decode_packet(packet)
        yield from self._decode_packet(None)

    def _decode_packet(self, packet: Packet | None) -> list[tuple[av.VideoFrame, bool]]:
        if packet is not None and packet.size:
            self._losses.sent(packet)
        try:
            frames = self._decoded(packet)
        except av.error.EOFError:
            return []  # flushed already
        except av.error.FFmpegError:
            self._losses.refused(packet)
            return []
        return [(frame, self._stamp(frame)) for frame in frames]

    def _hwaccel(self) -> HWAccel | None:
        """What decodes in place of the CPU, if anything does (see `realtime.media.nvdec`)."""
        return None

    def _decoded(self, packet: Packet | None) -> list[av.VideoFrame]:
        """The decoder's frames for a packet; None for what is left in it."""
        return self.stream.decode(packet)

    def _stamp(self, frame: av.VideoFrame) -> bool:
        """Give the frame a time after the last one's, and count what is lost before it. Is it damaged itself?"""
        pts = frame.pts if frame.pts is not None else frame.dts
        if not self._has_times and self._losses.next_time is not None:
            pts = self._losses.next_time  # frames are shown one after the other, at the times of the packets
        if pts is None:
            pts = 0 if self._last_pts is None else self._last_pts + (frame.duration or 1)
        missing, damaged = self._losses.came(frame, pts)
        self._lose(missing)
        if self._last_pts is not None and pts <= self._last_pts:
            pts = self._last_pts + 1
        frame.pts = self._last_pts = pts
        return damaged

    def _lose(self, frames: int) -> None:
        self.lost += frames
        self._index += frames

    def _put_aside(self, packet: Packet) -> None:
        if packet.size and (self._wanted is None or packet.stream_index in self._wanted):
            self._aside.append(packet)

    def _read_other_streams(self, end: Fraction) -> None:
        """After the last frame: the packets of other streams up to the same time lie a little further in the file."""
        unfinished = {
            stream.index for stream in self.container.streams.audio if self._wanted and stream.index in self._wanted
        }
        for packet in self._packets:
            if not unfinished:
                return
            time = packet.pts if packet.pts is not None else packet.dts
            if packet.stream_index == self.stream.index:
                if time is not None and time * packet.time_base > end + _OTHER_STREAMS_LAG:
                    return
                continue
            self._put_aside(packet)
            if time is None or time * packet.time_base >= end:
                unfinished.discard(packet.stream_index)

    def _describe(self, origin: Fraction) -> SourceInfo:
        upright = (self.first.width, self.first.height)[:: -1 if self.rotation % 2 else 1]
        rate = self._rate
        length = None
        if self.container.duration:
            length = Fraction(self.container.duration, 1_000_000)
            if self.stream.duration:
                length = min(length, self.stream.duration * self.time_base)
        frames: int | None = self.stream.frames or None
        if frames is None and length is not None and rate:
            frames = round(length * rate)
        if length:
            begin = self._start - origin if self._start is not None else Fraction(0)
            stop = min(length, self._end - origin) if self._end is not None else length
            part = max(Fraction(0), stop - begin)
            if frames:
                frames = max(1, round(frames * part / length))
            length = part
        return SourceInfo(
            width=upright[0],
            height=upright[1],
            time_base=self.time_base,
            rate=rate,
            frames=frames,
            duration=None if length is None else float(length),
            interlaced=self.first.interlaced_frame or field_order(self.stream) > 1,
            codec=self.stream.codec_context.codec.canonical_name,
            pixel_format=writable_format(self.first.format.name),
            pixel_aspect=self._pixel_aspect(),
        )

    def _pixel_aspect(self) -> Fraction:
        aspect = self.stream.sample_aspect_ratio or Fraction(1)
        return 1 / aspect if self.rotation % 2 else aspect

    def _clock_start(self, origin: Fraction) -> Fraction:
        if self._start is not None:
            assert self.first.pts is not None
            return self.first.pts * self.time_base
        anywhere = _is_address(self.path) or jumps_ahead(self.container)
        return origin if anywhere else Fraction(0)

    def _add_notes(self) -> None:
        if self.info.interlaced:
            self.notes.append("The video is interlaced: it is erased as it is, and keeps its field order.")
        stored, read = self.first.format.name, self.info.pixel_format
        if depth(read) < depth(stored):
            self.notes.append(f"The video's {stored} samples are read as {read}.")
        if self.stream.metadata.get("alpha_mode", self.stream.metadata.get("ALPHA_MODE")) == "1":
            self.notes.append("The video's transparency cannot be read here; the output is opaque.")


def _is_address(path: str) -> bool:
    return "://" in path


def _open(path: str, hwaccel: HWAccel | None = None) -> InputContainer:
    address = _is_address(path)
    if not address:
        if not os.path.exists(path):
            raise EraserError(f"There is no file {path}. Check the path.")
        if os.path.isfile(path) and os.path.getsize(path) == 0:
            raise EraserError(f"{path} is empty. Give a file that plays.")
    try:
        # An absolute path, because FFmpeg takes what stands before a colon for a protocol.
        name = path if address else os.path.abspath(path)
        timeout = _NETWORK_TIMEOUT if address else None
        container = av.open(name, timeout=timeout, metadata_errors="replace", hwaccel=hwaccel)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        hint = "Check the address and the network." if address else "Check that the file plays."
        raise EraserError(f"{path} cannot be opened as a video ({reason}). {hint}") from error
    if container.format.name in _TEXT_ART:
        container.close()
        raise EraserError(f"{path} is not a video. Give a file that plays.")
    return container


def _rate(stream: VideoStream) -> Fraction | None:
    """Frames per second; the average is the clock's own rate where the format holds no other."""
    average = stream.average_rate
    if average and stream.time_base and average * stream.time_base == 1:
        return stream.guessed_rate or average
    return average or stream.guessed_rate or None


def _video_stream(container: InputContainer, path: str) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise NoVideo(f"{path} has no video stream. Give a file that has one.")
    stream = next((s for s in streams if s.disposition & Disposition.default), streams[0])
    if stream.codec_context is None:
        raise EraserError(f"FFmpeg here has no decoder for the video in {path}. Convert it first.")
    return stream
