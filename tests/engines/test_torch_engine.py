"""Models that torch runs are engines like others; Mask R-CNN's instances feed selection by class and by click."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

from torch import Tensor, nn  # noqa: E402

from engines.classics import dcgan, maskrcnn  # noqa: E402
from engines.classics.maskrcnn import Instances, InstanceSegmenter  # noqa: E402
from engines.errors import EngineError  # noqa: E402
from engines.export import saved  # noqa: E402
from engines.models import find_model  # noqa: E402
from engines.runtime import load_engine  # noqa: E402
from realtime.segment import load_segmenter  # noqa: E402
from tests.engines import tiny  # noqa: E402


def found() -> Instances:
    """A car, label 3, to the left; a dog, label 18, to the right."""
    masks = torch.zeros(2, 32, 64)
    masks[0, 8:24, 4:28] = 0.9
    masks[1, 8:24, 36:60] = 0.8
    return Instances(torch.zeros(2, 4), torch.tensor([3, 18]), torch.tensor([0.9, 0.8]), masks)


def guidance(**at: tuple[int, int]) -> np.ndarray:
    """(1, 3, 32, 64), clicks of one pixel, (x, y)."""
    planes = np.zeros((1, 3, 32, 64), np.float32)
    for name, (x, y) in at.items():
        planes[0, ("before", "wanted", "unwanted").index(name), y, x] = 1
    return planes


class Finder(maskrcnn.MaskRCNN):
    """Finds the same two everywhere."""

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def forward(self, image: Any) -> Instances:
        return found()


def look(planes: np.ndarray) -> Tensor:
    return InstanceSegmenter(Finder(), [3, 18]).run(torch.zeros(1, 3, 32, 64), torch.from_numpy(planes))["object"][0, 0]


def test_classes_are_the_mattes_of_their_instances() -> None:
    outputs = InstanceSegmenter(Finder(), [18, 3, 44]).run(torch.zeros(1, 3, 32, 64), torch.zeros(0, 3, 32, 64))
    assert outputs["matte"].shape == (1, 3, 16, 32)
    dog, car, bottle = outputs["matte"][0]
    assert dog[8, 24] == pytest.approx(0.8)
    assert car[8, 8] == pytest.approx(0.9)
    assert dog[8, 8] == car[8, 24] == bottle.max() == 0
    assert outputs["object"].shape == (0, 1, 16, 32)


def test_a_click_means_the_instance_under_it_and_its_matte_means_it_again() -> None:
    first = look(guidance(wanted=(48, 16)))
    assert first[8, 24] > 0.7
    assert first[8, 8] == 0
    again = np.zeros((1, 3, 32, 64), np.float32)
    again[0, 0, 8:24, 34:58] = 0.8
    assert torch.equal(look(again), first)
    assert look(guidance(wanted=(48, 16), unwanted=(50, 16))).max() == 0
    assert look(guidance(wanted=(32, 30))).max() == 0


def test_boxes_that_a_better_one_overlaps_are_suppressed() -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]]).float()
    assert maskrcnn.suppress(boxes, torch.tensor([0.5, 0.9, 0.7]), 0.5).tolist() == [1, 2]


def test_without_its_weights_mask_rcnn_says_where_they_belong(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(EngineError, match=r"https://download.pytorch.org/.*pth \(170 MB\) and put it at .*checkpoints"):
        maskrcnn.weights_file()
    mine = tmp_path / "mine.pth"
    mine.write_bytes(b"weights")
    assert maskrcnn.weights_file(mine) == mine
    card = find_model(mine, "segmenter").card
    assert {"person", "car", "dog"} <= set(card.classes)
    with pytest.raises(EngineError, match="does not match its card"):
        card.check_model(b"weights")


def exported(folder: Path, module: nn.Module, **card: Any) -> Path:
    """A model's folder as `engines.export` writes it for torch."""
    content = saved(module)
    values = tiny.card_values() | {"runtime": "torch", "sha256": hashlib.sha256(content).hexdigest()} | card
    (folder / "card.json").write_text(json.dumps(values))
    (folder / "model.pt").write_bytes(content)
    return folder


def test_mask_rcnn_segments_pictures_and_follows_guidance(tmp_path: Path, monkeypatch: Any) -> None:
    """Randomly initialised: what it finds is chance, but it comes in the form that the eraser takes."""
    few: dict[str, Any] = {"rpn_post_nms_top_n_test": 8, "box_score_thresh": 0.0, "depth": 18, "sides": (64, 64)}
    try:
        network = maskrcnn.MaskRCNN(1, **few)
    except EngineError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(maskrcnn, "MaskRCNN", lambda classes: network)
    monkeypatch.setattr(maskrcnn, "LEAST_SCORE", 0.0)
    inputs = {"image": "float32", "guidance": "float32"}
    folder = exported(tmp_path, network, network="maskrcnn", classes=["person"], inputs=inputs)
    segmenter = load_segmenter(str(folder), threads=1)
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    height, width = segmenter.size(picture)
    matte, objects = segmenter.look(picture, ["person"], np.ones((2, 3, height, width), np.float32))
    assert matte is not None
    assert matte.shape == (height // 2, width // 2)
    assert 0 <= matte.min() <= matte.max() <= 1
    assert objects.shape == (2, height // 2, width // 2)


def test_a_torch_model_is_an_engine(tmp_path: Path, monkeypatch: Any) -> None:
    small = dcgan.DCGAN((32, 16, 16, 8))
    card: dict[str, Any] = {"task": "filler", "network": "dcgan", "multiple": 1, "sizes": [[64, 64]], "classes": []}
    folder = exported(tmp_path, small, **card)
    monkeypatch.setattr(dcgan, "DCGAN", lambda: small)
    monkeypatch.setattr(dcgan, "Search", lambda: dcgan_search)
    engine = load_engine(folder, "filler", threads=1)
    assert (engine.runtime, engine.device, engine.timing.runs) == ("torch", "cpu", 0)
    image, mask = np.full((1, 3, 80, 100), 0.5, np.float32), np.zeros((1, 1, 80, 100), np.float32)
    mask[..., 20:60, 30:70] = 1
    filled = engine.run(image=image * (1 - mask), mask=mask)["image_filled"]
    assert np.array_equal(filled[mask.repeat(3, 1) == 0], image[mask.repeat(3, 1) == 0])
    assert filled[mask.repeat(3, 1) == 1].any()
    assert engine.timing.runs == 1
    with pytest.raises(EngineError, match="takes image, mask"):
        engine.run(image=image)
    engine.close()
    with pytest.raises(EngineError, match="was closed"):
        engine.run(image=image, mask=mask)
    with pytest.raises(EngineError, match="is a torch model; choose --runtime auto"):
        load_engine(folder, "filler", runtime="onnxruntime")


dcgan_search = dcgan.Search(steps=2)
