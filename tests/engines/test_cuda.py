"""Memory, streams and graphs, on a stand-in for CUDA whose functions are held against the real ones."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from engines import cuda
from engines.gpu import find_gpus
from tests.engines.fake_cuda import FakeCuda


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    made = FakeCuda()
    monkeypatch.setattr(cuda, "api", lambda: made)
    return made


def test_the_stand_in_has_the_signatures_of_cuda_python() -> None:
    real = pytest.importorskip("cuda.bindings.driver", reason="cuda-python is not installed (extra `gpu`)")
    names = [name for name in vars(FakeCuda) if name.startswith(("cu", "CU"))]
    assert len(names) > 20
    for name in names:
        function = getattr(FakeCuda, name)
        if inspect.isfunction(function):
            wanted = list(inspect.signature(getattr(real, name)).parameters)
            assert len(inspect.signature(function).parameters) - 1 == len(wanted), name
        elif isinstance(function, SimpleNamespace):
            assert all(hasattr(getattr(real, name), member) for member in vars(function))
        else:
            assert getattr(real, name) == function


@pytest.mark.skipif(bool(find_gpus().devices), reason="there is a GPU, which such addresses would upset")
def test_cuda_python_takes_the_types_that_it_is_given() -> None:
    code = """
from cuda.bindings import driver as api
context, event, graph, ready = api.CUcontext(8), api.CUevent(8), api.CUgraph(8), api.CUgraphExec(8)
stream, address, mode = 8, 4096, api.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
module, function = api.CUmodule(8), api.CUfunction(8)
calls = (
    (api.cuInit, 0), (api.cuDeviceGet, 0), (api.cuDevicePrimaryCtxRetain, api.CUdevice(0)),
    (api.cuCtxSetCurrent, context),
    (api.cuMemAlloc, 64), (api.cuMemHostAlloc, 64, 0), (api.cuMemFree, address), (api.cuMemFreeHost, address),
    (api.cuMemcpyHtoDAsync, address, address, 64, stream), (api.cuMemcpyDtoHAsync, address, address, 64, stream),
    (api.cuMemcpyDtoDAsync, address, address, 64, stream), (api.cuMemsetD8Async, address, 0, 64, stream),
    (api.cuStreamCreate, api.CUstream_flags.CU_STREAM_NON_BLOCKING), (api.cuStreamDestroy, stream),
    (api.cuStreamSynchronize, stream), (api.cuStreamWaitEvent, stream, event, 0),
    (api.cuEventCreate, 0), (api.cuEventRecord, event, stream), (api.cuEventQuery, event),
    (api.cuEventElapsedTime, event, event), (api.cuEventDestroy, event),
    (api.cuStreamBeginCapture, stream, mode), (api.cuStreamEndCapture, stream),
    (api.cuGraphInstantiate, graph, 0), (api.cuGraphLaunch, ready, stream),
    (api.cuGraphExecDestroy, ready), (api.cuGraphDestroy, graph),
    (api.cuModuleLoadData, b"cubin"), (api.cuModuleGetFunction, module, b"name"), (api.cuModuleUnload, module),
    (api.cuLaunchKernel, function, 1, 1, 1, 1, 1, 1, 0, stream, address, 0),
)
for function, *arguments in calls:
    try:
        error, *results = function(*arguments)
        assert int(error) != 0, function
    except RuntimeError as error:  # the arguments are taken, and then there is no library
        assert type(error).__name__ == "DynamicLibNotFoundError", (function, error)
assert int(api.CUstream(8)) == 8
"""
    pytest.importorskip("cuda.bindings.driver", reason="cuda-python is not installed (extra `gpu`)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_array_goes_to_the_device_and_back(fake: FakeCuda) -> None:
    stream, source = cuda.Stream(), np.random.default_rng(0).random((2, 3, 4), np.float32)
    there, back = cuda.empty(source.shape, stream=stream), np.zeros_like(source)
    cuda.upload(there, source, stream)
    cuda.download(back, there, stream)
    stream.synchronize()
    np.testing.assert_array_equal(back, source)
    there.close()
    there.close()
    stream.close()
    assert not fake.memory
    assert not fake.streams


def test_memory_that_nobody_holds_is_given_back(fake: FakeCuda) -> None:
    array, pinned = cuda.empty((4,)), cuda.Pinned((4,))
    assert len(fake.memory) == 2
    del array
    pinned.close()
    assert not fake.memory


def test_other_libraries_arrays_are_read_after_their_stream_and_where_they_lie(fake: FakeCuda) -> None:
    stream, other = cuda.Stream(), cuda.Stream()
    ours = cuda.empty((2, 2))
    theirs = SimpleNamespace(__cuda_array_interface__=cuda.empty((2, 2), stream=other).__cuda_array_interface__)
    view = cuda.as_device_array(theirs)
    assert (view.shape, view.dtype.name, view.stream) == ((2, 2), "float32", other.handle)
    cuda.copy(ours, cuda.DeviceArray(ours.pointer, (2, 2), np.float32, other.handle), stream)
    assert fake.waits == [(stream.handle, other.handle)]
    facts = {"shape": (2, 2), "typestr": "<f4", "data": (ours.pointer, False), "strides": (4, 8), "version": 3}
    with pytest.raises(cuda.CudaError, match="must be C-contiguous"):
        cuda.as_device_array(SimpleNamespace(__cuda_array_interface__=facts))
    packed = cuda.as_device_array(SimpleNamespace(__cuda_array_interface__=facts | {"strides": (8, 4)}))
    assert packed.pointer == ours.pointer


@pytest.mark.parametrize(("named", "stream"), [({}, 1), ({"stream": None}, None), ({"stream": 7}, 7)])
def test_an_array_that_names_no_stream_is_read_after_the_default_one(
    fake: FakeCuda, named: dict[str, int | None], stream: int | None
) -> None:
    facts = {"shape": (4,), "typestr": "<f4", "data": (64, False), "strides": None, "version": 2}
    assert cuda.as_device_array(SimpleNamespace(__cuda_array_interface__=facts | named)).stream == stream


def test_a_stream_does_not_wait_for_itself(fake: FakeCuda) -> None:
    stream = cuda.Stream()
    stream.wait_for(stream)
    stream.wait_for(None)
    assert not fake.waits


def test_a_graph_does_on_launch_what_was_recorded(fake: FakeCuda) -> None:
    stream, source, back = cuda.Stream(), np.ones(4, np.float32), np.zeros(4, np.float32)
    there = cuda.empty((4,))

    def there_and_back() -> None:
        cuda.upload(there, source, stream)
        cuda.download(back, there, stream)

    graph = cuda.Graph(stream, there_and_back)
    assert not back.any()
    source[:] = 7
    graph.launch()
    assert (back == 7).all()
    graph.close()


def test_a_failed_recording_leaves_the_stream_usable(fake: FakeCuda) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    stream = cuda.Stream()
    with pytest.raises(ZeroDivisionError):
        cuda.Graph(stream, fail)
    stream.synchronize()


def test_events_tell_the_time_between_them(fake: FakeCuda) -> None:
    stream = cuda.Stream()
    before, after = cuda.Event(), cuda.Event()
    before.record(stream)
    after.record(stream)
    assert after.passed
    assert after.milliseconds_since(before) == 0.25


def test_an_error_names_the_function(fake: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "cuMemAlloc", lambda size: (2, None))
    with pytest.raises(cuda.CudaError, match="cuMemAlloc failed: 2"):
        cuda.empty((1 << 20,))


def test_a_function_that_the_driver_is_too_old_for_is_an_error_in_words(
    fake: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(size: int) -> None:
        raise RuntimeError('Function "cuMemAlloc_v3" not found')

    monkeypatch.setattr(fake, "cuMemAlloc", missing)
    with pytest.raises(cuda.CudaError, match="not found; update the NVIDIA driver"):
        cuda.empty((4,))


@pytest.mark.gpu
def test_on_a_gpu_arrays_come_back_and_graphs_replay() -> None:
    stream, source = cuda.Stream(), cuda.Pinned((256, 256))
    back, there = cuda.Pinned((256, 256)), cuda.empty((256, 256))
    source.array[:] = np.random.default_rng(0).random((256, 256), np.float32)

    def there_and_back() -> None:
        cuda.upload(there, source.array, stream)
        cuda.download(back.array, there, stream)

    graph = cuda.Graph(stream, there_and_back)
    graph.launch()
    stream.synchronize()
    np.testing.assert_array_equal(back.array, source.array)
