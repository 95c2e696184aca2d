"""Does the live loop keep up?

    python -m benchmarks.live                  # 640x360 and 1280x720 at 30 frames/s, with and without a window
    python -m benchmarks.live --soak 30        # memory, latency and threads over half an hour

Plays a made clip (a person who crosses before a still camera) at its own pace, over and over, into `erase-live`.
README.md in this folder defines every figure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.latency import BUSY, FPS, picture_size
from benchmarks.machine import describe_machine, priority
from benchmarks.movie import write_movie
from benchmarks.scenes import crossing
from benchmarks.stepping import Times
from benchmarks.tables import markdown_table, number, percent
from benchmarks.threads import ThreadClock, memory_mb, threads
from benchmarks.xvfb import virtual_display
from engines.command import exit_code_of
from engines.runtime import DEFAULT_FILLER, DEFAULT_SEGMENTER
from realtime.errors import EraserError
from realtime.live.control import Control, Live, Shown
from realtime.live.report import LiveReport
from realtime.live.session import LiveOptions, erase_live

CLIP_SECONDS = 10
LITTLE = 640 * 360  # pixels up to which the stricter targets hold
GROWTH = 0.05  # share by which memory may grow after the first minute


@dataclass(frozen=True)
class Sample:
    """A moment of the soak. minute: since the start; memory_mb: resident; threads: of this process; latency_ms: median
    since the sample before."""

    minute: float
    memory_mb: float
    threads: int
    latency_ms: float


@dataclass
class Run:
    """One run. latency: capture to present, milliseconds, after the warm-up; dropped: share of the captured frames;
    repeated: per 100 pictures; cpu: share of one core by thread; lowered: seconds of the whole run by what the governor
    had lowered."""

    size: str
    shown_by: str
    fps: float
    latency: Times
    dropped: float
    repeated: float
    cpu: dict[str, float]
    lowered: dict[str, float]
    coverage: float | None
    samples: list[Sample] = field(default_factory=list)


class Meter:
    """Stands between the loop and what shows it, and takes the time. Used by the main thread."""

    def __init__(self, warm_up: float, every: float = 10.0) -> None:
        """warm_up: seconds that don't count; every: seconds between two samples."""
        self.samples: list[Sample] = []
        self.clock = ThreadClock()
        self.latencies: list[float] = []
        self.times: list[float] = []
        self.statuses: list[tuple[int, int]] = []  # dropped, repeated: at the first and the latest picture
        self._warm_up, self._every = warm_up, every
        self._start: float | None = None
        self._sampled = 0

    def over(self, live: Live) -> Live:
        """The loop, watched."""
        self._live = live
        return self

    @property
    def running(self) -> bool:
        return self._live.running

    def newest(self, timeout: float) -> Shown | None:
        return self._live.newest(timeout)

    def edit(self, edit: object) -> None:
        raise AssertionError("nobody edits in a benchmark")

    def control(self, control: Control) -> None:
        self._live.control(control)

    def presented(self, shown: Shown) -> None:
        self._live.presented(shown)
        now = time.monotonic()
        if self._start is None:
            self._start = now
        if now - self._start < self._warm_up:
            return
        if not self.times:
            self.clock.start()
        self.clock.look()
        self.times.append(now)
        self.latencies.append((now - shown.captured) * 1e3)
        status = shown.status.dropped, shown.status.repeated
        self.statuses = [self.statuses[0] if self.statuses else status, status]
        if now - self._start >= self._every * (len(self.samples) + 1):
            recent = sorted(self.latencies[self._sampled :])
            self._sampled = len(self.latencies)
            minute = (now - self._start) / 60
            self.samples.append(Sample(minute, memory_mb(), threads(), recent[len(recent) // 2]))

    def run(self, size: str, shown_by: str, report: LiveReport) -> Run:
        """What was measured."""
        if len(self.times) < 2:
            raise EraserError("nothing was shown after the warm-up: give more --seconds")
        shown = len(self.times) - 1
        dropped, repeated = (after - before for before, after in zip(*self.statuses, strict=True))
        return Run(
            size=size,
            shown_by=shown_by,
            fps=shown / (self.times[-1] - self.times[0]),
            latency=Times.of(self.latencies),
            dropped=dropped / (dropped + shown),
            repeated=100 * repeated / shown,
            cpu=self.clock.shares(),
            lowered=report.lowered,
            coverage=report.coverage,
            samples=self.samples,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code (0 done, 1 failed, 2 wrong usage or no reference data)."""
    options = _parse(arguments)
    return exit_code_of(lambda: run(options))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description="Does the live loop keep up?")
    parser.add_argument("--sizes", nargs="+", type=picture_size, default=[(640, 360), (1280, 720)], metavar="WxH")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each run (default 40)")
    parser.add_argument("--warm-up", type=float, default=10.0, help="seconds that don't count (default 10)")
    parser.add_argument(
        "--shown-by",
        choices=["nobody", "window", "both"],
        default="both",
        help="window: on the present display; both: that on a virtual display of its own (default)",
    )
    parser.add_argument(
        "--soak", type=float, metavar="MINUTES", help="one long run at the first size, without a window"
    )
    parser.add_argument("--segmenter", default=DEFAULT_SEGMENTER, metavar="MODEL")
    parser.add_argument("--fill", default=DEFAULT_FILLER, metavar="MODEL")
    parser.add_argument("--out", type=Path, default=Path("build/live"), metavar="FOLDER")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Measure what `options` ask for; print and write the tables."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    machine = {**describe_machine(), "load before": number(load, 2), "priority": priority()}
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        sizes = options.sizes[:1] if options.soak else options.sizes
        clips = {f"{width}x{height}": _write_clip(Path(folder), width, height) for width, height in sizes}
        if load is not None and load > BUSY * (os.cpu_count() or 1):
            print(f"other programs keep this machine busy (load {load:.1f}): it will be too slow", file=sys.stderr)
        for size, clip in clips.items():
            runs.append(measure(clip, size, options))
            print(run_text(runs[-1]), flush=True)
            if options.soak or options.shown_by != "both":
                continue
            with virtual_display() as display:
                if display is None:
                    print("there is no Xvfb here: the run with a window is left out", file=sys.stderr)
                    continue
                runs.append(measure_apart(size, options, display))
                print(run_text(runs[-1]), flush=True)
    text = soak_text(runs[0]) if options.soak else targets_text(runs)
    print(text)
    _write(options, machine, runs, text)
    print(f"Written to {options.out}")


def _write_clip(folder: Path, width: int, height: int) -> Path:
    """A person crosses, as a file."""
    clip = folder / f"{width}x{height}.mp4"
    write_movie(clip, (shot.frame for shot in crossing(width, height, CLIP_SECONDS * FPS)), FPS)
    return clip


def measure_apart(size: str, options: argparse.Namespace, display: str) -> Run:
    """One run with a window on this display, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.live", "--sizes", size, "--shown-by", "window", "--out", folder]
        for name in ("seconds", "warm_up", "segmenter", "fill"):
            command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
        environment = {**os.environ, "DISPLAY": display}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise EraserError(f"the run with a window has failed: {done.stderr.strip()}")
        (one,) = json.loads((Path(folder) / "live.json").read_text(encoding="utf-8"))["runs"]
    return Run(**{**one, "latency": Times(**one["latency"]), "samples": [Sample(**s) for s in one["samples"]]})


def measure(clip: Path, size: str, options: argparse.Namespace) -> Run:
    """One run of `erase-live` on the clip, over and over, in this process."""
    from realtime.live.watching import Watcher
    from realtime.live.window import show

    window = options.shown_by == "window" and not options.soak
    seconds = options.soak * 60 if options.soak else options.seconds
    meter = Meter(options.warm_up)

    def watch(live: Live) -> None:
        if window:
            show(meter.over(live), "benchmarks.live")
        else:
            Watcher(lambda line: None).watch(meter.over(live))

    asked = LiveOptions(
        str(clip), loop=True, duration=seconds, headless=not window, segmenter=options.segmenter, fill=options.fill
    )
    report = erase_live(asked, watch)
    return meter.run(size, "window" if window else "nobody", report)


def run_text(one: Run) -> str:
    """One run as Markdown."""
    latency = one.latency
    rows = [[number(getattr(latency, name), 1) for name in ("p50", "p90", "p99", "max")]]
    table = markdown_table(["p50", "p90", "p99", "max"], rows)
    lowered = ", ".join(f"{what} for {seconds:.0f} s" for what, seconds in one.lowered.items()) or "nothing"
    cpu = markdown_table(["thread", "of a core"], [[name, percent(share)] for name, share in one.cpu.items()])
    return (
        f"\n### {one.size}, shown by {'a window' if one.shown_by == 'window' else 'nobody'}\n\n"
        f"{one.fps:.1f} frames/s shown of {FPS}; dropped {percent(one.dropped)}, repeated {one.repeated:.1f} per 100; "
        f"lowered by the governor: {lowered}; {percent(one.coverage)} of the hole is real background.\n\n"
        f"Milliseconds from capture to present, {latency.n} pictures:\n\n{table}\n\n{cpu}"
    )


def targets_text(runs: list[Run]) -> str:
    """The targets of two cores, and what was reached."""
    rows = []
    for one in runs:
        width, height = map(int, one.size.split("x"))
        small = width * height <= LITTLE
        where = f"{one.size}, {one.shown_by}"
        least, slowest = (FPS - 0.3, 100.0) if small else (20.0, 150.0)
        rows.append([f"{where}: shown", f">= {least:g} frames/s", f"{one.fps:.1f}", _met(one.fps >= least)])
        if small:
            rows.append([f"{where}: dropped", "<= 2 %", percent(one.dropped), _met(one.dropped <= 0.02)])
        p50, p90, p99 = one.latency.p50, one.latency.p90, one.latency.p99
        rows.append([f"{where}: p90", f"<= {slowest:.0f} ms", f"{p90:.1f} ms", _met(p90 <= slowest)])
        if small:
            rows.append([f"{where}: p99", "<= 2 x p50", f"{p99 / p50:.2f} x", _met(p99 <= 2 * p50)])
    return f"\n### Targets (2 cores)\n\n{markdown_table(['target', 'wanted', 'reached', 'met'], rows)}\n"


def soak_text(one: Run) -> str:
    """The soak's samples, a minute each, and what grew."""
    minutes = one.samples[5::6] or one.samples
    rows = [[number(s.minute, 1), number(s.memory_mb), str(s.threads), number(s.latency_ms)] for s in minutes]
    table = markdown_table(["minute", "memory MB", "threads", "latency p50"], rows)
    later = [sample for sample in one.samples if sample.minute >= 1]
    text = f"\n### Soak, {one.size}\n\n{table}\n"
    if len(later) < 2:
        return text
    growth = max(sample.memory_mb for sample in later) / later[0].memory_mb - 1
    quarter = max(1, len(later) // 4)
    early = sum(sample.latency_ms for sample in later[:quarter]) / quarter
    late = sum(sample.latency_ms for sample in later[-quarter:]) / quarter
    more = later[-1].threads - later[0].threads
    rows = [
        ["memory after the first minute", f"<= +{GROWTH:.0%}", f"{growth:+.1%}", _met(growth <= GROWTH)],
        ["latency p50, last quarter / first", "<= 1.10", f"{late / early:.2f}", _met(late <= 1.1 * early)],
        ["threads", "+0", f"{more:+d}", _met(more <= 0)],
    ]
    return f"{text}\n{markdown_table(['target', 'wanted', 'reached', 'met'], rows)}\n"


def _met(yes: bool) -> str:
    return "yes" if yes else "NO"


def _write(options: argparse.Namespace, machine: dict[str, str], runs: list[Run], text: str) -> None:
    settings = {
        "clip": f"a person crosses before a still camera, {CLIP_SECONDS} s at {FPS} frames/s, over and over",
        "seconds": number(options.soak * 60 if options.soak else options.seconds, 0),
        "warm-up": f"{options.warm_up:g} s",
        "segmenter": options.segmenter,
        "fill": options.fill,
    }
    name = "soak" if options.soak else "live"
    options.out.mkdir(parents=True, exist_ok=True)
    data = {"machine": machine, "settings": settings, "runs": [asdict(one) for one in runs]}
    (options.out / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    about = "\n".join(f"- {key}: {value}" for key, value in {**machine, **settings}.items())
    texts = [f"# {'Soak' if options.soak else 'Live'}\n", about, *map(run_text, runs), text]
    (options.out / f"{name}.md").write_text("\n".join(texts), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
