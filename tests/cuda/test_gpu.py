"""The same on a real GPU: `make test-gpu`."""

from __future__ import annotations

import numpy as np
import pytest

from realtime import ops
from realtime.cuda import open_device
from realtime.segment import load_segmenter
from tests.cuda.test_eraser import eraser, held_against, run, stepped
from tests.cuda.test_ops import EXACT, NEARLY, WITHIN, both

pytestmark = pytest.mark.gpu


@pytest.fixture
def gpu():
    device = open_device()
    yield device
    device.close()


@pytest.mark.parametrize("name", [*EXACT, *WITHIN, *NEARLY])
def test_an_operation_is_the_same_on_the_gpu(gpu, name):
    if name in EXACT:
        tolerance, share, case = 0, 0, EXACT[name]
    elif name in WITHIN:
        (tolerance, *case), share = WITHIN[name], 0
    else:
        tolerance, (share, *case) = 0, NEARLY[name]
    for expected, result in both(gpu, *case):
        assert np.mean(np.abs(result.astype(np.float64) - expected) > tolerance) <= share


@pytest.mark.parametrize("kind", ["still", "hand", "pan"])
def test_the_eraser_is_the_same_on_the_gpu(gpu, kind):
    cpu = eraser("network", ops.HOST)
    held_against(run(cpu, kind, "network"), run(eraser("network", gpu), kind, "network"))


def test_tensorrts_mattes_come_with_the_picture_before(gpu):
    segmenter = load_segmenter("swift", device="cuda", runtime="tensorrt")
    try:
        pictures, waits = stepped(gpu, segmenter, ahead=True)
        alone, more = stepped(gpu, segmenter, ahead=False)
    finally:
        segmenter.engine.close()
    assert set(waits[-8:]) == {1}
    assert set(more[-8:]) <= {1, 2}  # a second time where the network is not done in time
    for one, other in zip(pictures, alone, strict=True):
        assert np.array_equal(one, other)
