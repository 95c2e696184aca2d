from __future__ import annotations

import pytest

from tests.cuda.emulator import emulated


@pytest.fixture(scope="session")
def kernels_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def device(kernels_folder):
    """A device made of the CPU."""
    return emulated(kernels_folder)
