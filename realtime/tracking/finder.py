"""Finds what to erase in every frame, though the network runs only now and then.

In between, and as the network's guidance, mattes are carried along by optical flow. Objects that the user chose are
followed by a guided network, the small ones looked at closer (`looker`); where the network is not guided, people by
their part of the class's matte and other things by their colours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

import cv2
import numpy as np

from realtime import ops
from realtime.edits import Edit
from realtime.errors import EraserError
from realtime.masks import ON
from realtime.motion.flow import Flow, Reduced
from realtime.segment import Segmenter, network_size
from realtime.tracking import grabcut
from realtime.tracking.appearance import Appearance
from realtime.tracking.found import Found, Loss, summed_up
from realtime.tracking.judging import alike, answers, apart, beside, clicked_away, covered, near, united
from realtime.tracking.looker import Cue, Looker
from realtime.tracking.objects import Objects
from realtime.tracking.parts import Parts, claimed, deepest, hanging_together, part_at, split, value_at
from realtime.tracking.track import CLICK_LASTS, Click, Track

CLASSICAL_SIZE = 288, 512  # pixels, as of a network's input, at which colours are looked at without one
REFIT = 0.1  # seconds between two looks at colours alone
SEEK = 0.25  # seconds between two searches for a lost object
STRIDE = 0.08  # share of the height by which an object may outrun its carried matte from look to look
CLAIM = 0.015  # share of the height by which a person's part of the matte may outrun its carried matte
SWEEP = 0.1  # seconds between two looks at all of the picture, where nobody but chosen objects is erased
LOSSES = 50  # that are remembered


class SegmentationFault(EraserError):
    """The network failed on a frame."""


class Finder:
    """Finds what to erase in the frames of a job, given in order.

    State: the latest mattes of classes and objects, their picture, when the network last ran. interval, scale, closer:
    as in `realtime.settings.Pace`; patience: seconds between two searches for a lost object. Not thread-safe.
    """

    def __init__(
        self,
        segmenter: Segmenter | None,
        classes: Sequence[str],
        interval: float,
        *,
        watch: bool,
        home: ops.Home = ops.HOST,
    ):
        """segmenter: None where colours must do; classes: erased from the start; interval: seconds between two runs of
        the network; watch: whether parts of the classes' matte are to be known though nobody erases them; home: where
        the network's pictures are made.
        """
        self._home = home
        self.interval, self.scale, self.closer = interval, 1.0, True
        self.patience = SEEK
        self.objects = Objects(people=bool(classes))
        self.parts = Parts(self.objects.numbers)
        self.heard: list[Track] = []  # the objects that the latest edits spoke of, or that were planted
        self._segmenter, self._watch = segmenter, watch
        self._looker = None if segmenter is None else Looker(segmenter, home)
        self._classes = tuple(classes) or (segmenter.classes if segmenter else ())
        self._flow = Flow()
        self._matte: np.ndarray | None = None  # of the classes
        self._people = self.objects.people
        self._ran: float | None = None
        self._swept: float | None = None  # when it last looked at all of the picture
        self._refitted = self._sought = 0.0
        self._active = bool(classes)
        self._after_cut = False
        self.losses: deque[Loss] = deque(maxlen=LOSSES)

    def cut(self) -> None:
        """The next picture, or the latest one once more, has nothing to do with those before.

        Objects are sought in it at once; the holes of those that are not there are let go.
        """
        self._flow, self._matte, self._ran, self._sought, self._after_cut = Flow(), None, None, -np.inf, True
        for track in self.objects.tracks:
            if not track.fresh:
                track.state, track.sought = ("lost" if track.state == "followed" else "gone"), 0
                track.seen, track.rivals = -np.inf, frozenset()

    def settle(self, step: np.ndarray, size: tuple[int, int]) -> None:
        """What is bound to the background goes with it. step: 3x3, previous frame's pixels -> this (H, W) frame's."""
        self.objects.strokes.follow(step)
        for track in self.objects.tracks:
            to_matte = ops.scaling(size, (track.matte.shape[0], track.matte.shape[1]))
            track.settle(to_matte @ step @ np.linalg.inv(to_matte))

    def look(
        self,
        image: np.ndarray,
        time: float,
        edits: Sequence[Edit] = (),
        *,
        size: tuple[int, int] | None = None,
        seeds: Sequence[Track] = (),
    ) -> Found:
        """What to erase in the next frame, (H, W, 3) uint8 BGR at `time` seconds, after the user's edits.

        size: (H, W) whose pixels the edits are in, None for the image's; seeds: objects as they are in this very frame,
        which take the places of those with their numbers. Raises SegmentationFault where the network fails; what was
        found before stays, carried to this frame.
        """
        if not edits and not seeds and self._idle:
            return self._nothing(image)
        picture = _Picture(image, self.size(image), time)
        self._carry(picture)
        for seed in seeds:
            self.objects.plant(seed, picture.lab, time)
        kept = [track for track in self.objects.tracks if track.role == "keep"]
        for edit in edits:
            self.objects.apply(edit, size or image.shape[:2], picture.size, self._matte, self.parts, time)
        if self._idle:
            return self._nothing(image)
        self._active = True
        present = ("followed", "lost") if self._after_cut else ("followed",)
        followed = [track for track in self.objects.tracks if track.state in present]
        missing = [track for track in self.objects.tracks if track.state != "followed"]
        fresh = [track for track in self.objects.tracks if track.fresh and track.role != "none"]
        touched = [track for track in self.objects.tracks if track.touched and track.role != "none"]
        self.heard = fresh + [track for track in (*touched, *seeds) if not track.fresh]
        due = self._due(time)
        if self._needs_network(fresh) and (due or fresh or touched or self._matte is None):
            self._run(picture)
        elif due:
            self._matte = None  # nobody asks for people any longer
        if self._segmenter is None or not self._segmenter.guided:
            self._follow_by_hand(picture)
        for track in touched:
            self._touch(track, picture)
        found = [track for track in missing if track.state == "followed"]
        self._take_note(followed, time)
        self.objects.tidy()
        released = [track for track in kept if track.role != "keep"]
        return self._sum_up(picture, self._begun([*fresh, *touched, *found], released))

    def expect(self, image: np.ndarray) -> bool:
        """The next picture is there: let the network begin with it, where it runs on every picture and is not guided.

        It changes no answer: where another run will be needed, that is made. Returns whether a device is at it.
        """
        guided = any(track.role != "none" for track in self.objects.tracks)
        if self._segmenter is None or self.interval or guided or not self._needs_network([]):
            return False
        with suppress(Exception):  # `look` meets the same fault, and tells it
            return self._segmenter.begin(image, self._segmenter.size(image, self.scale), self._home)
        return False

    def size(self, image: np.ndarray) -> tuple[int, int]:
        """The mattes' (h, w): half of what the finder looks at."""
        height, width = picture_size(image, self._segmenter, self.scale)
        return height // 2, width // 2

    def _carry(self, picture: _Picture) -> None:
        """Bring all mattes to this picture."""
        step = self._flow.step(picture)
        if step is None:
            self.objects.fit(picture.size)
            if self._matte is not None and self._matte.shape != picture.size:
                self._matte, self._ran, self._swept = ops.resize(self._matte, picture.size), None, None
            return
        self.objects.carry(step, picture.time)
        if self._matte is not None and not (self._due(picture.time) and self._sweeps(picture.time)):
            self._matte = step.matte(self._matte)

    def _due(self, time: float) -> bool:
        """Whether the network is to run."""
        return self._ran is None or not 0 <= time - self._ran < self.interval

    def _sweeps(self, time: float) -> bool:
        """Whether it is to look at all of the picture, and not only at objects."""
        if self.objects.people or self._matte is None or self._swept is None:
            return True
        return not 0 <= time - self._swept < SWEEP

    def _needs_network(self, fresh: Sequence[Track]) -> bool:
        if self._segmenter is None:
            return False
        if self.objects.people or self._watch or fresh:
            return True
        tracks = [track for track in self.objects.tracks if track.role != "none"]
        return bool(tracks) and (self._segmenter.guided or any(track.person for track in tracks))

    def _run(self, picture: _Picture) -> None:
        """Run the network, guided to the objects where it can be."""
        assert self._segmenter is not None
        assert self._looker is not None
        tracks = [track for track in self.objects.tracks if track.role != "none"] if self._segmenter.guided else []
        tracks = [track for track in tracks if track.fresh or track.state == "followed" or self._seeks(picture)]
        cues, sweeps = [self._cue(track, picture) for track in tracks], self._sweeps(picture.time)
        try:
            carried = None if sweeps else self._matte
            matte, mattes = self._looker.look(
                picture.image, self._classes, cues, self.scale, carried=carried, closer=self.closer
            )
            looks = [self._nearer(*each, picture) for each in zip(tracks, cues, mattes, strict=True)]
        except Exception as error:  # onnxruntime's errors share no base class
            raise SegmentationFault(f"the segmenter failed: {' '.join(str(error).split())}") from error
        self._matte, self._ran = matte, picture.time
        self._swept = picture.time if sweeps else self._swept
        for track, answer in zip(tracks, looks, strict=True):
            if track.fresh:
                self._begin(track, answer, picture)
            elif track.state == "followed":
                track.look(self._looked(track, answer, picture), picture.lab, picture.time)
            else:
                self._seek(track, answer, picture)
            track.others = None if matte is None else beside(matte, track.matte)

    def _cue(self, track: Track, picture: _Picture) -> Cue:
        """What the network is told of a track: where it was, clicks on it, clicks beside it."""
        if track.fresh:
            before = track.matte
            if track.boxed:
                before = self._cut_out(track, picture)
            elif track.clicks and track.appearance is None:  # the class's part may hold others: the click tells
                before = np.zeros_like(track.matte)
            return Cue(before, track.clicks, sure=False)
        if track.state == "followed":
            clicks = [*_lasting(track, picture.time), *_told_apart(track, picture.time)]
            return Cue(track.matte, clicks, sure=not track.doubts)
        return Cue(*self._hint(track, picture), sure=False)

    def _nearer(self, track: Track, cue: Cue, answer: np.ndarray, picture: _Picture) -> np.ndarray:
        """The answer to the user's word, made more exact, where it was one."""
        assert self._looker is not None
        inside = [(click.x, click.y) for click in cue.clicks if click.inside]
        if not track.fresh or not answers(answer, inside, track.matte):
            return answer
        nearer = self._looker.again(picture.image, cue, answer, self.scale)
        return nearer if answers(nearer, inside, track.matte) else answer

    def _hint(self, track: Track, picture: _Picture) -> tuple[np.ndarray, list[Click]]:
        """Where to look for a lost object: in turn where it was, where it would have gone, where its colours are."""
        track.sought += 1
        if track.state == "lost" and track.sought % 3 == 1:
            return track.hole(), []
        if track.state == "lost" and track.sought % 3 == 2 and np.isfinite(track.seen):
            return track.expected(picture.time), []
        region = self._likely(track, picture)
        x, y = (region.x0 + region.x1 - 1) / 2, (region.y0 + region.y1 - 1) / 2
        return np.zeros_like(track.matte), [Click(x, y, True, picture.time)]

    def _begin(self, track: Track, answer: np.ndarray | None, picture: _Picture) -> None:
        """Take the first matte after the user's word: the network's answer or, where that is none, by colours."""
        inside = [(click.x, click.y) for click in track.clicks if click.inside]
        outside = [(click.x, click.y) for click in track.clicks if not click.inside]
        matte = None
        if answer is not None and answers(answer, inside, track.matte):
            anchor = grabcut.discs(picture.size, inside, 1.0) if inside else ops.at_least(track.matte, ON)
            matte = hanging_together(answer, anchor)
        if matte is not None and self._matte is not None and len(inside) == 1 and not outside:
            matte = united(matte, part_at(self._matte, *inside[0]))
        if matte is None:
            matte = self._cut_out(track, picture)
        if outside:
            matte = clicked_away(matte, inside, outside)
        self._recognise(track, matte, picture)
        track.begin(track.corrected(matte, picture.time), picture.lab, picture.time)
        track.person = self._matte is not None and covered(matte, self._matte)

    def _touch(self, track: Track, picture: _Picture) -> None:
        """Follow an object from here as the brush has corrected it."""
        matte, track.touched = track.corrected(track.matte, picture.time), False
        if (matte >= ON).any():
            track.begin(matte, picture.lab, picture.time)
        else:
            track.lose()

    def _cut_out(self, track: Track, picture: _Picture) -> np.ndarray:
        """An object's matte without a guided network: its part of the class's matte, or by its colours."""
        inside = [(click.x, click.y) for click in track.clicks if click.inside]
        outside = [(click.x, click.y) for click in track.clicks if not click.inside]
        was = ops.at_least(track.matte, ON)
        region = ops.bounding_region(was)
        if track.boxed and region is not None:
            box = was
            was = grabcut.from_box(picture.small, region, outside)
            part = None if self._matte is None else np.where(box > 0, self._matte, np.float32(0))
            return part if part is not None and alike(ops.at_least(part, ON), was) else was / np.float32(255)
        matte = np.zeros(picture.size, np.float32)
        known = [] if self._matte is None else [part_at(self._matte, x, y) for x, y in inside]
        for part in known:
            matte = matte if part is None else np.maximum(matte, part)
        rest = [point for point in inside if value_at(matte, *point) < ON]
        if region is not None:  # a refinement: what was known of it stays, but for what was clicked away
            kept = self._refitted_mask(track, picture) if outside else was
            matte = np.maximum(matte, kept / np.float32(255))
            rest = [point for point in rest if value_at(matte, *point) < ON]
        if rest:
            matte = np.maximum(matte, grabcut.from_clicks(picture.small, rest, outside) / np.float32(255))
        return matte

    def _recognise(self, track: Track, matte: np.ndarray, picture: _Picture) -> None:
        """Where the user points at an object that was lost, the new track takes its place."""
        if track.appearance is not None:
            return
        for other in self.objects.tracks:
            lost = other.role == "erase" and other.state != "followed" and other is not track
            if lost and other.found(matte, picture.lab, picture.time):
                track.number, other.role = other.number, "none"

    def _seeks(self, picture: _Picture) -> bool:
        """Whether lost objects are sought in this frame."""
        if abs(picture.time - self._sought) >= self.patience:
            self._sought = picture.time
        return self._sought == picture.time

    def _follow_by_hand(self, picture: _Picture) -> None:
        """Follow the objects without a guided network."""
        refit = abs(picture.time - self._refitted) >= REFIT
        for track in self.objects.tracks:
            if track.role == "none":
                continue
            if track.fresh:
                self._begin(track, None, picture)
            elif track.state != "followed":
                if self._seeks(picture):
                    self._seek(track, None, picture)
            elif track.person and self._matte is not None:
                if self._ran == picture.time:
                    track.look(self._looked(track, None, picture), picture.lab, picture.time)
            elif refit:
                self._refitted = picture.time
                soft = cv2.blur(self._refitted_mask(track, picture), (3, 3)).astype(np.float32) / np.float32(255)
                track.look(soft, picture.lab, picture.time)

    def _refitted_mask(self, track: Track, picture: _Picture) -> np.ndarray:
        """A track's mask, (h, w) uint8, drawn along the edges of this picture."""
        mask = ops.at_least(track.matte, ON)
        appearance = track.appearance or Appearance(picture.lab, track.matte)
        likely = appearance.likelihood(picture.lab, mask, max(6, picture.size[0] // 8))
        outside = [(click.x, click.y) for click in _lasting(track, picture.time)]
        return grabcut.refit(picture.small, mask, likely, outside)

    def _looked(self, track: Track, answer: np.ndarray | None, picture: _Picture) -> np.ndarray:
        """A look at an object: a guided network's answer, with the part of the class's matte that belongs to it."""
        own = ops.at_least(track.matte, ON)
        if answer is not None:
            stride = max(2, round(STRIDE * picture.size[0]))
            reached = np.where(ops.grow(own, stride) > 0, answer, np.float32(0))
            answer = hanging_together(reached, ops.grow(own, stride // 2))  # a pole before it may cut it in two
        if not track.person or self._matte is None:
            assert answer is not None, "things of no class need a guided network, or are followed by their colours"
            if self._matte is None:
                return answer
            people = ops.at_least(self._matte, ON) & ~ops.grow(own, 1)  # a thing does not grow over people
            return np.where(people > 0, np.float32(0), answer)
        claim, shared = claimed(self._matte, track.matte, max(2, round(CLAIM * picture.size[0])))
        if answer is not None:
            claim = answer if shared else np.maximum(answer, near(claim, answer))
        return track.familiar(claim, picture.lab, picture.time)

    def _seek(self, track: Track, answer: np.ndarray | None, picture: _Picture) -> None:
        """Look for an object that was lost, in the network's answer, among the people, by its colours."""
        chosen = self._taken(track, picture)
        tries = [] if answer is None else [answer]
        if track.person and self._matte is not None:
            tries += [np.where(part > 0, self._matte, np.float32(0)) for part in split(self._matte, chosen)]
        elif answer is None:
            tries.append(grabcut.from_box(picture.small, self._likely(track, picture)) / np.float32(255))
        for matte in sorted(tries, key=lambda matte: track.away(matte, picture.time)):
            mask = ops.at_least(matte, ON)
            if alike(mask, chosen) or self._part_of(mask) in track.rivals:
                continue
            if track.found(matte, picture.lab, picture.time):
                return

    def _part_of(self, mask: np.ndarray) -> int | None:
        """The number of the part of the picture before that most of a mask, (h, w) uint8, lies in; None without one."""
        area = cv2.countNonZero(mask)
        parts = (part for part in self.parts.latest if part.mask.shape == mask.shape)
        return next((part.number for part in parts if cv2.countNonZero(mask & part.mask) * 2 > area), None)

    def _likely(self, track: Track, picture: _Picture) -> ops.Region:
        assert track.appearance is not None, "begun before it was lost"
        side = max(3, round(track.usual**0.5))
        return track.appearance.find(picture.lab, (side, side), self._taken(track, picture))

    def _taken(self, track: Track, picture: _Picture) -> np.ndarray:
        """Where other objects are, (h, w) uint8."""
        taken = np.zeros(picture.size, np.uint8)
        for other in self.objects.tracks:
            if other is not track and other.role != "none" and other.state == "followed" and not other.fresh:
                taken |= ops.at_least(other.matte, ON)
        return taken

    def _begun(self, fresh: Sequence[Track], released: Sequence[Track]) -> np.ndarray | None:
        """What is erased from this frame on, (h, w) uint8, None where nothing is. released: who was kept until now."""
        masks = [ops.at_least(track.matte, ON) for track in (*fresh, *released) if track.role == "erase"]
        if self.objects.people:
            masks += [ops.at_least(track.matte, ON) for track in released if track.role == "none"]
        if self.objects.people and not self._people and self._matte is not None:
            masks.append(ops.at_least(self._matte, ON))
        self._people = self.objects.people
        return np.bitwise_or.reduce(masks) if masks else None

    def _take_note(self, followed: Sequence[Track], time: float) -> None:
        """Note which of the objects that were followed, or known before a cut, are no longer, and since when."""
        for track in followed:
            if track.role == "none" or track.state == "followed":
                continue
            track.rivals = frozenset(part.number for part in self.parts.latest)
            if self._after_cut:
                track.state = "gone"
                self.losses.append(Loss(track.number, time, "the scene changed, and it is not there"))
            elif track.role == "keep":
                self.losses.append(Loss(track.number, time, "lost; it was to stay, and is erased again"))
            elif track.state == "lost":
                self.losses.append(Loss(track.number, time, "lost; the hole where it was stays closed"))
        self._after_cut = False

    @property
    def matte(self) -> np.ndarray | None:
        """Of the classes in the latest picture, (h, w) float32, None where nobody asks for it."""
        return self._matte

    @property
    def _idle(self) -> bool:
        """Whether there is nothing to look for."""
        return not (self.objects.people or self.objects.tracks or self._watch)

    def _nothing(self, image: np.ndarray) -> Found:
        self._flow, self._matte, self._ran, self._people = Flow(), None, None, self.objects.people
        return Found(np.zeros(self.size(image), np.float32) if self._active else None)

    def _sum_up(self, picture: _Picture, begun: np.ndarray | None) -> Found:
        found = summed_up(self._matte, self.objects.people, self.objects.tracks, picture.size)
        if self._watch and self._matte is not None:
            chosen = np.zeros(picture.size, np.uint8) if found.matte is None else ops.at_least(found.matte, ON)
            self.parts.update(self._matte, chosen if found.keep is None else chosen | found.keep)
        return replace(found, begun=begun)


def picture_size(image: np.ndarray, segmenter: Segmenter | None, scale: float = 1.0) -> tuple[int, int]:
    """The (H, W) at which a finder looks at a picture: as the network takes it, or as colours are looked at."""
    if segmenter is not None:
        return segmenter.size(image, scale)
    return network_size(image.shape[0], image.shape[1], CLASSICAL_SIZE, 2)


class _Picture(Reduced):
    """A frame at the mattes' size. time: seconds."""

    def __init__(self, image: np.ndarray, size: tuple[int, int], time: float):
        super().__init__(image, size)
        self.time = time

    @cached_property
    def lab(self) -> np.ndarray:
        """(h, w, 3) uint8 CIE Lab."""
        return cv2.cvtColor(self.small, cv2.COLOR_BGR2Lab)


def _lasting(track: Track, time: float) -> list[Click]:
    """The clicks that still count: those beside the object, for a while, since what was clicked away likes to return.

    The flow may carry a click off a small object: one on it would then show the network something else.
    """
    return [click for click in track.clicks if not click.inside and time - click.since <= CLICK_LASTS]


def _told_apart(track: Track, time: float) -> list[Click]:
    """Clicks that tell a network an object from the people beside it: on them, and on it; none where it is alone."""
    own = ops.at_least(track.matte, ON)
    strangers = [] if track.others is None else apart(track.others, own)
    if not strangers or not own.any():
        return []
    here, _ = deepest(own)
    return [Click(*here, True, time), *(Click(*there, False, time) for there in strangers)]
