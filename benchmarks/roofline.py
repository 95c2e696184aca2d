"""What GPUs that were not measured should give, on paper: estimates, by the roofline.

    python -m benchmarks.roofline            # networks and frames, from counted work and published peaks
    python -m benchmarks.roofline --count    # count the work of a frame anew first (minutes; a checkout with g++)

Each layer takes as long as its operations at the GPU's peak or its bytes at the memory's, whichever is longer, and a
kernel's start. *At best* is that sum; *likely* supposes a third of both peaks. Every figure here is an estimate, none a
measurement. README.md in this folder says more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.tables import markdown_table, number
from engines.card import TASKS
from engines.command import exit_code_of, optional
from engines.models import find_model
from engines.runtime import DEFAULT_FILLER, DEFAULT_SEGMENTER

with optional(__name__):
    from benchmarks.work import FrameWork, Layer, layers_of

COUNTED = Path(__file__).parent / "results" / "estimates" / "frame_work.json"
LIKELY = 1 / 3  # of the peaks that small networks and pixel operations are supposed to reach
FP16_BYTES, INT8_BYTES = 2, 1
SIZES = ((720, 1280), (1080, 1920))
CHOSEN = {"segmenter": DEFAULT_SEGMENTER, "filler": DEFAULT_FILLER}


@dataclass(frozen=True)
class Gpu:
    """Published peaks, dense. fp16, int8: of the tensor cores, 10^12 operations/s; memory, link: 10^9 bytes/s, of the
    device's memory and of the way to it (shared: the same memory); start: microseconds of a kernel within a graph.
    """

    name: str
    fp16: float
    int8: float
    memory: float
    link: float
    start: float
    source: str


# Makers publish INT8 with sparsity, twice the dense rate; FP16 is half of dense INT8. Starts are suppositions.
GPUS = (
    Gpu("Jetson Orin Nano 8GB", 10.0, 20.0, 68.0, 68.0, 4.0, "data sheet: 40 TOPS sparse INT8, 68 GB/s, 15 W"),
    Gpu("Jetson AGX Orin 64GB", 42.5, 85.0, 204.8, 204.8, 3.0, "technical brief: GPU 170 TOPS sparse INT8, 204.8 GB/s"),
    Gpu("GeForce RTX 4060", 60.5, 121.0, 272.0, 15.8, 2.0, "maker: 242 AI TOPS sparse, 272 GB/s, PCIe 4.0 x8"),
    Gpu("H200 SXM", 989.5, 1979.0, 4800.0, 63.0, 2.0, "data sheet: 1,979 TFLOPS sparse FP16, 4.8 TB/s, PCIe 5.0 x16"),
)


@dataclass(frozen=True)
class Estimate:
    """Milliseconds of a network or a frame on a GPU, at best and likely."""

    what: str
    gpu: str
    best: float
    likely: float


def network_estimate(what: str, gpu: Gpu, layers: Sequence[Layer], *, int8: bool = False) -> Estimate:
    """A network: in FP16, or with all its products in INT8."""
    peak, width = (gpu.int8, INT8_BYTES) if int8 else (gpu.fp16, FP16_BYTES)

    def total(share: float) -> float:
        seconds = sum(
            max(each.flops / (peak * 1e12), width * (each.weights + each.values) / (gpu.memory * 1e9)) / share
            for each in layers
        )
        return 1e3 * seconds + 1e-3 * gpu.start * len(layers)

    return Estimate(what, gpu.name, total(1.0), total(LIKELY))


def frame_estimate(what: str, gpu: Gpu, work: FrameWork) -> Estimate:
    """What the eraser does to a frame besides its networks: bytes, copies and starts; arithmetic is never the limit."""
    moved = 1e3 * (work.nbytes / (gpu.memory * 1e9) + (work.up + work.down) / (gpu.link * 1e9))
    starts = 1e-3 * gpu.start * work.kernels
    return Estimate(what, gpu.name, moved + starts, moved / LIKELY + starts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Estimate; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofline", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--count", action="store_true", help="count the work of a frame anew, on a CPU stand-in of a GPU"
    )
    parser.add_argument("--out", type=Path, default=Path("build/roofline"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: run(options))


def run(options: argparse.Namespace) -> None:
    """Print and write the estimates."""
    options.out.mkdir(parents=True, exist_ok=True)
    counted = COUNTED
    if options.count:
        from benchmarks.frame_work import count_frames

        counted = options.out / COUNTED.name
        work = [asdict(each) for each in count_frames(SIZES)]
        counted.write_text(json.dumps({"machine": describe_machine(), "frames": work}, indent=1) + "\n")
    frames = [FrameWork(**{**each, "size": tuple(each["size"])}) for each in json.loads(counted.read_text())["frames"]]
    networks = {}
    for task in TASKS:
        model = find_model(CHOSEN[task], task)
        height, width = model.card.sizes[0]
        for part, what in ((model.unguided(), ", people alone"), (model, "")):
            if part is not None:
                networks[f"{task} {model.card.name}{what}, {height}x{width}"] = layers_of(part, height, width)
    text = _text(networks, frames)
    (options.out / "estimates.md").write_text(text, encoding="utf-8")
    print(text)


def _text(networks: dict[str, list[Layer]], frames: Sequence[FrameWork]) -> str:
    return "\n\n".join([
        "# Estimates: nothing here was measured",
        "Milliseconds, at best to likely, by `python -m benchmarks.roofline`; benchmarks/README.md says how. The CPU's "
        "part (motion, decoding) is not in them, nor are fills, which are rare.",
        _estimates(networks, frames),
        "## The work, counted",
        _work(networks, frames),
        "## The peaks, as published",
        _peaks(),
    ]) + "\n"  # fmt: skip


def _estimates(networks: dict[str, list[Layer]], frames: Sequence[FrameWork]) -> str:
    """A row for each network and precision, each size of a frame, and both together; a column for each GPU."""
    columns = []
    for gpu in GPUS:
        runs = [
            network_estimate(f"{name}, {'INT8' if int8 else 'FP16'}", gpu, layers, int8=int8)
            for name, layers in networks.items()
            for int8 in (False, True)
        ]
        rests = [frame_estimate(f"the rest of a frame, {_named(work)}", gpu, work) for work in frames]
        cells = {each.what: f"{each.best:.2f} to {each.likely:.2f}" for each in (*runs, *rests)}
        for work, rest in zip(frames, rests, strict=True):
            slow, fast = 1e3 / (runs[0].likely + rest.likely), 1e3 / (runs[0].best + rest.best)
            cells[f"frames/s, {_named(work)}, segmenter in FP16 on each"] = f"{slow:.0f} to {fast:.0f}"
        columns.append(cells)
    rows = [[what, *(cells[what] for cells in columns)] for what in columns[0]]
    return markdown_table(["estimate, ms", *(gpu.name for gpu in GPUS)], rows)


def _work(networks: dict[str, list[Layer]], frames: Sequence[FrameWork]) -> str:
    rows = []
    for name, layers in networks.items():
        flops, values, weights = (
            sum(column) for column in zip(*((x.flops, x.values, x.weights) for x in layers), strict=True)
        )
        megabytes = (number(FP16_BYTES * count / 1e6) for count in (values, weights))
        rows.append([name, str(len(layers)), number(flops / 1e9, 2), *megabytes])
    for work in frames:
        moved, copied = work.nbytes / 1e6, (work.up + work.down) / 1e6
        rows.append([f"a frame, {_named(work)}", str(work.kernels), "-", number(moved), number(copied)])
    return markdown_table(["", "kernels", "GFLOP", "MB read and written", "MB of weights, or copied"], rows)


def _peaks() -> str:
    rows = [[gpu.name, *map(number, (gpu.fp16, gpu.int8, gpu.memory, gpu.link, gpu.start)), gpu.source] for gpu in GPUS]
    return markdown_table(["", "FP16 TFLOPS", "INT8 TOPS", "memory GB/s", "link GB/s", "start us", "source"], rows)


def _named(work: FrameWork) -> str:
    return f"{work.size[1]}x{work.size[0]}"


if __name__ == "__main__":
    sys.exit(main())
