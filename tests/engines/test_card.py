"""A card says what a model is; one that is wrong gives one clear line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.card import load_card
from engines.errors import EngineError
from tests.engines.tiny import card_values


def write(folder: Path, **changes: Any) -> Path:
    values = {name: value for name, value in (card_values() | changes).items() if value is not None}
    path = folder / "card.json"
    path.write_text(json.dumps(values))
    return path


def test_a_good_card_is_read_and_written_back_the_same(tmp_path: Path) -> None:
    card = load_card(write(tmp_path))
    assert card.sizes == ((32, 64),)
    assert card.classes == ("person",)
    (tmp_path / "again.json").write_text(card.to_json())
    assert load_card(tmp_path / "again.json") == card


def test_defaults_may_be_left_out(tmp_path: Path) -> None:
    card = load_card(write(tmp_path, threshold=None, notes=None))
    assert (card.threshold, card.notes) == (0.5, "")


def test_a_card_may_say_only_what_differs_from_another_model_s(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = load_card(write(tmp_path / "one"))
    (tmp_path / "two" / "card.json").write_text('{"like": "../one", "name": "two", "sizes": [[64, 64]]}')
    second = load_card(tmp_path / "two" / "card.json")
    assert (second.name, second.sizes) == ("two", ((64, 64),))
    assert second == replace(first, name="two", sizes=second.sizes)


def test_a_card_like_another_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text('{"like": "../gone", "name": "two"}')
    with pytest.raises(EngineError, match=r"gone/card\.json is missing"):
        load_card(tmp_path / "card.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"like": 3}, "like has the wrong type"),
        ({"licence": None}, "lacks licence"),
        ({"colour": "red"}, "unknown fields: colour"),
        ({"task": "painter"}, "task is 'painter'"),
        ({"runtime": "caffe"}, "runtime is 'caffe'"),
        ({"multiple": 0}, "multiple is 0"),
        ({"multiple": "32"}, "multiple has the wrong type"),
        ({"sizes": [[30, 64]]}, "multiples of 32"),
        ({"sizes": []}, "multiples of 32"),
        ({"sizes": [[32]]}, "multiples of 32"),
        ({"classes": []}, "must name its classes"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"sha256": "12"}, "64 lower-case hexadecimal"),
        ({"name": 7}, "name has the wrong type"),
    ],
)
def test_a_bad_card_says_what_is_wrong(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        load_card(write(tmp_path, **changes))
    assert "card.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "7"])
def test_what_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(EngineError, match="not a"):
        load_card(tmp_path / "card.json")


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"card\.json is missing"):
        load_card(tmp_path / "card.json")


def test_another_model_than_the_cards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="does not match its card"):
        load_card(write(tmp_path)).check_model(b"something else")
