"""What the benchmarks' commands have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.data import DataMissingError
from engines.errors import EngineError
from realtime.errors import EraserError


def exit_code_of(work: Callable[[], object]) -> int:
    """Do the work; 0 done, 1 failed, 2 wrong usage or no reference data. An error is one line on stderr."""
    try:
        work()
    except DataMissingError as error:
        print(error, file=sys.stderr)
        return 2
    except (EraserError, EngineError, OSError) as error:
        print(error, file=sys.stderr)
        return getattr(error, "exit_code", 1)
    return 0
