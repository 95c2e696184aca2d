"""What a live session did: the return value of `erase_live` and the file that `--report` writes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from realtime.report import StageTime, write_text


@dataclass(frozen=True, slots=True)
class LiveReport:
    """A session from the first captured frame to the last presented one.

    width, height: of what was captured first. seconds: how long it ran. captured: frames that the source gave, but for
    those that a lower --fps leaves out; presented: pictures that were shown; dropped: captured frames that were not;
    repeated: how often the time of one frame passed without a new picture. fps: pictures presented per second.
    latency: milliseconds from capture to present. stages: milliseconds per frame of each step of the eraser.
    coverage: share (0 to 1) of all hole pixels that showed real background; None when nothing was erased. fills, cuts,
    anchors: as in the report of a file. lowered: seconds for which the governor had lowered each thing.
    reconnects: how often the source was lost and came back. recorded: files that were recorded; skipped: pictures that
    the encoder had no time for. segmenter, filler: the models; device, runtime: what they ran on. notes: remarks.
    """

    source: str
    version: str
    width: int
    height: int
    seconds: float
    captured: int
    presented: int
    dropped: int
    repeated: int
    fps: float
    latency: StageTime | None
    coverage: float | None
    fills: int
    cuts: int
    anchors: int
    reconnects: int
    skipped: int
    segmenter: str | None
    filler: str
    device: str
    runtime: str
    lowered: dict[str, float] = field(default_factory=dict)
    recorded: tuple[str, ...] = ()
    stages: dict[str, StageTime] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """It in short, for the user."""
        yield from self.notes
        latency = f", {self.latency.p50:.0f} ms from capture to present" if self.latency else ""
        yield (
            f"{self.presented} pictures in {self.seconds:.1f} s: {self.fps:.1f} frames/s{latency}, "
            f"{self.dropped} dropped"
        )
        for path in self.recorded:
            yield f"recorded {path}"

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it as indented JSON, whole or not at all; raises EraserError when that fails."""
        write_text(path, json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")
