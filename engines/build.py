"""`python -m engines.build MODEL... [--precision fp16|mixed|fp32|int8]`: TensorRT engines, built and kept in a cache.

Loading a model with TensorRT does the same when the cache holds no engine for it: it takes a minute or so, once for
each model, GPU and version of TensorRT. Each engine must give the model's answers (`engines.parity`); one that does not
is refused with the figures and built again at the next higher precision: FP16, FP16 with the layers that lose most by
it in FP32 (mixed), and FP32 as a whole.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import util
from pathlib import Path
from typing import Any

from engines.cache import EngineCache, Key, write_whole
from engines.card import TASKS, Card
from engines.choice import lack_of
from engines.command import exit_code_of, height_by_width
from engines.errors import EngineError
from engines.gpu import find_gpus
from engines.guided import GuidedEngine
from engines.interface import CHANNELS, GUIDANCE, Engine
from engines.models import UNGUIDED, Model, available_models, find_model, find_models
from engines.parity import PROBE, Probe, judge, load_probe, random_inputs
from engines.tensorrt_build import Job, Range, build_plan, tensorrt_module, version_of
from engines.tensorrt_engine import TensorRtEngine

PRECISIONS = ("int8", "fp16", "mixed", "fp32")  # of which each one that is refused is followed by the next
MAKERS = {"int8": "python -m calib.precision", "mixed": "python -m engines.graphs"}  # of graphs that a model may lack
DEFAULT = ("fp16", "fp32")  # what can be built of any model
OBJECTS = 8  # that are guided to in one picture; more take several runs
STRETCH = 4  # the largest side of a picture over the shorter side of the size that the card recommends
_log = logging.getLogger(__name__)


class RefusedError(EngineError):
    """An engine's answers are not the model's."""


@dataclass(frozen=True)
class _Shop:
    """What all engines are made with."""

    trt: Any
    cache: EngineCache
    say: Callable[[str], None]
    graphs: bool
    aside: bool


@dataclass(frozen=True)
class Options:
    """How to build.

    sizes: the (height, width) that an engine is made fast for; with two, from the first to the second, with three,
    smallest, usual and largest; none: the card's, and up to STRETCH times as large. workspace: MiB, None for half of
    the GPU's memory. level: builder optimisation level, 0 to 5, None for TensorRT's own.
    """

    precision: str = "fp16"
    sizes: tuple[tuple[int, int], ...] = ()
    workspace: int | None = None
    level: int | None = None


def load_tensorrt(
    model: Model,
    options: Options | None = None,
    *,
    cache: EngineCache | None = None,
    say: Callable[[str], None] | None = None,
    again: bool = False,
    graphs: bool = True,
    aside: bool = False,
) -> TensorRtEngine:
    """The engine of a model on this machine's first GPU, from the cache or built now.

    options: None for the one that was built last, with whatever options, or else with the default ones. say: gets a
    line when something takes long, and what was found out; None: to the log. again: build even where the cache has one.
    graphs: as in TensorRtEngine. aside: what is built now is for a measurement, and not the one that was built last for
    whoever loads the model after it. EngineError when TensorRT or the GPU can't be used, or no precision gives the
    model's answers.
    """
    if lack := lack_of(("tensorrt", "cuda")):
        raise EngineError(f"TensorRT can't be used: {lack}")
    shop = _Shop(tensorrt_module(), cache or EngineCache(), say or _log.warning, graphs, aside)
    if options is None and not again and (found := _built_last(shop, model)):
        return found
    options = options or Options()
    for precision in PRECISIONS[PRECISIONS.index(options.precision) :]:
        if precision in (options.precision, *DEFAULT, *model.card.graphs):
            found = _unless_refused(_Making(shop, model, options, precision), again)
            if found is not None:
                return found
    raise EngineError(
        f"TensorRT does not give the answers of {model.card.name} at any precision; choose another --runtime"
    )


def load_all(model: Model) -> Engine:
    """As `load_tensorrt`, what was built last; of a guided segmenter two engines, so that people alone cost less."""
    engine, part = load_tensorrt(model), model.unguided()
    if part is None:
        return engine
    try:
        return GuidedEngine(engine, load_tensorrt(part))
    except EngineError as error:
        _log.warning("%s is run with the object's part in every frame: %s", model.card.name, error)
        return engine


def _unless_refused(making: _Making, again: bool) -> TensorRtEngine | None:
    try:
        return making.engine(again)
    except RefusedError as error:
        making.shop.say(f"{error}: it is not used")
        return None


def _built_last(shop: _Shop, model: Model) -> TensorRtEngine | None:
    """The newest engine of the cache that was built from this model's files for this GPU and TensorRT."""
    entries = [entry for entry in shop.cache.entries()[0] if entry.key.task == model.card.task]
    entries = [entry for entry in entries if not (entry.refused or entry.facts.get("aside"))]
    for entry in sorted(entries, key=lambda entry: entry.written, reverse=True):
        if entry.key.precision in model.card.graphs or entry.key.precision in DEFAULT:
            making = _Making(shop, model, Options(), entry.key.precision)
            if replace(entry.key, shapes=making.key.shapes, options=making.key.options) == making.key:
                making.key = entry.key
                return making.cached()
    return None


class _Making:
    """One model's engine at one precision."""

    def __init__(self, shop: _Shop, model: Model, options: Options, precision: str) -> None:
        self.shop, self.model = shop, model
        graph = model.graph(precision)
        if graph is None and precision in MAKERS:
            raise EngineError(f"{model.card.name} has no graph in {precision.upper()}; `{MAKERS[precision]}` makes one")
        content = model.content()
        path = graph or Path(str(model.file))
        ranges = ranges_of(model.card, options.sizes)
        gpu = find_gpus().devices[0]
        workspace = gpu.memory // 2 if options.workspace is None else options.workspace << 20
        self.job = Job(path, precision, graph is not None, ranges, workspace, options.level)
        self.key = Key(
            task=model.card.task,
            name=model.card.name,
            model=hashlib.sha256(content).hexdigest(),
            graph=hashlib.sha256(path.read_bytes()).hexdigest(),
            precision=precision,
            shapes="; ".join(f"{name} {ranges[name]}" for name in sorted(ranges)),
            options=f"workspace {options.workspace}, level {options.level}",
            gpu=gpu.name,
            capability="{}.{}".format(*gpu.capability),
            tensorrt=version_of(shop.trt),
        )
        part = ", people alone," if model.part == UNGUIDED else ""
        self.who = f"the {model.card.task} {model.card.name}{part} in {precision.upper()}"

    def engine(self, again: bool) -> TensorRtEngine:
        """From the cache, or built; RefusedError when its answers are wrong, now or when it was built."""
        found = None if again else self.cached()
        if found is not None:
            return found
        with self.shop.cache.building(self.key):
            found = None if again else self.cached()  # another process may have built it meanwhile
            return found or self._build()

    def cached(self) -> TensorRtEngine | None:
        """From the cache, if it is there; RefusedError when it was found to be wrong."""
        found = self.shop.cache.load(self.key)
        if found is None:
            return None
        plan, facts = found
        if facts.get("refused"):
            raise RefusedError(facts["refused"])
        try:
            return self._loaded(plan)
        except EngineError as error:
            _log.warning("%s: the engine in the cache can't be used and is built again (%s)", self.who, error)
            return None

    def _build(self) -> TensorRtEngine:
        self.shop.say(f"building {self.who} for {self.key.gpu}: it takes a minute or so, once")
        started = time.perf_counter()
        timing = self.shop.cache.timing(self.key.gpu, self.key.tensorrt)
        plan, learnt = build_plan(self.shop.trt, self.job, _bytes_of(timing), _show_progress)
        seconds = time.perf_counter() - started
        if learnt:
            try:
                write_whole(timing, learnt)
            except OSError as error:
                _log.debug("TensorRT's timing cache can't be kept: %s", error)
        engine = self._loaded(plan)
        verdict = judge(engine, probes_of(self.model, engine))
        figures = {name: round(value, 6) for name, value in verdict.figures.items()}
        facts: dict[str, Any] = {"seconds": round(seconds, 1), "parity": figures, "layers": engine.layers}
        facts |= {"aside": True} if self.shop.aside else {}
        if verdict.faults:
            engine.close()
            facts["refused"] = f"{self.who} does not give the model's answers: {'; '.join(verdict.faults)}"
            self._keep(b"", facts)
            raise RefusedError(facts["refused"])
        self._keep(plan, facts)
        known = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        self.shop.say(f"built {self.who} in {seconds:.0f} s: {len(plan) / 1e6:.1f} MB, {known}")
        return engine

    def _keep(self, plan: bytes, facts: dict[str, Any]) -> None:
        try:
            self.shop.cache.store(self.key, plan, facts)
        except EngineError as error:  # it can be used all the same, this once
            self.shop.say(str(error))

    def _loaded(self, plan: bytes) -> TensorRtEngine:
        return TensorRtEngine(
            self.shop.trt, plan, self.model.card, self.job.precision, lambda: _on_cpu(self.model), self.shop.graphs
        )


def ranges_of(card: Card, sizes: tuple[tuple[int, int], ...] = ()) -> dict[str, Range]:
    """What an engine takes, by input; `sizes` as in Options. EngineError for sizes that don't fit the network."""
    multiple = card.multiple
    for height, width in sizes:
        if height < multiple or width < multiple or height % multiple or width % multiple:
            raise EngineError(f"{card.name} takes multiples of {multiple} as height and width, not {height}x{width}")
    if not sizes:
        side = STRETCH * min(card.sizes[0])
        sizes = ((multiple, multiple), card.sizes[0], (max(side, card.sizes[0][0]), max(side, card.sizes[0][1])))
    low, usual, high = sizes[0], sizes[len(sizes) // 2], sizes[-1]
    if any(not a <= b <= c for a, b, c in zip(low, usual, high, strict=True)):
        raise EngineError("give sizes from the smallest to the largest")
    ranges = {}
    for name in card.inputs:
        if name not in CHANNELS:
            raise EngineError(f"{card.name} takes {name}, for which no TensorRT engine can be built")
        channels, most = CHANNELS[name], OBJECTS if name == GUIDANCE else 1
        ranges[name] = Range((1, channels, *low), (1, channels, *usual), (most, channels, *high))
    return ranges


def probes_of(model: Model, engine: TensorRtEngine) -> list[Probe]:
    """What to hold an engine against: stored answers, if it takes their size; those of onnxruntime to random inputs."""
    probes = []
    path = model.beside(PROBE)
    if path.is_file():
        probe = load_probe(path).asked_of(model.card)
        if engine.takes({name: array.shape for name, array in probe.inputs.items()}):
            probes.append(probe)
    if util.find_spec("onnxruntime") is None:
        if not probes:
            raise EngineError(f"the engine of {model.card.name} can't be checked; `pip install onnxruntime`")
        return probes
    reference = _on_cpu(model)
    channels = {name: allowed.usual[1] for name, allowed in engine.ranges.items()}
    inputs = random_inputs(channels, *engine.ranges["image"].usual[2:])
    probes.append(Probe("random inputs", inputs, reference.run(**inputs)).asked_of(model.card))
    reference.close()
    return probes


def _on_cpu(model: Model) -> Engine:
    from engines.onnx_engine import OnnxEngine

    return OnnxEngine(model.content(), model.card)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _show_progress(share: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{share:4.0%}", end="\r" if share < 1 else "\r    \r", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Build; returns the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m engines.build", description="Build TensorRT engines.")
    shipped = sorted({name for task in TASKS for name in available_models(task)})
    parser.add_argument("model", nargs="+", help=f"a folder, an .onnx file, or one of {', '.join(shipped)}")
    parser.add_argument("--task", choices=TASKS, help="of a name that several have (default: all of them)")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp16", help="default: fp16")
    parser.add_argument(
        "--shape", type=height_by_width, nargs="+", default=[], metavar="HxW",
        help="what to build for: one size; from one to another; or smallest, usual and largest (default: the card's)",
    )  # fmt: skip
    parser.add_argument("--workspace", type=int, metavar="MIB", help="for a layer (default: half of the GPU's memory)")
    parser.add_argument(
        "--builder-level", type=int, choices=range(6), metavar="0..5", help="how long to look for speed"
    )
    given = parser.parse_args(arguments)
    if len(given.shape) > 3:
        parser.error("--shape takes one to three sizes")
    if given.workspace is not None and given.workspace < 1:
        parser.error("--workspace must be at least 1")
    options = Options(given.precision, tuple(given.shape), given.workspace, given.builder_level)
    return exit_code_of(lambda: _build_all(given.model, given.task, options))


def _build_all(names: list[str], task: str | None, options: Options) -> None:
    models = [model for name in names for model in ([find_model(name, task)] if task else find_models(name))]
    for model in models:
        for part in filter(None, (model, model.unguided())):
            load_tensorrt(part, options, say=print, again=True).close()


if __name__ == "__main__":
    sys.exit(main())
