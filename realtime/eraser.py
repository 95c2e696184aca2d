"""The core: erases the selected objects from a stream of frames and shows what stands behind.

    eraser = Eraser(load_segmenter("swift"), load_filler("swift"))
    for frame in source:
        result = eraser.step(frame)

Deterministic and single-threaded; all state of a shot is in one `Eraser`. `observe` learns from a frame, `render`
erases in it; a file calls the two some frames apart, so that background which shows only a little later is used too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime import masks, ops
from realtime.errors import EraserError
from realtime.exposure import Exposure, fit_exposure, membrane
from realtime.fade import Fade
from realtime.fill import Filler
from realtime.frame import Frame
from realtime.hole import Hole, belongings, cut_hole, sliver_width
from realtime.motion import Location, Registration, Sight, View
from realtime.ops import Region
from realtime.plate import GUESSED, SEEN, UNSEEN, Evidence, Plate
from realtime.segment import MatteFollower, Segmenter
from realtime.selection import Selection
from realtime.things import Thing
from realtime.timing import StageTimer

NOWHERE = Region(0, 0, 0, 0)
FILL_MARGIN = 0.08  # share of the frame's height that a fill reaches beyond the picture
PATIENCE = 3  # frames in a row for which a found mask must leave a pixel free before the plate believes it
CPU_INTERVAL = 0.05  # seconds between two runs of the segmenter on a CPU: every second frame at 24 to 30 frames/s


@dataclass(frozen=True)
class Settings:
    """How to erase.

    dilate: pixels that masks grow outward by, None for about 1 % of the frame's height; shadow: whether shadows that
    touch the object go with it; segment_interval: seconds for which a matte is carried along by optical flow before
    the network runs again, 0 to run it on every frame, None for what suits the engine's device; candidates: whether
    `Result.things` also names what could be erased; fail_open: whether a frame whose segmentation failed is shown as it
    is, rather than the plate in its place.
    """

    dilate: int | None = None
    shadow: bool = True
    segment_interval: float | None = None
    candidates: bool = False
    fail_open: bool = False


PEOPLE = Selection()
DEFAULT_SETTINGS = Settings()


@dataclass
class Stats:
    """Counts over all frames so far. coverage: share of all hole pixels that showed real background."""

    frames: int = 0
    fills: int = 0
    cuts: int = 0
    anchors: int = 0
    hole_pixels: int = 0
    seen_pixels: int = 0

    @property
    def coverage(self) -> float:
        return self.seen_pixels / self.hole_pixels if self.hole_pixels else 1.0


@dataclass
class Pending:
    """A frame that was observed and waits to be rendered.

    plate, motion, epoch: the shot's plate, and the 3x3 matrix from its anchor of that epoch to this frame's pixels;
    exposure: of this frame relative to the plate; hole: None where nothing is to be erased; background, (h, w, 3) uint8
    BGR in the plate's exposure, and trust, (h, w) uint8: what the plate knew of hole.roi when the frame was observed.
    """

    frame: Frame
    plate: Plate
    motion: np.ndarray
    epoch: int
    exposure: Exposure
    hole: Hole | None
    background: np.ndarray
    trust: np.ndarray
    timer: StageTimer

    @property
    def nbytes(self) -> int:
        """Memory that waiting costs; the frame's own planes are estimated by its size in BGR."""
        arrays = [self.background, self.trust, self.frame.image]
        if self.hole is not None:
            arrays += [self.hole.inside, self.hole.alpha, self.hole.guard]
        if self.frame.native is not None:
            arrays.append(self.frame.image)
        return sum(array.nbytes for array in arrays)


@dataclass(frozen=True)
class Result:
    """A frame with the objects erased.

    image: (H, W, 3) uint8 BGR, equal to frame.image wherever alpha is 0; alpha: (H, W) uint8, 255 in the hole, falling
    to 0 through the feather; hole: (H, W) uint8, 255 where pixels were replaced wholly; trust: (H, W) uint8, what the
    replaced pixels are made of; roi: bounding rectangle of what may have changed, None where nothing was erased;
    timings: milliseconds by stage; things: the objects that are followed, and candidates where they are asked for;
    fault: what went wrong in the search for objects, in one line, None where nothing did.
    """

    frame: Frame
    image: np.ndarray
    alpha: np.ndarray
    hole: np.ndarray
    trust: np.ndarray
    roi: Region | None
    timings: dict[str, float]
    things: tuple[Thing, ...] = ()
    fault: str | None = None


class Eraser:
    """Erases a selection from frames given in order.

    segmenter: None where the selection needs none (masks and boxes only); filler: for what no frame has shown.
    """

    def __init__(
        self,
        segmenter: Segmenter | None,
        filler: Filler,
        selection: Selection = PEOPLE,
        settings: Settings = DEFAULT_SETTINGS,
    ):
        if selection.classes and segmenter is None:
            raise EraserError(f"erasing {', '.join(selection.classes)} needs a segmenter: give one, or select no class")
        if segmenter is not None:
            segmenter.check(selection.classes)
        self.segmenter, self.filler = segmenter, filler
        self.selection, self.settings = selection, settings
        self.stats = Stats()
        self._shot: _Shot | None = None
        self._fade = Fade()

    def reset(self) -> None:
        """Forget the shot: the next frame starts a new plate."""
        self._shot = None

    def step(self, frame: Frame, given: np.ndarray | None = None) -> Result:
        """Erase in one frame with what is known by now: live."""
        return self.render(self.observe(frame, given))

    def observe(self, frame: Frame, given: np.ndarray | None = None) -> Pending:
        """Find what to erase, where the camera looks, what the plate knows of the hole; then refresh the plate.

        given: (H, W) uint8 mask from outside for this frame, 255 = erase. Raises EraserError where its size differs.
        """
        height, width = frame.image.shape[:2]
        if given is not None and given.shape != (height, width):
            raise EraserError(
                f"frame {frame.index} is {width}x{height} but its mask is {given.shape[1]}x{given.shape[0]}: "
                "give masks of the frame's size"
            )
        timer = StageTimer()
        self.stats.frames += 1
        shot = self._shot_for(height, width)
        fixed = self._fixed_mask(frame.image, given)
        with timer("segment"):
            matte = shot.matte(frame)
        with timer("motion"):
            view = View.of(frame.image)
            outside = _outside(view, matte, fixed)
            location = shot.registration.locate(view, outside, shot.plate)
            if location.lost:
                self.stats.cuts += 1
                self.reset()
                shot = self._shot_for(height, width)
                matte = shot.matte(frame)
                outside = _outside(view, matte, fixed)
                location = shot.registration.locate(view, outside, shot.plate)
            motion, sight = location.motion, location.sight
            if shot.plate.needs_anchor(motion) or shot.registration.settled:
                self.stats.anchors += 1
                shot.plate.anchor(motion)
                shot.registration.rebase()
                motion = np.eye(3)
        with timer("exposure"):
            exposure = _exposure(view, sight, outside)
            expected = sight.exposed(exposure)
        with timer("mask"):
            mask = self._mask(shot, matte, fixed, location, (height, width))
            mask = belongings(mask, view, expected, sight, parts=matte is not None, shadow=self.settings.shadow)
        with timer("hole"):
            hole = cut_hole(mask, self.selection, self.settings.dilate)
        with timer("read"):
            background, trust = shot.plate.read(motion, hole.roi if hole else NOWHERE)
        with timer("update"):
            changed = masks.changed(view.color, expected, outside & sight.seen)
            evidence = _evidence(hole, ops.at_least(ops.resize(changed, (height, width)), 128))
            # Masks from outside are exact, those of a network may miss the object for a moment.
            patience = 1 if matte is None else PATIENCE
            shot.plate.update(exposure.remove(frame.image), motion, evidence, patience)
        return Pending(frame, shot.plate, motion, shot.plate.epoch, exposure, hole, background, trust, timer)

    def render(self, pending: Pending) -> Result:
        """Erase in an observed frame, with what the plate has learnt up to now."""
        frame, hole, timer = pending.frame, pending.hole, pending.timer
        alpha, inside, made_of = (np.zeros(frame.image.shape[:2], np.uint8) for _ in range(3))
        if hole is None:
            self._fade = Fade()
            return Result(frame, frame.image, alpha, inside, made_of, None, timer.milliseconds)
        inner = hole.roi.slices
        picture = frame.image[inner]
        with timer("read"):
            background, trust = _read_again(pending, hole)
        with timer("exposure"):
            background = pending.exposure.apply(background)
            correction = membrane(picture, background, ops.equals(trust, SEEN) & ~hole.inside)
            background = ops.to_uint8(background + correction)
            # What the plate does not know, the frame itself shows, outside the hole.
            unknown = ops.equals(trust, UNSEEN)
            cv2.copyTo(picture, unknown, background)
        with timer("composite"):
            erased = ops.composite(picture, background, hole.alpha)
        with timer("fill"):
            motion = _present_motion(pending)
            unseen = unknown & hole.inside
            if ops.equals(trust, GUESSED).any():
                unseen |= pending.plate.worn(motion, hole.roi) & hole.inside & ~ops.equals(trust, SEEN)
            if unseen.any():
                erased = self._fill(pending, hole, erased, unseen)
        with timer("composite"):
            erased = self._fade.step(erased, hole.inside, trust, pending.plate, motion, hole.roi)
            image = frame.image.copy()
            image[inner], alpha[inner], inside[inner] = erased, hole.alpha, hole.inside
            made_of[inner] = np.maximum(trust, GUESSED) & hole.inside
        self.stats.hole_pixels += cv2.countNonZero(hole.inside)
        self.stats.seen_pixels += cv2.countNonZero(ops.equals(trust, SEEN) & hole.inside)
        return Result(frame, image, alpha, inside, made_of, hole.roi, timer.milliseconds)

    def _shot_for(self, height: int, width: int) -> _Shot:
        """The present shot, or a new one where there is none of this size."""
        if self._shot is None or self._shot.plate.frame_size != (height, width):
            follower = None
            if self.segmenter is not None and self.selection.classes:
                interval = self.settings.segment_interval
                if interval is None:
                    interval = CPU_INTERVAL if self.segmenter.engine.device == "cpu" else 0.0
                follower = MatteFollower(self.segmenter, self.selection.classes, interval)
            self._shot = _Shot(Plate(height, width), Registration(), masks.MaskSmoother(), follower)
        return self._shot

    def _fixed_mask(self, image: np.ndarray, given: np.ndarray | None) -> np.ndarray | None:
        """What boxes and given masks erase, (H, W) uint8, None where there are none."""
        boxes = self.selection.fixed_mask(image.shape)
        if boxes is None or given is None:
            return boxes if given is None else given
        return boxes | given

    def _mask(
        self,
        shot: _Shot,
        matte: np.ndarray | None,
        fixed: np.ndarray | None,
        location: Location,
        size: tuple[int, int],
    ) -> np.ndarray:
        """The mask of this frame, smoothed over time, (H, W) uint8."""
        mask = np.zeros(size, np.uint8) if fixed is None else fixed
        if matte is not None:
            to_matte = ops.scaling(size, matte.shape)
            smooth = shot.smoother.step(matte, to_matte @ location.step @ np.linalg.inv(to_matte))
            mask = mask | ops.at_least(ops.resize(smooth, size), masks.ON)
        return mask

    def _fill(self, pending: Pending, hole: Hole, picture: np.ndarray, unseen: np.ndarray) -> np.ndarray:
        """Complete the roi's picture where nothing is known, and remember the guess in the plate."""
        frame, roi = pending.frame, hole.roi
        height = frame.image.shape[0]
        if ops.shrink(unseen, sliver_width(height)).any():
            self.stats.fills += 1
            whole, missing = frame.image.copy(), np.zeros(frame.image.shape[:2], np.uint8)
            whole[roi.slices], missing[roi.slices] = picture, unseen
            filled = self.filler.fill(whole, missing)[roi.slices]
        else:
            # Slivers at the hole's rim are bridged smoothly; a network would see nothing in them.
            filled = ops.to_uint8(ops.push_pull(picture.astype(np.float32), (unseen == 0).astype(np.float32)))
        # A moving camera will soon show what lies just outside the picture: carry the guess on over its edge.
        margin = round(FILL_MARGIN * height)
        guess, guessed = ops.pad(pending.exposure.remove(filled), margin), ops.pad(unseen, margin)
        pending.plate.write_guess(guess, _present_motion(pending), roi.expanded(margin), guessed)
        return np.where(unseen[..., None] > 0, filled, picture)


@dataclass
class _Shot:
    """All that is remembered of one shot. follower: None where no class is selected."""

    plate: Plate
    registration: Registration
    smoother: masks.MaskSmoother
    follower: MatteFollower | None

    def matte(self, frame: Frame) -> np.ndarray | None:
        """The matte of the next frame's selected classes, at the network's size."""
        return self.follower.matte(frame.image, frame.time) if self.follower else None


def _outside(view: View, matte: np.ndarray | None, fixed: np.ndarray | None) -> np.ndarray:
    """Where the view surely shows background: (h, w) uint8, 255 well outside everything that may be masked."""
    objects = np.zeros(view.size, np.uint8)
    if matte is not None:
        objects |= ops.at_least(ops.resize(matte, view.size), masks.OFF)
    if fixed is not None:
        objects |= ops.at_least(ops.resize(fixed, view.size), 1)
    return ~ops.grow_square(objects, max(4, view.size[0] // 40))


def _exposure(view: View, sight: Sight, outside: np.ndarray) -> Exposure:
    """The exposure of a frame relative to the plate, from what both show."""
    common = outside & sight.known
    stride = max(1, round((cv2.countNonZero(common) / 4000) ** 0.5))
    chosen = common[::stride, ::stride] > 0
    plate = sight.color[::stride, ::stride][chosen].astype(np.float32)
    return fit_exposure(plate, view.color[::stride, ::stride][chosen].astype(np.float32))


def _evidence(hole: Hole | None, changed: np.ndarray) -> Evidence:
    """What the plate may learn from a frame with this hole: all but the hole, and only weakly the band around it."""
    usable, doubtful = np.full_like(changed, 255), np.zeros_like(changed)
    if hole is not None:
        usable[hole.roi.slices] = ~hole.guard
        doubtful[hole.roi.slices] = hole.guard & ~hole.inside
    return Evidence(usable, doubtful, changed)


def _read_again(pending: Pending, hole: Hole) -> tuple[np.ndarray, np.ndarray]:
    """Background and trust of a hole, now: what was SEEN keeps its past, the rest takes what was learnt since."""
    background, trust = pending.background, pending.trust
    stale = ~ops.equals(trust, SEEN)
    window = ops.bounding_region(stale & ops.at_least(hole.alpha, 1))
    if window is not None:
        color, now = pending.plate.read(_present_motion(pending), window.moved(hole.roi.y0, hole.roi.x0))
        better = stale[window.slices] & cv2.compare(now, trust[window.slices], cv2.CMP_GE)
        cv2.copyTo(color, better, background[window.slices])
        cv2.copyTo(now, better, trust[window.slices])
    return background, trust


def _present_motion(pending: Pending) -> np.ndarray:
    """The pending frame's motion from the plate's present anchor."""
    return pending.motion @ np.linalg.inv(pending.plate.since(pending.epoch))
