"""A command ends with one line and an exit code, whatever happens; mistakes of the program keep their traceback."""

from __future__ import annotations

import pytest

from benchmarks.data import DataMissingError
from engines.command import exit_code_of
from engines.errors import EngineError
from realtime.errors import EraserError, UsageError


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (EngineError("no model"), 1, "error: no model\n"),
        (EraserError("no video"), 1, "error: no video\n"),
        (UsageError("no sense"), 2, "error: no sense\n"),
        (DataMissingError("no data"), 2, "error: no data\n"),
        (FileNotFoundError("no file"), 1, "error: no file\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_an_error_is_one_line_and_its_own_exit_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert exit_code_of(fail) == code
    assert capsys.readouterr().err == line


def test_work_that_is_done_is_0_and_a_mistake_of_the_program_is_not_hidden() -> None:
    assert exit_code_of(lambda: "any answer") == 0
    with pytest.raises(ZeroDivisionError):
        exit_code_of(lambda: 1 / 0)
