"""What shows again: where the background varies, the sample nearest in time may lie ahead.

A first pass notes every pixel that was hidden and has come back: when it was seen last, when it showed again, and what
it showed then. That it varies, and that what came back is no passer-by, `restless` says, at once or within
`WAITS` frames; who leaps away again within `SURE` frames was one. A second pass takes the notes in the order in which
pixels hide, so that it knows of every hidden one what it will show, and when.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import cv2
import numpy as np

from realtime import ops
from realtime.background.leaps import strongest
from realtime.background.plate import SEEN, Plate
from realtime.hole import beside, guard_width
from realtime.masks import CHANGED
from realtime.ops import Region
from realtime.tracking.film import Scraps

if TYPE_CHECKING:
    from realtime.pending import Pending

WAITS = 30  # frames after its return in which a pixel may turn out to vary
SURE = 12  # frames after its return in which it is still seen whether what came back stays
SAME = 20.0  # grey levels by which it may have changed since
FADE = 15.0  # frames, at most, in which what showed last turns into what shows next
OTHER = 12.0  # grey levels, averaged over what lies around, by which the two are other pictures, which never mix
AROUND = 11  # pixels
_NOTE = np.dtype([("x", np.int32), ("y", np.int32), ("turn", np.float32), ("back", np.float32), ("color", np.uint8, 3)])


class Returns:
    """The returns of one shot's pixels: `watch` every frame, then `foretell` every frame again. One thread at a time.

    scraps: where the notes are kept.
    """

    def __init__(self, scraps: Scraps) -> None:
        self._scraps = scraps
        self._notes: dict[int, list[int]] = defaultdict(list)  # numbers of the notes of what a frame shows last
        self._epochs: list[int] = []  # of each frame
        # hidden: 255 until a pixel is back; left: the last frame before; open: frames in a row in which it shows; back:
        # the first of them; color: what that shows; waits: 255 while it may yet turn out to vary; varies: 255 when it
        # has; turn: when the new takes the place of the old.
        self._past = _Layers(
            hidden=_NONE, left=_NEVER, open=_NONE, back=_NEVER, color=_BLACK, waits=_NONE, varies=_NONE, turn=_NEVER
        )
        self._next = _Layers(left=_NEVER, turn=_NEVER, back=_NEVER, color=_BLACK)  # the same of what is to come
        self._now = -1  # the frame that was foretold last

    def watch(self, pending: Pending) -> None:
        """Note what returns with the next frame, which the plate has learnt."""
        now, finding, plate, past = len(self._epochs), pending.finding, pending.plate, self._past
        self._epochs.append(plate.epoch)
        if pending.second is not None or finding.between:
            return
        past.follow(plate)
        part = ops.bounding_region(past["hidden"] | past["waits"] | past["varies"])
        hides = None if pending.hole is None else plate.footprint(pending.motion, pending.hole.roi)
        part = part.united(hides) if part is not None and hides is not None else part or hides
        if part is None:
            return
        size, matrix = (part.height, part.width), past.to_canvas(pending.motion, part)
        usable = _usable(pending)
        shown = ops.warp_mask(usable, matrix, size)
        covered = ops.warp_mask(np.full_like(usable, 255), matrix, size) & ~shown
        hidden, left, open, back, color, waits, varies, _ = past.cut(part)
        sure = varies & ~hidden & (covered | _mask(back < now - SURE))
        if sure.any():
            self._note(sure, part, plate)
            varies &= ~sure
            waits &= ~sure
        left[(covered & ~hidden) > 0] = now - 1
        hidden |= covered
        waits &= ~covered & _mask(back >= now - WAITS)
        varies &= ~covered
        open[:] = cv2.add(open, np.ones_like(open)) & hidden & shown
        first = ops.equals(open, 1)
        back[first > 0] = now
        waits |= first
        window = ops.bounding_region(first)
        if window is not None:
            color = color[window.slices]
            cv2.copyTo(_exposed(pending, matrix, window), first[window.slices], color)
        if waits.any() or varies.any():
            self._believe(pending, matrix, part, now)
        hidden &= ~ops.at_least(open, finding.patience)

    def end(self, plate: Plate) -> None:
        """No frame follows: what came back so late is believed, too; all but the notes is let go."""
        self._past.follow(plate)
        canvas = plate.canvas
        self._note(self._past["varies"] & ~self._past["hidden"], Region(0, canvas.height, 0, canvas.width), plate)
        self._past.clear()

    def _believe(self, pending: Pending, matrix: np.ndarray, part: Region, now: int) -> None:
        """Learn which pixels of a part of the canvas vary, and when what they show began.

        matrix: 3x3, pixels of the frame -> pixels of the part.
        """
        finding = pending.finding
        if finding.leaps is None or finding.ago is None:
            return
        size = part.height, part.width
        to_part = matrix @ ops.scaling(finding.ago.shape, pending.plate.frame_size)
        _, left, _, back, color, waits, varies, turn = self._past.cut(part)
        # Who leaps away again was somebody passing.
        leaps = ops.warp_nearest(finding.leaps, to_part, size) & ~ops.at_least(back, now)
        waits &= ~leaps
        varies &= ~leaps
        if finding.renewed is None:
            return
        renewed = waits & ops.warp_nearest(finding.renewed, to_part, size)
        window = ops.bounding_region(renewed)
        if window is None:
            return
        renewed = renewed[window.slices]
        left, back, color, waits, varies, turn = (
            layer[window.slices] for layer in (left, back, color, waits, varies, turn)
        )
        ago = ops.warp_nearest(finding.ago, to_part, size)[window.slices]
        picture = _exposed(pending, matrix, window)
        cv2.copyTo((left + back) / 2, renewed & ~varies, turn)
        cv2.copyTo(now - 0.5 - ago.astype(np.float32), renewed & ops.at_least(ago, 1), turn)
        # What was there when it showed again, and is no more, was somebody passing.
        varies |= renewed & ~ops.differs(picture, color, SAME)
        waits &= ~renewed | varies

    def _note(self, where: np.ndarray, part: Region, plate: Plate) -> None:
        """Keep what is to come of some pixels, (h, w) uint8, by the frame that showed them last, as the next lies."""
        y, x = np.nonzero(where)
        left, turn, back, color = (self._past[name][part.slices][y, x] for name in ("left", "turn", "back", "color"))
        for frame in np.unique(left):
            some = left == frame
            at = np.column_stack([x, y])[some] + (part.x0 + plate.canvas.x0, part.y0 + plate.canvas.y0)
            to_epoch = np.linalg.inv(plate.since(self._epochs[int(frame) + 1]))
            note = np.empty(len(at), _NOTE)
            note["x"], note["y"] = np.rint(ops.transform_points(to_epoch, at)).astype(np.int32).T
            note["turn"], note["back"], note["color"] = turn[some], back[some], color[some]
            self._notes[int(frame)].append(self._scraps.append(note.tobytes()))

    def foretell(self, pending: Pending) -> None:
        """Let the next frame, which was watched before, show what is nearer ahead than behind.

        Changes what the plate knew of its hole: background and trust.
        """
        last, self._now = self._now, self._now + 1
        coming, plate = self._next, pending.plate
        coming.follow(plate)
        for number in self._notes.pop(last, ()):
            note = np.frombuffer(self._scraps.read(number), _NOTE)
            y, x = note["y"] - plate.canvas.y0, note["x"] - plate.canvas.x0
            on = (y >= 0) & (y < plate.canvas.height) & (x >= 0) & (x < plate.canvas.width)
            coming["left"][y[on], x[on]] = last
            for name in ("turn", "back", "color"):
                coming[name][y[on], x[on]] = note[name][on]
        if pending.hole is None or pending.second is not None:
            return
        roi = pending.hole.roi
        part = plate.footprint(pending.motion, roi)
        if part is None or not (coming["back"][part.slices] > self._now).any():
            return
        size = roi.height, roi.width
        matrix = ops.translation(-roi.x0, -roi.y0) @ np.linalg.inv(coming.to_canvas(pending.motion, part))
        *frames, color = coming.cut(part)
        # What is not to come is black: no pixel may be mixed with it.
        ahead = ops.warp_mask(_mask(frames[2] > self._now), matrix, size)
        window = ops.neighbourhood(ahead, AROUND)
        if window is None:
            return
        matrix, size = ops.translation(-window.x0, -window.y0) @ matrix, (window.height, window.width)
        ahead = ahead[window.slices]
        color = ops.warp(color, matrix, size, cubic=False)
        left, turn, back = (ops.warp_nearest(layer, matrix, size) for layer in frames)
        whole = plate.home.fetch(pending.background, pending.trust)
        background, trust = (layer[window.slices] for layer in whole)
        known, seen = ahead & ops.at_least(back, self._now + 1), ops.equals(trust, SEEN)
        late = self._now - turn
        share = _share(background, color, known & seen, late, np.minimum(back - left, FADE))
        share[(known & ~seen) > 0] = 1
        shown = ops.to_uint8(cv2.blendLinear(color, np.ascontiguousarray(background), share, 1 - share))
        if share.any():
            # The plate is slow to believe what the frame shows beside it: it must not be taken for another exposure.
            place = window.moved(roi.y0, roi.x0)
            picture = ops.to_uint8(pending.finding.exposure.remove(pending.frame.image[place.slices]))
            usable = _usable(pending)[place.slices]
            cv2.copyTo(picture, ops.differs(picture, shown, CHANGED) & usable, shown)
        background[:], trust[:] = shown, np.maximum(trust, known & SEEN)
        pending.background, pending.trust = map(plate.home.sent, whole)


def _share(before: np.ndarray, after: np.ndarray, known: np.ndarray, late: np.ndarray, width: np.ndarray) -> np.ndarray:
    """How much of what comes after should show, (h, w) float32 in [0, 1], 0 where it is not known.

    before, after: (h, w, 3) uint8; known: (h, w) uint8; late: (h, w) float32, frames since the turn; width: the same,
    frames in which the one becomes the other where both are alike but for details.
    """
    weight = ops.to_weight(known)
    near = np.maximum(cv2.blur(weight, (AROUND, AROUND)), 1e-3)[..., None]
    difference = cv2.blur((after.astype(np.float32) - before) * weight[..., None], (AROUND, AROUND)) / near
    width = np.where(strongest(np.abs(difference)) > OTHER, 0, width)
    return np.clip(0.5 + late / np.maximum(width, 1e-3), 0, 1).astype(np.float32) * weight


def _exposed(pending: Pending, matrix: np.ndarray, window: Region) -> np.ndarray:
    """A frame's picture in the plate's exposure, (h, w, 3) uint8, in a window of where `matrix` leads."""
    to_window = ops.translation(-window.x0, -window.y0) @ matrix
    picture = ops.warp(pending.frame.image, to_window, (window.height, window.width))
    return ops.to_uint8(pending.finding.exposure.remove(picture))


def _usable(pending: Pending) -> np.ndarray:
    """Where a frame shows background: (H, W) uint8, 255 outside its hole and beside what is none."""
    height, width = pending.plate.frame_size
    usable, guard = np.full((height, width), 255, np.uint8), guard_width(height)
    if pending.hole is not None:
        roi = pending.hole.roi
        (inside,) = pending.plate.home.fetch(pending.hole.inside)
        around = cv2.copyMakeBorder(inside, guard, guard, guard, guard, cv2.BORDER_CONSTANT)
        y0, x0 = roi.y0 - guard, roi.x0 - guard
        y, x = max(0, y0), max(0, x0)
        open = ~ops.grow_square(around, guard)[y - y0 : height - y0, x - x0 : width - x0]
        usable[y : y + open.shape[0], x : x + open.shape[1]] = open
    foreign = pending.finding.foreign
    return usable if foreign is None else usable & beside(foreign, (height, width))


def _mask(where: np.ndarray) -> np.ndarray:
    """(h, w) bool as uint8, 255 where it is set."""
    return np.negative(where.view(np.uint8))


_NONE, _NEVER, _BLACK = np.uint8(0), np.float32(-1), np.zeros(3, np.uint8)


class _Layers:
    """Layers of pixels that keep to a plate's canvas: `follow` it before they are used."""

    def __init__(self, **empty: np.ndarray | np.generic) -> None:
        """empty: what each layer holds of a pixel that nothing is known of: a scalar, or one for each channel."""
        self._empty = empty
        self.clear()

    def clear(self) -> None:
        """Forget every pixel, and take no memory."""
        self._layers = {name: np.empty((0, 0, *np.shape(value)), value.dtype) for name, value in self._empty.items()}
        self._canvas, self._epoch = Region(0, 0, 0, 0), 0

    def __getitem__(self, name: str) -> np.ndarray:
        return self._layers[name]

    def cut(self, part: Region) -> tuple[np.ndarray, ...]:
        """A part of all layers, as views, in their order."""
        return tuple(layer[part.slices] for layer in self._layers.values())

    def follow(self, plate: Plate) -> None:
        """Lie as the plate's canvas lies now."""
        if (plate.canvas, plate.epoch) == (self._canvas, self._epoch):
            return
        old, new = self._canvas, plate.canvas
        matrix = ops.translation(-new.x0, -new.y0) @ plate.since(self._epoch) @ ops.translation(old.x0, old.y0)
        for name, value in self._empty.items():
            before = self._layers[name]
            self._layers[name] = np.full((new.height, new.width, *np.shape(value)), value)
            if before.size:
                cv2.warpPerspective(
                    before,
                    matrix,
                    (new.width, new.height),
                    self._layers[name],
                    flags=cv2.INTER_NEAREST,
                    borderMode=cv2.BORDER_TRANSPARENT,
                )
        self._canvas, self._epoch = new, plate.epoch

    def to_canvas(self, motion: np.ndarray, part: Region) -> np.ndarray:
        """3x3, pixels of the frame -> pixels of a part of the canvas."""
        return ops.translation(-self._canvas.x0 - part.x0, -self._canvas.y0 - part.y0) @ np.linalg.inv(motion)
