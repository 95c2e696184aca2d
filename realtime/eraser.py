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
from dataclasses import replace
from os import PathLike

import cv2
import numpy as np

from realtime import masks, ops
from realtime.background.exposure import Exposure, corrected, fit_exposure
from realtime.background.fade import Fade
from realtime.background.fill import Filler
from realtime.background.filljob import FillJob
from realtime.background.imprint import imprint
from realtime.background.plate import GUESSED, SEEN, UNSEEN, Evidence, Plate
from realtime.background.platefile import read_plate, write_plate
from realtime.completion import Completion
from realtime.edits import Edit
from realtime.errors import EraserError
from realtime.finding import Finding
from realtime.frame import Frame
from realtime.hole import USUAL_GROWTH, Cover, Hole, belongings, beside, cover, growth, kept, room
from realtime.home import home_of
from realtime.motion.glance import View
from realtime.motion.registration import Location
from realtime.motion.scout import Scout
from realtime.motion.sight import Sight
from realtime.ops import Home, Region
from realtime.patch import Patch, Shown, show
from realtime.pending import Pending, known
from realtime.result import Result, Stats
from realtime.segment import Segmenter
from realtime.selection import Selection
from realtime.settings import DEFAULT_SETTINGS, Pace, Settings, usual_interval
from realtime.shot import EDGE, Shot
from realtime.timing import StageTimer
from realtime.tracking.finder import Finder, SegmentationFault
from realtime.tracking.found import Found, Loss
from realtime.tracking.hindsight import Hindsight
from realtime.tracking.rearrange import Displaced, draw
from realtime.tracking.retracer import Retracer
from realtime.tracking.things import Thing, things

AGREEMENT = 0.95  # share of the corners that must agree on the camera's motion for what moves otherwise to be believed
PATIENCE = 3  # frames in a row for which a found mask must leave a pixel free before the plate believes it
AMONG = 8  # and where people show who are not erased: a foot that their mask misses stands as long as a step takes
PEOPLE = Selection()


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
        self.segmenter = segmenter
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
        self._shot: Shot | None = None
        self._scout = Scout()
        self._fade = Fade()
        self._hindsight: Hindsight[Pending] = Hindsight(self.home)
        self._edits: list[Edit] = []
        self._completion = Completion(filler, self.home, self.stats, defer)

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
        return Pace(self._finder.interval, self._finder.scale, self._finder.closer)

    @pace.setter
    def pace(self, pace: Pace) -> None:
        self._finder.interval, self._finder.scale = pace.segment_interval, pace.network_scale
        self._finder.closer = pace.closer

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
        self._completion.filled(job, picture)

    def learn_clean(self, frame: Frame) -> None:
        """Start a new plate with a frame that shows nothing but background."""
        height, width = frame.image.shape[:2]
        self._shot = shot = Shot(Plate(height, width, self.home), new=False)
        everywhere, nowhere = self.home.full((height, width), 255), self.home.zeros((height, width))
        shot.plate.update(self.home.sent(frame.image), np.eye(3), Evidence(everywhere, nowhere, nowhere))
        glance = self._scout.take(frame.image)
        shot.registration.locate(glance, np.full(glance.view.size, 255, np.uint8), shot.plate)

    def announce(self, frame: Frame) -> None:
        """A frame has come, and is observed in its turn: what it tells of the camera's motion is found out by then.

        Where the segmenter leaves its mattes on a device, it runs while the frame before is observed, so that they come
        along with that one's result. From any thread, one at a time, in the frames' order. It changes no result, only
        when that is there.
        """
        self._scout.announce(frame.image)

    def step(self, frame: Frame, given: np.ndarray | None = None) -> Result:
        """Erase in one frame with what is known by now: live."""
        timer = StageTimer()
        return self.render(self.learn(frame, self.find(frame, given, timer), timer))

    def backdrop(self, result: Result) -> Result:
        """The result of the latest frame with the plate everywhere: what to show when no more frames come.

        What no frame has shown stays as `result` shows it.
        """
        shot = self._shot
        if shot is None:
            return result
        size = result.image.shape[:2]
        whole = Region(0, size[0], 0, size[1])
        background, trust = known(shot.plate, shot.registration.motion, shot.latest, whole)
        background, trust = self.home.fetch(ops.to_uint8(shot.exposure.apply(background)), trust)
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
        self._shot = Shot(read_plate(path, size, self.home), new=False)

    def observe(self, frame: Frame, given: np.ndarray | None = None) -> Pending:
        """Find what to erase, where the camera looks, what the plate knows of the hole; then refresh the plate.

        given: (H, W) uint8 mask from outside for this frame, 255 = erase. Raises EraserError where its size differs.
        Frames that were observed just before and are not rendered yet may be told that more is to be erased in them.
        """
        timer = StageTimer()
        pending = self.learn(frame, self.find(frame, given, timer), timer)
        with timer("mask"):
            for earlier in self._hindsight.add(frame.image, pending):
                self._cut_again(earlier)
        return pending

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
        glance = None
        if self.segmenter is not None:
            self._scout.announce(frame.image)  # so that it is looked at while the network runs
            with timer("segment"):
                begun = self._finder.expect(frame.image)
            if begun:  # on a device, which is done with it by then, so that its mattes are not waited for
                with timer("motion"):
                    glance = self._scout.take(frame.image)
        with timer("segment"):
            found, fault = self._look(frame)
        with timer("motion"):
            glance = glance or self._scout.take(frame.image)
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
            keep = None if found.keep is None else kept(self.home.sent(found.keep), mask)
            parts = found.matte is not None
            mask = belongings(mask, color, background, seen, parts=parts, shadow=self.settings.shadow)
            if found.matte is None or second is not None or location.agreement < AGREEMENT:
                shot.along.forget()
            else:
                along = shot.along.step(view, location.step, found.matte, found.foreign)
                mask = mask | ops.at_least(ops.resize(self.home.sent(along), (height, width)), 128)
            standing = None
            if found.matte is None or found.foreign is None or second is not None:
                shot.bystanders.forget()
            elif (stands := shot.bystanders.step(view, location.step, found.matte, found.foreign)).any():
                standing = stands
            imprint = self._imprint(found, mask, view, expected, sight)
            overlooked = None
            if found.matte is None or second is not None:
                shot.overlooked.forget()
            else:
                overlooked = shot.overlooked.step(view, location.step, found.matte, expected, sight.seen)
            if fault is not None and not self.settings.fail_open:
                mask, keep = ops.full_like(mask, 255), None
        with timer("update"):
            changed = masks.changed(color, background, self.home.sent(outside) & seen)
            other = masks.unlike(view.color, expected) & sight.seen
            known_open = outside if fault is None else np.zeros_like(outside)
            renewed = shot.restless.step(view, exposure, known_open, other, location.step)
        if (coming := self._scout.next) is not None:
            with timer("segment"):
                self._finder.expect(coming)
        # Masks from outside are exact, those of a network may miss the object for a moment.
        patience = 1 if found.matte is None else PATIENCE
        if found.foreign is not None and found.foreign.any():
            patience = AMONG
        mattes = None if found.matte is None else ops.at_least(found.matte, masks.ON)
        return Finding(
            shot.new, motion, anchored, exposure, mask, keep, changed, found.foreign, standing, imprint, patience,
            displaced, shown, fault, overlooked=overlooked, second=second, renewed=renewed if renewed.any() else None,
            between=location.blank, found=mattes, ago=shot.restless.ago, leaps=shot.restless.leaps,
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
        shot.exposure, shot.latest = finding.exposure, shot.layer(finding.second, motion)
        second = shot.latest
        self.stats.parallax += second is not None
        sent = self.home.sent

        def enlarged(mask: np.ndarray) -> np.ndarray:
            """A smaller mask of the finding at the frame's size."""
            return ops.at_least(ops.resize(sent(mask), plate.frame_size), 128)

        with timer("hole"):
            covered = self._cover(finding)
            bounds = ops.bounds_later(covered.inside)
            roi, decided = shot.outline.next(bounds, plate.frame_size, self.home)
        with timer("read"):
            if finding.imprint is not None:
                plate.forget(motion, ops.resize(sent(finding.imprint), plate.frame_size))
            if finding.overlooked is not None:
                plate.forget(motion, ops.resize(sent(finding.overlooked), plate.frame_size), mistaken=True)
            background, trust = known(plate, motion, second, roi)
        with timer("update"):
            image = self.home.picture(frame.image)
            foreign = None if finding.foreign is None else sent(finding.foreign)
            evidence = _evidence(covered, enlarged(finding.changed), foreign)
            if finding.renewed is not None:
                evidence = replace(evidence, renewed=enlarged(finding.renewed))
            if finding.standing is not None:
                evidence = replace(evidence, standing=enlarged(finding.standing) & ~covered.guard)
            if not finding.between and finding.fault is None:
                exposed = finding.exposure.remove(image)
                if second is not None and finding.second is not None:
                    there = enlarged(finding.second.mask)
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
        self._hindsight.release(pending)
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
            background, trust = pending.read_again()
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
            self._cut_again(pending, hole.bounds)
            return self.render(pending)
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
        finding, motion, timer = pending.finding, pending.present_motion, pending.timer
        if not self.home.answers_at_once:
            with timer("composite"):
                shown = show(pending.image, patch, pending.plate, motion, self._fade)
            if not patch.hole.holds(pending.plate.frame_size):
                return None
            guessed = shown.guessed if finding.fault is None else 0
            worn = guessed and pending.plate.is_worn(shown.invented, shown.invented_here, shown.hole_pixels)
            if not (shown.unseen or worn):
                return shown
        with timer("fill"):
            hole, trust = patch.hole, patch.trust
            unseen = patch.unknown & hole.inside
            if finding.fault is None and ops.count(ops.equals(trust, GUESSED)):
                unseen |= pending.plate.worn(motion, hole.roi, hole.inside) & ~ops.equals(trust, SEEN)
            if ops.count(unseen):
                patch = replace(patch, picture=self._completion.complete(pending, patch, unseen))
                if self._shot is not None:
                    self._shot.foresee()  # the plate has changed
        with timer("composite"):
            return show(pending.image, patch, pending.plate, motion, self._fade)

    def _cut_again(self, pending: Pending, bounds: Callable[[], Region | None] | None = None) -> None:
        """Cut the hole of a frame anew, and read what the plate knows of that by now; bounds: of it, where known."""
        covered = self._cover(pending.finding)
        bounds = bounds or ops.bounds_later(covered.inside)
        roi = room(bounds(), pending.plate.frame_size)
        pending.hole = Hole.of(covered, roi, bounds) if roi.height else None
        pending.background, pending.trust = pending.known(roi)

    def _shot_for(self, height: int, width: int) -> Shot:
        """The present shot, or a new one where there is none of this size."""
        if self._shot is None or self._shot.plate.frame_size != (height, width):
            if self._shot is not None:
                self._finder.objects.rescale(self._shot.plate.frame_size, (height, width))
            if self._shot is not None and ops.same_shape(self._shot.plate.frame_size, (height, width)):
                before = self._shot.plate
                self._shot.resize(height, width)
                self._completion.moved(before, self._shot.plate)
            else:
                self._shot = Shot(Plate(height, width, self.home))
        return self._shot

    def _cover(self, finding: Finding) -> Cover:
        """What is replaced of a frame."""
        keep = None if finding.keep is None else self.home.sent(finding.keep)
        dilate = growth(finding.mask.shape[0], self.settings.dilate, self._growth)
        return cover(self.home.sent(finding.mask), self.selection, dilate, keep)

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
        shot: Shot,
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
        return displaced, things(objects.tracks, candidates, frame.image)


def _outside(view: View, found: Found, fixed: np.ndarray | None) -> np.ndarray:
    """Where the view surely shows background: (h, w) uint8, 255 well outside everything that is or may be masked."""
    objects = np.zeros(view.size, np.uint8)
    if found.matte is not None:
        objects |= ops.at_least(ops.resize(found.matte, view.size), masks.OFF)
    for mask in (fixed, found.foreign):
        if mask is not None:
            objects |= ops.at_least(ops.resize(mask, view.size), 1)
    return ~ops.grow_square(objects, max(4, view.size[0] // 40))


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
