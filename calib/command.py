"""What the commands of this package have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable

from engines.errors import EngineError
from realtime.errors import EraserError


def exit_code_of(work: Callable[[], object]) -> int:
    """Do the work; 0 done, 1 failed or refused, 2 wrong usage, 130 interrupted. An error is one line on stderr."""
    try:
        work()
    except (EraserError, EngineError, OSError) as error:
        print(error, file=sys.stderr)
        return getattr(error, "exit_code", 1)
    except KeyboardInterrupt:
        print("interrupted, nothing was written", file=sys.stderr)
        return 130
    return 0
