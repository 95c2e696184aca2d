"""`python -m engines.cache list | info NAME | remove NAME... | remove --stale | remove --all`: what was built here.

An engine holds for one model, precision, range of shapes, GPU and TensorRT alone; a file of the cache is named after
all of these and repeats them in its first line, with the checksum of the engine that follows. A file that is cut short,
changed, or belongs to another key is as good as none: the engine is built again. The folder is $ERASER_CACHE, or
object-eraser in the user's folder for caches.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engines.card import TASKS
from engines.command import exit_code_of
from engines.errors import EngineError
from engines.folders import CACHE, user_folder
from engines.gpu import find_gpus
from engines.lock import locked
from engines.models import available_models, find_model
from engines.tensorrt_build import tensorrt_module, version_of

MAGIC = b"object-eraser engine 1 "
PATIENCE = 30 * 60.0  # seconds to wait for another process: longer than any build takes
_log = logging.getLogger(__name__)


def write_whole(path: Path, *parts: bytes) -> None:
    """Write a file such that nobody ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")  # not by tempfile, whose files are private
    try:
        with beside.open("xb") as file:
            file.writelines(parts)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Key:
    """What an engine holds for. model, graph: sha256 of model.onnx and of what was built; shapes, options: as text."""

    task: str
    name: str
    model: str
    graph: str
    precision: str
    shapes: str
    options: str
    gpu: str
    capability: str
    tensorrt: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def stem(self) -> str:
        """The name of the engine's file, which is the engine's name."""
        return f"{self.task}-{_plain(self.name)}-{self.precision}-{self.digest}"


@dataclass(frozen=True)
class Entry:
    """An engine of the cache. facts: what was found out when it was built: seconds, parity, layers by precision.

    size: bytes of its file. written: when, in seconds since 1970.
    """

    path: Path
    key: Key
    facts: dict[str, Any]
    size: int
    written: float

    @property
    def refused(self) -> str:
        """Why the engine must not be used, and so was not kept; empty where it may."""
        return str(self.facts.get("refused", ""))


class EngineCache:
    """The engines below a folder, by default the user's."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or user_folder(CACHE)) / "engines"

    def load(self, key: Key) -> tuple[bytes, dict[str, Any]] | None:
        """The engine of a key and its facts; None where there is none that is whole, and then it is said why."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            entry, plan = _read(path)
        except (OSError, ValueError) as error:
            _log.warning("%s is damaged (%s): it will be built again", path, error)
            return None
        if entry.key != key:
            _log.warning("%s is another engine's: it will be built again", path)
            return None
        return plan, entry.facts

    def store(self, key: Key, plan: bytes, facts: dict[str, Any]) -> Path:
        """Keep an engine; whoever loads it meanwhile gets the old one or the new one, whole."""
        head = {"key": asdict(key), "facts": facts, "sha256": hashlib.sha256(plan).hexdigest(), "bytes": len(plan)}
        path = self._path(key)
        try:
            write_whole(path, MAGIC, json.dumps(head).encode(), b"\n", plan)
        except OSError as error:
            raise EngineError(f"the engine can't be kept in {self.folder} ({error}); set ERASER_CACHE") from error
        return path

    def remove(self, key: Key) -> None:
        """Forget an engine, if there is one."""
        self._path(key).unlink(missing_ok=True)

    @contextmanager
    def building(self, key: Key, timeout: float = PATIENCE) -> Iterator[None]:
        """Hold the right to build a key's engine; another process that builds it is waited for."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(f"engines can't be kept in {self.folder} ({error}); set ERASER_CACHE") from error
        path = self.folder / f".{key.stem}.lock"
        with locked(path, timeout, lambda: _log.warning("another process builds %s: waiting for it", key.stem)):
            yield

    def timing(self, gpu: str, tensorrt: str) -> Path:
        """The file of TensorRT's own timing cache for a GPU and a version, there or not."""
        return self.folder / f"timing-{_plain(gpu)}-{_plain(tensorrt)}.cache"

    def entries(self) -> tuple[list[Entry], list[Path]]:
        """All engines, and the files among them that are damaged."""
        entries, damaged = [], []
        for path in sorted(self.folder.glob("*.engine")):
            entry = _entry(path)
            if entry is None:
                damaged.append(path)
            else:
                entries.append(entry)
        return entries, damaged

    def _path(self, key: Key) -> Path:
        return self.folder / f"{key.stem}.engine"


def _read(path: Path) -> tuple[Entry, bytes]:
    """A file's head and engine; ValueError says what is wrong with it."""
    content = path.read_bytes()
    head, found, plan = content.partition(b"\n")
    if not head.startswith(MAGIC) or not found:
        raise ValueError("not an engine of this version")
    try:
        values = json.loads(head[len(MAGIC) :])
        entry = Entry(path, Key(**values["key"]), dict(values["facts"]), len(content), path.stat().st_mtime)
        whole = values["bytes"], values["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("its first line can't be read") from error
    if len(plan) != whole[0]:
        raise ValueError(f"{len(plan)} of {whole[0]} bytes")
    if hashlib.sha256(plan).hexdigest() != whole[1]:
        raise ValueError("its checksum is wrong")
    return entry, plan


def _entry(path: Path) -> Entry | None:
    try:
        return _read(path)[0]
    except (OSError, ValueError):
        return None


def _plain(text: str) -> str:
    """What of a text may stand in a file's name."""
    return "".join(character if character.isalnum() or character in ".+" else "_" for character in text)


def _list(cache: EngineCache) -> None:
    entries, damaged = cache.entries()
    for entry in entries:
        size = "refused" if entry.refused else f"{entry.size / 1e6:.1f} MB"
        layers = ", ".join(f"{count} {kind}" for kind, count in entry.facts.get("layers", {}).items())
        print(f"{entry.path.stem}  {size}  {entry.key.gpu}, {entry.key.tensorrt}  {layers and f'layers: {layers}'}")
    for path in damaged:
        print(f"{path.stem}  damaged, will be built again when it is needed")
    if not entries and not damaged:
        print(f"no engines in {cache.folder}")


def _info(cache: EngineCache, name: str) -> None:
    found = [entry for entry in cache.entries()[0] if entry.path.stem.startswith(name)]
    if not found:
        raise EngineError(f"there is no engine {name!r} in {cache.folder}; `python -m engines.cache list` names them")
    for entry in found:
        print(entry.path)
        for key, value in {**asdict(entry.key), "bytes": entry.size, **entry.facts}.items():
            if isinstance(value, dict):
                value = ", ".join(f"{name} {figure}" for name, figure in value.items())
            print(f"  {key:<12} {value}")


def _remove(cache: EngineCache, names: list[str], stale: bool, everything: bool) -> None:
    entries, damaged = cache.entries()
    if stale:
        entries = stale_among(entries)
    chosen = [*(entry.path for entry in entries), *damaged]
    parts = cache.folder.glob(".*.part")  # as `write_whole` names them
    if everything:
        chosen += [*cache.folder.glob("timing-*.cache"), *parts]
    elif stale:
        chosen += filter(_is_left, parts)
    else:
        chosen = [path for path in chosen if path.stem in names]
    if missing := set(names) - {path.stem for path in chosen}:
        raise EngineError(f"there is no engine {sorted(missing)[0]!r}; `python -m engines.cache list` names them")
    for path in chosen:
        path.unlink(missing_ok=True)
        print(f"removed {path.name}")
    if not chosen:
        print(f"nothing to remove in {cache.folder}")


def _is_left(part: Path) -> bool:
    """Whether a part of a file is of a writer that was killed: it has been there longer than any build takes."""
    try:
        return time.time() - part.stat().st_mtime > PATIENCE
    except OSError:  # the file is whole by now
        return False


def stale_among(entries: list[Entry]) -> list[Entry]:
    """Those that nothing here will load: of another GPU or TensorRT, or of a shipped model as it was before."""
    gpus = {(gpu.name, "{}.{}".format(*gpu.capability)) for gpu in find_gpus().devices}
    try:
        version = version_of(tensorrt_module())
    except EngineError:
        version = ""
    shipped = {(task, name): find_model(name, task).card.sha256 for task in TASKS for name in available_models(task)}
    return [
        entry
        for entry in entries
        if (entry.key.gpu, entry.key.capability) not in gpus
        or entry.key.tensorrt != version
        or shipped.get((entry.key.task, entry.key.name), entry.key.model) != entry.key.model
    ]


def main(arguments: list[str] | None = None) -> int:
    """List, describe or remove engines; returns the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m engines.cache", description="The engines that were built here.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all, with their sizes, and layers by precision")
    info = commands.add_parser("info", help="what an engine was built from and for, its parity and its layers")
    info.add_argument("name", help="or how it begins")
    remove = commands.add_parser("remove", help="delete engines; they are built again when they are needed")
    remove.add_argument("name", nargs="*")
    remove.add_argument(
        "--stale", action="store_true", help="those of another GPU, TensorRT or state of a model, and parts of files"
    )
    remove.add_argument("--all", action="store_true")
    given = parser.parse_args(arguments)
    cache = EngineCache()
    if given.command == "remove" and [bool(given.name), given.stale, given.all].count(True) != 1:
        parser.error("remove: give names, --stale, or --all")
    works = {
        "list": lambda: _list(cache),
        "info": lambda: _info(cache, given.name),
        "remove": lambda: _remove(cache, given.name, given.stale, given.all),
    }
    return exit_code_of(works[given.command])


if __name__ == "__main__":
    sys.exit(main())
