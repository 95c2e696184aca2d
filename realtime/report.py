"""What a job did and how long it took: the return value of `erase_video` and the file that `--report` writes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

from realtime.errors import EraserError
from realtime.media.temporary import Temporary

_STEP = math.log(1.01)
_SHORTEST_MS = 1e-3
_BINS = 2400  # 1 % steps from 1 us reach past 6 hours


def version() -> str:
    """The installed version of the project, "unknown" when its code runs without having been installed."""
    try:
        return metadata.version("object-eraser")
    except metadata.PackageNotFoundError:
        return "unknown"


class Histogram:
    """Percentiles of millions of durations in constant memory.

    Durations are counted in bins that grow by 1 % each, so a percentile is within 1 % of the exact one, however many
    are added; count, sum and maximum are exact. Not a sample: nothing is left to chance.
    """

    def __init__(self) -> None:
        self._counts = [0] * _BINS
        self.count = 0
        self.total = 0.0
        self.max = 0.0

    def add(self, milliseconds: float) -> None:
        """Count one duration, in milliseconds (>= 0)."""
        index = 0
        if milliseconds > _SHORTEST_MS:
            index = min(int(math.log(milliseconds / _SHORTEST_MS) / _STEP), _BINS - 1)
        self._counts[index] += 1
        self.count += 1
        self.total += milliseconds
        self.max = max(self.max, milliseconds)

    def percentile(self, percent: float) -> float:
        """The duration in milliseconds that `percent` of the added ones do not exceed; 0 when none was added."""
        rank = math.ceil(self.count * percent / 100)
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= rank:
                middle = _SHORTEST_MS * math.exp((index + 0.5) * _STEP)
                return min(middle, self.max)
        return 0.0


@dataclass(frozen=True, slots=True)
class StageTime:
    """Milliseconds per frame of one stage, over the frames in which it ran."""

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    max: float


class StageTimes:
    """Collects the durations of each stage, frame by frame. One thread only."""

    def __init__(self) -> None:
        self._stages: dict[str, Histogram] = {}

    def add(self, timings: Mapping[str, float]) -> None:
        """Count one frame: milliseconds by stage."""
        for stage, milliseconds in timings.items():
            self._stages.setdefault(stage, Histogram()).add(milliseconds)

    def summary(self) -> dict[str, StageTime]:
        """The stages in the order in which they were first seen, in milliseconds rounded to 1 us."""
        return {
            name: StageTime(
                count=times.count,
                mean=round(times.total / times.count, 3),
                p50=round(times.percentile(50), 3),
                p90=round(times.percentile(90), 3),
                p99=round(times.percentile(99), 3),
                max=round(times.max, 3),
            )
            for name, times in self._stages.items()
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What a job did.

    frames: frames written; lost: frames of the input that its damage has cost (exit code 3 when there are any).
    fills: how often the filler ran; cuts: how often a scene cut started a new plate; anchors: how often the plate's
    canvas followed the camera; parallax: on how many frames it lay at two distances, and two plates were used.
    coverage: share (0 to 1) of all hole pixels that show real background, not a fill; None when nothing was erased.
    seconds: wall-clock time from the first frame read to the last one written; fps: frames / seconds.
    stages: time per frame. "decode" and "encode" run beside the others on threads of their own.
    segmenter: the model, None when none was needed; filler: the model. device, runtime: what the networks ran on.
    notes: remarks for the user, a line each.
    """

    input: str
    output: str
    version: str
    width: int
    height: int
    frames: int
    lost: int
    fills: int
    cuts: int
    anchors: int
    parallax: int
    coverage: float | None
    seconds: float
    fps: float
    segmenter: str | None
    filler: str
    device: str
    runtime: str
    stages: dict[str, StageTime] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The report as indented JSON; times in milliseconds per frame, named as the fields here."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON as `write_bytes` does; raises EraserError when that fails."""
        write_text(path, self.to_json())


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Replace the file `path` by JSON (UTF-8), whole or not at all; raises EraserError when that fails."""
    # A file's name may be no UTF-8: what is none becomes JSON's escape of it (\udcff), so that every reader takes it.
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace the file `path`, or the one that it links to, whole or not at all; a pipe or a device takes the content
    as it is. Raises EraserError when that fails."""
    target = Path(path)
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(content)
            return
        target = target.resolve()
        beside = Temporary(target.parent)
        try:
            beside.path.write_bytes(content)
            beside.keep(target)
        finally:
            beside.remove()
    except OSError as error:
        raise EraserError(f"cannot write {target}: {error.strerror or error}") from error
