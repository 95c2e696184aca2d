"""Before, mask and after side by side."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.preview import preview_size, side_by_side


@pytest.mark.parametrize("size", [(360, 640), (1080, 1920), (2160, 3840), (101, 77), (1920, 1080), (1, 1), (3, 5000)])
def test_a_preview_has_even_sides_and_its_announced_size(size):
    picture = np.full((*size, 3), 100, np.uint8)
    preview = side_by_side(picture, np.zeros(size, np.uint8), picture)
    assert preview.shape == (*preview_size(*size), 3)
    assert preview.dtype == np.uint8
    assert preview.shape[0] % 2 == 0
    assert preview.shape[1] % 2 == 0
    assert preview.shape[1] <= 3 * 640 + 8


def test_the_hole_is_tinted_in_the_middle_only():
    before = np.full((40, 60, 3), 100, np.uint8)
    after = np.full((40, 60, 3), 50, np.uint8)
    hole = np.zeros((40, 60), np.uint8)
    hole[10:20, 10:20] = 255
    preview = side_by_side(before, hole, after)
    assert (preview[:, :60] == before).all()
    assert (preview[:, -60:] == after).all()
    middle = preview[:, 64:124]
    assert (middle[hole == 0] == 100).all()
    assert (middle[hole == 255] != 100).all()
    assert middle[15, 15, 2] > middle[15, 15, 1]
