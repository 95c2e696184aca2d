"""What all commands of this project but the two that users know have in common: how they end, and some options."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

EXTRAS = {"onnx": "train", "skimage": "train", "torch": "train"}  # that packages which may be missing come with


def exit_code_of(work: Callable[[], object]) -> int:
    """Do a command's work; 0 done, 1 failed or what the error's own `exit_code` says, 130 interrupted.

    Errors that are meant for users, which are those with an `exit_code`, those of files, and packages that are missing
    are one line on stderr.
    """
    try:
        work()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        lack = _lack(error)
        code = getattr(error, "exit_code", 1 if lack or isinstance(error, OSError) else None)
        if code is None:
            raise
        print(f"error: {lack or error}", file=sys.stderr)
        return code
    return 0


@contextmanager
def optional(module: str) -> Iterator[None]:
    """Around the imports of packages that may be missing; one line ends a command then. module: its `__name__`."""
    try:
        yield
    except ImportError as error:
        lack = _lack(error)
        if module != "__main__" or not lack:
            raise
        sys.exit(f"error: {lack}")


def _lack(error: Exception) -> str:
    """What to install, where an error says that a package of an extra is missing; else empty."""
    name = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    return f"this needs {name}; install it with `pip install .[{EXTRAS[name]}]`" if name in EXTRAS else ""


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """--data: the folder of pictures to learn from, $ERASER_DATA where that is set."""
    data = os.environ.get("ERASER_DATA")
    parser.add_argument("--data", type=Path, default=data, required=data is None, help="default: $ERASER_DATA")


def height_by_width(text: str) -> tuple[int, int]:
    """(height, width) of an option's HEIGHTxWIDTH, in pixels."""
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; give HEIGHTxWIDTH, such as 288x512")
    return int(height), int(width)
