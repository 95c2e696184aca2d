"""Errors that reach the user as one line.

Every message says what is wrong and what to do about it. The command line prints it without a traceback and ends with
the error's exit code: 1 failed, nothing written; 2 wrong usage. (0 is done, 3 done though part of the input was
damaged, 130 interrupted.)
"""


class EraserError(Exception):
    """The job failed and nothing was written."""

    exit_code = 1


class UsageError(EraserError):
    """The request itself makes no sense: an unknown name, two options that exclude each other, a bad value."""

    exit_code = 2


class NoVideo(EraserError):
    """The input holds no video at all: a batch skips it."""
