"""Addresses that FFmpeg opens: a file behind HTTP, with and without the chance to seek."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from realtime.errors import EraserError
from realtime.media import video_source
from realtime.media.opening import open_source
from tests.media.clips import Clip, convert, index_of, times


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files from their beginning only, as a live stream does."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=60)


@pytest.mark.parametrize("name", ["in.ts", "in.mkv", "in.mp4"])
def test_a_stream_over_http_is_read_to_its_end(tmp_path: Path, address: str, name: str) -> None:
    options = {"movflags": "+faststart"} if name == "in.mp4" else {}
    Clip(frames=30, audio=["eng"], container_options=options).write(tmp_path / "served" / name)
    convert(f"{address}/{name}", tmp_path / "out.mp4")
    assert len(times(tmp_path / "out.mp4")) == 30
    assert times(tmp_path / "out.mp4")[0] < 0.2


def test_a_start_in_a_stream_that_cannot_seek_is_reached_by_reading(tmp_path: Path, address: str) -> None:
    Clip(frames=50, options={"g": "12"}).write(tmp_path / "served" / "in.ts")
    with open_source(f"{address}/in.ts", start=1.0) as source:
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(25, 50))
    assert index_of(frames[0].image) == 25 % 12


def test_a_stream_that_stops_answering_ends_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(Clip(frames=60, options={"g": "12"}).write(tmp_path / "in.ts")).read_bytes()
    server = socket.create_server(("127.0.0.1", 0))
    held = []

    def serve() -> None:
        connection, _ = server.accept()
        held.append(connection)  # kept open, and silent
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + data[: len(data) * 2 // 3])

    threading.Thread(target=serve, daemon=True).start()
    monkeypatch.setattr(video_source, "_NETWORK_TIMEOUT", 1.0)
    notes, _ = convert(f"http://127.0.0.1:{server.getsockname()[1]}/in.ts", tmp_path / "out.mp4")
    for connection in [*held, server]:
        connection.close()
    assert any("broke off" in note for note in notes)
    assert 20 < len(times(tmp_path / "out.mp4")) < 60


def test_a_missing_file_is_said(address: str) -> None:
    with pytest.raises(EraserError, match="address"):
        open_source(f"{address}/none.mp4")
