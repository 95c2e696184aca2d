"""The command `erase-live`."""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from realtime import console
from realtime.options import EditType, model_options, version_option

if TYPE_CHECKING:
    from realtime.edits import TimedEdit

NAME = "erase-live"
NONE = "none"
_BACKENDS = ["v4l2", "gstreamer", "avfoundation", "dshow", "msmf"]


class SizeType(click.ParamType):
    """WxH in pixels."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d+)x(\d+)", value)
        if match is None or not int(match[1]) or not int(match[2]):
            self.fail(f"'{value}' is not a size: give WIDTHxHEIGHT, like 1280x720", param, ctx)
        return int(match[1]), int(match[2])


class FourccType(click.ParamType):
    """Four characters."""

    name = "fourcc"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if len(value) != 4 or not value.isascii():
            self.fail(f"'{value}' is not a FOURCC: give four characters, like MJPG or YUYV", param, ctx)
        return str(value)


def _print_cameras(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from realtime.live.devices import list_devices

        cameras = list_devices()
        for camera in cameras:
            click.echo(str(camera))
        if not cameras:
            console.say(NAME, "this system tells of no camera")
        context.exit()


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 110},
    epilog="Exit codes: 0 done; 1 failed; 2 wrong usage; 130 interrupted. What was recorded stays, and plays.",
)
@click.argument("source", metavar="[SOURCE]", default="0")
@click.option("--size", type=SizeType(), metavar="WxH", default="1280x720", help="What a camera is asked for.")
@click.option(
    "--fps",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NUMBER",
    help="The rate that a camera is asked for, and that is held.  [default: the source's own, up to 30]",
)
@click.option(
    "--backend", type=click.Choice(_BACKENDS), help="What reads the camera.  [default: the system's usual one]"
)
@click.option(
    "--fourcc", type=FourccType(), default="MJPG", help="How a camera is asked to send its pictures: MJPG, YUYV, ..."
)
@click.option(
    "--list-cameras", is_flag=True, is_eager=True, expose_value=False, callback=_print_cameras, help="List the cameras."
)
@click.option("--loop", is_flag=True, help="Play a file over and over.")
@click.option(
    "--class",
    "--target",
    "target",
    metavar="NAME[,NAME]|none",
    default="person",
    help="Erase everything of these classes of the segmenter from the start; none: only what is selected.",
)
@click.option(
    "--click",
    "clicks",
    type=EditType("click"),
    metavar="X,Y[@TIME]",
    multiple=True,
    help="Erase the object at this pixel from this time on, as a click in the window does. Repeatable.",
)
@click.option(
    "--box",
    "boxes",
    type=EditType("box"),
    metavar="X,Y,W,H[@TIME]",
    multiple=True,
    help="Erase the object that fills this box from this time on. Repeatable.",
)
@click.option(
    "--selection",
    metavar="FILE",
    help="Select what this file says; 'w' in the window writes one, and so does --select of erase-video.",
)
@click.option(
    "--plate",
    metavar="FILE.npz",
    help="Where 'k' in the window keeps the clean plate, and 'l' finds it; loaded at the start where it exists. "
    " [default: plate.npz, not loaded]",
)
@click.option("--record", metavar="FILE", help="Record what is shown, as .mp4 or .mkv that plays whatever happens.")
@click.option(
    "--audio", metavar="DEVICE", help="Record sound from this device of FFmpeg too, like default or alsa:hw:1."
)
@click.option("--virtual-camera", is_flag=True, help="Offer what is shown to other programs as a camera.")
@click.option("--headless", is_flag=True, help="Open no window.")
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End after so long.")
@click.option("--report", metavar="FILE.json", help="Write rate, latency, times per stage and counts as JSON.")
@model_options
@click.option(
    "--fail-open",
    is_flag=True,
    help="Where finding people fails, show the picture as it is, rather than the background alone.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--debug", is_flag=True, help="Say what runs where, and show where errors come from.")
@version_option(NAME)
def command(
    source: str,
    *,
    target: str,
    clicks: tuple[TimedEdit, ...],
    boxes: tuple[TimedEdit, ...],
    debug: bool,
    **options: Any,
) -> int:
    """Erase people, or whatever you click on, from SOURCE as it runs, in a window.

    SOURCE is the number or name of a camera (see --list-cameras), /dev/videoN, a video file, an RTSP or HTTP address, a
    folder of pictures, or one picture; the first camera where it is left out. Press h in the window for what mouse and
    keys do.

    \b
      erase-live
      erase-live "Desk cam" --size 640x480 --record empty.mp4
      erase-live rtsp://192.168.0.12/stream --target none --click 640,300
    """
    from realtime.files import classes_named
    from realtime.live.session import LiveOptions, erase_live

    if debug:
        logging.basicConfig(format=f"{NAME}: %(message)s")
        for package in ("realtime", "engines"):
            logging.getLogger(package).setLevel(logging.DEBUG)
    classes = () if target == NONE else classes_named(target)
    erase_live(LiveOptions(source, classes=classes, edits=clicks + boxes, **options), tell=_tell)
    return 0


def _tell(line: str) -> None:
    console.say(NAME, line)


def run(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    return console.run(command, NAME, arguments, interrupted="interrupted; what was recorded until now is kept")


def main() -> NoReturn:
    """The entry point of the installed command."""
    # A camera that stalls must not hold up the thread that reads it for OpenCV's ten seconds.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
    console.leave(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
