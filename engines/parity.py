"""Does an engine give the model's answers? The gate that each one passes before it is used.

Stored with a model (`probe.npz`) are inputs and what the model answers to them in FP32; where onnxruntime is installed
the two are compared on random inputs too, at the size that the engine was built for. What an engine may differ by
stands in the card's `tolerance`: of a segmenter the mean absolute difference of its mattes and the intersection over
union (IoU) of its masks, of a filler the PSNR in dB of what it puts into the hole. A limit may be for one precision
alone, which then stands before its name, as in "int8 psnr".
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.card import TOLERANCES, Card
from engines.errors import EngineError
from engines.interface import GUIDANCE, Engine

Arrays = Mapping[str, np.ndarray]
PROBE = "probe.npz"
ANSWER = "answer."  # what the names of stored answers begin with


@dataclass(frozen=True)
class Probe:
    """Inputs and the model's answers to them, float32 (N, C, H, W) each by name. origin: for messages."""

    origin: str
    inputs: Arrays
    answers: Arrays

    def asked_of(self, card: Card) -> Probe:
        """What of it is about the inputs and outputs of a card, which may be those of a part of the network."""
        inputs = {name: array for name, array in self.inputs.items() if name in card.inputs}
        return Probe(self.origin, inputs, {name: self.answers[name] for name in self.answers if name in card.outputs})


@dataclass(frozen=True)
class Verdict:
    """figures: name -> value, the worst of all probes; faults: in words, empty where the engine passed."""

    figures: dict[str, float]
    faults: tuple[str, ...]


def save_probe(path: Path, inputs: Arrays, answers: Arrays) -> None:
    """Write a probe: inputs as bytes (they must be multiples of 1/255), answers in FP16."""
    stored = {name: np.rint(array * 255).astype(np.uint8) for name, array in inputs.items()}
    stored |= {ANSWER + name: array.astype(np.float16) for name, array in answers.items()}
    np.savez_compressed(path, allow_pickle=False, **stored)


def load_probe(path: Path) -> Probe:
    """Read a probe; EngineError where it is none."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise EngineError(f"{path} holds no probe ({error})") from error
    answers = {name: array.astype(np.float32) for name, array in arrays.items() if name.startswith(ANSWER)}
    inputs = {name: array.astype(np.float32) / np.float32(255) for name, array in arrays.items() if name not in answers}
    return Probe("stored answers", inputs, {name.removeprefix(ANSWER): array for name, array in answers.items()})


def random_inputs(channels: Mapping[str, int], height: int, width: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Smooth random pictures, a box as hole, a click as guidance: float32 (1, C, height, width) each."""
    rng = np.random.default_rng(seed)
    inputs = {}
    for name, count in channels.items():
        if name in ("mask", GUIDANCE):
            array = np.zeros((1, count, height, width), np.float32)
            array[:, min(1, count - 1), height // 4 : height // 2, width // 4 : width // 2] = 1
        else:
            coarse = rng.random((1, count, -(-height // 16), -(-width // 16)), np.float32)
            array = np.ascontiguousarray(coarse.repeat(16, 2).repeat(16, 3)[..., :height, :width])
        inputs[name] = array
    if "mask" in inputs:
        inputs["image"] *= 1 - inputs["mask"]
    return inputs


def judge(engine: Engine, probes: list[Probe]) -> Verdict:
    """Run the engine on each probe and hold its answers against the model's."""
    limits = engine.card.tolerance or TOLERANCES[engine.card.task]
    worst: dict[str, float] = {}
    faults = []
    for probe in probes:
        found = engine.run(**probe.inputs)
        for name, value in compare(engine.card, probe, found).items():
            smaller_is_better = name == "mean_difference"
            poorer = max if smaller_is_better else min
            worst[name] = poorer(worst.get(name, value), value)
            limit = limits.get(f"{engine.precision} {name}", limits.get(name))
            if limit is not None and not (value <= limit if smaller_is_better else value >= limit):
                sign = "<=" if smaller_is_better else ">="
                faults.append(f"{name} {value:.4g} on {probe.origin}, where the card wants {sign} {limit:g}")
    return Verdict(worst, tuple(faults))


def compare(card: Card, probe: Probe, found: Arrays) -> dict[str, float]:
    """The figures of one probe; answers that are not numbers are as wrong as can be."""
    pairs = [(np.nan_to_num(found[name], nan=1e4), answer) for name, answer in probe.answers.items()]
    if card.task == "filler":
        hole = probe.inputs["mask"] > 0
        errors = [((ours - theirs) ** 2)[np.broadcast_to(hole, ours.shape)] for ours, theirs in pairs]
        mean = float(np.concatenate(errors).mean())
        return {"psnr": min(99.0, -10 * math.log10(mean))} if mean else {"psnr": 99.0}
    difference = float(np.mean([np.abs(ours - theirs).mean() for ours, theirs in pairs]))
    masks = [(ours > card.threshold, theirs > card.threshold) for ours, theirs in pairs]
    union = sum(np.count_nonzero(ours | theirs) for ours, theirs in masks)
    both = sum(np.count_nonzero(ours & theirs) for ours, theirs in masks)
    figures = {"mean_difference": difference}
    if union >= 100:  # fewer pixels say nothing: random pictures show nobody
        figures["iou"] = float(both / union)
    return figures
