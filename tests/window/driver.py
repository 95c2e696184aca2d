"""The window on a loop that shows one made picture and tells on stdout what it is asked for.

python -m tests.window.driver WIDTH HEIGHT
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import cv2

from realtime.live.control import Control, Shown
from realtime.live.window import check_display, show
from realtime.ops import resize
from tests.window import shown


class StillLoop:
    """Gives the picture once, as a loop on a photo does; ends on QUIT."""

    def __init__(self, size):
        self.running = True
        self._shown = Shown(scaled(shown.result(), size), shown.STATUS, 0, time.monotonic())
        self._given = False

    def newest(self, timeout):
        if self._given:
            time.sleep(timeout)
            return None
        self._given = True
        return self._shown

    def presented(self, shown):
        print("presented", shown.number, flush=True)

    def edit(self, edit):
        print(edit, flush=True)

    def control(self, control):
        print(control, flush=True)
        if control is Control.QUIT:
            self.running = False


def scaled(result, size):
    """The made result as a picture of (height, width), without its things."""
    image, before = resize(result.image, size), resize(result.frame.image, size)
    hole, trust = (
        cv2.resize(part, size[::-1], interpolation=cv2.INTER_NEAREST) for part in (result.hole, result.trust)
    )
    return replace(result, frame=replace(result.frame, image=before), image=image, hole=hole, trust=trust)


if __name__ == "__main__":
    width, height = map(int, sys.argv[1:3])
    check_display("look elsewhere")
    show(StillLoop((height, width)), "drïver")
