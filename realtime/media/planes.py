"""From decoded planes to BGR and back, touching only what was replaced.

A decoded frame holds its samples as the file stored them: YUV of some depth and chroma subsampling, gray, or RGB. The
eraser works on 8-bit BGR. Going to BGR and back would change nearly every sample, so the way back converts only the
patch that was replaced and writes it into the frame's own planes; all other samples stay as they were decoded.

    image = upright_image(native, rotation)                      # (H, W, 3) uint8 BGR
    write_replaced(native, image, alpha, roi, rotation)          # hole and feather, into native's planes

Colour follows the frame's tags. Where a stream does not say its matrix, BT.709 is taken for high definition (1280 or
more columns, or more than 576 rows) and BT.601 below, as players do; a range that is not said is limited, for RGB and
yuvj full.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import lru_cache

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange

from realtime.media.encoders import side_data

# Formats whose planes can be written in place: one component a plane, or whole components side by side in a pixel.
_PLANAR = re.compile(r"(yuv(a|j)?4[1-4][0-4]p|gbra?p|gray|ya)(8|9|10|12|14|16)?(le|be)?")
_SEMI_PLANAR = re.compile(r"(nv(12|21|16|24|42)|p[024](10|12|16)(le|be))")
_PACKED = re.compile(r"(rgb24|bgr24|rgba|bgra|argb|abgr|rgb0|bgr0|0rgb|0bgr|(rgb|bgr)48(le|be)|(rgba|bgra)64(le|be))")

# Where the other formats go, sample for sample: same matrix, subsampling and depth, only arranged in planes.
_PLANAR_TWIN = {
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "yvyu422": "yuv422p",
    "uyyvyy411": "yuv411p",
    "nv20le": "yuv422p10le",
    "y210le": "yuv422p10le",
    "y212le": "yuv422p12le",
    "y216le": "yuv422p16le",
    "v30xle": "yuv444p10le",
    "xv30le": "yuv444p10le",
    "xv36le": "yuv444p12le",
    "xv48le": "yuv444p16le",
    "vuyx": "yuv444p",
    "vyu444": "yuv444p",
    "ayuv": "yuva444p",
    "vuya": "yuva444p",
    "uyva": "yuva444p",
    "ayuv64le": "yuva444p16le",
    "x2rgb10le": "gbrp10le",
    "x2bgr10le": "gbrp10le",
    "monow": "gray",
    "monob": "gray",
    "pal8": "bgra",
}

# AVColorSpace of a frame to swscale's SWS_CS_*; others (YCgCo, ICtCp) have none and are read as the default.
_BT709, _BT601 = 1, 5
_MATRIX = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: 9, 10: 9}
_FAST_FORMATS = {"yuv420p", "yuvj420p", "yuv422p"}
# Of swscale.h; PyAV names them only since version 18, which does not run on Python 3.10.
_BILINEAR, _FULL_CHROMA, _ACCURATE = 0x2, 0x2000, 0x40000
_SCALING = _BILINEAR | _FULL_CHROMA | _ACCURATE
_MARGIN = 4  # px around the patch, so that chroma at its rim is averaged as it would be in the whole frame


def writable_format(name: str) -> str:
    """The pixel format, of those that `write_replaced` can write, which holds the samples of `name` (`name` itself when
    it is one of them). High-depth formats without a twin become 16-bit RGB, the rest 8-bit RGB."""
    if any(pattern.fullmatch(name) for pattern in (_PLANAR, _SEMI_PLANAR, _PACKED)):
        return name
    if name in _PLANAR_TWIN:
        return _PLANAR_TWIN[name]
    deep = max((component.bits for component in av.VideoFormat(name).components), default=8) > 8
    return "gbrp16le" if deep else "bgr24"


def depth(format_name: str) -> int:
    """Bits per sample of a pixel format."""
    return max((component.bits for component in av.VideoFormat(format_name).components), default=8)


def to_writable(frame: av.VideoFrame) -> av.VideoFrame:
    """`frame` itself where its planes can be written in place, else its samples in a format where they can."""
    name = writable_format(frame.format.name)
    if name == frame.format.name:
        return frame
    return frame.reformat(format=name, src_colorspace=matrix_of(frame), dst_colorspace=matrix_of(frame), threads=1)


def rotation_of(frame: av.VideoFrame) -> int:
    """How a viewer turns the frame to show it, as `Frame.rotation`."""
    matrix = side_data(frame, "DISPLAYMATRIX")
    a, b, _, c, d = struct.unpack_from("5i", matrix) if matrix is not None else (1, 0, 0, 0, 1)
    turns = round(-frame.rotation / 90) % 4  # FFmpeg's angle is that of the upper edge, counterclockwise
    return turns if a * d >= b * c else 4 + (turns + 2) % 4  # a mirrored edge runs the other way


def turned(picture: np.ndarray, rotation: int) -> np.ndarray:
    """A view of a picture as it is stored, (H, W) or (H, W, C), the way a viewer shows it."""
    return np.rot90(picture[:, ::-1] if rotation >= 4 else picture, -rotation)


def _turned_back(picture: np.ndarray, rotation: int) -> np.ndarray:
    stored = np.rot90(picture, rotation)
    return stored[:, ::-1] if rotation >= 4 else stored


def upright_image(frame: av.VideoFrame, rotation: int = 0) -> np.ndarray:
    """The picture as a viewer shows it: (H, W, 3) uint8 BGR, turned as `rotation` says (see `Frame.rotation`)."""
    fast = frame.format.name in _FAST_FORMATS and frame.width % 8 == 0 and frame.height % 2 == 0
    converted = _to_bgr(frame, _BILINEAR if fast else _SCALING)
    bgr: np.ndarray = converted.to_ndarray()
    if fast:
        bias = _fast_bias(frame.format.name, matrix_of(frame), range_of(frame))
        if any(bias):
            shifted = cv2.subtract(np.asarray(bgr, np.uint8), np.array([*bias, 0], float))
            bgr = cv2.threshold(shifted, 1, 0, cv2.THRESH_TOZERO)[1]  # black is exact, and stays so
    upright = turned(bgr, rotation)
    # Never the frame's own memory, into which the sink writes.
    return upright.copy() if converted is frame else np.ascontiguousarray(upright)


def _to_bgr(frame: av.VideoFrame, interpolation: int) -> av.VideoFrame:
    return frame.reformat(
        format="bgr24",
        src_colorspace=matrix_of(frame),
        src_color_range=range_of(frame),
        dst_color_range=ColorRange.JPEG,
        interpolation=interpolation,
        threads=1,
    )


@lru_cache(maxsize=64)
def _fast_bias(name: str, matrix: int, color_range: ColorRange) -> list[int]:
    """What swscale's fast conversion adds to blue, green and red on this machine, whole grey levels.

    It takes a twentieth of the time of the accurate one and rounds down where that one rounds to the nearest: about one
    level too dark, which would show as a patch where a hole is filled from such pictures. Which of the processor's
    instructions it uses decides by how much, so it is measured, on noise in the middle of the range.
    """
    sample = av.VideoFrame(64, 64, name)
    sample.colorspace, sample.color_range = matrix, color_range
    noise = np.random.default_rng(0)
    for plane in plane_arrays(sample):
        plane[...] = noise.integers(100, 156, plane.shape[1:], np.uint8)  # rows alike: chroma in between is the same
    fast, accurate = (_to_bgr(sample, way).to_ndarray().astype(int) for way in (_BILINEAR, _SCALING))
    return [round(level) for level in (fast - accurate).mean(axis=(0, 1))]


def write_replaced(
    native: av.VideoFrame,
    image: np.ndarray,
    alpha: np.ndarray,
    roi: tuple[int, int, int, int] | None,
    rotation: int = 0,
) -> av.VideoFrame:
    """Write the replaced pixels of `image` into the planes of `native`, and return it.

    native: a frame in a format of `writable_format`. Its buffers are copied first where a decoder still refers to them.
    image: (H, W, 3) uint8 BGR, upright; read only inside `roi`.
    alpha: (H, W) uint8, upright; a sample is written where alpha > 0, a chroma sample where alpha > 0 in any pixel that
        it covers. An alpha channel of the video itself is never written.
    roi: (y0, y1, x0, x1), the rows and columns outside which alpha is 0; None when nothing was replaced.
    rotation: from `native` to `image`, as `Frame.rotation`.
    """
    if roi is None:
        return native
    native.make_writable()
    height, width = native.height, native.width
    upright_in_native = _turned_back(image, rotation), _turned_back(alpha, rotation)
    y0, y1, x0, x1 = _rotate_roi(roi, rotation, height, width)
    # On the chroma grid (up to 4 pixels a sample), and a little wider than what is written.
    y0, x0 = max(0, (y0 - _MARGIN) // 4 * 4), max(0, (x0 - _MARGIN) // 4 * 4)
    y1, x1 = min(height, (y1 + _MARGIN + 3) // 4 * 4), min(width, (x1 + _MARGIN + 3) // 4 * 4)
    patch_bgr, patch_alpha = (array[y0:y1, x0:x1] for array in upright_in_native)
    patch = _convert_like(native, np.ascontiguousarray(patch_bgr))
    written = patch_alpha > 0

    for (target, step_y, step_x), (source, _, _) in zip(_color_planes(native), _color_planes(patch), strict=True):
        where = _any_in_block(written, step_y, step_x)
        rows, columns = where.shape
        view = target[y0 // step_y :, x0 // step_x :][:rows, :columns]
        np.copyto(view, source, where=where.reshape(where.shape + (1,) * (view.ndim - 2)))
    return native


def as_format(frame: av.VideoFrame, name: str) -> av.VideoFrame:
    """The frame's samples in the pixel format `name`: `frame` itself where it has it already.

    A format with as many samples or more, as deep or deeper, gets every sample unchanged: planes are rearranged, chroma
    is repeated (as a decoder that shows 4:2:0 as 4:4:4 by the nearest sample would), depths are shifted, gray gets
    neutral chroma. Only where the format cannot hold them, swscale converts.
    """
    if frame.format.name == name:
        return frame
    # swscale gives a frame with the old one's side data and tags; then its samples are replaced by the exact ones.
    result = frame.reformat(
        format=name,
        src_colorspace=matrix_of(frame),
        dst_colorspace=matrix_of(frame),
        dst_color_range=range_of(frame),
        threads=1,
    )
    if result.format.name != name:  # swscale takes yuvj420p and full-range yuv420p for one and the same
        result = av.VideoFrame(frame.width, frame.height, name)
        result.pts = frame.pts
        if frame.time_base is not None:
            result.time_base = frame.time_base
    result.color_range = range_of(frame)
    given, wanted = _components(frame), _components(result)
    if set(given) - {"A"} == {"Y"} and "U" in wanted:
        for plane in (wanted["U"], wanted["V"]):
            plane.array[...] = 1 << (plane.bits - 1 + plane.shift)
    elif set(given) - {"A"} != set(wanted) - {"A"}:
        return result
    full = range_of(frame) == ColorRange.JPEG
    for key in given.keys() & wanted.keys():
        source, target = given[key], wanted[key]
        if (
            not all(t >= s for t, s in zip(target.array.shape, source.array.shape, strict=True))
            or target.bits < source.bits
        ):
            return result  # what swscale made of it
        target.array[...] = _spread(source, target, full and source.bits < target.bits)
    return result


@dataclass(frozen=True)
class _Component:
    """Samples (h, w) of one component; a sample is stored as value << shift, value has `bits` bits."""

    array: np.ndarray
    bits: int
    shift: int


def _components(frame: av.VideoFrame) -> dict[str, _Component]:
    """The components of a frame by the letters Y U V, R G B, A, as views."""
    name = frame.format.name
    bits = depth(name)
    planes = plane_arrays(frame)
    shift = 16 - bits if _SEMI_PLANAR.fullmatch(name) and bits > 8 else 0
    if name.startswith("gbr"):
        letters = "GBRA"
    elif frame.format.is_rgb:
        letters = re.sub(r"(24|48|64)(le|be)?$", "", name).replace("0", "x").upper()
        planes = [planes[0][..., index] for index in range(planes[0].shape[-1])]
    elif _SEMI_PLANAR.fullmatch(name):
        letters = "YVU" if name in ("nv21", "nv42") else "YUV"
        planes = [planes[0], planes[1][..., 0], planes[1][..., 1]]
    elif name.startswith("ya"):
        letters = "YA"
        planes = [planes[0][..., 0], planes[0][..., 1]]
    else:
        letters = "YUVA"
    parts = zip(letters, planes, strict=False)
    return {letter: _Component(array, bits, shift) for letter, array in parts if letter != "X"}


def _spread(source: _Component, target: _Component, full_range: bool) -> np.ndarray:
    """The source's samples for the target: repeated to its size, moved to its depth (full range: top bits repeated)."""
    values = source.array >> source.shift if source.shift else source.array
    for axis in (0, 1):
        have, need = values.shape[axis], target.array.shape[axis]
        if have != need:
            values = np.repeat(values, _step(need, have), axis=axis).take(range(need), axis=axis)
    up = target.bits - source.bits
    if up or target.shift:
        values = values.astype(np.uint16) << (up + target.shift)
        if full_range:
            values |= (values >> source.bits) & ((1 << up) - 1)
    return values


def plane_arrays(frame: av.VideoFrame) -> list[np.ndarray]:
    """The frame's planes as writable views, (h, w) or (h, w, components), uint8 or uint16, without row padding."""
    pixel_format = frame.format
    arrays = []
    for index, plane in enumerate(frame.planes):
        bits = max(c.bits for c in pixel_format.components if c.plane == index)
        kind = np.dtype("u1") if bits <= 8 else np.dtype(">u2" if pixel_format.name.endswith("be") else "<u2")
        step = _samples_per_pixel(frame, index, kind.itemsize)
        stride = abs(plane.line_size)
        offset, row = (0, stride) if plane.line_size > 0 else ((plane.height - 1) * stride, -stride)
        shape: tuple[int, ...] = (plane.height, plane.width, step)
        strides: tuple[int, ...] = (row, step * kind.itemsize, kind.itemsize)
        if step == 1:
            shape, strides = shape[:2], strides[:2]
        arrays.append(np.ndarray(shape, kind, buffer=memoryview(plane), offset=offset, strides=strides))
    return arrays


def _samples_per_pixel(frame: av.VideoFrame, plane_index: int, itemsize: int) -> int:
    if len(frame.planes) > 1:
        return sum(component.plane == plane_index for component in frame.format.components)
    return max(1, frame.format.padded_bits_per_pixel // 8 // itemsize)


def _color_planes(frame: av.VideoFrame) -> list[tuple[np.ndarray, int, int]]:
    """Views of everything but alpha, each with the rows and columns of pixels that one of its samples covers."""
    name = frame.format.name
    planes = []
    for index, array in enumerate(plane_arrays(frame)):
        components = [component for component in frame.format.components if component.plane == index]
        if all(component.is_alpha for component in components):
            continue
        if array.ndim == 3 and any(component.is_alpha for component in components):
            array = array[..., 1:] if name.startswith("a") else array[..., :-1]
        planes.append((array, _step(frame.height, array.shape[0]), _step(frame.width, array.shape[1])))
    return planes


def _step(luma: int, samples: int) -> int:
    """How many pixels a sample covers along one axis; chroma sizes are rounded up, so the ratio is too."""
    if samples == luma:
        return 1
    return next(step for step in (2, 4) if -(-luma // step) == samples)


def _any_in_block(mask: np.ndarray, step_y: int, step_x: int) -> np.ndarray:
    """(H, W) bool to (ceil(H / step_y), ceil(W / step_x)) bool: does any pixel of the block belong to the mask?"""
    for axis, step in ((0, step_y), (1, step_x)):
        if step > 1:
            lines = mask.swapaxes(0, axis)
            joined = lines[::step].copy()
            for offset in range(1, step):
                others = lines[offset::step]
                joined[: len(others)] |= others
            mask = joined.swapaxes(0, axis)
    return mask


def _convert_like(native: av.VideoFrame, bgr: np.ndarray) -> av.VideoFrame:
    """A patch of BGR in the pixel format, matrix and range of `native`."""
    patch = av.VideoFrame.from_ndarray(bgr, format="bgr24")
    patch.colorspace = matrix_of(native)  # PyAV 17 hands BT.2020 on from here only; its number is the same there
    return patch.reformat(
        format=native.format.name,
        dst_colorspace=matrix_of(native),
        src_color_range=ColorRange.JPEG,
        dst_color_range=range_of(native),
        interpolation=_SCALING,
        threads=1,
    )


def matrix_of(frame: av.VideoFrame) -> int:
    """The YUV matrix to read or write a frame with, as SWS_CS_*; AVColorSpace has the same numbers for these."""
    usual = _BT709 if frame.width >= 1280 or frame.height > 576 else _BT601
    return _MATRIX.get(frame.colorspace, usual)


def range_of(frame: av.VideoFrame) -> ColorRange:
    """MPEG: limited; JPEG: full."""
    name = frame.format.name
    if frame.format.is_rgb or name.startswith("yuvj"):
        return ColorRange.JPEG
    if name.startswith(("gray", "ya")) and frame.color_range != ColorRange.MPEG:
        return ColorRange.JPEG
    return ColorRange.JPEG if frame.color_range == ColorRange.JPEG else ColorRange.MPEG


def _rotate_roi(roi: tuple[int, int, int, int], rotation: int, height: int, width: int) -> tuple[int, int, int, int]:
    """The box of the upright picture in the native one, of `height` x `width`."""
    y0, y1, x0, x1 = roi
    y0, y1, x0, x1 = {
        0: (y0, y1, x0, x1),
        1: (height - x1, height - x0, y0, y1),
        2: (height - y1, height - y0, width - x1, width - x0),
        3: (x0, x1, width - y1, width - y0),
    }[rotation % 4]
    return (y0, y1, width - x1, width - x0) if rotation >= 4 else (y0, y1, x0, x1)
