"""Figures of merit, each with its formula. Colours are grey levels 0..255 in all three channels.

Everything that is pooled over a clip is pooled before it is turned into a figure: a PSNR is that of the mean squared
error over all pixels of all frames, not a mean of PSNRs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np

from benchmarks.baselines import Output
from benchmarks.scenes import SHADED
from benchmarks.shown import BEFORE, LATER, NEVER

DIFFERS = 40.0  # grey levels, Euclidean over BGR: person and background differ clearly
SOFT = 1.0  # pixels, of the Gaussian through which flicker is seen
LABELS = {"before": BEFORE, "later": LATER, "never": NEVER}


class Known(Protocol):
    """A frame whose background is known; the arrays are as in `benchmarks.scenes.Shot`."""

    @property
    def camera(self) -> np.ndarray: ...
    @property
    def frame(self) -> np.ndarray: ...
    @property
    def truth(self) -> np.ndarray: ...
    @property
    def mask(self) -> np.ndarray: ...
    @property
    def shade(self) -> np.ndarray: ...
    @property
    def shown(self) -> np.ndarray: ...


@dataclass
class Mean:
    """A mean that grows: `add` sums, `value` divides; None while empty."""

    total: float = 0.0
    count: int = 0

    def add(self, values: np.ndarray) -> None:
        self.total += float(values.sum(dtype=np.float64))
        self.count += values.size

    @property
    def value(self) -> float | None:
        return self.total / self.count if self.count else None


def psnr(mean_squared_error: float | None) -> float | None:
    """10 log10(255^2 / MSE) in dB; None for None, capped at 99 for no error."""
    if mean_squared_error is None:
        return None
    return min(99.0, 10 * math.log10(255.0**2 / max(mean_squared_error, 1e-9)))


def psnr_over(image: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float | None:
    """PSNR in dB of one picture over the pixels where `mask` (H, W) is non-zero; None where there are none.

    MSE = mean over those pixels and the three channels of (image - truth)^2.
    """
    error = Mean()
    error.add(_difference(image, truth)[mask > 0] ** 2)
    return psnr(error.value)


def leftover(result: np.ndarray, frame: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Where a person can still be seen, judged at the pixels where that can be told.

    result, frame (H, W, 3) uint8; truth (H, W, 3) float32; mask (H, W), non-zero = person. With d = Euclidean distance
    over BGR, the pixels judged are those of the mask with d(frame, truth) > DIFFERS; one is left over when
    d(result, frame) < d(result, truth). Returns a (N,) bool array, one entry per judged pixel; its mean is the share.
    """
    inside = mask > 0
    was, is_now, wanted = (image[inside].astype(np.float32) for image in (frame, result, truth))
    judged = np.linalg.norm(was - wanted, axis=1) > DIFFERS
    to_person = np.linalg.norm(is_now - was, axis=1)
    to_background = np.linalg.norm(is_now - wanted, axis=1)
    return (to_person < to_background)[judged]


def gradient_norm(image: np.ndarray, hole: np.ndarray) -> float:
    """|mean Sobel gradient norm inside the hole - mean outside|, grey levels per pixel (GONE's gradient norm metric).

    image (H, W, 3) uint8 BGR, hole (H, W), non-zero = inside. The gradient is that of the luma, 3x3 Sobel / 8.
    """
    luma = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    norm = np.hypot(cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)) / 8
    inside = hole > 0
    if not inside.any() or inside.all():
        return 0.0
    return abs(float(norm[inside].mean()) - float(norm[~inside].mean()))


@dataclass
class Score:
    """What one method reaches on one clip; `add` the frames in order, then ask for `figures`."""

    squared: dict[str, Mean] = field(default_factory=lambda: {name: Mean() for name in ("all", *LABELS)})
    outside: Mean = field(default_factory=Mean)
    shadow: Mean = field(default_factory=Mean)
    change: Mean = field(default_factory=Mean)
    person: Mean = field(default_factory=Mean)
    person_before: Mean = field(default_factory=Mean)
    missed: Mean = field(default_factory=Mean)
    texture: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    fills: int = 0
    _previous: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def add(self, output: Output, shot: Known) -> None:
        """Take in a method's answer for the next frame."""
        error = _difference(output.image, shot.truth)
        inside = shot.mask > 0
        self.milliseconds.append(output.milliseconds)
        self.fills = output.fills
        self.squared["all"].add(error[inside] ** 2)
        for name, label in LABELS.items():
            self.squared[name].add(error[shot.shown == label] ** 2)
        touched = np.any(output.image != shot.frame, axis=2) & ~inside
        self.outside.add(error[touched] ** 2)
        self.shadow.add(error[(shot.shade > SHADED) & ~inside] ** 2)
        self.missed.add(output.hole[inside] == 0)
        self.person.add(leftover(output.image, shot.frame, shot.truth, shot.mask))
        self.person_before.add(leftover(output.image, shot.frame, shot.truth, shot.shown == BEFORE))
        if self._previous is not None:
            last_error, last_mask, last_camera = self._previous
            step = shot.camera @ np.linalg.inv(last_camera)
            both = inside & (_follow(last_mask, step, cv2.INTER_LINEAR) == 255)
            change = error - _follow(last_error, step, cv2.INTER_LANCZOS4)
            self.change.add(_softened(change, both)[both] ** 2)
        self._previous = error, shot.mask, shot.camera
        if inside.any():
            self.texture.append(gradient_norm(output.image, shot.mask))

    def figures(self) -> dict[str, float | None]:
        """All figures of the clip, None where there was nothing to measure.

        psnr_all, psnr_before, psnr_later, psnr_never: dB over the masked pixels of that label.
        share_before, share_later, share_never: of the masked pixels.
        psnr_outside: dB over the pixels outside the mask that the method changed. psnr_shadow: dB over the pixels
        outside the mask on which a shadow falls.
        flicker: root mean square, over places masked in two consecutive frames, of the change of (result - truth) from
        one to the next, grey levels; a place is followed as the camera moves (the warping error of Lai et al.,
        "Learning Blind Video Temporal Consistency", ECCV 2018, along the known motion), and the change is seen through
        a Gaussian of `SOFT` pixels: what resampling makes of single pixels of the truth is nobody's flicker. leftover:
        share, as `leftover` says; leftover_before: the same over pixels whose background an earlier frame showed.
        missed: share of the masked pixels outside the method's hole.
        gradient: mean of `gradient_norm`. fills: how often the filler ran, per 100 frames. ms: median milliseconds per
        frame.
        """
        total = self.squared["all"].count
        values: dict[str, float | None] = {f"psnr_{name}": psnr(mean.value) for name, mean in self.squared.items()}
        values |= {f"share_{name}": self.squared[name].count / total if total else None for name in LABELS}
        values["psnr_outside"] = psnr(self.outside.value)
        values["psnr_shadow"] = psnr(self.shadow.value)
        values["flicker"] = None if self.change.value is None else math.sqrt(self.change.value)
        values["leftover"] = self.person.value
        values["leftover_before"] = self.person_before.value
        values["missed"] = self.missed.value
        values["gradient"] = float(np.mean(self.texture)) if self.texture else None
        values["fills"] = 100 * self.fills / len(self.milliseconds) if self.milliseconds else None
        values["ms"] = float(np.median(self.milliseconds)) if self.milliseconds else None
        return values


def _difference(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) - truth.astype(np.float32)


def _softened(change: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32, each the mean of its surroundings under a Gaussian, of those in `where` (H, W) bool alone."""
    weight = cv2.GaussianBlur(where.astype(np.float32), (0, 0), SOFT)[..., None]
    return cv2.GaussianBlur(np.where(where[..., None], change, 0), (0, 0), SOFT) / np.maximum(weight, 1e-6)


def _follow(picture: np.ndarray, step: np.ndarray, interpolation: int) -> np.ndarray:
    """A picture of the last frame as this frame's camera sees it, 0 where it saw nothing; exact at rest."""
    if np.array_equal(step, np.eye(3)):
        return picture
    return cv2.warpPerspective(picture, step, picture.shape[1::-1], flags=interpolation)
