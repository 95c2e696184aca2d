"""Recordings of what is shown: MP4 in fragments or Matroska, so that what was written plays whatever happens next."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container import OutputContainer
from av.video.stream import VideoStream

from engines.lock import ON_ANYTHING, hold
from realtime.errors import EraserError, UsageError
from realtime.live.microphone import Microphone, SoundTrack
from realtime.media.encoders import choose_encoder

TIME_BASE = Fraction(1, 90000)
_FRAGMENT_US = "1000000"  # what a crash may cost, microseconds
_CONTAINERS = {
    ".mp4": {
        "movflags": "frag_keyframe+empty_moov+default_base_moof",
        "frag_duration": _FRAGMENT_US,
        "video_track_timescale": str(TIME_BASE.denominator),
    },
    ".mkv": {"cluster_time_limit": "1000"},
}
_ALWAYS = {"flush_packets": "1", "max_interleave_delta": _FRAGMENT_US}
# The cheapest settings: the cores are needed for erasing.
_ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20"}


def check_recording(path: str, overwrite: bool) -> None:
    """Raise UsageError or EraserError where a recording may not or cannot be written to `path`."""
    if Path(path).suffix.lower() not in _CONTAINERS:
        raise UsageError(f"a recording is .mp4 or .mkv, not {path}: both stay playable whatever happens")
    if not Path(path).absolute().parent.is_dir():
        raise EraserError(f"there is no folder {Path(path).absolute().parent} to record into: create it first")
    if os.path.lexists(path) and not overwrite:
        raise EraserError(f"{path} exists already: choose another name or pass --overwrite")
    if os.path.lexists(path) and not os.path.isfile(path):
        raise EraserError(f"{path} is not a regular file: choose another name")


def next_free(path: str) -> str:
    """`path`, or the first of path-2, path-3, ... that does not exist."""
    stem, suffix = os.path.splitext(path)
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = f"{stem}-{number}{suffix}"
    return free


def _locked(path: str) -> int | None:
    """The lock on a file, to be held while it is written; None where none can be had. EraserError where another
    program holds it.
    """
    if not ON_ANYTHING:  # files as large as recordings become can't be locked
        return None
    try:
        return hold(Path(path))
    except BlockingIOError:
        raise EraserError(f"{path} is being recorded to by another program: choose another name, or end that") from None
    except OSError:  # no locks here
        return None


class Recorder:
    """One recording. Each picture gets the time at which it was captured; pictures of another size than the first are
    fitted into it. A file that is replaced stays as it is until the first picture comes.

    Ownership: the record thread makes, feeds and finishes it. seconds: recorded so far.
    """

    def __init__(self, path: str, fps: float, *, overwrite: bool = False, microphone: Microphone | None = None) -> None:
        """fps: about how many pictures come per second. Raises EraserError where `path` cannot be written."""
        check_recording(path, overwrite)
        self.path = path
        self.seconds = 0.0
        self._fps = fps
        self._first: float | None = None
        self._last_pts = -1
        self._microphone = microphone
        self._sound: SoundTrack | None = None
        self._closed = False
        options = _ALWAYS | _CONTAINERS[Path(path).suffix.lower()]
        self._stream: VideoStream | None = None
        with self._failures():
            # Reserved first, so that two programs never write into one file. An old one is emptied with the header.
            self._new = not os.path.lexists(path)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | (0 if overwrite else os.O_EXCL), 0o666))
            self._lock = _locked(path)
            try:
                self._container: OutputContainer = av.open(path, "w", container_options=options)
            except BaseException:
                self._leave()
                raise

    @property
    def begun(self) -> bool:
        """Whether pictures can be written, or could; without, no file stays."""
        return self._stream is not None

    def write(self, image: np.ndarray, captured: float) -> None:
        """Add a picture, (H, W, 3) uint8 BGR, captured at this time.monotonic(); EraserError where that fails."""
        with self._failures():
            if self._stream is None or self._first is None:
                self._first = captured
                self._stream = self._start(image)
            self.seconds = max(self.seconds, captured - self._first)
            pts = max(self._last_pts + 1, round((captured - self._first) / TIME_BASE))
            frame = av.VideoFrame.from_ndarray(self._fitted(image, self._stream), format="bgr24").reformat(
                format=self._stream.pix_fmt, dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG",
                threads=1,
            )  # fmt: skip
            frame.pts, frame.time_base = pts, TIME_BASE
            frame.duration = round(1 / self._fps / TIME_BASE)
            self._last_pts = pts
            self._container.mux(self._stream.encode(frame))
            if self._sound is not None:
                self._container.mux(self._sound.packets(self._first))

    def finish(self) -> None:
        """Write what is still buffered and close; may be called twice. EraserError where that fails."""
        if self._closed:
            return
        self._closed = True
        try:
            with self._failures():
                if self._stream is not None:
                    self._container.mux(self._stream.encode(None))
                if self._sound is not None:
                    self._container.mux(self._sound.flush())
        finally:
            with suppress(av.error.FFmpegError, OSError):
                self._container.close()
            self._leave()

    def _leave(self) -> None:
        """Let go of the file; one that was made for nothing goes, or it would hold the name."""
        if self._stream is None and self._new:
            Path(self.path).unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)

    def _start(self, image: np.ndarray) -> VideoStream:
        """Add the streams and write the header, for pictures like this one; odd sides lose a row or column."""
        height, width = image.shape[0] & ~1, image.shape[1] & ~1
        rate = Fraction(self._fps).limit_denominator(1001)
        choice = choose_encoder(self._container, "yuv420p", width, height)
        options = dict(choice.options)
        if choice.encoder == "libx264":
            options |= _ENCODER | {"g": str(max(1, round(2 * self._fps)))}
        stream = self._container.add_stream(
            choice.encoder, rate=rate, options=options, width=width, height=height, pix_fmt=choice.pixel_format
        )
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.flags |= CodecFlags.frame_duration
        stream.time_base = context.time_base = TIME_BASE
        context.color_primaries = context.color_trc = context.colorspace = context.color_range = 1
        if self._microphone is not None:
            self._sound = SoundTrack(self._container, self._microphone)
        self._container.start_encoding()
        return stream

    def _fitted(self, image: np.ndarray, stream: VideoStream) -> np.ndarray:
        height, width = image.shape[:2]
        if (height & ~1, width & ~1) == (stream.height, stream.width):
            return np.ascontiguousarray(image[: stream.height, : stream.width])
        scale = min(stream.height / height, stream.width / width)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        x, y = stream.width - inner[0], stream.height - inner[1]
        return cv2.copyMakeBorder(small, y // 2, y - y // 2, x // 2, x - x // 2, cv2.BORDER_CONSTANT)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Tell what FFmpeg and the file system report as an EraserError."""
        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            raise EraserError(self._what_failed(error)) from error

    def _what_failed(self, error: Exception) -> str:
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return f"the disk is full: {self.path} ends after {self.seconds:.0f} s; free some space to record on"
        if number in (errno.EACCES, errno.EPERM, errno.EROFS):
            return f"{self.path} cannot be written: permission denied; choose another folder"
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        return f"{self.path} cannot be recorded on ({reason}); it ends after {self.seconds:.0f} s"
