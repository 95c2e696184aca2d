"""Training samples: number in, tensors out; nothing else decides what a sample is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from engines import augment
from engines.augment import UNKNOWN, UNSURE
from engines.closeups import before, behind_faces, close_up, find_heads
from engines.data import Picture, cut_things
from engines.guidance import distort, guide
from engines.holes import HoleMaker, blob, box, grow, pole, random_hole, silhouettes, strokes
from engines.measure import AREA, working_size

SEGMENTER_SHAPES = ((224, 256), (256, 256), (224, 384), (288, 288), (320, 224), (288, 416), (416, 288), (288, 512))
SHARP_SHAPES = ((352, 384), (384, 384), (352, 608), (448, 448), (512, 352), (448, 640), (640, 448), (448, 800))
CROWD = 0.4  # how often people are pasted into pictures of people
LEAST_OBJECT = 0.004  # of the picture: what is smaller is not meant by anybody
CLOSER = 0.35  # how often an object is looked at closer, as `realtime.tracking.looker` does
OWN = 0.5  # of a person's box: what must lie in no other's for them to be told from others
SHARED = 255  # among the numbers of things: people inside several boxes, so whose it is isn't known
FILLER_SHAPES = ((128, 128), (160, 160), (192, 192), (192, 192), (256, 256), (256, 256))
SHARP_FILLER_SHAPES = ((384, 384),)  # few photos have more rows
APART = 0.02  # of the shorter side: how far holes keep off people, whose masks are rough
LEAST_HOLE = 0.01  # of the picture: less teaches little
PLAIN_FACES = 0.2  # of whole pictures: how many are close-ups instead
PLAIN_LIGHT = 0.3  # how much of the light's usual changes whole pictures see
TRIES = 8  # at a sample whose hole people leave room for


def to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 BGR -> (3, H, W) uint8 RGB."""
    return torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))


class Canvas:
    """A picture in the making: image (H, W, 3) uint8 BGR, label (H, W) uint8, and every object that could be meant.

    objects: (H, W) bool each, as it shows; pasted: how many of them, the last ones, were laid over the picture, so that
    it is known what belongs to them and what doesn't; shared: (H, W) bool, what may belong to any of the others.
    """

    def __init__(self, image: np.ndarray, label: np.ndarray, things: np.ndarray) -> None:
        self.image = image
        self.label = label
        self.objects = [things == number for number in np.unique(things) if number not in (0, SHARED)]
        self.shared = things == SHARED
        self.pasted = 0

    def cover(self, image: np.ndarray, shows: np.ndarray, label: int) -> None:
        """Something was laid over the picture, `shows` (H, W) bool: it is an object, and hides what is under it."""
        self.image = image
        self.label = np.where(shows, np.uint8(label), self.label)
        self.objects = [*(other & ~shows for other in self.objects), shows]
        self.shared &= ~shows
        self.pasted += 1

    def cut(self, part: tuple[slice, slice], shape: tuple[int, int]) -> None:
        """Keep a part of the picture, scaled to `shape` (H, W)."""
        self.image, self.label = augment.resize(self.image[part], self.label[part], shape)
        *self.objects, self.shared = (
            cv2.resize(plane[part].astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
            for plane in (*self.objects, self.shared)
        )


class SegmenterSamples(Dataset[tuple[Tensor, Tensor, Tensor, Tensor]]):
    """Sample `i` is (image, label, guidance, object) of one size:

    image (3, H, W) uint8 RGB; label (1, H, W) uint8: 0, 255 person, 127 inside a person's box, 1 unsure; guidance
    (3, H, W) uint8, 255 is one; object (1, H, W) uint8: 255 what the guidance means, 127 where that is not known.

    All samples of one batch (`i // batch`) share one of `shapes`. A quarter are people and things pasted over
    backgrounds, or before other people; the rest are close-ups of faces, real pictures with masks, pictures of which
    only boxes around people are known, and pictures of nobody: people-free ones (animals more often than there are),
    what lies between the boxes, and clothes without anybody in them. A third are made larger, and cut down to what lies
    around the object that is meant. things: cut-outs of animals and of what else is nobody; they are pasted as often as
    what a teacher named in the pictures, and fill two fifths of the pictures of nobody.

    plain: how often a batch is nothing of that, but whole pictures with masks, as a segmenter that runs at `area`
    pixels sees them; a fifth of these are close-ups, as they stand there.
    """

    def __init__(
        self,
        people: Sequence[Picture],
        cutouts: Sequence[Picture],
        backgrounds: Sequence[Picture],
        boxed: Sequence[Picture] = (),
        things: Sequence[Picture] = (),
        *,
        batch: int,
        seed: int = 0,
        shapes: Sequence[tuple[int, int]] = SEGMENTER_SHAPES,
        plain: float = 0.0,
        area: int = AREA,
    ) -> None:
        self.cutouts = [one for picture in (*people, *cutouts) for one in augment.apart(picture)]
        self.people = [picture for picture in people if picture.trusted]
        self.backgrounds = backgrounds
        self.animals = [picture for picture in backgrounds if picture.animal]
        self.lures = things
        self.things = [pictures for pictures in (cut_things([*backgrounds, *boxed]), things) if pictures]
        self.boxed = [with_lone_people(picture) for picture in boxed]
        self.heads = find_heads([*people, *cutouts])
        self.faces = find_heads(self.people)
        self.batch = batch
        self.seed = seed
        self.shapes = shapes
        self.plain = plain
        self.sizes = [working_size(*_shape(picture), area) for picture in self.people]

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, 0, index))
        size = self._plain_size(index // self.batch)
        if size is not None:
            canvas = self._whole(rng, size)
            return self._sample(rng, canvas, self._meant(rng, canvas, LEAST_OBJECT), worn=False)
        shape = _shape_of_batch(self.shapes, self.seed, index // self.batch)
        closer = rng.random() < CLOSER
        larger = rng.uniform(1.4, 2.4) if closer else 1.0
        canvas = self._canvas(rng, (round(shape[0] * larger), round(shape[1] * larger)))
        meant = self._meant(rng, canvas, LEAST_OBJECT / larger**2)
        if closer:
            part = around(rng, canvas.objects[meant], shape) if meant is not None else (slice(None), slice(None))
            canvas.cut(part, shape)
        return self._sample(rng, canvas, meant)

    def _plain_size(self, batch: int) -> tuple[int, int] | None:
        """The size of a batch of whole pictures; None where the batch is none."""
        rng = np.random.default_rng((self.seed, 2, batch))
        return self.sizes[int(rng.integers(len(self.sizes)))] if rng.random() < self.plain else None

    def _sample(
        self, rng: np.random.Generator, canvas: Canvas, meant: int | None, *, worn: bool = True
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The canvas as it is learnt from; worn: by all that a camera may do to it, not by a little light alone."""
        thing, guidance = self._guidance(rng, canvas, meant)
        planes = [canvas.image, canvas.label, guidance, thing]
        if rng.random() < 0.5:
            planes = [np.ascontiguousarray(plane[:, ::-1]) for plane in planes]
        image, label, guidance, thing = planes
        image = augment.wear(rng, augment.light(rng, image)) if worn else augment.light(rng, image, PLAIN_LIGHT)
        return (
            to_tensor(image),
            torch.from_numpy(label)[None],
            torch.from_numpy(np.ascontiguousarray(guidance.transpose(2, 0, 1))),
            torch.from_numpy(thing)[None],
        )

    def _canvas(self, rng: np.random.Generator, shape: tuple[int, int]) -> Canvas:
        kind = rng.random()
        if kind < 0.28:
            return self._composite(rng, shape)
        if kind < 0.42 and self.heads:
            return self._close_up(rng, shape)
        if kind < 0.62:
            return self._real(rng, shape)
        if kind < 0.81 and self.boxed:
            return self._boxed(rng, shape)
        return self._free(rng, shape)

    def _composite(self, rng: np.random.Generator, shape: tuple[int, int]) -> Canvas:
        canvas = self._crowd(rng, shape) if rng.random() < CROWD else self._background(rng, shape)
        if rng.random() < 0.2:  # the camera is focused on whom it films
            canvas.image = cv2.GaussianBlur(canvas.image, (0, 0), shape[0] * rng.uniform(0.004, 0.03))
        for _ in range(int(rng.choice((1, 2, 3), p=(0.5, 0.3, 0.2)))):
            image, shows = augment.paste(rng, canvas.image, _any_of(rng, self.cutouts))
            canvas.cover(image, shows, 255)
            if rng.random() < 0.35:
                self._distract(rng, canvas)
        return canvas

    def _crowd(self, rng: np.random.Generator, shape: tuple[int, int]) -> Canvas:
        """People, none of whom is meant: a click on who stands before them means nobody else."""
        canvas = self._boxed(rng, shape) if self.boxed and rng.random() < 0.6 else self._real(rng, shape)
        canvas.objects, canvas.pasted = [], 0
        return canvas

    def _close_up(self, rng: np.random.Generator, shape: tuple[int, int]) -> Canvas:
        image, mask = close_up(rng, self.heads, shape)
        photo = self._background(rng, shape).image
        somebody = image[mask > UNKNOWN]
        colour = somebody[int(rng.integers(len(somebody)))] if len(somebody) else rng.uniform(0, 255, 3)
        image, shows = before(rng, image, mask, behind_faces(rng, photo, colour))
        canvas = Canvas(image, shows.astype(np.uint8) * 255, shows.astype(np.uint8))
        if rng.random() < 0.2:
            self._distract(rng, canvas)
        return canvas

    def _distract(self, rng: np.random.Generator, canvas: Canvas) -> None:
        """Paste something that is nobody: what was pasted must not be what gives a person away."""
        shape = canvas.label.shape[0], canvas.label.shape[1]
        if self.things and rng.random() < 0.5:
            image, shows = augment.paste(rng, canvas.image, self._thing(rng))
            canvas.cover(image, shows, 0)
            return
        thing = (pole, box, strokes, blob)[int(rng.choice(4, p=(0.3, 0.15, 0.15, 0.4)))](rng, shape)
        kind = rng.random()
        texture: np.ndarray | None = None
        if kind < 0.5:
            texture, _ = augment.crop(rng, _any_of(rng, self.backgrounds).image, None, shape, least=0.2)
        elif kind < 0.75:
            texture = self._cloth(rng, shape)
        if texture is None:
            texture = np.full((*shape, 3), rng.integers(0, 256, 3), np.uint8)
        alpha = cv2.GaussianBlur(thing, (0, 0), rng.uniform(0.5, 1.2))
        canvas.cover(augment.blend(canvas.image, augment.light(rng, texture), alpha), thing > 0, 0)

    def _cloth(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray | None:
        """Clothes, fur or feathers, near."""
        worn = self.lures if self.lures and rng.random() < 0.3 else self.cutouts
        return augment.clothing(rng, _any_of(rng, worn), shape)

    def _thing(self, rng: np.random.Generator) -> Picture:
        """A cut-out of what is nobody, from each source as often."""
        return _any_of(rng, self.things[int(rng.integers(len(self.things)))])

    def _whole(self, rng: np.random.Generator, size: tuple[int, int]) -> Canvas:
        """A picture that is seen at `size` (H, W), or a face in one."""
        if self.faces and rng.random() < PLAIN_FACES:
            image, mask = close_up(rng, self.faces, size)
            return Canvas(image, mask, (mask > UNKNOWN).astype(np.uint8))
        picture = _any_of(rng, [each for each, its in zip(self.people, self.sizes, strict=True) if its == size])
        image, both = augment.resize(picture.image, _with_people(picture), size)
        return Canvas(image, np.ascontiguousarray(both[..., 0]), both[..., 1])

    def _real(self, rng: np.random.Generator, shape: tuple[int, int]) -> Canvas:
        picture = _any_of(rng, self.people)
        both = _with_people(picture)
        if rng.random() < 0.35:
            image, both = augment.resize(picture.image, both, shape)
        else:
            image, both = augment.crop(rng, picture.image, both, shape, least=0.35)
        canvas = Canvas(image, np.ascontiguousarray(both[..., 0]), both[..., 1])
        if rng.random() < 0.2:
            self._distract(rng, canvas)
        return canvas

    def _boxed(self, rng: np.random.Generator, shape: tuple[int, int]) -> Canvas:
        picture = _any_of(rng, self.boxed)
        label = _somebody(picture)
        both = _beside(label, picture.things)
        if rng.random() < 0.5:
            image, both = augment.resize(picture.image, both, shape)
        else:
            image, both = augment.crop(rng, picture.image, both, shape, least=0.5)
        canvas = Canvas(image, np.ascontiguousarray(both[..., 0]), both[..., 1])
        if rng.random() < 0.4:
            self._distract(rng, canvas)
        return canvas

    def _free(self, rng: np.random.Generator, shape: tuple[int, int]) -> Canvas:
        """Nobody is there."""
        kind = rng.random()
        image: np.ndarray | None = None
        if kind < 0.3 and self.boxed:
            image = augment.beside_boxes(rng, _any_of(rng, self.boxed), shape)
        elif kind < 0.42:
            image = self._cloth(rng, shape)
        if image is None:
            seen = self.animals if self.animals and rng.random() < 0.4 else self.backgrounds
            canvas = self._background(rng, shape, seen)
        else:
            nothing = np.zeros(shape, np.uint8)
            canvas = Canvas(image, nothing, nothing)
        if self.lures and rng.random() < 0.4:
            canvas.cover(*augment.paste(rng, canvas.image, _any_of(rng, self.lures), near=True), 0)
        if rng.random() < 0.3:
            canvas.objects.insert(0, region(rng, canvas.image))
        for _ in range(int(rng.integers(0, 3))):
            self._distract(rng, canvas)
        if rng.random() < 0.3:  # red is not what makes somebody
            canvas.image = augment.turn_hues(rng, canvas.image)
        return canvas

    def _background(
        self, rng: np.random.Generator, shape: tuple[int, int], pictures: Sequence[Picture] | None = None
    ) -> Canvas:
        picture = _any_of(rng, pictures or self.backgrounds)
        image, both = augment.crop(rng, picture.image, _beside(_somebody(picture), picture.things), shape)
        return Canvas(image, np.ascontiguousarray(both[..., 0]), both[..., 1])

    def _meant(self, rng: np.random.Generator, canvas: Canvas, least: float) -> int | None:
        """Which of the canvas's objects is meant, of those that show in so much of it; None for none of them."""
        shown = [number for number, thing in enumerate(canvas.objects) if thing.mean() > least]
        return shown[int(rng.integers(len(shown)))] if shown and rng.random() < 0.93 else None

    def _guidance(self, rng: np.random.Generator, canvas: Canvas, meant: int | None) -> tuple[np.ndarray, np.ndarray]:
        """What is meant, (H, W) uint8, and the guidance to it; to nothing, or to what is gone, where nothing is."""
        shape = canvas.label.shape[0], canvas.label.shape[1]
        everything = np.any([canvas.label > UNKNOWN, *canvas.objects], axis=0)
        nothing = np.zeros(shape, np.uint8)
        if meant is not None and canvas.objects[meant].any():
            thing = canvas.objects[meant]
            was_there = meant < len(canvas.objects) - canvas.pasted
            unsure = was_there & ~thing & (np.isin(canvas.label, (UNKNOWN, UNSURE)) | canvas.shared)
            label = thing * np.uint8(255) + unsure * np.uint8(UNKNOWN)
            return label, guide(rng, thing, everything & ~thing & ~unsure)
        gone = silhouettes(rng, self.cutouts, shape) > 0
        if rng.random() < 0.5 and gone.any() and everything[gone].mean() < 0.05:
            return nothing, np.dstack([distort(rng, gone, everything), nothing, nothing])
        return nothing, np.zeros((*shape, 3), np.uint8)


class FillerSamples(Dataset[tuple[Tensor, Tensor]]):
    """Sample `i` is (image (3, H, W) uint8 RGB with nobody in it, hole (1, H, W) uint8, 255 = hole).

    All samples of one batch (`i // batch`) share one of `shapes`. make_hole: as `engines.holes.random_hole`. peopled:
    pictures with a mask or boxes around everybody; half of the samples are of them where there are any, and their holes
    keep off the people.
    """

    def __init__(
        self,
        backgrounds: Sequence[Picture],
        people: Sequence[Picture],
        *,
        batch: int,
        seed: int = 0,
        shapes: Sequence[tuple[int, int]] = FILLER_SHAPES,
        make_hole: HoleMaker = random_hole,
        peopled: Sequence[Picture] = (),
    ) -> None:
        self.backgrounds = backgrounds
        self.peopled = peopled
        self.people = people
        self.batch = batch
        self.seed = seed
        self.shapes = shapes
        self.make_hole = make_hole

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        shape = _shape_of_batch(self.shapes, self.seed, index // self.batch)
        rng = np.random.default_rng((self.seed, 0, index))
        among_people = bool(self.peopled) and rng.random() < 0.5
        for _ in range(TRIES):
            picture = _any_of(rng, self.peopled if among_people else self.backgrounds)
            image, somebody = augment.crop(rng, picture.image, _somebody(picture), shape, least=0.5)
            hole = self.make_hole(rng, self.people, shape)
            hole[grow(somebody, round(min(shape) * APART)) > 0] = 0
            if np.count_nonzero(hole) >= LEAST_HOLE * hole.size:
                break
        if rng.random() >= 0.5:
            image, hole = (np.ascontiguousarray(plane[:, ::-1]) for plane in (image, hole))
        return to_tensor(augment.light(rng, image, 0.3)), torch.from_numpy(hole)[None]


def _somebody(picture: Picture) -> np.ndarray:
    """(H, W) uint8, 0 where nobody is: the mask; where there is none what `box_label` says, if there are boxes."""
    if picture.mask is None:
        return np.zeros(picture.image.shape[:2], np.uint8) if picture.boxes is None else box_label(picture)
    return picture.mask


def _shape(picture: Picture) -> tuple[int, int]:
    return picture.image.shape[0], picture.image.shape[1]


def _shape_of_batch(shapes: Sequence[tuple[int, int]], seed: int, number: int) -> tuple[int, int]:
    return shapes[int(np.random.default_rng((seed, 1, number)).integers(len(shapes)))]


def _any_of(rng: np.random.Generator, pictures: Sequence[Picture]) -> Picture:
    return pictures[int(rng.integers(len(pictures)))]


def _with_people(picture: Picture) -> np.ndarray:
    """(H, W, 2) uint8: a picture's mask, and the pieces of it, numbered."""
    assert picture.mask is not None
    _, people = cv2.connectedComponents((picture.mask > UNKNOWN).astype(np.uint8), ltype=cv2.CV_16U)
    return _beside(picture.mask, people.clip(max=SHARED - 1).astype(np.uint8))


def _beside(label: np.ndarray, things: np.ndarray | None) -> np.ndarray:
    """(H, W, 2) uint8: a label and the things, to be cropped alike."""
    return np.dstack([label, np.zeros_like(label) if things is None else things])


def region(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """(H, W) bool: a compact part of the picture whose colour hardly changes, as signs and plain things have; or none.

    Found by flooding from random points until the flood is neither a speck nor most of the picture.
    """
    calm = cv2.medianBlur(image, 5)
    height, width = image.shape[:2]
    for _ in range(8):
        mask = np.zeros((height + 2, width + 2), np.uint8)
        seed = int(rng.integers(width)), int(rng.integers(height))
        tolerance = (float(rng.uniform(2, 6)),) * 3
        cv2.floodFill(calm, mask, seed, 0, tolerance, tolerance, 4 | cv2.FLOODFILL_MASK_ONLY | (1 << 8))
        flood = cv2.morphologyEx(mask[1:-1, 1:-1], cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        _, _, w, h = cv2.boundingRect(flood)
        if 0.008 < flood.mean() < 0.25 and flood.sum() > 0.6 * w * h:
            return flood > 0
    return np.zeros((height, width), bool)


def around(rng: np.random.Generator, thing: np.ndarray, shape: tuple[int, int]) -> tuple[slice, slice]:
    """A part of the picture around an object, (H, W) bool, in the aspect of `shape` (H, W), as far as there is room."""
    x, y, width, height = cv2.boundingRect(thing.astype(np.uint8))
    longer = max(width, height)
    margin = 2 * rng.uniform(0.1, 0.4) * longer
    tall = max(height + margin, (width + margin) * shape[0] / shape[1], shape[0] / 2)
    parts = []
    for middle, side, whole in (
        (y + height / 2, tall, thing.shape[0]),
        (x + width / 2, tall * shape[1] / shape[0], thing.shape[1]),
    ):
        length = min(whole, round(side))
        start = round(middle + rng.normal(0, 0.05) * longer - length / 2)
        start = min(max(0, start), whole - length)
        parts.append(slice(start, start + length))
    return parts[0], parts[1]


def with_lone_people(picture: Picture) -> Picture:
    """A picture with boxes whose things are joined by the people whose masks are known and mostly in no other's box.

    What lies in several boxes is `SHARED`: it belongs to one of them.
    """
    if picture.mask is None or picture.boxes is None:
        return picture
    things = np.zeros_like(picture.mask) if picture.things is None else picture.things.copy()
    known = picture.mask > UNKNOWN
    places = [(slice(y1, y2), slice(x1, x2)) for x1, y1, x2, y2 in picture.boxes.round().astype(int).clip(0).tolist()]
    crowd = np.zeros(things.shape, np.uint8)
    for part in places:
        crowd[part] += 1
    for part in places:
        alone = known[part] & (crowd[part] == 1)
        if alone.any() and alone.sum() > OWN * known[part].sum() and things.max() < SHARED - 1:
            things[part][alone] = things.max() + 1
    things[known & (crowd > 1)] = SHARED
    return replace(picture, things=things)


def box_label(picture: Picture) -> np.ndarray:
    """(H, W) uint8: 127 inside the picture's boxes, 0 outside, where nobody is."""
    return np.where(picture.inside_boxes(), np.uint8(UNKNOWN), np.uint8(0))
