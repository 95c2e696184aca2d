"""What mouse and keys mean in the window that selects: a pure function of the event, the state and what is shown.

    state = SelectState.start(ui, times)
    state, ask = react(state, Key("right"), things)  # a second on

The mouse does what it does in the live window; here each edit is kept with the time of the frame it was made on, and
with the number of the object that it speaks of, so that edits may come in any order.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

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
    settled,
    spot,
)
from realtime.live import ui as live
from realtime.live.control import Control
from realtime.live.ui import Key, Mouse, UiState, thing_at
from realtime.tracking.strokes import draw, place

if TYPE_CHECKING:
    from realtime.tracking.things import Thing

SECOND = 1.0  # seconds that an arrow goes
_TOOLS = {"space", "h", "e", "m", "[", "]", "p", "u", "c"}  # keys that mean what they mean in the live window


class Ask(Enum):
    """What the user asks of the session."""

    START = "start"  # erase what is selected
    SAVE = "save"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Scrub:
    """The mouse on the trackbar. share: of its length, from 0 to 1."""

    share: float


Event = Mouse | Key | Scrub
Log = tuple[TimedEdit, ...]


@dataclass(frozen=True, slots=True)
class SelectState:
    """The window's state. ui: how the picture is looked at, and what the mouse is doing; times: of the frames, seconds
    from the input's beginning; cuts: indices of the frames that shots begin with; index: of the frame that is shown;
    log: what was done; before: the logs that `u` brings back; current: the object that is refined next.
    """

    ui: UiState
    times: Sequence[float]
    cuts: Sequence[int] = ()
    index: int = 0
    log: Log = ()
    before: tuple[Log, ...] = ()
    current: int | None = None

    @property
    def time(self) -> float:
        """Of the frame that is shown."""
        return self.times[self.index]

    @property
    def people(self) -> bool:
        """Whether every person is erased."""
        return any(isinstance(timed.edit, People) and timed.edit.erase for timed in self.log)


def begun(ui: UiState, times: Sequence[float], cuts: Sequence[int], edits: Sequence[TimedEdit]) -> SelectState:
    """The state of a window that opens with these edits, on the frame of the first of them."""
    log = tuple(settled(edits))
    index = frame_at(times, min(timed.time for timed in log)) if log else 0
    return SelectState(ui, times, cuts, index, log)


def react(state: SelectState, event: Event, things: Sequence[Thing]) -> tuple[SelectState, Ask | None]:
    """The state after an event, and what the user asks for by it. things: those in the frame that is shown."""
    if isinstance(event, Scrub):
        share = min(max(event.share, 0.0), 1.0)
        return _shown(state, round(share * (len(state.times) - 1))), None
    if isinstance(event, Key) and event.name not in _TOOLS:
        return _key(state, event.name)
    ui, wishes = live.react(state.ui, event, things)
    state = replace(state, ui=ui)
    for wish in wishes:
        if wish is Control.PEOPLE:
            state = _edited(state, People(not state.people), things)
        elif not isinstance(wish, Control):
            state = _edited(state, wish, things)
    return state, None


def _key(state: SelectState, name: str) -> tuple[SelectState, Ask | None]:
    match name:
        case "," | ".":
            return _shown(state, state.index + (1 if name == "." else -1)), None
        case "left" | "right":
            there = frame_at(state.times, state.time + (SECOND if name == "right" else -SECOND))
            return _shown(state, there), None
        case "home" | "end":
            return _shown(state, 0 if name == "home" else len(state.times) - 1), None
        case "up" | "down":
            return _shown(state, _neighbour(state, later=name == "down")), None
        case "n":
            return _shown(state, _next_edit(state)), None
        case "enter":
            return state, Ask.START
        case "s" | "w":
            return state, Ask.SAVE
        case "escape" if state.ui.drag is not None:
            return replace(state, ui=replace(state.ui, drag=None)), None
        case "escape" if state.current is not None:
            return replace(state, current=None), None
        case "q" | "escape":
            return state, Ask.QUIT
    return state, None


def _shown(state: SelectState, index: int) -> SelectState:
    """Another frame is shown: what the mouse was in the middle of is dropped."""
    index = min(max(index, 0), len(state.times) - 1)
    return state if index == state.index else replace(state, index=index, ui=replace(state.ui, drag=None))


def _neighbour(state: SelectState, *, later: bool) -> int:
    """The first frame of the next shot, or of this one or the one before."""
    cuts = list(state.cuts) or [0]
    place = bisect.bisect_right(cuts, state.index) if later else bisect.bisect_left(cuts, state.index) - 1
    if later and place == len(cuts):
        return len(state.times) - 1
    return cuts[max(0, place)]


def _next_edit(state: SelectState) -> int:
    """The next frame with an edit, round and round."""
    there = sorted({frame_at(state.times, timed.time) for timed in state.log})
    return next((index for index in there if index > state.index), there[0] if there else state.index)


def frame_at(times: Sequence[float], seconds: float) -> int:
    """The first frame at or after a time, or the last one."""
    return min(len(times) - 1, bisect.bisect_left(times, seconds - 1e-4))


def _edited(state: SelectState, edit: Edit, things: Sequence[Thing]) -> SelectState:
    """What an edit does to the log."""
    match edit:
        case Undo():
            return _back(state)
        case Clear():
            return _logged(replace(state, current=None), ())
        case People(erase):
            others = tuple(timed for timed in state.log if not isinstance(timed.edit, People))
            return _logged(state, (TimedEdit(0.0, People(True)), *others) if erase else others)
        case Paint():
            return _added(state, replace(edit, number=state.current))
        case Erase(x, y):
            return _chosen(state, edit, _number_at(things, (x, y)))
        case EraseBox():
            return _chosen(state, edit, None)
        case Add(x, y):
            if state.current is None:
                return _chosen(state, Erase(x, y), None)
            return _added(state, replace(edit, number=state.current))
        case Subtract(x, y):
            number = state.current or _number_at(things, (x, y))
            return state if number is None else _added(replace(state, current=number), replace(edit, number=number))
        case Restore():
            return _given_back(state, edit, things)
        case Move(x, y):
            return _moved(state, edit, _number_at(things, (x, y)))
        case Stencil():
            raise AssertionError("nobody draws stencils by hand")


def _chosen(state: SelectState, edit: Erase | EraseBox, known: int | None) -> SelectState:
    """An object is chosen: a new one, unless the click is on one that is erased already."""
    if known is not None:
        return replace(state, current=known)
    number = 1 + max((getattr(timed.edit, "number", None) or 0 for timed in state.log), default=0)
    return _added(replace(state, current=number), replace(edit, number=number))


def _given_back(state: SelectState, edit: Restore, things: Sequence[Thing]) -> SelectState:
    """What is at a pixel is not to be erased: an object, one of all people, or what was painted on this frame."""
    number = _number_at(things, (edit.x, edit.y))
    if number is not None:
        left = tuple(timed for timed in state.log if getattr(timed.edit, "number", None) != number)
        gone = {timed for timed in state.log if timed not in left}
        places = {(timed.time, spot(timed.edit)) for timed in gone if isinstance(timed.edit, Erase | EraseBox)}
        left = tuple(t for t in left if not (isinstance(t.edit, Move) and (t.time, (t.edit.x, t.edit.y)) in places))
        return _logged(replace(state, current=None), left)
    left = tuple(timed for timed in state.log if not (timed.time == state.time and _covers(state, timed.edit, edit)))
    if left != state.log:
        return _logged(state, left)
    return _added(state, edit) if state.people else state


def _moved(state: SelectState, edit: Move, number: int | None) -> SelectState:
    """An object is shown elsewhere, in all of its shot: that is noted where the object was chosen, or is with it."""
    if number is None:
        first = _chosen(state, Erase(edit.x, edit.y), None)
        return replace(_moved(first, edit, first.current), before=(*state.before, state.log))
    chosen = ((t, t.edit) for t in state.log if isinstance(t.edit, Erase | EraseBox))
    choice, made = next(((timed, made) for timed, made in chosen if made.number == number), (None, None))
    if choice is None or made is None:
        return state
    x, y = spot(made)
    earlier = [
        t for t in state.log if isinstance(t.edit, Move) and (t.time, (t.edit.x, t.edit.y)) == (choice.time, (x, y))
    ]
    dx, dy = (sum(getattr(t.edit, by) for t in earlier) + getattr(edit, by) for by in ("dx", "dy"))
    left = [timed for timed in state.log if timed not in earlier]
    left.insert(left.index(choice) + 1, TimedEdit(choice.time, Move(x, y, dx, dy)))
    return _logged(replace(state, current=number), tuple(left))


def _covers(state: SelectState, stroke: Edit, at: Restore) -> bool:
    """Whether a stroke erases a pixel."""
    if not isinstance(stroke, Paint | Stencil) or not stroke.erase or stroke.number is not None:
        return False
    size = state.ui.height, state.ui.width
    mask = np.zeros(size, np.uint8)
    draw(mask, stroke, place(stroke, size))
    return bool(mask[round(at.y), round(at.x)])


def _number_at(things: Sequence[Thing], point: tuple[float, float]) -> int | None:
    """The number of the object at a pixel that is erased, or lost there."""
    thing = thing_at([thing for thing in things if thing.state in ("erased", "lost")], point)
    return None if thing is None else thing.number


def _added(state: SelectState, edit: Edit) -> SelectState:
    return _logged(state, (*state.log, TimedEdit(state.time, edit)))


def _logged(state: SelectState, log: Log) -> SelectState:
    return state if log == state.log else replace(state, log=log, before=(*state.before, state.log))


def _back(state: SelectState) -> SelectState:
    """The latest change is taken back."""
    if not state.before:
        return state
    log = state.before[-1]
    known = {getattr(timed.edit, "number", None) for timed in log}
    current = state.current if state.current in known else None
    return replace(state, log=log, before=state.before[:-1], current=current)
