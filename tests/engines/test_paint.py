"""What Mask R-CNN finds is listed, painted over where it is to go, and turned into background."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
cv2 = pytest.importorskip("cv2")

from torch import nn  # noqa: E402

from engines import paint  # noqa: E402
from engines.classics import maskrcnn  # noqa: E402
from engines.errors import EngineError  # noqa: E402

BACKGROUND = [90, 90, 90]


class Street(maskrcnn.MaskRCNN):
    """A person to the left, a car to the right; they touch."""

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def forward(self, image: Any) -> maskrcnn.Instances:
        masks = torch.zeros(2, *image.shape[1:])
        masks[0, 64:128, 32:96] = 0.9
        masks[1, 64:128, 96:160] = 0.8
        boxes = torch.tensor([[32.0, 64, 96, 128], [96, 64, 160, 128]])
        return maskrcnn.Instances(boxes, torch.tensor([1, 3]), torch.tensor([0.9, 0.8]), masks)


@pytest.fixture
def street(tmp_path: Path, monkeypatch: Any) -> Path:
    """A plain picture in which the two are found."""

    def load(card: Any, file: Path) -> maskrcnn.InstanceSegmenter:
        return maskrcnn.InstanceSegmenter(Street(), [1, 2, 3, *range(100, 177)])  # as many as the card has classes

    monkeypatch.setattr(maskrcnn, "load", load)
    cv2.imwrite(str(tmp_path / "street.png"), np.full((192, 224, 3), BACKGROUND, np.uint8))
    return tmp_path / "street.png"


def run(street: Path, *more: str) -> int:
    return paint.main([str(street), "--out", str(street.parent), *more])


def picture(street: Path, name: str) -> np.ndarray:
    return cv2.imread(str(street.with_name(name)))


def test_what_is_found_is_numbered_and_listed(street: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(street) == 0
    entries = json.loads(street.with_name("found.json").read_text())
    assert [(entry["number"], entry["class"]) for entry in entries] == [(1, "person"), (2, "car")]
    assert entries[0]["box"] == [32, 64, 96, 128]
    assert cv2.imread(str(street.with_name(entries[1]["mask"])), 0)[100, 110] == 255
    assert "2: car, score 0.80, box 96,64 to 160,128" in capsys.readouterr().out
    assert not street.with_name("painted.png").exists()


def test_what_is_kept_shows_and_what_is_removed_is_painted_over(street: Path) -> None:
    for choice in (["--keep", "car"], ["--remove", "1"], ["--keep", "2"], ["--remove", "person"]):
        assert run(street, *choice, "--hue", "20ff40") == 0
        painted = picture(street, "painted.png")
        assert painted[100, 60].tolist() == [64, 255, 32]
        assert painted[100, 31].tolist() == [64, 255, 32], "the hole is grown"
        assert (painted[64:128, 96:] == BACKGROUND).all(), "but not over what is kept"
    assert run(street, "--remove", "1,car", "--noise") == 0
    assert picture(street, "painted.png")[64:128, 32:160].std() > 50


def test_a_filler_turns_the_paint_into_background(street: Path) -> None:
    assert run(street, "--remove", "person,car", "--fill", "swift") == 0
    filled = picture(street, "filled.png").astype(int)
    assert np.abs(filled - BACKGROUND).max() < 30
    hole = picture(street, "hole.png")[..., 0] > 0
    assert (filled[~hole] == BACKGROUND).all()


def test_a_picture_that_can_not_be_written_is_said_in_a_line(street: Path, capsys: pytest.CaptureFixture[str]) -> None:
    street.with_name("found.png").mkdir()
    assert run(street) == 1
    assert "found.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--remove", "cat"], "'cat' was not found in the picture; found: 1 person, 2 car"),
        (["--remove", "3"], "'3' was not found"),
        (["--keep", "person,car"], "nothing is left to paint over"),
        (["--remove", "1", "--hue", "pink"], "--hue takes six hexadecimal digits"),
        (["--fill", "swift"], "--fill needs --keep or --remove"),
        (["--remove", "1", "--segmenter", "swift"], "swift tells no instances apart"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_line(
    street: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert run(street, *more) == 1
    assert message in capsys.readouterr().err


def test_without_torchvisions_weights_the_line_names_file_address_size_and_place(
    tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    cv2.imwrite(str(tmp_path / "street.png"), np.zeros((32, 32, 3), np.uint8))
    assert run(tmp_path / "street.png") == 1
    said = capsys.readouterr().err
    place = tmp_path / "hub" / "hub" / "checkpoints" / maskrcnn.FILE
    assert f"fetch https://download.pytorch.org/models/{maskrcnn.FILE} (170 MB) and put it at {place}" in said


def test_a_randomly_initialised_network_finds_instances_in_the_same_form(monkeypatch: Any) -> None:
    few: dict[str, Any] = {"rpn_post_nms_top_n_test": 8, "box_score_thresh": 0.0, "depth": 18, "sides": (64, 64)}
    try:
        network = maskrcnn.MaskRCNN(1, **few)
    except EngineError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(maskrcnn, "LEAST_SCORE", 0.0)
    monkeypatch.setattr(maskrcnn, "load", lambda card, file: maskrcnn.InstanceSegmenter(network, [1, *range(2, 81)]))
    found = paint.find("maskrcnn", np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
    assert found
    assert {one.kind for one in found} == {"person"}
    assert all(one.mask.shape == (64, 96) and len(one.box) == 4 for one in found)
