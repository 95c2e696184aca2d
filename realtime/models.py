"""The networks that a job needs, found by name or path."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from engines.errors import EngineError
from engines.models import available_models, model_names
from realtime.background.fill import CLASSICAL, Filler, NetworkFiller, load_filler
from realtime.deviceprofile import Profile, best_size
from realtime.errors import EraserError, UsageError
from realtime.segment import Segmenter, load_segmenter
from realtime.selection import Selection

SEGMENTER_MS, FILLER_MS = 50.0, 500.0  # that a run of a file's networks may take, where there is a choice of sizes
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Models:
    """The networks of a job; device and runtime are those of the first network, cpu and opencv where there is none."""

    segmenter: Segmenter | None
    filler: Filler
    segmenter_name: str | None
    device: str
    runtime: str

    def suit(self, profile: Profile | None) -> None:
        """Let the networks see the largest pictures that this machine, by its profile, works off in time."""
        for part, most in ((self.segmenter, SEGMENTER_MS), (self.filler, FILLER_MS)):
            if isinstance(part, Segmenter | NetworkFiller):
                part.default_size = best_size(profile, part.engine, most)
                card = part.engine.card
                if part.default_size != card.sizes[0]:
                    _log.debug("%s %s: sees pictures of %dx%d", card.task, card.name, *part.default_size)

    def close(self) -> None:
        """Free the networks."""
        for part in (self.segmenter, self.filler):
            engine = getattr(part, "engine", None)
            if engine is not None:
                engine.close()


def load_models(
    selection: Selection,
    segmenter: str,
    fill: str,
    device: str,
    runtime: str,
    threads: int | None,
    search: bool = False,
    fill_threads: int | None = None,
) -> Models:
    """Load what the job needs; the segmenter only when classes are to be found, or objects are clicked on (`search`).

    fill_threads: of the filler, None for `threads`. Raises UsageError, EraserError.
    """
    if selection.classes or search:
        check_name("segmenter", segmenter)
    check_name("filler", fill, CLASSICAL)
    try:
        finder = None
        if selection.classes or search:
            finder = load_segmenter(segmenter, device=device, runtime=runtime, threads=threads)
            finder.check(selection.classes)
        filler = load_filler(fill, device=device, runtime=runtime, threads=fill_threads or threads)
    except EngineError as error:
        raise EraserError(str(error)) from error
    engines = [engine for part in (finder, filler) if (engine := getattr(part, "engine", None)) is not None]
    for engine in engines:
        _log.debug(
            "%s %s: %s on %s (asked for: %s on %s)",
            engine.card.task, engine.card.name, engine.runtime, engine.device, runtime, device,
        )  # fmt: skip
    return Models(
        segmenter=finder,
        filler=filler,
        segmenter_name=None if finder is None else finder.engine.card.name,
        device=engines[0].device if engines else "cpu",
        runtime=engines[0].runtime if engines else "opencv",
    )


def check_name(task: str, model: str, *others: str) -> bool:
    """Whether `model` is a path, and not one of the names that models have here. others: further names.

    Raises UsageError where it is neither.
    """
    if model in (*available_models(task), *others):
        return False
    if Path(model).exists():
        return True
    if Path(model).suffix or Path(model).name != model:
        raise UsageError(f"there is no {task} {model}: check the path")
    names = ", ".join((model_names(task), *others))
    raise UsageError(f"unknown {task} '{model}': there are {names}, or give the path of a model")
