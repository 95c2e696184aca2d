"""A video file: the erased stream encoded, everything else of the source copied or rebuilt beside it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction

import av
import av.error
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from realtime.errors import EraserError, UsageError
from realtime.media.encoders import WITH_STATIC_HDR, Choice, choose_encoder, shape_of, side_data, side_data_names
from realtime.media.losses import field_order
from realtime.media.passthrough import (
    MOV_FAMILY,
    Copies,
    advance_timecode,
    cut_chapters,
    needs_metadata_tags,
    own_tags,
)
from realtime.media.planes import as_format, matrix_of, range_of, write_replaced
from realtime.media.sink import PictureSink, Replaced, Sink
from realtime.media.source import Source
from realtime.media.target import Target
from realtime.media.video_source import VideoSource

_WITH_CHAPTERS = MOV_FAMILY | {"matroska", "webm", "nut", "asf", "ogg"}
_WITH_ROTATION = MOV_FAMILY | {"matroska", "webm"}
# PyAV cannot give a Matroska track its pixels' aspect ratio; these encoders write it into their own headers.
_ASPECT_IN_STREAM = {"matroska", "webm"}
_WITH_ASPECT = {"libx264", "libx264rgb", "libx265"}
_KINDS = {".qt": "mov", ".divx": "avi", ".ogm": "ogv"}  # extensions that FFmpeg knows only as an input's
_ONE_TIME = {"avi", "asf"}  # with one time a packet, which cannot tell when B-frames are shown
_MANY_FILES = {"hls", "dash", "segment", "stream_segment", "image2", "tee", "smoothstreaming"}
_ONE_PICTURE = {"avif"}
_UNSPECIFIED = 2  # of AVColorPrimaries, AVColorTransferCharacteristic and AVColorSpace
# Side data of frames that no encoder here is given, by what a user calls it.
_LOST_SIDE_DATA = {
    "DOVI_RPU_BUFFER": "Dolby Vision metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "DYNAMIC_HDR_PLUS": "HDR10+ metadata",
    "DYNAMIC_HDR_VIVID": "HDR Vivid metadata",
    "SPHERICAL": "360-degree projection",
    "STEREO3D": "stereo 3D layout",
}
# The same of side data that only some encoders are given.
_STATIC_HDR = {
    "CONTENT_LIGHT_LEVEL": "HDR content light level",
    "MASTERING_DISPLAY_METADATA": "HDR mastering metadata",
}


class VideoFile:
    """One video stream being encoded into a container that appears at `target` when it is whole.

    container, stream: PyAV's; to be filled in between `add_video` and `start`.
    """

    stream: VideoStream

    def __init__(self, target: Target, options: dict[str, str] | None = None) -> None:
        self.target = target
        self._encoded_pts = -(1 << 62)
        try:
            name = str(target.temporary)
            kind = _KINDS.get(target.temporary.suffix.lower())
            self.container: OutputContainer = av.open(name, "w", format=kind, container_options=options)
        except (av.error.FFmpegError, ValueError) as error:
            target.discard()
            raise _unknown_extension(target.output) from error
        if self.container.format.name in _MANY_FILES | _ONE_PICTURE or self.container.default_video_codec == "none":
            self.abort()
            raise _unknown_extension(target.output)

    def add_video(self, choice: Choice, width: int, height: int, time_base: Fraction, rate: Fraction | None) -> None:
        """Add the video stream. rate: frames per second, a hint for the encoder."""
        hint = _hint(rate)
        self._choice = choice
        self.stream = stream = _add_stream(self.container, choice, width, height, hint)
        # Otherwise the last frame lasts as long as the encoder likes.
        stream.codec_context.flags |= CodecFlags.frame_duration
        if self.container.format.name in _ONE_TIME:
            stream.codec_context.max_b_frames = 0
        stream.time_base = stream.codec_context.time_base = _encoder_time_base(choice.encoder, time_base, hint)
        if stream.codec_context.codec.canonical_name == "hevc" and self.container.format.name in MOV_FAMILY:
            stream.codec_context.codec_tag = "hvc1"  # the one of two that Apple's players know

    def set_pixel_aspect(self, aspect: Fraction) -> list[str]:
        """Say how wide a pixel is for its height; a note where that cannot be said."""
        if aspect == 1:
            return []
        self.stream.codec_context.sample_aspect_ratio = aspect
        if self.container.format.name in _ASPECT_IN_STREAM and self._choice.encoder not in _WITH_ASPECT:
            return [f"The pixels' aspect ratio ({aspect}) cannot be written here. Choose .mp4."]
        return []

    def start(self) -> None:
        """Open the encoder and write the header."""
        with self.failures():
            self.container.start_encoding()

    def encode(self, frame: av.VideoFrame) -> None:
        """Encode a frame that has its pts and time base. Its type is the encoder's choice, not the decoder's."""
        frame = as_format(frame, self._choice.pixel_format)
        frame.pict_type = 0
        assert frame.pts is not None
        assert frame.time_base is not None
        base = self.stream.codec_context.time_base
        pts = round(frame.pts * frame.time_base / base)
        self._encoded_pts = frame.pts = max(pts, self._encoded_pts + 1)
        frame.duration = round(frame.duration * frame.time_base / base)
        frame.time_base = base
        with self.failures():
            self.mux(self.stream.encode(frame))

    def mux(self, packets: Sequence[Packet]) -> None:
        """Write what the encoder gave."""
        self.container.mux(packets)

    def complete(self) -> None:
        """Flush and close."""
        with self.failures():
            self.mux(self.stream.encode(None))
            self.close()

    def commit(self) -> None:
        self.target.commit()

    def close(self) -> None:
        with self.failures():
            self.container.close()

    def abort(self) -> None:
        with suppress(av.error.FFmpegError, OSError):
            self.container.close()
        self.target.discard()

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Tell what FFmpeg and the file system report as an EraserError."""
        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            raise self.target.failure(error) from error


class VideoSink(Sink):
    """The erased video of a video source, with its other streams."""

    def __init__(
        self,
        output: str,
        source: VideoSource,
        *,
        codec: str | None,
        crf: float | None,
        overwrite: bool,
        file: type[VideoFile] = VideoFile,
        shift: Fraction | None = None,
    ) -> None:
        """file: what takes the encoded video; shift: seconds to take off all times, None for the source's."""
        self._source = source
        self._shift = source.shift if shift is None else shift
        first = source.first
        self._file = file(
            Target(output, source_path=source.path, overwrite=overwrite), _container_options(output, source)
        )
        try:
            choice = choose_encoder(
                self._file.container,
                source.info.pixel_format,
                first.width,
                first.height,
                source_codec=source.info.codec,
                codec=codec,
                crf=crf,
                first=first,
                field_order=field_order(source.stream),
            )
            self.notes = list(choice.notes)
            self._copies = Copies(
                source.container,
                source.stream,
                self._file.container,
                add_erased=lambda: self._add_video(choice),
                try_erased=lambda trial: _add_stream(trial, choice, first.width, first.height, _hint(source.info.rate)),
                cover=source.first_packet,
            )
            self.notes = [*self.notes, *self._copies.notes]
            self._add_tags()
            source.keep(self._copies.indices)
            self._file.start()
        except BaseException:
            self._file.abort()
            raise

    def write(self, result: Replaced) -> None:
        frame = result.frame
        if frame.native is None:
            raise EraserError("A frame of the video lost its planes on the way; report this as a bug.")
        native = write_replaced(frame.native, result.image, result.alpha, result.roi, frame.rotation)
        native.pts = frame.pts - round(self._shift / frame.time_base)
        native.time_base = frame.time_base
        self._file.encode(native)
        self._copy_packets()

    @property
    def encoder(self) -> tuple[Fraction, bytes]:
        """The encoder's time base and its extradata: packets of another one fit where both are the same."""
        context = self._file.stream.codec_context
        return context.time_base, context.extradata or b""

    def write_encoded(self, packet: Packet) -> None:
        """In place of a picture: what an encoder with the same settings made of it, at its time in the output."""
        packet.stream = self._file.stream
        with self._file.failures():
            self._file.mux([packet])
        self._copy_packets()

    def complete(self) -> None:
        self._copy_packets()
        self._file.complete()

    def commit(self) -> None:
        self._file.commit()

    def abort(self) -> None:
        self._file.abort()

    def _copy_packets(self) -> None:
        said = len(self._copies.notes)
        with self._file.failures():
            self._copies.write(self._source.take_packets(), self._source.cut)
        self.notes += self._copies.notes[said:]

    def _add_video(self, choice: Choice) -> None:
        """The stream, with everything about the picture that is not in its samples."""
        source, first = self._source, self._source.first
        self._file.add_video(choice, first.width, first.height, source.time_base, source.info.rate)
        stream, context, given = self._file.stream, self._file.stream.codec_context, source.stream.codec_context
        for name in ("color_primaries", "color_trc", "colorspace"):
            value = getattr(first, name)
            setattr(context, name, value if value != _UNSPECIFIED else getattr(given, name))
        context.color_range = 2 if first.format.name.startswith("yuvj") else first.color_range or given.color_range
        kind = shape_of(source.info.pixel_format).kind
        if kind == "gray" or shape_of(choice.pixel_format).kind == "yuv" != kind:  # gray may be decoded as YUV
            context.colorspace, context.color_range = matrix_of(first), range_of(first)
        container = self._file.container.format.name
        self.notes += self._file.set_pixel_aspect(source.stream.sample_aspect_ratio or Fraction(1))
        if source.info.interlaced:
            context.flags |= CodecFlags.interlaced_dct | CodecFlags.interlaced_me
            if field_order(source.stream):
                context.field_order = field_order(source.stream)
        matrix = side_data(first, "DISPLAYMATRIX")
        if matrix is not None:
            stream.set_display_matrix(struct.unpack("9i", matrix))
            if source.rotation and container not in _WITH_ROTATION:
                how = "mirrored" if source.rotation >= 4 else "rotated"
                self.notes.append(
                    f"This container cannot say that the video is to be shown {how}. Choose .mp4 or .mkv."
                )
        stream.disposition = source.stream.disposition
        stream.metadata.update(self._tags(source.stream.metadata))
        unwritten = _LOST_SIDE_DATA | ({} if choice.encoder in WITH_STATIC_HDR else _STATIC_HDR)
        lost = {unwritten[name] for name in side_data_names(first) & unwritten.keys()}
        self.notes += [f"The video's {name} cannot be written here and is left out." for name in sorted(lost)]

    def _add_tags(self) -> None:
        source, container = self._source, self._file.container
        container.metadata.update(self._tags(source.container.metadata))
        chapters = cut_chapters(source.container.chapters(), source.cut)
        if chapters and container.format.name not in _WITH_CHAPTERS:
            self.notes.append("This container has no chapters; they are left out. Choose .mp4 or .mkv.")
        elif chapters:
            container.set_chapters(chapters)

    def _tags(self, tags: dict[str, str]) -> dict[str, str]:
        """Those that say something of the content; a timecode is that of the first frame written."""
        source, kept = self._source, own_tags(tags)
        if source.cut.start is not None and source.info.rate:
            for key, value in kept.items():
                if key.lower() == "timecode":
                    kept[key] = advance_timecode(value, source.first_index, source.info.rate)
        return kept


class PictureVideo(PictureSink):
    """A video of pictures that have no planes of their own: of an image sequence, of a preview, of masks.

    Colour is stored as BT.709 4:2:0, gray without loss.
    """

    def __init__(
        self,
        output: str,
        width: int,
        height: int,
        source: Source,
        *,
        overwrite: bool,
        even: bool = False,
        codec: str | None = None,
        crf: float | None = None,
    ) -> None:
        """width, height: of the pictures. even: repeat the last row or column of colour pictures of odd size, for
        encoders that take none, rather than take another codec."""
        self.notes = []
        self._source = source
        self._size = width, height
        self._even = even
        self._asked = codec, crf
        self._gray: bool | None = None
        self._file = VideoFile(Target(output, source_path=source.path, overwrite=overwrite))

    def write(self, result: Replaced) -> None:
        self.write_image(result.image, result.frame.index, result.frame.pts, result.frame.time_base)

    def write_image(self, image: np.ndarray, index: int, pts: int, time_base: Fraction) -> None:
        if self._gray is None:
            self._gray = image.ndim == 2
            self._start()
        if self._gray:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="gray")
        else:
            if self._even:
                image = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), "edge")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24").reformat(
                format="yuv420p", dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG", threads=1
            )
        frame.pts, frame.time_base = pts - round(self._source.shift / time_base), time_base
        self._file.encode(frame)

    def complete(self) -> None:
        if self._gray is None:  # no picture came
            self._file.abort()
        else:
            self._file.complete()

    def commit(self) -> None:
        if self._gray is not None:
            self._file.commit()

    def abort(self) -> None:
        self._file.abort()

    def _start(self) -> None:
        width, height = self._size
        if self._even and not self._gray:
            width, height = width + width % 2, height + height % 2
        codec, crf = self._asked
        pixel_format = "gray" if self._gray else "yuv420p"
        choice = choose_encoder(
            self._file.container, pixel_format, width, height, codec=codec, crf=crf, lossless=bool(self._gray)
        )
        self.notes += choice.notes
        info = self._source.info
        self._file.add_video(choice, width, height, info.time_base, info.rate)
        self.notes += self._file.set_pixel_aspect(info.pixel_aspect)
        context = self._file.stream.codec_context
        if self._gray:
            context.color_range = ColorRange.JPEG
        else:
            context.color_primaries = context.color_trc = context.colorspace = context.color_range = 1
        self._file.start()


def _container_options(output: str, source: VideoSource) -> dict[str, str]:
    extension = output.rpartition(".")[2].lower()
    if extension in ("mkv", "webm", "mka"):
        # Audio that starts before zero (an encoder's priming) would otherwise move every time by some milliseconds.
        return {"avoid_negative_ts": "disabled"}
    if extension in ("mp4", "mov", "qt", "m4v"):
        # Delays of whole tracks are stored in the movie's ticks, which by default are milliseconds.
        timescale = source.time_base.denominator
        while timescale < 10000:
            timescale *= 2
        options = {"movie_timescale": str(timescale)}
        if needs_metadata_tags(source.container.metadata):
            options["movflags"] = "use_metadata_tags"
        return options
    return {}


def _hint(rate: Fraction | None) -> Fraction:
    return (rate or Fraction(25)).limit_denominator(1001)


def _add_stream(container: OutputContainer, choice: Choice, width: int, height: int, rate: Fraction) -> VideoStream:
    stream = container.add_stream(
        choice.encoder,
        rate=rate,
        options=dict(choice.options),
        width=width,
        height=height,
        pix_fmt=choice.pixel_format,
    )
    assert isinstance(stream, VideoStream)
    return stream


def _encoder_time_base(encoder: str, time_base: Fraction, rate: Fraction) -> Fraction:
    """The source's, except where a codec's bitstream cannot express it, or a Y4M file, which has a rate alone."""
    if encoder in ("mpeg1video", "mpeg2video", "wrapped_avframe"):
        return 1 / rate
    if encoder == "mpeg4" and time_base.denominator > 65535:
        return Fraction(1, 30000)
    return time_base


def _unknown_extension(output: str) -> UsageError:
    return UsageError(f"The extension of {output} names no video container. Use .mp4, .mkv, .mov or .webm.")
