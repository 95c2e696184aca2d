"""What lies beside a selection: its stencils' masks, and whatever else the user keeps there."""

from __future__ import annotations

import json

import pytest

from realtime.edits import Erase, Paint, TimedEdit
from realtime.errors import EraserError
from realtime.tracking import selectionfile
from realtime.tracking.selectionfile import read_selection, write_selection
from realtime.tracking.strokes import stencil

SIZE = 48, 64


def dab(x: float) -> TimedEdit:
    return TimedEdit(1.0, stencil([Paint(((x, 20.0),), 6, True)], SIZE))


def write(path, *edits):
    write_selection(path, SIZE[1], SIZE[0], edits)


def read(path):
    return read_selection(path, SIZE[1], SIZE[0])


def pictures(folder):
    return {path.name for path in folder.iterdir()} - {"market.json"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "market.json"


def test_pictures_of_the_user_beside_a_selection_stay(path):
    for name in ("market-1.png", "market-00000000.png"):
        path.with_name(name).write_bytes(b"mine")
    for x in (10, 30):
        write(path, dab(x))
        for name in ("market-1.png", "market-00000000.png"):
            assert path.with_name(name).read_bytes() == b"mine"
        assert read(path) == [dab(x)]


def test_masks_that_a_selection_no_longer_needs_go_with_its_older_version(path):
    write(path, dab(10), dab(20), dab(10))
    first = pictures(path.parent)
    assert len(first) == 2
    write(path, dab(20), dab(30))
    assert len(pictures(path.parent)) == 2
    assert len(pictures(path.parent) & first) == 1
    write(path)
    assert not pictures(path.parent)


@pytest.mark.parametrize("fails", ["the first mask", "the last mask", "the selection"])
def test_where_a_selection_cannot_be_written_the_one_before_stands_whole(path, monkeypatch, fails):
    write(path, dab(10))
    before = pictures(path.parent)
    write_bytes, written = selectionfile.write_bytes, []

    def full(where, content):
        written.append(where)
        if len(written) == (1 if fails == "the first mask" else 2):
            raise EraserError("the disk is full")
        write_bytes(where, content)

    def refuse(where, text):
        raise EraserError("the disk is full")

    monkeypatch.setattr(selectionfile, *("write_text", refuse) if fails == "the selection" else ("write_bytes", full))
    with pytest.raises(EraserError, match="disk is full"):
        write(path, dab(20), dab(30))
    assert read(path) == [dab(10)]
    assert pictures(path.parent) == before


def test_what_was_no_selection_is_replaced(path):
    path.write_bytes(b"\xff\xfe")
    write(path, TimedEdit(0, Erase(1, 1)))
    assert read(path) == [TimedEdit(0, Erase(1, 1))]


def test_selections_whose_masks_are_numbered_still_load_and_keep_them(path):
    """So they were named once."""
    png = dab(10).edit.png
    path.with_name("market-1.png").write_bytes(png)
    record = {"time": 1, "do": "stencil", "erase": True, "mask": "market-1.png"}
    path.write_text(json.dumps({"selection": 1, "width": SIZE[1], "height": SIZE[0], "edits": [record]}))
    assert read(path) == [dab(10)]
    write(path, dab(20))
    assert path.with_name("market-1.png").read_bytes() == png


def test_a_name_of_any_letters_is_its_masks_name_too(tmp_path):
    path = tmp_path / "Märkte 'neu' (1).json"
    write(path, dab(10))
    write(path, dab(20))
    assert read(path) == [dab(20)]
    assert len(list(tmp_path.iterdir())) == 2
