"""Where the camera looks: registration of each frame against the plate, and against the frame before.

Steps 1 and 2 of the design. Corners outside the hole are tracked from frame to frame (`glance`, which `scout` has
done in a thread of its own), and then in the plate as the frame should see it (`sight`).
Every matrix maps plate coordinates, or pixels of another frame, to pixels of the current frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime import ops
from realtime.background.plate import Plate
from realtime.motion.glance import MIN_CORNERS, NEAR, PLAIN, REACH, Glance, Match, Tracks, View, find_corners, jump
from realtime.motion.sight import Foresight, Sight, disagreement

HELD_SHIFT = 0.6  # pixels between the frame's corners and the anchor's by which a camera is still at its anchor
CREPT_SHIFT = 1.2  # pixels by which a camera that seems still from frame to frame must have crept to have moved
CREPT_INLIERS = 0.75  # share of the corners that must say so
CORNERS_LAST = 8  # frames at rest after which corners are sought anew
REST = 20  # frames without motion after which a camera counts as come to rest
ENOUGH_CORNERS = 100  # of the whole view's that lie outside the objects: with fewer, more are sought there
UNRELATED = 0.75  # disagreement beyond which two pictures show different scenes


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

    State: the previous view, its motion and corners, for how long the camera has rested, and the plate as that view
    shows it.
    """

    def __init__(self) -> None:
        self._view: View | None = None
        self._motion = np.eye(3)
        self._corners = np.zeros((0, 2), np.float32)
        self._rest = 0  # frames since the camera last moved
        self._foreseen: Foresight | None = None

    def locate(self, glance: Glance, usable: np.ndarray, plate: Plate) -> Location:
        """Find the motion of the next frame.

        glance: at the frame; usable: (h, w) uint8 at view size, 255 outside the objects; plate: of this shot.
        A moving camera is followed from the previous frame and then, so that errors do not add up, corrected against
        the plate as that frame saw it. One that stood still is held against the plate at once, which costs less.
        """
        view = glance.view
        if self._view is None:
            self._view, self._rest = view, CORNERS_LAST
            return Location(self._motion, np.eye(3), False, self._sight(plate, self._motion, view))
        if _is_plain(view.color, usable):
            sight = self._sight(plate, self._motion, view)
            if not _is_plain(sight.color, usable & sight.known):
                # A flash, or a covered lens: what comes after is found from what was before.
                return Location(self._motion, np.eye(3), False, sight, blank=True)
        before = self._motion
        glance, followed = glance.after(self._view), None
        if self._rest:
            corners = self._resting_corners(glance, usable)
        else:
            corners, followed = self._follow(glance, usable)
        pose, sight, aligned = self._align(view, corners, plate, followed)
        if not aligned.good and followed is None:
            corners, followed = self._follow(glance, usable)
            pose, sight, aligned = self._align(view, corners, plate, followed)
        motion = _corrected(pose, aligned, view)
        if followed is None and not np.array_equal(motion, before):
            _, followed = self._follow(glance, usable)
        motion = self._held(view, plate, motion, aligned, followed)
        if not np.array_equal(motion, pose):
            sight = self._sight(plate, motion, view)
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
    def resting(self) -> bool:
        """Whether the camera did not move from the frame before to the latest."""
        return self._rest > 0

    @property
    def settled(self) -> bool:
        """Whether the camera has come to rest away from the anchor, so that a new anchor would save all resampling."""
        return self._rest >= REST and not np.array_equal(self._motion, np.eye(3))

    def foresee(self, plate: Plate) -> None:
        """The plate has learnt from the latest frame: read what the next one is held against."""
        if self._view is not None and not (self._foreseen and self._foreseen.holds(plate)):
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

    def _sight(self, plate: Plate, motion: np.ndarray, view: View) -> Sight:
        """The plate as a view of some motion shows it."""
        return Sight.of(plate, motion, view, self._foreseen)

    def _held(self, view: View, plate: Plate, motion: np.ndarray, aligned: Match, followed: Match | None) -> np.ndarray:
        """Keep the anchor's or the last pose while nothing moved from frame to frame.

        Changing exposure and shadows shift corners against the plate, which is no reason to resample; but a camera that
        creeps on, too slowly to be seen from frame to frame, has moved after all.
        """
        size = plate.frame_size
        nudge = 0.0
        if followed is not None and followed.good:
            nudge = _corner_shift(view.to_frame(followed.matrix), np.eye(3), size)
        if nudge >= (HELD_SHIFT if self._rest else 1e-9):
            return motion
        crept = CREPT_SHIFT if aligned.inliers >= CREPT_INLIERS else np.inf
        for pose, slack in ((np.eye(3), HELD_SHIFT), (self._motion, crept)):
            if _corner_shift(motion, pose, size) < slack:
                return pose
        return motion

    def _resting_corners(self, glance: Glance, usable: np.ndarray) -> np.ndarray:
        """Corners of the view of a camera at rest. They stay where they are, and are sought anew now and then."""
        if self._rest % CORNERS_LAST == 0:
            self._corners = _tracks(glance, usable).corners
        return _at(self._corners, usable)

    def _follow(self, glance: Glance, usable: np.ndarray) -> tuple[np.ndarray, Match]:
        """Corners of this view outside the objects, and how they match the previous one."""
        tracks = _tracks(glance, usable)
        self._corners = tracks.corners
        corners, still_shift = _at(tracks.corners, usable), glance.view.still_shift
        near = tracks.match(still_shift, _lies_in(tracks.corners, usable))
        if near.good or near.corners < MIN_CORNERS:
            return corners, near
        start = corners + np.array(jump(tracks.source, tracks.destination), np.float32)
        return corners, Tracks(corners, tracks.source, tracks.destination, start).match(still_shift)

    def _align(
        self, view: View, corners: np.ndarray, plate: Plate, followed: Match | None
    ) -> tuple[np.ndarray, Sight, Match]:
        """Predict the motion by `followed`, and hold the frame against the plate as seen from there."""
        motion, still_shift = self._motion, view.still_shift
        if followed is not None and followed.good and not np.array_equal(followed.matrix, np.eye(3)):
            motion = _corrected(motion, followed, view)
            # Following has a small bias, which would add up if the plate's small corrections were called stillness.
            still_shift = 0.0
        # A corner whose surroundings reach into what the plate does not know would be compared with itself.
        sight = self._sight(plate, motion, view)
        known = _at(corners, ops.shrink(sight.known, REACH))
        return motion, sight, Tracks(known, view.contrast, sight.contrast, levels=NEAR).match(still_shift)


def _corrected(pose: np.ndarray, aligned: Match, view: View) -> np.ndarray:
    """A motion, 3x3, as the match of the view with the plate seen from there corrects it."""
    if not aligned.good or np.array_equal(aligned.matrix, np.eye(3)):
        return pose
    return _normalised(view.to_frame(np.linalg.inv(aligned.matrix)) @ pose)


def _tracks(glance: Glance, usable: np.ndarray) -> Tracks:
    """Corners of a view, enough of them where `usable` is set, and where they were in the view before."""
    if np.count_nonzero(_lies_in(glance.view.corners, usable)) >= ENOUGH_CORNERS:
        return glance.tracks
    assert glance.before is not None
    contrast = glance.view.contrast
    return Tracks(find_corners(contrast, usable), contrast, glance.before.contrast)


def _at(corners: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Those of the (N, 2) corners that lie where the mask is set."""
    return corners[_lies_in(corners, mask)]


def _lies_in(points: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Which of (N, 2) points lie where a (h, w) uint8 mask is set: (N,) bool."""
    x, y = np.rint(points).astype(int).T
    height, width = mask.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return inside & (mask[y.clip(0, height - 1), x.clip(0, width - 1)] > 0)


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
