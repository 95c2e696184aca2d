"""Texture for a fill: builds a blurred guess anew out of patches of what is known around it.

A network that is small enough for a CPU answers with the average of what might stand behind an object: a blur. Here
every patch of the hole looks for the known patch that it resembles most, and the patches found vote for the hole's
colours, from coarse to fine (Wexler, Shechtman and Irani, "Space-Time Completion of Video", PAMI 2007). The search is
exact at the coarsest scale and PatchMatch below it (Barnes et al., SIGGRAPH 2009). A fourth channel tells how much
texture there is around a pixel, so that a blur finds no blurred patches (Newson et al., "Video Inpainting of Complex
Scenes", SIAM J. Imaging Sciences 2014). Where patches disagree, the guess shows through: less of it where it had to be
enlarged much, which blurs it more. Deterministic.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from realtime import ops

RADIUS = 3  # of a patch: 7 x 7 pixels
COARSEST = 6000  # pixels of the coarsest scale
FINEST = 160_000  # pixels of the finest scale on which patches are searched; beyond it they are only laid out
ROUNDS = 4, 3, 2  # of searching and voting per scale, from the coarsest; one on those that follow
TEXTURE = 2.0  # weight of a grey level of texture against one of colour
SURE = 2.0  # weight of a known pixel in a patch, against 1 for those at the hole's rim
FADING = 1.15  # by which the weight falls per pixel into the hole
DOUBTFUL = 1.0  # squared grey levels by which patches disagree where half of the guess shows through, and
CONTRAST = 0.1  # what is added to that for each squared grey level by which colours vary there
SHARP = 2.0  # by how much a guess may be enlarged and lose nothing by it; beyond that it gives way, and
LOST = 3.0  # how many times sooner for each halving


def rebuild(image: np.ndarray, hole: np.ndarray, guess: np.ndarray, enlarged: float) -> np.ndarray:
    """Complete a picture by patches of its known part.

    image: (H, W, 3) uint8 BGR; hole: (H, W) uint8, 255 where it is unknown; guess: (H, W, 3) uint8, what a network
    would put there; enlarged: how many pixels of it to a side one was that the network painted. Returns (H, W, 3)
    uint8, equal to `image` outside the hole; the guess where nothing is known to take patches from.
    """
    if hole.all():
        return guess
    texture = _texture(image, hole)
    known = np.dstack([image.astype(np.float32), texture])
    first = np.dstack([np.where(hole[..., None] > 0, guess, image).astype(np.float32), texture])
    rng = np.random.default_rng(0)
    coarser: _Scale | None = None
    for number, size in enumerate(_sizes(hole.shape)):
        searched = size[0] * size[1] <= FINEST
        scale = _Scale(*_shrunk(known, hole, first, size), stride=_stride(number, searched))
        if not scale.sources.any():
            return np.where(hole[..., None] > 0, guess, image)
        if coarser is None:
            scale.search_everywhere()
        else:
            scale.take_over(coarser)
        scale.vote()
        for _ in range(ROUNDS[number] if number < len(ROUNDS) else int(searched)):
            scale.search(rng)
            scale.vote()
        if searched:
            doubt = scale.disagreement()
        coarser = scale
    assert coarser is not None
    doubt = ops.resize(doubt, (hole.shape[0], hole.shape[1]))[..., None]
    sooner = max(1.0, LOST * math.log2(enlarged / SHARP))
    allowed = sooner * (DOUBTFUL + CONTRAST * _variance(coarser.picture[..., :3]))
    mixed = coarser.picture[..., :3] + (guess - coarser.picture[..., :3]) * (doubt / (doubt + allowed))
    return np.where(hole[..., None] > 0, ops.to_uint8(mixed), image)


def _variance(picture: np.ndarray) -> np.ndarray:
    """Of the colours of (H, W, 3) float32 around each pixel, mean of the channels: (H, W, 1) float32."""
    side = 4 * RADIUS + 1
    mean = cv2.blur(picture, (side, side))
    return (cv2.blur(picture * picture, (side, side)) - mean * mean).mean(2, keepdims=True).clip(0)


def _sizes(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """(H, W) of the scales, coarsest first; each has half the sides of the next."""
    height, width = shape[:2]
    sizes = [(height, width)]
    while sizes[0][0] * sizes[0][1] > COARSEST and min(sizes[0]) > 8 * RADIUS:
        factor = 2 ** len(sizes)
        sizes.insert(0, (-(-height // factor), -(-width // factor)))
    return sizes


def _stride(number: int, searched: bool) -> int:
    """How many pixels lie between the patches of a scale: the finer it is, the more of them say the same."""
    if number == 0:
        return 1
    return 2 if searched else RADIUS


def _texture(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """How strong gradients are around each pixel, (H, W) float32; carried on into the hole."""
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    across, down = (cv2.Sobel(gray, cv2.CV_32F, dx, 1 - dx, scale=TEXTURE / 8) for dx in (1, 0))
    weight = (ops.shrink(~hole, 1) > 0).astype(np.float32)
    near = cv2.blur(weight, (9, 9))
    mean = cv2.blur(cv2.magnitude(across, down) * weight, (9, 9)) / np.maximum(near, 1e-3)
    return ops.push_pull(mean[..., None], ((near > 0.02) & (hole == 0)).astype(np.float32))[..., 0]


def _shrunk(
    known: np.ndarray, hole: np.ndarray, first: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A scale's picture, known pixels kept apart from guessed ones, and its hole, 255 where less than half is known."""
    if size == hole.shape:
        return first, hole
    weight = ops.resize((hole == 0).astype(np.float32), size)
    clean = ops.resize(known * (hole == 0)[..., None], size) / np.maximum(weight, 1e-6)[..., None]
    # A hole that is finer than the scale keeps at least the pixels of which least is known.
    small = np.where((weight < 0.5) | (weight == weight.min()), np.uint8(255), np.uint8(0))
    return np.where(small[..., None] > 0, ops.resize(first, size), clean).astype(np.float32), small


class _Scale:
    """One scale: its picture with `RADIUS` pixels mirrored around it, the patches of its hole and their matches.

    sources: (H, W) bool, centres of wholly known patches. y, x: (N,) centres of the patches that touch the hole, each
    `stride`-th in both directions; match_y, match_x: the centres of their matches; cost: (N,) weighted mean squared
    differences to them.
    """

    def __init__(self, picture: np.ndarray, hole: np.ndarray, stride: int):
        self.height, self.width = hole.shape
        self.hole = hole > 0
        touched = ops.grow_square(hole, RADIUS) > 0
        inside = np.zeros_like(touched)
        inside[RADIUS:-RADIUS, RADIUS:-RADIUS] = True
        self.sources = inside & ~touched
        grid = np.zeros_like(touched)
        grid[::stride, ::stride] = True
        self.stride = stride
        self.y, self.x = np.nonzero(touched & grid)
        self._number = np.full(hole.shape, -1, np.int64)
        self._number[self.y, self.x] = np.arange(len(self.y))
        depth = cv2.distanceTransform(hole, cv2.DIST_L2, 3)
        weight = _padded(np.where(self.hole, FADING**-depth, SURE).astype(np.float32)).ravel()
        offset = np.arange(-RADIUS, RADIUS + 1)
        self._offsets = (offset[:, None] * (self.width + 2 * RADIUS) + offset).ravel()
        self._weights = weight[self._at(self.y, self.x)[:, None] + self._offsets]
        self._weights /= self._weights.sum(1, keepdims=True)
        self._show(picture)

    @property
    def picture(self) -> np.ndarray:
        """(H, W, C) float32, the hole as it was voted last."""
        return self._padded[RADIUS:-RADIUS, RADIUS:-RADIUS]

    def search_everywhere(self) -> None:
        """Find the best match of every patch among all sources."""
        y, x = np.nonzero(self.sources)
        sources = self._patches(y, x).reshape(len(y), -1).T
        squares = np.square(sources)
        best = np.empty(len(self.y), np.int64)
        for some in np.array_split(np.arange(len(best)), max(1, len(best) // 512)):
            weights = np.repeat(self._weights[some], self._targets.shape[2], axis=1)
            weighted = weights * self._targets[some].reshape(len(some), -1)
            best[some] = (weights @ squares - 2 * (weighted @ sources)).argmin(1)
        self._match(y[best], x[best])

    def take_over(self, coarser: _Scale) -> None:
        """Begin with the matches of the next coarser scale, scaled up; what leaves the sources begins anywhere."""
        near_y = np.minimum(self.y * coarser.height // self.height, coarser.height - 1) // coarser.stride
        near_x = np.minimum(self.x * coarser.width // self.width, coarser.width - 1) // coarser.stride
        number = coarser._number[near_y * coarser.stride, near_x * coarser.stride]
        shift_y, shift_x = coarser.match_y - coarser.y, coarser.match_x - coarser.x
        y = self.y + np.rint(shift_y[number] * self.height / coarser.height).astype(np.int64)
        x = self.x + np.rint(shift_x[number] * self.width / coarser.width).astype(np.int64)
        astray = (number < 0) | ~self._is_source(y, x)
        every_y, every_x = np.nonzero(self.sources)
        anywhere = np.arange(len(y)) * 7919 % len(every_y)
        self._match(np.where(astray, every_y[anywhere], y), np.where(astray, every_x[anywhere], x))

    def _match(self, y: np.ndarray, x: np.ndarray) -> None:
        self.match_y, self.match_x = y, x
        self.cost = self._costs(np.arange(len(y)), y, x)

    def search(self, rng: np.random.Generator) -> None:
        """One round of PatchMatch: try what suits the neighbours, then places near the match and far from it."""
        self._match(self.match_y, self.match_x)
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            dy, dx = dy * self.stride, dx * self.stride
            y, x = np.clip(self.y + dy, 0, self.height - 1), np.clip(self.x + dx, 0, self.width - 1)
            neighbour = self._number[y, x]
            neighbour = np.where(neighbour < 0, np.arange(len(neighbour)), neighbour)
            self._try(self.match_y[neighbour] - dy, self.match_x[neighbour] - dx)
        for reach in (4, max(self.height, self.width) // 4):
            jump = rng.integers(-reach, reach + 1, (2, len(self.y)))
            self._try(self.match_y + jump[0], self.match_x + jump[1])

    def vote(self) -> None:
        """Paint the hole with the weighted mean of all matches that cover a pixel; good matches count more."""
        weight = np.exp(-self.cost / (2 * np.percentile(self.cost, 75) + 1e-3)).astype(np.float32)
        count = self._padded.shape[0] * self._padded.shape[1]
        total = np.zeros((count, self._padded.shape[2] + 1), np.float32)
        to, source = self._at(self.y, self.x), self._at(self.match_y, self.match_x)
        flat = np.column_stack([self._flat, np.ones(count, np.float32)])
        for offset in self._offsets:  # no two patches have the same pixel at the same offset
            total[to + offset] += flat[source + offset] * weight[:, None]
        total = total.reshape(*self._padded.shape[:2], -1)[RADIUS:-RADIUS, RADIUS:-RADIUS]
        painted = self.hole & (total[..., -1] > 0)
        picture = self.picture.copy()
        picture[painted] = total[painted][:, :-1] / total[painted][:, -1:]
        self._show(picture)

    def disagreement(self) -> np.ndarray:
        """How far the patches that cover a pixel are from what they voted for: (H, W) float32, mean cost, smoothed."""
        count = self._padded.shape[0] * self._padded.shape[1]
        total, covers = np.zeros(count, np.float32), np.zeros(count, np.float32)
        to = self._at(self.y, self.x)
        for offset in self._offsets:
            total[to + offset] += self.cost
            covers[to + offset] += 1
        mean = (total / np.maximum(covers, 1)).reshape(self._padded.shape[:2])[RADIUS:-RADIUS, RADIUS:-RADIUS]
        return cv2.GaussianBlur(mean, (0, 0), RADIUS)

    def _show(self, picture: np.ndarray) -> None:
        self._padded = _padded(picture)
        self._flat = self._padded.reshape(-1, picture.shape[2])
        self._targets = self._patches(self.y, self.x)

    def _at(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Indices of pixels in the padded picture."""
        return (y + RADIUS) * (self.width + 2 * RADIUS) + x + RADIUS

    def _patches(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """(N, 49, C) float32."""
        return self._flat[self._at(y, x)[:, None] + self._offsets]

    def _is_source(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        valid = (y >= 0) & (y < self.height) & (x >= 0) & (x < self.width)
        valid[valid] = self.sources[y[valid], x[valid]]
        return valid

    def _costs(self, number: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Of matching patches to sources: weighted mean squared differences, (N,) float32."""
        difference = self._patches(y, x) - self._targets[number]
        return np.einsum("npc,npc,np->n", difference, difference, self._weights[number])

    def _try(self, y: np.ndarray, x: np.ndarray) -> None:
        """Take a match for each patch where it is better than the present one."""
        number = np.nonzero(self._is_source(y, x) & ((y != self.match_y) | (x != self.match_x)))[0]
        cost = self._costs(number, y[number], x[number])
        better = cost < self.cost[number]
        number = number[better]
        self.cost[number], self.match_y[number], self.match_x[number] = cost[better], y[number], x[number]


def _padded(picture: np.ndarray) -> np.ndarray:
    return cv2.copyMakeBorder(picture, RADIUS, RADIUS, RADIUS, RADIUS, cv2.BORDER_REFLECT_101)
