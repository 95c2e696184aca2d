"""Looks at pictures with a segmenter: at all of each, and closer at what is small, through a part of it.

Of somebody who is 300 pixels tall in a frame of 1080, a network that looks at 288 rows sees 80. Where it is known by
and large where an object is, the part of the picture around it is looked at instead, with as many pixels as all of it
would get; and people whom a look at all of it finds are looked at once more, with half as many. So outlines are more
exact, and flicker less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import cv2
import numpy as np

from realtime import ops
from realtime.masks import ON, clusters
from realtime.ops import HOST, Home, Region
from realtime.segment import Segmenter
from realtime.tracking import grabcut
from realtime.tracking.objects import CLICK_RADIUS
from realtime.tracking.track import Click

MARGIN = 0.15  # of an object's longer side: what is seen around it, on each side
NEAREST = 4.0  # by how much it is enlarged at most
WORTH = 1.2  # and at least: less is not worth a run of its own
LOOKS = 2.0  # whole pictures whose pixels the parts around all chosen objects together may have
PARTS = 3  # of a class's matte that are looked at closer
GLANCE = 0.5  # of a whole picture's pixels that each of these has
SOFT = 0.5  # deviation of the smoothing before a matte is made smaller, by how much smaller that is


@dataclass(frozen=True)
class Cue:
    """What a network is told of an object.

    matte: (h, w) float32, where it was, carried to this picture; clicks: on it and beside it, pixels of the matte;
    sure: whether the matte tells where it is, so that it need not be looked for in all of the picture.
    """

    matte: np.ndarray
    clicks: Sequence[Click] = ()
    sure: bool = True

    def planes(self, size: tuple[int, int], place: np.ndarray) -> np.ndarray:
        """The network's guidance, (3, H, W) float32; place: 3x3, the matte's pixels -> those of its (H, W) input."""
        planes = np.zeros((3, *size), np.float32)
        cv2.warpAffine(self.matte, place[:2], size[::-1], planes[0], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for plane, inside in ((planes[1], True), (planes[2], False)):
            points = np.array([(click.x, click.y) for click in self.clicks if click.inside == inside], np.float64)
            if len(points):
                shown = grabcut.discs(size, ops.transform_points(place, points), round(CLICK_RADIUS * size[0]))
                plane[shown > 0] = 1.0
        return planes

    @property
    def shows(self) -> Region | None:
        """The part of the matte that holds the object and the clicks on it; None where there are none."""
        clicked = grabcut.discs(self.matte.shape, [(click.x, click.y) for click in self.clicks if click.inside], 1.0)
        return ops.bounding_region(ops.at_least(self.matte, ON) | clicked)


@dataclass(frozen=True)
class View:
    """A part of a picture as a network sees it. region: the picture's pixels; size: (H, W) of the network's input;
    place: 3x3, the mattes' pixels -> the input's; mattes: (h, w).
    """

    region: Region
    size: tuple[int, int]
    place: np.ndarray
    mattes: tuple[int, int]

    @property
    def covers(self) -> tuple[slice, slice]:
        """The mattes' pixels that lie in it whole."""
        corners = ops.region_corners(Region(0, self.size[0], 0, self.size[1]))[[0, 2]]
        (x0, y0), (x1, y1) = (ops.transform_points(np.linalg.inv(self.place), corners) + 0.5).round(3).tolist()
        return slice(math.ceil(y0), math.floor(y1)), slice(math.ceil(x0), math.floor(x1))

    def back(self, answer: np.ndarray) -> np.ndarray:
        """A network's matte of the part, where it belongs, zero around it: (h, w) float32."""
        to_answer = ops.scaling(self.size, (answer.shape[0], answer.shape[1])) @ self.place
        softened = cv2.GaussianBlur(answer, (0, 0), SOFT * float(to_answer[1, 1]))
        return ops.warp_soft(softened, np.linalg.inv(to_answer), self.mattes)


class Looker:
    """Asks a segmenter for classes and for objects; mattes are half the size of `Segmenter.size`."""

    def __init__(self, segmenter: Segmenter, home: Home = HOST):
        """home: as `Segmenter.look` takes it, for whole pictures."""
        self._segmenter, self._home = segmenter, home

    def look(
        self,
        image: np.ndarray,
        classes: Sequence[str],
        cues: Sequence[Cue] = (),
        scale: float = 1.0,
        *,
        carried: np.ndarray | None = None,
        closer: bool = True,
    ) -> tuple[np.ndarray | None, list[np.ndarray]]:
        """The matte of the classes in a (H, W, 3) uint8 BGR picture, None for no classes, and that of each object.

        Objects that fill the picture, or may be anywhere, go through as one batch with the classes; each other one is
        looked at closer, and the classes with it. scale: of the network's input; carried: the classes' matte as the
        motion brought it here, which will do where nothing else needs a look at all of the picture; closer: whether
        the largest parts of a new one are looked at closer, too, by a network that is made for it: a guided one. Mattes
        are (h, w) float32 in [0, 1].
        """
        size = self._segmenter.size(image, scale)
        share = LOOKS / max(1, sum(cue.sure for cue in cues))
        views = [self._view(image, cue, size, share) if cue.sure else None for cue in cues]
        together = [cue for cue, view in zip(cues, views, strict=True) if view is None]
        matte, rest = carried, iter(())
        if together or (classes and carried is None):
            to_input = ops.scaling((size[0] // 2, size[1] // 2), size)
            matte, mattes = self._segmenter.look(image, classes, _guidance(together, size, to_input), self._home)
            rest = iter(mattes)
        matte = None if matte is None else matte.copy()
        answers: list[np.ndarray] = []
        seen = np.zeros((size[0] // 2, size[1] // 2), np.uint8)
        for cue, view in zip(cues, views, strict=True):
            if view is None:
                answers.append(next(rest))
                continue
            near, (answer,) = self._through(view, image, classes, [cue])
            answers.append(answer)
            if matte is not None and near is not None:
                matte[view.covers], seen[view.covers] = near[view.covers], 255
        if closer and self._segmenter.guided and matte is not None and carried is None:
            self._outline(image, classes, matte, ops.at_least(matte, ON) & ~seen, size)
        return matte, answers

    def again(self, image: np.ndarray, cue: Cue, answer: np.ndarray, scale: float = 1.0) -> np.ndarray:
        """An answer to the cue, (h, w) float32, made more exact: what it shows is looked at closer, if it is small."""
        cue = replace(cue, matte=answer)
        view = self._view(image, cue, self._segmenter.size(image, scale), 1.0)
        return answer if view is None else self._through(view, image, (), [cue])[1][0]

    def _outline(
        self, image: np.ndarray, classes: Sequence[str], matte: np.ndarray, found: np.ndarray, size: tuple[int, int]
    ) -> None:
        """Add to the classes' matte what closer looks at the largest parts of what was found show.

        Nothing is taken away: what is missed would be seen. found: (h, w) uint8; size: (H, W) of the network's input
        for all of the picture.
        """
        cues = [Cue(np.where(part > 0, matte, np.float32(0))) for _, part in islice(clusters(found, 2), PARTS)]
        for cue in cues:
            view = self._view(image, cue, size, GLANCE)
            near = None if view is None else self._through(view, image, classes, [])[0]
            if near is not None:
                np.maximum(matte, near, out=matte)

    def _view(self, image: np.ndarray, cue: Cue, size: tuple[int, int], share: float) -> View | None:
        """The part of the picture to look at, with a share of the pixels of all of it, or with as many where that is
        more than one; None for all of it.
        """
        shows = cue.shows
        if shows is None:
            return None
        height, width = image.shape[:2]
        mattes = cue.matte.shape[0], cue.matte.shape[1]
        to_image = ops.scaling(mattes, (height, width))
        corners = np.rint(ops.transform_points(to_image, ops.region_corners(shows)) + 0.5).astype(int).tolist()
        (x0, y0), (x1, y1) = corners[0], corners[2]
        wanted = Region(y0, y1, x0, x1)
        wanted = wanted.expanded_within(round(MARGIN * max(wanted.height, wanted.width)), height, width)
        usual = (size[0] * size[1] / (height * width)) ** 0.5
        zoom, part, seen = WORTH * usual, None, size
        for tall, wide in self._shapes(size, min(1.0, share)):
            nearer = min(tall / wanted.height, wide / wanted.width, NEAREST * usual)
            rows, columns = round(tall / nearer), round(wide / nearer)
            if nearer > zoom and rows <= height and columns <= width:
                zoom, part, seen = nearer, (rows, columns), (tall, wide)
        if part is None:
            return None
        y = min(max(0, (wanted.y0 + wanted.y1 - part[0]) // 2), height - part[0])
        x = min(max(0, (wanted.x0 + wanted.x1 - part[1]) // 2), width - part[1])
        region = Region(y, y + part[0], x, x + part[1])
        return View(region, seen, ops.scaling(part, seen) @ ops.translation(-x, -y) @ to_image, mattes)

    def _shapes(self, size: tuple[int, int], share: float) -> Iterator[tuple[int, int]]:
        """The sizes, (H, W), that parts are looked at in: few, since a GPU prepares for each."""
        multiple = self._segmenter.engine.card.multiple
        for ratio in (size[0] / size[1], 1.0, size[1] / size[0]):
            sides = ((size[0] * size[1] * share * part) ** 0.5 for part in (ratio, 1 / ratio))
            tall, wide = (max(multiple, round(side / multiple) * multiple) for side in sides)
            yield tall, wide

    def _through(
        self, view: View, image: np.ndarray, classes: Sequence[str], cues: Sequence[Cue]
    ) -> tuple[np.ndarray | None, list[np.ndarray]]:
        """The mattes of the classes, if there are any, and of objects, seen so; zero outside of the part."""
        part = ops.resize(image[view.region.slices], view.size)
        near, answers = self._segmenter.look(part, classes, _guidance(cues, view.size, view.place))
        return None if near is None else view.back(near), [view.back(answer) for answer in answers]


def _guidance(cues: Sequence[Cue], size: tuple[int, int], place: np.ndarray) -> np.ndarray:
    """(M, 3, H, W) float32 for a network's input of this size; place: 3x3, the mattes' pixels -> the input's."""
    return np.stack([cue.planes(size, place) for cue in cues]) if cues else np.zeros((0, 3, *size), np.float32)
