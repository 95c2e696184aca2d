"""What this machine can do, as `python -m calib.device` measured it; the drivers read it, and work without it too.

    profile = load_profile()
    if profile is not None:
        milliseconds = profile.network(segmenter.engine, (288, 512))

Figures of another machine, or of a model that has changed since, are not used; --debug says so.
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from engines.card import Card
from engines.folders import CONFIG, user_folder
from engines.gpu import find_gpus
from engines.interface import Engine, cores
from realtime.media.temporary import Temporary

VERSION = 1
NAME = "device.json"
_log = logging.getLogger(__name__)
Size = tuple[int, int]  # height, width, pixels


@dataclass(frozen=True)
class NetworkTime:
    """One network's run on one runtime. model: its name; sha256: of the model's file; p50, p90: milliseconds."""

    task: str
    model: str
    sha256: str
    runtime: str
    device: str
    precision: str
    size: Size
    p50: float
    p90: float


@dataclass(frozen=True)
class FrameTime:
    """`Eraser.step` without its networks on a frame of a size, where the eraser works on `device`; milliseconds."""

    device: str
    size: Size
    p50: float


@dataclass(frozen=True)
class Profile:
    """All that was measured. machine: what it was measured on, as `describe` says; date: when."""

    machine: dict[str, str]
    date: str
    networks: tuple[NetworkTime, ...]
    frames: tuple[FrameTime, ...]

    def network(self, engine: Engine, size: Size) -> float | None:
        """Milliseconds of a run on a picture of (H, W) = `size`; None, with a word in --debug, where nobody knows."""
        card = engine.card
        place = (engine.runtime, engine.device, engine.precision)
        times = [
            (each.size, each.p50)
            for each in self.networks
            if each.sha256 == card.sha256 and (each.runtime, each.device, each.precision) == place
        ]
        if not times:
            told = "was measured with other weights" if self._measured(card) else "was not measured"
            _log.debug("the %s %s %s on %s: `python -m calib.device` does it", card.task, card.name, told, place[0])
        return _between(times, size)

    def frame(self, device: str, size: Size) -> float | None:
        """Milliseconds of a step without networks on a frame of (H, W) = `size`; None where that is unknown."""
        return _between([(each.size, each.p50) for each in self.frames if each.device == device], size)

    def _measured(self, card: Card) -> bool:
        """Whether a model of this name was, though perhaps not with these weights or not where it runs now."""
        same = [each for each in self.networks if (each.task, each.model) == (card.task, card.name)]
        return bool(same) and all(each.sha256 != card.sha256 for each in same)

    def write(self, path: Path) -> None:
        """Write it whole or not at all; OSError where that fails."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = Temporary(path.parent)
        try:
            part.path.write_text(json.dumps({"version": VERSION, **asdict(self)}, indent=1) + "\n", encoding="utf-8")
            part.keep(path)
        except BaseException:
            part.remove()
            raise


def load_profile(path: Path | None = None) -> Profile | None:
    """This machine's profile; None, with a word in --debug, where there is none that holds for it.

    path: None for where `calib.device` writes it.
    """
    path = path or profile_path()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("version") != VERSION:
            raise ValueError("it is of another version")
        profile = Profile(
            dict(values["machine"]),
            str(values["date"]),
            tuple(NetworkTime(**{**each, "size": _size(each["size"])}) for each in values["networks"]),
            tuple(FrameTime(**{**each, "size": _size(each["size"])}) for each in values["frames"]),
        )
    except FileNotFoundError:
        _log.debug("no profile of this machine: `python -m calib.device` makes one")
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.debug("the profile %s can't be read (%s): `python -m calib.device` makes it anew", path, error)
        return None
    here = describe()
    other = [name for name in here if profile.machine.get(name) != here[name]]
    if other:
        _log.debug("the profile %s is of another machine (%s): not used", path, ", ".join(other))
        return None
    return profile


def profile_path() -> Path:
    """Where the profile lies: in the folder that ERASER_CONFIG names, or the system's one for a user's settings."""
    return user_folder(CONFIG) / NAME


def describe() -> dict[str, str]:
    """What a machine's times depend on: processor, cores that this process may use, system, GPUs."""
    return {
        "processor": processor(),
        "cores": str(cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "GPU": "; ".join(gpu.name for gpu in find_gpus().devices) or "none",
    }


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def best_size(profile: Profile | None, engine: Engine, most: float) -> Size:
    """The largest size that the model's card recommends and this machine runs within `most` milliseconds.

    The card's default where none is, or nobody knows.
    """
    sizes = engine.card.sizes
    if profile is None or len(sizes) == 1:
        return sizes[0]
    known = [(size, profile.network(engine, size)) for size in sizes]
    fast = [size for size, milliseconds in known if milliseconds is not None and milliseconds <= most]
    return max(fast, key=lambda size: size[0] * size[1], default=sizes[0])


def _between(times: Sequence[tuple[Size, float]], size: Size) -> float | None:
    """The time for a size from those for others: straight lines over the pixels, in proportion beyond the ends."""
    if not times:
        return None
    points = sorted((height * width, milliseconds) for (height, width), milliseconds in times)
    pixels = size[0] * size[1]
    for (fewer, short), (more, long) in pairwise(points):
        if fewer <= pixels <= more and fewer < more:
            return short + (long - short) * (pixels - fewer) / (more - fewer)
    nearest, milliseconds = points[0] if pixels <= points[0][0] else points[-1]
    return milliseconds * pixels / nearest


def _size(values: Any) -> Size:
    height, width = values
    return int(height), int(width)
