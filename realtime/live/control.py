"""What passes between the live loop and whoever shows it: the window, or nobody (`--headless`).

while loop.running:
    shown = loop.newest(0.01)
    if shown is not None:
        draw(shown.result, shown.status)
        loop.presented(shown)
    for wish in what_the_user_did():
        loop.control(wish) if isinstance(wish, Control) else loop.edit(wish)

Everything here is immutable, so it may be read in any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from realtime.edits import Edit
    from realtime.result import Result


class Control(Enum):
    """What a user asks of the loop, besides edits of the selection. The loop answers in `Status.message`."""

    RECORD = "record"  # on, or off again: each time a new file
    SNAPSHOT = "snapshot"  # write the next picture to a file
    CLEAN_PLATE = "clean plate"  # after a countdown, take the whole view for background
    SAVE_PLATE = "save plate"
    LOAD_PLATE = "load plate"
    PEOPLE = "people"  # erase every person from now on, or no longer
    WRITE_SELECTION = "write selection"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Status:
    """How the loop is doing, when a picture was made.

    fps: pictures presented per second, over about the last second; latency_ms: from capture to present, median of the
    same second. dropped: captured frames that were not presented, so far. repeated: how often, so far, the time of one
    frame passed without a new picture, so that the one before stayed. device: what the networks run on.
    coverage: share (0 to 1) of the hole that shows real background. lowered: what the governor has lowered to hold the
    rate, in the order of lowering; empty when nothing. message: a line for the user, None when there is nothing to say.
    recording: seconds recorded so far, None when not recording. countdown: whole seconds until the clean plate is taken
    (3, 2, 1), None when none was asked for. connected: whether the source gives frames; when it does not, the picture
    is the plate.
    """

    fps: float = 0.0
    latency_ms: float = 0.0
    dropped: int = 0
    repeated: int = 0
    device: str = "cpu"
    coverage: float = 1.0
    lowered: tuple[str, ...] = ()
    message: str | None = None
    recording: float | None = None
    countdown: int | None = None
    connected: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture to present. number: counts them from 0; captured: when its frame was captured, time.monotonic()."""

    result: Result
    status: Status
    number: int
    captured: float


class Live(Protocol):
    """The side of the live loop that the main thread sees; `realtime.live.loop.LiveLoop` is one."""

    @property
    def running(self) -> bool:
        """False once the source has ended, QUIT was asked for or a stage has failed; then stop showing."""
        ...

    def newest(self, timeout: float) -> Shown | None:
        """The newest picture that was not given yet; waits up to `timeout` seconds for one, None where none came."""
        ...

    def presented(self, shown: Shown) -> None:
        """To be called when the picture is on the screen (or has gone where it goes): ends its latency."""
        ...

    def edit(self, edit: Edit) -> None:
        """What the user did to the selection, in pixels of `shown.result.image`; takes effect on the next frame."""
        ...

    def control(self, control: Control) -> None:
        """What the user asks of the loop."""
        ...
