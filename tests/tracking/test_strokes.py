"""Brush strokes and stencils in every frame."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.edits import Paint
from realtime.tracking.strokes import Strokes, place, stencil

SIZE = 96, 128


def test_a_stencil_is_decoded_once_for_all_frames(monkeypatch):
    decode, decoded = cv2.imdecode, []

    def counted(data, flags):
        decoded.append(len(data))
        return decode(data, flags)

    monkeypatch.setattr(cv2, "imdecode", counted)
    strokes = Strokes()
    for x in (20, 60, 100):
        made = stencil([Paint(((x, 40.0),), 8, True)], SIZE)
        strokes.paint(made, place(made, SIZE))
    masks = [strokes.mask(SIZE) for _ in range(5)]
    assert len(decoded) == 3
    assert all(np.array_equal(mask, masks[0]) for mask in masks)
    assert masks[0][40, [20, 60, 100]].all()


def test_a_stencil_of_a_still_camera_is_drawn_as_it_is(monkeypatch):
    made = stencil([Paint(((31.0, 40.0),), 8, True)], SIZE)
    strokes = Strokes()
    strokes.paint(made, place(made, SIZE))
    with monkeypatch.context() as still:
        still.setattr(cv2, "warpPerspective", None)
        strokes.follow(np.eye(3))
        before = strokes.mask(SIZE)
    strokes.follow(np.array([[1, 0, 20], [0, 1, -10], [0, 0, 1.0]]))
    assert np.array_equal(strokes.mask(SIZE)[:-10, 20:], before[10:, :-20])
