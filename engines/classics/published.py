"""Weights that torchvision publishes and this project does not ship: where they are, or belong."""

from __future__ import annotations

from pathlib import Path

import torch

from engines.errors import EngineError

PLACE = "https://download.pytorch.org/models"


def published_file(whose: str, file: str, megabytes: int, own: Path | None = None, otherwise: str = "") -> Path:
    """A file of one's own, or of torch.hub's cache; EngineError names the file, its address, its size and its place."""
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file
    for path in (own, cached):
        if path is not None and path.is_file():
            return path
    raise EngineError(
        f"{whose} weights are not here: fetch {PLACE}/{file} ({megabytes} MB) and put it at {cached}{otherwise}"
    )
