from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from realtime.background.ledger import Ledger
from realtime.errors import EraserError

RECORDS = [
    {"mask": np.eye(5, dtype=np.uint8), "motion": np.arange(9.0).reshape(3, 3)},
    {},
    {"empty": np.zeros((0, 4), np.int64), "one": np.float32(2.5).reshape(())},
]


def written(path):
    ledger = Ledger(path)
    for record in RECORDS:
        ledger.append(record)
    ledger.close()
    return ledger


def test_records_come_back_in_order_with_names_shapes_and_dtypes_as_often_as_wanted(tmp_path):
    ledger = written(tmp_path / "ledger")
    for _ in range(2):
        for record, expected in zip(ledger, RECORDS, strict=True):
            assert list(record) == list(expected)
            for name, array in expected.items():
                assert record[name].dtype == array.dtype
                np.testing.assert_array_equal(record[name], array)


def test_masks_take_little_room(tmp_path):
    ledger, mask = Ledger(tmp_path / "ledger"), np.zeros((720, 1280), np.uint8)
    mask[200:600, 500:700] = 255
    ledger.append({"mask": mask})
    ledger.close()
    assert (tmp_path / "ledger").stat().st_size < mask.nbytes / 100


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_in_one_line():
    ledger = Ledger(Path("/dev/full"))
    with pytest.raises(EraserError, match="cannot hold the shot's memory"):
        ledger.append({"mask": np.random.default_rng(0).integers(0, 255, (1000, 1000), np.uint8)})
