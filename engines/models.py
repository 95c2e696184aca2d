"""Where a model's files are: a shipped name, a folder, or an .onnx file with its card beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from engines.card import TASKS, Card, load_card
from engines.errors import EngineError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

PUBLISHED = "maskrcnn"  # the model whose weights are a .pth file that others publish
GUIDANCE, OBJECT = "guidance", "object"  # as in engines.interface, which needs NumPy
UNGUIDED = ".unguided"
ANY = "model"  # in place of a task, where none is named
FILES = {"onnx": "model.onnx", "torch": "model.pt"}  # of a model's folder, by what runs it


@dataclass(frozen=True)
class Model:
    """A model's card and its file. part: of the names of its graphs for GPUs, where it is a part of a network."""

    card: Card
    file: Traversable
    part: str = ""

    def content(self) -> bytes:
        """The file's bytes; EngineError when they are not what the card describes."""
        content = self.file.read_bytes()
        self.card.check_model(content)
        return content

    def graph(self, precision: str) -> Path | None:
        """The same network for GPUs at a precision, where the model has one; EngineError when its file is damaged."""
        if precision not in self.card.graphs:
            return None
        path = self.beside(f"gpu.{precision}{self.part}.onnx")
        maker = "calib.precision" if precision == "int8" else "engines.graphs"
        advice = f"`python -m {maker} {path.parent}` makes it again"
        if not path.is_file():
            raise EngineError(f"{path} is missing; {advice}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != self.card.graphs[precision]:
            raise EngineError(f"{path} does not match its card; {advice}")
        self.card.check_model(self.file.read_bytes())  # the graph's weights lie there
        return path

    def unguided(self) -> Model | None:
        """The network without what finds guided objects, where there are graphs of it: people alone."""
        if not self.card.unguided:
            return None
        inputs, outputs = ({name: text for name, text in given.items() if name not in (GUIDANCE, OBJECT)}
                           for given in (self.card.inputs, self.card.outputs))  # fmt: skip
        card = replace(self.card, inputs=inputs, outputs=outputs, graphs=self.card.unguided, unguided={})
        return Model(card, self.file, UNGUIDED)

    def beside(self, name: str) -> Path:
        """A file in the model's folder."""
        return Path(str(self.file)).parent / name


def available_models(task: str) -> list[str]:
    """Names of the models that this package ships for a task."""
    folder = _weights() / task
    if not folder.is_dir():
        return []
    return sorted(item.name for item in folder.iterdir() if (item / "card.json").is_file())


def model_names(task: str) -> str:
    """The same as a text, which marks what has to be fetched first; of all tasks for ANY."""
    tasks = TASKS if task == ANY else (task,)
    names = dict.fromkeys(name for task in tasks for name in available_models(task))
    return ", ".join(f"{name} (a 170 MB download)" if name == PUBLISHED else name for name in names) or "(none)"


def find_model(model: str | Path, task: str) -> Model:
    """A model for a task; EngineError when it or its card is not there, or it is for another task."""
    found = _locate(model, task)
    if found.card.task != task:
        raise EngineError(f"{model} is a {found.card.task}, not a {task}; the {task}s here: {model_names(task)}")
    return found


def find_models(model: str | Path) -> list[Model]:
    """All models that a name or path may mean, whatever they are for."""
    tasks = [task for task in TASKS if str(model) in available_models(task)]
    return [_locate(model, task) for task in tasks] or [_locate(model, ANY)]


def _weights() -> Traversable:
    return resources.files("engines") / "weights"


def _locate(model: str | Path, task: str) -> Model:
    if str(model) in available_models(task):
        folder = _weights() / task / str(model)
        card = load_card(folder / "card.json")
        return Model(card, folder / card.like / FILES[card.runtime])
    path = Path(model)
    if path.is_dir():
        if not (path / "card.json").is_file():
            _there(path / FILES["onnx"])
        card = load_card(path / "card.json")
        return Model(card, _there(path / card.like / FILES[card.runtime]))
    if path.suffix == ".onnx":
        file, beside = _there(path), path.with_suffix(".json")
        return Model(load_card(beside if beside.exists() else path.parent / "card.json"), file)
    if path.suffix == ".pth":
        return Model(load_card(_weights() / "segmenter" / PUBLISHED / "card.json"), _there(path))
    raise EngineError(
        f"there is no {task} {str(model)!r}; choose one of {model_names(task)}, or a path to an .onnx file"
    )


def _there(file: Path) -> Path:
    if not file.is_file():
        raise EngineError(f"{file} is missing; a model is a folder with {file.name} and card.json, or an .onnx file")
    return file
