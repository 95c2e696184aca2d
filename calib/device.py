"""`python -m calib.device`: how fast this machine is, written down for `erase-live` and `erase-video`.

Times every shipped network, and those of --model, on each runtime that can be used here, at each precision and at the
sizes that the governor chooses from; then the rest of a frame's work at three sizes. `erase-live` begins at the level
that suits its rate, instead of finding it in the first seconds, and `erase-video` takes the largest of the sizes that
a model recommends which runs in time. Figures of other machines or weights are never used. Takes about a minute on a
CPU, longer where engines have to be built first; other programs should rest meanwhile.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.made_room import Known, room
from benchmarks.tables import markdown_table, number
from engines.card import TASKS
from engines.choice import candidates, lack_of
from engines.command import exit_code_of
from engines.errors import EngineError
from engines.interface import CHANNELS, Engine
from engines.models import Model, available_models, find_model, find_models
from engines.parity import random_inputs
from engines.runtime import DEFAULT_SEGMENTER, load_engine
from realtime.background.fill import TeleaFiller
from realtime.deviceprofile import FrameTime, NetworkTime, Profile, Size, describe, profile_path
from realtime.eraser import Eraser
from realtime.frame import Frame
from realtime.live.governor import NETWORK_SCALES

WARM_UP, RUNS, SECONDS = 3, 40, 1.5  # runs that don't count; that do, at most; and for at most so long
FRAME_SIZES = ((360, 640), (720, 1280), (1080, 1920))
FRAMES = 30  # of each size, of which the first third doesn't count
BUSY = 0.3  # load per core above which the figures say more about other programs


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m calib.device", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--model", action="append", default=[], help="time this one too: a folder or an .onnx file")
    parser.add_argument("--no-frames", action="store_true", help="only the networks")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"default {profile_path()}")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: run(options))


def run(options: argparse.Namespace) -> None:
    """Measure, print, and write the profile."""
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > BUSY * (os.cpu_count() or 1):
        print("other programs are keeping this machine busy: times will be too long", file=sys.stderr)
    models = [find_model(name, task) for task in TASKS for name in available_models(task)]
    models += [found for name in options.model for found in find_models(name)]
    networks: list[NetworkTime] = []
    for model in models:
        for engine in _engines(model):
            networks += (network_time(engine, size) for size in sizes_of(engine))
            engine.close()
    frames = [] if options.no_frames else [frame_time(size) for size in FRAME_SIZES]
    profile = Profile(describe(), datetime.date.today().isoformat(), tuple(networks), tuple(frames))
    path = options.out or profile_path()
    profile.write(path)
    print(_text(profile))
    print(f"Written to {path}")


def sizes_of(engine: Engine) -> list[Size]:
    """The card's sizes, and of a segmenter those that the governor brings the first one down to."""
    card = engine.card
    sizes = [*card.sizes]
    if card.task == "segmenter":
        height, width = card.sizes[0]
        sizes += [_rounded(height * scale, width * scale, card.multiple) for scale in NETWORK_SCALES]
    return list(dict.fromkeys(sizes))


def network_time(engine: Engine, size: Size) -> NetworkTime:
    """Run a network on pictures of one size."""
    card = engine.card
    inputs = random_inputs({name: CHANNELS[name] for name in card.inputs if name in CHANNELS}, *size)
    inputs.pop("guidance", None)  # most frames have none
    times: list[float] = []
    for index in range(WARM_UP + RUNS):
        begin = time.perf_counter()
        engine.run(**inputs)
        if index >= WARM_UP:
            times.append((time.perf_counter() - begin) * 1e3)
        if sum(times) > 1e3 * SECONDS:
            break
    p50, p90 = (float(np.percentile(times, share)) for share in (50, 90))
    place = (engine.runtime, engine.device, engine.precision)
    return NetworkTime(card.task, card.name, card.sha256, *place, size, round(p50, 3), round(p90, 3))


def frame_time(size: Size) -> FrameTime:
    """Run the eraser on a still room through which something goes, without running a network."""
    known = Known(load_engine(DEFAULT_SEGMENTER, "segmenter"))
    eraser = Eraser(known, TeleaFiller())
    times: list[float] = []
    for index, (image, mask) in enumerate(room(size, FRAMES)):
        known.mask = mask
        begin = time.perf_counter()
        eraser.step(Frame(image, index, index, Fraction(1, 30)))
        times.append((time.perf_counter() - begin) * 1e3)
    known.engine.close()
    return FrameTime(known.engine.device, size, round(float(np.median(times[FRAMES // 3 :])), 3))


def _engines(model: Model) -> Iterator[Engine]:
    """The model on each runtime that can be used, at each precision; why not is said."""
    is_graph = model.card.runtime == "onnx"
    for place in candidates("auto", "auto") if is_graph else [("torch", "auto")]:
        lack = lack_of(place) if is_graph else ""
        tries = dict.fromkeys(("fp16", "fp32", *model.card.graphs))
        for precision in tries if place[0] == "tensorrt" and not lack else ("",):
            what = f"{model.card.task} {model.card.name}, {place[0]} on {place[1]} {precision.upper()}".strip()
            try:
                if lack:
                    raise EngineError(lack)
                print(f"{what} ...", file=sys.stderr)
                yield _load(model, place, precision)
            except EngineError as error:
                print(f"{what}: left out: {error}", file=sys.stderr)


def _load(model: Model, place: tuple[str, str], precision: str) -> Engine:
    runtime, device = place
    if runtime == "tensorrt":
        from engines.build import Options, load_tensorrt

        return load_tensorrt(model.unguided() or model, Options(precision), aside=True)  # most frames have no guidance
    return load_engine(model, model.card.task, runtime=runtime, device=device)


def _rounded(height: float, width: float, multiple: int) -> Size:
    return max(multiple, round(height / multiple) * multiple), max(multiple, round(width / multiple) * multiple)


def _text(profile: Profile) -> str:
    networks = [
        [
            f"{each.task} {each.model}",
            f"{each.runtime}, {each.device}, {each.precision}",
            f"{each.size[0]}x{each.size[1]}",
            number(each.p50, 2),
            number(each.p90, 2),
        ]
        for each in profile.networks
    ]
    frames = [["the rest of a frame", each.device, f"{each.size[0]}x{each.size[1]}", number(each.p50, 2), "-"]
              for each in profile.frames]  # fmt: skip
    lines = "\n".join(f"- {name}: {value}" for name, value in profile.machine.items())
    table = markdown_table(["ms", "where", "height x width", "p50", "p90"], [*networks, *frames])
    return f"{lines}\n\n{table}\n"


if __name__ == "__main__":
    sys.exit(main())
