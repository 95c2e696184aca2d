"""A network camera on this machine: MJPEG over HTTP, which can break off, stall, change size and stay away."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np

BOUNDARY = b"--frame"


class NetworkCamera:
    """Serves pictures whose brightness rises with their number, to one viewer after the other.

    stalled: give nothing for as long as it is set; broken: end the connection at the next picture; size: (width,
    height) of the pictures from now on; away: refuse connections. viewers: connections so far.
    """

    def __init__(self, rate: float = 30.0, size: tuple[int, int] = (160, 120)) -> None:
        self.rate, self.size = rate, size
        self.stalled, self.broken, self.away = threading.Event(), threading.Event(), threading.Event()
        self.viewers = 0
        self._ended = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self.address = f"http://127.0.0.1:{self._server.getsockname()[1]}/stream.mjpg"
        self._threads = [threading.Thread(target=self._accept, name="network camera", daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> NetworkCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(2)
        self._server.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._server.accept()
            except TimeoutError:
                continue
            if self.away.is_set():
                connection.close()
                continue
            self.viewers += 1
            thread = threading.Thread(target=self._serve, args=(connection,), name="viewer", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(2)
            try:
                connection.recv(4096)
                connection.sendall(
                    b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n"
                    b"Cache-Control: no-cache\r\n\r\n"
                )
                for part in self._parts():
                    connection.sendall(part)
            except OSError:
                pass  # the viewer has gone

    def _parts(self) -> Iterator[bytes]:
        number = 0
        while not (self._ended.is_set() or self.broken.is_set()):
            if self.stalled.is_set():
                time.sleep(0.02)
                continue
            picture = cv2.imencode(".jpg", self.picture(number))[1].tobytes()
            head = b"%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % (BOUNDARY, len(picture))
            yield head + picture + b"\r\n"
            number += 1
            time.sleep(1 / self.rate)

    def picture(self, number: int) -> np.ndarray:
        """A gradient with a square that moves, (H, W, 3) uint8 BGR."""
        width, height = self.size
        row = np.linspace(40, 200, width, dtype=np.float32)
        picture = np.repeat(np.repeat(row[None, :, None], height, axis=0), 3, axis=2).astype(np.uint8)
        x = number * 3 % (width - 20)
        picture[height // 2 : height // 2 + 15, x : x + 15] = 255
        return picture
