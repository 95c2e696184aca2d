"""What tests of every package may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def eraser_data() -> Path:
    """The folder of reference data that ERASER_DATA names; skips where it is not set."""
    folder = os.environ.get("ERASER_DATA")
    if not folder:
        pytest.skip("ERASER_DATA is not set: the reference data is not here")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"ERASER_DATA names {folder}, which is not a folder")
    return path
