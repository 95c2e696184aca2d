"""What the user does, as a log: clicks, boxes, brush strokes, moves. Window, selection file and command line write it.

    edits = [parse_click("640,300@1.5"), TimedEdit(2.0, Paint(((10, 10), (60, 30)), radius=8, erase=True))]
    write_selection("selection.json", 1280, 720, edits)
    edits = read_selection("selection.json", 640, 360)  # for a picture of half the size

Coordinates are pixels of the upright picture, (x, y), pixel centres at integers; times are seconds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from realtime.errors import EraserError, UsageError
from realtime.report import write_text
from realtime.selection import Box

VERSION = 1
DECIMALS = 3  # of coordinates and seconds in a selection file


@dataclass(frozen=True, slots=True)
class Erase:
    """Erase the object at this pixel, and follow it."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Restore:
    """Show the object at this pixel again; a person who was erased as one of all people is kept from then on."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Add:
    """This pixel belongs to the current object: the one that was chosen or refined last."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Subtract:
    """This pixel does not belong to the current object."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class EraseBox:
    """Erase the object that fills this box, and follow it."""

    box: Box


@dataclass(frozen=True, slots=True)
class Paint:
    """A brush stroke: erase what it covers (it stays with the background), or rub out what was painted before.

    points: the brush's way; radius: pixels.
    """

    points: tuple[tuple[float, float], ...]
    radius: float
    erase: bool


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


Edit = Erase | Restore | Add | Subtract | EraseBox | Paint | Move | People | Undo | Clear

_CLICKS: dict[str, type[Erase | Restore | Add | Subtract]] = {
    "erase": Erase,
    "restore": Restore,
    "add": Add,
    "subtract": Subtract,
}
_NAMES: dict[str, type[Edit]] = {
    **_CLICKS,
    "erase-box": EraseBox,
    "paint": Paint,
    "move": Move,
    "people": People,
    "undo": Undo,
    "clear": Clear,
}


@dataclass(frozen=True, slots=True)
class TimedEdit:
    """An edit that takes effect on the first frame at or after `time` seconds."""

    time: float
    edit: Edit


def parse_time(text: str) -> float:
    """Seconds from "12.5" or "1:02:03.5"; UsageError where it is neither."""
    if re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text) is None:
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


def check_edits(edits: Iterable[TimedEdit], height: int, width: int) -> None:
    """Raise EraserError for a click, box or move outside a picture of this size; strokes may reach over its edge."""
    for timed in edits:
        match timed.edit:
            case Erase(x, y) | Restore(x, y) | Add(x, y) | Subtract(x, y) | Move(x, y):
                inside = 0 <= x <= width - 1 and 0 <= y <= height - 1
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


def write_selection(path: str | PathLike[str], width: int, height: int, edits: Sequence[TimedEdit]) -> None:
    """Write edits made on a picture of this size as readable JSON, a line each; EraserError where that fails."""
    lines = ",\n".join(f"    {json.dumps(_as_record(edit))}" for edit in edits)
    text = f'{{\n  "selection": {VERSION},\n  "width": {width},\n  "height": {height},\n  "edits": ['
    write_text(path, f"{text}\n{lines}\n  ]\n}}\n" if edits else f"{text}]\n}}\n")


def read_selection(path: str | PathLike[str], width: int, height: int) -> list[TimedEdit]:
    """The edits of a selection file, by time, scaled to a picture of this size.

    Raises EraserError where the file cannot be read or is none, naming the edit that is wrong.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise EraserError(f"the selection {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise EraserError(f"{path} is no selection file: it is not JSON ({error})") from error
    if not isinstance(content, dict) or "selection" not in content:
        raise EraserError(f"{path} is no selection file: give one that 'w' in the window of erase-live wrote")
    if content["selection"] != VERSION:
        raise EraserError(
            f"the selection {path} is of version {content['selection']}, and this program reads version {VERSION}: "
            "use the program that wrote it, or select anew"
        )
    try:
        made_for = _positive(content, "width"), _positive(content, "height")
        records = content.get("edits")
        if not isinstance(records, list):
            raise ValueError("'edits' is not a list")
    except ValueError as error:
        raise EraserError(f"the selection {path} is damaged: {error}") from error
    edits = [_nth_edit(path, number, record) for number, record in enumerate(records, 1)]
    sx, sy = width / made_for[0], height / made_for[1]
    fitted = [TimedEdit(timed.time, scaled(timed.edit, sx, sy)) for timed in edits]
    return sorted(fitted, key=lambda timed: timed.time)


def _nth_edit(path: str | PathLike[str], number: int, record: object) -> TimedEdit:
    try:
        return _from_record(record)
    except ValueError as error:
        raise EraserError(f"the selection {path} is damaged: edit {number}: {error}") from error


def _as_record(timed: TimedEdit) -> dict[str, Any]:
    edit = timed.edit
    record: dict[str, Any] = {"time": _rounded(timed.time)}
    record["do"] = next(name for name, kind in _NAMES.items() if isinstance(edit, kind))
    match edit:
        case EraseBox(box):
            record |= {"x": box.x, "y": box.y, "width": box.w, "height": box.h}
        case Paint(points, radius, erase):
            way = [[_rounded(x), _rounded(y)] for x, y in points]
            record |= {"points": way, "radius": _rounded(radius), "erase": erase}
        case Move(x, y, dx, dy):
            record |= {"x": _rounded(x), "y": _rounded(y), "dx": _rounded(dx), "dy": _rounded(dy)}
        case Erase(x, y) | Restore(x, y) | Add(x, y) | Subtract(x, y):
            record |= {"x": _rounded(x), "y": _rounded(y)}
        case People(erase):
            record["erase"] = erase
    return record


def _from_record(record: object) -> TimedEdit:
    """One edit of the file; ValueError says what is wrong with it."""
    if not isinstance(record, dict):
        raise ValueError("it is not an object")
    edit: Edit
    match record.get("do"):
        case "erase-box":
            sides = (round(_number(record, key)) for key in ("x", "y", "width", "height"))
            edit = EraseBox(Box(*sides))
            if edit.box.w < 1 or edit.box.h < 1:
                raise ValueError("the box is empty")
        case "paint":
            edit = Paint(_points(record), _positive(record, "radius"), _flag(record, "erase"))
        case "move":
            edit = Move(*(_number(record, key) for key in ("x", "y", "dx", "dy")))
        case "people":
            edit = People(_flag(record, "erase"))
        case ("erase" | "restore" | "add" | "subtract") as name:
            edit = _CLICKS[name](_number(record, "x"), _number(record, "y"))
        case "undo":
            edit = Undo()
        case "clear":
            edit = Clear()
        case other:
            raise ValueError(f"'do' is {other!r}, and not one of {', '.join(_NAMES)}")
    time = _number(record, "time")
    if time < 0:
        raise ValueError(f"'time' is {time:g}, and not 0 or more seconds")
    return TimedEdit(time, edit)


def scaled(edit: Edit, sx: float, sy: float) -> Edit:
    """The edit for a picture that is `sx` times as wide and `sy` times as high; picture edges stay aligned."""

    def point(x: float, y: float) -> tuple[float, float]:
        return (x + 0.5) * sx - 0.5, (y + 0.5) * sy - 0.5

    if sx == sy == 1:
        return edit
    match edit:
        case EraseBox(box):
            left, top = round(box.x * sx), round(box.y * sy)
            right, bottom = round((box.x + box.w) * sx), round((box.y + box.h) * sy)
            return EraseBox(Box(left, top, max(1, right - left), max(1, bottom - top)))
        case Paint(points, radius):
            way = tuple(point(x, y) for x, y in points)
            return replace(edit, points=way, radius=radius * math.sqrt(sx * sy))
        case Move(x, y, dx, dy):
            return Move(*point(x, y), dx * sx, dy * sy)
        case Erase(x, y) | Restore(x, y) | Add(x, y) | Subtract(x, y):
            return type(edit)(*point(x, y))
    return edit


def _number(record: dict[str, Any], key: str) -> float:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise ValueError(f"'{key}' is {value!r}, and not a number" if key in record else f"'{key}' is missing")
    return float(value)


def _positive(record: dict[str, Any], key: str) -> float:
    value = _number(record, key)
    if value <= 0:
        raise ValueError(f"'{key}' is {value:g}, and not above 0")
    return value


def _flag(record: dict[str, Any], key: str) -> bool:
    value = record.get(key)
    if not isinstance(value, bool):
        raise ValueError(f"'{key}' is {value!r}, and neither true nor false")
    return value


def _points(record: dict[str, Any]) -> tuple[tuple[float, float], ...]:
    way = record.get("points")
    if not isinstance(way, list) or not way or not all(isinstance(each, list) and len(each) == 2 for each in way):
        raise ValueError("'points' is not a list of [x, y] pairs")
    return tuple((_number({"points": x}, "points"), _number({"points": y}, "points")) for x, y in way)


def _rounded(value: float) -> float | int:
    """For the file: as few digits as say the same."""
    short = round(float(value), DECIMALS)
    return int(short) if short.is_integer() else short


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
