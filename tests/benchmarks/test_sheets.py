"""Contact sheets hold every picture at its place."""

from __future__ import annotations

import numpy as np

from benchmarks.sheets import LINE, close_up, contact_sheet, overlay


def test_a_sheet_lays_rows_below_rows_under_their_headings():
    dark, light = np.full((20, 40, 3), 10, np.uint8), np.full((20, 40, 3), 240, np.uint8)
    sheet = contact_sheet(["before", "after"], [("first", [dark, light]), ("second", [light, dark])], 40)
    assert sheet.shape == (3 * LINE + 40, 80, 3)
    assert (sheet[2 * LINE : 2 * LINE + 20, :40] == 10).all()
    assert (sheet[3 * LINE + 20 :, :40] == 240).all()


def test_a_close_up_holds_the_whole_mask():
    mask = np.zeros((100, 200), np.uint8)
    mask[20:90, 150:190] = 255
    part = close_up(np.repeat(mask[..., None], 3, axis=2), mask)
    assert np.count_nonzero(part) == 3 * np.count_nonzero(mask)
    assert part.shape == (90, 100, 3)
    assert close_up(np.zeros((100, 200, 3), np.uint8), np.zeros_like(mask)).size > 0


def test_the_overlay_tints_the_mask_only():
    frame, mask = np.full((4, 4, 3), 100, np.uint8), np.zeros((4, 4), np.uint8)
    mask[0] = 255
    tinted = overlay(frame, mask)
    assert (tinted[1:] == 100).all()
    assert tinted[0, 0, 2] > tinted[0, 0, 0]
