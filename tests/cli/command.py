"""Runs the installed command as a user would, and holds it to its promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(sys.executable).with_name("erase-video.exe" if os.name == "nt" else "erase-video")
COMMAND = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "realtime.cli"]
ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """Without a terminal's width, and with the code under test on the path where it isn't installed."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


def run(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `erase-video` with these arguments; a traceback is never right."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, env=environment(), **options
    )
    if "--debug" not in arguments:
        assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout == "" or {"--help", "--version"} & set(arguments)
    return done


def succeed(*arguments: Any, code: int = 0, **options: Any) -> list[str]:
    """Run, expect the exit code; returns the lines of stderr."""
    done = run(*arguments, **options)
    assert done.returncode == code, done.stderr
    return done.stderr.splitlines()


def fail(folder: Path, *arguments: Any, code: int, **options: Any) -> str:
    """Run, expect the exit code, a single line of complaint, and `folder` as it was; returns the line."""
    before = snapshot(folder)
    done = run(*arguments, **options)
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if " frames/s" not in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("erase-video: ")
    assert snapshot(folder) == before
    return lines[0]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Names and contents of all files below the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
