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

import numpy as np

from tests.cli.command import environment

TOOLS = ("Xvfb", "openbox", "xdotool", "wmctrl")
SCREEN = (1000, 1400)  # height, width
BUTTONS = {"left": "1", "right": "3"}

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


def wait(condition, seconds=20.0):
    """What `condition()` returns once it is true; fails the test when that takes too long."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.05)


class Desk:
    """An X server without a screen, with a window manager; its pictures are read from its memory (XWD file)."""

    def __init__(self, folder):
        self.folder = folder
        self._processes = []

    def __enter__(self):
        height, width = SCREEN
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-fbdir", "."],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(server)
        number = server.stdout.readline().decode().strip()
        assert number, "Xvfb did not start"
        self.environment = {**environment(), "DISPLAY": f":{number}"}
        self.environment.pop("QT_QPA_PLATFORM", None)
        (self.folder / "openbox.xml").write_text(OPENBOX)
        self._processes.append(
            subprocess.Popen(
                ["openbox", "--sm-disable", "--config-file", str(self.folder / "openbox.xml")],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        wait(lambda: self.run("wmctrl", "-m", check=False).returncode == 0)
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.terminate()
            process.wait(10)

    def run(self, *command, check=True):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=check, timeout=20)

    def start(self, command, **options):
        """A program on this desktop, as a `subprocess.Popen`."""
        return subprocess.Popen(command, env=self.environment, **options)

    def window(self, title):
        """The window with this title, as soon as it has been drawn; the pointer is moved out of the way."""
        found = wait(lambda: self.run("xdotool", "search", "--name", f"^{title}$", check=False).stdout.split())
        self.run("xdotool", "mousemove", "0", "0")
        window = DeskWindow(self, title, found[-1])
        wait(lambda: window.picture().any())
        return window

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
        """x, y, width, height of the content on the screen."""
        lines = self.desk.run("xdotool", "getwindowgeometry", "--shell", self.number).stdout.splitlines()
        values = dict(line.split("=") for line in lines)
        return tuple(int(values[key]) for key in ("X", "Y", "WIDTH", "HEIGHT"))

    def picture(self):
        """(H, W, 3) uint8 BGR: its content, where it lies on the screen."""
        x, y, width, height = self.place()
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
