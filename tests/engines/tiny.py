"""A network of one node, written as ONNX bytes by hand so that these tests need neither torch nor the onnx package.

It doubles "image": matte = image + image, for tests of everything around the arithmetic.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return bytes([number << 3 | 2]) + _varint(len(payload)) + payload


def _number(number: int, value: int) -> bytes:
    return bytes([number << 3]) + _varint(value)


def _varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head += bytes([value & 127 | 128])
        value >>= 7
    return head + bytes([value])


def _tensor(name: str) -> bytes:
    """ValueInfoProto of float32 (n, 3, h, w)."""
    sides = [_field(2, b"n"), _number(1, 3), _field(2, b"h"), _field(2, b"w")]
    shape = b"".join(_field(1, side) for side in sides)
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, 1) + _field(2, shape)))


def model(guided: bool = False) -> bytes:
    """ModelProto: matte = Add(image, image), and object = Add(guidance, guidance) where it is guided."""
    graph = _field(2, b"tiny")
    for entry, end in (("image", "matte"), ("guidance", "object"))[: 1 + guided]:
        node = _field(1, entry.encode()) + _field(1, entry.encode()) + _field(2, end.encode()) + _field(4, b"Add")
        graph += _field(1, node) + _field(11, _tensor(entry)) + _field(12, _tensor(end))
    return _number(1, 8) + _field(7, graph) + _field(8, _number(2, 17))


def card_values() -> dict[str, Any]:
    """What the tiny model's card holds."""
    return {
        "name": "tiny",
        "task": "segmenter",
        "runtime": "onnx",
        "classes": ["person"],
        "inputs": {"image": "float32 (N, 3, H, W)"},
        "outputs": {"matte": "float32 (N, 3, H, W)"},
        "multiple": 32,
        "sizes": [[32, 64]],
        "threshold": 0.5,
        "licence": "Apache-2.0",
        "training_data": [{"source": "none", "licence": "none"}],
        "metrics": {},
        "sha256": hashlib.sha256(model()).hexdigest(),
        "author": "tests",
        "date": "2026-01-01",
        "notes": "doubles",
    }


def save(folder: Path, guided: bool = False, **changes: Any) -> Path:
    """Write model.onnx and card.json into `folder`; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model(guided))
    values = card_values() | {"sha256": hashlib.sha256(model(guided)).hexdigest()}
    if guided:
        values["inputs"] = {**values["inputs"], "guidance": "float32 (M, 3, H, W)"}
    (folder / "card.json").write_text(json.dumps(values | changes))
    return folder
