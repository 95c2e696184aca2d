"""Networks run by name, folder or file; what does not fit is said in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engines import runtime
from engines.errors import EngineError
from engines.gpu import find_gpus
from engines.models import find_model
from engines.onnx_engine import OnnxEngine
from engines.runtime import available_models, load_engine
from tests.engines import tiny

ZEROS = np.zeros((1, 3, 32, 32), np.float32)


def test_a_folder_a_file_and_a_file_with_its_own_card_load(tmp_path: Path) -> None:
    folder = tiny.save(tmp_path / "model")
    (tmp_path / "other.onnx").write_bytes(tiny.model())
    (tmp_path / "other.json").write_text((folder / "card.json").read_text())
    for model in (folder, str(folder), folder / "model.onnx", tmp_path / "other.onnx"):
        engine = load_engine(model, "segmenter")
        assert engine.card.name == "tiny"
        assert (engine.device, engine.runtime) == ("cpu", "onnxruntime")


def test_any_multiple_and_batch_goes_through(tmp_path: Path) -> None:
    engine = load_engine(tiny.save(tmp_path), "segmenter", threads=1)
    for shape in ((1, 3, 32, 32), (2, 3, 64, 96), (1, 3, 320, 32)):
        image = np.random.default_rng(0).random(shape, np.float32)
        np.testing.assert_array_equal(engine.run(image=image)["matte"], image * 2)


def test_runs_are_timed_and_warm_up_is_not(tmp_path: Path) -> None:
    engine = load_engine(tiny.save(tmp_path), "segmenter", threads=1)
    engine.warm_up(32, 64)
    assert engine.timing == runtime.Timing(0.0, 0.0, 0)
    for _ in range(3):
        engine.run(image=ZEROS)
    assert engine.timing.runs == 3
    assert engine.timing.last > 0 < engine.timing.median


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "takes image, not nothing"),
        ({"picture": ZEROS}, "takes image, not picture"),
        ({"image": ZEROS.astype(np.uint8)}, "not uint8"),
        ({"image": ZEROS[0]}, r"as float32 \(N, 3, H, W\)"),
        ({"image": ZEROS[:, :1]}, r"as float32 \(N, 3, H, W\)"),
        ({"image": np.zeros((1, 3, 32, 40), np.float32)}, "multiples of 32 as height and width, not 32x40"),
        ({"image": np.zeros((1, 3, 0, 32), np.float32)}, "not 0x32"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(tmp_path: Path, inputs: dict[str, np.ndarray], message: str) -> None:
    engine = load_engine(tiny.save(tmp_path), "segmenter", threads=1)
    with pytest.raises(EngineError, match=message):
        engine.run(**inputs)


def test_guidance_may_be_left_out_or_hold_many_objects_of_one_image(tmp_path: Path) -> None:
    engine = load_engine(tiny.save(tmp_path, guided=True), "segmenter", threads=1)
    engine.warm_up(32, 32)
    assert not engine.run(image=np.ones((2, 3, 32, 64), np.float32))["object"].any()
    for images, objects in ((1, 1), (1, 3), (2, 2)):
        image, guidance = (np.ones((count, 3, 32, 64), np.float32) for count in (images, objects))
        outputs = engine.run(image=image, guidance=guidance)
        assert (len(outputs["matte"]), len(outputs["object"])) == (images, objects)


@pytest.mark.parametrize("shape", [(0, 3, 32, 64), (3, 3, 32, 64), (2, 3, 64, 64)])
def test_guidance_that_does_not_fit_the_images_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    engine = load_engine(tiny.save(tmp_path, guided=True), "segmenter", threads=1)
    with pytest.raises(EngineError, match="inputs of one size"):
        engine.run(image=np.ones((2, 3, 32, 64), np.float32), guidance=np.ones(shape, np.float32))


def test_a_closed_engine_says_so(tmp_path: Path) -> None:
    engine = load_engine(tiny.save(tmp_path), "segmenter", threads=1)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="was closed"):
        engine.run(image=ZEROS)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(EngineError, match=r"no segmenter .swoft.; choose one of .*swift"):
        load_engine("swoft", "segmenter")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"gone\.onnx is missing"):
        load_engine(tmp_path / "gone.onnx", "segmenter")
    with pytest.raises(EngineError, match=r"model\.onnx is missing"):
        load_engine(tmp_path, "segmenter")


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is a segmenter, not a filler"):
        load_engine(tiny.save(tmp_path), "filler")


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    tiny.save(tmp_path)
    (tmp_path / "model.onnx").write_bytes(tiny.model() + b"\0")
    with pytest.raises(EngineError, match="does not match its card"):
        load_engine(tmp_path, "segmenter")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    from hashlib import sha256

    tiny.save(tmp_path, sha256=sha256(b"no model").hexdigest())
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(EngineError, match="can't load the model"):
        load_engine(tmp_path, "segmenter")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "device is 'tpu'; choose one of auto, cpu, cuda"),
        ({"device": "cuda:1"}, "say cuda, and CUDA_VISIBLE_DEVICES=1 in the environment"),
        ({"runtime": "caffe"}, "runtime is 'caffe'"),
        ({"threads": 0}, "threads is 0"),
        ({"task": "painter"}, "task is 'painter'"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        load_engine(tiny.save(tmp_path), **({"task": "segmenter"} | options))


def test_a_gpu_that_is_not_there_is_said(tmp_path: Path) -> None:
    if find_gpus().devices:
        pytest.skip("this machine has a GPU")
    with pytest.raises(EngineError, match=r"no GPU.*--device cpu"):
        load_engine(tiny.save(tmp_path), "segmenter", device="cuda")


def test_for_a_gpu_onnxruntime_looks_into_packages_too_and_what_it_says_is_no_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if find_gpus().devices:
        pytest.skip("this machine has a GPU")
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: print("libcudnn is not found"), raising=False)
    model = find_model(tiny.save(tmp_path), "segmenter")
    with pytest.raises(EngineError, match=r"--device cpu|on cuda"):
        OnnxEngine(model.content(), model.card, device="cuda")
    said = capsys.readouterr()
    assert said.out == ""
    assert "libcudnn" in said.err


def test_fp32_on_a_gpu_has_all_of_its_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def session(model: bytes, options: object, providers: list[tuple[str, dict[str, str]]]) -> None:
        asked.extend(providers)
        raise RuntimeError("there is no GPU")

    asked: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr("onnxruntime.InferenceSession", session)
    model = find_model(tiny.save(tmp_path), "segmenter")
    with pytest.raises(EngineError, match="on cuda"):
        OnnxEngine(model.content(), model.card, device="cuda")
    assert asked == [("CUDAExecutionProvider", {"use_tf32": "0"})]


def test_a_torch_model_of_an_unknown_network_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
    folder = tiny.save(tmp_path, runtime="torch", network="abacus")
    (folder / "model.pt").write_bytes(b"")
    with pytest.raises(EngineError, match="knows no network 'abacus'"):
        load_engine(folder, "segmenter")


def test_no_models_for_a_task_without_a_folder() -> None:
    assert available_models("painter") == []


def test_running_needs_no_training_code() -> None:
    heavy = {"torch", "tensorrt", "onnxruntime", "onnx", "cv2"}
    code = f"import sys, engines.runtime; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
