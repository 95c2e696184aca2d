"""The window that selects, on the screen: HighGUI, and nothing that could be decided without it. Main thread only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from realtime.live.marks import draw_marks
from realtime.live.placement import Placement
from realtime.live.window import Window
from realtime.select.ui import Ask, Event, Scrub, SelectState, react
from realtime.select.views import Sight, bar_height, draw_bar, draw_frame, draw_words

POLL_S = 0.02  # seconds between two looks for events while there are none


class SelectWindow(Window):
    """A window with a trackbar below the picture. Its events may also be `Scrub`s."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.scrubs: list[Scrub] = []
        self._scrubbing = False

    def show(self, sight: Sight, state: SelectState) -> SelectState:
        """Draw; returns the state with the scale at which the picture is shown."""
        if not self.visible:
            return state
        height, width = self._drawn = self._size()
        above = max(1, height - bar_height((height, width)))
        picture = draw_frame(sight, state)
        self._placement = Placement.fit((picture.shape[0], picture.shape[1]), (above, width))
        state = replace(state, ui=replace(state.ui, pixel=1 / self._placement.scale))
        content = np.zeros((height, width, 3), np.uint8)
        content[:above] = self._placement.draw(picture, (above, width))
        draw_marks(content[:above], self._placement, state.ui)
        draw_words(content[:above], sight, state)
        draw_bar(content[above:], sight, state)
        cv2.imshow(self.title, content)
        return state

    def progress(self, image: np.ndarray, share: float) -> None:
        """While the clip is looked through: its first picture, darkened, and how far that is."""
        if not self.visible:
            return
        height, width = self._drawn = self._size()
        above = max(1, height - bar_height((height, width)))
        content = np.zeros((height, width, 3), np.uint8)
        placement = Placement.fit((image.shape[0], image.shape[1]), (above, width))
        content[:above] = placement.draw(image, (above, width)) // 2
        content[above:] = 32
        content[above + (height - above) // 3 : height - (height - above) // 3, : round(share * width)] = (
            150,
            175,
            110,
        )
        cv2.imshow(self.title, content)

    def _on_mouse(self, event: int, x: int, y: int, flags: int, data: object) -> None:
        height, width = self._drawn
        on_bar = y >= height - bar_height((height, width))
        if event in (cv2.EVENT_LBUTTONDOWN, cv2.EVENT_LBUTTONDBLCLK) and on_bar:
            self._scrubbing = True
        if self._scrubbing:
            if event == cv2.EVENT_LBUTTONUP:
                self._scrubbing = False
            self.scrubs = [Scrub(x / max(1, width - 1))]
        elif not on_bar or event in (cv2.EVENT_LBUTTONUP, cv2.EVENT_MOUSEMOVE):
            super()._on_mouse(event, x, y, flags, data)


def run(
    window: SelectWindow,
    state: SelectState,
    look: Callable[[SelectState], Sight],
    save: Callable[[SelectState], bool],
) -> SelectState | None:
    """Show the frames until the user starts or leaves; the state then, None where nothing is to be done.

    look: what there is to show; save: keeps the selection, and says whether that went well.
    """
    drawn: tuple[SelectState, Sight] | None = None
    while window.visible:
        sight = look(state)
        if drawn is None or window.resized or drawn[0] != state or not _same(drawn[1], sight):
            state = window.show(sight, state)
            drawn = state, sight
        events: list[Event] = [*window.events()]
        events += window.scrubs
        window.scrubs = []
        if not events:
            time.sleep(POLL_S)
        for event in events:
            state, ask = react(state, event, sight.things)
            if ask is Ask.QUIT:
                return None
            if ask is Ask.SAVE:
                save(state)
            if ask is Ask.START and state.log and save(state):
                return state
    return None


def _same(one: Sight, other: Sight) -> bool:
    """Whether two sights look the same."""
    return (
        one.image is other.image
        and (one.busy, one.message, one.fault) == (other.busy, other.message, other.fault)
        and one.things is other.things
        and len(one.reach) == len(other.reach)
    )
