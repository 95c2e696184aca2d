"""Long files in pieces: cut where the eraser starts anew, erased by many workers, joined without encoding again."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from realtime.batch.driver import Steps
from realtime.batch.part import Packets, Part, join
from realtime.batch.tasks import Bench, Erased, EraseFile, Task, sync
from realtime.batch.tree import Video
from realtime.media.opening import open_source
from realtime.media.video_source import VideoSource
from realtime.shots import Shot, find_shots

PIECE_S = 120.0  # shortest piece, seconds
ASIDE_S = 2e-6  # between a frame's time and a bound beside it: below the ticks of any clock, above rounding
OF_WHOLE = "edits", "selection"  # options that follow objects through cuts


@dataclass(frozen=True)
class Piece:
    """From one cut to another. start, stop: seconds as in `Frame.time`, None for the ends of what is wanted."""

    start: float | None
    stop: float | None


@dataclass(frozen=True)
class Plan:
    """How a file is cut. origin, shift: as in `Source`, of the whole job."""

    pieces: tuple[Piece, ...]
    shots: tuple[Shot, ...]
    origin: Fraction
    shift: Fraction


@dataclass(frozen=True)
class MakePlan:
    """Looks for the cuts of a file. shortest: of a piece, seconds."""

    input: Path
    options: dict[str, Any]
    shortest: float

    def run(self, bench: Bench) -> Plan | None:
        """None where the file is not to be cut: too short, no cuts, or no video."""
        start, end = self.options.get("start"), self.options.get("end")
        with open_source(str(self.input), start=start, end=end) as source:
            length, total = source.info.duration, source.info.frames
            if not isinstance(source, VideoSource) or length is None or length < 2 * self.shortest:
                return None
            origin, shift = source.origin, source.shift
        shots = find_shots(self.input, start, end, lambda frames: bench.tell(frames, total))
        pieces = cut_at(shots, self.shortest)
        return Plan(tuple(pieces), tuple(shots), origin, shift) if len(pieces) > 1 else None


@dataclass(frozen=True)
class Packed:
    """The packets of a piece. anew: whether the eraser starts anew where the piece ends."""

    path: Path
    frames: int
    lost: int
    notes: tuple[str, ...]
    anew: bool


@dataclass(frozen=True)
class ErasePiece:
    """Erases one piece of a file."""

    input: Path
    name: str
    options: dict[str, Any]
    plan: Plan
    piece: Piece

    def run(self, bench: Bench) -> Packed:
        from realtime.files import erase_video

        part = Part(self.piece.stop, self.plan.shift, self.plan.shots)
        options = dict(self.options)
        if self.piece.start is not None:
            options["start"] = self.piece.start - float(self.plan.origin) - ASIDE_S
        if self.piece.stop is not None:
            options["end"] = self.piece.stop - float(self.plan.origin) + ASIDE_S
        report = erase_video(
            self.input, bench.folder / self.name, threads=bench.threads, progress=bench.progress, part=part, **options
        )
        path = bench.folder / f"{self.name}.packets"
        sync(path)
        return Packed(path, report.frames - (self.piece.stop is not None), report.lost, report.notes, part.anew)


@dataclass(frozen=True)
class Join:
    """Makes one output of the packets of all pieces."""

    input: Path
    name: str
    options: dict[str, Any]
    packed: tuple[Packed, ...]

    def run(self, bench: Bench) -> Erased | None:
        """None where they don't fit together: the file is then to be erased at one go."""
        output, options = bench.folder / self.name, self.options
        with open_source(str(self.input), start=options.get("start"), end=options.get("end")) as source:
            assert isinstance(source, VideoSource), "only these are cut"
            packets = Packets([each.path for each in self.packed])
            said = join(packets, source, str(output), options.get("codec"), options.get("crf"))
        if said is None:
            return None
        sync(output)
        notes = dict.fromkeys([*said, *(note for each in self.packed for note in each.notes)])
        frames, lost = (sum(getattr(each, name) for each in self.packed) for name in ("frames", "lost"))
        return Erased(output, frames, lost, tuple(notes))


def in_pieces(video: Video, options: dict[str, Any], shortest: float = PIECE_S) -> Steps:
    """The way of a file that is cut where it is long enough."""
    input, name = video.input.absolute(), video.output.name
    plan = None
    if not any(options.get(option) for option in OF_WHOLE):
        (plan,) = yield [MakePlan(input, options, shortest)]
    if plan is not None:
        packed = yield from _erased(input, name, options, plan)
        (erased,) = yield [Join(input, name, options, tuple(packed))]
        if erased is not None:
            return erased
    (erased,) = yield [EraseFile(input, name, options)]
    return erased


def _erased(
    input: Path, name: str, options: dict[str, Any], plan: Plan
) -> Generator[Sequence[Task], list[Any], list[Packed]]:
    """The steps that erase all pieces. One whose end the eraser doesn't take for a cut is erased once more, together
    with the next one."""
    done: dict[Piece, Packed] = {}
    pieces = list(plan.pieces)
    while True:
        todo = [piece for piece in pieces if piece not in done]
        results = yield [ErasePiece(input, name, options, plan, piece) for piece in todo]
        done |= zip(todo, results, strict=True)
        if all(done[piece].anew for piece in pieces):
            return [done[piece] for piece in pieces]
        pieces = merged(pieces, [done[piece].anew for piece in pieces])


def merged(pieces: Sequence[Piece], anew: Sequence[bool]) -> list[Piece]:
    """Each piece together with those that follow it without a cut between. anew: whether there is one at its end."""
    result: list[Piece] = []
    open_end = False
    for piece, ends in zip(pieces, anew, strict=True):
        if open_end:
            result[-1] = replace(result[-1], stop=piece.stop)
        else:
            result.append(piece)
        open_end = not ends
    return result


def cut_at(shots: Sequence[Shot], shortest: float) -> list[Piece]:
    """Pieces of at least this length, seconds, that begin and end at hard cuts, or where the film does."""
    cuts = [after.start for before, after in pairwise(shots) if before.end == after.start]
    bounds: list[float] = []
    begin = shots[0].start
    for cut in cuts:
        if cut - begin >= shortest:
            bounds.append(cut)
            begin = cut
    ends: list[float | None] = [None, *bounds, None]
    return [Piece(start, stop) for start, stop in pairwise(ends)]
