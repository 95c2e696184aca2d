"""A model's card: what it is for, what it takes and gives, under which licence, how good it is, and its checksum."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.errors import EngineError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

TASKS = ("segmenter", "filler")
RUNTIMES = ("onnx", "torch")
TOLERANCES = {"segmenter": {"mean_difference": 0.01, "iou": 0.98}, "filler": {"psnr": 40.0}}  # where a card has none


@dataclass(frozen=True)
class Card:
    """The contents of card.json.

    name, task ("segmenter" or "filler"), runtime (what the model file is: "onnx" or "torch").
    classes: what the channels of a segmenter's matte stand for. threshold: of the matte of classes; growth: how far its
    mask is then grown outward, as a share of the picture's height (`calib.thresholds` finds both).
    inputs, outputs: name -> layout and meaning in words. multiple: heights and widths must be multiples of it.
    sizes: recommended (height, width), the default first.
    licence: of the weights. training_data: a list of {"source", "licence"}. metrics: name -> figure.
    sha256: of the model file; of a file that others publish, as many of its digits as they give. network: for runtime
    "torch", which network the file's weights are for. author, date (ISO 8601), notes: in words.
    history: the trainings that made the weights, in words, the oldest first.
    graphs: precision -> sha256 of gpu.PRECISION.onnx beside the model, the same network for GPUs; unguided: of a guided
    segmenter, precision -> sha256 of gpu.PRECISION.unguided.onnx, the network without the object's part.
    tolerance: what an engine's answers may differ from the model's in FP32 (see `engines.parity`).
    like: the folder, seen from this one, of the model whose files and values these are; what the card says itself goes
    before.
    """

    name: str
    task: str
    runtime: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    multiple: int
    sizes: tuple[tuple[int, int], ...]
    licence: str
    training_data: tuple[dict[str, str], ...]
    metrics: dict[str, float]
    sha256: str
    author: str
    date: str
    classes: tuple[str, ...] = ()
    threshold: float = 0.5
    growth: float = 0.01
    notes: str = ""
    history: tuple[str, ...] = ()
    network: str = ""
    graphs: dict[str, str] = field(default_factory=dict)
    unguided: dict[str, str] = field(default_factory=dict)
    tolerance: dict[str, float] = field(default_factory=dict)
    where: str = field(default="", compare=False)
    like: str = field(default="", compare=False)

    def to_json(self) -> str:
        """The text of card.json, of a model with files of its own."""
        values = asdict(self)
        del values["where"], values["like"]
        return json.dumps(values, indent=2) + "\n"

    def check_model(self, model: bytes) -> None:
        """EngineError when `model` (the file's bytes) is not the one that this card describes."""
        found = hashlib.sha256(model).hexdigest()
        if not found.startswith(self.sha256):
            raise EngineError(
                f"{self.where}: the model file does not match its card (sha256 {found[:12]}..., the card says "
                f"{self.sha256[:12]}...); fetch or export both again"
            )


def load_card(path: str | Path | Traversable) -> Card:
    """Read and check a card; EngineError names the file and what is wrong with it."""
    file = Path(path) if isinstance(path, str) else path
    values = _read(file)
    like = values.pop("like", "")
    if not isinstance(like, str):
        raise EngineError(f"{file} is not a valid card: like has the wrong type ({type(like).__name__})")
    if like:
        values = _read(Path(str(file)).parent / like / "card.json") | values
    fault = _fault(values)
    if fault:
        raise EngineError(f"{file} is not a valid card: {fault}")
    values["sizes"] = tuple((height, width) for height, width in values["sizes"])
    values["training_data"] = tuple(values["training_data"])
    values["classes"] = tuple(values.get("classes", ()))
    values["history"] = tuple(values.get("history", ()))
    return Card(**values, where=str(file), like=like)


def _read(file: Path | Traversable) -> dict[str, Any]:
    """What a card says, unchecked."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise EngineError(f"{file} is missing; a model needs a card beside it") from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise EngineError(f"{file} is not a readable card ({error})") from error
    if not isinstance(values, dict):
        raise EngineError(f"{file} is not a card: it must hold a JSON object")
    return values


_KINDS: dict[str, type | tuple[type, ...]] = {
    "multiple": int,
    "sizes": list,
    "training_data": list,
    "classes": list,
    "history": list,
    "inputs": dict,
    "outputs": dict,
    "metrics": dict,
    "graphs": dict,
    "unguided": dict,
    "tolerance": dict,
    "threshold": (int, float),
    "growth": (int, float),
}


def _fault(values: dict[str, Any]) -> str | None:
    """What is wrong with a card's values, in words, or None."""
    known = {item.name for item in fields(Card)} - {"where", "like"}
    optional = {"classes", "threshold", "growth", "notes", "history", "network", "graphs", "unguided", "tolerance"}
    if missing := sorted(known - optional - values.keys()):
        return f"it lacks {', '.join(missing)}"
    if unknown := sorted(values.keys() - known):
        return f"it has unknown fields: {', '.join(unknown)}"
    for name, value in values.items():
        kind = _KINDS.get(name, str)
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"{name} has the wrong type ({type(value).__name__})"
    if values["task"] not in TASKS:
        return f"task is {values['task']!r}, not one of {', '.join(TASKS)}"
    if values["runtime"] not in RUNTIMES:
        return f"runtime is {values['runtime']!r}, not one of {', '.join(RUNTIMES)}"
    if values["multiple"] < 1:
        return f"multiple is {values['multiple']}; it must be at least 1"
    if not values["sizes"] or not all(_is_size(size, values["multiple"]) for size in values["sizes"]):
        return f"sizes must be [height, width] pairs that are multiples of {values['multiple']}"
    if values["task"] == "segmenter" and not values.get("classes"):
        return "a segmenter must name its classes"
    if not 0 < values.get("threshold", 0.5) < 1:
        return f"threshold is {values['threshold']}; it must be between 0 and 1"
    if not 0 <= values.get("growth", 0.0) <= 0.1:
        return f"growth is {values['growth']}; it must be between 0 and 0.1"
    digits = (64,) if values["runtime"] == "onnx" else range(8, 65)
    if len(values["sha256"]) not in digits or set(values["sha256"]) - set("0123456789abcdef"):
        return "sha256 must be 64 lower-case hexadecimal digits"
    return None


def _is_size(size: Any, multiple: int) -> bool:
    return (
        isinstance(size, list)
        and len(size) == 2
        and all(isinstance(side, int) and side > 0 and side % multiple == 0 for side in size)
    )
