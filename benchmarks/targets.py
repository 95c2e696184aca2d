"""What the project wants to reach on the scenes of `benchmarks.quality`, and whether a run did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.tables import number, percent

Methods = Mapping[str, Mapping[str, float | None]]  # method -> figure -> value

LIVE, AHEAD, WHOLE, FOUND = "eraser 0 s", "eraser 1 s", "eraser all", "found 1 s"
SHOWN_BEFORE = {"still": 34.0, "flicker": 34.0, "shake": 34.0, "pan": 31.0}  # dB, no lookahead
WHOLE_HOLE = {"still": 34.0, "flicker": 34.0, "shake": 34.0, "pan": 34.0}  # dB, default lookahead
WHOLE_SHOT = {"stays": 33.0, "pan": 34.0, "shake": 35.0}  # dB, the whole shot as memory
BETTER = {"parallax": ("Telea", "single all"), "moving": ("Telea", "temporal median")}  # what must be surpassed
INVENTED = ("sway", "zoom", "stays")  # scenes in which much is never shown, or shown late
ABOVE_TELEA = 1.0  # dB, whole hole
WORSE = 0.1  # dB that the whole shot as memory may cost against no lookahead
FLICKER = 0.25  # of per-frame Telea's
LEFTOVER = 0.05


@dataclass(frozen=True)
class Target:
    """One line of the table; met is None where the run did not measure it."""

    name: str
    wanted: str
    reached: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return {True: "yes", False: "NO", None: "not measured"}[self.met]


def check_targets(scenes: Mapping[str, Methods]) -> list[Target]:
    """Hold the figures of a run, scene -> method -> figure -> value, against the targets."""
    return [
        *_floors(scenes),
        *_invented(scenes),
        *_no_worse(scenes),
        *_better(scenes),
        *_flicker(scenes),
        *_leftover(scenes),
    ]


def _floors(scenes: Mapping[str, Methods]) -> Iterator[Target]:
    for title, method, figure, floors in (
        ("masks given, no lookahead, shown before", LIVE, "psnr_before", SHOWN_BEFORE),
        ("masks given, lookahead 1 s, whole hole", AHEAD, "psnr_all", WHOLE_HOLE),
        ("masks given, lookahead all, whole hole", WHOLE, "psnr_all", WHOLE_SHOT),
    ):
        for name, floor in floors.items():
            value = _figure(scenes, name, method, figure)
            met = None if value is None else value >= floor
            yield Target(f"{title}: {name}", f">= {floor:g} dB", number(value), met)


def _invented(scenes: Mapping[str, Methods]) -> Iterator[Target]:
    for method in (LIVE, AHEAD):
        for name in INVENTED:
            ours, telea = (_figure(scenes, name, which, "psnr_all") for which in (method, "Telea"))
            gain = None if ours is None or telea is None else ours - telea
            met = None if gain is None else gain >= ABOVE_TELEA
            yield Target(f"above Telea, {method}: {name}", f">= {ABOVE_TELEA:g} dB", number(gain), met)


def _no_worse(scenes: Mapping[str, Methods]) -> Iterator[Target]:
    for name in scenes:
        whole, live = (_figure(scenes, name, method, "psnr_all") for method in (WHOLE, LIVE))
        if whole is not None and live is not None:
            wanted = f">= {live - WORSE:.1f} dB, as without"
            yield Target(f"lookahead all against none: {name}", wanted, number(whole), whole >= live - WORSE)


def _better(scenes: Mapping[str, Methods]) -> Iterator[Target]:
    for name, others in BETTER.items():
        for other in others:
            value, bound = _figure(scenes, name, WHOLE, "psnr_all"), _figure(scenes, name, other, "psnr_all")
            if value is not None and bound is not None:
                yield Target(
                    f"lookahead all against {other}: {name}", f"> {bound:.1f} dB", number(value), value > bound
                )


def _flicker(scenes: Mapping[str, Methods]) -> Iterator[Target]:
    for method in (LIVE, AHEAD):
        for name in scenes:
            value = _figure(scenes, name, method, "flicker_of_telea")
            met = None if value is None else value <= FLICKER
            yield Target(f"flicker, {method}: {name}", f"<= {FLICKER:g} of Telea's", number(value, 2), met)


def _leftover(scenes: Mapping[str, Methods]) -> Iterator[Target]:
    for name in scenes:
        value = _figure(scenes, name, FOUND, "leftover")
        met = None if value is None else value <= LEFTOVER
        bound = _figure(scenes, name, "oracle", "leftover")
        known = _figure(scenes, name, FOUND, "leftover_before")
        reached = f"{percent(value)} (shown before {percent(known)}; oracle {percent(bound)})"
        yield Target(f"leftover, {FOUND}: {name}", f"<= {percent(LEFTOVER, 0)}", "-" if value is None else reached, met)


def _figure(scenes: Mapping[str, Methods], name: str, method: str, figure: str) -> float | None:
    return scenes.get(name, {}).get(method, {}).get(figure)
