"""One network on one runtime, timed: what `benchmarks.engines` starts, each time in a process of its own.

    python -m benchmarks.engine_run ROW --task segmenter --model swift --size 288x512

Prints one line of JSON: {"version", "network", "copied", "parity"} or {"lack"}. It imports NumPy and the runtime that
it times, so that each may be installed in another interpreter.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from engines.card import TOLERANCES
from engines.choice import Place, lack_of
from engines.errors import EngineError
from engines.interface import CHANNELS, cores
from engines.models import Model, find_model
from engines.parity import PROBE, Arrays, compare, load_probe, random_inputs

Run = Callable[[Arrays], Arrays]


class Timed:
    """A network ready to be timed.

    version: of the runtime. run: host arrays in and out. step: one run on inputs that lie where the network does, done
    when it returns; gives the milliseconds.
    """

    def __init__(self, version: str, run: Run, step: Callable[[], float]) -> None:
        self.version, self.run, self.step = version, run, step


def onnxruntime_row(model: Model, inputs: Arrays, device: str, threads: int) -> Timed:
    import onnxruntime

    from engines.onnx_engine import OnnxEngine

    graph = model.graph("fp32") if device == "cuda" or model.part else None
    engine = OnnxEngine(graph or model.content(), model.card, device=device, threads=threads)
    session = engine.session
    assert session is not None
    bound = session.io_binding()
    for name, array in inputs.items():
        bound.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array, device, 0))
    for output in session.get_outputs():
        bound.bind_output(output.name, device)

    def step() -> float:
        started = time.perf_counter()
        session.run_with_iobinding(bound)
        bound.synchronize_outputs()
        return (time.perf_counter() - started) * 1000

    return Timed(f"onnxruntime {onnxruntime.__version__}", lambda given: engine.run(**given), step)


def tensorrt_row(model: Model, inputs: Arrays, precision: str, graphs: bool) -> Timed:
    from engines import cuda
    from engines.build import Options, load_tensorrt
    from engines.tensorrt_build import tensorrt_module, version_of

    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr)  # noqa: E731
    engine = load_tensorrt(model, Options(precision), graphs=graphs, say=say, aside=True)
    if engine.precision != precision:
        raise EngineError(f"refused: its answers in {precision.upper()} are not the model's")
    there = {name: cuda.empty(array.shape, stream=engine.stream) for name, array in inputs.items()}
    for name, array in inputs.items():
        cuda.upload(there[name], array, engine.stream)
    before, after = cuda.Event(), cuda.Event()

    def step() -> float:
        before.record(engine.stream)
        engine.run(**there)
        after.record(engine.stream)
        engine.stream.synchronize()
        return after.milliseconds_since(before)

    return Timed(version_of(tensorrt_module()), lambda given: engine.run(**given), step)


def torch_row(model: Model, inputs: Arrays, precision: str, device: str, threads: int, recorded: bool) -> Timed:
    import torch

    from engines.onnx_torch import OnnxGraph

    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True
    path = model.graph(precision)
    if path is None:
        raise EngineError(f"{model.card.name} has no {precision.upper()} graph")
    graph = OnnxGraph(path, device)
    there = {name: torch.from_numpy(array).to(device) for name, array in inputs.items()}
    work: Callable[[], Any] = lambda: graph(**there)  # noqa: E731
    if recorded:
        work = _recorded(torch, work)

    def step() -> float:
        if device == "cpu":
            started = time.perf_counter()
            work()
            return (time.perf_counter() - started) * 1000
        before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        before.record()
        work()
        after.record()
        torch.cuda.synchronize()
        return float(before.elapsed_time(after))

    def run(given: Arrays) -> Arrays:
        sent = {name: torch.from_numpy(array).to(device) for name, array in given.items()}
        return {name: tensor.cpu().numpy() for name, tensor in graph(**sent).items()}

    return Timed(f"torch {torch.__version__}", run, step)


def _recorded(torch: Any, work: Callable[[], Any]) -> Callable[[], Any]:
    """The same work as a CUDA graph (as torch's notes on CUDA graphs say: first some runs on a side stream)."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    recording = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recording):
        work()
    return recording.replay


ROWS: Mapping[str, tuple[Place, Callable[[Model, Arrays, int], Timed]]] = {
    "TensorRT FP16, CUDA graph": (("tensorrt", "cuda"), lambda m, x, threads: tensorrt_row(m, x, "fp16", True)),
    "TensorRT FP16, enqueued": (("tensorrt", "cuda"), lambda m, x, threads: tensorrt_row(m, x, "fp16", False)),
    "TensorRT FP32, CUDA graph": (("tensorrt", "cuda"), lambda m, x, threads: tensorrt_row(m, x, "fp32", True)),
    "TensorRT mixed, CUDA graph": (("tensorrt", "cuda"), lambda m, x, threads: tensorrt_row(m, x, "mixed", True)),
    "TensorRT INT8, CUDA graph": (("tensorrt", "cuda"), lambda m, x, threads: tensorrt_row(m, x, "int8", True)),
    "onnxruntime CUDA FP32": (("onnxruntime", "cuda"), lambda m, x, threads: onnxruntime_row(m, x, "cuda", threads)),
    "torch CUDA FP16, CUDA graph": (
        ("torch", "cuda"), lambda m, x, threads: torch_row(m, x, "fp16", "cuda", threads, True)),
    "torch CUDA FP16, eager": (
        ("torch", "cuda"), lambda m, x, threads: torch_row(m, x, "fp16", "cuda", threads, False)),
    "torch CUDA FP32, eager": (
        ("torch", "cuda"), lambda m, x, threads: torch_row(m, x, "fp32", "cuda", threads, False)),
    "onnxruntime CPU FP32": (("onnxruntime", "cpu"), lambda m, x, threads: onnxruntime_row(m, x, "cpu", threads)),
    "torch CPU FP32, eager": (("torch", "cpu"), lambda m, x, threads: torch_row(m, x, "fp32", "cpu", threads, False)),
}  # fmt: skip


def measure(row: str, model: Model, size: tuple[int, int], runs: int, warm_up: int, threads: int) -> dict[str, Any]:
    """Time a row; EngineError when its runtime can't be used here."""
    place, prepare = ROWS[row]
    if lack := lack_of(place):
        raise EngineError(lack)
    inputs = random_inputs({name: CHANNELS[name] for name in model.card.inputs}, *size)
    timed = prepare(model, inputs, threads)
    probe = load_probe(model.beside(PROBE)).asked_of(model.card)
    figures = compare(model.card, probe, timed.run(probe.inputs))
    for _ in range(warm_up):
        timed.step()
        timed.run(inputs)
    network = [timed.step() for _ in range(runs)]
    copied = []
    for _ in range(runs):
        started = time.perf_counter()
        timed.run(inputs)
        copied.append((time.perf_counter() - started) * 1000)
    wanted = model.card.tolerance or TOLERANCES[model.card.task]
    parity = {name: figures[name] for name in wanted if name in figures}
    return {"version": timed.version, "network": network, "copied": copied, "parity": parity}


def main(arguments: list[str] | None = None) -> int:
    """Print the row's figures, or what it lacks; returns 0 in both cases."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_run")
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--task", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", required=True)
    parser.add_argument("--unguided", action="store_true", help="without the object's part")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--warm-up", type=int, default=20)
    parser.add_argument("--threads", type=int, default=cores())
    given = parser.parse_args(arguments)
    height, width = (int(side) for side in given.size.split("x"))
    try:
        model = find_model(given.model, given.task)
        model = (model.unguided() if given.unguided else None) or model
        result = measure(given.row, model, (height, width), given.runs, given.warm_up, given.threads)
    except EngineError as error:
        result = {"lack": str(error)}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
