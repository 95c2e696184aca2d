"""Records of named arrays in a file: written in order, then read in order, as often as wanted. Memory is one record."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from realtime.errors import EraserError

_LENGTH = struct.Struct("<Q")
_FAST = 1  # of zlib: masks shrink a hundredfold even so


class Ledger:
    """Write with `append`, then `close`; read by iteration. One thread at a time.

    Each record is `packed`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] = path.open("wb")

    def append(self, record: Mapping[str, np.ndarray]) -> None:
        """Write a record; EraserError where the disk is full."""
        data = packed(record)
        with self._told():
            self._file.write(_LENGTH.pack(len(data)) + data)

    def close(self) -> None:
        """No more records will come; may be called twice. EraserError where the disk is full."""
        with self._told():
            self._file.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EraserError(f"{self._path.parent} cannot hold the shot's memory: {error.strerror}") from error

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        with self._path.open("rb") as file:
            while length := file.read(_LENGTH.size):
                yield unpacked(file.read(*_LENGTH.unpack(length)))


def packed(record: Mapping[str, np.ndarray]) -> bytes:
    """A JSON line of names, dtypes and shapes, followed by the arrays' bytes, compressed together."""
    head = [[name, array.dtype.str, array.shape] for name, array in record.items()]
    body = b"".join(np.ascontiguousarray(array).tobytes() for array in record.values())
    return zlib.compress(json.dumps(head).encode() + b"\n" + body, _FAST)


def unpacked(data: bytes) -> dict[str, np.ndarray]:
    """The record that was `packed`."""
    data = zlib.decompress(data)
    end = data.index(b"\n") + 1
    record = {}
    for name, dtype, shape in json.loads(data[:end]):
        array = np.frombuffer(data, dtype, int(np.prod(shape)), end).reshape(shape)
        record[name] = array
        end += array.nbytes
    return record
