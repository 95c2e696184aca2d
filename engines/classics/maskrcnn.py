"""Deep Layer Regeneration's first half: Mask R-CNN finds instances, which are painted over and regenerated.

He et al., "Mask R-CNN", ICCV 2017, as torchvision builds it: a ResNet-50 or ResNet-101 with a feature pyramid.
torchvision publishes weights for ResNet-50 only; they are loaded from a path, or from where torch.hub keeps what it has
fetched.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.card import Card
from engines.classics.published import published_file
from engines.errors import EngineError

FILE = "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"
MEGABYTES = 170
LABELS = 90  # of COCO; ten of them are not used
LEAST_SCORE = 0.5
SIDES = 800, 1333  # pixels that torchvision scales the shorter and at most the longer side of a picture to


@dataclass(frozen=True)
class Instances:
    """What was found in one picture, best first: boxes (n, 4) x1 y1 x2 y2, labels (n,) int, from 1 on, scores (n,),
    masks (n, H, W) float32 in [0, 1].
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: Tensor


class MaskRCNN(nn.Module):
    """image (3, H, W) RGB in [0, 1] -> `Instances`.

    classes: how many, the background not counted. settings: torchvision's own, such as how many regions are proposed.
    """

    def __init__(self, classes: int, depth: int = 50, sides: tuple[int, int] = SIDES, **settings: Any) -> None:
        super().__init__()
        detection = _detection()
        from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

        backbone = resnet_fpn_backbone(backbone_name=f"resnet{depth}", weights=None, trainable_layers=5)
        self.body = detection.MaskRCNN(backbone, classes + 1, min_size=sides[0], max_size=sides[1], **settings)

    def forward(self, image: Tensor) -> Instances:
        found = self.body([image])[0]
        sure = found["scores"] >= LEAST_SCORE
        return Instances(found["boxes"][sure], found["labels"][sure], found["scores"][sure], found["masks"][sure, 0])

    def losses(self, images: Sequence[Tensor], targets: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The terms that training minimises; targets as torchvision takes them: boxes, labels, masks."""
        return dict(self.body(list(images), list(targets)))


def _detection() -> Any:
    """torchvision.models.detection; EngineError where torchvision is not installed."""
    try:
        _stand_in()
        from torchvision.models import detection
    except ImportError as error:
        raise EngineError("Mask R-CNN needs torchvision; install it with `pip install .[maskrcnn]`") from error
    return detection


def _stand_in() -> None:
    """Let torchvision be imported where its compiled operators are of another build than torch (CPU and CUDA wheels).

    Mask R-CNN needs only one of them that torchvision has not in Python too: suppression of boxes that overlap.
    """
    if "torchvision" in sys.modules:
        return
    try:
        import torchvision  # noqa: F401
    except RuntimeError:  # "operator torchvision::nms does not exist"
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from torchvision.ops import boxes

        boxes.nms = suppress
        align: Any = import_module("torchvision.ops.roi_align")  # in the package, the function hides its module
        align._roi_align = align._roi_align.__wrapped__  # would be compiled first, for minutes
        boxes._library = library  # its operators live as long as it does


def suppress(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes, (n, 4) x1 y1 x2 y2, that no better one overlaps by more than the threshold, best first."""
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    rest = scores.argsort(descending=True)
    kept = []
    while len(rest):
        best, rest = rest[0], rest[1:]
        kept.append(best)
        upper = torch.maximum(boxes[best, :2], boxes[rest, :2])
        lower = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = (lower - upper).clamp_min(0).prod(1)
        rest = rest[shared <= iou_threshold * (area[best] + area[rest] - shared)]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.long)


def weights_file(own: Path | None = None) -> Path:
    """Where the published weights are: a file of one's own, or torch.hub's cache. EngineError says what to do."""
    return published_file("Mask R-CNN's", FILE, MEGABYTES, own, ", or give the file's own path as the model")


def load(card: Card, file: Path) -> InstanceSegmenter:
    """Mask R-CNN with weights of our own (people alone) or those that torchvision publishes (all classes).

    EngineError where neither is there, or the file is another.
    """
    own = len(card.classes) == 1
    path = file if own else weights_file(file)
    content = path.read_bytes()
    card.check_model(content)
    network = MaskRCNN(1 if own else LABELS)
    target = network if own else network.body
    try:
        target.load_state_dict(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
    except (RuntimeError, TypeError, AttributeError) as error:
        raise EngineError(f"{path} does not hold Mask R-CNN's weights ({str(error).splitlines()[0]})") from error
    return InstanceSegmenter(network, [1] if own else named_labels())


def named_labels() -> list[int]:
    """The labels of COCO that name something, in the order in which the card lists their classes."""
    _detection()
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights as Weights

    names = Weights.COCO_V1.meta["categories"]
    return [label for label, name in enumerate(names) if name not in ("__background__", "N/A")]


def class_mattes(found: Instances, labels: Sequence[int]) -> Tensor:
    """The mattes of classes, (len(labels), H, W) float32: each pixel as sure as the surest instance there."""
    height, width = found.masks.shape[1:]
    mattes = torch.zeros(len(labels), height, width)
    for label, mask in zip(found.labels.tolist(), found.masks, strict=True):
        if label in labels:
            row = labels.index(label)
            mattes[row] = torch.maximum(mattes[row], mask.cpu())
    return mattes


def meant(found: Instances, guidance: Tensor) -> Tensor:
    """The instance that a guidance means, (H, W) float32; zeros where it means none.

    guidance: (3, H, W): the object's previous matte, positive clicks, negative clicks. An instance that a negative
    click hits is out; of the others the one with the most positive clicks, then with the best overlap, is meant.
    """
    before, wanted, unwanted = guidance
    best, best_score = torch.zeros_like(before), 0.1
    for mask in found.masks:
        inside = mask > 0.5
        if not inside.any() or (unwanted[inside] > 0).any():
            continue
        overlap = torch.minimum(mask, before).sum() / torch.maximum(mask, before).sum().clamp_min(1)
        clicked = (wanted[inside] > 0).sum() / (wanted > 0).sum().clamp_min(1)
        score = float(2 * clicked + overlap)
        if score > best_score:
            best, best_score = mask, score
    return best


class InstanceSegmenter:
    """A segmenter's inputs and outputs over Mask R-CNN: `run(image, guidance)` as an engine's card promises."""

    def __init__(self, network: MaskRCNN, labels: Sequence[int]) -> None:
        self.network = network.eval()
        self.labels = labels

    def run(self, image: Tensor, guidance: Tensor) -> dict[str, Tensor]:
        """image (N, 3, H, W), guidance (M, 3, H, W) -> matte (N, labels, H/2, W/2), object (M, 1, H/2, W/2)."""
        found = [self.network(picture) for picture in image]
        matte = torch.stack([class_mattes(instances, self.labels) for instances in found])
        owners = found * len(guidance) if len(found) == 1 else found
        objects = [meant(instances, planes) for instances, planes in zip(owners, guidance, strict=True)]
        thing = torch.stack(objects)[:, None] if objects else matte.new_zeros(0, 1, *matte.shape[2:])
        return {"matte": F.avg_pool2d(matte, 2), "object": F.avg_pool2d(thing, 2)}
