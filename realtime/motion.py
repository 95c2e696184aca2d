"""Where the camera looks: registration of each frame against the plate, and against the frame before.

Steps 1 and 2 of the design. Corners outside the hole are tracked forward and backward by pyramidal Lucas-Kanade
(Bouguet 2000) on brightness-equalised views of reduced size, and a homography is fitted by MAGSAC++ (Barath et al.,
CVPR 2020). Every matrix maps plate coordinates, or pixels of another frame, to pixels of the current frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime import ops
from realtime.exposure import Exposure
from realtime.plate import SEEN, UNSEEN, Plate

VIEW_SIDE = 640  # longest side of the picture that corners are tracked in
STILL_SHIFT = 0.06  # median corner shift, pixels of the full frame, under which the camera counts as still
HELD_SHIFT = 0.6  # pixels between the frame's corners and the anchor's by which a camera is still at its anchor
CREPT_SHIFT = 1.2  # pixels by which a camera that seems still from frame to frame must have crept to have moved
CREPT_INLIERS = 0.75  # share of the corners that must say so
CORNERS_LAST = 8  # frames at rest after which corners are sought anew
REST = 20  # frames without motion after which a camera counts as come to rest
MAX_CORNERS = 400
MIN_CORNERS = 12  # fewer good matches than this decide nothing
BACKWARD_ERROR = 0.5  # pixels that a corner tracked forward and backward may miss its start by
MIN_INLIERS = 0.3  # share of the corners that must be found again and agree on one homography
PLAIN = 3.0  # standard deviation, grey levels, of an equalised view that shows nothing but noise
NOISE_CONTRAST = 10.0  # grey levels of an equalised view that may be nothing but noise
UNRELATED = 0.75  # disagreement beyond which two pictures show different scenes


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

    @property
    def still_shift(self) -> float:
        """STILL_SHIFT in view pixels."""
        return STILL_SHIFT * self.scale[0, 0]

    def to_frame(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix between views, expressed in pixels of the full frame."""
        return np.linalg.inv(self.scale) @ matrix @ self.scale

    def from_frame(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix between full frames, expressed in pixels of the view."""
        return self.scale @ matrix @ np.linalg.inv(self.scale)


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


def match(
    corners: np.ndarray,
    source: np.ndarray,
    destination: np.ndarray,
    *,
    still_shift: float,
    guess: tuple[float, float] = (0.0, 0.0),
) -> Match:
    """Track corners of `source` into `destination` and fit the homography between the two.

    corners: (N, 2) float32 in `source`; source, destination: (h, w) uint8 equalised views; still_shift: median shift
    in view pixels under which the answer is the exact identity; guess: (x, y) pixels that all corners may have moved.
    """
    if len(corners) < MIN_CORNERS:
        return Match(np.eye(3), 0.0, len(corners))
    shift = np.array(guess, np.float32)
    there, found = track(source, destination, corners, corners + shift)
    if np.count_nonzero(found) >= MIN_CORNERS and _is_still(corners[found], (there - corners)[found], still_shift):
        # Medians need no proof by tracking back.
        return Match(np.eye(3), float(found.mean()), len(corners))
    back, found_back = track(destination, source, there, there - shift)
    kept = found & found_back
    kept &= np.linalg.norm(back - corners, axis=1) < BACKWARD_ERROR
    start, end = corners[kept], there[kept]
    if len(start) < MIN_CORNERS:
        return Match(np.eye(3), 0.0, len(corners))
    matrix, inlier = cv2.findHomography(start, end, cv2.USAC_MAGSAC, 0.75, maxIters=1000, confidence=0.999)
    if matrix is None or not _plausible(matrix, source.shape[:2]):
        return Match(np.eye(3), 0.0, len(corners))
    return Match(matrix, float(inlier.sum()) / len(corners), len(corners))


def track(
    source: np.ndarray, destination: np.ndarray, points: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lucas-Kanade: where (N, 2) points of `source` are in `destination`, sought from `start`, and whether found."""
    options = {"winSize": (19, 19), "maxLevel": 3, "flags": cv2.OPTFLOW_USE_INITIAL_FLOW}
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


def disagreement(first: np.ndarray, second: np.ndarray, usable: np.ndarray) -> float:
    """How little two pictures have in common: 0 the same, about 1 unrelated. Blind to exposure.

    first, second: (h, w) uint8 equalised views, aligned; usable: (h, w) uint8, the pixels to compare.
    Mean absolute difference over that of two unrelated pictures of the same contrast; plain pictures agree.
    """
    thinned = slice(None, None, 3), slice(None, None, 3)
    chosen = usable[thinned] > 0
    if np.count_nonzero(chosen) < 100:
        return 0.0
    a, b = first[thinned][chosen].astype(np.float32), second[thinned][chosen].astype(np.float32)
    contrast = float(np.hypot(a.std(), b.std())) * 0.8  # E|a - b| of independent normal values
    return float(np.abs(a - b - np.median(a - b)).mean()) / (contrast + NOISE_CONTRAST)


@dataclass(frozen=True)
class Sight:
    """The plate as a frame sees it, at view size.

    color: (h, w, 3) uint8 BGR in the anchor's exposure, the frame's own pixels where the plate is UNSEEN; contrast: the
    same, equalised; known: (h, w) uint8, 255 where it is not UNSEEN; seen: (h, w) uint8, 255 where it is SEEN.
    """

    color: np.ndarray
    contrast: np.ndarray
    known: np.ndarray
    seen: np.ndarray

    def exposed(self, exposure: Exposure) -> np.ndarray:
        """The colours as a frame of this exposure shows them, (h, w, 3) uint8."""
        return self.color if exposure.neutral else ops.to_uint8(exposure.apply(self.color))

    @staticmethod
    def of(plate: Plate, motion: np.ndarray, view: View, foreseen: Foresight | None = None) -> Sight:
        """foreseen: what may have been read already."""
        read = None if foreseen is None else foreseen.take(plate, motion, view.size)
        color, trust = read or plate.home.fetch(*_read(plate, motion, view.size))
        unseen = ops.equals(trust, UNSEEN)
        ops.copy_where(view.color, unseen, color)
        return Sight(color, equalised(color), ~unseen, ops.equals(trust, SEEN))


class Foresight:
    """The plate as the next frame will see it, if the camera rests: read ahead, so that no device is waited for.

    What is read comes with the next pictures that are fetched; `take` gives it once, if all went as foreseen.
    """

    def __init__(self, plate: Plate, motion: np.ndarray, size: tuple[int, int]) -> None:
        self._plate, self._motion, self._size = plate, motion, size
        self._changes, self._waits = plate.changes, plate.home.waits
        self._read: list[np.ndarray] | None = [plate.home.fetch_later(one) for one in _read(plate, motion, size)]

    def take(self, plate: Plate, motion: np.ndarray, size: tuple[int, int]) -> list[np.ndarray] | None:
        """Colours and trust as they were read; None where the plate, the camera or the view's size has changed."""
        same = plate is self._plate and plate.changes == self._changes and size == self._size
        if not same or plate.home.waits == self._waits or not np.array_equal(motion, self._motion):
            return None
        read, self._read = self._read, None
        return read


def _read(plate: Plate, motion: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The plate as a frame of this motion shows it, at a view's size."""
    height, width = plate.frame_size
    return plate.read_scaled(motion, ops.Region(0, height, 0, width), size, cubic=False)


@dataclass(frozen=True)
class Location:
    """Where a frame lies on the plate.

    motion: 3x3, anchor -> frame pixels; step: 3x3, previous frame's pixels -> this frame's; lost: this picture and the
    plate have nothing in common (a scene cut); tracked: enough corners agreed on the motion, or there are too few to
    tell; agreement: share of the corners that agree on where the frame lies on the plate; blank: the frame shows
    nothing of the background that it could be found by.
    """

    motion: np.ndarray
    step: np.ndarray
    lost: bool
    sight: Sight
    tracked: bool = True
    agreement: float = 1.0
    blank: bool = False


class Registration:
    """Follows the camera through one shot.

    State: the previous view, its motion and corners, and for how long the camera has rested.
    """

    def __init__(self) -> None:
        self._view: View | None = None
        self._motion = np.eye(3)
        self._corners = np.zeros((0, 2), np.float32)
        self._rest = 0  # frames since the camera last moved
        self._foreseen: Foresight | None = None

    def locate(self, view: View, usable: np.ndarray, plate: Plate) -> Location:
        """Find the motion of the next frame.

        view: its view; usable: (h, w) uint8 at view size, 255 outside the objects; plate: of this shot.
        A moving camera is followed from the previous frame and then, so that errors do not add up, corrected against
        the plate as seen from there. One that stood still is held against the plate at once, which costs less.
        """
        if self._view is None:
            self._view, self._rest = view, CORNERS_LAST
            return Location(self._motion, np.eye(3), False, Sight.of(plate, self._motion, view, self._foreseen))
        if _is_plain(view.color, usable) and self._view.contrast.std() >= PLAIN:
            # A flash, or a covered lens: what comes after is found from what was before.
            return Location(self._motion, np.eye(3), False, Sight.of(plate, self._motion, view), blank=True)
        before = self._motion
        corners = self._corners_of(view, usable)
        followed = self._follow(view, corners) if self._rest == 0 else None
        motion, sight, aligned = self._align(view, corners, plate, followed)
        if not aligned.good and followed is None:
            corners = find_corners(view.contrast, usable)
            followed = self._follow(view, corners)
            motion, sight, aligned = self._align(view, corners, plate, followed)
        if followed is None and not np.array_equal(motion, before):
            followed = self._follow(view, corners)
        motion, sight = self._hold(view, plate, motion, sight, aligned, followed)
        self._view, self._motion = view, motion
        self._rest = self._rest + 1 if np.array_equal(motion, before) else 0
        step = np.eye(3) if self._rest else motion @ np.linalg.inv(before)
        tracked = aligned.good or (followed is not None and followed.good) or len(corners) < MIN_CORNERS
        comparable = usable & ops.shrink(sight.known, 2)
        unlike = disagreement(view.contrast, sight.contrast, comparable)
        lost = unlike > UNRELATED or (unlike > UNRELATED / 2 and not tracked)
        agreement = 1.0 if self._rest else aligned.inliers
        return Location(motion, step, lost, sight, tracked, agreement)

    @property
    def motion(self) -> np.ndarray:
        """That of the latest frame: 3x3, anchor -> frame pixels."""
        return self._motion

    @property
    def settled(self) -> bool:
        """Whether the camera has come to rest away from the anchor, so that a new anchor would save all resampling."""
        return self._rest >= REST and not np.array_equal(self._motion, np.eye(3))

    def foresee(self, plate: Plate) -> None:
        """The plate has learnt from the latest frame: while the camera rests, have a device send what comes next."""
        self._foreseen = None
        if self._rest and self._view is not None and not plate.home.answers_at_once:
            self._foreseen = Foresight(plate, self._motion, self._view.size)

    def rebase(self) -> None:
        """The frame last located has become the plate's anchor."""
        self._motion = np.eye(3)

    def resize(self, before: tuple[int, int], size: tuple[int, int]) -> None:
        """Frames and plate go on at another size (H, W), showing the same view."""
        to_new = ops.scaling(before, size)
        if not np.array_equal(self._motion, np.eye(3)):
            self._motion = _normalised(to_new @ self._motion @ np.linalg.inv(to_new))
        if self._view is not None:
            self._view = View.of(ops.resize(self._view.color, size))
        self._rest = CORNERS_LAST if self._rest else 0  # corners are sought anew

    def _hold(
        self, view: View, plate: Plate, motion: np.ndarray, sight: Sight, aligned: Match, followed: Match | None
    ) -> tuple[np.ndarray, Sight]:
        """Keep the anchor's or the last pose while nothing moved from frame to frame.

        Changing exposure and shadows shift corners against the plate, which is no reason to resample; but a camera that
        creeps on, too slowly to be seen from frame to frame, has moved after all.
        """
        size = plate.frame_size
        nudge = 0.0
        if followed is not None and followed.good:
            nudge = _corner_shift(view.to_frame(followed.matrix), np.eye(3), size)
        if nudge >= (HELD_SHIFT if self._rest else 1e-9):
            return motion, sight
        crept = CREPT_SHIFT if aligned.inliers >= CREPT_INLIERS else np.inf
        for pose, slack in ((np.eye(3), HELD_SHIFT), (self._motion, crept)):
            if _corner_shift(motion, pose, size) < slack:
                return pose, sight if np.array_equal(motion, pose) else Sight.of(plate, pose, view)
        return motion, sight

    def _corners_of(self, view: View, usable: np.ndarray) -> np.ndarray:
        """Corners of this view. Those of a camera at rest stay where they are: they are sought anew now and then."""
        if self._rest % CORNERS_LAST == 0:
            self._corners = find_corners(view.contrast, usable)
            return self._corners
        return _at(self._corners, usable)

    def _follow(self, view: View, corners: np.ndarray) -> Match:
        """The match of this view with the previous one."""
        assert self._view is not None
        near = match(corners, view.contrast, self._view.contrast, still_shift=view.still_shift)
        if near.good or len(corners) < MIN_CORNERS:
            return near
        guess = jump(view.contrast, self._view.contrast)
        return match(corners, view.contrast, self._view.contrast, still_shift=view.still_shift, guess=guess)

    def _align(
        self, view: View, corners: np.ndarray, plate: Plate, followed: Match | None
    ) -> tuple[np.ndarray, Sight, Match]:
        """Predict the motion by `followed`, hold the frame against the plate as seen from there, and correct."""
        motion, still_shift = self._motion, view.still_shift
        if followed is not None and followed.good and not np.array_equal(followed.matrix, np.eye(3)):
            motion = _normalised(view.to_frame(np.linalg.inv(followed.matrix)) @ motion)
            # Following has a small bias, which would add up if the plate's small corrections were called stillness.
            still_shift = 0.0
        sight = Sight.of(plate, motion, view, self._foreseen)
        # A corner whose surroundings reach into what the plate does not know would be compared with itself.
        common = _at(corners, ops.shrink(sight.known, 9))
        fit = match(common, view.contrast, sight.contrast, still_shift=still_shift)
        if not fit.good or np.array_equal(fit.matrix, np.eye(3)):
            return motion, sight, fit
        motion = _normalised(view.to_frame(np.linalg.inv(fit.matrix)) @ motion)
        return motion, Sight.of(plate, motion, view), fit


def _at(corners: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Those of the (N, 2) corners that lie where the mask is set."""
    nearest = np.rint(corners).astype(int)
    return corners[mask[nearest[:, 1], nearest[:, 0]] > 0]


def _corner_shift(first: np.ndarray, second: np.ndarray, size: tuple[int, int]) -> float:
    """How far, at most, two motions place a corner of the (H, W) frame apart, pixels."""
    corners = ops.region_corners(ops.Region(0, size[0], 0, size[1]))
    apart = ops.transform_points(first @ np.linalg.inv(second), corners) - corners
    return float(np.linalg.norm(apart, axis=1).max())


def _is_plain(color: np.ndarray, where: np.ndarray) -> bool:
    """Whether a (h, w, 3) uint8 picture shows nothing where a mask is set."""
    return bool(cv2.meanStdDev(color, mask=where)[1].max() < PLAIN)


def _normalised(matrix: np.ndarray) -> np.ndarray:
    return matrix / matrix[2, 2]
