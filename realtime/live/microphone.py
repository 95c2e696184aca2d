"""Sound for recordings, from whatever device FFmpeg reaches."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import av
import av.error
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from realtime.errors import EraserError

RATE = 48000
_DRIFT = 0.1  # seconds that the sound's clock may run away from the pictures' before it is set again
_BURST = 1.0  # seconds for which, and by which, sound may be read late before it counts as being late
_WAITING = 400  # chunks of sound kept while nobody takes them, some seconds
_TIMEOUT = 1.5  # seconds without sound after which the device counts as gone
_FORMATS = {"linux": "alsa", "darwin": "avfoundation", "win32": "dshow"}
_ALSA_SETTINGS = "/usr/share/alsa/alsa.conf"


class Sound(NamedTuple):
    """A chunk of sound, and the time.monotonic() at which it begins."""

    frame: AudioFrame
    begin: float


class Microphone:
    """Listens from the beginning on, in a thread of its own, and keeps the latest seconds for whoever records.

    Ownership: `close` and the constructor belong to the thread that makes it, `take` to the record thread; between them
    and the listening thread is a deque, whose append and popleft are atomic. failure: why it has gone, None while it
    listens.
    """

    def __init__(self, device: str) -> None:
        """device: as FFmpeg names it, after its format and a colon where that is not the system's own (alsa:hw:1,
        pulse:default, dshow:audio=Headset). Raises EraserError where it cannot be opened."""
        kind = next((name for system, name in _FORMATS.items() if sys.platform.startswith(system)), "alsa")
        match = re.match(r"([a-z0-9_]+):(?=.)", device)
        if match is not None and match[1] in av.formats_available:
            kind, device = match[1], device[match.end() :]
        if kind == "alsa" and os.path.exists(_ALSA_SETTINGS):
            os.environ.setdefault("ALSA_CONFIG_PATH", _ALSA_SETTINGS)  # FFmpeg's own ALSA looks elsewhere
        self.name = f"{kind}:{device}"
        try:
            self._container = av.open(device, format=kind, timeout=(5.0, _TIMEOUT))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
            raise EraserError(
                f"the sound device {self.name} cannot be opened ({reason}): check its name, or leave out --audio"
            ) from error
        if not self._container.streams.audio:
            self._container.close()
            raise EraserError(f"{self.name} gives no sound: check its name, or leave out --audio")
        self.failure: str | None = None
        self._sounds: deque[Sound] = deque(maxlen=_WAITING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="microphone", daemon=True)
        self._thread.start()

    def take(self) -> Iterator[Sound]:
        """What was heard since the last call, and is still kept."""
        while self._sounds:
            with suppress(IndexError):  # the listener has just let the oldest go
                yield self._sounds.popleft()

    def close(self) -> None:
        """Stop listening. The device is freed by the thread that reads it."""
        self._stop.set()
        self._thread.join(_TIMEOUT)

    def _listen(self) -> None:
        try:
            with self._container:
                for frame in self._container.decode(audio=0):
                    if self._stop.is_set():
                        return
                    self._sounds.append(Sound(frame, time.monotonic() - frame.samples / frame.sample_rate))
            self.failure = f"{self.name} has ended: the recording goes on without sound"
        except (av.error.FFmpegError, OSError) as error:
            self.failure = f"{self.name} has gone ({error}): the recording goes on without sound"


class SoundTrack:
    """The sound of one recording: AAC, on the pictures' clock."""

    def __init__(self, container: OutputContainer, microphone: Microphone) -> None:
        self._microphone = microphone
        stream = container.add_stream("aac", rate=RATE)
        assert isinstance(stream, AudioStream)
        stream.codec_context.layout = "stereo"
        self._stream = stream
        self._resampler = AudioResampler(format="fltp", layout="stereo", rate=RATE)
        self._fifo = AudioFifo()
        self._next: int | None = None  # when the fifo's first sample sounds, in samples since the first picture
        self._late_since: float | None = None  # since when sound has come later than it should

    def packets(self, first: float) -> list[Packet]:
        """What was heard since the last call, encoded. first: when the recording's first picture was captured."""
        packets = []
        for frame, begin in self._microphone.take():
            if begin < first:
                continue
            for part in self._resampler.resample(frame):
                part.pts = None
                self._fifo.write(part)
            behind = self._fifo.samples - frame.samples * RATE // frame.sample_rate
            due = round((begin - first) * RATE) - behind
            if self._next is None or self._is_late(due - self._next, begin):
                self._next = max(due, 0)
            elif due < self._next - _DRIFT * RATE:
                self._fifo.read(min(self._next - due, self._fifo.samples))
            packets += self._encode(self._stream.codec_context.frame_size or 1024)
        return packets

    def _is_late(self, samples: int, begin: float) -> bool:
        """Whether sound that would begin now, so many samples later than it should, really does.

        A chunk can be read late, but never early: what a device has kept for a moment and then hands over in one go
        follows upon what was heard before, and only a lag that stays is one.
        """
        if samples <= _DRIFT * RATE:
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since = begin
        return samples > _BURST * RATE or begin - self._late_since > _BURST

    def flush(self) -> list[Packet]:
        """The rest, encoded."""
        return [*self._encode(1), *self._stream.encode(None)] if self._next is not None else []

    def _encode(self, least: int) -> list[Packet]:
        packets = []
        size = self._stream.codec_context.frame_size or 1024
        while self._fifo.samples >= max(1, least):
            part = self._fifo.read(size, partial=True)
            if part is None or self._next is None:
                break
            part.pts, part.sample_rate = self._next, RATE
            self._next += part.samples
            packets += self._stream.encode(part)
        return packets
