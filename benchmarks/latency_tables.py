"""The figures of `benchmarks.latency` as Markdown and as bars, and held against what is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.stepping import STEP, TELEA, Gpu, Paced, Steps, Sustained
from benchmarks.tables import markdown_table, number, percent
from benchmarks.targets import Target

CPU_SIZE = "1280x720"  # on 2 cores
RATIO = 1 / 6  # of Telea's time, masks given
FPS = 15.0  # erase_video as a whole, frames/s
GPU_SIZE = "1920x1080"
GPU_WORK, GPU_STEP, GPU_TAIL, GPU_NETWORK = 2.0, 4.0, 2.0, 0.5  # ms, ms, p99 / p50, ms


@dataclass(frozen=True)
class Whole:
    """`erase_video` on a file. fps: frames per second of the whole call, networks loaded before the clock starts."""

    title: str
    frames: int
    seconds: float
    fps: float
    stages: dict[str, dict[str, float]]


def steps_text(steps: Steps) -> str:
    """One table of `Eraser.step` as Markdown, and one of the GPU where it works there."""
    stages = {stage: asdict(times) for stage, times in steps.stages.items()}
    if steps.network is not None:
        stages["(segmenter's runs)"] = asdict(steps.network)
    about = f"Hole {percent(steps.hole)} of the frame, {steps.fills:.1f} fills per 100 frames, {steps.fps:.1f} steps/s"
    if steps.sustained is not None:
        about += f", {steps.sustained.fps:.1f} where each frame is announced while the one before is erased"
    if steps.ratio is not None:
        about += f"; Eraser.step takes {steps.ratio:.3f} of Telea's time (1/{1 / steps.ratio:.1f})"
    text = f"\n### Eraser.step, {steps.size}, {steps.title}\n\n{about}.\n\n{_stage_table(stages)}"
    return text if steps.gpu is None else f"{text}\n\n{_gpu_text(steps.gpu, steps.sustained)}"


def _gpu_text(gpu: Gpu, sustained: Sustained | None) -> str:
    stages = {stage: asdict(times) for stage, times in gpu.stages.items()}
    stages |= {
        "enqueue (CPU)": asdict(gpu.enqueue),
        "frame to device": asdict(gpu.to_device),
        "frame to host": asdict(gpu.to_host),
    }
    about = (
        f"On the GPU, by events: {gpu.memory / 2**20:.0f} MiB of its memory in use at most; per frame "
        f"{gpu.allocations:.2f} allocations, {gpu.waits:.2f} waits"
        f"{''.join(f', {number:.2f} of them in {place}' for place, number in gpu.places.items())}."
    )
    if sustained is not None:
        about += f" Waits of a frame that was announced while the one before was erased: {sustained.waits:g}."
    return f"{about}\n\n{_stage_table(stages)}"


def paced_text(paced: Sequence[Paced]) -> str:
    """The runs at a camera's pace as Markdown."""
    rows = [
        [
            one.title,
            number(one.rate),
            number(one.fps),
            percent(one.dropped),
            *(number(value) for value in (one.latency.p50, one.latency.p90, one.latency.p99, one.latency.max)),
        ]
        for one in paced
    ]
    header = ["frames come", "per second", "erased per second", "dropped", "latency p50", "p90", "p99", "max"]
    return f"\n### At a camera's pace (ms)\n\n{markdown_table(header, rows)}"


def whole_text(whole: Whole) -> str:
    """The whole job as Markdown."""
    stages = {name: {"n": stage["count"], **stage} for name, stage in whole.stages.items()}
    about = f"{whole.frames} frames in {whole.seconds:.2f} s: {whole.fps:.1f} frames/s"
    return f"\n### {whole.title}\n\n{about}.\n\n{_stage_table(stages)}"


def bars_of(steps: Sequence[Steps], whole: Sequence[Whole]) -> list[tuple[str, Mapping[str, float]]]:
    """For each run its stages' mean milliseconds, as `charts.stacked` takes them."""
    bars: list[tuple[str, Mapping[str, float]]] = []
    for one in steps:
        stages = {stage: times.mean for stage, times in one.stages.items() if stage not in (STEP, TELEA)}
        bars.append((one.title, stages))
        if one.gpu is not None:
            bars.append((f"{one.title}, GPU", {stage: t.mean for stage, t in one.gpu.stages.items() if stage != STEP}))
        if TELEA in one.stages:
            bars.append(("Telea", {"Telea": one.stages[TELEA].mean}))
    bars += [("erase_video", {name: stage["mean"] for name, stage in job.stages.items()}) for job in whole]
    return bars


def targets_text(steps: Sequence[Steps], whole: Sequence[Whole]) -> str:
    """The targets as Markdown: those of a GPU only where there was one."""
    targets = [*_on_a_cpu(steps, whole), *_on_a_gpu(steps)]
    rows = [[target.name, target.wanted, target.reached, target.verdict] for target in targets]
    return f"\n### Targets\n\n{markdown_table(['target', 'wanted', 'reached', 'met'], rows)}\n" if rows else ""


def _on_a_cpu(steps: Sequence[Steps], whole: Sequence[Whole]) -> Iterator[Target]:
    for one in steps:
        given = one.gpu is None and one.title == "masks given"
        if given and one.size == CPU_SIZE and one.ratio is not None:
            wanted = f"<= {RATIO:.3f}"
            yield Target("Eraser.step p50 / Telea p50, masks given", wanted, f"{one.ratio:.3f}", one.ratio <= RATIO)
    for job in whole:
        if steps and steps[0].size == CPU_SIZE:
            yield Target("erase_video as a whole", f">= {FPS:g} frames/s", f"{job.fps:.1f}", job.fps >= FPS)


def _on_a_gpu(steps: Sequence[Steps]) -> Iterator[Target]:
    for one in steps:
        if one.gpu is None or one.size != GPU_SIZE:
            continue

        def most(what: str, limit: float, value: float, unit: str, title: str = one.title) -> Target:
            return Target(f"{what}, {title}", f"<= {limit:g}{unit}", f"{value:.2f}{unit}", value <= limit)

        work, whole = one.gpu.stages[STEP], one.stages[STEP]
        yield most("GPU work per frame, p50", GPU_WORK, work.p50, " ms")
        yield most("end to end without codec, p50", GPU_STEP, whole.p50, " ms")
        yield most("end to end, p99 / p50", GPU_TAIL, whole.p99 / whole.p50, "")
        if one.network is not None:
            yield most("segmenter's run, p50", GPU_NETWORK, one.network.p50, " ms")
        yield most("allocations per frame", 0, one.gpu.allocations, "")
        if one.sustained is not None:
            yield most("waits of an announced frame, p50", 1, one.sustained.waits, "")


def _stage_table(stages: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        [name, str(times["n"]), *(number(times[column], 2) for column in ("p50", "p90", "p99", "max"))]
        for name, times in stages.items()
    ]
    return markdown_table(["ms per frame", "n", "p50", "p90", "p99", "max"], rows)
