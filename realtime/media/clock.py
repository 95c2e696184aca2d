"""One clock for an input that holds several, one after the other.

Files joined byte by byte (cat a.ts b.ts) and captures of broadcasts start their clock again, or jump, where one part
ends and the next begins. Left as they are, such times would run back, or leave the picture standing for hours.
"""

from __future__ import annotations

from fractions import Fraction

from av.container import InputContainer
from av.format import Flags as FormatFlags
from av.packet import Packet

_BACK = 1  # s by which a stream's decoding times run back only where a clock starts again
_AHEAD = 10  # s by which they leap ahead only where another clock begins, as FFmpeg's own program takes it


class Clock:
    """Moves packets, in the order of the file, so that the parts of an input follow one another.

    All streams of a part are moved alike, so they stay in sync. The video leads: its packets alone decide where a part
    begins and by how much it is moved, so that frames have the same times whatever other streams are read. Around a
    seam packets of both parts lie mixed: each belongs to the part whose clock brings it nearest to the video.
    """

    def __init__(self, container: InputContainer, leader: int) -> None:
        """leader: the index of the video's stream."""
        # MP4 and MOV have an index of one timeline; where decoding times run back there, an edit list hides it.
        self._starts_again = not container.format.name.startswith("mov")
        self._jumps_ahead = jumps_ahead(container)
        self._leader = leader
        self._offsets = [Fraction(0)]  # s added to the times of each part
        self._heard: Fraction | None = None  # the same of a part whose sound comes before its video
        self._ends: dict[int, Fraction] = {}  # where the last packet of each stream ends, decoding time, s

    @property
    def parts(self) -> int:
        return len(self._offsets)

    def place(self, packet: Packet) -> None:
        """Move a packet to its time on the one clock."""
        base, index = packet.time_base, packet.stream_index
        if packet.pts is not None and packet.dts is not None:
            shown, decoded = packet.pts * base, packet.dts * base
            if self._leaps(shown, decoded, decoded):  # at a seam FFmpeg guesses the latter from the part before
                packet.dts = packet.pts
        stated = packet.pts if packet.dts is None else packet.dts
        if stated is None:
            return
        offset = self._offset(index, stated * base)
        if packet.stream.type in ("video", "audio"):  # others are too sparse to tell a jump from a pause
            self._ends[index] = (stated + (packet.duration or 1)) * base + offset
        ticks = round(offset / base)
        if packet.pts is not None:
            packet.pts += ticks
        if packet.dts is not None:
            packet.dts += ticks

    def _offset(self, index: int, time: Fraction) -> Fraction:
        leads = index == self._leader
        known = self._offsets if leads or self._heard is None else [*self._offsets, self._heard]
        now = self._ends.get(self._leader, time)
        offset = min(known, key=lambda offset: abs(time + offset - now))
        end = self._ends.get(index)
        if end is None or not self._leaps(time + offset, end, max(now, end)):
            return offset
        offset = end - time
        if leads:
            self._offsets.append(offset)
        self._heard = None if leads else offset
        return offset

    def _leaps(self, time: Fraction, end: Fraction, newest: Fraction) -> bool:
        """Can the time not belong to a known part? end: of the stream so far; newest: of that and the video."""
        return (self._starts_again and time < end - _BACK) or (self._jumps_ahead and time > newest + _AHEAD)


def jumps_ahead(container: InputContainer) -> bool:
    """May the clock of this format start anywhere, and jump?"""
    return FormatFlags.ts_discont in FormatFlags(container.format.flags)
