"""What a mouse or key event in the window means: a pure function of the event, the state and what is shown.

    state = UiState.start(1280, 720)
    state, wishes = react(state, Mouse(Action.LEFT_DOWN, 640, 300), result.things)
    state, wishes = react(state, Mouse(Action.LEFT_UP, 640, 300), result.things)  # wishes == [Erase(640, 300)]

Coordinates are pixels of the picture, (x, y), pixel centres at integers, however large the window is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, Flag
from typing import TYPE_CHECKING

from realtime.edits import Add, Clear, Edit, Erase, EraseBox, Move, Paint, Restore, Subtract, Undo
from realtime.live.control import Control
from realtime.selection import Box
from realtime.tracking.parts import deepest

if TYPE_CHECKING:
    from realtime.tracking.things import Thing

CLICK_REACH = 4.0  # screen pixels that the pointer may wander between press and release of a click
DIVIDER_REACH = 10.0  # screen pixels from the divider at which the mouse takes hold of it
BRUSH_STEP = 1.25
BRUSH_START, BRUSH_MOST = 0.03, 0.25  # radius, as a share of the picture's height

Point = tuple[float, float]
Wish = Edit | Control


class View(Enum):
    """What the window shows, in the order in which `v` goes through them."""

    RESULT = "result"
    BEFORE_AFTER = "before / after"
    MASK = "mask"
    TRUST = "seen / guessed"


class Tool(Enum):
    """What a drag of the left button does."""

    SELECT = "select"
    BRUSH = "brush"
    MOVE = "move"


class Action(Enum):
    """What happened to the mouse."""

    MOVE = "move"
    LEFT_DOWN = "left down"
    LEFT_UP = "left up"
    RIGHT_DOWN = "right down"


class Modifier(Flag):
    """Keys that were held down during a mouse event."""

    NONE = 0
    SHIFT = 1
    CTRL = 2
    ALT = 4


@dataclass(frozen=True, slots=True)
class Mouse:
    """The mouse at a pixel of the picture, which may lie outside of it."""

    action: Action
    x: float
    y: float
    modifiers: Modifier = Modifier.NONE

    @property
    def point(self) -> Point:
        return self.x, self.y


@dataclass(frozen=True, slots=True)
class Key:
    """A key was pressed: its character in lower case, or "space" or "escape"."""

    name: str


Event = Mouse | Key


@dataclass(frozen=True, slots=True)
class Choose:
    """The left button went down at `start`: a click, or a box once the pointer has wandered."""

    start: Point
    now: Point
    modifiers: Modifier
    wandered: bool = False


@dataclass(frozen=True, slots=True)
class Stroke:
    """The brush is down."""

    points: tuple[Point, ...]
    erase: bool


@dataclass(frozen=True, slots=True)
class Carry:
    """An object is being moved. number: of the thing, None where none was found."""

    number: int | None
    start: Point
    now: Point

    @property
    def by(self) -> Point:
        """How far the pointer has carried it."""
        return self.now[0] - self.start[0], self.now[1] - self.start[1]


@dataclass(frozen=True, slots=True)
class Slide:
    """The divider of the before/after view follows the pointer."""


Drag = Choose | Stroke | Carry | Slide


@dataclass(frozen=True, slots=True)
class UiState:
    """The window's own state: how it looks at the picture, and what the user is in the middle of.

    width, height: of the picture, pixels; pixel: picture pixels per screen pixel; original: the source's frame is shown
    instead of the view; divider: the first column of "after"; radius: of the brush, pixels; pointer: where the mouse
    is, None before it first moves; drag: what the pressed left button is doing.
    """

    width: int
    height: int
    divider: float
    radius: float
    pixel: float = 1.0
    view: View = View.RESULT
    original: bool = False
    help: bool = False
    tool: Tool = Tool.SELECT
    pointer: Point | None = None
    drag: Drag | None = None

    @classmethod
    def start(cls, width: int, height: int) -> UiState:
        """The state of a window that was just opened on a picture of this size."""
        return cls(width, height, width / 2, max(2.0, BRUSH_START * height))

    def resized(self, width: int, height: int) -> UiState:
        """The state after the source's picture changed its size: what was under way is dropped."""
        if (width, height) == (self.width, self.height):
            return self
        divider, radius = self.divider * width / self.width, self.radius * height / self.height
        return replace(
            self, width=width, height=height, divider=divider, radius=radius, pixel=1.0, pointer=None, drag=None
        )

    def holds(self, point: Point) -> bool:
        """Whether a point lies in the picture."""
        x, y = point
        return -0.5 <= x < self.width - 0.5 and -0.5 <= y < self.height - 0.5

    def clipped(self, point: Point) -> Point:
        """The nearest point in the picture."""
        x, y = point
        return min(max(x, 0.0), self.width - 1.0), min(max(y, 0.0), self.height - 1.0)


def react(state: UiState, event: Event, things: Sequence[Thing]) -> tuple[UiState, list[Wish]]:
    """The state after an event, and what the user asks for by it. things: those of the result that is shown."""
    if isinstance(event, Key):
        return _key(state, event.name)
    state = replace(state, pointer=event.point)
    match event.action:
        case Action.LEFT_DOWN:
            # A double click arrives as a second press on some systems, beside the press itself: one is enough.
            return (state if state.drag else _press(state, event, things)), []
        case Action.LEFT_UP:
            return _release(_follow(state, event), things)
        case Action.RIGHT_DOWN:
            if state.drag is not None or not state.holds(event.point):
                return state, []
            return state, [Restore(*state.clipped(event.point))]
        case Action.MOVE:
            return _follow(state, event), []


def thing_at(things: Sequence[Thing], point: Point) -> Thing | None:
    """The thing that is shown at a point of the picture: a moved one where it was put, the uppermost if several."""
    for thing in sorted(things, key=lambda each: each.moved == (0, 0)):
        x, y = round(point[0] - thing.moved[0]), round(point[1] - thing.moved[1])
        roi = thing.roi
        if roi.x0 <= x < roi.x1 and roi.y0 <= y < roi.y1 and thing.mask[y - roi.y0, x - roi.x0] >= 128:
            return thing
    return None


def _press(state: UiState, event: Mouse, things: Sequence[Thing]) -> UiState:
    """The left button goes down."""
    near = abs(event.x - (state.divider - 0.5)) <= DIVIDER_REACH * state.pixel
    if state.view is View.BEFORE_AFTER and not state.original and near:
        return replace(state, drag=Slide())
    if not state.holds(event.point):
        return state
    if state.tool is Tool.MOVE or Modifier.ALT in event.modifiers:
        thing = thing_at(things, event.point)
        return replace(state, drag=Carry(None if thing is None else thing.number, event.point, event.point))
    if state.tool is Tool.BRUSH:
        return replace(state, drag=Stroke((event.point,), Modifier.SHIFT not in event.modifiers))
    return replace(state, drag=Choose(event.point, event.point, event.modifiers))


def _follow(state: UiState, event: Mouse) -> UiState:
    """The pointer moves, with or without a drag."""
    match state.drag:
        case Slide():
            return replace(state, divider=min(max(event.x + 0.5, 0.0), float(state.width)))
        case Stroke(points) as stroke:
            if event.point == points[-1]:
                return state
            return replace(state, drag=replace(stroke, points=(*points, event.point)))
        case Carry() as carry:
            return replace(state, drag=replace(carry, now=event.point))
        case Choose() as choose:
            wandered = choose.wandered or math.dist(choose.start, event.point) > CLICK_REACH * state.pixel
            return replace(state, drag=replace(choose, now=event.point, wandered=wandered))
    return state


def _release(state: UiState, things: Sequence[Thing]) -> tuple[UiState, list[Wish]]:
    """The left button comes up: what was dragged becomes an edit."""
    drag, state = state.drag, replace(state, drag=None)
    match drag:
        case Stroke(points, erase):
            return state, [Paint(points, state.radius, erase)]
        case Carry():
            return state, _drop(state, drag, things)
        case Choose(wandered=True):
            box = dragged_box(state, drag)
            plain = not drag.modifiers & (Modifier.SHIFT | Modifier.CTRL)
            return state, [EraseBox(box)] if box and plain else []
        case Choose(start, modifiers=modifiers):
            click: Callable[[float, float], Edit] = Erase
            if Modifier.SHIFT in modifiers:
                click = Add
            elif Modifier.CTRL in modifiers:
                click = Subtract
            return state, [click(*state.clipped(start))]
    return state, []


def dragged_box(state: UiState, drag: Choose) -> Box | None:
    """The whole pixels between the corners of a drag, within the picture; None where it is no larger than a click."""
    (x0, y0), (x1, y1) = state.clipped(drag.start), state.clipped(drag.now)
    left, top = round(min(x0, x1)), round(min(y0, y1))
    box = Box(left, top, round(max(x0, x1)) - left + 1, round(max(y0, y1)) - top + 1)
    return box if min(box.w, box.h) > CLICK_REACH * state.pixel else None


def _drop(state: UiState, carry: Carry, things: Sequence[Thing]) -> list[Wish]:
    """A carried object is let go. It may have walked on since it was taken, so it is named by where it shows now."""
    dx, dy = carry.by
    if math.hypot(dx, dy) <= CLICK_REACH * state.pixel:
        return []
    thing = next((each for each in things if each.number == carry.number), None)
    place = carry.start if thing is None else _inner_point(thing)
    return [Move(*state.clipped(place if state.holds(place) else carry.start), dx, dy)]


def _inner_point(thing: Thing) -> Point:
    """The pixel that lies deepest inside a thing, where it is shown."""
    (x, y), _ = deepest(thing.mask)
    return thing.roi.x0 + x + thing.moved[0], thing.roi.y0 + y + thing.moved[1]


_WISHES: dict[str, Wish] = {
    "p": Control.PEOPLE,
    "u": Undo(),
    "c": Clear(),
    "b": Control.CLEAN_PLATE,
    "k": Control.SAVE_PLATE,
    "l": Control.LOAD_PLATE,
    "s": Control.SNAPSHOT,
    "r": Control.RECORD,
    "w": Control.WRITE_SELECTION,
    "q": Control.QUIT,
    "escape": Control.QUIT,
}


def _key(state: UiState, name: str) -> tuple[UiState, list[Wish]]:
    match name:
        case "escape" if state.drag is not None:
            return replace(state, drag=None), []
        case "space":
            return replace(state, original=not state.original), []
        case "v":
            views = list(View)
            following = views[(views.index(state.view) + 1) % len(views)]
            return replace(state, view=following, original=False, drag=None), []
        case "h":
            return replace(state, help=not state.help), []
        case "e" | "m":
            tool = Tool.BRUSH if name == "e" else Tool.MOVE
            return replace(state, tool=Tool.SELECT if state.tool is tool else tool, drag=None), []
        case "[" | "]":
            radius = state.radius * BRUSH_STEP if name == "]" else state.radius / BRUSH_STEP
            return replace(state, radius=min(max(radius, 1.0), BRUSH_MOST * state.height)), []
    return state, [_WISHES[name]] if name in _WISHES else []
