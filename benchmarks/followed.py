"""How much do masks flicker? A network that is guided by its previous matte beside the same network unguided."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.scenes import Scene, scene
from benchmarks.sprites import came_from
from engines.measure import iou
from realtime.motion.flow import Flow, Reduced
from realtime.segment import Segmenter
from realtime.tracking.looker import Cue, Looker
from realtime.tracking.track import Click

SCENES = ("still", "shake", "pan", "flicker", "sway")
NEAR = 41  # pixels: what lies within half of it is judged as part of the person


@dataclass(frozen=True)
class Following:
    """One scene. flicker_*: mean of 1 - IoU of consecutive masks, the earlier one carried along as person and camera
    really moved; iou_*: mean IoU with the truth. plain: unguided, by one look at all of the picture; closer: unguided,
    but looked at closer; guided: from one click on, by its previous matte, carried along and looked at closer; truth:
    the true masks' own flicker, which is what the measure cannot resolve.
    """

    name: str
    frames: int
    flicker_plain: float
    flicker_closer: float
    flicker_guided: float
    flicker_truth: float
    iou_plain: float
    iou_closer: float
    iou_guided: float

    @property
    def ratio(self) -> float:
        """Guided by unguided flicker."""
        return self.flicker_guided / max(self.flicker_plain, 1e-9)

    @property
    def avoidable_ratio(self) -> float:
        """The same, of what exceeds the true masks' flicker."""
        floor = self.flicker_truth
        return max(0.0, self.flicker_guided - floor) / max(self.flicker_plain - floor, 1e-9)


def follow(segmenter: Segmenter, name: str, frames: int | None = None) -> Following:
    """Follow the largest person of a scene from the first frame in which a fiftieth of the picture shows them."""
    made = scene(name, frames)
    who = _largest(made)
    flow, looker = Flow(), Looker(segmenter)
    flickers: list[list[float]] = []
    ious: list[list[float]] = []
    before: list[np.ndarray] = []
    thing: np.ndarray | None = None
    for index in range(len(made)):
        image, truth = made.shot(index).frame, made.visible(index, who) > 0.5
        if thing is None and truth.mean() < 0.02:
            continue
        height, width = segmenter.size(image)
        step = flow.step(Reduced(image, (height // 2, width // 2)))  # the size of mattes
        if thing is None or step is None:
            cue = _click(truth, (height // 2, width // 2))
        else:
            cue = Cue(step.matte(thing))
        plain = segmenter.matte(image, ["person"])
        closer, _ = looker.look(image, ["person"])
        _, (thing,) = looker.look(image, [], [cue])
        assert closer is not None
        found = [
            cv2.resize(m, image.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 0.5 for m in (plain, closer, thing)
        ]
        masks = [*found, truth]
        if before:
            motion = _motion(made, index, who, truth)
            moved = [_carry(mask.astype(np.float32), motion) > 0.5 for mask in before]
            flickers.append([1 - iou(a, b) for a, b in zip(masks, moved, strict=True)])
        ious.append([iou(mask, truth) for mask in found])
        before = masks
    figures = [*np.mean(flickers, axis=0), *np.mean(ious, axis=0)]
    return Following(name, len(ious), *map(float, figures))


def _largest(made: Scene) -> int:
    """Who of the scene's people shows most, over all frames."""
    shows = [sum(made.visible(index, who).sum() for index in range(len(made))) for who in range(len(made.people))]
    return int(np.argmax(shows))


def _click(truth: np.ndarray, size: tuple[int, int]) -> Cue:
    """A click in the middle of the true person; size: (h, w) of mattes."""
    depth = cv2.distanceTransform(cv2.resize(truth.astype(np.uint8), size[::-1]), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return Cue(np.zeros(size, np.float32), [Click(int(x), int(y), True, 0.0)], sure=False)


def _motion(made: Scene, index: int, who: int, truth: np.ndarray) -> np.ndarray:
    """(H, W, 2) float32, pixels, a frame -> the frame before: the person's own motion on them and near, the camera's
    elsewhere."""
    (sprite, poses), cameras = made.people[who], made.cameras
    height, width = truth.shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    now, before = (poses[index], cameras[index]), (poses[index - 1], cameras[index - 1])
    person = came_from(sprite, now, before, width, height)
    behind = cv2.perspectiveTransform(grid, cameras[index - 1] @ np.linalg.inv(cameras[index]))
    near = cv2.dilate(truth.astype(np.uint8), np.ones((NEAR, NEAR), np.uint8))[..., None]
    return np.where(near, person, behind) - grid


def _carry(matte: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """The previous frame's matte as it lies in this frame; backward: (H, W, 2), pixels, this frame -> previous."""
    y, x = np.indices(matte.shape, dtype=np.float32)
    return cv2.remap(matte, x + backward[..., 0], y + backward[..., 1], cv2.INTER_LINEAR)
