"""The virtual desktop that the tests of real windows share."""

from __future__ import annotations

import pytest

from tests.window.desk import Desk, missing


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """A virtual desktop; skips where its programs are not installed."""
    if missing():
        pytest.skip(f"not installed: {', '.join(missing())} (apt-get install xvfb openbox xdotool wmctrl)")
    with Desk(tmp_path_factory.mktemp("desk")) as desk:
        yield desk
