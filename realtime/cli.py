"""The command `erase-video`."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from realtime import console
from realtime.batch import command as batch
from realtime.errors import EraserError, UsageError
from realtime.options import EditType, model_options, version_option

if TYPE_CHECKING:
    from realtime.edits import TimedEdit
    from realtime.pipeline import Progress
    from realtime.report import Report
    from realtime.selection import Box

NAME = "erase-video"
DAMAGED = 3
ALONE = "preview", "save_mask", "report", "overwrite"  # parameters of a single file's own


class TimeType(click.ParamType):
    """Seconds (12.5) or minutes and hours (1:02:03.5)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from realtime.edits import parse_time

        if isinstance(value, float):
            return value
        try:
            return parse_time(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


class OffsetType(click.ParamType):
    """X,Y in pixels, either of them perhaps negative."""

    name = "offset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"\s*([+-]?\d+)\s*,\s*([+-]?\d+)\s*", value)
        if match is None:
            self.fail(f"'{value}' is not an offset: give X,Y in pixels, like 200,-40", param, ctx)
        return float(match[1]), float(match[2])


class BoxType(click.ParamType):
    """X,Y,W,H in pixels."""

    name = "box"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Box:
        from realtime.selection import Box

        if isinstance(value, Box):
            return value
        try:
            return Box.parse(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


class LookaheadType(click.ParamType):
    """Seconds from 0 on, or all."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        if value == "all":
            return "all"
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < float("inf"):
            self.fail(f"'{value}' is neither 'all' nor a number of seconds from 0 on", param, ctx)
        return seconds


class DilateType(click.ParamType):
    """A number of pixels, or auto (None)."""

    name = "pixels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value in (None, "auto"):
            return None
        try:
            pixels = int(value)
        except ValueError:
            pixels = -1
        if pixels < 0:
            self.fail(f"'{value}' is neither 'auto' nor a number of pixels from 0 on", param, ctx)
        return pixels


@click.command(
    cls=batch.BatchCommand,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 110},
    epilog="Exit codes: 0 done; 1 failed, nothing written (of a batch: some files have failed); 2 wrong usage; 3 done, "
    "though part of the input was damaged; 130 interrupted, nothing written (of a batch: whole files only).",
)
@click.argument("input", metavar="INPUT", required=False)
@click.argument("output", metavar="OUTPUT", required=False)
@click.option(
    "--class",
    "--target",
    "classes",
    metavar="NAME[,NAME]",
    multiple=True,
    help="Erase everything of these classes of the segmenter. Repeatable.  [default: person, unless something else is "
    "chosen]",
)
@click.option(
    "--click",
    "clicks",
    type=EditType("click"),
    metavar="X,Y[@TIME]",
    multiple=True,
    help="Erase the object at this pixel at this time (of the first frame, where none is given): it is followed "
    "forward and backward through its shot. Times count from the input's beginning, also with --start. Repeatable.",
)
@click.option(
    "--no-click",
    "no_clicks",
    type=EditType("no-click"),
    metavar="X,Y[@TIME]",
    multiple=True,
    help="At this time this pixel does not belong to the object that was chosen last before. Repeatable.",
)
@click.option(
    "--mask",
    metavar="FILE|FOLDER",
    help="Erase what is white in this mask: a picture (the same for all frames), or a video or a folder of numbered "
    "pictures (one for each frame, counted from the input's first). Of the input's size or aspect ratio.",
)
@click.option(
    "--box",
    "boxes",
    type=EditType("box"),
    metavar="X,Y,W,H[@TIME]",
    multiple=True,
    help="Erase this region, or with --follow the object that fills it at this time, counted as in --click. "
    "Repeatable.",
)
@click.option("--follow", is_flag=True, help="Follow what is in the boxes, as --click does.")
@click.option("--move", type=OffsetType(), metavar="X,Y", help="Show the chosen objects displaced by so many pixels.")
@click.option(
    "--selection", metavar="FILE.json", help="Erase what was selected and saved in a window, of this or another file."
)
@click.option(
    "--select",
    is_flag=True,
    help="First open a window to select in, on any frame. What is selected is saved to the file that --selection names "
    "(and read from it, where it is there), or beside OUTPUT.",
)
@click.option(
    "--keep-box",
    "keep_boxes",
    type=BoxType(),
    metavar="X,Y,W,H",
    multiple=True,
    help="Never touch this region. Repeatable.",
)
@click.option(
    "--lookahead",
    type=LookaheadType(),
    metavar="SECONDS|all",
    default=1.0,
    help="How far into the future a frame may look for the background it hides; 0 is what live would see, 'all' the "
    "whole shot: the input is read three times, which takes up to 1.8 times as long.",
)
@model_options
@click.option(
    "--start", type=TimeType(), metavar="TIME", help="Begin here: seconds or H:MM:SS. All streams are cut alike."
)
@click.option("--end", type=TimeType(), metavar="TIME", help="End before this: seconds or H:MM:SS.")
@click.option(
    "--codec",
    metavar="NAME",
    help="Video codec of the output.  [default: the input's if it is H.264, HEVC, VP9 or AV1 and OUTPUT can hold it]",
)
@click.option(
    "--hwaccel",
    type=click.Choice(["auto", "none"]),
    default="none",
    show_default=True,
    help="Whether a GPU decodes the input, where nothing is lost by it, and encodes the output, where one can and "
    "--codec names nothing else. The report says who did.",
)
@click.option(
    "--crf",
    type=click.FloatRange(min=0),
    metavar="NUMBER",
    help="Quality of the output, smaller is better: at most 51 for H.264 and HEVC, 63 for VP9 and AV1.  [default: "
    "visually lossless]",
)
@click.option(
    "--dilate",
    type=DilateType(),
    metavar="PX|auto",
    default="auto",
    help="Grow the mask outward by so many pixels before erasing.",
)
@click.option("--no-shadow", is_flag=True, help="Leave shadows where they are.")
@batch.batch_options
@click.option("--preview", metavar="FILE", help="Also write before, mask and after side by side.")
@click.option("--save-mask", metavar="FILE|FOLDER", help="Also write the mask of what was replaced.")
@click.option(
    "--report",
    metavar="FILE.json",
    help="Also write times per stage and counts as JSON; of a batch, what became of each file.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--debug", is_flag=True, help="Say what runs where, and show where errors come from.")
@version_option(NAME)
@click.pass_context
def command(context: click.Context, /, **given: Any) -> int:
    """Erase people, or other things, from INPUT and write the result to OUTPUT.

    INPUT is a video file, a picture, a numbered sequence of pictures (img_%04d.png), a folder of pictures, or an
    address that FFmpeg opens. OUTPUT's extension chooses the container; a picture gives a picture; a folder's name
    ends with a slash. What stands behind is taken from other frames where they show it, and invented only where none
    does. Sound, subtitles and all that is not erased stay as they are.

    \b
      erase-video holiday.mp4 empty.mp4
      erase-video talk.mkv clean.mkv --box 1600,40,280,120 --preview before-after.mp4
      erase-video street.mp4 street-masked.mp4 --mask masks/ --lookahead 2
      erase-video market.mp4 nobody.mp4 --click 640,300@1.5 --click 200,310@4
      erase-video --batch archive/ --output archive-erased/
    """
    if given["debug"]:
        logging.basicConfig(format=f"{NAME}: %(message)s")
        for package in ("realtime", "engines"):
            logging.getLogger(package).setLevel(logging.DEBUG)
    if batch.is_asked(context):
        return _batch(context)
    from realtime.files import erase_video

    if given["select"]:
        given = given | {"selection": _selected(given)}
    alone = {name: given[name] for name in ALONE}
    display = _Display(given["quiet"])
    try:
        report = erase_video(given["input"], given["output"], progress=display.update, **alone, **_what_to_do(given))
    finally:
        display.close()
    display.summary(report)
    return DAMAGED if report.lost else 0


def _batch(context: click.Context) -> int:
    """Erase from many files."""
    asked, given = batch.ask(context, NAME)
    for name in ("preview", "save_mask", "select"):
        if given[name]:
            raise UsageError(f"--{name.replace('_', '-')} is for one file: leave it out of a batch")
    return batch.run(asked, _what_to_do(given), NAME)


def _selected(given: Mapping[str, Any]) -> str:
    """Have the user select in a window; the file of the selection."""
    from realtime.outputs import check_paths
    from realtime.select.session import Options, select

    outputs = [given[name] for name in ("output", "preview", "save_mask")]
    check_paths([given["input"]], outputs, given["overwrite"], given["report"])
    file = Path(given["selection"] or Path(given["output"]).with_suffix(".selection.json"))
    models = {name: given[name] for name in ("segmenter", "device", "runtime")}
    done = select(given["input"], Options(file, start=given["start"], end=given["end"], **models))
    if done is None:
        raise EraserError("the window was left without starting: nothing was erased")
    return str(done)


def _what_to_do(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the command's parameters say of any file, as `erase_video` takes it."""
    options = {name: value for name, value in given.items() if name not in (*ALONE, "select", *batch.PARAMETERS)}
    options["shadow"] = not options.pop("no_shadow")
    options["hwaccel"] = options["hwaccel"] == "auto"
    if options["hwaccel"] and options["codec"] is None:
        options["codec"] = "gpu"
    options["target"] = ",".join(classes) if (classes := options.pop("classes")) else None
    chosen = _chosen(**{name: options.pop(name) for name in ("clicks", "no_clicks", "boxes", "follow", "move")})
    return options | chosen


def _chosen(
    clicks: tuple[TimedEdit, ...],
    no_clicks: tuple[TimedEdit, ...],
    boxes: tuple[TimedEdit, ...],
    follow: bool,
    move: tuple[float, float] | None,
) -> dict[str, Any]:
    """The regions and edits that the options ask for, as `erase_video` takes them."""
    from realtime.edits import Erase, EraseBox, Move, TimedEdit, spot

    regions = [timed.edit.box for timed in boxes if isinstance(timed.edit, EraseBox)]
    if follow and not boxes:
        raise UsageError("--follow follows what is in a box: give --box too")
    if not follow and any(timed.time for timed in boxes):
        raise UsageError("a box with a time needs --follow; without it a box is erased in every frame")
    chosen = [*clicks, *boxes] if follow else list(clicks)
    if no_clicks and not chosen:
        raise UsageError("--no-click takes something away from a chosen object: give --click, or --box and --follow")
    if move is not None and not chosen:
        raise UsageError("--move displaces chosen objects: give --click, or --box and --follow")
    edits = [*chosen, *no_clicks]
    if move is not None:
        edits += [
            TimedEdit(timed.time, Move(*spot(timed.edit), *move))
            for timed in chosen
            if isinstance(timed.edit, Erase | EraseBox)
        ]
    return {"boxes": () if follow else regions, "edits": edits}


class _Display:
    """Progress and remarks on stderr: a bar on a terminal, else a line for each tenth; nothing when quiet.

    Where the length of the input is unknown, lines come after 100, 200, 400, ... frames. The rate is that of the
    present pass over the input.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._told: set[str] = set()
        self._tenths = 0
        self._next_count = 100
        self._pass, self._before, self._done = 1, 0, 0  # its number, frames before it, and until now
        self._started = self._latest = time.monotonic()
        self._bar: Any = None
        if not quiet and sys.stderr.isatty():
            self._bar = _open_bar()

    def update(self, progress: Progress) -> None:
        """Called after every frame."""
        if self._quiet:
            return
        self._tell(progress.notes)
        rate = self._rate(progress)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=progress.frames, total=progress.total, rate=rate)
        elif progress.total == 1:
            return  # a picture: the summary says it all
        elif progress.total:
            tenths = min(10, progress.frames * 10 // progress.total)
            if tenths > self._tenths:
                self._tenths = tenths
                place = f"{progress.frames} of about {progress.total} frames"
                if progress.passes > 1:
                    place = f"pass {progress.number} of {progress.passes}"
                _say(f"{tenths * 10} %, {place}, {rate:.1f} frames/s")
        elif progress.frames >= self._next_count:
            self._next_count *= 2
            _say(f"{progress.frames} frames, {rate:.1f} frames/s")

    def _rate(self, progress: Progress) -> float:
        """Frames/s of the present pass."""
        now = time.monotonic()
        if progress.number != self._pass:
            self._pass, self._before, self._started = progress.number, self._done, self._latest
        self._done, self._latest = progress.frames, now
        return (progress.frames - self._before) / max(1e-9, now - self._started)

    def _tell(self, notes: tuple[str, ...]) -> None:
        """Print the notes that were not printed yet."""
        for note in notes:
            if note in self._told:
                continue
            self._told.add(note)
            if self._bar is not None:
                self._bar.console.print(f"{NAME}: {note}", markup=False, highlight=False, soft_wrap=True)
            else:
                _say(note)

    def close(self) -> None:
        """Take the bar away; what is printed after it comes as plain lines."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def summary(self, report: Report) -> None:
        """What was done, in a line; a loss is told even when quiet."""
        if report.lost:
            _say(f"warning: {report.input} is damaged; frames that were lost: {report.lost}. The others are done")
        if self._quiet:
            return
        self._tell(report.notes)
        if report.parallax:
            _say(f"the background lies at two distances on {report.parallax} frames, and moves apart there (parallax)")
        if report.frames == 1:
            _say(f"{report.output}: done in {report.seconds:.1f} s")
        else:
            place = "the CPU" if report.device == "cpu" else f"the GPU, by {report.runtime}"
            rate = f"{report.fps:.1f} frames/s on {place}"
            _say(f"{report.output}: {report.frames} frames in {report.seconds:.1f} s ({rate})")


def _open_bar() -> Any:
    """A started rich progress bar on stderr with one task."""
    from rich import progress as parts
    from rich.console import Console

    bar = parts.Progress(
        parts.BarColumn(),
        parts.TaskProgressColumn(),
        parts.MofNCompleteColumn(),
        parts.TextColumn("{task.fields[rate]:.1f} frames/s"),
        parts.TimeRemainingColumn(),
        console=Console(stderr=True),
        refresh_per_second=4,
        transient=True,
    )
    bar.add_task("erasing", total=None, rate=0.0)
    bar.start()
    return bar


def _say(text: str) -> None:
    console.say(NAME, text)


def run(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    return console.run(command, NAME, arguments, interrupted="interrupted, nothing was written")


def main() -> NoReturn:
    """The entry point of the installed command."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
