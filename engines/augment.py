"""Chance applied to pictures: crops, people pasted over backgrounds, and what cameras do to light and detail.

Every function takes a NumPy generator and draws from nothing else, so a sample is a function of its number.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import cv2
import numpy as np

from engines.data import Picture

UNKNOWN = 127  # label of a pixel that may or may not be a person, in a place where somebody is: a box, a crowd
UNSURE = 1  # label of one that may or may not be a person, anywhere: nothing is learnt there; as alpha it is none
SOMEBODY = 0.2  # of the largest piece of a mask: what is smaller is an arm, or a bag
TRIES = 8  # to find a part of a picture that holds what it is to hold


Label = TypeVar("Label", np.ndarray, None)


def crop(
    rng: np.random.Generator,
    image: np.ndarray,
    label: Label,
    shape: tuple[int, int],
    least: float = 0.4,
    most: float = 1.0,
) -> tuple[np.ndarray, Label]:
    """A random part of the picture, `least` to `most` of its size, with nearly the aspect of `shape` (H, W)."""
    height, width = image.shape[:2]
    aspect = shape[1] / shape[0] * np.exp(rng.uniform(-0.2, 0.2))
    scale = rng.uniform(least, most)
    h, w = min(height, width / aspect) * scale, min(width, height * aspect) * scale
    h, w = max(8, round(h)), max(8, round(w))
    y, x = int(rng.integers(0, max(1, height - h + 1))), int(rng.integers(0, max(1, width - w + 1)))
    part = slice(y, y + h), slice(x, x + w)
    return resize(image[part], label if label is None else label[part], shape)


def beside_boxes(rng: np.random.Generator, picture: Picture, shape: tuple[int, int]) -> np.ndarray | None:
    """A random part of a picture that no box reaches into, at `shape` (H, W), and where its label, if it has one, knows
    of nobody; None where none was found."""
    somebody = picture.inside_boxes()
    if picture.mask is not None:
        somebody |= picture.mask > 0
    for _ in range(TRIES):
        image, shows = crop(rng, picture.image, somebody.astype(np.uint8), shape, least=0.2)
        if not shows.any():
            return image
    return None


def clothing(rng: np.random.Generator, person: Picture, shape: tuple[int, int]) -> np.ndarray | None:
    """What a person wears below the head, seen too near to tell that somebody wears it, at `shape` (H, W); None where
    no part was found that is all clothes."""
    image, alpha, _ = cut_out(person)
    neck = image.shape[0] // 4
    image, alpha = image[neck:], alpha[neck:]
    for _ in range(TRIES):
        part, worn = crop(rng, image, alpha, shape, least=0.15, most=0.5)
        if worn.min() > UNKNOWN:
            return part
    return None


def resize(image: np.ndarray, label: Label, shape: tuple[int, int]) -> tuple[np.ndarray, Label]:
    """Scale a picture, and its label by nearest neighbour, to `shape` (H, W)."""
    size = shape[1], shape[0]
    shrinks = image.shape[0] > shape[0] or image.shape[1] > shape[1]
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return image, None if label is None else cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)


def apart(picture: Picture) -> list[Picture]:
    """The people of a picture, as far as they stand apart from each other: one picture for each, or for each group."""
    assert picture.mask is not None
    shows = np.where(picture.mask > UNKNOWN, picture.mask, np.uint8(0))
    count, labels, stats, _ = cv2.connectedComponentsWithStats((shows > 0).astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA]
    large = [piece for piece in range(1, count) if areas[piece] >= SOMEBODY * areas[1:].max()]
    if len(large) < 2:
        return [picture]
    return [replace(picture, mask=np.where(labels == piece, shows, np.uint8(0))) for piece in large]


def cut_out(picture: Picture) -> tuple[np.ndarray, np.ndarray, bool]:
    """Image and alpha of the person's bounding box, and whether the picture's lower edge cuts the person off."""
    assert picture.mask is not None
    mask = np.where(picture.mask == UNKNOWN, np.uint8(0), picture.mask)
    ys, xs = np.nonzero(mask > UNKNOWN)
    if len(ys) == 0:
        ys, xs = np.array([0, mask.shape[0] - 1]), np.array([0, mask.shape[1] - 1])
    y0, y1, x0, x1 = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
    alpha = cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3), np.uint8)), (0, 0), 0.8)
    return picture.image[y0:y1, x0:x1], alpha[y0:y1, x0:x1], bool(y1 >= mask.shape[0] - 1)


def place(
    rng: np.random.Generator, person: Picture, shape: tuple[int, int], near: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The person somewhere in a frame of `shape`, 10 % to 120 % of its height or close up: image and alpha (H, W).

    Close-ups show the upper body as a webcam does; who was cut off by the picture's lower edge stands on the frame's;
    now and then somebody comes up from below, hair first, or in from a side, and shows little yet. near: most of the
    frame shows the cut-out, or a part of it.
    """
    image, alpha, cut = cut_out(person)
    height, width = shape
    if near:
        fits = min(1.0, width / height * image.shape[0] / image.shape[1])
        tall = height * fits * rng.uniform(0.7, 2.2)
        bottom = height * rng.uniform(0.25, 0.75) + tall / 2
    elif rng.random() < 0.08:
        tall = height * rng.uniform(0.5, 1.6)
        bottom = height + tall * rng.uniform(0.4, 0.92)
    elif cut:
        tall = height * rng.uniform(0.35, 1.3)
        bottom = height + tall * rng.uniform(0.0, 0.25)
    elif rng.random() < 0.35:
        tall = height * rng.uniform(1.0, 2.4)
        bottom = tall + height * rng.uniform(-0.1, 0.4)
    else:
        tall = height * np.exp(rng.uniform(np.log(0.1), np.log(1.2)))
        bottom = height * rng.uniform(0.4, 1.15) if tall < 0.8 * height else tall + height * rng.uniform(-0.25, 0.2)
    scale_y = tall / image.shape[0]
    scale_x = scale_y * np.exp(rng.uniform(-0.1, 0.1))
    if min(scale_y, scale_x) < 0.7:  # warping alone would alias
        size = max(2, round(image.shape[1] * scale_x)), max(2, round(image.shape[0] * scale_y))
        image, alpha = (cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (image, alpha))
        scale_y = scale_x = 1.0
    if rng.random() < 0.5:
        scale_x = -scale_x
    angle = np.deg2rad(rng.normal(0, 8)) if rng.random() < 0.3 else 0.0
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos * scale_x, -sin * scale_y], [sin * scale_x, cos * scale_y]])
    x = width * rng.uniform(-0.02, 1.02)
    if not near and rng.random() < 0.1:
        wide = image.shape[1] * abs(scale_x)
        x = wide * rng.uniform(-0.47, -0.05)  # of their width, 3 to 45 % is in the frame
        x = x if rng.random() < 0.5 else width - x
    target = np.array([x, bottom - tall / 2])
    shift = target - linear @ np.array([image.shape[1] / 2, image.shape[0] / 2])
    matrix = np.column_stack([linear, shift])
    size = width, height
    image = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(alpha, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return image, alpha


def paste(
    rng: np.random.Generator, canvas: np.ndarray, cutout: Picture, near: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Put a cut-out over `canvas`, in light that half of the time comes near the canvas's; near: as `place` takes it.

    Returns the picture and where the cut-out shows, (H, W) bool.
    """
    image, alpha = place(rng, cutout, (canvas.shape[0], canvas.shape[1]), near)
    inside = alpha > UNKNOWN
    if not inside.any():
        return canvas, inside
    image = light(rng, image, 0.5)
    if rng.random() < 0.5:
        shift = (canvas[inside].mean() - image[inside].mean()) * rng.uniform(0.2, 0.8)
        image = np.clip(image.astype(np.float32) + shift, 0, 255).astype(np.uint8)
    if rng.random() < 0.1:
        kernel = _motion_kernel(rng, int(rng.integers(3, 12)))
        image, alpha = cv2.filter2D(image, -1, kernel), cv2.filter2D(alpha, -1, kernel)
    return blend(canvas, image, alpha), alpha > UNKNOWN


def blend(canvas: np.ndarray, image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`image` over `canvas` where `alpha` (H, W) uint8 says so."""
    weight = alpha.astype(np.float32)[..., None] / 255
    mixed = canvas * (1 - weight) + image * weight
    return mixed.round().astype(np.uint8)


def light(rng: np.random.Generator, image: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Exposure, gamma, contrast, white balance and saturation, through one lookup table per channel and a grey mix."""
    levels = np.arange(256, dtype=np.float32) / 255
    gamma = np.exp(rng.normal(0, 0.25) * strength)
    gain = np.exp(rng.normal(0, 0.15) * strength)
    contrast = np.exp(rng.normal(0, 0.2) * strength)
    balance = np.exp(rng.normal(0, 0.06, 3) * strength)
    curve = (levels**gamma * gain - 0.5) * contrast + 0.5
    table = np.clip(curve[:, None] * balance * 255, 0, 255).astype(np.uint8)[None]
    image = cv2.LUT(image, table)
    if rng.random() < 0.3 * strength:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        keep = rng.uniform(0, 1.4)
        image = cv2.addWeighted(image, keep, grey, 1 - keep, 0)
    return image


def turn_hues(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """All colours of a picture, (H, W, 3) uint8 BGR, turned by one angle; greys stay."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    hsv[..., 0] = (hsv[..., 0] + rng.integers(180)) % 180  # OpenCV's hues: degrees / 2
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)


def wear(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """What lenses, sensors and codecs take away: focus, motion, resolution, light, noise, JPEG blocks."""
    height, width = image.shape[:2]
    chance = rng.random(6)
    if chance[0] < 0.12:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.8))
    if chance[1] < 0.06:
        image = cv2.filter2D(image, -1, _motion_kernel(rng, int(rng.integers(3, 10))))
    if chance[2] < 0.12:
        scale = rng.uniform(0.35, 0.9)
        small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    dark = rng.uniform(0.15, 0.5) if chance[3] < 0.06 else 1.0
    if dark < 1 or chance[4] < 0.25:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 12 if dark == 1 else 8))
        image = np.clip(image * np.float32(dark) + noise, 0, 255).astype(np.uint8)
    if chance[5] < 0.3:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None
        image = decoded
    return image


def _motion_kernel(rng: np.random.Generator, length: int) -> np.ndarray:
    """A line of `length` pixels through the middle of a (length, length) kernel, at any angle; sums to one."""
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    middle = (length - 1) / 2
    dx, dy = np.cos(angle) * middle, np.sin(angle) * middle
    start, end = (round(middle - dx), round(middle - dy)), (round(middle + dx), round(middle + dy))
    cv2.line(kernel, start, end, 1.0)
    return kernel / kernel.sum()
