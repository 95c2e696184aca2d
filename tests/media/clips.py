"""Small real media made with PyAV, and what is needed to look into the files that come out."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from realtime.frame import Frame
from realtime.media.opening import open_sink, open_source
from realtime.media.planes import plane_arrays
from realtime.media.source import Source

WIDTH, HEIGHT, FRAMES = 96, 64, 12
BOX = (20, 40, 30, 62)  # y0, y1, x0, x1 that `painted` replaces
PAINT = (40, 200, 60)  # BGR


@dataclass(frozen=True)
class Outcome:
    """What a sink needs of a result."""

    frame: Frame
    image: np.ndarray
    alpha: np.ndarray
    roi: tuple[int, int, int, int] | None


def untouched(frame: Frame) -> Outcome:
    return Outcome(frame, frame.image, np.zeros(frame.image.shape[:2], np.uint8), None)


def painted(frame: Frame) -> Outcome:
    """The frame with a patch of one colour, and a feather of one pixel around it."""
    y0, y1, x0, x1 = BOX
    image, alpha = frame.image.copy(), np.zeros(frame.image.shape[:2], np.uint8)
    image[y0:y1, x0:x1] = PAINT
    alpha[y0 - 1 : y1 + 1, x0 - 1 : x1 + 1] = 100
    alpha[y0:y1, x0:x1] = 255
    return Outcome(frame, image, alpha, (y0 - 1, y1 + 1, x0 - 1, x1 + 1))


def picture(index: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) uint8 BGR: a colourful texture with a bright block whose place tells the index."""
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([40 + x * 150 // width, 60 + y * 150 // height, 128 + 60 * np.sin(x / 5 + y / 3)], -1)
    image[4:12, 3 + 6 * (index % 12) : 9 + 6 * (index % 12)] = (230, 240, 235)
    return image.astype(np.uint8)


def index_of(image: np.ndarray) -> int:
    """Which `picture` this is, by its block; (H, W, 3) BGR."""
    row = image[5:11].astype(int).sum(axis=(0, 2))
    return int(np.argmax([row[4 + 6 * i : 8 + 6 * i].sum() for i in range(12)]))


@dataclass
class Clip:
    """A video file to be made. Options of streams and containers are FFmpeg's."""

    codec: str = "libx264"
    frames: int = FRAMES
    size: tuple[int, int] = (WIDTH, HEIGHT)
    pixel_format: str = "yuv420p"
    time_base: Fraction = Fraction(1, 12800)
    pts: Callable[[int], int] | None = None
    rate: int = 25
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    audio: Sequence[str] = ()  # languages, one a track
    audio_codec: str = "aac"
    audio_delay: float = 0.0  # s
    subtitles: Sequence[str] = ()
    subtitle_codec: str = "subrip"
    chapters: Sequence[tuple[float, float, str]] = ()
    attachments: Sequence[tuple[str, str, bytes]] = ()
    tags: dict[str, str] = field(default_factory=dict)
    video_tags: dict[str, str] = field(default_factory=dict)
    rotation: int = 0  # degrees clockwise to be shown upright
    display_matrix: tuple[int, ...] = ()  # the upper left 2 x 2 of FFmpeg's, in place of a rotation
    context: dict[str, Any] = field(default_factory=dict)  # attributes of the video's codec context
    prepare: Callable[[av.VideoFrame], None] | None = None

    def write(self, path: Path) -> str:
        container: Any = av.open(str(path), "w", container_options=self.container_options)
        options = {"preset": "ultrafast", "crf": "12", **self.options} if "libx26" in self.codec else self.options
        video = container.add_stream(self.codec, rate=self.rate, options=options)
        video.width, video.height = self.size
        video.pix_fmt = self.pixel_format
        video.time_base = video.codec_context.time_base = self.time_base
        for name, value in self.context.items():
            setattr(video.codec_context, name, value)
        if self.rotation:
            video.set_display_rotation(-self.rotation)
        if self.display_matrix:
            a, b, c, d = (value << 16 for value in self.display_matrix)
            video.set_display_matrix((a, b, 0, c, d, 0, 0, 0, 1 << 30))
        video.metadata.update(self.video_tags)
        sounds = [self._add_audio(container, language) for language in self.audio]
        for name, mimetype, data in self.attachments:
            container.add_attachment(name, mimetype, data)
        texts = [self._add_subtitles(container, path, language) for language in self.subtitles]
        container.metadata.update(self.tags)
        if self.chapters:
            container.set_chapters(
                [
                    {
                        "id": number,
                        "start": round(start * 1000),
                        "end": round(end * 1000),
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": title},
                    }
                    for number, (start, end, title) in enumerate(self.chapters, 1)
                ]
            )
        for stream, packets in texts:
            for packet in packets:
                packet.stream = stream
                container.mux(packet)
        for index in range(self.frames):
            frame = av.VideoFrame.from_ndarray(picture(index, *self.size), format="bgr24")
            frame = frame.reformat(format=self.pixel_format, dst_colorspace=self.context.get("matrix"))
            frame.pts = self.pts(index) if self.pts else round(index / self.rate / self.time_base)
            frame.time_base = self.time_base
            frame.pict_type = 0
            if self.prepare:
                self.prepare(frame)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for number, stream in enumerate(sounds):
            for sound in self._sound(number):
                container.mux(stream.encode(sound))
            container.mux(stream.encode(None))
        container.close()
        return str(path)

    def _add_audio(self, container: Any, language: str) -> Any:
        stream = container.add_stream(self.audio_codec, rate=48000)
        stream.metadata["language"] = language
        return stream

    def _sound(self, track: int) -> list[av.AudioFrame]:
        count = round(self.frames / self.rate * 48000)
        tone = (8000 * np.sin(np.arange(count) / (20 + 9 * track))).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, 2)[None], format="s16", layout="stereo")
        frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
        frame.pts = round(self.audio_delay * 48000)
        wanted = {"aac": ("fltp", 1024), "libopus": ("flt", 960)}.get(self.audio_codec, ("s16", 1024))
        resampler = av.AudioResampler(format=wanted[0], layout="stereo", rate=48000, frame_size=wanted[1])
        return [*resampler.resample(frame), *resampler.resample(None)]

    def _add_subtitles(self, container: Any, path: Path, language: str) -> tuple[Any, list[Any]]:
        lines = "\n".join(
            f"{i + 1}\n00:00:00,{100 * i:03} --> 00:00:00,{100 * i + 90:03}\nline {i} {language}\n" for i in range(4)
        )
        text = av.open(io.BytesIO(lines.encode()), "r", format="srt")
        packets = [packet for packet in text.demux() if packet.size]
        stream = container.add_stream_from_template(text.streams[0])
        stream.metadata["language"] = language
        return stream, packets


def hdr_clip() -> Clip:
    """HDR10: ten bits, its tags, mastering display and content light level."""
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    details = f"master-display={display}:max-cll=1000,400:log-level=error"
    tags = {"color_primaries": 9, "color_trc": 16, "colorspace": 9, "color_range": 1}
    return Clip("libx265", pixel_format="yuv420p10le", options={"x265-params": details}, context=tags)


def digital_video() -> Clip:
    """As a DV camera of 50 fields/s writes it."""
    return Clip("dvvideo", frames=5, size=(720, 576), time_base=Fraction(1, 25), audio=["eng"], audio_codec="pcm_s16le")


def convert(path: str, output: str | Path, paint: bool = False, **options: Any) -> tuple[list[str], Source]:
    """Read a file and write it again, by source and sink. Returns the notes and the closed source."""
    cut = {name: options.pop(name) for name in ("start", "end", "hwaccel") if name in options}
    with open_source(path, **cut) as source:
        sink = open_sink(str(output), source, **options)
        try:
            for frame in source:
                sink.write(painted(frame) if paint else untouched(frame))
            sink.finish()
        finally:
            sink.abort()
    return [*source.notes, *sink.notes], source


@dataclass(frozen=True)
class Shown:
    """A decoded frame: its time in seconds, its planes, its pixel format."""

    time: Fraction
    planes: list[np.ndarray]
    pixel_format: str
    frame: av.VideoFrame


def shown(path: str | Path) -> list[Shown]:
    """The frames of a video file's first video stream."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = stream.time_base or Fraction(0)
        return [
            Shown((frame.pts or 0) * base, [a.copy() for a in plane_arrays(frame)], frame.format.name, frame)
            for frame in container.decode(stream)
        ]


def times(path: str | Path) -> list[Fraction]:
    return [frame.time for frame in shown(path)]


@dataclass(frozen=True)
class Sent:
    """A packet as it lies in a file, times in seconds."""

    data: bytes
    pts: Fraction
    dts: Fraction | None


def packets(path: str | Path, stream: int) -> list[Sent]:
    with av.open(str(path)) as container:
        return [
            Sent(bytes(p), (p.pts or 0) * p.time_base, None if p.dts is None else p.dts * p.time_base)
            for p in container.demux(container.streams[stream])
            if p.size
        ]
