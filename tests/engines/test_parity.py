"""An engine passes when it gives the model's answers, within what the card allows; and fails when it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines.card import TOLERANCES, Card
from engines.errors import EngineError
from engines.models import find_model
from engines.onnx_engine import OnnxEngine
from engines.parity import PROBE, Probe, judge, load_probe, random_inputs, save_probe


class Off:
    """An engine whose answers are wrong in a way that is given."""

    def __init__(self, card: Card, answers: dict[str, np.ndarray], precision: str = "fp16") -> None:
        self.card, self.answers, self.precision = card, answers, precision

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        return self.answers


@pytest.mark.parametrize("task", ["segmenter", "filler"])
def test_the_shipped_probe_holds_what_the_model_answers(task: str) -> None:
    model = find_model("swift", task)
    verdict = judge(OnnxEngine(model.content(), model.card, threads=1), [load_probe(model.beside(PROBE))])
    assert not verdict.faults
    assert verdict.figures.get("psnr", 99) > 60
    assert verdict.figures.get("iou", 1) > 0.999
    assert model.card.tolerance == TOLERANCES[task]


def segmenter_probe() -> tuple[Card, Probe]:
    card = find_model("swift", "segmenter").card
    matte = np.zeros((1, 1, 64, 64), np.float32)
    matte[..., 16:48, 16:48] = 1
    return card, Probe("a test", {"image": np.zeros((1, 3, 128, 128), np.float32)}, {"matte": matte})


def test_a_matte_that_differs_a_little_everywhere_or_much_somewhere_is_a_fault() -> None:
    card, probe = segmenter_probe()
    matte = probe.answers["matte"]
    for answers, name in ((np.abs(matte - 0.02), "mean_difference"), (np.roll(matte, 2, 3), "iou")):
        verdict = judge(Off(card, {"matte": answers}), [probe])  # type: ignore[arg-type]
        assert any(fault.startswith(name) and "the card wants" in fault for fault in verdict.faults)
    assert not judge(Off(card, {"matte": np.abs(matte - 0.005)}), [probe]).faults  # type: ignore[arg-type]


def test_answers_that_are_no_numbers_are_a_fault() -> None:
    card, probe = segmenter_probe()
    nothing = {"matte": np.full((1, 1, 64, 64), np.nan, np.float32)}
    assert judge(Off(card, nothing), [probe]).faults  # type: ignore[arg-type]


def test_a_fill_is_judged_in_the_hole_alone() -> None:
    card = find_model("swift", "filler").card
    mask = np.zeros((1, 1, 64, 64), np.float32)
    mask[..., :32, :] = 1
    answer = np.full((1, 3, 64, 64), 0.5, np.float32)
    probe = Probe("a test", {"image": answer, "mask": mask}, {"image_filled": answer})
    outside, inside = answer + 0.1 * (1 - mask), answer + 0.1 * mask
    assert not judge(Off(card, {"image_filled": outside}), [probe]).faults  # type: ignore[arg-type]
    verdict = judge(Off(card, {"image_filled": inside}), [probe])  # type: ignore[arg-type]
    assert verdict.figures["psnr"] == pytest.approx(20, abs=0.01)
    assert verdict.faults == ("psnr 20 on a test, where the card wants >= 40",)


def test_the_card_decides() -> None:
    card, probe = segmenter_probe()
    shifted = {"matte": np.roll(probe.answers["matte"], 2, 3)}
    lenient = replace(card, tolerance={"iou": 0.5})
    assert not judge(Off(lenient, shifted), [probe]).faults  # type: ignore[arg-type]


def test_the_worst_of_several_probes_counts() -> None:
    card, probe = segmenter_probe()
    other = Probe("another", probe.inputs, {"matte": probe.answers["matte"] * 0.5})
    verdict = judge(Off(card, dict(probe.answers)), [probe, other, probe])  # type: ignore[arg-type]
    assert verdict.figures["mean_difference"] == pytest.approx(0.125)
    assert all("another" in fault for fault in verdict.faults)


def test_a_probe_survives_its_file(tmp_path: Path) -> None:
    inputs = {"image": np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4) / np.float32(255)}
    answers = {"matte": np.linspace(0, 1, 16, dtype=np.float32).reshape(1, 1, 4, 4)}
    save_probe(tmp_path / "probe.npz", inputs, answers)
    probe = load_probe(tmp_path / "probe.npz")
    np.testing.assert_array_equal(probe.inputs["image"], inputs["image"])
    np.testing.assert_allclose(probe.answers["matte"], answers["matte"], atol=3e-4)


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04broken"])
def test_a_file_that_holds_no_probe_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "probe.npz").write_bytes(content)
    with pytest.raises(EngineError, match=r"probe\.npz holds no probe"):
        load_probe(tmp_path / "probe.npz")


def test_random_inputs_are_the_same_each_time_and_have_a_hole_or_a_click() -> None:
    for channels in ({"image": 3, "mask": 1}, {"image": 3, "guidance": 3}):
        one, two = (random_inputs(channels, 96, 160) for _ in range(2))
        for name, array in one.items():
            np.testing.assert_array_equal(array, two[name])
            assert array.shape == (1, channels[name], 96, 160)
            assert 0 < array.mean() < 1


def test_a_limit_for_one_precision_goes_before_the_one_for_all() -> None:
    card, probe = segmenter_probe()
    answers = {"matte": np.clip(probe.answers["matte"] + 0.05, 0, 1).astype(np.float32)}
    card = replace(card, tolerance={**card.tolerance, "int8 mean_difference": 0.1})
    assert judge(Off(card, answers), [probe]).faults  # type: ignore[arg-type]
    assert not judge(Off(card, answers, "int8"), [probe]).faults  # type: ignore[arg-type]
