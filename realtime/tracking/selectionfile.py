"""Selection files: readable JSON, a line for each edit; masks lie beside it as PNG files.

write_selection("selection.json", 1280, 720, edits)
edits = read_selection("selection.json", 640, 360)  # for a picture of half the size
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from realtime.edits import (
    Add,
    Clear,
    Edit,
    Erase,
    EraseBox,
    Move,
    Paint,
    People,
    Restore,
    Stencil,
    Subtract,
    TimedEdit,
    Undo,
    scaled,
)
from realtime.errors import EraserError
from realtime.report import write_bytes, write_text
from realtime.selection import Box

VERSION = 1
DECIMALS = 3  # of coordinates in a selection file
TIME_DECIMALS = 6  # of seconds: rounded up further, a time would be that of the next frame

_CLICKS: dict[str, type[Erase | Add | Subtract]] = {"erase": Erase, "add": Add, "subtract": Subtract}
_NAMES: dict[str, type[Edit]] = {
    **_CLICKS,
    "restore": Restore,
    "erase-box": EraseBox,
    "paint": Paint,
    "stencil": Stencil,
    "move": Move,
    "people": People,
    "undo": Undo,
    "clear": Clear,
}


def write_selection(path: str | PathLike[str], width: int, height: int, edits: Sequence[TimedEdit]) -> None:
    """Write edits made on a picture of this size as readable JSON, a line each, and their stencils as PNG files beside
    it, named after it and what they hold; EraserError where that fails, and then all is as it was.

    Of a selection that is replaced, the stencils that are no longer needed go.
    """
    path = Path(path)
    records = [_as_record(edit) for edit in edits]
    masks: dict[str, bytes] = {}
    for record, timed in zip(records, edits, strict=True):
        if isinstance(timed.edit, Stencil):
            record["mask"] = _mask_name(path, timed.edit.png)
            masks[record["mask"]] = timed.edit.png
    lines = ",\n".join(f"    {json.dumps(record)}" for record in records)
    text = f'{{\n  "selection": {VERSION},\n  "width": {width},\n  "height": {height},\n  "edits": ['
    before = _masks_of(path)
    missing = [name for name in masks if not path.with_name(name).exists()]
    try:
        for name in missing:
            write_bytes(path.with_name(name), masks[name])
        write_text(path, f"{text}\n{lines}\n  ]\n}}\n" if edits else f"{text}]\n}}\n")
    except EraserError:
        _remove(path, missing)
        raise
    _remove(path, before - masks.keys())


def _mask_name(path: Path, png: bytes) -> str:
    """The file that holds a stencil of a selection: another stencil never takes its place."""
    return f"{path.stem}-{hashlib.sha256(png).hexdigest()[:8]}.png"


def _masks_of(path: Path) -> set[str]:
    """The stencils' files that a selection lists and `write_selection` has named; none where there is no selection."""
    stem = json.dumps(path.stem)[1:-1]
    with suppress(OSError, ValueError):
        found = re.findall(rf'"mask": "{re.escape(stem)}(-[0-9a-f]{{8}}\.png)"', path.read_text(encoding="utf-8"))
        return {f"{path.stem}{rest}" for rest in found}
    return set()


def _remove(path: Path, masks: Iterable[str]) -> None:
    """Remove stencils' files beside a selection; what can't be removed does no harm."""
    for name in masks:
        with suppress(OSError):
            path.with_name(name).unlink()


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
        raise EraserError(f"{path} is no selection file: give one that erase-video --select wrote, or 'w' live")
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
    edits = [_nth_edit(Path(path), number, record) for number, record in enumerate(records, 1)]
    sx, sy = width / made_for[0], height / made_for[1]
    fitted = [TimedEdit(timed.time, scaled(timed.edit, sx, sy)) for timed in edits]
    return sorted(fitted, key=lambda timed: timed.time)


def _nth_edit(path: Path, number: int, record: object) -> TimedEdit:
    try:
        return _from_record(record, path.parent)
    except ValueError as error:
        raise EraserError(f"the selection {path} is damaged: edit {number}: {error}") from error


def _as_record(timed: TimedEdit) -> dict[str, Any]:
    edit = timed.edit
    record: dict[str, Any] = {"time": _rounded(timed.time, TIME_DECIMALS)}
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
        case People(erase) | Stencil(erase=erase):
            record["erase"] = erase
    if (number := getattr(edit, "number", None)) is not None:
        record["object"] = number
    return record


def _from_record(record: object, folder: Path) -> TimedEdit:
    """One edit of the file, which lies in `folder`; ValueError says what is wrong with it."""
    if not isinstance(record, dict):
        raise ValueError("it is not an object")
    edit: Edit
    match record.get("do"):
        case "erase-box":
            sides = (round(_number(record, key)) for key in ("x", "y", "width", "height"))
            edit = EraseBox(Box(*sides), _object(record))
            if edit.box.w < 1 or edit.box.h < 1:
                raise ValueError("the box is empty")
        case "paint":
            edit = Paint(_points(record), _positive(record, "radius"), _flag(record, "erase"), _object(record))
        case "move":
            edit = Move(*(_number(record, key) for key in ("x", "y", "dx", "dy")))
        case "people":
            edit = People(_flag(record, "erase"))
        case "stencil":
            edit = Stencil(_mask(record, folder), _flag(record, "erase"), _object(record))
        case ("erase" | "add" | "subtract") as name:
            edit = _CLICKS[name](_number(record, "x"), _number(record, "y"), _object(record))
        case "restore":
            edit = Restore(_number(record, "x"), _number(record, "y"))
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


def _object(record: dict[str, Any]) -> int | None:
    if "object" not in record:
        return None
    value = record["object"]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"'object' is {value!r}, and not a number from 1 on")
    return value


def _mask(record: dict[str, Any], folder: Path) -> bytes:
    """The PNG file that a stencil names."""
    name = record.get("mask")
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f"'mask' is {name!r}, and not the name of a file beside it")
    try:
        png = (folder / name).read_bytes()
    except OSError as error:
        raise ValueError(f"its mask {name} cannot be read: {error.strerror or error}") from error
    if not png.startswith(b"\x89PNG") or cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE) is None:
        raise ValueError(f"its mask {name} is no PNG picture")
    return png


def _points(record: dict[str, Any]) -> tuple[tuple[float, float], ...]:
    way = record.get("points")
    if not isinstance(way, list) or not way or not all(isinstance(each, list) and len(each) == 2 for each in way):
        raise ValueError("'points' is not a list of [x, y] pairs")
    return tuple((_number({"points": x}, "points"), _number({"points": y}, "points")) for x, y in way)


def _rounded(value: float, decimals: int = DECIMALS) -> float | int:
    """For the file: as few digits as say the same."""
    short = round(float(value), decimals)
    return int(short) if short.is_integer() else short


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
