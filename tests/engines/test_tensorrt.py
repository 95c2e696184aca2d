"""Engines are built, checked, cached and run on every TensorRT from 8.6 to 11, and on TensorRT-RTX.

No GPU is needed: TensorRT and CUDA are stand-ins, which offer what the real bindings of each version offer. What only a
GPU can show carries the mark `gpu`.
"""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines import build, cuda, tensorrt_engine
from engines.build import Options, load_all, load_tensorrt
from engines.cache import EngineCache, Key
from engines.errors import EngineError
from engines.gpu import Gpu, Gpus
from engines.guided import GuidedEngine
from engines.models import Model, find_model
from engines.tensorrt_engine import SLOTS, TensorRtEngine
from tests.engines import tiny
from tests.engines.bindings import VERSIONS, Offer, offer_of
from tests.engines.fake_cuda import FakeCuda
from tests.engines.fake_tensorrt import FakeTensorRt

IMAGE = np.random.default_rng(0).random((1, 3, 32, 64), np.float32)


@pytest.fixture(scope="session", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> tuple[str, Offer]:
    """A version of TensorRT and what its bindings offer."""
    assert request.config.cache is not None
    return request.param, offer_of(request.param, request.config.cache.mkdir("tensorrt-bindings"))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    made = FakeCuda()
    gpus = Gpus((Gpu("Test GPU", (8, 9), 8 << 30),), (13, 0), "")
    monkeypatch.setattr(cuda, "api", lambda: made)
    monkeypatch.setattr(build, "find_gpus", lambda: gpus)
    monkeypatch.setattr(tensorrt_engine, "find_gpus", lambda: gpus)
    monkeypatch.setattr(build, "lack_of", lambda place: "")
    return made


@pytest.fixture
def trt(fake: FakeCuda, version: tuple[str, Offer], monkeypatch: pytest.MonkeyPatch) -> FakeTensorRt:
    made = FakeTensorRt(*version, fake)
    monkeypatch.setattr(build, "tensorrt_module", lambda: made)
    return made


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "cache")


def tiny_model(folder: Path, trt: FakeTensorRt, guided: bool = False) -> Model:
    """The doubling network, with graphs for GPUs."""
    trt.inputs = ("image", "guidance") if guided else ("image",)
    graphs, unguided = {}, {}
    folder.mkdir(parents=True, exist_ok=True)
    for precision in ("fp16", "mixed", "fp32", "int8"):
        content = f"{precision} {guided}".encode()
        (folder / f"gpu.{precision}.onnx").write_bytes(content)
        graphs[precision] = hashlib.sha256(content).hexdigest()
        if guided:
            (folder / f"gpu.{precision}.unguided.onnx").write_bytes(content + b" alone")
            unguided[precision] = hashlib.sha256(content + b" alone").hexdigest()
    return find_model(tiny.save(folder, guided, graphs=graphs, unguided=unguided), "segmenter")


def load(model: Model, cache: EngineCache, said: list[str] | None = None, **options: Any) -> TensorRtEngine:
    given = Options(**options) if options else None
    lines: list[str] = [] if said is None else said
    return load_tensorrt(model, given, cache=cache, say=lines.append)


def test_an_engine_gives_the_models_answers(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache) -> None:
    said: list[str] = []
    engine = load(tiny_model(tmp_path, trt), cache, said)
    for _ in range(3):
        np.testing.assert_array_equal(engine.run(image=IMAGE)["matte"], IMAGE * 2)
    assert (engine.runtime, engine.device, engine.precision) == ("tensorrt", "cuda", "fp16")
    assert engine.timing.runs == 4  # the gate's own among them
    assert engine.layers == {"FP16": 1, "other": 1}
    assert said[0].startswith("building the segmenter tiny in FP16 for Test GPU: it takes a minute")
    assert "mean_difference 0" in said[1]


def test_types_are_asked_for_as_the_version_wants_it(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache) -> None:
    model = tiny_model(tmp_path, trt)
    for precision in ("fp16", "mixed", "fp32", "int8"):
        load(model, cache, precision=precision)
    jobs = [(job["graph"], job["flags"], job["allowed"]) for job in trt.built]
    major = trt.__version__.split(".")[0]
    flags = {"8": ["EXPLICIT_BATCH"], "10": ["STRONGLY_TYPED"]}.get(major, [])
    half = ["FP16", "PREFER_PRECISION_CONSTRAINTS"]
    allowed = [half, half, [], ["FP16", "INT8"]] if major == "8" else [[], [], [], []]
    graphs = ["gpu.fp16.onnx", "gpu.mixed.onnx", "gpu.fp32.onnx", "gpu.int8.onnx"]
    kept = [["full"], ["full"], [], []] if major == "8" else [[], [], [], []]  # the others keep to the graph themselves
    assert [job["kept"] for job in trt.built] == kept
    assert [job["tf32"] for job in trt.built] == [True, False, False, True]  # TF32 has as few digits as FP16
    assert all(bool(job["sources"]) == (major == "8") for job in trt.built)  # the others need no cuDNN by themselves
    assert jobs == [(graph, flags, kinds) for graph, kinds in zip(graphs, allowed, strict=True)]


def test_sides_that_do_not_vary_are_told_to_the_network(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache) -> None:
    model = tiny_model(tmp_path, trt, guided=True)
    load(model, cache)
    load(model, cache, sizes=((32, 64),))
    assert [job["fixed"] for job in trt.built] == [[(1, 3, -1, -1), (-1, 3, -1, -1)], [(1, 3, 32, 64), (-1, 3, 32, 64)]]


def test_a_model_without_graphs_gets_fp16_from_tensorrt_or_a_word_how(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache
) -> None:
    model = find_model(tiny.save(tmp_path), "segmenter")
    if trt.__version__.split(".")[0] in ("8", "10"):
        load(model, cache)
        assert (trt.built[0]["graph"], trt.built[0]["allowed"]) == ("model.onnx", ["FP16"])
        assert "STRONGLY_TYPED" not in trt.built[0]["flags"]
    else:
        with pytest.raises(EngineError, match=r"says FP32; `python -m engines\.graphs"):
            load(model, cache)
        assert load(model, cache, precision="fp32").precision == "fp32"
    with pytest.raises(EngineError, match=r"has no graph in INT8; `python -m calib\.precision`"):
        load(model, cache, precision="int8")


def test_from_the_third_run_on_only_a_graph_is_launched_and_nothing_is_allocated(
    tmp_path: Path, trt: FakeTensorRt, fake: FakeCuda, cache: EngineCache
) -> None:
    engine = load(tiny_model(tmp_path, trt), cache)
    for _ in range(2):
        engine.run(image=IMAGE)
    fake.calls.clear()
    engine.run(image=IMAGE)
    calls = [name for name in fake.calls if name.startswith(("cu", "execute"))]
    assert calls == ["cuMemcpyHtoDAsync", "cuGraphLaunch", "cuMemcpyDtoHAsync", "cuStreamSynchronize"]


def test_each_shape_has_its_own_context_and_graph(
    tmp_path: Path, trt: FakeTensorRt, fake: FakeCuda, cache: EngineCache
) -> None:
    engine = load(tiny_model(tmp_path, trt), cache)
    images = [IMAGE, np.ones((1, 3, 64, 32), np.float32), np.ones((1, 3, 32, 32), np.float32)]
    for _ in range(3):
        for image in images:
            np.testing.assert_array_equal(engine.run(image=image)["matte"], image * 2)
    assert fake.calls.count("cuGraphInstantiate") == trt.contexts == 3
    engine.close()
    assert not fake.memory
    assert not fake.streams


def test_shapes_that_were_not_used_for_longest_make_room(
    tmp_path: Path, trt: FakeTensorRt, fake: FakeCuda, cache: EngineCache
) -> None:
    engine = load(tiny_model(tmp_path, trt), cache, sizes=((32, 32), (32, 64), (32 * SLOTS + 32, 64)))
    kept = []
    for count in range(1, SLOTS + 2):
        engine.run(image=np.ones((1, 3, 32 * count, 64), np.float32))
        kept.append(len(fake.memory))
    assert kept[-1] == kept[-2]
    assert engine.run(image=IMAGE)["matte"].shape == IMAGE.shape


def test_arrays_on_the_device_stay_there_and_nothing_is_waited_for(
    tmp_path: Path, trt: FakeTensorRt, fake: FakeCuda, cache: EngineCache
) -> None:
    engine, theirs = load(tiny_model(tmp_path, trt), cache), cuda.Stream()
    image = cuda.empty(IMAGE.shape, stream=theirs)
    cuda.upload(image, IMAGE, theirs)
    for _ in range(3):
        fake.calls.clear()
        matte = engine.run(image=image)["matte"]
        assert isinstance(matte, cuda.DeviceArray)
        assert matte.stream == engine.stream.handle
        assert fake.waits[-1] == (engine.stream.handle, theirs.handle)
        assert "cuStreamSynchronize" not in fake.calls
        back = np.zeros_like(IMAGE)
        cuda.download(back, matte, theirs)
        np.testing.assert_array_equal(back, IMAGE * 2)
        assert "cuMemAlloc" not in fake.calls
    assert engine.timing.last == 0.25  # by the GPU's own clock


def test_a_run_whose_time_can_not_be_told_gives_its_answer_all_the_same(
    tmp_path: Path, trt: FakeTensorRt, fake: FakeCuda, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, stream = load(tiny_model(tmp_path, trt), cache), cuda.Stream()
    image, back = cuda.empty(IMAGE.shape, stream=stream), np.zeros_like(IMAGE)
    cuda.upload(image, IMAGE, stream)
    runs = engine.timing.runs
    monkeypatch.setattr(fake, "cuEventElapsedTime", lambda start, end: (600, None))
    for _ in range(3):
        cuda.download(back, engine.run(image=image)["matte"], stream)
        np.testing.assert_array_equal(back, IMAGE * 2)
    assert engine.timing.runs == runs


def test_an_engine_that_one_thread_loaded_runs_in_another(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache
) -> None:
    engine = load(tiny_model(tmp_path, trt), cache)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(3):
            np.testing.assert_array_equal(pool.submit(engine.run, image=IMAGE).result()["matte"], IMAGE * 2)


def test_arrays_half_on_the_device_are_refused(
    tmp_path: Path, trt: FakeTensorRt, fake: FakeCuda, cache: EngineCache
) -> None:
    engine = load(tiny_model(tmp_path, trt, guided=True), cache)
    with pytest.raises(EngineError, match="all inputs on the device, or none"):
        engine.run(image=cuda.empty(IMAGE.shape), guidance=IMAGE)
    with pytest.raises(EngineError, match=r"has no range for .* on the device"):
        engine.run(image=cuda.empty((2, 3, 32, 64)), guidance=cuda.empty((2, 3, 32, 64)))


def test_guidance_may_be_left_out_or_hold_more_objects_than_the_engine_takes(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache
) -> None:
    engine = load(tiny_model(tmp_path, trt, guided=True), cache)
    guidance = np.random.default_rng(1).random((19, 3, 32, 64), np.float32)
    for _ in range(2):
        outputs = engine.run(image=IMAGE, guidance=guidance)
        np.testing.assert_array_equal(outputs["object"], guidance * 2)
        np.testing.assert_array_equal(outputs["matte"], IMAGE * 2)
        assert not engine.run(image=IMAGE)["object"].any()
        np.testing.assert_array_equal(engine.run(image=IMAGE, guidance=guidance[:1])["object"], guidance[:1] * 2)


def test_frames_without_guidance_do_not_pay_for_the_object(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "EngineCache", lambda: cache)
    model = tiny_model(tmp_path, trt, guided=True)
    engine = load_all(model)
    assert isinstance(engine, GuidedEngine)
    assert [job["graph"] for job in trt.built] == ["gpu.fp16.onnx", "gpu.fp16.unguided.onnx"]
    assert [list(job["shapes"]) for job in trt.built] == [["image", "guidance"], ["image"]]
    engine.warm_up(32, 64)
    alone = engine.run(image=IMAGE)
    assert alone.keys() == {"matte"}
    both = engine.run(image=IMAGE, guidance=IMAGE)
    np.testing.assert_array_equal(both["object"], IMAGE * 2)
    for answers in (alone, both):
        np.testing.assert_array_equal(answers["matte"], IMAGE * 2)
    shapes: dict[str, tuple[int, ...]] = {"image": (1, 3, 32, 64)}
    assert engine.takes(shapes)
    assert not engine.takes(shapes | {"guidance": (9, 3, 32, 64)})
    load_all(model).close()
    assert len(trt.built) == 2  # both are in the cache
    engine.close()
    with pytest.raises(EngineError, match="was closed"):
        engine.run(image=IMAGE)


def test_where_the_part_for_people_can_not_be_built_the_whole_network_runs_in_every_frame(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "EngineCache", lambda: cache)
    trt.broken = ("unguided",)
    engine = load_all(tiny_model(tmp_path, trt, guided=True))
    assert isinstance(engine, TensorRtEngine)
    assert not engine.run(image=IMAGE)["object"].any()


def test_many_pictures_go_through_one_by_one(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache) -> None:
    engine = load(tiny_model(tmp_path, trt, guided=True), cache)
    images = np.random.default_rng(1).random((3, 3, 32, 64), np.float32)
    outputs = engine.run(image=images, guidance=images[::-1].copy())
    np.testing.assert_array_equal(outputs["matte"], images * 2)
    np.testing.assert_array_equal(outputs["object"], images[::-1] * 2)
    assert not engine.run(image=images)["object"].any()


def test_sizes_outside_the_range_run_on_the_cpu_and_that_is_said(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache, caplog: pytest.LogCaptureFixture
) -> None:
    engine = load(tiny_model(tmp_path, trt), cache, sizes=((32, 64),))
    large = np.ones((1, 3, 64, 64), np.float32)
    for _ in range(2):
        np.testing.assert_array_equal(engine.run(image=large)["matte"], large * 2)
    assert caplog.text.count("at 64x64 runs on the cpu, far slower: the engine takes 32x64 to 32x64") == 1


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "takes image, not nothing"),
        ({"image": IMAGE.astype(np.uint8)}, "not uint8"),
        ({"image": IMAGE[0]}, r"as float32 \(N, 3, H, W\)"),
        ({"image": np.zeros((1, 3, 32, 40), np.float32)}, "multiples of 32"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache, inputs: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        load(tiny_model(tmp_path, trt), cache).run(**inputs)


def test_a_closed_engine_says_so(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache) -> None:
    engine = load(tiny_model(tmp_path, trt), cache)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="was closed"):
        engine.run(image=IMAGE)


def test_warming_up_records_the_graph_and_counts_for_nothing(
    tmp_path: Path, trt: FakeTensorRt, fake: FakeCuda, cache: EngineCache
) -> None:
    model = tiny_model(tmp_path, trt)
    load(model, cache).close()
    engine = load(model, cache)
    engine.warm_up(32, 64)
    assert engine.timing.runs == 0
    fake.calls.clear()
    engine.run(image=IMAGE)
    assert "cuGraphLaunch" in fake.calls
    assert "execute_async_v3" not in fake.calls


def test_contexts_of_rtx_share_their_kernels(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache) -> None:
    if not hasattr(trt, "IRuntimeCache"):
        pytest.skip("this TensorRT makes its kernels when it builds")
    engine = load(tiny_model(tmp_path, trt), cache)
    for side in (32, 64):
        engine.run(image=np.ones((1, 3, side, 32), np.float32))
    assert len(trt.kernels) == 3  # with the gate's own
    assert trt.kernels[0] is not None
    assert len(set(map(id, trt.kernels))) == 1


def test_what_rtx_can_not_record_is_queued_each_time(
    tmp_path: Path, trt: FakeTensorRt, fake: FakeCuda, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"):
        pytest.skip("this TensorRT does not tell")
    monkeypatch.setattr("tests.engines.fake_tensorrt._Context.is_stream_capturable", lambda context, stream: False)
    engine = load(tiny_model(tmp_path, trt), cache)
    for _ in range(3):
        np.testing.assert_array_equal(engine.run(image=IMAGE)["matte"], IMAGE * 2)
    assert "cuStreamBeginCapture" not in fake.calls


def test_where_recording_fails_the_network_is_queued_each_time(
    tmp_path: Path, trt: FakeTensorRt, fake: FakeCuda, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load(tiny_model(tmp_path, trt), cache)
    monkeypatch.setattr(fake, "cuGraphInstantiate", lambda graph, flags: (900, None))
    for _ in range(3):
        np.testing.assert_array_equal(engine.run(image=IMAGE * 1)["matte"], IMAGE * 2)


def test_what_was_built_is_loaded_the_next_time(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache) -> None:
    model = tiny_model(tmp_path, trt)
    load(model, cache, sizes=((32, 64), (64, 64)))
    engine = load(model, cache)
    assert len(trt.built) == 1
    assert engine.ranges["image"].largest == (1, 3, 64, 64)  # what was asked for last time holds


def test_what_was_built_for_a_measurement_is_not_what_is_loaded_afterwards(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache
) -> None:
    model = tiny_model(tmp_path, trt)
    for precision in ("fp16", "fp32"):
        load_tensorrt(model, Options(precision), cache=cache, say=lambda line: None, aside=True)
    assert load(model, cache).precision == "fp16"  # the default, which need not be built once more
    assert len(trt.built) == 2
    load(model, cache, precision="mixed")
    load_tensorrt(model, Options("int8"), cache=cache, say=lambda line: None, aside=True)
    assert load(model, cache).precision == "mixed"


def test_whoever_wants_the_same_engine_at_once_waits_for_the_one_that_builds_it(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_looked = threading.Barrier(2)
    looked: set[int] = set()
    whole = cache.load

    def look(key: Key) -> Any:
        found = whole(key)
        if threading.get_ident() not in looked:
            looked.add(threading.get_ident())
            both_looked.wait(30)  # neither has found it, so both go for the lock
        return found

    monkeypatch.setattr(cache, "load", look)
    model, engines = tiny_model(tmp_path, trt), []
    threads = [threading.Thread(target=lambda: engines.append(load(model, cache))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(engines) == 2
    assert len(trt.built) == 1


def test_another_model_version_or_gpu_has_an_engine_of_its_own(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(tmp_path / "one", trt)
    load(model, cache)
    load(tiny_model(tmp_path / "two", trt), cache)
    assert len(trt.built) == 1  # the same model from another place is the same
    trt.__version__ += ".7"
    load(model, cache)
    monkeypatch.setattr(build, "find_gpus", lambda: Gpus((Gpu("Other GPU", (9, 0), 1),), (13, 0), ""))
    load(model, cache)
    assert len(trt.built) == 3
    assert len(cache.entries()[0]) == 3


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied", "foreign", "refused by TensorRT"])
def test_a_damaged_engine_is_built_again(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache, damage: str) -> None:
    model = tiny_model(tmp_path, trt)
    load(model, cache)
    (entry,), _ = cache.entries()
    content = entry.path.read_bytes()
    if damage == "refused by TensorRT":
        cache.store(entry.key, b"no plan", {})
    else:
        contents = {"cut": content[:-5], "changed": content[:-1] + b"!", "emptied": b"", "foreign": b"hello\nworld"}
        entry.path.write_bytes(contents[damage])
    np.testing.assert_array_equal(load(model, cache).run(image=IMAGE)["matte"], IMAGE * 2)
    assert len(trt.built) == 2
    load(model, cache)
    assert len(trt.built) == 2


@pytest.mark.parametrize(("broken", "taken"), [(("fp16",), "mixed"), (("fp16", "mixed"), "fp32"), (("int8",), "fp16")])
def test_an_engine_with_wrong_answers_is_refused_with_the_figures_and_the_next_precision_is_taken(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache, broken: tuple[str, ...], taken: str
) -> None:
    trt.broken = broken
    asked = "int8" if "int8" in broken else "fp16"
    said: list[str] = []
    assert load(tiny_model(tmp_path, trt), cache, said, precision=asked).precision == taken
    refusals = [line for line in said if "does not give the model's answers: mean_difference" in line]
    tried = [job["graph"].split(".")[1] for job in trt.built]
    assert tried[-1] == taken
    assert len(refusals) == len([entry for entry in cache.entries()[0] if entry.refused]) == len(tried) - 1
    assert load(tiny_model(tmp_path, trt), cache).precision == taken
    load(tiny_model(tmp_path, trt), cache, precision=asked)
    assert len(trt.built) == len(tried)  # what was refused once is not built again


def test_a_model_without_a_mixed_graph_goes_from_fp16_to_fp32(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache
) -> None:
    model = tiny_model(tmp_path, trt)
    del model.card.graphs["mixed"]
    trt.broken = ("fp16",)
    assert load(model, cache).precision == "fp32"
    with pytest.raises(EngineError, match=r"has no graph in MIXED; `python -m engines\.graphs"):
        load(model, cache, precision="mixed")


def test_no_engine_is_used_when_all_are_wrong(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache) -> None:
    trt.broken = ("model",)
    model = find_model(tiny.save(tmp_path), "segmenter")  # it has no graphs: FP32 is what each version can build
    with pytest.raises(EngineError, match="at any precision; choose another --runtime"):
        load(model, cache, precision="fp32")


def test_the_timing_cache_of_one_build_helps_the_next(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache) -> None:
    model = tiny_model(tmp_path, trt)
    load(model, cache)
    load(model, cache, precision="fp32")
    cache.timing("Test GPU", f"tensorrt {trt.__version__}").write_bytes(b"another GPU's")
    load(model, cache, precision="int8")
    assert [job["timing"] for job in trt.built] == ["", "learnt", ""]


def test_a_build_tells_how_far_it_is_and_can_be_interrupted(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(trt, "IProgressMonitor"):
        pytest.skip("this TensorRT does not tell")
    shares: list[float] = []
    monkeypatch.setattr(build, "_show_progress", shares.append)
    model = tiny_model(tmp_path, trt)
    load(model, cache)
    assert shares == [0.5, 1.0]

    def interrupt(share: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "_show_progress", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(model, cache, precision="fp32")
    assert len(cache.entries()[0]) == 1


def test_a_graph_that_tensorrt_can_not_read_is_said_in_its_words(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache
) -> None:
    with pytest.raises(EngineError, match=r"can't read .*gpu\.fp16\.onnx \(an operator is unknown\)"):
        load(tiny_model(tmp_path / "unreadable", trt), cache)


def test_a_cache_that_can_not_be_written_does_not_stop_the_engine(
    tmp_path: Path, trt: FakeTensorRt, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("engines.cache.write_whole", fail)
    monkeypatch.setattr(build, "write_whole", fail)
    said: list[str] = []
    engine = load(tiny_model(tmp_path, trt), cache, said)
    np.testing.assert_array_equal(engine.run(image=IMAGE)["matte"], IMAGE * 2)
    assert any("no space left" in line for line in said)


def test_sizes_that_make_no_sense_are_refused(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache) -> None:
    model = tiny_model(tmp_path, trt)
    with pytest.raises(EngineError, match="multiples of 32 as height and width, not 100x64"):
        load(model, cache, sizes=((100, 64),))
    with pytest.raises(EngineError, match="from the smallest to the largest"):
        load(model, cache, sizes=((64, 64), (32, 32)))


def test_a_tensorrt_that_does_not_start_is_said(tmp_path: Path, trt: FakeTensorRt, cache: EngineCache) -> None:
    model = tiny_model(tmp_path, trt)
    load(model, cache)
    trt.dead = True
    with pytest.raises(EngineError, match="TensorRT does not start"):
        load(model, cache)  # from the cache, which fails, and then anew


def test_building_and_running_need_numpy_alone_beside_tensorrt_and_cuda() -> None:
    others = {"onnx", "onnxruntime", "torch", "cv2", "av", "click", "rich"}
    code = f"import sys, benchmarks.engine_run, engines.build; print(sorted({others} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_a_gpu_nothing_of_tensorrt_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    class Untouchable:
        __version__ = "8.6.1"

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked for")

    monkeypatch.setattr(tensorrt_engine, "find_gpus", lambda: Gpus((), (0, 0), "there is no NVIDIA driver"))
    with pytest.raises(EngineError, match="TensorRT needs a GPU: there is no NVIDIA driver"):
        TensorRtEngine(Untouchable(), b"", None, "fp16")  # type: ignore[arg-type]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp16", "mixed"])
@pytest.mark.parametrize("task", ["segmenter", "filler"])
def test_on_a_gpu_the_default_models_pass_the_gate(task: str, precision: str, tmp_path: Path) -> None:
    model = find_model("swift", task)
    for part in filter(None, (model, model.unguided())):
        engine = load_tensorrt(part, Options(precision), cache=EngineCache(tmp_path), say=logging.info)
        assert engine.precision == precision
        engine.close()


@pytest.mark.gpu
@pytest.mark.parametrize("task", ["segmenter", "filler"])
def test_on_a_gpu_graphs_enqueued_runs_and_device_arrays_agree(task: str) -> None:
    engine = load_tensorrt(find_model("swift", task))
    inputs = {name: np.random.default_rng(0).random((1, allowed.usual[1], 160, 256), np.float32)
              for name, allowed in engine.ranges.items()}  # fmt: skip
    first, second, third = (engine.run(**inputs) for _ in range(3))
    there = {name: cuda.empty(array.shape, stream=engine.stream) for name, array in inputs.items()}
    for name, array in inputs.items():
        cuda.upload(there[name], array, engine.stream)
    on_device = engine.run(**there)
    for name, answer in first.items():
        back = np.empty_like(answer)
        cuda.download(back, on_device[name], engine.stream)
        engine.stream.synchronize()
        for other in (second[name], third[name], back):
            np.testing.assert_allclose(other, answer, atol=1e-3)
    engine.close()
