"""The plate: a motion-registered memory of the background, with a trust for each pixel.

It lives in the coordinates of an anchor frame, on a canvas that grows with the view and is re-anchored when it would
grow too large. Colours are stored in the anchor's exposure. Reading resamples once; a still camera never resamples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

from realtime import ops
from realtime.ops import HOST, Home, Region

UNSEEN, GUESSED, SEEN = ops.UNSEEN, ops.GUESSED, ops.SEEN

REFRESH = 1.0 / 8.0  # share of the new sample in the running average of a SEEN pixel
SETTLED = 30  # frames in a row that something else must stay in the open to replace what was SEEN
MAX_FRAMES = 4.0  # canvas area, in frames, beyond which the plate is re-anchored
MAX_ZOOM = 1.25  # scale between frame and plate, either way, beyond which it is re-anchored
WORN = 1.5  # share of a guess that has shown since, times the frames since then, beyond which it is made anew
WORTH = 0.45  # share of a hole that must be invented for its guess to be made anew
APART = 0.06  # of the frame's height: what was glimpsed farther from what was seen was let through by a mask
MARGIN = 0.25  # share of the frame that the canvas grows by beyond what is needed at once


@dataclass(frozen=True)
class Evidence:
    """What a frame says about the background, (H, W) uint8 each.

    usable: 255 where it shows background; doubtful: where it probably does; changed: where it shows something else than
    the plate; renewed: where that is to be believed at once, without any average; standing: where somebody stands still
    who is not erased, and is what an object hides until the background is known; None each where it is nowhere.
    """

    usable: np.ndarray
    doubtful: np.ndarray
    changed: np.ndarray
    renewed: np.ndarray | None = None
    standing: np.ndarray | None = None

    def only(self, mask: np.ndarray, edge: int) -> Evidence:
        """The same of what lies in a (H, W) uint8 mask, and not surely within `edge` pixels of its rim."""
        inner = ops.shrink(mask, edge)
        return replace(self, usable=self.usable & inner, doubtful=(self.usable | self.doubtful) & mask & ~inner)

    def warped(self, matrix: np.ndarray, size: tuple[int, int]) -> Evidence:
        """The same in the pixels that `matrix` maps to."""
        there = {each.name: mask for each in fields(self) if (mask := getattr(self, each.name)) is not None}
        return Evidence(**{name: ops.warp_mask(mask, matrix, size) for name, mask in there.items()})


class Plate:
    """Background memory of one shot.

    A motion is the 3x3 homography from anchor coordinates to the current frame's pixels. It holds for the anchor of its
    time: `epoch` counts re-anchorings, and `since(epoch)` translates an older motion's source to the present anchor.
    """

    def __init__(self, height: int, width: int, home: Home = HOST):
        """height, width: of the frames; home: where their pixels are, and those of the plate."""
        self.frame_size = height, width
        self.home = home
        self.epoch = 0
        self.changes = 0  # counts whatever may have changed what is read
        self.mistakes = 0  # counts what was SEEN and had never been background
        self._color: np.ndarray = home.zeros((height, width, 3), np.float32)  # BGR, exposure of the anchor
        self._trust: np.ndarray = home.zeros((height, width))
        # 255 where a GUESSED pixel is not invented: a frame showed it, but not for long enough or too near an object.
        self._glimpsed: np.ndarray = home.zeros((height, width))
        # Frames in a row for which a pixel has been in the open; more than the plate's patience only while it shows
        # something else than is known.
        self._age: np.ndarray = home.zeros((height, width))
        self._invented = 0.0  # pixels that are invented, or were and have shown since
        self._guess_age = 0.0  # frames that the plate has learnt since they were invented, in the mean
        self._origin = 0, 0  # (x, y) of the canvas' first pixel in anchor coordinates, whole pixels
        self._rebased: list[np.ndarray] = []  # [k] maps coordinates of anchor k to those of anchor k + 1

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], home: Home = HOST) -> Plate:
        """The plate that gave `arrays`, without what it had invented; KeyError or ValueError where they are none."""
        color, trust, (x, y), (height, width) = (arrays[name] for name in ("color", "trust", "origin", "frame_size"))
        if color.shape != (*trust.shape, 3) or color.dtype != np.uint8 or trust.dtype != np.uint8 or trust.max() > SEEN:
            raise ValueError("these arrays are no plate")
        plate = cls(int(height), int(width), home)
        layers = color.astype(np.float32), trust.copy(), ops.equals(trust, GUESSED), np.zeros_like(trust)
        plate._color, plate._trust, plate._glimpsed, plate._age = map(home.sent, layers)
        plate._origin = int(x), int(y)
        return plate

    def arrays(self) -> dict[str, np.ndarray]:
        """What frames have shown, to be stored: color (h, w, 3) uint8 BGR and trust (h, w) uint8 of the canvas, origin
        (x, y) of its first pixel in anchor coordinates, frame_size (H, W). What was invented is left out.
        """
        trust = self._trust.copy()
        ops.put(trust, self.inventions(), UNSEEN)
        color, trust = self.home.fetch(ops.to_uint8(self._color), trust)
        return {
            "color": color,
            "trust": trust,
            "origin": np.array(self._origin),
            "frame_size": np.array(self.frame_size),
        }

    @property
    def nbytes(self) -> int:
        layers = self._color, self._trust, self._glimpsed, self._age
        return sum(layer.nbytes for layer in layers)

    @property
    def canvas(self) -> Region:
        """What it may know anything of, in anchor coordinates."""
        x, y = self._origin
        return Region(y, y + self._trust.shape[0], x, x + self._trust.shape[1])

    def since(self, epoch: int) -> np.ndarray:
        """The 3x3 matrix from the coordinates of the anchor of `epoch` to those of the present one."""
        matrix = np.eye(3)
        for step in self._rebased[epoch:]:
            matrix = step @ matrix
        return matrix

    def footprint(self, motion: np.ndarray, region: Region) -> Region | None:
        """The canvas indices that a region of the frame is read from, with room for the bicubic kernel."""
        if not region.height or not region.width:
            return None
        if _is_identity(motion):
            extent: Region | None = region
        else:
            extent = self._extent(motion, region)
            extent = extent and Region(extent.y0 - 3, extent.y1 + 3, extent.x0 - 3, extent.x1 + 3)
        if extent is None:
            return None
        canvas = self.canvas
        y0, y1 = max(extent.y0, canvas.y0), min(extent.y1, canvas.y1)
        x0, x1 = max(extent.x0, canvas.x0), min(extent.x1, canvas.x1)
        if y1 - y0 < 1 or x1 - x0 < 1:
            return None
        return Region(y0 - canvas.y0, y1 - canvas.y0, x0 - canvas.x0, x1 - canvas.x0)

    def read(self, motion: np.ndarray, region: Region) -> tuple[np.ndarray, np.ndarray]:
        """What the plate knows of a region of the frame.

        motion: anchor -> frame pixels. Returns (h, w, 3) uint8 BGR in the anchor's exposure, and (h, w) uint8 trust;
        colours where trust is UNSEEN mean nothing. Bicubic; a pixel counts as known when its whole footprint is.
        """
        return self.read_scaled(motion, region, (region.height, region.width))

    def read_scaled(
        self, motion: np.ndarray, region: Region, size: tuple[int, int], *, cubic: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `read`, resampled straight into (H, W) = `size`."""
        source = self.footprint(motion, region)
        if source is None:
            return self.home.zeros((*size, 3)), self.home.zeros(size)
        window = self._canvas_window(region) if _is_identity(motion) else None
        if window is not None:
            color, trust = self._color[window.slices], self._trust[window.slices]
            if size == trust.shape:
                return ops.to_uint8(color), trust.copy()
            return ops.to_uint8(ops.resize(color, size)), ops.resize_levels(trust, size)
        to_size = ops.scaling((region.height, region.width), size) @ ops.translation(-region.x0, -region.y0)
        x, y = self._origin[0] + source.x0, self._origin[1] + source.y0
        matrix = to_size @ motion @ ops.translation(x, y)
        color = ops.warp(self._color[source.slices], matrix, size, cubic=cubic)
        return ops.to_uint8(color), ops.warp_levels(self._trust[source.slices], matrix, size, SEEN)

    def update(self, image: np.ndarray, motion: np.ndarray, evidence: Evidence, patience: int = 1) -> None:
        """Refresh the plate from a frame.

        image: (H, W, 3) uint8 or float32 BGR, already in the anchor's exposure; motion: anchor -> frame pixels.

        SEEN pixels are averaged, others overwritten, once they have been usable for `patience` frames in a row, so that
        a mask which misses its object for a moment leaves no ghost. A SEEN pixel that shows something else is not
        averaged, which would smear both, but replaced when the new has settled, or is told to be. What is UNSEEN or
        invented takes usable and doubtful pixels at once, as GUESSED.
        """
        self.changes += 1
        self._guess_age += 1
        height, width = self.frame_size
        frame = Region(0, height, 0, width)
        if _is_identity(motion):
            window = self._canvas_window(frame)
            if window is not None:
                self._refresh(window, image, evidence, patience)
                return
        window = self._cover(motion)
        if window is None:
            return
        matrix = self._from_frame(window, motion, frame)
        size = window.height, window.width
        warped = ops.warp(image, matrix, size)
        self._refresh(window, warped, evidence.warped(matrix, size), patience)

    def write_guess(self, image: np.ndarray, motion: np.ndarray, region: Region, guessed: np.ndarray) -> None:
        """Store a fill as GUESSED where no frame has shown the background.

        image: (h, w, 3) float32 BGR of the region, in the anchor's exposure; guessed: (h, w) uint8, 255 = filled here.
        """
        self.changes += 1
        source = self.footprint(motion, region)
        if source is None:
            return
        matrix, size = self._from_frame(source, motion, region), (source.height, source.width)
        still = _is_identity(motion) and size == (region.height, region.width)
        color = image if still else ops.warp(image, matrix, size)
        # The edge of a guess is shared with known pixels, so half a footprint is enough here.
        soft = guessed if still else ops.warp_soft(guessed, matrix, size)
        trust = self._trust[source.slices]
        new = ops.at_least(soft, 64) & ~ops.equals(trust, SEEN) & ~self._glimpsed[source.slices]
        before = ops.count(self.inventions())
        ops.copy_where(ops.to_float(color), new, self._color[source.slices])
        ops.put(trust, new, GUESSED)
        # What stays of older guesses keeps its age: a sliver at the hole's rim makes nothing new.
        invented = ops.count(self.inventions())
        older = 1 - ops.count(new) / max(1, invented)
        self._invented = invented + older * (self._invented - before)
        self._guess_age *= older

    def worn(self, motion: np.ndarray, region: Region, hole: np.ndarray) -> np.ndarray:
        """Where guesses in a hole should be made anew, because much that they had to guess has shown since.

        hole: (h, w) uint8 of a region of the frame. Returns the same, empty where little of the hole is invented: what
        is about to show needs no better guess.
        """
        invented = ops.count(self.inventions())
        if self._has_worn(invented):
            there = self.invented_in(motion, region) & hole
            if self.is_worn(invented, ops.count(there), ops.count(hole)):
                self._doubt_islands(motion, region, hole)
                return self.invented_in(motion, region) & hole
        return self.home.zeros((region.height, region.width))

    def _doubt_islands(self, motion: np.ndarray, region: Region, hole: np.ndarray) -> None:
        """Take what was glimpsed in a hole for invented where it lies apart from all that has been SEEN.

        What a mask lets through for a moment lies in an object's middle, what an object uncovers lies at its rim.
        People who stood there are wider than such scraps.
        """
        source = self.footprint(motion, region)
        if source is None:
            return
        there = ops.warp_soft(hole, self._from_frame(source, motion, region), (source.height, source.width))
        apart = max(1, round(APART * self.frame_size[0]))
        seen = ops.equals(self._trust[source.slices], SEEN) | ops.opened(self._glimpsed[source.slices], apart)
        islands = there & ~ops.grow_square(seen, apart)
        ops.put(self._glimpsed[source.slices], islands, 0)

    def inventions(self) -> np.ndarray:
        """Where the canvas holds what no frame has shown: (h, w) uint8."""
        return ops.equals(self._trust, GUESSED) & ~self._glimpsed

    def invented_in(self, motion: np.ndarray, region: Region) -> np.ndarray:
        """Where a region of the frame shows what was invented: (h, w) uint8."""
        size = region.height, region.width
        source = self.footprint(motion, region)
        if source is None:
            return self.home.zeros(size)
        x, y = self._origin[0] + source.x0, self._origin[1] + source.y0
        matrix = ops.translation(-region.x0, -region.y0) @ motion @ ops.translation(x, y)
        return ops.at_least(ops.warp_soft(self.inventions()[source.slices], matrix, size), 64)

    def is_worn(self, invented: int, here: int, size: int) -> bool:
        """Whether guesses are to be made anew: invented: pixels of the plate, here: of a hole with `size` pixels."""
        return self._has_worn(invented) and here >= WORTH * size

    def _has_worn(self, invented: int) -> bool:
        """Whether so much has shown of what was invented, for so long, that seams are seen around the rest.

        Somebody who walks off shows all of it in a moment, for which no new guess is worth while; what shows of it when
        somebody sways stays to be seen.
        """
        return (self._invented - invented) * self._guess_age > WORN * self._invented

    def forget(self, motion: np.ndarray, mask: np.ndarray, *, mistaken: bool = False) -> None:
        """Forget what a frame shows where mask, (H, W) uint8, is set: that is background no more.

        mistaken: it never was, and no frame that waits should show it.
        """
        self.changes += 1
        self.mistakes += mistaken
        height, width = mask.shape
        whole = Region(0, height, 0, width)
        source = self.footprint(motion, whole)
        if source is None:
            return
        there = ops.warp_soft(mask, self._from_frame(source, motion, whole), (source.height, source.width))
        ops.put(self._trust[source.slices], there, UNSEEN)
        ops.put(self._glimpsed[source.slices], there, 0)
        ops.put(self._age[source.slices], there, 0)

    def needs_anchor(self, motion: np.ndarray) -> bool:
        """Whether the view has gone so far, or zoomed so much, that the plate should move to the present frame."""
        if _is_identity(motion):
            return False
        height, width = self.frame_size
        extent = self._extent(motion, Region(0, height, 0, width))
        if extent is None:
            return True
        canvas = self.canvas
        total = _union(canvas, extent)
        if total.height * total.width > MAX_FRAMES * height * width and not _inside(extent, canvas):
            return True
        zoom = np.sqrt(_area_scale(motion, height, width))
        return not 1 / MAX_ZOOM < zoom < MAX_ZOOM

    def anchor(self, motion: np.ndarray) -> None:
        """Make the present frame the anchor; what is in or near its view is resampled once, the rest is let go."""
        self.changes += 1
        height, width = self.frame_size
        margin = round(max(height, width) * MARGIN)
        x, y = self._origin
        matrix = ops.translation(margin, margin) @ motion @ ops.translation(x, y)
        size = height + 2 * margin, width + 2 * margin
        color = ops.warp(self._color, matrix, size)
        invented = ops.count(self.inventions())
        self._trust = ops.warp_levels(self._trust, matrix, size, SEEN)
        self._color = color
        self._glimpsed = ops.warp_mask(self._glimpsed, matrix, size)
        self._invented *= ops.count(self.inventions()) / max(1, invented)  # guesses have worn as far as before
        self._age = self.home.zeros(size)
        self._origin = -margin, -margin
        self._rebased.append(motion.copy())
        self.epoch += 1

    def resized(self, height: int, width: int) -> Plate:
        """The same background for frames of another size that show the same view; anchor and canvas scale alike."""
        to_new = ops.scaling(self.frame_size, (height, width))
        corners = ops.transform_points(to_new, ops.region_corners(self.canvas)) + 0.5
        (x0, y0), (x1, y1) = np.rint(corners.min(0)).astype(int), np.rint(corners.max(0)).astype(int)
        size = max(1, int(y1 - y0)), max(1, int(x1 - x0))
        new = Plate(height, width, self.home)
        new._origin = int(x0), int(y0)
        matrix = ops.translation(-x0, -y0) @ to_new @ ops.translation(*self._origin)
        color, *layers = self.home.fetch(self._color, self._trust, self._glimpsed, self._age)  # it happens seldom
        color = ops.resize(color, size) if size == (height, width) else ops.warp(color, matrix, size, cubic=False)
        layers[0] = ops.shrink(layers[0], 1)  # the least trusted of the pixels that are averaged counts
        new._color = self.home.sent(color)
        new._trust, new._glimpsed, new._age = (self.home.sent(_warp_nearest(one, matrix, size)) for one in layers)
        new._invented, new._guess_age = self._invented * float(to_new[0, 0] * to_new[1, 1]), self._guess_age
        return new

    def _refresh(self, window: Region, image: np.ndarray, evidence: Evidence, patience: int) -> None:
        layers = self._color, self._trust, self._glimpsed, self._age
        color, trust, glimpsed, age = (layer[window.slices] for layer in layers)
        said = evidence.usable, evidence.doubtful, evidence.changed
        ops.refresh(color, trust, glimpsed, age, image, *said, patience=patience, settled=SETTLED, share=REFRESH)
        if evidence.renewed is not None:
            newest = evidence.renewed & evidence.usable
            there = ops.neighbourhood(newest, 0)
            if there is not None:
                within = there.slices
                seen = newest[within] & ops.equals(trust[within], SEEN)
                ops.copy_where(ops.to_float(image[within]), seen, color[within])
        if evidence.standing is not None:
            there = ops.neighbourhood(evidence.standing, 0)
            if there is not None:
                within = there.slices
                unknown = evidence.standing[within] & ~ops.equals(trust[within], SEEN)
                ops.copy_where(ops.to_float(image[within]), unknown, color[within])
                ops.put(trust[within], unknown, GUESSED)
                ops.put(glimpsed[within], unknown, 255)

    def _from_frame(self, source: Region, motion: np.ndarray, region: Region) -> np.ndarray:
        """The 3x3 matrix from the pixels of a region of the frame to those of the canvas' part `source`."""
        x, y = self._origin[0] + source.x0, self._origin[1] + source.y0
        return ops.translation(-x, -y) @ np.linalg.inv(motion) @ ops.translation(region.x0, region.y0)

    def _canvas_window(self, region: Region) -> Region | None:
        """A region in anchor coordinates as canvas indices, None where it is not wholly on the canvas."""
        x, y = self._origin
        return (
            Region(region.y0 - y, region.y1 - y, region.x0 - x, region.x1 - x) if _inside(region, self.canvas) else None
        )

    def _extent(self, motion: np.ndarray, region: Region) -> Region | None:
        """The rectangle of anchor coordinates that a region of the frame covers; None behind the camera."""
        inverse = np.linalg.inv(motion)
        corners = ops.region_corners(region)
        depth = corners @ inverse[2, :2] + inverse[2, 2]
        if (depth * np.sign(inverse[2, 2]) <= 0.05 * abs(inverse[2, 2])).any():
            return None
        mapped = ops.transform_points(inverse, corners)
        (x0, y0), (x1, y1) = np.floor(mapped.min(0)), np.ceil(mapped.max(0))
        return Region(int(y0), int(y1) + 1, int(x0), int(x1) + 1)

    def _cover(self, motion: np.ndarray) -> Region | None:
        """The canvas indices under the whole frame, after growing the canvas to hold it."""
        height, width = self.frame_size
        frame = Region(0, height, 0, width)
        extent = self._extent(motion, frame)
        if extent is None:
            return None
        canvas = self.canvas
        if not _inside(extent, canvas):
            self._grow_canvas(canvas, extent)
        return self.footprint(motion, frame)

    def _grow_canvas(self, canvas: Region, extent: Region) -> None:
        height, width = self.frame_size
        spare_y, spare_x = round(height * MARGIN), round(width * MARGIN)
        y0 = extent.y0 - spare_y if extent.y0 < canvas.y0 else canvas.y0
        y1 = extent.y1 + spare_y if extent.y1 > canvas.y1 else canvas.y1
        x0 = extent.x0 - spare_x if extent.x0 < canvas.x0 else canvas.x0
        x1 = extent.x1 + spare_x if extent.x1 > canvas.x1 else canvas.x1
        border = canvas.y0 - y0, y1 - canvas.y1, canvas.x0 - x0, x1 - canvas.x1
        layers = self._color, self._trust, self._glimpsed, self._age
        self._color, self._trust, self._glimpsed, self._age = (ops.extended(layer, *border) for layer in layers)
        self._origin = x0, y0


def _warp_nearest(layer: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A (H, W) uint8 layer resampled without mixing values, source -> destination; edge pixels repeated."""
    flags, border = cv2.INTER_NEAREST, cv2.BORDER_REPLICATE
    return cv2.warpAffine(layer, matrix[:2], (size[1], size[0]), flags=flags, borderMode=border)


def _is_identity(matrix: np.ndarray) -> bool:
    return np.array_equal(matrix, np.eye(3))


def _inside(inner: Region, outer: Region) -> bool:
    return inner.y0 >= outer.y0 and inner.y1 <= outer.y1 and inner.x0 >= outer.x0 and inner.x1 <= outer.x1


def _union(a: Region, b: Region) -> Region:
    return Region(min(a.y0, b.y0), max(a.y1, b.y1), min(a.x0, b.x0), max(a.x1, b.x1))


def _area_scale(motion: np.ndarray, height: int, width: int) -> float:
    """How much larger a patch at the frame's centre is in the frame than in the plate, by area."""
    centre = np.array([[(width - 1) / 2, (height - 1) / 2]])
    x, y = ops.transform_points(np.linalg.inv(motion), centre)[0]
    patch = np.array([[x - 4, y - 4], [x + 4, y - 4], [x + 4, y + 4], [x - 4, y + 4]])
    return abs(cv2.contourArea(ops.transform_points(motion, patch).astype(np.float32))) / 64.0
