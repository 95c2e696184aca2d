from __future__ import annotations

import gc
import weakref
from ctypes import c_float, c_int
from types import SimpleNamespace

import numpy as np
import pytest

from realtime.cuda.device import _argument
from realtime.errors import EraserError
from tests.cuda.emulator import emulated
from tests.realtime.pictures import texture

PICTURE = texture(40, 60)


def test_what_is_sent_comes_back(device):
    for array in (PICTURE, PICTURE[..., 0].astype(np.float32), np.arange(7, dtype=np.int32)[None]):
        (result,) = device.fetch(device.sent(array))
        assert np.array_equal(result, array)
        assert result.dtype == array.dtype


def test_the_array_that_was_sent_may_change_at_once(device):
    array = PICTURE.copy()
    there = device.sent(array)
    array[:] = 0
    assert np.array_equal(device.fetch(there)[0], PICTURE)


def test_a_result_is_there_after_the_next_wait(device):
    later = device.fetch_later(device.sent(PICTURE))
    device.wait()
    waits = device.waits
    assert np.array_equal(later()[0], PICTURE)
    assert device.waits == waits


def test_a_result_that_nobody_waited_for_is_waited_for_once(device):
    later = device.fetch_later(device.sent(PICTURE), PICTURE[:3])
    for _ in range(2):
        whole, part = later()
        assert np.array_equal(whole, PICTURE)
        assert np.array_equal(part, PICTURE[:3])
    assert device.waits == 1


def test_what_is_fetched_and_dropped_does_no_harm(device):
    device.fetch_later(device.sent(PICTURE))
    gc.collect()
    assert np.array_equal(device.fetch(device.sent(PICTURE // 2))[0], PICTURE // 2)


def test_a_result_keeps_its_memory_for_as_long_as_it_is_used(device):
    (first,) = device.fetch(device.sent(PICTURE))
    part = first[5:9, 3:8]
    del first
    gc.collect()
    for value in (1, 2, 3):
        device.fetch(device.full(PICTURE.shape, value))
    assert np.array_equal(part, PICTURE[5:9, 3:8])


def test_a_part_of_an_array_comes_back_without_the_rest(device):
    there = device.sent(PICTURE)
    assert np.array_equal(device.fetch(there[3:30, 5:50])[0], PICTURE[3:30, 5:50])
    there[2:9, 1:5] = 7
    assert (device.fetch(there)[0][2:9, 1:5] == 7).all()


def test_memory_that_was_used_is_used_again(device):
    def frame():
        one = device.sent(PICTURE)
        return device.fetch(~one.reshaped(40, 180), one.copy()[3:9, 4:8])

    for _ in range(2):
        frame()
    asked = device.driver.calls["allocate"]
    for _ in range(5):
        frame()
    assert device.driver.calls["allocate"] == asked == device.memory.allocations + device.pinned.allocations


def test_memory_that_is_a_little_larger_serves_as_well(device):
    large = device.full((100, 100), 1)
    del large
    kept, small = device.full((80, 80), 2), device.full((20, 20), 3)
    assert device.memory.allocations == 2  # the smallest would waste most of it
    assert (device.fetch(kept)[0] == 2).all()
    assert (device.fetch(small)[0] == 3).all()


def test_memory_that_lies_idle_is_freed_where_there_is_too_little(device, monkeypatch):
    def scarce(nbytes):
        if sum(len(block) for block in device.driver._memory.values()) + nbytes > 100_000:
            raise EraserError("the GPU failed (CUDA_ERROR_OUT_OF_MEMORY): it has too little memory for this")
        return allocate(nbytes)

    allocate = device.driver.allocate
    monkeypatch.setattr(device.memory, "_allocate", scarce)
    device.empty((60_000, 1))
    kept = device.full((90_000, 1), 5)
    with pytest.raises(EraserError, match="too little memory"):
        device.empty((60_000, 1))
    del kept
    gc.collect()
    device.empty((60_000, 1))


def test_memory_that_only_a_cycle_holds_is_freed_where_there_is_too_little(device, monkeypatch):
    def scarce(nbytes):
        if device.driver._memory:
            raise EraserError("the GPU failed (CUDA_ERROR_OUT_OF_MEMORY): it has too little memory for this")
        return allocate(nbytes)

    allocate = device.driver.allocate
    monkeypatch.setattr(device.memory, "_allocate", scarce)
    cycle = [device.empty((60_000, 1))]
    cycle.append(cycle)
    del cycle
    device.empty((90_000, 1))


def test_close_gives_all_memory_back(device):
    device.fetch(device.sent(PICTURE))
    gc.collect()
    device.close()
    assert not device.driver._memory


def test_a_device_that_nobody_holds_gives_all_memory_back_at_once(kernels_folder):
    device = emulated(kernels_folder)
    driver, gone = device.driver, weakref.ref(device)
    gc.disable()
    try:
        device.picture(PICTURE)
        device.fetch_later(device.picture(PICTURE))
        del device
        assert gone() is None
        assert not driver._memory
    finally:
        gc.enable()


def test_a_picture_is_sent_once_also_if_the_next_one_is_asked_for_in_between(device):
    following = PICTURE // 2
    for image in (PICTURE, following, PICTURE, following):
        assert np.array_equal(device.fetch(device.picture(image))[0], image)
    assert device.driver.calls["copy_in"] == 2


def test_numpy_does_not_take_a_device_array_for_its_own(device):
    there = device.sent(PICTURE[..., 0].copy())
    with pytest.raises(TypeError, match="fetch it first"):
        np.asarray(there)
    with pytest.raises(TypeError):
        PICTURE[..., 0] & there
    with pytest.raises(TypeError, match="fetch it first"):
        bool(there)


def test_a_kernel_takes_numpys_numbers_and_nothing_that_it_would_misread(device):
    taken = [_argument(one) for one in (np.float32(0.5), np.float64(0.5), np.int64(3), True)]
    assert [(type(one), one.value) for one in taken] == [(c_float, 0.5), (c_float, 0.5), (c_int, 3), (c_int, 1)]
    for wrong in (None, "2", 1j):
        with pytest.raises(TypeError):
            device.run("fill_u8", device.zeros((2, 2)), wrong)


def test_masks_of_different_sizes_do_not_mix(device):
    with pytest.raises(ValueError, match="masks of one size"):
        device.zeros((4, 5)) & device.zeros((4, 6))
    with pytest.raises(ValueError, match="does not fit"):
        device.zeros((4, 5))[1:3, 1:3] = device.zeros((4, 5))


def test_other_libraries_see_the_array_and_its_stream(device):
    there = device.sent(PICTURE)
    facts = there.__cuda_array_interface__
    assert (facts["shape"], facts["typestr"], facts["strides"]) == (PICTURE.shape, "|u1", None)
    assert (facts["stream"], facts["version"]) == (device.stream, 3)
    part = there[2:, 3:9].__cuda_array_interface__
    assert part["strides"] == (180, 3, 1)
    assert part["data"][0] == facts["data"][0] + 2 * 180 + 9


@pytest.mark.parametrize(("named", "waits"), [({"stream": 99}, [99]), ({"stream": None}, []), ({}, [1])])
def test_other_libraries_arrays_are_read_after_their_stream_or_the_default_one(device, monkeypatch, named, waits):
    waited: list = []
    monkeypatch.setattr(device.driver, "wait_for", waited.append)
    theirs = PICTURE.copy()
    facts = {"shape": theirs.shape, "typestr": "|u1", "data": (theirs.ctypes.data, False), **named}
    later = device.fetch_foreign_later({"theirs": SimpleNamespace(__cuda_array_interface__=facts)})
    assert np.array_equal(later()["theirs"], PICTURE)
    assert waited == waits
