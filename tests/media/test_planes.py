"""Samples that were not replaced stay exactly as they were decoded, in every format."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.media.planes import as_format, plane_arrays, to_writable, upright_image, writable_format, write_replaced

FORMATS = [
    "yuv420p",
    "yuvj420p",
    "yuv422p",
    "yuv440p",
    "yuv444p",
    "yuv411p",
    "yuv410p",
    "yuv420p10le",
    "yuv422p10le",
    "yuv444p12le",
    "yuv420p16le",
    "nv12",
    "nv21",
    "nv16",
    "nv24",
    "p010le",
    "p210le",
    "gray",
    "gray10le",
    "gray16be",
    "ya8",
    "gbrp",
    "gbrp10le",
    "gbrap",
    "rgb24",
    "bgr24",
    "rgba",
    "argb",
    "bgra",
    "abgr",
    "bgr0",
    "0rgb",
    "rgb48le",
    "rgb48be",
    "rgba64le",
    "yuva420p",
    "yuva444p10le",
]
SUBSAMPLED = {"yuv411p": 16, "yuv410p": 40}  # grey levels that coarse chroma mixes into the patch at most


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]


def frame_of(image: np.ndarray, pixel_format: str) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=pixel_format)


def stored(picture: np.ndarray, rotation: int) -> np.ndarray:
    """An upright picture as it lies in the file: turned back first, then mirrored."""
    back = np.rot90(picture, rotation % 4)
    return np.fliplr(back) if rotation >= 4 else back


def covered(alpha: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Which samples of a plane belong to pixels with alpha > 0: the plain definition, pixel by pixel."""
    step_y, step_x = (round(alpha.shape[i] / plane.shape[i]) for i in (0, 1))
    result = np.zeros(plane.shape[:2], bool)
    for y, x in zip(*np.nonzero(alpha), strict=True):
        result[y // step_y, x // step_x] = True
    return result


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("rotation", range(8))
def test_only_hole_and_feather_are_written(pixel_format: str, rotation: int) -> None:
    native = frame_of(texture(73, 95), pixel_format)
    before = [plane.copy() for plane in plane_arrays(native)]
    image = upright_image(native, rotation)
    alpha = np.zeros(image.shape[:2], np.uint8)
    alpha[11:32, 17:40] = 255
    image[alpha > 0] = (200, 30, 40)

    written = write_replaced(native, image, alpha, (11, 32, 17, 40), rotation)

    for old, new in zip(before, plane_arrays(written), strict=True):
        outside = ~covered(stored(alpha, rotation), old)
        np.testing.assert_array_equal(old[outside], new[outside])
    if not pixel_format.startswith(("gray", "ya8")):
        inside = upright_image(written, rotation)[15:28, 21:36].astype(int)
        assert np.abs(inside - (200, 30, 40)).max() <= SUBSAMPLED.get(pixel_format, 3)


@pytest.mark.parametrize("pixel_format", ["rgba", "argb", "bgra", "abgr", "ya8", "gbrap", "yuva420p", "rgba64le"])
def test_transparency_is_never_written(pixel_format: str) -> None:
    native = frame_of(texture(32, 48), pixel_format)
    alpha_of = {"argb": 0, "abgr": 0}.get(pixel_format, -1)

    def transparency() -> np.ndarray:
        planes = plane_arrays(native)
        return planes[-1] if len(planes) > 1 else planes[0][..., alpha_of]

    transparency()[...] = 77
    image = np.full((32, 48, 3), 200, np.uint8)
    native = write_replaced(native, image, np.full((32, 48), 255, np.uint8), (0, 32, 0, 48))
    assert (transparency() == 77).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_hole_in_any_format_leaves_the_rest_alone(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(2, 40)), data.draw(st.integers(2, 40))
    pixel_format = data.draw(
        st.sampled_from(["yuv420p", "yuv422p10le", "nv12", "yuv444p", "gbrp10le", "p010le", "gray"])
    )
    rotation = data.draw(st.integers(0, 7))
    native = frame_of(texture(height, width, data.draw(st.integers(0, 5))), pixel_format)
    before = [plane.copy() for plane in plane_arrays(native)]
    image = upright_image(native, rotation)
    upright_height, upright_width = image.shape[:2]
    y0, x0 = data.draw(st.integers(0, upright_height - 1)), data.draw(st.integers(0, upright_width - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, upright_height)), data.draw(st.integers(x0 + 1, upright_width))
    alpha = np.zeros((upright_height, upright_width), np.uint8)
    noise = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 256, (y1 - y0, x1 - x0))
    alpha[y0:y1, x0:x1] = np.where(noise > 100, noise, 0)
    image[alpha > 0] = 255 - image[alpha > 0]

    written = write_replaced(native, image, alpha, (y0, y1, x0, x1), rotation)

    mask = stored(alpha, rotation)
    for index, (old, new) in enumerate(zip(before, plane_arrays(written), strict=True)):
        step_y, step_x = -(-height // old.shape[0]), -(-width // old.shape[1])
        blocks = np.zeros((old.shape[0] * step_y, old.shape[1] * step_x), np.uint8)
        blocks[:height, :width] = mask
        inside = blocks.reshape(old.shape[0], step_y, old.shape[1], step_x).any(axis=(1, 3))
        np.testing.assert_array_equal(old[~inside], new[~inside], err_msg=f"plane {index}")


def test_the_picture_never_shares_memory_with_the_planes() -> None:
    native = frame_of(texture(32, 48), "bgr24")
    image = upright_image(native)
    before = image.copy()
    write_replaced(native, np.zeros_like(image), np.full((32, 48), 255, np.uint8), (0, 32, 0, 48))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(("matrix", "red", "blue"), [(1, 0.2126, 0.0722), (6, 0.299, 0.114), (9, 0.2627, 0.0593)])
@pytest.mark.parametrize("full", [False, True])
def test_colour_follows_the_frame_s_matrix_and_range(matrix: int, red: float, blue: float, full: bool) -> None:
    """ITU-R BT.709-6, BT.601-7 and BT.2020-2: Y' = Kr R' + (1 - Kr - Kb) G' + Kb B', scaled to 219 or 255 steps."""
    native = av.VideoFrame(64, 48, "yuv444p")
    native.colorspace, native.color_range = matrix, 2 if full else 1
    for plane in plane_arrays(native):
        plane[...] = 128
    image = upright_image(native)
    image[:] = (30, 90, 220)
    written = write_replaced(native, image, np.full((48, 64), 255, np.uint8), (0, 48, 0, 64))
    b, g, r = 30, 90, 220
    luma = red * r + (1 - red - blue) * g + blue * b
    expected = luma if full else 16 + luma * 219 / 255
    assert abs(int(plane_arrays(written)[0][20, 20]) - expected) <= 1
    assert np.abs(upright_image(written)[20, 20].astype(int) - (b, g, r)).max() <= 2


@pytest.mark.parametrize("size", [(64, 96), (63, 95)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p"])
def test_the_fast_conversion_is_not_darker_than_the_truth(pixel_format: str, size: tuple[int, int]) -> None:
    native = frame_of(cv2.GaussianBlur(texture(*size), (0, 0), 4), pixel_format)
    native.colorspace = 6
    luma = plane_arrays(native)[0].astype(float)
    u, v = (plane.astype(float) - 128 for plane in plane_arrays(native)[1:])
    u, v = (c.repeat(2, 0).repeat(2, 1)[: size[0], : size[1]] for c in (u, v))
    scale = (1, 1) if pixel_format == "yuvj420p" else (255 / 219, 255 / 224)
    y = luma * scale[0] if pixel_format == "yuvj420p" else (luma - 16) * scale[0]
    blue, red = y + 1.772 * u * scale[1], y + 1.402 * v * scale[1]
    green = (y - 0.114 * blue - 0.299 * red) / 0.587
    truth = np.clip(np.stack([blue, green, red], -1), 0, 255)
    error = upright_image(native) - truth
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.6
    assert np.abs(error).mean() < 2


@pytest.mark.parametrize(("height", "matrix"), [(576, 6), (720, 1)])
def test_where_the_matrix_is_not_said_definition_decides(height: int, matrix: int) -> None:
    def picture_of(said: int) -> np.ndarray:
        frame = av.VideoFrame(height * 16 // 9 // 2 * 2, height, "yuv444p")
        frame.colorspace = said
        for plane, value in zip(plane_arrays(frame), (120, 90, 200), strict=True):
            plane[...] = value
        return upright_image(frame)

    np.testing.assert_array_equal(picture_of(2), picture_of(matrix))


@pytest.mark.parametrize(
    "pixel_format", ["yuyv422", "uyvy422", "y210le", "xv30le", "vuyx", "x2rgb10le", "pal8", "monow"]
)
def test_packed_formats_become_planes_with_the_same_picture(pixel_format: str) -> None:
    source = frame_of(texture(32, 48), "rgb8" if pixel_format == "pal8" else pixel_format)
    planar = to_writable(source)
    assert planar.format.name == writable_format(source.format.name) != source.format.name
    back = planar.reformat(format=source.format.name)
    if pixel_format not in ("pal8", "monow"):
        np.testing.assert_array_equal(np.asarray(back.planes[0]), np.asarray(source.planes[0]))


PAIRS = [
    "yuvj420p:yuv420p",
    "nv12:yuv420p",
    "yuv420p:nv12",
    "nv21:yuv420p",
    "yuv420p:yuv444p",
    "yuv422p:yuv444p",
    "yuv411p:yuv422p",
    "yuv410p:yuv444p",
    "yuv440p:yuv444p",
    "yuv420p:yuv420p10le",
    "p010le:yuv420p10le",
    "yuv420p9le:yuv420p10le",
    "gbrp:bgr24",
    "gbrp:bgr0",
    "rgb24:gbrp",
    "bgra:gbrap",
    "rgba:bgra",
    "gray:yuv420p",
    "gray10le:yuv420p10le",
    "yuva420p:yuv420p",
    "rgb48le:gbrp16le",
    "rgb48le:rgb48be",
    "yuv420p:yuv444p12le",
]


@pytest.mark.parametrize("pair", PAIRS)
def test_roomier_formats_hold_every_sample(pair: str) -> None:
    name, other = pair.split(":")
    frame = frame_of(texture(37, 51), name)
    frame.pts = 5
    held = as_format(frame, other)
    assert (held.format.name, held.pts) == (other, 5)
    given, kept = _components(frame), _components(held)
    for letter in given.keys() & kept.keys():
        small, large = given[letter], kept[letter]
        step_y, step_x = (round(large.shape[i] / small.shape[i]) for i in (0, 1))
        shift = _bits(held) - _bits(frame)
        np.testing.assert_array_equal(small, large[::step_y, ::step_x] >> shift, err_msg=letter)


def _bits(frame: av.VideoFrame) -> int:
    return max(component.bits for component in frame.format.components)


def _components(frame: av.VideoFrame) -> dict[str, np.ndarray]:
    """Component values by letter, read with nothing but the format's documented layout."""
    name, planes = frame.format.name, plane_arrays(frame)
    if name == "p010le":
        return {"Y": planes[0] >> 6, "U": planes[1][..., 0] >> 6, "V": planes[1][..., 1] >> 6}
    if name in ("nv12", "nv21"):
        first, second = ("U", "V") if name == "nv12" else ("V", "U")
        return {"Y": planes[0], first: planes[1][..., 0], second: planes[1][..., 1]}
    orders = {"bgr24": "BGR", "bgr0": "BGR", "rgb24": "RGB", "bgra": "BGRA", "rgba": "RGBA"}
    letters = orders.get(name) or ("RGB" if name.startswith("rgb48") else None)
    if letters:
        return {letter: planes[0][..., i].astype(np.uint16) for i, letter in enumerate(letters)}
    return dict(zip("GBRA" if name.startswith("gbr") else "YUVA", planes, strict=False))
