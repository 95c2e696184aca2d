"""What all commands of this project but the two that users know have in common: how they end."""

from __future__ import annotations

import sys
from collections.abc import Callable


def exit_code_of(work: Callable[[], object]) -> int:
    """Do a command's work; 0 done, 1 failed or what the error's own `exit_code` says, 130 interrupted.

    Errors that are meant for users, which are those with an `exit_code`, and those of files are one line on stderr.
    """
    try:
        work()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        code = getattr(error, "exit_code", 1 if isinstance(error, OSError) else None)
        if code is None:
            raise
        print(f"error: {error}", file=sys.stderr)
        return code
    return 0
