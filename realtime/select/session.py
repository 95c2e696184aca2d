"""`erase-video --select`: the window on a file, from its opening to the selection that it leaves.

path = select("in.mp4", Options(...))
erase_video("in.mp4", "out.mp4", selection=path)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engines.errors import EngineError
from realtime.edits import Paint, Stencil, TimedEdit, check_edits
from realtime.errors import EraserError
from realtime.files import folder_beside
from realtime.live.ui import Key, UiState
from realtime.live.window import check_display
from realtime.outputs import check_paths
from realtime.segment import load_segmenter
from realtime.select.clip import Clip
from realtime.select.follower import Follower, Wanted
from realtime.select.ui import SelectState, begun
from realtime.select.views import BAR, Sight
from realtime.select.window import SelectWindow, run
from realtime.tracking.selectionfile import read_selection, write_selection
from realtime.tracking.strokes import draw, place, stencil
from realtime.tracking.tracing import Plan

OFTEN = 0.1  # seconds between two pictures of what is under way
MESSAGE = 4.0  # seconds for which a message stays
LEAVING = Key("q"), Key("escape")


@dataclass(frozen=True)
class Options:
    """selection: the file that is read, where it is there, and written; the others as `erase_video` takes them."""

    selection: Path
    segmenter: str = "swift"
    device: str = "auto"
    runtime: str = "auto"
    threads: int | None = None
    start: float | None = None
    end: float | None = None


def select(input: str, options: Options) -> Path | None:
    """Let the user select in a window; the file of the selection, None where they left without one. EraserError."""
    check_paths([input], [options.selection], overwrite=True)
    check_display("give --click or --box, or select on a machine with a display and use --selection")
    with ExitStack() as stack:
        folder = stack.enter_context(folder_beside(options.selection))
        clip = Clip(input, options.start, options.end)
        stack.callback(clip.close)
        edits = read_selection(options.selection, clip.width, clip.height) if options.selection.exists() else []
        check_edits(edits, clip.height, clip.width)
        window = SelectWindow(f"erase-video: {Path(input).name}")
        stack.enter_context(window)
        window.open(clip.width, round(clip.height * (1 + BAR / 40)))  # with the trackbar below
        if not _scanned(clip, window):
            return None
        try:
            segmenter = load_segmenter(
                options.segmenter, device=options.device, runtime=options.runtime, threads=options.threads
            )
        except EngineError as error:
            raise EraserError(str(error)) from error
        stack.callback(segmenter.engine.close)
        other = clip.twin()
        stack.callback(other.close)
        plan = Plan(segmenter, (), 0.0, (clip.height, clip.width))
        follower = stack.enter_context(Follower(other, plan, folder))
        session = _Session(clip, follower, options.selection)
        ui = UiState.start(clip.width, clip.height)
        state = begun(ui, [clip.seconds(index) for index in range(len(clip))], clip.cuts, edits)
        return None if run(window, state, session.look, session.save) is None else options.selection


def _scanned(clip: Clip, window: SelectWindow) -> bool:
    """Go through the clip, and show how far that is; False where the user leaves meanwhile."""
    shown = 0.0
    for share in clip.scan():
        if time.monotonic() - shown >= OFTEN:
            shown = time.monotonic()
            window.progress(clip.first, share)
            left = any(event in LEAVING for event in window.events())
            if left or not window.visible:
                return False
    return True


class _Session:
    """What the window looks at. State: the sight that was given last, and what it was made of."""

    def __init__(self, clip: Clip, follower: Follower, selection: Path) -> None:
        self._clip, self._follower, self._selection = clip, follower, selection
        self._message, self._until = "", 0.0
        self._known: tuple[object, ...] = ()
        self._looked = 0.0
        self._sight: Sight | None = None

    def look(self, state: SelectState) -> Sight:
        """What there is to show; has the follower do what is to be done for it."""
        self._follower.ask(Wanted(state.log, state.index))
        message = self._message if time.monotonic() < self._until else ""
        asked = state.index, state.log
        known = *asked, self._follower.version, self._follower.busy, message, self._follower.failure
        # While much is found, drawing all of it at once would only hold up finding more.
        hurried = self._follower.busy and asked == self._known[:2] and time.monotonic() - self._looked < OFTEN
        if self._sight is None or (known != self._known and not hurried):
            self._known, self._looked = known, time.monotonic()
            try:
                image = self._clip.frame(state.index)
            except EraserError as error:  # the file may come back, and what was selected can still be saved
                seen = self._clip.first if self._sight is None else self._sight.image
                self._sight = Sight(seen, message=message, fault=str(error))
                return self._sight
            things = self._follower.things(state.index, image)
            painted = self._painted(state, (image.shape[0], image.shape[1]))
            reach, busy = self._follower.reach, self._follower.busy
            self._sight = Sight(image, things, painted, reach, busy, message, self._follower.failure)
        return self._sight

    def save(self, state: SelectState) -> bool:
        """Write the selection; whether that went well."""
        size = self._clip.height, self._clip.width
        try:
            write_selection(self._selection, size[1], size[0], stencilled(state.log, size))
        except EraserError as error:
            self._tell(str(error))
            return False
        self._tell(f"saved to {self._selection}")
        return True

    def _painted(self, state: SelectState, size: tuple[int, int]) -> np.ndarray | None:
        """What strokes erase here: as they were followed, or as they were painted in this very frame."""
        mask = self._follower.painted(state.index, size)
        mask = np.zeros(size, np.uint8) if mask is None else mask
        for timed in state.log:
            if timed.time == state.time and isinstance(timed.edit, Paint | Stencil) and timed.edit.number is None:
                draw(mask, timed.edit, place(timed.edit, size))
        return mask if mask.any() else None

    def _tell(self, message: str) -> None:
        self._message, self._until = message, time.monotonic() + MESSAGE


def stencilled(edits: Sequence[TimedEdit], size: tuple[int, int]) -> list[TimedEdit]:
    """The edits, with the strokes of one moment that erase, or rub out, one after the other, made one stencil."""
    done: list[TimedEdit] = []
    strokes: list[Paint] = []
    for timed, following in zip(edits, [*edits[1:], None], strict=True):
        if not isinstance(timed.edit, Paint):
            done.append(timed)
            continue
        strokes.append(timed.edit)
        goes_on = (
            following is not None
            and isinstance(following.edit, Paint)
            and replace(following.edit, points=(), radius=0) == replace(timed.edit, points=(), radius=0)
            and following.time == timed.time
        )
        if not goes_on:
            done.append(TimedEdit(timed.time, stencil(strokes, size)))
            strokes = []
    return done
