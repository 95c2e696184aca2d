"""What the commands have in common: how they run, what they say, how they end."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from types import FrameType
from typing import NoReturn

import click

from realtime.errors import EraserError

INTERRUPTED = 130


def say(name: str, text: str) -> None:
    """A line of the command `name` on stderr."""
    click.echo(f"{name}: {text}", err=True)


def run(command: click.Command, name: str, arguments: list[str], interrupted: str) -> int:
    """Run the command; returns its exit code. Errors are one line on stderr, with a traceback after --debug.

    interrupted: what to say after Ctrl-C or a polite kill. Main thread only.
    """
    debug = "--debug" in arguments
    try:
        interrupt_once()
        with command.make_context(name, arguments) as context:
            return int(command.invoke(context))
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        say(name, f"{' '.join(error.format_message().split())} (see {name} --help)")
        return 2
    except KeyboardInterrupt:
        say(name, interrupted)
        return INTERRUPTED
    except EraserError as error:
        if debug:
            traceback.print_exc()
        say(name, str(error))
        return error.exit_code
    except Exception as error:
        if debug:
            traceback.print_exc()
        say(name, f"unexpected {type(error).__name__}: {' '.join(str(error).split())} (--debug tells more)")
        return 1


def interrupt_once() -> None:
    """Let Ctrl-C and a polite kill raise KeyboardInterrupt, once; what follows must not disturb the clean-up."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _interrupt)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def leave(code: int) -> NoReturn:
    """End the process at once, though threads may hang in calls of a device; what was said is flushed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
