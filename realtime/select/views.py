"""What the window that selects shows: the frame with what is chosen in it, words over it, and the trackbar below."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from realtime import ops
from realtime.live.hud import (
    AMBER,
    DIM,
    RED,
    SELECTING,
    WHITE,
    Part,
    Table,
    block_size,
    draw_block,
    draw_help,
    font_size,
)
from realtime.live.text import BOLD, draw_text, text_width
from realtime.live.ui import Carry, Tool
from realtime.live.views import VISIBLE_COLOR, ghost, hue, outline, smoothed, tint
from realtime.ops import Region
from realtime.select.ui import SelectState, frame_at
from realtime.tracking.things import Thing

TINT, PALE = 0.5, 0.25  # shares of an object's hue: of what is erased, and of what is lost
BAR = 2.6  # height of the trackbar, in font sizes

HELP: Table = (
    (
        "Select",
        (
            ("left click", "erase this object, in all of its shot"),
            ("right click", "do not erase it after all"),
            *SELECTING,
            ("e, white rim", "the brush corrects that object"),
        ),
    ),
    (
        "Go and start",
        (
            (",   .", "a frame back, on"),
            ("left  right", "a second back, on"),
            ("up  down", "shot before, next shot"),
            ("home  end", "first, last frame"),
            ("n", "next frame with an edit"),
            ("trackbar", "anywhere"),
            ("space", "show no tints"),
            ("s", "save the selection"),
            ("enter", "save it, and erase"),
            ("h", "this help"),
            ("q   esc", "leave without erasing"),
        ),
    ),
)


@dataclass(frozen=True)
class Sight:
    """What is to be drawn. image: (H, W, 3) uint8 BGR; things, painted: as `Follower` gives them; reach: the frames
    whose objects are known; busy: whether more are sought; message: a line for the user; fault: what went wrong.
    """

    image: np.ndarray
    things: Sequence[Thing] = ()
    painted: np.ndarray | None = None
    reach: Collection[int] = ()
    busy: bool = False
    message: str = ""
    fault: str | None = None


def draw_frame(sight: Sight, state: SelectState) -> np.ndarray:
    """The frame with what is chosen tinted, (H, W, 3) uint8 BGR; to be read only."""
    if state.ui.original:
        return sight.image
    picture = sight.image.copy()
    height, width = picture.shape[:2]
    if sight.painted is not None:
        tint(picture, Region(0, height, 0, width), sight.painted, VISIBLE_COLOR, TINT)
    for thing in sight.things:
        if not thing.mask.size:
            continue
        shape = smoothed(thing.mask, height)
        if thing.state == "erased" or (thing.state == "candidate" and state.people):
            tint(picture, thing.roi, shape, hue(thing.number), TINT)
        elif thing.state == "lost":
            tint(picture, thing.roi, _hatched(shape, height), AMBER, PALE + TINT)
        outline(picture, thing, shape)
        if thing.number == state.current:
            _rim(picture, thing, shape)
        dx, dy = _displaced(thing, state)
        if (dx, dy) != (0, 0):
            ghost(picture, sight.image, thing, dx, dy)
    return picture


def _displaced(thing: Thing, state: SelectState) -> tuple[int, int]:
    """By how much an object is to be shown elsewhere, with what a drag is about to add."""
    dx, dy = thing.moved
    drag = state.ui.drag
    if isinstance(drag, Carry) and drag.number == thing.number:
        dx, dy = dx + drag.by[0], dy + drag.by[1]
    return round(dx), round(dy)


def _hatched(mask: np.ndarray, height: int) -> np.ndarray:
    """Every other diagonal band of a mask."""
    rows, columns = np.indices(mask.shape)
    step = max(4, height // 60)
    return mask & np.negative(((rows + columns) // step % 2 == 0).view(np.uint8))


def _rim(picture: np.ndarray, thing: Thing, shape: np.ndarray) -> None:
    """A white line around the object that is refined next; in place."""
    wide = cv2.copyMakeBorder(shape, 4, 4, 4, 4, cv2.BORDER_CONSTANT)
    thickness = max(1, round(picture.shape[0] / 400))
    contours, _ = cv2.findContours(
        ops.grow(wide, 1 + thickness),
        cv2.RETR_EXTERNAL,
        cv2.CHAIN_APPROX_NONE,
        offset=(thing.roi.x0 - 4, thing.roi.y0 - 4),
    )
    cv2.polylines(picture, contours, True, WHITE, thickness, cv2.LINE_AA)


def bar_height(window: tuple[int, int]) -> int:
    """Pixels of the trackbar in a window of (height, width)."""
    return round(BAR * max(12, round(min(window[0], window[1] * 9 / 16) / 40)))


def draw_words(content: np.ndarray, sight: Sight, state: SelectState) -> None:
    """The words over the picture, in place; content: (h, w, 3) uint8 BGR, without the trackbar."""
    size = font_size(content)
    margin = size // 2
    where = f"  {_clock(state.time)}   frame {state.index + 1} of {len(state.times)}"
    if len(state.cuts) > 1:
        where += f"   shot {1 + sum(cut <= state.index for cut in state.cuts[1:])} of {len(state.cuts)}"
    draw_block(content, [[Part(where.strip(), WHITE, BOLD)]], size, (margin, margin))
    pills = [[Part("enter", WHITE, BOLD), Part("  erase", DIM)], [Part("h", WHITE, BOLD), Part("  help", DIM)]]
    if state.ui.tool is Tool.BRUSH:
        on = "" if state.current is None else f", object {state.current}"
        pills.append([Part("brush", WHITE, BOLD), Part(f"  {2 * state.ui.radius:.0f} px{on}", DIM)])
    elif state.ui.tool is Tool.MOVE:
        pills.append([Part("move", WHITE, BOLD)])
    if state.people:
        pills.append([Part("every person", AMBER, BOLD)])
    right = content.shape[1] - margin
    for pill in pills:
        right -= block_size([pill], size)[0]
        draw_block(content, [pill], size, (right, margin))
        right -= margin
    lines = [[Part(text, color)] for text, color in _remarks(sight, state)]
    if lines:
        draw_block(content, lines, size, (margin, content.shape[0] - margin - block_size(lines, size)[1]))
    if state.ui.help:
        draw_help(content, size, HELP)


def _remarks(sight: Sight, state: SelectState) -> list[tuple[str, tuple[int, int, int]]]:
    remarks = [
        (f"object {thing.number} is lost here: its hole stays closed; shift + click shows where it is", AMBER)
        for thing in sight.things
        if thing.state == "lost"
    ]
    if sight.fault:
        remarks.append((sight.fault, RED))
    if sight.message:
        remarks.append((sight.message, WHITE))
    elif not state.log and not state.ui.help:
        remarks.append(("click on what is to be erased", WHITE))
    return remarks


def draw_bar(bar: np.ndarray, sight: Sight, state: SelectState) -> None:
    """The trackbar, in place: (h, w, 3) uint8 BGR. Shots alternate; bright is what is known; ticks are edits."""
    height, width = bar.shape[:2]
    bar[:] = (32, 32, 32)
    top, bottom = round(0.38 * height), round(0.62 * height)
    count = len(state.times)
    edges = [*(state.cuts or [0]), count]
    for number, (first, last) in enumerate(pairwise(edges)):
        light = 78 if number % 2 == 0 else 104
        bar[top:bottom, _column(first, count, width) : max(1, _column(last, count, width))] = light
    for index in sight.reach:
        bar[top:bottom, _column(index, count, width) : _column(index + 1, count, width) + 1] = (150, 175, 110)
    for timed in state.log:
        named = getattr(timed.edit, "number", None)
        x = _column(frame_at(state.times, timed.time), count, width)
        color = VISIBLE_COLOR if named is None else hue(named)
        cv2.rectangle(bar, (x - 1, round(0.16 * height)), (x + 1, round(0.84 * height)), color, -1)
    x = _column(state.index, count, width)
    cv2.line(bar, (x, 2), (x, height - 3), WHITE, max(1, height // 16), cv2.LINE_AA)
    cv2.circle(bar, (x, height // 2), max(3, height // 6), WHITE, -1, cv2.LINE_AA)
    if sight.busy:
        text, size = "following", max(8, round(0.3 * height))
        draw_text(bar, text, (width - text_width(text, size) - size, size + 1), size, DIM)


def _column(index: int, count: int, width: int) -> int:
    """Where a frame is on a trackbar of this width."""
    return round(index / max(1, count - 1) * (width - 1))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"
