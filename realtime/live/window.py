"""The window: OpenCV's HighGUI, and nothing that could be decided without it.

    check_display("give --headless")
    show(loop, "erase-live: /dev/video0")

HighGUI belongs to the main thread: everything here has to be called from it. What an event means is in `ui`, what is
drawn in `views`, `marks` and `hud`; the content is drawn at the window's own size, pixel by pixel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2

from realtime.errors import EraserError
from realtime.live.control import Control
from realtime.live.hud import draw_hud
from realtime.live.marks import draw_marks
from realtime.live.placement import Placement
from realtime.live.ui import Action, Event, Key, Modifier, Mouse, Tool, UiState, react
from realtime.live.views import draw_view

if TYPE_CHECKING:
    from types import TracebackType

    from realtime.live.control import Live, Shown

PATIENCE = 0.01
"""Seconds to wait for a new picture before looking at mouse and keys again."""

_REST_MS = 250
_LARGEST, _SMALLEST = (720, 1280), (360, 640)  # (height, width) that a new window has at most, and fills at least
# Of keys without a character: as X11 and Qt name them, then Windows, then macOS.
_NAMES = {27: "escape", 32: "space", 13: "enter", 10: "enter", 0xFF0D: "enter", 0xFF8D: "enter"}
_NAMES |= {0xFF50: "home", 0xFF51: "left", 0xFF52: "up", 0xFF53: "right", 0xFF54: "down", 0xFF57: "end"}
_NAMES |= {0x240000: "home", 0x250000: "left", 0x260000: "up", 0x270000: "right", 0x280000: "down", 0x230000: "end"}
_NAMES |= {0xF729: "home", 0xF702: "left", 0xF700: "up", 0xF703: "right", 0xF701: "down", 0xF72B: "end"}
_ACTIONS = {
    cv2.EVENT_MOUSEMOVE: Action.MOVE,
    cv2.EVENT_LBUTTONDOWN: Action.LEFT_DOWN,
    cv2.EVENT_LBUTTONDBLCLK: Action.LEFT_DOWN,
    cv2.EVENT_LBUTTONUP: Action.LEFT_UP,
    cv2.EVENT_RBUTTONDOWN: Action.RIGHT_DOWN,
    cv2.EVENT_RBUTTONDBLCLK: Action.RIGHT_DOWN,
}
_MODIFIERS = {
    cv2.EVENT_FLAG_SHIFTKEY: Modifier.SHIFT,
    cv2.EVENT_FLAG_CTRLKEY: Modifier.CTRL,
    cv2.EVENT_FLAG_ALTKEY: Modifier.ALT,
}
# Asks for a window that needs OpenGL: HighGUI connects to the display, then refuses before anything is shown.
_PROBE = """
import cv2, sys
try:
    cv2.namedWindow("probe", cv2.WINDOW_OPENGL)
except cv2.error as error:
    sys.exit(0 if error.code == cv2.Error.OpenGlNotSupported else 3)
"""


def check_display(otherwise: str) -> None:
    """Raise EraserError where no window can be opened; HighGUI itself would abort the whole process.

    otherwise: what the user can do without one.
    """
    if not cv2.currentUIFramework():
        raise EraserError(f"this build of OpenCV has no windows: install opencv-python (not -headless), or {otherwise}")
    if not sys.platform.startswith("linux"):
        return
    asked = os.environ.get("QT_QPA_PLATFORM") or os.environ.get("DISPLAY")
    if not asked:
        raise EraserError(f"there is no display to open a window on (DISPLAY is not set): {otherwise}")
    probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True)
    if probe.returncode != 0:
        why = probe.stderr.strip().partition("\n")[0]
        raise EraserError(f"no window can be opened on the display {asked} ({why}): {otherwise}")


def _connect() -> None:
    """Let Qt's connection to an X11 display come to rest before there is a window.

    The events of one that is opened at once are lost now and then on a busy machine: it would stay black for ever.
    """
    if cv2.currentUIFramework().startswith("QT"):
        with suppress(cv2.error):
            cv2.namedWindow("", cv2.WINDOW_OPENGL)  # connects, then refuses, as in `_PROBE`
        cv2.waitKey(_REST_MS)


def show(loop: Live, title: str) -> None:
    """Show what the loop makes, and tell it what the user does, until it ends or the window is closed."""
    state: UiState | None = None
    shown: Shown | None = None
    changed = False
    with Window(title) as window:
        while loop.running:
            new = loop.newest(0.0 if changed else PATIENCE)
            if new is not None:
                shown = new
                height, width = new.result.image.shape[:2]
                if state is None:
                    state = UiState.start(width, height)
                    window.open(width, height)
                state = state.resized(width, height)
            if state is None or shown is None:
                continue
            if new is not None or changed or window.resized:
                state = window.present(shown, state)
            before, events = state, window.events()
            if new is not None:
                loop.presented(new)
            if not window.visible:
                loop.control(Control.QUIT)
                return
            for event in events:
                state, wishes = react(state, event, shown.result.things)
                for wish in wishes:
                    if isinstance(wish, Control):
                        loop.control(wish)
                    else:
                        loop.edit(wish)
            changed = looks_other(state, before)


def looks_other(state: UiState, before: UiState) -> bool:
    """Whether the window has to be drawn anew; where the pointer is matters only to the brush."""
    pointer = state.pointer if state.tool is Tool.BRUSH else before.pointer
    return replace(state, pointer=pointer) != before


class Window:
    """A HighGUI window, from `open` to `close`. Mouse positions are given in pixels of the picture shown last."""

    def __init__(self, title: str) -> None:
        # HighGUI with Qt finds its windows by their titles, and no longer where these are not ASCII.
        letters = unicodedata.normalize("NFKD", title)
        self.title = "".join(each if each.isascii() else "?" for each in letters if not unicodedata.combining(each))
        self._events: list[Event] = []
        self._placement = Placement(0, 0, (1, 1), 1.0)
        self._drawn = (0, 0)
        self._opened = False

    def open(self, width: int, height: int) -> None:
        """Open it for a picture of this size, on a display that `check_display` has approved."""
        # Qt remarks on stderr that it ships no fonts; nothing here uses them.
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
        scale = min(_LARGEST[0] / height, _LARGEST[1] / width, max(1.0, _SMALLEST[0] / height, _SMALLEST[1] / width))
        cv2.namedWindow(self.title, cv2.WINDOW_GUI_NORMAL | cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO)
        cv2.resizeWindow(self.title, round(width * scale), round(height * scale))
        cv2.setMouseCallback(self.title, self._on_mouse)
        self._opened = True

    @property
    def visible(self) -> bool:
        """False once the user has closed it."""
        try:
            return self._opened and cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # with Qt, the last window takes all of HighGUI with it
            return False

    @property
    def resized(self) -> bool:
        """Whether the window has another size than what was drawn last."""
        return self.visible and self._size() != self._drawn

    def events(self) -> list[Event]:
        """What the user did since the last call; before, HighGUI brings to the screen what was drawn."""
        code = cv2.waitKeyEx(1)
        if code >= 0:
            plain = code & 0xFFFF  # GTK adds the state of the modifiers above
            name = _NAMES.get(code) or _NAMES.get(plain) or (chr(plain).lower() if 32 < plain < 127 else "")
            if name:
                self._events.append(Key(name))
        events, self._events = self._events, []
        return events

    def present(self, shown: Shown, state: UiState) -> UiState:
        """Draw a picture; returns the state with the scale at which it is shown."""
        if not self.visible:
            return state
        size = self._size()
        picture = draw_view(shown.result, state)
        self._placement = Placement.fit(picture.shape[:2], size)
        self._drawn = size
        content = self._placement.draw(picture, size)
        state = replace(state, pixel=1 / self._placement.scale)
        draw_marks(content, self._placement, state)
        draw_hud(content, shown.status, state, shown.result.things, shown.result.fault)
        cv2.imshow(self.title, content)
        return state

    def close(self) -> None:
        """Close it; may be called twice, and after the user has closed it."""
        if self.visible:
            cv2.destroyWindow(self.title)
        self._opened = False

    def _size(self) -> tuple[int, int]:
        """(height, width) of what can be drawn on."""
        _, _, width, height = cv2.getWindowImageRect(self.title)
        return max(1, height), max(1, width)

    def _on_mouse(self, event: int, x: int, y: int, flags: int, _: object) -> None:
        action = _ACTIONS.get(event)
        if action is None:
            return
        modifiers = Modifier.NONE
        for flag, modifier in _MODIFIERS.items():
            if flags & flag:
                modifiers |= modifier
        self._events.append(Mouse(action, *self._placement.to_picture(x, y), modifiers))

    def __enter__(self) -> Window:
        _connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
