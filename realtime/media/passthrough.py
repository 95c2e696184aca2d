"""What a video file holds beside the erased stream: other streams, chapters, timecode, tags.

Streams are copied packet by packet, bit for bit, where the output container takes them; a note names those it does not
take. Chapters and timecode are tracks of their own in some containers: they are rebuilt by the muxer from the input's
chapter list and timecode tag, not copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TypedDict

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Disposition, Stream

from realtime.media.trial import can_begin

MOV_FAMILY = {"mov", "mp4", "ipod", "3gp", "3g2", "psp", "ismv", "f4v"}  # formats with edit lists
# Tags that describe the input file itself: what wrote it, how large its streams were.
_FILE_TAGS = re.compile(
    r"(encoder|major_brand|minor_version|compatible_brands|duration|(bps|number_of_(frames|bytes)|source_id)(-\w+)?"
    r"|_statistics_\w+(-\w+)?)",
    re.IGNORECASE,
)
# What an MP4 header has places for; other tags need movflags=use_metadata_tags.
_MOV_TAGS = re.compile(
    r"album|album_artist|artist|author|comment|compilation|composer|copyright|creation_time|date|"
    r"description|disc|episode_id|episode_sort|genre|gapless_playback|grouping|hd_video|keywords|"
    r"language|location|lyrics|make|media_type|model|network|performer|rating|season_number|"
    r"show|synopsis|timecode|title|track|year"
)
# What a transport stream has a stream type for.
_MPEGTS_CODECS = frozenset(
    (
        *("aac", "aac_latm", "ac3", "dts", "eac3", "mp2", "mp3", "opus", "s302m", "truehd"),
        *("dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle"),
    )
)
_COVER_NOTE = "The file's cover picture is kept as it is: look whether it shows what was erased."


class Chapter(TypedDict):
    id: int
    start: int
    end: int
    time_base: Fraction | None
    metadata: dict[str, str]


@dataclass(frozen=True)
class Cut:
    """The part of the input that is written, in seconds of the input's clock: from `start` (None: the beginning) up to
    `end` (None: the end); `shift` seconds are taken off every time."""

    start: Fraction | None
    end: Fraction | None
    shift: Fraction

    def place(self, packet: Packet) -> bool:
        """Move a packet to its time in the output; False when it lies outside. Subtitles are clipped, others whole."""
        base = packet.time_base
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or _is_cover(packet.stream):
            return True
        begin = time * base
        length = (packet.duration or 0) * base
        if self.start is not None and begin < self.start:
            if packet.stream.type != "subtitle" or begin + length <= self.start:
                return False
            late = round((self.start - begin) / base)
            packet.pts, packet.dts, packet.duration = time + late, time + late, (packet.duration or 0) - late
        if self.end is not None:
            if begin >= self.end:
                return False
            if packet.stream.type == "subtitle" and begin + length > self.end:
                packet.duration = max(0, int(self.end / base) - (packet.pts or 0))
        ticks = round(self.shift / base)
        if packet.pts is not None:
            packet.pts -= ticks
        if packet.dts is not None:
            packet.dts -= ticks
        return True


class Copies:
    """The copied streams of an output.

    indices: the input's streams whose packets are wanted.
    notes: what could not be copied, by name.
    """

    def __init__(
        self,
        source: InputContainer,
        erased: Stream,
        output: OutputContainer,
        add_erased: Callable[[], None],
        try_erased: Callable[[OutputContainer], object],
        cover: Callable[[int], bytes | None],
    ) -> None:
        """add_erased: adds the erased stream to `output`; called when its turn comes, so that the order stays.
        try_erased: adds one like it to a container that is only tried out.
        cover: the contents of the cover picture that a stream of the source is."""
        self.notes: list[str] = []
        self._streams: dict[int, Stream] = {}
        self._output = output
        self._damaged: set[int] = set()
        self._hidden: dict[int, Packet] = {}  # by an edit list, the last of each stream
        chapters = bool(source.chapters())
        for stream in source.streams:
            if stream.index == erased.index:
                add_erased()
            elif _is_rebuilt(stream, chapters):
                continue
            elif stream.type == "video" and not _is_cover(stream):
                self.notes.append(f"{_describe(stream)} is left out: only one video stream is erased.")
            elif _is_cover(stream) and output.format.name == "matroska":
                _attach_cover(output, stream, cover(stream.index))
                self.notes.append(_COVER_NOTE)
            elif _is_cover(stream) and not _keeps_covers(output):
                self.notes.append("The file's cover picture is left out: the output's tags have no place for it.")
            elif _takes(output, stream) or (
                stream.type == "audio" and stream.index > erased.index and _takes(output, stream, try_erased)
            ):
                copy = _add(output, stream)
                copy.metadata.update(own_tags(stream.metadata))
                copy.disposition = stream.disposition
                self._streams[stream.index] = copy
                if _is_cover(stream):
                    self.notes.append(_COVER_NOTE)
            else:
                self.notes.append(f"{_describe(stream)} is left out: {output.format.name} files do not take it.")

    @property
    def indices(self) -> Iterable[int]:
        return self._streams.keys()

    def write(self, packets: Iterable[Packet], cut: Cut) -> None:
        """Copy packets into the output. One that the muxer refuses (its time runs back) is left out, with a note.

        What the input's edit list hides stays hidden: by an edit list again, or left out, except the last packet, which
        a decoder of sound wants before the first that is heard.
        """
        for packet in packets:
            index = packet.stream_index
            if index not in self._streams or not cut.place(packet):
                continue
            if packet.is_discard and self._output.format.name not in MOV_FAMILY:
                self._hidden[index] = packet
                continue
            if index in self._hidden:
                self._mux(self._hidden.pop(index), index)
            self._mux(packet, index)

    def _mux(self, packet: Packet, index: int) -> None:
        packet.stream = self._streams[index]
        try:
            self._output.mux_one(packet)
        except (av.error.InvalidDataError, av.error.ArgumentError):
            if index not in self._damaged:
                self._damaged.add(index)
                self.notes.append(f"Some packets of stream #{index} are damaged and were left out.")


def own_tags(tags: dict[str, str]) -> dict[str, str]:
    """The tags that say something of the content, not of the file that held it."""
    return {key: value for key, value in tags.items() if not _FILE_TAGS.fullmatch(key)}


def needs_metadata_tags(tags: dict[str, str]) -> bool:
    """Do these tags need movflags=use_metadata_tags to be kept in an MP4 or MOV file?"""
    return any(not _MOV_TAGS.fullmatch(key.partition("-")[0]) for key in own_tags(tags))


def cut_chapters(chapters: Iterable[Chapter], cut: Cut) -> list[Chapter]:
    """Chapters in the output's time, those outside the cut left out."""
    kept: list[Chapter] = []
    for chapter in chapters:
        base = chapter["time_base"] or Fraction(1, 1000)
        first, last = chapter["start"] * base, chapter["end"] * base
        if cut.start is not None:
            first = max(first, cut.start)
        if cut.end is not None:
            last = min(last, cut.end)
        if last > first:
            start, stop = (max(0, round((time - cut.shift) / base)) for time in (first, last))
            kept.append({**chapter, "start": start, "end": stop, "id": len(kept) + 1})
    return kept


def advance_timecode(timecode: str, frames: int, rate: Fraction) -> str:
    """A SMPTE ST 12-1 timecode some frames later; ';' before the frames means drop-frame counting (29.97, 59.94)."""
    match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)", timecode)
    if match is None or frames == 0:
        return timecode
    hours, minutes, seconds, mark, counted = match.groups()
    per_second = round(rate)
    dropped = per_second // 15 if mark != ":" else 0  # numbers left out at each minute, except every tenth
    total_minutes = int(hours) * 60 + int(minutes)
    number = (total_minutes * 60 + int(seconds)) * per_second + int(counted) + frames
    number -= dropped * (total_minutes - total_minutes // 10)
    per_ten = per_second * 600 - dropped * 9
    tens, rest = divmod(number, per_ten)
    number += dropped * 9 * tens
    if dropped and rest >= per_second * 60:
        number += dropped * (1 + (rest - per_second * 60) // (per_second * 60 - dropped))
    seconds_total, frame = divmod(number, per_second)
    minute_total, second = divmod(seconds_total, 60)
    hour, minute = divmod(minute_total, 60)
    return f"{hour % 24:02}:{minute:02}:{second:02}{mark}{frame:02}"


def _is_rebuilt(stream: Stream, chapters: bool) -> bool:
    """MP4 and MOV keep chapters and timecode in tracks; both come back from the chapter list and the timecode tag."""
    if stream.type == "data" and "timecode" in stream.metadata:
        return True
    if not chapters or stream.container.format.name.partition(",")[0] != "mov":
        return False
    if stream.disposition & Disposition.timed_thumbnails:
        return True
    if stream.type == "subtitle":
        return stream.codec_context is not None and stream.codec_context.codec_tag == "text"
    return (
        stream.type == "data"
        and stream.name in (None, "bin_data")
        and stream.metadata.get("handler_name") != "GoPro MET"
    )


def _is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _keeps_covers(output: OutputContainer) -> bool:
    """QuickTime's tags hold no covers, in MOV files and in MP4 files that have such tags: the muxer drops them."""
    return output.format.name != "mov" and "use_metadata_tags" not in output.container_options.get("movflags", "")


def _attach_cover(output: OutputContainer, stream: Stream, picture: bytes | None) -> None:
    """Matroska keeps cover pictures as attachments."""
    kind = "png" if stream.codec_context is not None and stream.codec_context.name == "png" else "jpeg"
    if picture is not None:
        extension = "png" if kind == "png" else "jpg"
        name = stream.metadata.get("filename", f"cover.{extension}")
        output.add_attachment(name, f"image/{kind}", picture)


def _takes(
    output: OutputContainer, stream: Stream, add_first: Callable[[OutputContainer], object] | None = None
) -> bool:
    """Does the container take this stream? Found by writing a header that holds it alone, or behind another one."""
    if isinstance(stream, AttachmentStream) and output.format.name != "matroska":
        return False
    if output.format.name == "mpegts" and stream.codec_context is not None and _codec(stream) not in _MPEGTS_CODECS:
        return False  # it would be written, and no player could tell what it is

    def begin(trial: OutputContainer) -> None:
        if add_first is not None:
            add_first(trial)
        _add(trial, stream)
        if stream.type in ("audio", "subtitle", "data"):
            trial.start_encoding()

    return can_begin(output, begin)


def _add(output: OutputContainer, stream: Stream) -> Stream:
    if isinstance(stream, AttachmentStream):
        return output.add_attachment(stream.name or "attachment", stream.mimetype or "", stream.data)
    copy = output.add_stream_from_template(stream, opaque=True)
    if isinstance(stream, AudioStream) and isinstance(copy, AudioStream):
        channels = stream.codec_context.layout.channels
        if all(channel.name == "NONE" for channel in channels):  # MP4 takes no PCM whose layout is not said
            with suppress(ValueError):  # not every number of channels has a usual layout
                copy.codec_context.layout = f"{len(channels)}c"
    return copy


def _codec(stream: Stream) -> str | None:
    return stream.name if stream.codec_context is None else stream.codec_context.codec.canonical_name


def _describe(stream: Stream) -> str:
    """Stream #2 (subtitle, mov_text, eng)"""
    name = _codec(stream)
    details = ", ".join(part for part in (stream.type, name, stream.language) if part)
    return f"Stream #{stream.index} ({details})"
