"""The threshold and growth that leave least of people and damage least, found on labelled pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from calib import thresholds
from calib.damage import study
from calib.labelled import composites
from engines.augment import UNSURE
from engines.card import load_card
from engines.data import Picture
from realtime.masks import ON
from realtime.segment import Segmenter, centred, load_segmenter
from tests.realtime.fakes import RedEngine
from tests.realtime.pictures import disc

tiny = pytest.importorskip("tests.calib.networks", reason="onnx is not installed (extra `train`)")
CLASSES = ("person",)


class SoftEngine(RedEngine):
    """Takes the red channel for its matte."""

    def run(self, image):
        matte = image[:, :1, ::2, ::2]
        return {"matte": np.concatenate([matte, np.zeros_like(matte)], axis=1)}


def soft_segmenter():
    return Segmenter(SoftEngine())


def picture(sure: int = 30, unsure: int = 0, true: int = 30) -> Picture:
    """A person of radius `true`; the network is sure of them up to `sure`, and gives 0.4 up to `unsure` pixels."""
    size = 192, 320
    red = np.maximum(disc(*size, 160, 96, sure), disc(*size, 160, 96, unsure) // 255 * 102 if unsure else 0)
    return Picture("person_0", np.dstack([red * 0, red * 0, red]).astype(np.uint8), disc(*size, 160, 96, true))


def best(pictures: list[Picture], weight: float = 4.0) -> tuple[float, float]:
    found = study(soft_segmenter(), pictures, (0.3, 0.5, 0.7), (0.0, 0.02, 0.04))
    row, column = found.best(weight)
    return found.thresholds[row], found.growths[column]


def test_a_mask_that_fits_is_not_grown() -> None:
    assert best([picture()])[1] == 0.0


def test_a_mask_that_is_too_small_is_grown() -> None:
    assert best([picture(sure=26)])[1] == 0.02


def test_where_the_network_is_right_to_be_unsure_the_threshold_is_low_and_where_it_is_wrong_high() -> None:
    assert best([picture(sure=20, unsure=30)])[0] == 0.3
    assert best([picture(sure=30, unsure=45)])[0] > 0.4


def test_the_more_leftover_weighs_the_larger_is_the_hole() -> None:
    pictures = [picture(sure=26), picture(sure=31), picture(sure=28)]
    growths = [best(pictures, weight)[1] for weight in (0.1, 1.0, 100.0)]
    assert growths == sorted(growths)
    assert growths[0] < growths[-1]


def test_boxes_leave_nothing_but_damage_most() -> None:
    found = study(soft_segmenter(), [picture()], (0.5,), (0.0,))
    assert found.box_leftover[0] <= found.leftover[0, 0]
    assert found.box_damage[0] > 5 * found.damage[0, 0]
    assert found.iou[0] > 0.9


def test_what_labels_are_unsure_of_is_neither_left_over_nor_damaged() -> None:
    whole = picture(sure=36, true=36)
    assert whole.mask is not None
    unsure = np.where(disc(192, 320, 160, 96, 30) > 0, whole.mask, whole.mask // 255 * UNSURE)
    exact, rimmed = (study(soft_segmenter(), [each], (0.5,), (0.0,)) for each in (whole, replace(whole, mask=unsure)))
    assert rimmed.damage[0, 0] <= exact.damage[0, 0]
    assert rimmed.leftover[0, 0] == 0
    assert rimmed.iou[0] > 0.99 * exact.iou[0]


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.65])
def test_a_centred_matte_is_masked_from_the_cards_threshold_on(threshold: float) -> None:
    matte = np.linspace(0, 1, 1001, dtype=np.float32)
    moved = centred(matte, threshold)
    assert (moved[0], moved[-1]) == (0, 1)
    assert (np.diff(moved) > 0).all()
    assert matte[np.argmax(moved >= ON)] == pytest.approx(threshold, abs=2e-3)


def labelled(folder: Path) -> str:
    """Bright people on grey ground, labelled, as FORMAT:PATH."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for index in range(4):
        mask = disc(96, 128, 40 + 12 * index, 50, 20)
        image = np.where(mask[..., None] > 0, np.uint8(220), np.uint8(100)).repeat(3, axis=2)
        cv2.imwrite(str(folder / "images" / f"{index}.jpg"), image)
        cv2.imwrite(str(folder / "masks" / f"{index}.png"), mask)
    return f"folder:{folder}"


def test_what_is_found_is_stored_in_the_card_when_asked_for_and_the_segmenter_takes_it(tmp_path: Path) -> None:
    model, data = tiny.brightness_segmenter(tmp_path / "model"), labelled(tmp_path / "data")
    before = (model / "card.json").read_bytes()
    command = [str(model), "--data", data, "--threads", "1", "--out", str(tmp_path / "out")]
    assert thresholds.main(command) == 0
    assert (model / "card.json").read_bytes() == before
    assert thresholds.main([*command, "--store"]) == 0
    chosen = json.loads((tmp_path / "out" / "thresholds.json").read_text())["best"]
    card = load_card(model / "card.json")
    assert {"threshold": card.threshold, "growth": card.growth} == chosen
    segmenter = load_segmenter(str(model), threads=1)
    image = np.full((64, 96, 3), 128, np.uint8)
    raw = segmenter.engine.run(image=np.full((1, 3, 64, 96), 128 / 255, np.float32))["matte"][0, 0]
    np.testing.assert_allclose(segmenter.matte(image, CLASSES), centred(raw, card.threshold), atol=1e-6)
    assert (tmp_path / "out" / "thresholds.png").is_file()


def test_pictures_without_people_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = labelled(tmp_path / "data")
    for path in (tmp_path / "data" / "masks").iterdir():
        cv2.imwrite(str(path), np.zeros((96, 128), np.uint8))
    model = tiny.brightness_segmenter(tmp_path / "model")
    assert thresholds.main([str(model), "--data", data, "--out", str(tmp_path / "out")]) == 1
    assert "no labelled people" in capsys.readouterr().err


def test_composites_are_the_same_each_time_and_their_masks_show_the_person() -> None:
    person = Picture("p", np.full((60, 40, 3), 250, np.uint8), disc(60, 40, 20, 30, 15))
    place = Picture("b", np.full((120, 160, 3), 20, np.uint8))
    one, two = ([(each.image, each.mask) for each in composites([person], [place], 6)] for _ in range(2))
    np.testing.assert_equal(one, two)
    shown = [(image, mask > 0) for image, mask in one if mask is not None and mask.any()]
    assert shown
    for image, inside in shown:
        assert image[inside].mean() > image[~inside].mean() + 30
