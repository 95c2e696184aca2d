"""What tests of every package may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from engines.gpu import find_gpus

settings.register_profile("any machine", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `gpu` where there is none."""
    lack = find_gpus().lack
    if lack:
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason=f"no GPU: {lack}"))


@pytest.fixture(autouse=True)
def no_profile(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests behave alike on every machine, whatever `calib.device` wrote down about it."""
    monkeypatch.setenv("ERASER_CONFIG", str(tmp_path_factory.getbasetemp() / "no-config"))


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
