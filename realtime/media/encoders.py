"""Which encoder and pixel format a video is written with.

The output follows the input's codec where that is H.264, HEVC, VP9 or AV1 and FFmpeg here has an encoder for it that
suits the container and the size and takes every sample as it was decoded. Otherwise the nearest choice is taken in this
order: another codec that holds the samples as they are; a format that holds them with room to spare (4:2:0 of odd size
as 4:4:4 with every chroma sample repeated); and only then one that loses something. Whatever differs from the input is
said in a note.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import cast

import av
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.sidedata.sidedata import SideData

from realtime.errors import EraserError, UsageError
from realtime.media.trial import can_begin

_ENCODERS = {
    "h264": ("libx264", "libx264rgb"),
    "hevc": ("libx265",),
    "vp9": ("libvpx-vp9",),
    "av1": ("libsvtav1",),
    "vp8": ("libvpx",),
    "prores": ("prores_ks",),
}
GPU = "gpu"  # as a codec: the input's, by the GPU where one takes it
_BY_GPU = {"h264": "h264_nvenc", "hevc": "hevc_nvenc", "av1": "av1_nvenc"}
_ALIASES = {"x264": "h264", "h265": "hevc", "x265": "hevc", "avc": "h264", "mpeg2": "mpeg2video"}
_TITLES = {
    "h264": "H.264",
    "hevc": "HEVC",
    "vp9": "VP9",
    "av1": "AV1",
    "prores": "ProRes",
    "ffv1": "FFV1",
    "vp8": "VP8",
}
_FALLBACKS = {
    "h264": ("h264", "hevc", "av1", "vp9"),
    "hevc": ("hevc", "av1", "h264", "vp9"),
    "vp9": ("vp9", "hevc", "av1", "h264"),
    "av1": ("av1", "hevc", "vp9", "h264"),
}
_WITH_ALPHA = {"matroska": ("ffv1",), "mov": ("prores",)}
# Containers whose muxer tells FFmpeg only its default codec.
_UNLISTED = {"mpegts": {"libx264", "libx265", "mpeg2video", "mpeg4"}, "mpeg": {"mpeg2video"}}

# Visually lossless, and fast enough that the encoder is not what limits 720p on two cores. Measured on web clips of
# 240p to 540p, the files are 0.9 to 1.6 times as large as H.264 inputs.
_SETTINGS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "20"},
    "libx264rgb": {"preset": "veryfast", "crf": "20"},
    "libx265": {"preset": "superfast", "crf": "21"},
    "libsvtav1": {"preset": "9", "crf": "26"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "crf": "28", "b": "0"},
    "libvpx": {"deadline": "realtime", "cpu-used": "4", "crf": "10", "b": "8M"},
    "ffv1": {"level": "3", "slices": "4", "slicecrc": "1"},
    "mpeg4": {"flags": "+qscale", "global_quality": str(2 * 118)},
    "mpeg2video": {"flags": "+qscale", "global_quality": str(2 * 118)},
    "mjpeg": {"flags": "+qscale", "global_quality": str(2 * 118)},
}
# The best and the worst crf of encoders. x264 and those of MPEG would cut another without a word; encoders that are not
# here have no such setting.
_QUALITIES = {
    **dict.fromkeys(("libx264", "libx264rgb", "libx265", *_BY_GPU.values()), (0, 51)),
    **dict.fromkeys(("libsvtav1", "libvpx-vp9"), (0, 63)),
    "libvpx": (4, 63),
    **dict.fromkeys(("mpeg4", "mpeg2video", "mjpeg"), (0, 31)),
}

# AVFieldOrder to x264's words for the field that is shown first.
_SHOWN_FIRST = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}


@dataclass(frozen=True)
class Choice:
    """encoder, options: as FFmpeg names them. pixel_format: what the encoder is given. notes: for the user."""

    encoder: str
    pixel_format: str
    options: dict[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Shape:
    """What a pixel format can hold. step_x, step_y: pixels a chroma sample covers; depth: bits a sample."""

    kind: str  # "yuv", "rgb" or "gray"
    step_x: int
    step_y: int
    depth: int
    alpha: bool

    def holds(self, other: Shape) -> bool:
        """Can every sample of `other` be stored in this without loss?"""
        return (
            (
                (self.kind == "yuv" and other.kind == "gray")
                or (self.kind == other.kind and other.step_x % self.step_x == 0 and other.step_y % self.step_y == 0)
            )
            and self.depth >= other.depth
            and (self.alpha or not other.alpha)
        )

    @property
    def text(self) -> str:
        sampling = {
            (2, 2): "4:2:0",
            (2, 1): "4:2:2",
            (1, 1): "4:4:4",
            (1, 2): "4:4:0",
            (4, 1): "4:1:1",
            (4, 4): "4:1:0",
        }
        layout = sampling.get((self.step_x, self.step_y), "") if self.kind == "yuv" else self.kind.upper()
        return f"{layout} {self.depth}-bit" + (" with transparency" if self.alpha else "")


@lru_cache(maxsize=256)
def shape_of(pixel_format: str) -> Shape:
    described = av.VideoFormat(pixel_format, 64, 64)
    components = described.components
    kind = "rgb" if described.is_rgb else "yuv" if sum(not c.is_alpha for c in components) >= 3 else "gray"
    return Shape(
        kind=kind,
        step_x=64 // described.chroma_width() if kind == "yuv" else 1,
        step_y=64 // described.chroma_height() if kind == "yuv" else 1,
        depth=max(c.bits for c in components),
        alpha=any(c.is_alpha for c in components),
    )


def choose_encoder(
    container: OutputContainer,
    pixel_format: str,
    width: int,
    height: int,
    *,
    source_codec: str = "",
    codec: str | None = None,
    crf: float | None = None,
    first: av.VideoFrame | None = None,
    field_order: int = 0,
    lossless: bool = False,
) -> Choice:
    """The encoder for pictures of `pixel_format`.

    source_codec: the input's codec, which the output follows unless `codec` names another one; empty for pictures.
    codec: GPU follows it too, and a note says whether a GPU encodes it. None does interlaced or HDR pictures here.
    first: a frame whose HDR metadata the stream is to carry.
    field_order: AVFieldOrder of interlaced pictures, 0 or 1 for others.
    lossless: every sample must come back from the decoder as it was given.

    Raises EraserError where the container takes nothing that this FFmpeg can encode, UsageError for an unknown codec
    and for a crf out of its range.
    """
    accepted = container.supported_codecs | _UNLISTED.get(container.format.name, set())
    wanted = shape_of(pixel_format)
    by_gpu, codec = codec == GPU, None if codec == GPU else codec
    able = by_gpu and field_order < 2 and not (lossless or crf == 0) and not _hdr_parameters("libx265", first)
    for codec_name, encoder, held in _candidates(
        wanted, pixel_format, width, height, accepted, _chain(codec, source_codec, wanted, container, accepted), able
    ):
        quality = crf if encoder in _QUALITIES else None
        options = _options(encoder, quality, first, field_order, lossless or crf == 0)
        if _takes(encoder, quality) and _opens(container, encoder, held, width, height, options):
            notes = [*_notes(container, source_codec, codec_name, wanted, shape_of(held), asked=codec is not None)]
            if quality != crf:
                notes.append(f"{_title(codec_name)} takes no --crf: it is left out.")
            if by_gpu:
                notes.append(_note_of_gpu(encoder))
            return Choice(encoder, held, options, tuple(notes))
        usual = _options(encoder, None, first, field_order, lossless)
        if quality is not None and _opens(container, encoder, held, width, height, usual):
            best, worst = _QUALITIES[encoder]
            raise UsageError(f"{_title(codec_name)} takes no --crf of {crf:g}. Choose one from {best} to {worst}.")
    if codec is not None:
        raise EraserError(
            f"{_title(codec)} cannot be written into {_extension(container)} files ({wanted.text}, {width}x{height})."
            " Choose another --codec or another extension."
        )
    raise EraserError(f"No video can be written into {_extension(container)} files here. Try .mp4 or .mkv.")


def _chain(
    codec: str | None, source_codec: str, wanted: Shape, container: OutputContainer, accepted: Iterable[str]
) -> Sequence[str]:
    """Codecs in the order of preference."""
    if codec is not None:
        name = _ALIASES.get(codec.lower(), codec.lower())
        if name not in _ENCODERS:
            try:
                is_video = av.Codec(name, "w").type == "video"
            except UnknownCodecError:
                is_video = False
            if not is_video:
                known = ", ".join(sorted([*_ENCODERS, "ffv1", "mpeg4", "mjpeg"]))
                raise UsageError(f"There is no video encoder {codec} here. Choose one of {known}.")
        return (name,)
    chain: tuple[str, ...] = _FALLBACKS.get(source_codec, _FALLBACKS["h264"])
    if wanted.alpha:
        chain = (*chain, *_WITH_ALPHA.get(container.format.name, ()))
    if not any(encoder in accepted for name in chain for encoder in _ENCODERS.get(name, (name,))):
        chain = ("mpeg2video", container.default_video_codec)
    return chain


def _candidates(
    wanted: Shape,
    pixel_format: str,
    width: int,
    height: int,
    accepted: Iterable[str],
    chain: Sequence[str],
    by_gpu: bool,
) -> Iterator[tuple[str, str, str]]:
    """(codec, encoder, pixel format), the best first; by_gpu: of equals, an encoder of the GPU before others."""
    ranked = []
    for position, codec in enumerate(chain):
        gpu = (_BY_GPU[codec],) if by_gpu and codec in _BY_GPU else ()
        for encoder in (*gpu, *_ENCODERS.get(codec, (codec,))):
            if encoder not in accepted:
                continue
            for name in _formats(encoder):
                held = shape_of(name)
                if not _takes_size(encoder, held, width, height) or (held.alpha and not wanted.alpha):
                    continue
                loss, spare = _distance(wanted, held)
                kind = 0 if not any(loss) and not any(spare) else 1 if not any(loss) else 2
                rank = kind, loss, position, spare, encoder not in gpu, name != pixel_format
                ranked.append((rank, (codec, encoder, name)))
    return (choice for _, choice in sorted(ranked))


def _distance(wanted: Shape, held: Shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What is lost and what is spent for nothing when `wanted` is stored as `held`; zeros where they are alike."""
    gray_as_yuv = (wanted.kind, held.kind) == ("gray", "yuv")
    other_kind = wanted.kind != held.kind and not gray_as_yuv
    coarser = not gray_as_yuv and (wanted.step_x % held.step_x != 0 or wanted.step_y % held.step_y != 0)
    finer = held.step_x * held.step_y < wanted.step_x * wanted.step_y
    loss = (
        int(wanted.alpha and not held.alpha),
        (2 if held.kind == "gray" else 1) if other_kind else 0,
        max(0, wanted.depth - held.depth),
        held.step_x * held.step_y if coarser else 0,
    )
    spare = (
        16 // (held.step_x * held.step_y) if gray_as_yuv or (finer and not coarser) else 0,
        max(0, held.depth - wanted.depth),
    )
    return loss, spare


def nearest_format(encoder: str, pixel_format: str) -> str:
    """The pixel format that an encoder takes and that loses least of `pixel_format`, then wastes least."""
    wanted = shape_of(pixel_format)
    return min(_formats(encoder), key=lambda name: (_distance(wanted, shape_of(name)), name != pixel_format))


@lru_cache(maxsize=64)
def _formats(encoder: str) -> tuple[str, ...]:
    try:
        formats = av.Codec(encoder, "w").video_formats or []
    except UnknownCodecError:
        return ()
    # Float and palette formats are of no use here; hardware surfaces have no samples to hand over.
    # x265 and VP9 code transparency as a second picture, which hardly any player or container knows.
    usable = (f for f in formats if f.components and not f.has_palette and not f.is_bayer and f.bits_per_pixel > 2)
    names = [f.name for f in usable if "f16" not in f.name and "f32" not in f.name]
    if encoder.startswith(("libx265", "libvpx")):
        names = [name for name in names if not shape_of(name).alpha]
    return tuple(names) or ("yuv420p",)


def _takes_size(encoder: str, held: Shape, width: int, height: int) -> bool:
    """x264, x265 and the hardware encoders want whole chroma samples; VP9, AV1, FFV1 and MPEG-4 take any size."""
    whole = width % held.step_x == 0 and height % held.step_y == 0
    return whole or not any(family in encoder for family in ("264", "265", "hevc", "nvenc", "prores"))


def _takes(encoder: str, quality: float | None) -> bool:
    if quality is None:
        return True
    best, worst = _QUALITIES[encoder]
    return best <= quality <= worst


def _options(
    encoder: str, crf: float | None, first: av.VideoFrame | None, field_order: int, lossless: bool
) -> dict[str, str]:
    options = dict(_SETTINGS.get(encoder, {}))
    if not options and encoder.endswith("_nvenc"):
        options = {"preset": "p4", "rc": "vbr", "cq": "20"}
    if crf is not None:
        if "global_quality" in options:
            options["global_quality"] = str(round(crf * 118))
        else:
            options["cq" if encoder.endswith("_nvenc") else "crf"] = f"{crf:g}"
    details = _hdr_parameters(encoder, first)
    if encoder == "libx265":
        details = ["log-level=error", *details, *(["lossless=1"] if lossless else [])]
        options["x265-params"] = ":".join(details)
    elif encoder.startswith("libx264"):
        if lossless:
            del options["crf"]  # 0 is not lossless above 8 bits
            options["qp"] = "0"
        if field_order in _SHOWN_FIRST:
            details.append(f"{_SHOWN_FIRST[field_order]}=1")
        if details:
            options["x264-params"] = ":".join(details)
    elif encoder == "libsvtav1":
        if lossless:
            details = [*details, "lossless=1"]
        if details:
            options["svtav1-params"] = ":".join(details)
    elif encoder == "libvpx-vp9" and lossless:
        options["lossless"] = "1"
    return options


WITH_STATIC_HDR = {"libx264", "libx265", "libsvtav1"}
"""Encoders that can be told the mastering display and the content light level."""


def _hdr_parameters(encoder: str, first: av.VideoFrame | None) -> list[str]:
    """Mastering display (SMPTE ST 2086) and content light level (CTA-861.3) as the encoder's own options."""
    if first is None or encoder not in WITH_STATIC_HDR:
        return []
    parameters = []
    light = side_data(first, "CONTENT_LIGHT_LEVEL")
    if light is not None:
        most, average = struct.unpack_from("2I", light)
        name = {"libx265": "max-cll", "libx264": "cll", "libsvtav1": "content-light"}[encoder]
        parameters.append(f"{name}={most},{average}")
    display = side_data(first, "MASTERING_DISPLAY_METADATA")
    if display is not None:
        numbers = struct.unpack_from("22i", display)
        values = [Fraction(n, d) if d else Fraction(0) for n, d in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
        if encoder == "libsvtav1":
            red, green, blue, white, light_range = _pairs(values, 1, 1, "{:.6f}")
            parameters.append(f"mastering-display=G({green})B({blue})R({red})WP({white})L({light_range})")
        else:
            red, green, blue, white, light_range = _pairs(values, 50000, 10000, "{:.0f}")
            name = "master-display" if encoder == "libx265" else "mastering-display"
            parameters.append(f"{name}=G({green})B({blue})R({red})WP({white})L({light_range})")
    return parameters


def _pairs(values: list[Fraction], chromaticity: int, luminance: int, form: str) -> list[str]:
    """Red, green, blue, white as "x,y" and the luminance as "max,min", in the encoder's units."""
    scaled = [form.format(float(value * chromaticity)) for value in values[:8]]
    low, high = (form.format(float(value * luminance)) for value in values[8:10])
    return [f"{scaled[i]},{scaled[i + 1]}" for i in range(0, 8, 2)] + [f"{high},{low}"]


def side_data_names(frame: av.VideoFrame) -> set[str]:
    """FFmpeg's names of the side data that a frame carries."""
    return {item.type.name for item in cast("Iterable[SideData]", frame.side_data)}


def side_data(frame: av.VideoFrame, name: str) -> bytes | None:
    """The payload of a frame's side data by its FFmpeg name, None where there is none."""
    items = cast("Iterable[SideData]", frame.side_data)
    return next((bytes(item) for item in items if item.type.name == name), None)


def _opens(
    container: OutputContainer, encoder: str, pixel_format: str, width: int, height: int, options: dict[str, str]
) -> bool:
    """Do encoder and container take this? Found by writing the header of such a file into memory."""
    if encoder == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # it writes a page about itself to stderr; only errors are of interest

    def begin(trial: OutputContainer) -> None:
        trial.add_stream(encoder, rate=25, options=dict(options), width=width, height=height, pix_fmt=pixel_format)
        trial.start_encoding()

    return can_begin(container, begin)


def _notes(
    container: OutputContainer, source_codec: str, codec: str, wanted: Shape, held: Shape, *, asked: bool
) -> Iterator[str]:
    if codec != source_codec and not asked and source_codec:
        written, given = _title(codec), _title(source_codec)
        if source_codec in _FALLBACKS:
            lacking = f"{wanted.text} {given} in {_extension(container)}"
            yield f"The video is written as {written}, since {lacking} is not possible here."
        else:
            yield f"The video is written as {written} in place of {given}. --codec chooses another."
    if wanted.alpha and not held.alpha:
        yield f"The video's transparency is lost in {_extension(container)} files. Choose .mov or .mkv."
    if held.depth < wanted.depth:
        yield f"{wanted.depth}-bit video is reduced to {held.depth} bits, the most that {_title(codec)} takes here."
    elif (held.step_x, held.step_y) != (wanted.step_x, wanted.step_y) and held.holds(wanted):
        yield f"{_title(codec)} does not take {wanted.text} of this size: written as {held.text}, every sample kept."
    elif not held.holds(wanted) and not wanted.alpha:
        yield f"{wanted.text} video is converted to {held.text}, the nearest that {_title(codec)} takes here."


def _note_of_gpu(encoder: str) -> str:
    if encoder in _BY_GPU.values():
        return f"The GPU encodes the video ({encoder})."
    return f"No GPU here encodes this video: the CPU does ({encoder})."


def _title(codec: str) -> str:
    return _TITLES.get(codec, codec.upper())


def _extension(container: OutputContainer) -> str:
    return f".{container.name.rpartition('.')[2]}"
