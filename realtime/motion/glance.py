"""What a frame shows of the camera's motion by itself: a reduced view, its corners, and where these were before.

Corners are tracked forward and backward by pyramidal Lucas-Kanade (Bouguet 2000) on brightness-equalised views, and a
homography is fitted by MAGSAC++ (Barath et al., CVPR 2020), or a shift where they lie close together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from realtime import ops

VIEW_SIDE = 640  # longest side of the picture that corners are tracked in
STILL_SHIFT = 0.06  # median corner shift, pixels of the full frame, under which the camera counts as still
MAX_CORNERS = 400
MIN_CORNERS = 12  # fewer good matches than this decide nothing
FAR, NEAR = 3, 1  # levels of the pyramid: each doubles how far a corner may be from where it is sought
REACH = 9  # pixels around a corner by which it is known again
AGREES = 0.75  # pixels that a corner may miss by what the others agree on
SPREAD = 0.1  # share of the view that corners must span to tell more than a shift
BACKWARD_ERROR = 0.5  # pixels that a corner tracked forward and backward may miss its start by
MIN_INLIERS = 0.3  # share of the corners that must be found again and agree on one homography
PLAIN = 3.0  # standard deviation, grey levels, of an equalised view that shows nothing but noise


@dataclass(frozen=True)
class View:
    """A frame reduced for tracking.

    color: (h, w, 3) uint8 BGR; contrast: (h, w) uint8, brightness-equalised; scale: 3x3, frame pixels to view pixels.
    """

    color: np.ndarray
    contrast: np.ndarray
    scale: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        return self.contrast.shape[:2]

    @staticmethod
    def of(image: np.ndarray) -> View:
        """The view of a (H, W, 3) uint8 BGR picture."""
        size = image.shape[:2]
        # Averaging whole blocks of pixels is several times cheaper than any other reduction.
        factor = -(-max(size) // VIEW_SIDE)
        reduced = max(1, size[0] // factor), max(1, size[1] // factor)
        color = ops.resize(image, reduced) if factor > 1 else image
        return View(color, equalised(color), ops.scaling(size, reduced))

    def reduced(self, side: int) -> tuple[int, int]:
        """Its (h, w) with at most `side` pixels to the shorter side."""
        scale = min(1.0, side / min(self.size))
        return round(self.size[0] * scale), round(self.size[1] * scale)

    @cached_property
    def corners(self) -> np.ndarray:
        """Its corners, those of objects among them, sought when they are first asked for: (N, 2) float32 (x, y)."""
        return find_corners(self.contrast, np.full(self.size, 255, np.uint8))

    @property
    def still_shift(self) -> float:
        """STILL_SHIFT in view pixels."""
        return STILL_SHIFT * self.scale[0, 0]

    def to_frame(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix between views, expressed in pixels of the full frame."""
        return np.linalg.inv(self.scale) @ matrix @ self.scale

    def from_frame(self, matrix: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
        """A matrix between full frames, expressed in pixels of the view, or of the view resized to (height, width)."""
        scale = self.scale if size is None else ops.scaling(self.size, size) @ self.scale
        return scale @ matrix @ np.linalg.inv(scale)


def equalised(color: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 BGR to the (h, w) uint8 picture that corners are tracked in."""
    return ops.local_contrast(cv2.cvtColor(color, cv2.COLOR_BGR2GRAY))


@dataclass(frozen=True)
class Match:
    """How one view lies on another.

    matrix: 3x3, source view to destination view pixels; exactly the identity when nothing moved.
    inliers: share of the corners that were found again and agree with it; corners: how many there were.
    """

    matrix: np.ndarray
    inliers: float
    corners: int

    @property
    def good(self) -> bool:
        return self.corners >= MIN_CORNERS and self.inliers >= MIN_INLIERS


def find_corners(contrast: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Up to MAX_CORNERS well spread corners of an equalised view where `usable` is set: (N, 2) float32 (x, y)."""
    if contrast.std() < PLAIN:
        return np.zeros((0, 2), np.float32)
    spread = max(5.0, contrast.shape[1] / 60)
    corners = cv2.goodFeaturesToTrack(contrast, MAX_CORNERS, 0.01, spread, mask=usable)
    return np.zeros((0, 2), np.float32) if corners is None else corners.reshape(-1, 2)


class Tracks:
    """Corners of one view, and where another one shows them: sought when that is first asked for.

    corners: (N, 2) float32 (x, y) in `source`; source, destination: (h, w) uint8 equalised views; start: (N, 2), where
    they are sought; levels: FAR or NEAR.
    """

    def __init__(
        self,
        corners: np.ndarray,
        source: np.ndarray,
        destination: np.ndarray,
        start: np.ndarray | None = None,
        levels: int = FAR,
    ) -> None:
        self.corners = corners
        self.source, self.destination, self._levels = source, destination, levels
        self._start = corners if start is None else start.astype(np.float32)

    @cached_property
    def there(self) -> tuple[np.ndarray, np.ndarray]:
        """Where they are, (N, 2) float32, and whether they were found, (N,) bool."""
        return track(self.source, self.destination, self.corners, self._start, self._levels)

    @cached_property
    def confirmed(self) -> np.ndarray:
        """Whether they were found, and back again where they came from: (N,) bool."""
        there, found = self.there
        start = there - (self._start - self.corners)
        back, found_back = track(self.destination, self.source, there, start, self._levels)
        return found & found_back & (np.linalg.norm(back - self.corners, axis=1) < BACKWARD_ERROR)

    def match(self, still_shift: float, chosen: np.ndarray | None = None) -> Match:
        """The homography that they agree on; where all of them lie close together, the shift.

        still_shift: median shift in view pixels under which the answer is the exact identity; chosen: (N,) bool, the
        corners that count, None for all.
        """
        chosen = np.ones(len(self.corners), bool) if chosen is None else chosen
        count = int(np.count_nonzero(chosen))
        if count < MIN_CORNERS:
            return Match(np.eye(3), 0.0, count)
        there, found = self.there
        seen = found & chosen
        shift = (there - self.corners)[seen]
        if len(shift) >= MIN_CORNERS and _is_still(self.corners[seen], shift, still_shift):
            # Medians need no proof by tracking back.
            return Match(np.eye(3), len(shift) / count, count)
        kept = self.confirmed & chosen
        start, end = self.corners[kept], there[kept]
        if len(start) < MIN_CORNERS:
            return Match(np.eye(3), 0.0, count)
        matrix, inlier = cv2.findHomography(start, end, cv2.USAC_MAGSAC, AGREES, maxIters=1000, confidence=0.999)
        if matrix is None or not inlier.any():
            return Match(np.eye(3), 0.0, count)
        agree = inlier.ravel() > 0
        if cv2.contourArea(cv2.convexHull(start[agree])) < SPREAD * self.source.size:
            # Beside what they span, a homography would run wild.
            x, y = np.median(end[agree] - start[agree], axis=0)
            matrix = np.eye(3) if max(abs(x), abs(y)) < still_shift else ops.translation(x, y)
            agree = np.linalg.norm(end - start - matrix[:2, 2], axis=1) < AGREES
        if not _plausible(matrix, self.source.shape[:2]):
            return Match(np.eye(3), 0.0, count)
        return Match(matrix, np.count_nonzero(agree) / count, count)


class Glance:
    """What a frame shows by itself, and beside the frame before: nothing that hangs on masks or on a plate.

    view: of the frame; before: that of the frame before, None where there is none.
    """

    def __init__(self, view: View, before: View | None = None) -> None:
        self.view, self.before = view, before

    @cached_property
    def tracks(self) -> Tracks:
        """The view's corners, and where they were in the view before, which there must be."""
        assert self.before is not None
        return Tracks(self.view.corners, self.view.contrast, self.before.contrast)

    def after(self, before: View) -> Glance:
        """The same beside another frame."""
        return self if before is self.before else Glance(self.view, before)


def track(
    source: np.ndarray, destination: np.ndarray, points: np.ndarray, start: np.ndarray, levels: int = FAR
) -> tuple[np.ndarray, np.ndarray]:
    """Lucas-Kanade: where (N, 2) points of `source` are in `destination`, sought from `start`, and whether found."""
    if not len(points):
        return points, np.zeros(0, bool)
    options = {"winSize": (2 * REACH + 1,) * 2, "maxLevel": levels, "flags": cv2.OPTFLOW_USE_INITIAL_FLOW}
    moved, found, _ = cv2.calcOpticalFlowPyrLK(source, destination, points, start.copy(), **options)  # type: ignore[call-overload]
    return np.asarray(moved), np.asarray(found).ravel() > 0


def jump(source: np.ndarray, destination: np.ndarray) -> tuple[float, float]:
    """The (x, y) shift, view pixels, that best lays one equalised view on another, however far: phase correlation."""
    window = cv2.createHanningWindow(source.shape[::-1], cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(source.astype(np.float32), destination.astype(np.float32), window)
    return x, y


def _is_still(start: np.ndarray, shift: np.ndarray, limit: float) -> bool:
    """Whether the corners moved by less than `limit` view pixels: in the median, and in the median of each quarter."""
    centre = np.median(start, axis=0)
    for right in (False, True):
        for below in (False, True):
            quarter = shift[((start[:, 0] > centre[0]) == right) & ((start[:, 1] > centre[1]) == below)]
            # A quarter with few corners has a noisy median, so it may miss a little more.
            slack = 1.0 + 4.0 / np.sqrt(max(1, len(quarter)))
            if len(quarter) and np.abs(np.median(quarter, axis=0)).max() > limit * slack:
                return False
    return bool(np.abs(np.median(shift, axis=0)).max() < limit)


def _plausible(matrix: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether a camera can have moved so from one frame to the next: no fold, no flip, no jump in scale."""
    region = ops.Region(0, size[0], 0, size[1])
    corners = ops.region_corners(region)
    depth = corners @ matrix[2, :2] + matrix[2, 2]
    if (depth <= 0.2).any():
        return False
    mapped = ops.transform_points(matrix, corners)
    area = cv2.contourArea(mapped.astype(np.float32), oriented=True)
    return 0.4 < area / (size[0] * size[1]) < 2.5 and bool(cv2.isContourConvex(mapped.astype(np.float32)))
