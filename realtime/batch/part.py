"""A part of a job, between two cuts, that another process or machine may do on its own.

A part begins where the eraser starts anew, so its frames come out as those of one long run do. Whether the eraser
itself sees a cut where the part ends is asked, not assumed: the first frame of the next part is observed too, though it
isn't written. What is written are the packets of the encoder, with the times that they have in the whole job's output.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
from av.packet import Packet

from realtime.frame import Frame
from realtime.media.sink import Replaced
from realtime.media.target import Target
from realtime.media.video_sink import VideoFile, VideoSink
from realtime.media.video_source import VideoSource
from realtime.observer import Observer
from realtime.pending import Pending
from realtime.shots import Shot

_RECORD = struct.Struct("<qqqqB")  # pts, dts, duration, bytes, key frame


class Part:
    """What `erase_video` needs to know of a part, and what it finds out.

    stop: seconds as in `Frame.time`, of the first frame that isn't written; None where the input, or what is wanted of
    it, ends with the part. shift: seconds that the whole job takes off all times. shots: of the whole job.
    anew: whether the eraser starts anew at `stop`; known in the end.
    """

    def __init__(self, stop: float | None, shift: Fraction, shots: Sequence[Shot]) -> None:
        self.stop, self.shift, self.shots = stop, shift, shots
        self.anew = stop is None

    def written(self, frame: Frame) -> bool:
        """Whether a frame is of this part."""
        return self.stop is None or frame.time < self.stop

    def open_sink(self, output: str, source: VideoSource, codec: str | None, crf: float | None) -> PacketSink:
        """A sink for the packets of a video that would be written to `output`."""
        return PacketSink(output, source, self, codec, crf)

    def watch(self, observer: Observer) -> Observer:
        """The observer, watched for what it does at `stop`."""
        return _Watched(observer, self)


class _Watched:
    def __init__(self, observer: Observer, part: Part) -> None:
        self._observer, self._part = observer, part

    def observe(self, frame: Frame, given: np.ndarray | None) -> Pending:
        pending = self._observer.observe(frame, given)
        if not self._part.written(frame):
            self._part.anew = pending.finding.cut
        return pending

    @property
    def notes(self) -> list[str]:
        return self._observer.notes


class PacketSink(VideoSink):
    """The packets of the erased stream of one part."""

    def __init__(self, output: str, source: VideoSource, part: Part, codec: str | None, crf: float | None) -> None:
        self._part = part
        super().__init__(output, source, codec=codec, crf=crf, overwrite=False, file=_PacketFile, shift=part.shift)
        source.keep(())

    def write(self, result: Replaced) -> None:
        if self._part.written(result.frame):
            super().write(result)


class _PacketFile(VideoFile):
    """Writes what a container would be given. The container itself, which the encoder's choice depends on, is not
    kept."""

    def __init__(self, target: Target, options: dict[str, str] | None = None) -> None:
        super().__init__(target, options)
        self._target = Target(target.output + ".packets", source_path=None, overwrite=False)
        self._packets: IO[bytes] = self._target.temporary.open("wb")

    def start(self) -> None:
        super().start()
        context = self.stream.codec_context
        base = context.time_base
        head = {"time_base": [base.numerator, base.denominator], "extradata": (context.extradata or b"").hex()}
        self._packets.write(json.dumps(head).encode() + b"\n")

    def mux(self, packets: Sequence[Packet]) -> None:
        for packet in packets:
            pts, dts, length = packet.pts or 0, packet.dts or 0, packet.duration or 0
            self._packets.write(_RECORD.pack(pts, dts, length, packet.size, packet.is_keyframe) + bytes(packet))

    def complete(self) -> None:
        with self.failures():
            self.mux(self.stream.encode(None))
            self._packets.close()

    def commit(self) -> None:
        self._target.commit()
        self.abort()

    def abort(self) -> None:
        super().abort()
        self._packets.close()
        self._target.discard()


@dataclass(frozen=True)
class _Entry:
    """A packet in a file. rank: its place in the order of presentation."""

    file: int
    pts: int
    duration: int
    key: bool
    offset: int
    size: int


class Packets:
    """The packets of consecutive parts as one stream. extradata, time_base: of the encoder; same: whether all parts
    have the same. Only what they look like is held, not what is in them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._entries: list[_Entry] = []
        heads = [self._index(number, path) for number, path in enumerate(paths)]
        self.same = all(head == heads[0] for head in heads)
        self.time_base = Fraction(*heads[0]["time_base"])
        self.extradata = bytes.fromhex(heads[0]["extradata"])

    def _index(self, number: int, path: Path) -> dict[str, Any]:
        with path.open("rb") as file:
            head = json.loads(file.readline())
            while record := file.read(_RECORD.size):
                pts, _, length, size, key = _RECORD.unpack(record)
                self._entries.append(_Entry(number, pts, length, bool(key), file.tell(), size))
                file.seek(size, 1)
        return head

    def __iter__(self) -> Iterator[Packet]:
        """In the order of decoding, with the decoding times that one encoder would have given.

        Each part's encoder began with times before its first frame's, which lie within the part before; so they are
        worked out anew: the n-th packet is decoded at the n-th time of presentation, moved back by as many frames as
        the encoder ever reorders.
        """
        times = sorted(entry.pts for entry in self._entries)
        rank = {pts: place for place, pts in enumerate(times)}
        delay = max((place - rank[entry.pts] for place, entry in enumerate(self._entries)), default=0)
        files = [path.open("rb") for path in self._paths]
        try:
            for place, entry in enumerate(self._entries):
                file = files[entry.file]
                file.seek(entry.offset)
                packet = Packet(file.read(entry.size))
                early = times[delay] - times[0] if place < delay else 0
                packet.pts = entry.pts
                packet.dts = times[place] - early if place < delay else times[place - delay]
                packet.duration, packet.time_base, packet.is_keyframe = entry.duration, self.time_base, entry.key
                yield packet
        finally:
            for file in files:
                file.close()


def join(packets: Packets, source: VideoSource, output: str, codec: str | None, crf: float | None) -> list[str] | None:
    """Write the packets to `output` as the erased stream of `source`, and everything else of the source beside them.

    Returns the sink's notes; None, with nothing written, where its encoder differs from that of the packets.
    """
    sink = VideoSink(output, source, codec=codec, crf=crf, overwrite=False)
    try:
        if not packets.same or (packets.time_base, packets.extradata) != sink.encoder:
            sink.abort()
            return None
        due: Fraction | None = source.shift  # the time to which the source has been read
        clock = source.skim()
        for packet in packets:
            assert packet.dts is not None
            while due is not None and packet.dts * packets.time_base + source.shift > due:
                due = next(clock, None)
            sink.write_encoded(packet)
        for _ in clock:
            pass
        sink.finish()
    except BaseException:
        sink.abort()
        raise
    return sink.notes
