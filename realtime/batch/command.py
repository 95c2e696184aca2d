"""The batch as a part of the command `erase-video`: its options, and what they make of the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from realtime import console
from realtime.errors import EraserError, UsageError

if TYPE_CHECKING:
    from realtime.batch.journal import Begun

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

DAMAGED = 3
# Parameters of the command that don't say what is done with a file.
PARAMETERS = ("input", "output", "batch", "output_folder", "resume", "workers", "cluster", "quiet", "debug")
# Those that a run which goes on with another may give anew; the others are that one's.
ANEW = ("output_folder", "resume", "workers", "cluster", "quiet", "debug", "overwrite", "report")


def batch_options(command: Decorated) -> Decorated:
    """What a batch takes beside the options of a single file."""
    options = (
        click.option(
            "--batch",
            metavar="DIR|LIST.txt",
            help="Instead of INPUT: every video of this folder and all below it, or those that this text file lists, "
            "one path a line. The same options for all.",
        ),
        click.option(
            "--output",
            "output_folder",
            metavar="DIR",
            help="With --batch, instead of OUTPUT: a folder that mirrors the inputs. What a batch has done there "
            "before, with these options, and is unchanged since, is skipped.",
        ),
        click.option(
            "--resume",
            is_flag=True,
            help="Go on with the latest batch of --output, from the first file that is not done: its input and "
            "options need not be given again, and must not differ.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            metavar="N",
            help="Files, or pieces of them, that a batch works on at once.  [default: as many as help]",
        ),
        click.option(
            "--cluster",
            metavar="auto|ADDRESS",
            help="Let the machines of this Ray cluster do the batch ('auto': the one that this machine is of). Long "
            "files are shared out in pieces. All machines must see the files under the same paths.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


class BatchCommand(click.Command):
    """A command that knows what was typed, so that a batch can write it down for `--resume`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["arguments"] = tuple(args)
        return super().parse_args(ctx, args)


@dataclass(frozen=True)
class Asked:
    """What the command line asks of a batch, beside what is to be done with each file."""

    input: str
    output: Path
    arguments: tuple[str, ...]
    workers: int | None
    cluster: str | None
    overwrite: bool
    report: Path | None
    quiet: bool


def is_asked(context: click.Context) -> bool:
    """Whether the command line is that of a batch; usage errors where it is of neither kind, or of both."""
    given = context.params
    if given["batch"] is None and not given["resume"]:
        for name in ("output_folder", "workers", "cluster"):
            if given[name] is not None:
                raise click.UsageError(f"--{name.partition('_')[0]} is for a batch: give --batch too")
        for name in ("input", "output"):
            if given[name] is None:
                raise click.UsageError(f"Missing argument '{name.upper()}'.")
        return False
    if given["input"] is not None:
        raise click.UsageError(f"'{given['input']}' is one argument too many: a batch has --batch and --output.")
    if given["output_folder"] is None:
        raise click.UsageError("A batch needs --output, the folder that it writes to.")
    return True


def ask(context: click.Context, name: str) -> tuple[Asked, Mapping[str, Any]]:
    """What the command line asks for, and the parameters that say what is done with each file. name: of the command.

    Both are those of the batch that `--resume` goes on with, but for what is given anew. Raises as `_begun` does.
    """
    given: Mapping[str, Any] = context.params
    before = given
    input, arguments = given["batch"], context.meta["arguments"]
    output = Path(given["output_folder"]).absolute()
    report = None if given["report"] is None else Path(given["report"]).absolute()
    if given["resume"]:
        before, last = _begun(context, name)
        input, arguments = last.input, last.arguments
        if report is None and before["report"] is not None:
            report = Path(last.folder, before["report"])
    workers, cluster, overwrite = (given[each] or before[each] for each in ("workers", "cluster", "overwrite"))
    return Asked(input, output, arguments, workers, cluster, overwrite, report, given["quiet"]), before


def _begun(context: click.Context, name: str) -> tuple[Mapping[str, Any], Begun]:
    """What `--resume` goes on with: the parameters of the command that began it, and what the journal says of that.

    The process goes to the folder of that command, since its paths are relative to it. Raises UsageError where this
    command line says something else, EraserError where there is nothing to go on with.
    """
    from realtime.batch.journal import NAME, Journal

    folder = Path(context.params["output_folder"])
    if not (folder / NAME).is_file():
        raise EraserError(f"no batch has written to {folder}: begin one with --batch")
    with Journal(folder) as journal:
        last = journal.last
    if last is None or not last.arguments:
        raise EraserError(f"the batch of {folder} was not begun by this command: give --batch and its options anew")
    before = context.command.make_context(name, list(last.arguments)).params
    for parameter in context.command.params:
        key = parameter.name or ""
        if key in ANEW or context.get_parameter_source(key) != ParameterSource.COMMANDLINE:
            continue
        value = context.params[key]
        now, then = (value, before[key]) if key != "batch" else map(os.path.abspath, (value, last.input))
        if now != then:
            raise UsageError(
                f"{parameter.opts[0]} differs from that of the batch to go on with ({last.time}): leave it out, or "
                "leave out --resume"
            )
    with suppress(OSError):  # where that folder is gone, no path was relative to it, or its file will be missed
        os.chdir(last.folder)
    return before, last


def run(asked: Asked, options: Mapping[str, Any], name: str) -> int:
    """Run a batch and show it; returns the exit code. options: of `erase_video`."""
    from realtime.batch.display import Display
    from realtime.batch.journal import Journal
    from realtime.batch.run import erase_batch
    from realtime.report import write_text

    _check_report(asked)
    display = Display(name, asked.quiet)
    try:
        result = erase_batch(
            asked.input,
            asked.output,
            workers=asked.workers,
            cluster=asked.cluster,
            overwrite=asked.overwrite,
            progress=display.update,
            note=display.note,
            arguments=asked.arguments,
            **options,
        )
    except KeyboardInterrupt:
        display.close()
        console.say(name, f"interrupted; {asked.output} holds whole files only, and --resume goes on from there")
        return console.INTERRUPTED
    finally:
        display.close()
    if not asked.quiet:
        for line in result.table():
            console.say(name, line)
    if asked.report is not None:
        write_text(asked.report, result.to_json())
        with Journal(asked.output) as journal:
            journal.write(report=str(asked.report.resolve()), size=asked.report.stat().st_size)
    if result.counts["failed"]:
        return 1
    return DAMAGED if result.lost else 0


def _check_report(asked: Asked) -> None:
    """Refuse a report that cannot be written in the end. The folder of the outputs may still have to be made."""
    from realtime.outputs import check_paths

    if asked.report is not None and (asked.report.parent != asked.output or asked.output.exists()):
        check_paths([asked.input], [], asked.overwrite or _reported(asked.output, asked.report), asked.report)


def _reported(output: Path, report: Path) -> bool:
    """Whether a report that is there is that of a batch to this folder."""
    from realtime.batch.journal import NAME, Journal

    if not (output / NAME).is_file() or not report.is_file():
        return False
    with Journal(output) as journal:
        return journal.reports.get(str(report.resolve())) == report.stat().st_size
