"""A contact sheet of the pictures that a segmenter finds hardest."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from benchmarks.peers import Peer
from benchmarks.sheets import contact_sheet, overlay
from engines.data import Picture
from engines.measure import iou

TILE = 240  # pixels


def mask_sheet(
    peer: Peer, people: Sequence[Picture], backgrounds: Sequence[Picture], boxed: Sequence[Picture]
) -> np.ndarray:
    """The worst pictures of each kind, the mask in red, the true outline in green: (h, w, 3) uint8 BGR."""
    rows = []
    for label, pictures in (("people", people), ("nobody there", backgrounds), ("boxes", boxed)):
        judged = [(peer.matte(picture.image) > 0.5, picture) for picture in pictures]
        judged.sort(key=lambda pair: _fault(*pair), reverse=True)
        tiles = [_tile(mask, picture) for mask, picture in judged[:16]]
        tiles += [np.zeros((TILE, TILE, 3), np.uint8)] * (-len(tiles) % 8)
        rows += [(f"{label}, worst first", tiles[start : start + 8]) for start in range(0, len(tiles), 8)]
    return contact_sheet([""] * 8, rows, TILE)


def _fault(mask: np.ndarray, picture: Picture) -> float:
    if picture.mask is not None:
        return 1 - iou(mask, picture.mask > 127)
    return float(mask.mean()) if picture.boxes is None else 1 - iou(mask, picture.inside_boxes())


def _tile(mask: np.ndarray, picture: Picture) -> np.ndarray:
    image = overlay(picture.image, mask.astype(np.uint8) * 255)
    if picture.mask is not None:
        outlines, _ = cv2.findContours(picture.mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, outlines, -1, (0, 255, 0), 2)
    for x1, y1, x2, y2 in [] if picture.boxes is None else picture.boxes.round().astype(int).tolist():
        cv2.rectangle(image, (x1, y1), (x2, y2), (0, 255, 0), 1)
    scale = TILE / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:TILE, :TILE]
    room = ((0, TILE - small.shape[0]), (0, TILE - small.shape[1]), (0, 0))
    return np.pad(small, room)
