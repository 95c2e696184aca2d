"""The core: erases the selected objects from a stream of frames and shows what stands behind.

    eraser = Eraser(load_segmenter("swift"), load_filler("swift"))
    for frame in source:
        result = eraser.step(frame)

Deterministic and single-threaded; all state of a shot is in one `Eraser`. `observe` learns from a frame, `render`
erases in it; a file calls the two some frames apart, so that background which shows only a little later is used too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from realtime import masks, ops
from realtime.errors import EraserError
from realtime.exposure import Exposure, fit_exposure, membrane
from realtime.fill import Filler
from realtime.frame import Frame
from realtime.motion import Location, Registration, Sight, View
from realtime.ops import Region
from realtime.plate import GUESSED, SEEN, UNSEEN, Plate
from realtime.segment import MatteFollower, Segmenter
from realtime.selection import Selection
from realtime.timing import StageTimer

FILL_MARGIN = 0.08  # share of the frame's height that a fill reaches beyond the picture
PATIENCE = 3  # frames in a row for which a found mask must leave a pixel free before the plate believes it
CPU_INTERVAL = 0.05  # seconds between two runs of the segmenter on a CPU: every second frame at 24 to 30 frames/s


@dataclass(frozen=True)
class Settings:
    """How to erase.

    dilate: pixels that masks grow outward by, None for about 1 % of the frame's height; shadow: whether shadows that
    touch the object go with it; segment_interval: seconds for which a matte is carried along by optical flow before
    the network runs again, 0 to run it on every frame, None for what suits the engine's device.
    """

    dilate: int | None = None
    shadow: bool = True
    segment_interval: float | None = None


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

    roi: the rectangle that may change, None where nothing is to be erased. Within it: hole and alpha, (h, w) uint8;
    background, (h, w, 3) float32 BGR in the plate's exposure, and trust, (h, w) uint8, as known when it was observed.
    motion: 3x3, from the anchor of `epoch` to this frame's pixels; exposure: of this frame relative to the plate.
    """

    frame: Frame
    plate: Plate
    motion: np.ndarray
    epoch: int
    exposure: Exposure
    timer: StageTimer
    roi: Region | None = None
    hole: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    alpha: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    background: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3), np.float32))
    trust: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))

    @property
    def nbytes(self) -> int:
        """Memory that waiting costs, the frame's own planes estimated by its size in BGR."""
        arrays = self.hole.nbytes + self.alpha.nbytes + self.background.nbytes + self.trust.nbytes
        return arrays + self.frame.image.nbytes * (2 if self.frame.native is not None else 1)


@dataclass(frozen=True)
class Result:
    """A frame with the objects erased.

    image: (H, W, 3) uint8 BGR, equal to frame.image wherever alpha is 0; alpha: (H, W) uint8, 255 in the hole, falling
    to 0 through the feather; hole: (H, W) uint8, 255 where pixels were replaced wholly; trust: (H, W) uint8, what the
    replaced pixels are made of; roi: bounding rectangle of what may have changed, None where nothing was erased;
    timings: milliseconds by stage.
    """

    frame: Frame
    image: np.ndarray
    alpha: np.ndarray
    hole: np.ndarray
    trust: np.ndarray
    roi: Region | None
    timings: dict[str, float]


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
        with timer("segment"):
            matte = shot.follower.matte(frame.image, frame.time) if shot.follower else None
        fixed = self._fixed_mask(frame.image, given)
        with timer("motion"):
            view = View.of(frame.image)
            outside = _outside(view, matte, fixed)
            location = shot.registration.locate(view, outside, shot.plate)
            if location.lost:
                self.stats.cuts += 1
                self.reset()
                shot = self._shot_for(height, width)
                if shot.follower:
                    matte = shot.follower.matte(frame.image, frame.time)
                    outside = _outside(view, matte, fixed)
                location = shot.registration.locate(view, outside, shot.plate)
            motion = location.motion
            if shot.plate.needs_anchor(motion):
                self.stats.anchors += 1
                shot.plate.anchor(motion)
                shot.registration.rebase()
                motion = np.eye(3)
        with timer("exposure"):
            exposure = _exposure(view, location.sight, outside)
        with timer("mask"):
            mask = self._mask(shot, matte, fixed, location, (height, width))
            mask = self._with_shadow(mask, matte is not None, view, location.sight, exposure)
        pending = Pending(frame, shot.plate, motion, shot.plate.epoch, exposure, timer)
        with timer("hole"):
            self._cut_hole(pending, mask)
        with timer("read"):
            if pending.roi is not None:
                pending.background, pending.trust = shot.plate.read(motion, pending.roi)
        with timer("update"):
            self._update(pending)
        return pending

    def render(self, pending: Pending) -> Result:
        """Erase in an observed frame, with what the plate has learnt up to now."""
        frame, timer, roi = pending.frame, pending.timer, pending.roi
        height, width = frame.image.shape[:2]
        alpha, hole, trust = (np.zeros((height, width), np.uint8) for _ in range(3))
        if roi is None:
            return Result(frame, frame.image, alpha, hole, trust, None, timer.milliseconds)
        picture = frame.image[roi.slices]
        with timer("read"):
            self._read_again(pending)
        with timer("exposure"):
            background = pending.exposure.apply(pending.background)
            ring = ops.equals(pending.trust, SEEN) & ~pending.hole
            background = background + membrane(picture, background, ring)
            background = np.clip(background + 0.5, 0, 255).astype(np.uint8)
            # What the plate does not know, the frame itself shows, outside the hole.
            unknown = ops.equals(pending.trust, UNSEEN)
            cv2.copyTo(picture, unknown, background)
        with timer("composite"):
            erased = ops.composite(picture, background, pending.alpha)
        with timer("fill"):
            unseen = unknown & pending.hole
            if unseen.any():
                erased = self._fill(pending, erased, unseen)
        with timer("composite"):
            image = frame.image.copy()
            image[roi.slices] = erased
            alpha[roi.slices], hole[roi.slices] = pending.alpha, pending.hole
            trust[roi.slices] = np.maximum(pending.trust, GUESSED) & pending.hole
        self.stats.hole_pixels += cv2.countNonZero(pending.hole)
        self.stats.seen_pixels += cv2.countNonZero(ops.equals(pending.trust, SEEN) & pending.hole)
        return Result(frame, image, alpha, hole, trust, roi, timer.milliseconds)

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

    def _with_shadow(self, mask: np.ndarray, found: bool, view: View, sight: Sight, exposure: Exposure) -> np.ndarray:
        """The mask with what it leaves out of the object, as far as the plate can tell: parts, and shadows.

        A mask from outside (`found` is false) says itself what belongs to the object, but seldom has its shadow.
        """
        small = ops.at_least(ops.resize(mask, view.size), 1)
        region = ops.bounding_region(small)
        if region is None or not (found or self.settings.shadow):
            return mask
        reach = max(4, max(region.height, region.width) // 4)
        region = region.expand(reach, *view.size)
        frame, seen = view.color[region.slices], sight.seen[region.slices]
        background = sight.color[region.slices]
        if not exposure.neutral:
            background = np.clip(exposure.apply(background.astype(np.float32)), 0, 255).astype(np.uint8)
        small = small[region.slices]
        extra = np.zeros_like(small)
        if found:
            extra |= masks.left_out(frame, background, seen, small, reach // 2)
        if self.settings.shadow:
            extra |= masks.shadows(frame, background, seen, small, reach)
        if not extra.any():
            return mask
        whole = np.zeros(view.size, np.uint8)
        whole[region.slices] = extra
        return mask | ops.at_least(ops.resize(whole, mask.shape), 128)

    def _cut_hole(self, pending: Pending, mask: np.ndarray) -> None:
        """Grow the mask outward into the hole, and feather it."""
        size = mask.shape
        region = ops.bounding_region(self.selection.protect(mask))
        if region is None:
            return
        radius, soft = masks.growth(size[0], self.settings.dilate), _feather_width(size[0])
        pending.roi = region.expand(radius + 2 * soft + 2, *size)
        inner = pending.roi.slices
        hole = np.zeros(size, np.uint8)
        hole[inner] = ops.grow(mask[inner], radius)
        pending.hole = self.selection.protect(hole)[inner]
        hole[inner] = ops.feather(pending.hole, soft)
        pending.alpha = self.selection.protect(hole)[inner]

    def _update(self, pending: Pending) -> None:
        """Refresh the plate from all that lies outside a guard band around the hole."""
        image = pending.frame.image
        usable = np.full(image.shape[:2], 255, np.uint8)
        doubtful = np.zeros_like(usable)
        if pending.roi is not None:
            guard = ops.grow(pending.hole, _guard_width(image.shape[0]))
            usable[pending.roi.slices] = ~guard
            doubtful[pending.roi.slices] = guard & ~pending.hole
        # Masks from outside are exact, those of a network may miss the object for a moment.
        patience = PATIENCE if self.selection.classes else 1
        pending.plate.update(pending.exposure.remove(image), pending.motion, usable, doubtful, patience)

    def _read_again(self, pending: Pending) -> None:
        """Let hole pixels that were not SEEN take what the plate has learnt since; SEEN ones keep their past."""
        assert pending.roi is not None
        stale = ~ops.equals(pending.trust, SEEN)
        window = ops.bounding_region(stale & ops.at_least(pending.alpha, 1))
        if window is None:
            return
        there = Region(
            window.y0 + pending.roi.y0,
            window.y1 + pending.roi.y0,
            window.x0 + pending.roi.x0,
            window.x1 + pending.roi.x0,
        )
        motion = pending.motion @ np.linalg.inv(pending.plate.since(pending.epoch))
        color, trust = pending.plate.read(motion, there)
        better = stale[window.slices] & cv2.compare(trust, pending.trust[window.slices], cv2.CMP_GE)
        cv2.copyTo(color, better, pending.background[window.slices])
        cv2.copyTo(trust, better, pending.trust[window.slices])

    def _fill(self, pending: Pending, picture: np.ndarray, unseen: np.ndarray) -> np.ndarray:
        """Complete the region's picture where nothing is known, and remember the guess in the plate."""
        assert pending.roi is not None
        frame, region = pending.frame, pending.roi
        whole, hole = frame.image.copy(), np.zeros(frame.image.shape[:2], np.uint8)
        whole[region.slices], hole[region.slices] = picture, unseen
        # A moving camera will soon show what lies just outside the picture: guess that part of the hole at once.
        margin = round(FILL_MARGIN * frame.image.shape[0])
        whole, hole = (ops.pad(layer, margin) for layer in (whole, hole))
        there = Region(region.y0, region.y1 + 2 * margin, region.x0, region.x1 + 2 * margin)
        if ops.shrink(unseen, _sliver_width(frame.image.shape[0])).any():
            self.stats.fills += 1
            filled = self.filler.fill(whole, hole)[there.slices]
        else:
            # Slivers at the hole's rim are bridged smoothly; a network would see nothing in them.
            spread = ops.push_pull(whole[there.slices].astype(np.float32), (hole[there.slices] == 0).astype(np.float32))
            filled = np.clip(np.rint(spread), 0, 255).astype(np.uint8)
        motion = pending.motion @ np.linalg.inv(pending.plate.since(pending.epoch))
        guess = pending.exposure.remove(filled).astype(np.float32)
        on_frame = Region(there.y0 - margin, there.y1 - margin, there.x0 - margin, there.x1 - margin)
        pending.plate.write_guess(guess, motion, on_frame, hole[there.slices])
        filled = filled[margin : margin + region.height, margin : margin + region.width]
        return np.where(unseen[..., None] > 0, filled, picture)


@dataclass
class _Shot:
    """All that is remembered of one shot. follower: None where no class is selected."""

    plate: Plate
    registration: Registration
    smoother: masks.MaskSmoother
    follower: MatteFollower | None


def _outside(view: View, matte: np.ndarray | None, fixed: np.ndarray | None) -> np.ndarray:
    """Where the view surely shows background: (h, w) uint8, 255 well outside everything that may be masked."""
    objects = np.zeros(view.size, np.uint8)
    if matte is not None:
        objects |= ops.at_least(ops.resize(matte, view.size), masks.OFF)
    if fixed is not None:
        objects |= ops.at_least(ops.resize(fixed, view.size), 1)
    return ~ops.grow(objects, max(4, view.size[0] // 40))


def _exposure(view: View, sight: Sight, outside: np.ndarray) -> Exposure:
    """The exposure of a frame relative to the plate, from what both show."""
    common = outside & sight.known
    stride = max(1, round((cv2.countNonZero(common) / 4000) ** 0.5))
    chosen = common[::stride, ::stride] > 0
    plate = sight.color[::stride, ::stride][chosen].astype(np.float32)
    return fit_exposure(plate, view.color[::stride, ::stride][chosen].astype(np.float32))


def _feather_width(height: int) -> int:
    """Pixels that the feather reaches outside the hole."""
    return max(2, round(height * 0.006))


def _guard_width(height: int) -> int:
    """Pixels around the hole whose background is doubtful: masks have soft and inexact edges."""
    return max(3, round(height * 0.015))


def _sliver_width(height: int) -> int:
    """Radius of a square that must fit into an unknown patch for it to be worth a network's fill."""
    return max(1, round(height * 0.01))
