"""Composites whose background is known: people walk over photos before a camera that the benchmark moves itself.

    for shot in scene("pan"):
        erased = eraser.step(Frame(shot.frame, ...), given=shot.mask)
        error = erased.image - shot.truth          # on shot.mask; shot.shown says what could be known

Everything is a function of the scene's name and take, so two runs see the same bytes. Rendering is lazy: a scene holds
its photos and one small mask per frame.

World: photos side by side, each second one mirrored so that edges meet, in pixels of the photos (float32 BGR). It is
enlarged twice (Lanczos); frames are sampled (cubic) at twice their size and averaged 2x2, so each pixel is a small area
of the world as on a sensor, and neither truth nor frame depends on where the pixel grid falls.
Camera: 3x3 homography, world -> frame, pixels, centres at integers.
A nearer layer may stand before the world, with cameras of its own: parallax. Parts of the world may move by themselves,
and people may walk there whom nobody erases; both belong to the background.
Frame = clip(exposure(background * (1 - shade) * (1 - alpha) + person) + noise). Truth = clip(exposure(background)),
without noise. shade is 0 but where a person casts a shadow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from benchmarks.data import read_picture
from benchmarks.layers import Layer, Motion, figures
from benchmarks.shown import NEVER, OUTSIDE, classify
from benchmarks.sprites import UPRIGHT, Pose, Sprite, cut_out, place

WIDTH, HEIGHT, FPS = 480, 270, 30
NOISE = 1.5  # grey levels, standard deviation
COVERED = 0.02  # alpha above this is person
SHADED = 0.03  # shade above this is shadow
_LYING = np.array([[1.0, -0.8], [0.0, 0.2]])  # how a shadow lies on the ground, light from the left behind the camera
_FINE = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]])  # pixel -> pixel of the picture enlarged twice


@dataclass(frozen=True)
class Shot:
    """One frame of a scene.

    frame (H, W, 3) uint8 BGR; truth (H, W, 3) float32 BGR, the noise-free background under the same camera and
    exposure; mask (H, W) uint8, 255 = person (alpha > COVERED); alpha (H, W) float32 in [0, 1]; shade (H, W) float32 in
    [0, 1], the light that a shadow takes away; shown (H, W) uint8 and wait (H, W) int16 as `benchmarks.shown.classify`
    returns them; camera: 3x3, world -> pixels of the frame.
    """

    index: int
    camera: np.ndarray
    frame: np.ndarray
    truth: np.ndarray
    mask: np.ndarray
    alpha: np.ndarray
    shade: np.ndarray
    shown: np.ndarray
    wait: np.ndarray


@dataclass
class Scene:
    """A scene to iterate over, as often as wanted; `scene` makes it.

    world: (h, w, 3) float32. cameras: per frame 3x3. gains, offsets: per frame exposure, value * gain + offset.
    people: sprites with their poses per frame, drawn in this order. shadow: how dark their shadows are, 0 to 1.
    near: what stands before the world, None where nothing does; motion: what of the world moves by itself; bystanders:
    people who stay, as `people`, behind these.
    """

    name: str
    world: np.ndarray
    cameras: list[np.ndarray]
    people: list[tuple[Sprite, list[Pose]]]
    gains: np.ndarray
    offsets: np.ndarray
    seed: int
    width: int = WIDTH
    height: int = HEIGHT
    fps: int = FPS
    shadow: float = 0.0
    near: Layer | None = None
    motion: Motion | None = None
    bystanders: list[tuple[Sprite, list[Pose]]] = field(default_factory=list)
    _background: tuple[bytes, np.ndarray] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[Shot]:
        for index in range(len(self)):
            yield self.shot(index)

    def shot(self, index: int) -> Shot:
        """Render frame `index`."""
        colour, alpha = self._person(index)
        background = self._view(index)
        gain, offset = self.gains[index], self.offsets[index]
        noise = np.random.default_rng([self.seed, index]).standard_normal(background.shape, np.float32) * NOISE
        shade = self._shade(index)
        lit = background * (1 - shade)[..., None]
        frame = (lit * (1 - alpha[..., None]) + colour) * gain + offset + noise
        labels, waits = self._shown
        return Shot(
            index=index,
            camera=self.cameras[index],
            frame=np.clip(np.rint(frame), 0, 255).astype(np.uint8),
            truth=np.clip(background * gain + offset, 0, 255),
            mask=self._masks[index],
            alpha=alpha,
            shade=shade,
            shown=labels[index],
            wait=waits[index],
        )

    @cached_property
    def _fine_world(self) -> np.ndarray:
        return cv2.resize(self.world, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4)

    @cached_property
    def _masks(self) -> list[np.ndarray]:
        return [_covered(self._person(i)[1]) for i in range(len(self))]

    @cached_property
    def _shown(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        hidden = self._masks
        if self.shadow:
            shaded = [np.where(self._shade(i) > SHADED, np.uint8(255), np.uint8(0)) for i in range(len(self))]
            hidden = [mask | shade for mask, shade in zip(self._masks, shaded, strict=True)]
        labels, waits = self._classified(hidden)
        return [np.where(mask > 0, label, OUTSIDE) for mask, label in zip(self._masks, labels, strict=True)], waits

    def _classified(self, hidden: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """As `classify`, of what is behind `hidden`, be it near or far."""
        size = self.world.shape[1::-1]
        if self.near is None and not self.bystanders:
            return classify(hidden, self.cameras, size)
        before = [self._before(index) for index in range(len(self))]
        covered = [mask | near | others for mask, (near, others) in zip(hidden, before, strict=True)]
        labels, waits = classify(covered, self.cameras, size)
        for index, (_, others) in enumerate(before):
            labels[index][others > 0] = NEVER  # somebody was there then, and nobody can tell
            waits[index][others > 0] = -1
        if self.near is not None:
            near_labels, near_waits = classify(hidden, self.near.cameras, self.near.size)
            for index, (near, _) in enumerate(before):
                labels[index][near > 0] = near_labels[index][near > 0]
                waits[index][near > 0] = near_waits[index][near > 0]
        return labels, waits

    def _before(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the near layer and the bystanders hide the world of a frame: two (H, W) uint8 masks."""
        shape = self.height, self.width
        near = np.zeros(shape, np.float32) if self.near is None else _halve(self.near.seen(index, shape)[1])
        others = self._drawn(index, self.bystanders)[1]
        return _covered(near), _covered(others)

    def _view(self, index: int) -> np.ndarray:
        """Background of a frame before exposure, (H, W, 3) float32; kept while camera and world stand still."""
        camera, moved = self.cameras[index], 0 if self.motion is None else index
        key = camera.tobytes() + bytes([moved % 256])
        if self._background is None or self._background[0] != key:
            world = self._fine_world if self.motion is None else self.motion.moved(self._fine_world, index)
            fine = cv2.warpPerspective(
                world,
                _FINE @ camera @ np.linalg.inv(_FINE),
                (2 * self.width, 2 * self.height),
                flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REFLECT_101,
            )
            self._background = key, _halve(fine)
        background = self._background[1]
        if self.near is not None:
            background = _over(background, *(_halve(each) for each in self.near.seen(index, (self.height, self.width))))
        if self.bystanders:
            background = _over(background, *self._drawn(index, self.bystanders))
        return background

    def _person(self, index: int, lay: np.ndarray = UPRIGHT) -> tuple[np.ndarray, np.ndarray]:
        """All people of a frame who are erased, as `_drawn`."""
        return self._drawn(index, self.people, lay)

    def _drawn(
        self, index: int, people: list[tuple[Sprite, list[Pose]]], lay: np.ndarray = UPRIGHT
    ) -> tuple[np.ndarray, np.ndarray]:
        """People of a frame: premultiplied colour (H, W, 3) and alpha (H, W), float32."""
        colour = np.zeros((2 * self.height, 2 * self.width, 3), np.float32)
        alpha = np.zeros(colour.shape[:2], np.float32)
        camera = _FINE @ self.cameras[index]
        for sprite, poses in people:
            over, opacity = place(sprite, poses[index], camera, 2 * self.width, 2 * self.height, lay)
            colour = colour * (1 - opacity[..., None]) + over
            alpha = alpha * (1 - opacity) + opacity
        return _halve(colour), _halve(alpha)

    def visible(self, index: int, who: int) -> np.ndarray:
        """What shows of one of the people in a frame, (H, W) float32 alpha; who: index in `people`."""
        alpha = np.zeros((2 * self.height, 2 * self.width), np.float32)
        camera = _FINE @ self.cameras[index]
        for number, (sprite, poses) in enumerate(self.people[who:], who):
            _, opacity = place(sprite, poses[index], camera, 2 * self.width, 2 * self.height, UPRIGHT)
            alpha = opacity if number == who else alpha * (1 - opacity)
        return _halve(alpha)

    def without(self, index: int, who: int) -> np.ndarray:
        """What to see where one of the people is erased alone: (H, W, 3) float32, a truth that shows the others."""
        background = _over(self._view(index), *self._drawn(index, self.people[:who] + self.people[who + 1 :]))
        return np.clip(background * self.gains[index] + self.offsets[index], 0, 255)

    def _shade(self, index: int) -> np.ndarray:
        """The light that shadows take away, (H, W) float32 in [0, 1], with soft edges."""
        if not self.shadow:
            return np.zeros((self.height, self.width), np.float32)
        return cv2.GaussianBlur(self._person(index, _LYING)[1], (0, 0), 2.0) * np.float32(self.shadow)


def _covered(alpha: np.ndarray) -> np.ndarray:
    """Where alpha is somebody or something: (H, W) uint8."""
    return np.where(alpha > COVERED, np.uint8(255), np.uint8(0))


def _over(background: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """What is drawn, premultiplied colour (H, W, 3) and alpha (H, W), before a background (H, W, 3)."""
    return background * (1 - alpha[..., None]) + colour


def _halve(image: np.ndarray) -> np.ndarray:
    """Average 2x2 blocks."""
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def scene(name: str, frames: int | None = None) -> Scene:
    """Make a scene of SCENES. frames: only the first so many. Raises KeyError (names known) and DataMissingError."""
    if name not in SCENES:
        raise KeyError(f"no scene {name!r}; there are {', '.join(SCENES)}")
    made = SCENES[name]()
    if frames is not None:
        made.cameras = made.cameras[:frames]
        made.people = [(sprite, poses[:frames]) for sprite, poses in made.people]
        made.bystanders = [(sprite, poses[:frames]) for sprite, poses in made.bystanders]
        if made.near is not None:
            made.near = made.near.first(frames)
    return made


def crossing(width: int, height: int, frames: int, *, hand_held: bool = False) -> Scene:
    """A camera at any size: a person who covers about 10 % of the picture crosses it. For timing.

    hand_held: whether it moves as that of `shake` does, which is in proportion to the height; else it stands.
    """
    reach = height / 27 if hand_held else 0.0
    edge = round(2 * reach)  # of the world around what the camera sees on the whole
    high, wide = height + 2 * edge, width + 2 * edge
    photo = read_picture("backgrounds/val/house_489_frontal.jpg")
    room = ((0, max(0, high - photo.shape[0])), (0, max(0, wide - photo.shape[1])), (0, 0))
    world = np.pad(photo, room, mode="symmetric")[:high, :wide].astype(np.float32)
    cameras = [np.eye(3)] * frames
    if hand_held:
        x, y = (edge + (side - 1) / 2 + tremble(frames, 11 + i, reach) for i, side in enumerate((width, height)))
        roll = np.deg2rad(tremble(frames, 13, 0.6, rates=(0.3, 1.5)))
        cameras = [look_at(x[i], y[i], roll=roll[i], size=(width, height)) for i in range(frames)]
    tall = min(0.945 * height, 0.7 * width)
    way = edge + 0.05 * width, edge + 0.95 * width
    walker = _person("ccp_0073", tall), _walk(frames, way, edge + 0.98 * height, tall)
    made = _make("crossing", world, cameras, [walker], seed=9)
    made.width, made.height = width, height
    return made


def _photos(*stems: str) -> np.ndarray:
    """A world of photos side by side, each second one mirrored; they need one height."""
    photos = [read_picture(f"backgrounds/val/{stem}.jpg") for stem in stems]
    row = [photo[:, ::-1] if i % 2 else photo for i, photo in enumerate(photos)]
    return np.concatenate(row, axis=1).astype(np.float32)


def _person(stem: str, height: float, *, open_bottom: bool = False) -> Sprite:
    """A cut-out for a person who is to be `height` pixels tall, with the detail that the fine picture can show."""
    image = read_picture(f"people/val/images/{stem}.jpg")
    mask = read_picture(f"people/val/masks/{stem}.png", cv2.IMREAD_GRAYSCALE)
    return cut_out(image, mask, open_bottom=open_bottom).scaled(2 * height)


def look_at(
    x: float, y: float, scale: float = 1.0, roll: float = 0.0, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> np.ndarray:
    """Camera with the world point (x, y) in the middle of a frame of `size` (width, height); roll in radians."""
    cos, sin = scale * np.cos(roll), scale * np.sin(roll)
    turn = np.array([[cos, -sin, (size[0] - 1) / 2], [sin, cos, (size[1] - 1) / 2], [0, 0, 1]])
    return turn @ np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]])


def _walk(count: int, x: tuple[float, float], y: float, height: float, phase: float = 0.0) -> list[Pose]:
    """Walk evenly from x[0] to x[1] with about two steps a second: bob, tilt and legs that swing."""
    return [_step(x[0] + (x[1] - x[0]) * i / max(count - 1, 1), y, height, i / FPS, phase) for i in range(count)]


def _step(x: float, y: float, height: float, time: float, phase: float = 0.0, energy: float = 1.0) -> Pose:
    """A walker at one moment (seconds). energy 0 = stands nearly still."""
    swing = 2 * np.pi * 0.9 * time + phase
    return Pose(
        x=x + (1 - energy) * 1.5 * np.sin(1.1 * swing),
        y=y - energy * 0.012 * height * abs(np.sin(swing)),
        height=height * (1 + 0.012 * energy * np.sin(0.7 * swing)),
        tilt=(0.006 + 0.018 * energy) * np.sin(swing),
        phase=swing,
        bend=0.004 + 0.026 * energy,
    )


def _ease(value: np.ndarray) -> np.ndarray:
    """Smooth start and stop, [0, 1] -> [0, 1]."""
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


def tremble(count: int, seed: int, reach: float, fps: int = FPS, rates: tuple[float, float] = (0.4, 3.0)) -> np.ndarray:
    """(count,) float64: smooth random motion, a sum of sines of `rates` hertz, largest absolute value `reach`."""
    rng = np.random.default_rng(seed)
    hertz = np.geomspace(*rates, 7)
    angles = 2 * np.pi * hertz[:, None] * np.arange(count) / fps + rng.uniform(0, 2 * np.pi, (7, 1))
    wave = (np.sin(angles) * (rng.uniform(0.5, 1, 7) / hertz**0.7)[:, None]).sum(0)
    return wave * reach / np.abs(wave).max()


def _make(
    name: str,
    world: np.ndarray,
    cameras: list[np.ndarray],
    people: list[tuple[Sprite, list[Pose]]],
    seed: int,
    gains: np.ndarray | None = None,
    offsets: np.ndarray | None = None,
) -> Scene:
    count = len(cameras)
    return Scene(
        name=name,
        world=world,
        cameras=cameras,
        people=people,
        gains=(np.ones(count) if gains is None else gains).astype(np.float32),
        offsets=(np.zeros(count) if offsets is None else offsets).astype(np.float32),
        seed=seed,
    )


def _still() -> Scene:
    """Still camera; a person enters from the left and crosses."""
    count = 90
    walker = _person("ccp_0909", 210), _walk(count, (20, 470), 290, 210)
    return _make("still", _photos("bsds_118072"), [look_at(239.5, 164.5)] * count, [walker], seed=1)


def _shake() -> Scene:
    """Hand-held: up to 10 px and 0.6 degrees of smooth random motion; a person crosses."""
    count = 90
    x, y = tremble(count, 11, 10), tremble(count, 12, 10)
    roll = np.deg2rad(tremble(count, 13, 0.6, rates=(0.3, 1.5)))
    cameras = [look_at(256 + x[i], 195 + y[i], roll=roll[i]) for i in range(count)]
    walker = _person("ccp_0461", 200), _walk(count, (490, 40), 322, 200)
    return _make("shake", _photos("urban_017"), cameras, [walker], seed=2)


def _pan() -> Scene:
    """The camera pans by 1.2 frame widths; one person walks the same way, slower, another comes from the new side."""
    count = 120
    along = _ease(np.arange(count) / (count - 1)) * 576
    y = tremble(count, 21, 1.5)
    cameras = [look_at(264 + along[i], 236 + y[i], roll=0.004 * np.sin(i / 17)) for i in range(count)]
    slower = _person("ccp_0123", 190), _walk(count, (330, 610), 378, 190)
    opposite = _person("ccp_0073", 180), _walk(count, (1080, 760), 374, 180, phase=1.0)
    stem = "kodak_24"
    return _make("pan", _photos(stem, stem), cameras, [opposite, slower], seed=3)


def _zoom() -> Scene:
    """The camera zooms in by 1.6 on a person who moves little; what is behind is mostly never shown."""
    count = 100
    scale = 0.72 * 1.6 ** _ease(np.arange(count) / (count - 1))
    cameras = [look_at(620 - 0.1 * i, 192 + 0.25 * i, scale[i]) for i in range(count)]
    poses = [_step(600 + 0.3 * i, 352, 220, i / FPS, energy=0.2) for i in range(count)]
    walker = _person("ccp_0760", 220), poses
    stem = "house_489_frontal"
    return _make("zoom", _photos(stem, stem), cameras, [walker], seed=4)


def _flicker() -> Scene:
    """Still camera whose exposure drifts by 20 grey levels and flickers by up to 3; a person crosses."""
    count = 90
    drift = _ease(np.arange(count) / (count - 1)) * 20 + tremble(count, 31, 3, rates=(2.0, 12.0))
    world = _photos("house_401_frontal") * 0.84 + 4  # leaves room for the drift below white
    walker = _person("ccp_0370", 205), _walk(count, (490, 30), 412, 205)
    offsets = 0.4 * drift
    gains = 1 + 0.6 * drift / world.mean()
    return _make("flicker", world, [look_at(269.5, 289.5)] * count, [walker], seed=5, gains=gains, offsets=offsets)


def _two() -> Scene:
    """Still camera; two people cross in the middle."""
    count = 100
    near = _person("ccp_0491", 215), _walk(count, (-30, 450), 300, 215, phase=1.0)
    far = _person("ccp_0229", 185), _walk(count, (500, 60), 283, 185)
    world = _photos("dghbg_20250319135306906")
    return _make("two", world, [look_at(269.5, 169.5)] * count, [far, near], seed=6)


def _stays() -> Scene:
    """Still camera; a person stands in the middle from the first frame on, then leaves after 2.4 s."""
    count = 120
    poses = []
    for i in range(count):
        gone = max(0.0, i / FPS - 2.4)
        poses.append(_step(270 + 230 * gone * min(1.0, gone), 372, 205, i / FPS, energy=min(1.0, 2 * gone)))
    walker = _person("ccp_0932", 205), poses
    return _make("stays", _photos("house_354_frontal"), [look_at(269.5, 254.5)] * count, [walker], seed=7)


def _sway() -> Scene:
    """Webcam: a person sways at a desk before a still camera; the background behind the middle is never shown."""
    count = 90
    x, tilt = tremble(count, 41, 22, rates=(0.2, 0.8)), tremble(count, 42, 0.05, rates=(0.2, 1.0))
    poses = [Pose(250 + x[i], 315, 235, tilt[i], phase=0.07 * i, bend=-0.02) for i in range(count)]
    sitter = _person("hsd_0073", 235, open_bottom=True), poses
    world = _photos("dghbg_20250320021551584")
    return _make("sway", world, [look_at(279.5, 164.5)] * count, [sitter], seed=8)


def _rises() -> Scene:
    """Webcam: the room is empty at first, then a person comes up from below, hair first, and stays."""
    count = 100
    x = tremble(count, 51, 15, rates=(0.2, 0.8))
    height = 315 + 240 * (1 - _ease((np.arange(count) - 10) / 45))
    poses = [Pose(300 + x[i], height[i], 235, 0.02 * np.sin(i / 9), phase=0.07 * i, bend=-0.02) for i in range(count)]
    sitter = _person("hsd_0073", 235, open_bottom=True), poses
    world = _photos("dghbg_20250319135306906")
    return _make("rises", world, [look_at(269.5, 169.5)] * count, [sitter], seed=11)


def _shadow() -> Scene:
    """Still camera; a person crosses a driveway and casts a shadow on it. The mask leaves the shadow out."""
    count = 90
    walker = _person("ccp_0924", 190), _walk(count, (20, 480), 318, 190)
    made = _make("shadow", _photos("house_530_frontal"), [look_at(269.5, 204.5)] * count, [walker], seed=10)
    made.shadow = 0.45
    return made


def _parallax() -> Scene:
    """The camera passes a wall and some posts before a street; a person walks along, before both."""
    count = 110
    along = _ease(np.arange(count) / (count - 1)) * 210
    y = tremble(count, 61, 2.0)
    far = [look_at(262 + along[i], 236 + y[i]) for i in range(count)]
    near = [look_at(262 + 1.6 * along[i], 236 + 1.3 * y[i]) for i in range(count)]
    stem = "kodak_24"
    walker = _person("ccp_0123", 190), _walk(count, (330, 470), 378, 190)
    made = _make("parallax", _photos(stem, stem), far, [walker], seed=12)
    wall = _photos("bsds_118031", "bsds_118031")
    made.near = Layer.wall(wall, near, top=300, posts=range(40, wall.shape[1], 130), size=(1100, 420))
    return made


def _moving() -> Scene:
    """Still camera; a person crosses before leaves and water that move, a screen, and somebody who is to stay."""
    count = 120
    world = _photos("bsds_65010")
    walker = _person("ccp_0909", 190), _walk(count, (-30, 640), 300, 190)
    other = _person("ccp_0229", 150), _walk(count, (200, 460), 275, 150, phase=1.0)
    made = _make("moving", world, [look_at(240, 165)] * count, [walker], seed=13)
    screen = [read_picture(f"backgrounds/val/{stem}.jpg") for stem in ("mcm_3", "imnet_n01820546", "urban_041")]
    made.motion = Motion(figures(screen, (70, 110)), (110, 110), hold=24, sway=2.5, fps=FPS)
    made.bystanders = [other]
    return made


def _watched() -> Scene:
    """The camera goes along with a person who crosses before three others, who stand and are to stay."""
    count = 120
    along, y = _ease(np.arange(count) / (count - 1)) * 440, tremble(count, 72, 3)
    cameras = [look_at(262 + along[i], 200 + y[i], roll=0.004 * np.sin(i / 17)) for i in range(count)]
    walker = _person("ccp_0909", 200), _walk(count, (110, 900), 322, 200)
    house = "house_530_frontal"
    made = _make("watched", _photos(house, house), cameras, [walker], seed=14)
    others = ("ccp_0073", 540, 172), ("ccp_0491", 615, 180), ("ccp_0370", 700, 168)
    for number, (stem, x, height) in enumerate(others):
        poses = [_step(x, 306, height, i / FPS, 2.0 * number, energy=0.02) for i in range(count)]
        made.bystanders.append((_person(stem, height), poses))
    return made


SCENES: dict[str, Callable[[], Scene]] = {
    "still": _still,
    "shake": _shake,
    "pan": _pan,
    "zoom": _zoom,
    "flicker": _flicker,
    "two": _two,
    "stays": _stays,
    "sway": _sway,
    "rises": _rises,
    "shadow": _shadow,
    "parallax": _parallax,
    "moving": _moving,
    "watched": _watched,
}
