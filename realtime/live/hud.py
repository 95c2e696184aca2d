"""The words over the window: how the loop is doing, what the user should know, which keys there are.

Each part darkens its own small rectangle and writes on it, at a size that follows from the window's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from realtime.live.text import BOLD, REGULAR, Color, draw_text, text_width, wrapped
from realtime.live.ui import Tool, UiState, View
from realtime.live.views import GUESSED_COLOR, SEEN_COLOR, VISIBLE_COLOR

if TYPE_CHECKING:
    from realtime.live.control import Status
    from realtime.tracking.things import Thing

WHITE: Color = (255, 255, 255)
DIM: Color = (205, 205, 205)
AMBER: Color = (70, 195, 255)
RED: Color = (90, 90, 255)

_SHADE = 0.3  # of the picture's light that is left behind words
_LINE = 1.4  # distance of two baselines, in font sizes

Rows = tuple[tuple[str, str], ...]  # keys with their meanings
Table = tuple[tuple[str, Rows], ...]  # columns, each with its title

SELECTING: Rows = (  # what means the same in every window
    ("left drag", "erase what fills the box"),
    ("shift + click", "add to the object"),
    ("ctrl + click", "take away from it"),
    ("alt + drag", "move the object"),
    ("m", "move with a plain drag, on / off"),
    ("e", "brush on / off: drag paints,"),
    ("", "shift + drag rubs out"),
    ("[  ]", "brush smaller, larger"),
    ("p", "every person on / off"),
    ("u   c", "undo, clear"),
)

HELP: Table = (
    (
        "Select",
        (
            ("left click", "erase this object and follow it"),
            ("right click", "show it again"),
            *SELECTING,
        ),
    ),
    (
        "Look and keep",
        (
            ("space", "original on / off"),
            ("v", "next view"),
            ("b", "clean plate: step out of view"),
            ("k   l", "save, load the plate"),
            ("s", "snapshot"),
            ("r", "record on / off"),
            ("w", "write the selection to a file"),
            ("h", "this help"),
            ("q   esc", "quit"),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Part:
    """Some words of one colour; weight: of the font."""

    text: str
    color: Color = WHITE
    weight: int = REGULAR


Line = Sequence[Part]


def draw_hud(window: np.ndarray, status: Status, state: UiState, things: Sequence[Thing], fault: str | None) -> None:
    """Draw everything in place on the window's content, (h, w, 3) uint8 BGR. fault: the result's, None without one."""
    size = font_size(window)
    margin = size // 2
    draw_block(window, _numbers(status), size, (margin, margin))
    _corner(window, status, state, size, margin)
    _notes(window, status, things, fault, size, margin)
    if state.view is View.TRUST and not state.original:
        _legend(window, size, margin)
    if status.countdown is not None:
        _countdown(window, status.countdown, size)
    if state.help:
        draw_help(window, size, HELP)


def font_size(window: np.ndarray) -> int:
    """Pixels: a fortieth of the height, or of what the height would be at 16:9 where the window is narrower."""
    height, width = window.shape[:2]
    return max(12, round(min(height, width * 9 / 16) / 40))


def _numbers(status: Status) -> list[Line]:
    """The lines of the left top corner. A photo, which has no rate, gets only what concerns it."""
    plate = f"plate {100 * status.coverage:.0f} %"
    if status.fps <= 0:
        return [[Part(f"{status.device}   {plate}", DIM)]]
    rate = f"{status.fps:.0f}" if status.fps >= 9.95 else f"{status.fps:.1f}"
    lines: list[Line] = [
        [Part(f"{rate} fps   {status.latency_ms:.0f} ms", WHITE, BOLD), Part(f"   {status.device}", DIM)],
        [Part(f"dropped {status.dropped}   repeated {status.repeated}   {plate}", DIM)],
    ]
    if status.lowered:
        lines.append([Part(f"lowered: {', '.join(status.lowered)}", AMBER)])
    return lines


def _corner(window: np.ndarray, status: Status, state: UiState, size: int, margin: int) -> None:
    """The right top corner, from the edge to the left: recording, view, tool, and a hint at the help."""
    right = window.shape[1] - margin
    pills: list[Line] = []
    if status.recording is not None:
        minutes, seconds = divmod(int(status.recording), 60)
        pills.append([Part("REC ", RED, BOLD), Part(f"{minutes}:{seconds:02d}", WHITE, BOLD)])
    if state.original:
        pills.append([Part("original")])
    elif state.view is not View.RESULT:
        pills.append([Part(state.view.value)])
    if state.tool is Tool.BRUSH:
        pills.append([Part("brush", WHITE, BOLD), Part(f"  {2 * state.radius:.0f} px", DIM)])
    elif state.tool is Tool.MOVE:
        pills.append([Part("move", WHITE, BOLD)])
    if not pills and not state.help:
        pills.append([Part("h", WHITE, BOLD), Part("  help", DIM)])
    for number, pill in enumerate(pills):
        dot = size if status.recording is not None and number == 0 else 0
        right -= block_size([pill], size)[0] + dot
        draw_block(window, [pill], size, (right, margin), indent=dot)
        if dot:
            center = (right + round(0.95 * size), margin + round(0.95 * size))
            cv2.circle(window, center, round(0.3 * size), RED, -1, cv2.LINE_AA)
        right -= margin


def _notes(
    window: np.ndarray, status: Status, things: Sequence[Thing], fault: str | None, size: int, margin: int
) -> None:
    """The left bottom corner: what the loop says, and what the user has to know about faults and lost objects."""
    room = window.shape[1] - 4 * margin
    lost = sorted(thing.number for thing in things if thing.state == "lost")
    notes: list[tuple[str, Color]] = []
    if lost:
        which = f"object {lost[0]} is" if len(lost) == 1 else f"objects {', '.join(map(str, lost))} are"
        notes.append((f"{which} lost: the hole stays closed until a click finds it again", AMBER))
    if fault:
        notes.append((fault, RED))
    if status.message and status.message != fault:
        notes.append((status.message, WHITE if status.connected else AMBER))
    lines: list[Line] = [[Part(line, color)] for text, color in notes for line in wrapped(text, size, room)]
    if lines:
        draw_block(window, lines, size, (margin, window.shape[0] - margin - block_size(lines, size)[1]))


def _legend(window: np.ndarray, size: int, margin: int) -> None:
    """What the colours of the "seen / guessed" view mean, in the right bottom corner."""
    entries = (("seen", SEEN_COLOR), ("guessed", GUESSED_COLOR), ("still visible", VISIBLE_COLOR))
    lines: list[Line] = [[Part(name)] for name, _ in entries]
    width, height = block_size(lines, size)
    left, top = window.shape[1] - margin - width - size, window.shape[0] - margin - height
    draw_block(window, lines, size, (left, top), indent=size)
    x, side = left + round(0.6 * size), round(0.62 * size)
    for number, (_, color) in enumerate(entries):
        bottom = _baseline(top, number, size)
        cv2.rectangle(window, (x, bottom - side), (x + side, bottom), color, -1)


def _countdown(window: np.ndarray, seconds: int, size: int) -> None:
    """A large number in the middle."""
    height, width = window.shape[:2]
    number, large = str(seconds), 6 * size
    words = "step out of view"
    box = max(text_width(number, large, BOLD), text_width(words, size)) + 3 * size, round(8.4 * size)
    left, top = (width - box[0]) // 2, (height - box[1]) // 2
    shade(window, left, top, *box, size)
    at = (width - text_width(number, large, BOLD)) // 2, top + round(5.6 * size)
    draw_text(window, number, at, large, WHITE, BOLD)
    draw_text(window, words, ((width - text_width(words, size)) // 2, top + round(7.4 * size)), size, DIM)


def draw_help(window: np.ndarray, size: int, table: Table) -> None:
    """The table of mouse and keys in the middle, smaller where it would not fit."""
    height, width = window.shape[:2]
    while size > 8 and not _help_fits(table, size, height, width):
        size -= 1
    gap = round(1.5 * size)
    columns = [_columns(rows, size) for _, rows in table]
    total = sum(first + second for first, second in columns) + 3 * gap
    tall = round((max(len(rows) for _, rows in table) + 1) * _LINE * size + 1.6 * size)
    left, top = (width - total) // 2, (height - tall) // 2
    shade(window, left, top, total, tall, size, 0.22)
    x = left + gap
    for (title, rows), (first, second) in zip(table, columns, strict=True):
        draw_text(window, title, (x, _baseline(top, 0, size) + size // 2), size, AMBER, BOLD)
        for number, (key, meaning) in enumerate(rows, 1):
            baseline = _baseline(top, number, size) + size // 2
            draw_text(window, key, (x, baseline), size, WHITE, BOLD)
            draw_text(window, meaning, (x + first, baseline), size, DIM)
        x += first + second + gap


def _help_fits(table: Table, size: int, height: int, width: int) -> bool:
    across = sum(sum(_columns(rows, size)) for _, rows in table) + 4.5 * size
    down = (max(len(rows) for _, rows in table) + 1) * _LINE * size + 1.6 * size
    return across <= 0.98 * width and down <= 0.98 * height


@lru_cache(maxsize=64)
def _columns(rows: tuple[tuple[str, str], ...], size: int) -> tuple[int, int]:
    """Widths of the keys and of their meanings."""
    keys = max(text_width(key, size, BOLD) for key, _ in rows) + size
    return keys, max(text_width(meaning, size) for _, meaning in rows)


def draw_block(window: np.ndarray, lines: Sequence[Line], size: int, at: tuple[int, int], indent: int = 0) -> None:
    """Lines of words on their own shade; at: its left top corner; indent: pixels left free before the words."""
    left, top = at
    width, height = block_size(lines, size)
    shade(window, left, top, width + indent, height, size // 2)
    for number, line in enumerate(lines):
        x = left + size // 2 + indent
        for part in line:
            draw_text(window, part.text, (x, _baseline(top, number, size)), size, part.color, part.weight)
            x += text_width(part.text, size, part.weight)


def block_size(lines: Sequence[Line], size: int) -> tuple[int, int]:
    """Width and height that a block of lines takes."""
    widest = max(sum(text_width(part.text, size, part.weight) for part in line) for line in lines)
    return widest + size, round((len(lines) - 1) * _LINE * size + 1.9 * size)


def _baseline(top: int, number: int, size: int) -> int:
    return top + round(1.3 * size + number * _LINE * size)


def shade(window: np.ndarray, left: int, top: int, width: int, height: int, radius: int, light: float = _SHADE) -> None:
    """Darken a rectangle with round corners, in place; what lies outside the window falls away."""
    x0, x1 = max(0, left), min(window.shape[1], left + width)
    rounded = _round_rows(width, radius, light)[:, x0 - left : x1 - left]
    for y, rows in ((top, rounded), (top + height - radius, rounded[::-1])):
        first, last = max(0, y), min(window.shape[0], y + radius)
        if first < last and x0 < x1:
            band = window[first:last, x0:x1]
            cv2.multiply(band, rows[first - y : last - y], band, 1 / 255)
    band = window[max(0, top + radius) : max(0, top + height - radius), x0:x1]
    if band.size:
        cv2.convertScaleAbs(band, band, light)


@lru_cache(maxsize=64)
def _round_rows(width: int, radius: int, light: float) -> np.ndarray:
    """What is left of the light in the upper rows of a rectangle, (radius, width, 3) uint8: all in the corners."""
    large, dark = np.full((4 * radius, 4 * width), 255, np.uint8), round(255 * light)
    last = 4 * width - 1
    cv2.rectangle(large, (4 * radius, 0), (last - 4 * radius, 4 * radius - 1), dark, -1)
    for x in (4 * radius, last - 4 * radius):
        cv2.circle(large, (x, 4 * radius), 4 * radius, dark, -1)
    small = cv2.resize(large, (width, radius), interpolation=cv2.INTER_AREA)
    return np.repeat(small[..., None], 3, axis=2)
