"""Counting what damage costs a video.

A packet that goes into a decoder comes out as a frame, in the order of presentation times. When a younger frame comes
out, older packets will not come any more: they are missing. That alone is no damage, since a healthy stream may begin
with pictures that refer to what was cut off, or hide some; so missing packets count only once damage was seen: a read
or a decode that failed, a packet or a frame marked as corrupt. At the end of a file that breaks off, its own index,
tags or head tell how many frames never came.
"""

from __future__ import annotations

import heapq
import os
import re
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

_SILENT_DECODERS = {"hevc"}  # drop what they cannot decode without a word


class Losses:
    """The frames of one stream that were lost.

    seen: has there been any damage?
    key_pts: of the first key frame; pictures shown before it may lack what they refer to, and never count.
    """

    def __init__(self, path: str, container: InputContainer, stream: VideoStream, *, has_times: bool) -> None:
        """has_times: the format stores presentation times; otherwise the times of decoding, sorted, stand for them."""
        self.seen = False
        self.key_pts: int | None = None
        self._path = path
        self._container = container
        self._stream = stream
        self._has_times = has_times
        self._silent = stream.codec_context.codec.canonical_name in _SILENT_DECODERS
        # Interlaced streams may hold a packet for each field, two for each frame.
        self._countable = field_order(stream) <= 1
        self._in_decoder: list[int] = []  # heap of presentation times
        self._refused: list[int] = []  # times of packets that gave no frame, in a format without presentation times
        self._last_dts: int | None = None
        self._last_pts: int | None = None

    @property
    def next_time(self) -> int | None:
        """The earliest time among the packets in the decoder."""
        return self._in_decoder[0] if self._in_decoder else None

    def sent(self, packet: Packet) -> None:
        """A packet goes into the decoder."""
        if self.key_pts is None and packet.is_keyframe:
            self.key_pts = packet.pts
        self.seen |= packet.is_corrupt
        self._last_dts = packet.dts if packet.dts is not None else self._last_dts
        time = packet.pts if self._has_times else packet.dts
        if time is not None and not packet.is_discard and self._counts(packet.pts):
            heapq.heappush(self._in_decoder, time)

    def refused(self, packet: Packet | None) -> None:
        """The decoder failed on a packet, or on what was left in it (None)."""
        self.seen |= packet is None or self._counts(packet.pts)
        if not self._has_times and packet is not None and packet.dts in self._in_decoder:
            self._in_decoder.remove(packet.dts)  # or the frames that follow would all take the time of the one before
            heapq.heapify(self._in_decoder)
            self._refused.append(packet.dts)

    def came(self, frame: av.VideoFrame, pts: int) -> tuple[int, bool]:
        """A frame came out. Returns how many are lost before it, and whether it is damaged itself."""
        missing = sum(time < pts for time in self._refused)
        self._refused = [time for time in self._refused if time > pts]
        while self._in_decoder and self._in_decoder[0] < pts:
            heapq.heappop(self._in_decoder)
            missing += 1
        if self._in_decoder and self._in_decoder[0] == pts:
            heapq.heappop(self._in_decoder)
        is_first, self._last_pts = self._last_pts is None, pts
        damaged = frame.is_corrupt and self._counts(pts)
        self.seen |= damaged
        return (missing if self._countable and not is_first and (self.seen or self._silent) else 0), damaged

    def behind_the_last(self, end: Fraction | None, rate: Fraction | None) -> int:
        """How many frames are missing at the end of the file. end: where reading was to stop, s; rate: frames/s."""
        stuck = len(self._in_decoder) + len(self._refused) if self.seen and self._countable else 0
        entries = self._stream.index_entries
        if has_full_index(self._container, self._stream) and self._last_dts is not None:
            stop = len(entries)
            if end is not None:
                stop = entries.search_timestamp(int(end / (self._stream.time_base or 1)), any_frame=True) + 1
            unread = entries[entries.search_timestamp(self._last_dts, any_frame=True) + 1 : stop]
            return stuck + sum(not entry.is_discard for entry in unread)
        if end is None and self._last_pts is not None and rate and _is_cut_short(self._path):
            promised = self._promised_end(rate)
            if promised is not None:
                last = self._last_pts * (self._stream.time_base or 1)
                return stuck + max(1, round((promised - last) * rate) - 1)
        return stuck

    def _counts(self, pts: int | None) -> bool:
        return pts is None or self.key_pts is None or pts >= self.key_pts

    def _promised_end(self, rate: Fraction) -> Fraction | None:
        """When the stream was to end, s."""
        if not self._has_times and self._stream.frames:
            return self._stream.frames / rate
        tagged = _tagged_end(self._stream)
        if tagged is None and self._container.duration:
            return Fraction(self._container.duration, 1_000_000)
        return tagged


def field_order(stream: VideoStream) -> int:
    """AVFieldOrder: 0 not known, 1 progressive, above that interlaced. PyAV tells it since version 18."""
    return getattr(stream.codec_context, "field_order", 0)


def has_full_index(container: InputContainer, stream: VideoStream) -> bool:
    """Does the index list every packet, in the order of decoding? In MP4 and MOV it does, unless fragmented."""
    return container.format.name.startswith("mov") and len(stream.index_entries) == stream.frames > 0


def _is_cut_short(path: str) -> bool:
    """Does a Matroska, WebM or AVI file say in its head that it is longer than it is?"""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(4096)
    if head[:4] == b"RIFF":
        return int.from_bytes(head[4:8], "little") + 8 > os.path.getsize(path)
    segment = head.find(b"\x18\x53\x80\x67")  # EBML (RFC 8794): an element's id, then its size; all ones: not known
    if head[:4] != b"\x1a\x45\xdf\xa3" or not 0 <= segment <= len(head) - 12:
        return False
    length = 9 - head[segment + 4].bit_length()
    size = int.from_bytes(head[segment + 4 : segment + 4 + length], "big") & ((1 << 7 * length) - 1)
    known = size != (1 << 7 * length) - 1
    return known and segment + 4 + length + size > os.path.getsize(path)


def _tagged_end(stream: VideoStream) -> Fraction | None:
    """When the stream ends by Matroska's DURATION tag ("HH:MM:SS.nnnnnnnnn"), s."""
    tag = next((value for key, value in stream.metadata.items() if key.upper().startswith("DURATION")), "")
    match = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", tag)
    if match is None:
        return None
    hours, minutes, seconds = match.groups()
    return Fraction(hours) * 3600 + Fraction(minutes) * 60 + Fraction(seconds)
