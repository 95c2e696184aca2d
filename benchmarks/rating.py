"""What a person says of each fill: good, okay, striped or solid (the four labels of GONE).

`page` makes one HTML file that holds the pictures and needs nothing else: it shows one fill at a time, in an order that
does not tell which method made it, and a key rates it. Ratings are kept in the browser and saved as a JSON file, which
`read_ratings` tallies.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import cv2
import numpy as np

from realtime.errors import EraserError

LABELS = ("good", "okay", "striped", "solid")
MARK = "/*ITEMS*/[]"  # where the template takes the pictures


def page(fills: Mapping[str, Sequence[tuple[str, np.ndarray]]], seed: int = 0) -> str:
    """The page as HTML. fills: method -> (case's name, (H, W, 3) uint8 BGR)."""
    items = [
        {"method": method, "case": case, "picture": _inline(picture)}
        for method, pictures in fills.items()
        for case, picture in pictures
    ]
    order = np.random.default_rng(seed).permutation(len(items))
    template = (resources.files("benchmarks") / "rating.html").read_text(encoding="utf-8")
    return template.replace(MARK, json.dumps([items[index] for index in order]))


def _inline(picture: np.ndarray) -> str:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def read_ratings(path: Path) -> dict[str, dict[str, int]]:
    """Method -> label -> how often, from a file that the page saved; EraserError where it is another file."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        found: dict[str, dict[str, int]] = {}
        for entry in entries:
            if entry["label"] not in LABELS:
                raise ValueError(f"{entry['label']!r} is not one of {', '.join(LABELS)}")
            counts = found.setdefault(str(entry["method"]), dict.fromkeys(LABELS, 0))
            counts[entry["label"]] += 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EraserError(
            f"{path} holds no ratings ({error}); save them from the page that the benchmark wrote"
        ) from error
    return found
