"""A virtual desktop for tests: Xvfb's screen, a window manager, and a hand on mouse and keys.

with Desk(folder) as desk:
    with desk.start([sys.executable, "-m", "tests.window.driver"]) as program:
        window = desk.window("driver")
        window.click(100, 50)
        picture = window.picture()
"""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import ExitStack

import numpy as np
import pytest

from tests.cli.command import environment

TOOLS = ("Xvfb", "openbox", "xdotool", "wmctrl")
SCREEN = (1000, 1400)  # height, width
BUTTONS = {"left": "1", "right": "3"}
PATIENCE = 90  # seconds after which something will never be so
# Between a program, its window manager and the X server there are races that are none of ours: such a test may try
# again. Nothing else may.
on_a_real_display = pytest.mark.flaky(reruns=2)

# No bindings: by default openbox takes drags with alt for itself. No frames: xdotool mistakes where they end.
OPENBOX = """<openbox_config xmlns="http://openbox.org/3.4/rc">
  <theme><keepBorder>no</keepBorder></theme>
  <keyboard/>
  <mouse/>
  <applications><application class="*"><decor>no</decor></application></applications>
</openbox_config>"""


def missing():
    """The tools that are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def wait(condition, what="so"):
    """What `condition()` returns once it is true; fails the test when it never is, however slow the machine."""
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not {what} within {PATIENCE} s"
        time.sleep(0.05)


class Desk:
    """An X server without a screen, with a window manager; its pictures are read from its memory (XWD file)."""

    def __init__(self, folder):
        self.folder = folder
        self._running = ExitStack()

    def __enter__(self):
        with ExitStack() as stack:
            height, width = SCREEN
            size = f"{width}x{height}x24"
            # Without -noreset it begins anew when its last client leaves: wmctrl, while openbox is about to come.
            server = self._service(
                stack, "Xvfb", "-noreset", "-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp", "-fbdir", ".",
                stdout=subprocess.PIPE,
            )  # fmt: skip
            number = server.stdout.readline().decode().strip()
            assert number, f"Xvfb did not start: {self.said()}"
            self.environment = {**environment(), "DISPLAY": f":{number}"}
            self.environment.pop("QT_QPA_PLATFORM", None)
            config = self.folder / "openbox.xml"
            config.write_text(OPENBOX)
            self._service(stack, "openbox", "--sm-disable", "--config-file", str(config), env=self.environment)
            wait(lambda: self.run("wmctrl", "-m", check=False).returncode == 0, "managed")
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._running.close()

    def said(self):
        """What the desktop's own programs have said."""
        return (self.folder / "said").read_text()

    def _service(self, stack, *command, **options):
        """A program that runs until the stack is closed."""
        with (self.folder / "said").open("a") as said:
            options = {"stdout": said, **options}
            process = subprocess.Popen(command, cwd=self.folder, stderr=said, **options)
        stack.callback(process.wait, PATIENCE)
        stack.callback(process.terminate)
        return process

    def run(self, *command, check=True):
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=check, timeout=PATIENCE
        )

    def start(self, command, **options):
        """A program on this desktop, as a `subprocess.Popen`."""
        return subprocess.Popen(command, env=self.environment, **options)

    def window(self, title):
        """The window with this title, as soon as it has been drawn; the pointer is moved out of the way."""

        def drawn():
            numbers = self.run("xdotool", "search", "--name", f"^{title}$", check=False).stdout.split()
            windows = [DeskWindow(self, title, number) for number in numbers]
            return next((window for window in windows if window.place() and window.picture().any()), None)

        self.run("xdotool", "mousemove", "0", "0")
        return wait(drawn, f"a window {title}")

    def screen(self):
        """(H, W, 3) uint8 BGR: all that is on the screen."""
        content = (self.folder / "Xvfb_screen0").read_bytes()
        header = np.frombuffer(content, ">u4", 25)
        start, width, height, stride, colors = (int(header[i]) for i in (0, 4, 5, 12, 19))
        pixels = np.frombuffer(content, np.uint8, height * stride, start + 12 * colors)
        return pixels.reshape(height, stride)[:, : 4 * width].reshape(height, width, 4)[..., :3].copy()


class DeskWindow:
    """A program's window. Positions are pixels of its content, from the left top corner."""

    def __init__(self, desk, title, number):
        self.desk, self.title, self.number = desk, title, number

    def place(self):
        """x, y, width, height of the content on the screen; None where the window is gone."""
        told = self.desk.run("xdotool", "getwindowgeometry", "--shell", self.number, check=False)
        if told.returncode != 0:
            return None
        lines = told.stdout.splitlines()
        values = dict(line.split("=") for line in lines)
        return tuple(int(values[key]) for key in ("X", "Y", "WIDTH", "HEIGHT"))

    def picture(self):
        """(H, W, 3) uint8 BGR: its content, where it lies on the screen."""
        place = self.place()
        assert place is not None, f"the window {self.title} is gone"
        x, y, width, height = place
        return self.desk.screen()[max(0, y) : y + height, max(0, x) : x + width]

    def resize(self, width, height):
        self.desk.run("wmctrl", "-i", "-r", self.number, "-e", f"0,20,40,{width},{height}")
        wait(lambda: self.place()[2:] == (width, height))

    def close(self):
        """As with the cross in its corner."""
        self.desk.run("wmctrl", "-i", "-c", self.number)

    def click(self, x, y, button="left", *held):
        self._hand(held, ["click", BUTTONS[button]], x, y)

    def drag(self, points, *held):
        """Press at the first point, go through the others, release at the last."""
        (x, y), *others = points
        way = ["mousedown", "1"]
        for point in others:
            way += ["mousemove", "--window", self.number, *map(str, point), "sleep", "0.03"]
        self._hand(held, [*way, "mouseup", "1"], x, y)

    def point(self, x, y):
        self._hand((), [], x, y)

    def keys(self, *names):
        """Press keys, by the names that X gives them."""
        self.desk.run("xdotool", "windowfocus", "--sync", self.number, "key", "--delay", "30", *names)

    def _hand(self, held, action, x, y):
        down = [part for key in held for part in ("keydown", key)]
        up = [part for key in held for part in ("keyup", key)]
        move = ["mousemove", "--window", self.number, str(x), str(y), "sleep", "0.03"]
        self.desk.run("xdotool", *move, *down, *action, *up)
