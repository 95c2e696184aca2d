"""The error of this package: one line that says what is wrong and what to do about it."""


class EngineError(Exception):
    """A model, its card or its runtime can't be used as asked, or a training run can't go on."""

    exit_code = 1
