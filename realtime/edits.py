"""What the user does, as a log: clicks, boxes, brush strokes, moves. Window, selection file and command line write it.

    edits = [parse_click("640,300@1.5"), TimedEdit(2.0, Paint(((10, 10), (60, 30)), radius=8, erase=True))]

Coordinates are pixels of the upright picture, (x, y), pixel centres at integers; times are seconds.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from realtime.errors import EraserError, UsageError
from realtime.selection import Box


@dataclass(frozen=True, slots=True)
class Erase:
    """Erase the object at this pixel, and follow it.

    number: what to call it, by which other edits may speak of it; None leaves that to the eraser.
    """

    x: float
    y: float
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Restore:
    """Show the object at this pixel again; a person who was erased as one of all people is kept from then on."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Add:
    """This pixel belongs to the object of this number, or to the current one: chosen or refined last."""

    x: float
    y: float
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Subtract:
    """This pixel does not belong to the object of this number, or to the current one."""

    x: float
    y: float
    number: int | None = None


@dataclass(frozen=True, slots=True)
class EraseBox:
    """Erase the object that fills this box, and follow it; number: as in `Erase`."""

    box: Box
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Paint:
    """A brush stroke: erase what it covers (it stays with the background), or rub out what was painted before.

    points: the brush's way; radius: pixels; number: of an object to whose mask the stroke adds, or from which it takes
    away, and along with which it goes; None for the background.
    """

    points: tuple[tuple[float, float], ...]
    radius: float
    erase: bool
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Stencil:
    """Erase what is white in this mask (it stays with the background), or rub that out.

    png: the mask, an 8-bit grey picture as a PNG file holds it, of the whole frame at any scale; number: as in `Paint`.
    """

    png: bytes
    erase: bool
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """Show the object that is shown at this pixel (dx, dy) pixels from there; where it really is, it is erased."""

    x: float
    y: float
    dx: float
    dy: float


@dataclass(frozen=True, slots=True)
class People:
    """Erase every person from now on, or no longer."""

    erase: bool


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back the latest edit that was not taken back yet."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Take back all edits."""


Edit = Erase | Restore | Add | Subtract | EraseBox | Paint | Stencil | Move | People | Undo | Clear


@dataclass(frozen=True, slots=True)
class TimedEdit:
    """An edit that takes effect on the first frame at or after `time` seconds."""

    time: float
    edit: Edit


def parse_time(text: str) -> float:
    """Seconds from "12.5" or "1:02:03.5"; UsageError where it is neither."""
    if re.fullmatch(r"(\d+:){0,2}(\d+(\.\d*)?|\.\d+)", text) is None:
        raise UsageError(f"'{text}' is not a time: give seconds, like 12.5, or H:MM:SS, like 1:02:03.5")
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def parse_click(text: str, make: Callable[[float, float], Edit] = Erase) -> TimedEdit:
    """The edit that `make` gives for "X,Y" or "X,Y@TIME"; without a time it counts from the first frame on."""
    point, time = _split_time(text)
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*,\s*(\d+(?:\.\d*)?)\s*", point)
    if match is None:
        raise UsageError(f"'{text}' is not a click: give X,Y in pixels, or X,Y@TIME, like 640,300@1.5")
    return TimedEdit(time, make(float(match[1]), float(match[2])))


def parse_box(text: str) -> TimedEdit:
    """An `EraseBox` from "X,Y,W,H" or "X,Y,W,H@TIME"; without a time it counts from the first frame on."""
    box, time = _split_time(text)
    return TimedEdit(time, EraseBox(Box.parse(box)))


def _split_time(text: str) -> tuple[str, float]:
    place, at, time = text.partition("@")
    return place, parse_time(time.strip()) if at else 0.0


def spot(edit: Erase | EraseBox) -> tuple[float, float]:
    """A pixel (x, y) of what a click or a box chooses."""
    if isinstance(edit, Erase):
        return edit.x, edit.y
    return edit.box.x + (edit.box.w - 1) / 2, edit.box.y + (edit.box.h - 1) / 2


def moved(edits: Iterable[TimedEdit]) -> dict[int, tuple[float, float]]:
    """By how much objects are shown displaced, by number, as far as that is said where they are chosen."""
    edits = list(edits)
    chosen = {
        (timed.time, spot(edit)): edit.number for timed in edits if isinstance(edit := timed.edit, Erase | EraseBox)
    }
    total: dict[int, tuple[float, float]] = {}
    for timed in edits:
        if isinstance(move := timed.edit, Move) and (number := chosen.get((timed.time, (move.x, move.y)))) is not None:
            dx, dy = total.get(number, (0.0, 0.0))
            total[number] = dx + move.dx, dy + move.dy
    return total


def in_force(edits: Iterable[TimedEdit]) -> list[TimedEdit]:
    """The edits without those that were taken back, in their order."""
    log: list[list[TimedEdit]] = [[]]  # what counts, after each edit
    for timed in edits:
        match timed.edit:
            case Undo():
                log = log[:-1] or [[]]
            case Clear():
                log.append([])
            case _:
                log.append([*log[-1], timed])
    return log[-1]


def settled(edits: Iterable[TimedEdit]) -> list[TimedEdit]:
    """The edits by time, without those that were taken back; objects are numbered in the order of their choice.

    What refines an object without saying which is told its number: of the one chosen last before, or else the first.
    """
    left = sorted(in_force(edits), key=lambda timed: timed.time)
    taken = {timed.edit.number for timed in left if isinstance(timed.edit, Erase | EraseBox)}
    free = itertools.filterfalse(taken.__contains__, itertools.count(1))
    named = [
        replace(timed, edit=replace(timed.edit, number=next(free)))
        if isinstance(timed.edit, Erase | EraseBox) and timed.edit.number is None
        else timed
        for timed in left
    ]
    current = next((timed.edit.number for timed in named if isinstance(timed.edit, Erase | EraseBox)), None)
    for place, timed in enumerate(named):
        if isinstance(timed.edit, Erase | EraseBox):
            current = timed.edit.number
        elif isinstance(timed.edit, Add | Subtract) and timed.edit.number is None:
            named[place] = replace(timed, edit=replace(timed.edit, number=current))
    return named


def check_edits(edits: Iterable[TimedEdit], height: int, width: int) -> None:
    """Raise EraserError for a click, box or move outside a picture of this size; strokes may reach over its edge."""
    for timed in edits:
        match timed.edit:
            case Erase(x, y) | Restore(x, y) | Add(x, y) | Subtract(x, y) | Move(x, y):
                inside = -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5
                place = f"the click {x:g},{y:g}"
            case EraseBox(box):
                inside = box.x < width and box.y < height and box.x + box.w > 0 and box.y + box.h > 0
                place = f"the box {box}"
            case _:
                continue
        if not inside:
            raise EraserError(
                f"{place} lies outside the picture, which is {width}x{height}: give its pixels, "
                "from the top left corner"
            )


def scaled(edit: Edit, sx: float, sy: float) -> Edit:
    """The edit for a picture that is `sx` times as wide and `sy` times as high; picture edges stay aligned."""

    def point(x: float, y: float) -> tuple[float, float]:
        return (x + 0.5) * sx - 0.5, (y + 0.5) * sy - 0.5

    def side(begin: int, length: int, scale: float) -> tuple[int, int]:
        first, last = round(begin * scale), round((begin + length) * scale)
        # Less than a pixel becomes the one that it begins in: rounded up, it might lie outside the picture.
        return (first, last - first) if first < last else (math.floor(begin * scale), 1)

    if sx == sy == 1:
        return edit
    match edit:
        case EraseBox(box):
            (left, width), (top, height) = side(box.x, box.w, sx), side(box.y, box.h, sy)
            return replace(edit, box=Box(left, top, width, height))
        case Paint(points, radius):
            way = tuple(point(x, y) for x, y in points)
            return replace(edit, points=way, radius=radius * math.sqrt(sx * sy))
        case Move(x, y, dx, dy):
            return Move(*point(x, y), dx * sx, dy * sy)
        case Erase(x, y) | Restore(x, y) | Add(x, y) | Subtract(x, y):
            there = point(x, y)
            return replace(edit, x=there[0], y=there[1])
    return edit
