"""The core: erases the selected objects from a stream of frames and shows what stands behind.

    eraser = Eraser(load_segmenter("swift"), load_filler("swift"))
    for frame in source:
        result = eraser.step(frame)

Deterministic, and all state of a shot is in one `Eraser`. One thread calls it; what a frame by itself tells of the
camera's motion is found out in another one (`realtime.motion.scout`), from when the frame is announced. `observe`
learns from a frame, `render` erases in it; a file calls the two some frames apart, so that background which shows only
a little later is used too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from os import PathLike

import cv2
import numpy as np

from realtime import masks, ops
from realtime.background.exposure import Exposure, corrected, fit_exposure
from realtime.background.fade import Fade
from realtime.background.fill import Filler
from realtime.background.filljob import FillJob, Place, quick_fill
from realtime.background.imprint import imprint
from realtime.background.memory import Memory
from realtime.background.parallax import Layer, Parallax
from realtime.background.plate import GUESSED, SEEN, UNSEEN, Evidence, Plate
from realtime.background.platefile import read_plate, write_plate
from realtime.background.restless import Restless
from realtime.edits import Edit
from realtime.errors import EraserError
from realtime.finding import Finding
from realtime.frame import Frame
from realtime.hole import USUAL_GROWTH, Cover, Hole, Outline, belongings, beside, cover, growth, room, sliver_width
from realtime.home import home_of
from realtime.motion.glance import View
from realtime.motion.registration import Location, Registration
from realtime.motion.scout import Scout
from realtime.motion.sight import Sight
from realtime.ops import Home, Region
from realtime.patch import Patch, Shown, show
from realtime.segment import Segmenter
from realtime.selection import Selection
from realtime.timing import StageTimer
from realtime.tracking.finder import Finder, SegmentationFault
from realtime.tracking.found import Found, Loss
from realtime.tracking.rearrange import Displaced, draw
from realtime.tracking.retracer import Retracer
from realtime.tracking.things import Thing, things

PATIENCE = 3  # frames in a row for which a found mask must leave a pixel free before the plate believes it
CPU_INTERVAL = 0.05  # seconds between two runs of the segmenter on a CPU: every second frame at 24 to 30 frames/s
EDGE = 2  # pixels at the border of two layers that belong to either
BRIDGE = 4  # pixels of the frame to one of the bridge that is shown until a deferred fill comes in


@dataclass(frozen=True)
class Settings:
    """How to erase.

    dilate: pixels that masks grow outward by, None for what the segmenter's card says, or about 1 % of the frame's
    height; shadow: whether shadows that touch the object go with it; segment_interval: seconds for which a matte is
    carried along by optical flow before the network runs again, 0 to run it on every frame, None for what suits the
    engine's device; candidates: whether `Result.things` also names what could be erased; fail_open: whether a frame
    whose segmentation failed is shown as it is, rather than the plate in its place; parallax: whether a background at
    two distances gets two plates.
    """

    dilate: int | None = None
    shadow: bool = True
    segment_interval: float | None = None
    candidates: bool = False
    fail_open: bool = False
    parallax: bool = True


@dataclass(frozen=True)
class Pace:
    """How much the segmenter may cost. segment_interval: as in `Settings`, seconds; network_scale: of the sides of the
    network's picture, 1 for what its card recommends.
    """

    segment_interval: float
    network_scale: float = 1.0


PEOPLE = Selection()
DEFAULT_SETTINGS = Settings()


@dataclass
class Stats:
    """Counts over all frames so far. parallax: frames whose background lay at two distances; coverage: share of all
    hole pixels that showed real background.
    """

    frames: int = 0
    fills: int = 0
    cuts: int = 0
    anchors: int = 0
    parallax: int = 0
    hole_pixels: int = 0
    seen_pixels: int = 0

    @property
    def coverage(self) -> float:
        return self.seen_pixels / self.hole_pixels if self.hole_pixels else 1.0


@dataclass
class Pending:
    """A frame that was observed and waits to be rendered.

    image: the frame's picture where the eraser works, its own or a copy on a device; plate, motion, epoch: the shot's
    plate, and the 3x3 matrix from its anchor of that epoch to this frame's pixels; hole: None where nothing is to be
    erased; background, (h, w, 3) uint8 BGR in the plate's exposure, and trust, (h, w) uint8: what the plate knew of
    hole.roi when the frame was observed; memory: what the whole shot shows, where a first pass has learnt it; second,
    second_memory: the other layer of a background at two distances.
    """

    frame: Frame
    image: np.ndarray
    finding: Finding
    plate: Plate
    motion: np.ndarray
    epoch: int
    hole: Hole | None
    background: np.ndarray
    trust: np.ndarray
    timer: StageTimer
    memory: Memory | None = None
    second: Layer | None = None
    second_memory: Memory | None = None

    @property
    def nbytes(self) -> int:
        """Memory that waiting costs; the frame's own planes are estimated by its size in BGR."""
        arrays = [self.background, self.trust, self.frame.image, self.finding.mask]
        if self.hole is not None:
            arrays += [self.hole.inside, self.hole.alpha]
        arrays += [thing.mask for thing in self.finding.things]
        arrays += [one.matte for one in self.finding.displaced]
        if self.image is not self.frame.image:
            arrays.append(self.image)
        if self.frame.native is not None:
            arrays.append(self.frame.image)
        return sum(array.nbytes for array in arrays)


@dataclass(frozen=True)
class Result:
    """A frame with the objects erased.

    image: (H, W, 3) uint8 BGR, equal to frame.image wherever alpha is 0; alpha: (H, W) uint8, 255 in the hole, falling
    to 0 through the feather, and set where an object is drawn that the user moved; hole: (H, W) uint8, 255 where pixels
    were replaced wholly; trust: (H, W) uint8, what the replaced pixels are made of; roi: bounding rectangle of what may
    have changed, None where nothing was erased;
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

    segmenter: None where the selection needs none (masks and boxes only; clicked objects are then followed by their
    colours); filler: for what no frame has shown. finder: what finds the objects, None for one of the eraser's own.
    defer: takes a `FillJob` to be done in another thread, whose answer goes to `filled`; None fills at once. home:
    where pixels are worked on, None for what suits the engines.
    """

    def __init__(
        self,
        segmenter: Segmenter | None,
        filler: Filler,
        selection: Selection = PEOPLE,
        settings: Settings = DEFAULT_SETTINGS,
        defer: Callable[[FillJob], None] | None = None,
        finder: Finder | Retracer | None = None,
        home: Home | None = None,
    ):
        if selection.classes and segmenter is None:
            raise EraserError(f"erasing {', '.join(selection.classes)} needs a segmenter: give one, or select no class")
        if segmenter is not None:
            segmenter.check(selection.classes)
        self.segmenter, self.filler = segmenter, filler
        self.home = home or home_of(segmenter, filler)
        self.selection, self.settings = selection, settings
        self.stats = Stats()
        self._growth = USUAL_GROWTH if segmenter is None else segmenter.engine.card.growth
        interval = settings.segment_interval
        if interval is None:
            interval = usual_interval(segmenter)
        self._finder = finder or Finder(
            segmenter, selection.classes, interval, watch=settings.candidates, home=self.home
        )
        self._shot: _Shot | None = None
        self._scout = Scout()
        self._fade = Fade()
        self._edits: list[Edit] = []
        self._defer = defer
        self._job: FillJob | None = None
        self._place: Place | None = None  # where its answer belongs by now

    def reset(self) -> None:
        """Forget the shot: the next frame starts a new plate."""
        self._shot = None
        self._finder.cut()

    def edit(self, edit: Edit) -> None:
        """Change the selection from the next frame on; to be called between frames."""
        self._edits.append(edit)

    @property
    def pace(self) -> Pace:
        """How much the segmenter may cost; may be set between frames."""
        return Pace(self._finder.interval, self._finder.scale)

    @pace.setter
    def pace(self, pace: Pace) -> None:
        self._finder.interval, self._finder.scale = pace.segment_interval, pace.network_scale

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on objects whose track was lost, and when, a line each."""
        return tuple(loss.note() for loss in self.losses)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The objects whose track was lost of late."""
        return tuple(self._finder.losses)

    def filled(self, job: FillJob, picture: np.ndarray | None) -> None:
        """The filler's answer to a deferred job, (H, W, 3) uint8 BGR, None where it failed; between frames."""
        place, mask = job.place, job.mask
        if job is self._job:
            place, self._job = self._place or place, None
        if picture is None:
            return
        self.stats.fills += 1
        if place.plate.frame_size != mask.shape:  # the frames have changed their size meanwhile
            picture, mask = (ops.resize(layer, place.plate.frame_size) for layer in (picture, mask))
            mask = ops.at_least(mask, 128)
        place.remember(picture[place.roi.slices], mask[place.roi.slices])

    def learn_clean(self, frame: Frame) -> None:
        """Start a new plate with a frame that shows nothing but background."""
        height, width = frame.image.shape[:2]
        self._shot = shot = _Shot(Plate(height, width, self.home), Registration(), masks.MaskSmoother(), new=False)
        everywhere, nowhere = self.home.full((height, width), 255), self.home.zeros((height, width))
        shot.plate.update(self.home.sent(frame.image), np.eye(3), Evidence(everywhere, nowhere, nowhere))
        glance = self._scout.take(frame.image)
        shot.registration.locate(glance, np.full(glance.view.size, 255, np.uint8), shot.plate)

    def announce(self, frame: Frame) -> None:
        """A frame has come, and is observed in its turn: what it tells of the camera's motion is found out by then.

        From any thread, one at a time, in the frames' order. It changes no result, only when that is there.
        """
        self._scout.announce(frame.image)

    def step(self, frame: Frame, given: np.ndarray | None = None) -> Result:
        """Erase in one frame with what is known by now: live."""
        return self.render(self.observe(frame, given))

    def backdrop(self, result: Result) -> Result:
        """The result of the latest frame with the plate everywhere: what to show when no more frames come.

        What no frame has shown stays as `result` shows it.
        """
        if self._shot is None:
            return result
        size = result.image.shape[:2]
        whole = Region(0, size[0], 0, size[1])
        background, trust = self.home.fetch(*self._shot.plate.read(self._shot.registration.motion, whole))
        image, everywhere = result.image.copy(), np.full(size, 255, np.uint8)
        ops.copy_where(background, ops.at_least(trust, GUESSED), image)
        return replace(
            result,
            image=image,
            alpha=everywhere,
            hole=everywhere,
            trust=np.maximum(trust, GUESSED),
            roi=whole,
            things=(),
        )

    def save_plate(self, path: str | PathLike[str]) -> None:
        """Write what is known of the background to a .npz file; EraserError where that fails or nothing is known."""
        if self._shot is None:
            raise EraserError("there is no plate to save yet: wait for the first picture")
        write_plate(path, self._shot.plate)

    def load_plate(self, path: str | PathLike[str], size: tuple[int, int] | None = None) -> None:
        """Start anew with a plate that was saved; EraserError where it cannot be, or is for frames of another shape.

        size: (H, W) of the frames to come, None for that of the latest.
        """
        if size is None and self._shot is not None:
            size = self._shot.plate.frame_size
        self._shot = _Shot(read_plate(path, size, self.home), Registration(), masks.MaskSmoother(), new=False)

    def observe(self, frame: Frame, given: np.ndarray | None = None) -> Pending:
        """Find what to erase, where the camera looks, what the plate knows of the hole; then refresh the plate.

        given: (H, W) uint8 mask from outside for this frame, 255 = erase. Raises EraserError where its size differs.
        """
        timer = StageTimer()
        return self.learn(frame, self.find(frame, given, timer), timer)

    def find(self, frame: Frame, given: np.ndarray | None = None, timer: StageTimer | None = None) -> Finding:
        """The first half of `observe`: what the frame shows. Needs the plate, but leaves it as it is."""
        height, width = frame.image.shape[:2]
        if given is not None and given.shape != (height, width):
            raise EraserError(
                f"frame {frame.index} is {width}x{height} but its mask is {given.shape[1]}x{given.shape[0]}: "
                "give masks of the frame's size"
            )
        timer = timer or StageTimer()
        shot = self._shot_for(height, width)
        fixed = self._fixed_mask(frame.image, given)
        if self.segmenter is not None:
            self._scout.announce(frame.image)  # so that it is looked at while the network runs
        with timer("segment"):
            found, fault = self._look(frame)
        with timer("motion"):
            glance = self._scout.take(frame.image)
            view = glance.view
            outside = _outside(view, found, fixed)
            location = shot.registration.locate(glance, shot.parallax.main(outside), shot.plate)
            if location.lost:
                self.reset()
                shot = self._shot_for(height, width)
                found, fault = self._look(frame)
                outside = _outside(view, found, fixed)
                location = shot.registration.locate(glance, outside, shot.plate)
            second = None
            if self.settings.parallax:
                second = shot.parallax.find(glance, outside, location, shot.plate, shot.second)
            motion, sight = location.motion, shot.parallax.sight or location.sight
            anchored = shot.plate.needs_anchor(motion) or shot.registration.settled
            if anchored:
                shot.registration.rebase()
            self._scout.moving = not shot.registration.resting
            self._finder.settle(location.step, (height, width))
            fixed = self._fixed_mask(frame.image, given)
        with timer("exposure"):
            exposure = _exposure(view, sight, outside)
            expected = sight.exposed(exposure)
            color, background, seen = map(self.home.sent, (view.color, expected, sight.seen))
        with timer("mask"):
            displaced, shown = self._shown(frame)
            mask = self._mask(shot, found.matte, fixed, location, (height, width))
            mask = self._with_objects(mask, shown)
            keep = None if found.keep is None else _kept(self.home.sent(found.keep), mask)
            parts = found.matte is not None
            mask = belongings(mask, color, background, seen, parts=parts, shadow=self.settings.shadow)
            imprint = self._imprint(found, mask, view, expected, sight)
            if fault is not None and not self.settings.fail_open:
                mask, keep = ops.full_like(mask, 255), None
        with timer("update"):
            changed = masks.changed(color, background, self.home.sent(outside) & seen)
            other = masks.unlike(view.color, expected) & sight.seen
            renewed = shot.restless.step(view, exposure, outside, other, location.step)
        # Masks from outside are exact, those of a network may miss the object for a moment.
        patience = 1 if found.matte is None else PATIENCE
        return Finding(
            shot.new, motion, anchored, exposure, mask, keep, changed, found.foreign, imprint, patience, displaced,
            shown, fault, second=second, renewed=renewed if renewed.any() else None,
            between=location.blank, ago=shot.restless.ago,
        )  # fmt: skip

    def learn(self, frame: Frame, finding: Finding, timer: StageTimer | None = None) -> Pending:
        """The second half of `observe`: what the plate knows of the hole; then refresh the plate.

        finding: of this frame, by `find`, or by that of another eraser that was shown the same frames before.
        """
        timer = timer or StageTimer()
        shot = self._shot_for(*frame.image.shape[:2])
        if finding.cut and not shot.new:
            self.reset()
            shot = self._shot_for(*frame.image.shape[:2])
        self.stats.cuts += bool(finding.cut and not finding.between and self.stats.frames)
        self.stats.frames += 1
        shot.new = False
        plate, motion = shot.plate, finding.motion
        if finding.anchored:
            self.stats.anchors += 1
            plate.anchor(motion)
            motion = np.eye(3)
        second = self._layer(shot, finding, motion)
        sent = self.home.sent
        with timer("hole"):
            covered = self._cover(finding)
            bounds = ops.bounds_later(covered.inside)
            roi, decided = shot.outline.next(bounds, plate.frame_size, self.home)
        with timer("read"):
            if finding.imprint is not None:
                plate.forget(motion, ops.resize(sent(finding.imprint), plate.frame_size))
            background, trust = _known(plate, motion, second, roi)
        with timer("update"):
            image = self.home.picture(frame.image)
            changed = ops.at_least(ops.resize(sent(finding.changed), plate.frame_size), 128)
            evidence = _evidence(covered, changed, None if finding.foreign is None else sent(finding.foreign))
            if finding.renewed is not None:
                renewed = ops.at_least(ops.resize(sent(finding.renewed), plate.frame_size), 128)
                evidence = replace(evidence, renewed=renewed)
            if not finding.between:
                exposed = finding.exposure.remove(image)
                if second is not None and finding.second is not None:
                    there = ops.at_least(ops.resize(sent(finding.second.mask), plate.frame_size), 128)
                    second.plate.update(exposed, second.motion, evidence.only(there, EDGE), finding.patience)
                    evidence = evidence.only(~there, EDGE)
                plate.update(exposed, motion, evidence, finding.patience)
            shot.foresee()
        with timer("hole"):
            if not decided:  # only now: what the next frame needs comes along with the answer
                roi = room(bounds(), plate.frame_size)
                background, trust = background[roi.slices].copy(), trust[roi.slices].copy()
            hole = Hole.of(covered, roi, bounds) if roi.height else None
        return Pending(frame, image, finding, plate, motion, plate.epoch, hole, background, trust, timer, second=second)

    def render(self, pending: Pending) -> Result:
        """Erase in an observed frame, with what the plate has learnt up to now."""
        frame, finding, hole, timer = pending.frame, pending.finding, pending.hole, pending.timer
        alpha, inside, made_of = (np.zeros(frame.image.shape[:2], np.uint8) for _ in range(3))
        result = Result(
            frame, frame.image, alpha, inside, made_of, None, timer.milliseconds, finding.things, finding.fault
        )
        if hole is None:
            self._fade = Fade()
            return result
        picture = pending.image[hole.roi.slices]
        with timer("read"):
            background, trust = _read_again(pending, hole)
        with timer("exposure"):
            background = finding.exposure.apply(background)
            background = corrected(picture, background, ops.equals(trust, SEEN) & ~hole.inside)
            # What the plate does not know, the frame itself shows, outside the hole.
            unknown = ops.equals(trust, UNSEEN)
            ops.copy_where(picture, unknown, background)
        with timer("composite"):
            patch = Patch(hole, ops.composite(picture, background, hole.alpha), trust, unknown)
        shown = self._complete_and_show(pending, patch)
        if shown is None:
            return self.render(self._cut_again(pending, hole))
        self._fade = shown.fade
        with timer("composite"):
            drawn = draw(frame.image, finding.displaced, shown.image, shown.alpha)
        self.stats.hole_pixels += shown.hole_pixels
        self.stats.seen_pixels += shown.seen_pixels
        roi = hole.roi if drawn is None else hole.roi.united(drawn)
        return replace(result, image=shown.image, alpha=shown.alpha, hole=shown.inside, trust=shown.made_of, roi=roi)

    def _complete_and_show(self, pending: Pending, patch: Patch) -> Shown | None:
        """Fill what a patch lacks, and put it in place; None where it does not hold all of the hole.

        A device says so, and what the patch lacks, only when its picture is fetched. That nothing does is the rule: so
        the picture is made first, and once more where that was wrong.
        """
        finding, motion, timer = pending.finding, _present_motion(pending), pending.timer
        if not self.home.answers_at_once:
            with timer("composite"):
                shown = show(pending.image, patch, pending.plate, motion, self._fade)
            if not patch.hole.holds(pending.plate.frame_size):
                return None
            guessed = shown.guessed if finding.fault is None else 0
            worn = guessed and pending.plate.is_worn(shown.invented, shown.invented_here, patch.trust.size)
            if not (shown.unseen or worn):
                return shown
        with timer("fill"):
            hole, trust = patch.hole, patch.trust
            unseen = patch.unknown & hole.inside
            if finding.fault is None and ops.count(ops.equals(trust, GUESSED)):
                unseen |= pending.plate.worn(motion, hole.roi) & hole.inside & ~ops.equals(trust, SEEN)
            if ops.count(unseen):
                patch = replace(patch, picture=self._fill(pending, patch, unseen))
                if self._shot is not None:
                    self._shot.foresee()  # the plate has changed
        with timer("composite"):
            return show(pending.image, patch, pending.plate, motion, self._fade)

    def _cut_again(self, pending: Pending, hole: Hole) -> Pending:
        """The same frame with another rectangle around its hole, and what the plate knows of that by now."""
        roi = room(hole.bounds(), pending.plate.frame_size)
        if not roi.height:
            return replace(pending, hole=None)
        background, trust = _known(pending.plate, _present_motion(pending), pending.second, roi)
        cut = Hole.of(self._cover(pending.finding), roi, hole.bounds)
        return replace(pending, hole=cut, background=background, trust=trust)

    def _shot_for(self, height: int, width: int) -> _Shot:
        """The present shot, or a new one where there is none of this size."""
        if self._shot is None or self._shot.plate.frame_size != (height, width):
            if self._shot is not None:
                self._finder.objects.strokes.follow(ops.scaling(self._shot.plate.frame_size, (height, width)))
            if self._shot is not None and ops.same_shape(self._shot.plate.frame_size, (height, width)):
                self._resize(self._shot, height, width)
            else:
                self._shot = _Shot(Plate(height, width, self.home), Registration(), masks.MaskSmoother())
        return self._shot

    def _cover(self, finding: Finding) -> Cover:
        """What is replaced of a frame."""
        keep = None if finding.keep is None else self.home.sent(finding.keep)
        dilate = growth(finding.mask.shape[0], self.settings.dilate, self._growth)
        return cover(self.home.sent(finding.mask), self.selection, dilate, keep)

    def _layer(self, shot: _Shot, finding: Finding, motion: np.ndarray) -> Layer | None:
        """The second layer of a frame, if it has one, from the first frame on that shows it. motion: of the first."""
        found, size = finding.second, shot.plate.frame_size
        if found is None:
            shot.second = None
            return None
        self.stats.parallax += 1
        if found.begun or shot.second is None:
            shot.second = Plate(*size, self.home)
            there = ops.at_least(ops.resize(self.home.sent(found.mask), size), 128)
            shot.plate.forget(motion, ops.grow_square(there, 2 * EDGE))
        plate, its_motion = shot.second, found.motion
        if found.anchored:
            plate.anchor(its_motion)
            its_motion = np.eye(3)
        wrong = ops.at_least(ops.resize(self.home.sent(found.wrong), size), 128)
        if found.front:
            plate.forget(its_motion, wrong)
        else:
            shot.plate.forget(motion, wrong)
        return Layer(plate, its_motion, plate.epoch, found.front)

    def _resize(self, shot: _Shot, height: int, width: int) -> None:
        """Go on with frames of another size that show the same view."""
        before, shot.plate = shot.plate, shot.plate.resized(height, width)
        shot.second, shot.parallax, shot.outline = None, Parallax(), Outline()
        shot.registration.resize(before.frame_size, (height, width))
        if self._place is not None and self._place.plate is before:
            self._place = self._place.resized(shot.plate)

    def _look(self, frame: Frame) -> tuple[Found, str | None]:
        """What the next frame shows of the selection, after the edits that wait; and what went wrong."""
        edits, self._edits = self._edits, []
        try:
            return self._finder.look(frame.image, frame.time, edits), None
        except SegmentationFault as fault:
            return Found(None), str(fault)

    def _fixed_mask(self, image: np.ndarray, given: np.ndarray | None) -> np.ndarray | None:
        """What boxes, brush strokes and given masks erase, (H, W) uint8, None where there are none."""
        size = image.shape[0], image.shape[1]
        fixed = (self.selection.fixed_mask(size), self._finder.objects.strokes.mask(size), given)
        there = [mask for mask in fixed if mask is not None]
        return np.bitwise_or.reduce(there) if there else None

    def _mask(
        self,
        shot: _Shot,
        matte: np.ndarray | None,
        fixed: np.ndarray | None,
        location: Location,
        size: tuple[int, int],
    ) -> np.ndarray:
        """The mask of this frame, smoothed over time, (H, W) uint8."""
        mask = self.home.zeros(size) if fixed is None else self.home.sent(fixed)
        if matte is not None:
            to_matte = ops.scaling(size, matte.shape)
            smooth = shot.smoother.step(self.home.sent(matte), to_matte @ location.step @ np.linalg.inv(to_matte))
            mask = mask | ops.at_least(ops.resize(smooth, size), masks.ON)
        return mask

    def _with_objects(self, mask: np.ndarray, shown: tuple[Thing, ...]) -> np.ndarray:
        """The mask, (H, W) uint8, with the sharp rims of the objects that are erased."""
        erased = [thing for thing in shown if thing.state == "erased"]
        mask = mask.copy() if erased else mask
        for thing in erased:
            mask[thing.roi.slices] |= self.home.sent(thing.mask)
        return mask

    def _imprint(
        self, found: Found, mask: np.ndarray, view: View, expected: np.ndarray, sight: Sight
    ) -> np.ndarray | None:
        """What is erased from this frame on was background before, as far as the plate knows: what it must forget."""
        size = mask.shape[0], mask.shape[1]
        begun = [each for each in (found.begun, self._finder.objects.strokes.begun(size)) if each is not None]
        if not begun:
            return None
        (mask,) = self.home.fetch(mask)
        if found.foreign is not None:
            mask = mask | ~beside(found.foreign, size)  # who stands there was never taken for background
        return np.bitwise_or.reduce([imprint(each, mask, view, expected, sight) for each in begun])

    def _shown(self, frame: Frame) -> tuple[list[Displaced], tuple[Thing, ...]]:
        """The objects of a frame that are drawn elsewhere, and all that a window may show."""
        objects = self._finder.objects
        moved = [track for track in objects.erased() if track.moved and track.state == "followed"]
        displaced = [Displaced(track.matte, track.dx, track.dy) for track in moved]
        candidates = self._finder.parts.latest if self.settings.candidates else ()
        return displaced, things(objects.tracks, candidates, frame.image, frame.time)

    def _fill(self, pending: Pending, patch: Patch, unseen: np.ndarray) -> np.ndarray:
        """A patch's picture completed where it is unseen, (h, w, 3) uint8; the plate remembers the guess."""
        frame, finding, roi = pending.frame, pending.finding, patch.hole.roi
        place = Place(pending.plate, pending.motion, pending.epoch, finding.exposure, roi)
        if finding.fault is not None or not ops.count(ops.shrink(unseen, sliver_width(frame.image.shape[0]))):
            # Slivers at the hole's rim are bridged smoothly; a network would see nothing in them.
            filled, final = quick_fill(patch.picture, unseen), finding.fault is None
        else:
            whole, missing = frame.image.copy(), np.zeros(frame.image.shape[:2], np.uint8)
            whole[roi.slices], missing[roi.slices] = self.home.fetch(patch.picture, unseen)
            final = self._defer is None
            if self._defer is None:
                self.stats.fills += 1
                filled = self.home.sent(self.filler.fill(whole, missing)[roi.slices])
            else:
                if self._job is None:
                    self._job, self._place = FillJob(whole, missing, place), place
                    self._defer(self._job)
                unseen = unseen & patch.unknown
                filled = quick_fill(patch.picture, unseen, BRIDGE)
        if final:
            place.remember(filled, unseen)
        picture = patch.picture.copy()
        ops.copy_where(filled, unseen, picture)
        return picture


def usual_interval(segmenter: Segmenter | None) -> float:
    """Seconds between two runs of a segmenter, as suits its device."""
    return CPU_INTERVAL if segmenter is not None and segmenter.engine.device == "cpu" else 0.0


@dataclass
class _Shot:
    """All that is remembered of one shot. new: no frame of it was learnt yet; second: the plate of the second layer."""

    plate: Plate
    registration: Registration
    smoother: masks.MaskSmoother
    new: bool = True
    second: Plate | None = None
    parallax: Parallax = field(default_factory=Parallax)
    restless: Restless = field(default_factory=Restless)
    outline: Outline = field(default_factory=Outline)

    def foresee(self) -> None:
        """Read what the next frame is held against, if anything was learnt since that was done last."""
        self.registration.foresee(self.plate)
        if self.second is not None:
            self.parallax.foresee(self.second)


def _outside(view: View, found: Found, fixed: np.ndarray | None) -> np.ndarray:
    """Where the view surely shows background: (h, w) uint8, 255 well outside everything that is or may be masked."""
    objects = np.zeros(view.size, np.uint8)
    if found.matte is not None:
        objects |= ops.at_least(ops.resize(found.matte, view.size), masks.OFF)
    for mask in (fixed, found.foreign):
        if mask is not None:
            objects |= ops.at_least(ops.resize(mask, view.size), 1)
    return ~ops.grow_square(objects, max(4, view.size[0] // 40))


def _kept(keep: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Where nothing may be erased, (H, W) uint8: what is kept, with its soft rim, unless that is masked itself."""
    size = mask.shape[0], mask.shape[1]
    return ops.grow(ops.at_least(ops.resize(keep, size), 128), growth(size[0], None)) & ~mask


def _exposure(view: View, sight: Sight, outside: np.ndarray) -> Exposure:
    """The exposure of a frame relative to the plate, from what both show."""
    common = outside & sight.known
    stride = max(1, round((cv2.countNonZero(common) / 4000) ** 0.5))
    chosen = common[::stride, ::stride] > 0
    plate = sight.color[::stride, ::stride][chosen].astype(np.float32)
    return fit_exposure(plate, view.color[::stride, ::stride][chosen].astype(np.float32))


def _evidence(covered: Cover, changed: np.ndarray, foreign: np.ndarray | None) -> Evidence:
    """What the plate may learn from a frame: all but what is replaced, and only weakly the band around it.

    changed: (H, W) uint8, as in `Evidence`; foreign: a smaller mask of what is no background though it is not erased.
    """
    usable, doubtful = ~covered.guard, covered.guard & ~covered.inside
    if foreign is not None:
        background = beside(foreign, (changed.shape[0], changed.shape[1]))
        usable, doubtful = usable & background, doubtful & background
    return Evidence(usable, doubtful, changed)


def _known(plate: Plate, motion: np.ndarray, second: Layer | None, roi: Region) -> tuple[np.ndarray, np.ndarray]:
    """Background and trust of a rectangle, as `Plate.read` gives them, of both layers."""
    first = plate.read(motion, roi)
    return first if second is None or not roi.height else second.joined(first, second.read(roi))


def _read_again(pending: Pending, hole: Hole) -> tuple[np.ndarray, np.ndarray]:
    """Background and trust of a hole, now: what was SEEN keeps its past, the rest takes what was learnt since."""
    background, trust = pending.background, pending.trust
    stale = ~ops.equals(trust, SEEN)
    shown = stale & ops.at_least(hole.alpha, 1)
    window, stale = ops.neighbourhood(shown, 0), ops.cropped(stale, shown)
    if window is not None:
        region = window.moved(hole.roi.y0, hole.roi.x0)
        color, now = _known(pending.plate, _present_motion(pending), pending.second, region)
        better = stale[window.slices] & ops.not_below(now, trust[window.slices])
        ops.copy_where(color, better, background[window.slices])
        ops.copy_where(now, better, trust[window.slices])
        if pending.memory is not None:
            _remember(pending, pending.memory, window, stale, background, trust)
    return background, trust


def _remember(
    pending: Pending, memory: Memory, window: Region, stale: np.ndarray, background: np.ndarray, trust: np.ndarray
) -> None:
    """Let the whole shot show, in place, what nothing up to now has SEEN.

    window: of the hole's roi; stale: (h, w) uint8 of the roi, where to look.
    """
    assert pending.hole is not None
    roi = pending.hole.roi
    region = window.moved(roi.y0, roi.x0)
    recalled, second = memory.recall(pending.epoch, pending.motion, region), pending.second
    if second is not None and pending.second_memory is not None:
        recalled = second.joined(recalled, pending.second_memory.recall(second.epoch, second.motion, region))
    color, ever = map(pending.plate.home.sent, recalled)
    here = trust[window.slices]
    better = stale[window.slices] & ops.at_least(ever, GUESSED) & ~ops.equals(here, SEEN) & ops.not_below(ever, here)
    ops.copy_where(color, better, background[window.slices])
    ops.copy_where(ever, better, here)


def _present_motion(pending: Pending) -> np.ndarray:
    """The pending frame's motion from the plate's present anchor."""
    return pending.motion @ np.linalg.inv(pending.plate.since(pending.epoch))
