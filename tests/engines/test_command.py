"""A command ends with one line and an exit code, whatever happens; mistakes of the program keep their traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.data import DataMissingError
from engines.command import exit_code_of
from engines.errors import EngineError
from realtime.errors import EraserError, UsageError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (EngineError("no model"), 1, "error: no model\n"),
        (EraserError("no video"), 1, "error: no video\n"),
        (UsageError("no sense"), 2, "error: no sense\n"),
        (DataMissingError("no data"), 2, "error: no data\n"),
        (FileNotFoundError("no file"), 1, "error: no file\n"),
        (
            ModuleNotFoundError("No module named 'skimage.data'", name="skimage.data"),
            1,
            "error: this needs skimage; install it with `pip install .[train]`\n",
        ),
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
    with pytest.raises(ModuleNotFoundError):
        exit_code_of(lambda: __import__("engines.no_such_module"))


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("engines.export", "onnx"),
        ("engines.graphs", "onnx"),
        ("engines.soup", "torch"),
        ("benchmarks.roofline", "onnx"),
    ],
)
def test_a_command_without_its_package_says_what_to_install(module: str, package: str) -> None:
    program = f"import runpy, sys; sys.modules[{package!r}] = None; runpy.run_module({module!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: this needs {package}; install it with `pip install .[train]`\n"
