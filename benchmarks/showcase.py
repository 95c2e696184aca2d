"""Contact sheets of a run: which frames, and what every method made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.baselines import Masked, telea
from benchmarks.clips import CLIPS, read_clip
from benchmarks.runs import Method, Networks, Run
from benchmarks.sheets import close_up, contact_sheet, overlay
from engines.pictures import write_picture

PICKS = 4  # moments on a contact sheet
Pictures = dict[str, dict[int, np.ndarray]]  # column -> frame -> picture


def show_clip(name: str, networks: Networks, runs: list[Run], folder: Path, limit: int | None) -> None:
    """Write the contact sheet of a real clip whose background nobody knows.

    A clip with masks is erased with them, beside Telea; one without, with the segmenter's.
    """
    clip = CLIPS[name]
    shots = read_clip(name, limit)
    runs = [run for run in runs if run.given == clip.masks]
    if not runs:
        return
    picks = pick_frames(shots) if clip.masks else spread(range(len(shots)))
    holes = {i: shots[i].mask for i in picks}
    pictures: Pictures = {"before": {i: shots[i].frame for i in picks}, "mask": {}}
    methods: dict[str, Method] = {"Telea": lambda: telea(shots)} if clip.masks else {}
    methods |= {run.name: run.method(shots, clip.fps, networks) for run in runs}
    for method, start in methods.items():
        pictures[method] = {}
        for index, output in enumerate(start()):
            if index in picks:
                pictures[method][index] = output.image
                if not clip.masks:
                    holes[index] = output.hole
    pictures["mask"] = {i: overlay(shots[i].frame, holes[i]) for i in picks}
    write_sheet(folder / f"{name}.png", pictures, holes, clip.fps)


def pick_frames(shots: Sequence[Masked]) -> list[int]:
    """Moments for a contact sheet: evenly among the frames that have something to erase."""
    return spread([index for index, shot in enumerate(shots) if shot.mask.any()] or [0])


def spread(frames: Sequence[int]) -> list[int]:
    """PICKS of the frames, evenly from the first to the last."""
    return [frames[i] for i in sorted({round(x) for x in np.linspace(0, len(frames) - 1, PICKS)})]


def write_sheet(path: Path, pictures: Pictures, masks: dict[int, np.ndarray], fps: float) -> None:
    """A contact sheet of whole frames, then of the surroundings of each hole. pictures: method -> frame -> picture."""
    label = "{}, {:.2f} s".format
    rows = [(label(path.stem, i / fps), [column[i] for column in pictures.values()]) for i in masks]
    rows += [
        (label(f"{path.stem}, close up", i / fps), [close_up(column[i], mask) for column in pictures.values()])
        for i, mask in masks.items()
    ]
    write_picture(path, contact_sheet(list(pictures), rows, 480))
