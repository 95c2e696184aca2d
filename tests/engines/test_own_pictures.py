"""Own pictures are learnt from as their labels mean them, and measured as far as there is anything to measure."""

from __future__ import annotations

import json
from itertools import count, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
cv2 = pytest.importorskip("cv2")

from engines.augment import UNKNOWN, UNSURE  # noqa: E402
from engines.data import LONGEST_SIDE, Picture, chosen_on, is_held  # noqa: E402
from engines.measure import SIDE  # noqa: E402
from engines.recipes import measure_filler, measure_segmenter  # noqa: E402
from engines.samples import SegmenterSamples  # noqa: E402
from engines.tasks import FillerTask, SegmenterTask, segmenter_samples  # noqa: E402

LEARNT = list(islice((name for name in (f"mine_{number}" for number in count()) if not is_held(name)), 3))
SIZE = (64, 96)


def disc(size: tuple[int, int] = SIZE) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    cv2.circle(mask, (size[1] // 2, size[0] // 2), min(size) // 3, 255, -1)
    return mask


def bright(mask: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None] > 0, np.uint8(220), np.uint8(40)).repeat(3, 2)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def add_person(folder: Path, name: str, size: tuple[int, int] = SIZE) -> None:
    write(folder / "images" / f"{name}.jpg", bright(disc(size)))
    write(folder / "masks" / f"{name}.png", disc(size))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A data folder of three pictures of each kind, none of which is kept back for choices."""
    for part in ("train", "val"):
        for name in LEARNT:
            add_person(tmp_path / "people" / part, name)
            write(tmp_path / "backgrounds" / part / f"{name}.jpg", np.full((*SIZE, 3), 90, np.uint8))
    write(tmp_path / "people" / "cutouts" / "one.png", np.dstack([bright(disc()), disc()]))
    (tmp_path / "people_boxes").mkdir()
    (tmp_path / "people_boxes" / "boxes.json").write_text("{}")
    return tmp_path


def add_crowd(folder: Path) -> str:
    """A picture of a crowd alone, as COCO labels it: everybody below its eighth row."""
    write(folder / "crowd.jpg", np.full((*SIZE, 3), 150, np.uint8))
    runs = [number for _ in range(SIZE[1]) for number in (8, SIZE[0] - 8)]
    crowd = {"image_id": 7, "category_id": 1, "iscrowd": 1, "segmentation": {"size": SIZE, "counts": runs}}
    image = {"id": 7, "file_name": "crowd.jpg", "height": SIZE[0], "width": SIZE[1]}
    content = {"categories": [{"id": 1, "name": "person"}], "images": [image], "annotations": [crowd]}
    (folder / "instances.json").write_text(json.dumps(content))
    return f"coco:{folder / 'instances.json'}"


def test_a_crowd_is_learnt_from_as_a_place_where_somebody_is(own: Path) -> None:
    made = segmenter_samples(own, 2, 0, also=[add_crowd(own)])
    assert "crowd" not in [picture.name for picture in (*made.people, *made.backgrounds)]
    labels = [made._boxed(np.random.default_rng(seed), SIZE).label for seed in range(10)]
    assert {int(value) for label in labels for value in np.unique(label)} == {0, UNKNOWN}


def test_what_labels_are_unsure_of_stays_unsure_where_nobody_is() -> None:
    label = np.zeros(SIZE, np.uint8)
    label[20:40, 30:70] = UNSURE  # a chair's rim, say
    made = SegmenterSamples([], [], [Picture("chair", bright(label), label)], batch=1)
    canvas = made._background(np.random.default_rng(0), SIZE)
    assert set(np.unique(canvas.label)) == {0, UNSURE}
    assert canvas.image[canvas.label == UNSURE].mean() > 200 > 60 > canvas.image[canvas.label == 0].mean()


def test_own_pictures_are_read_as_large_as_the_others(own: Path, tmp_path: Path) -> None:
    add_person(tmp_path / "mine", "large", (500, 800))
    for plain, side in ((0.0, LONGEST_SIDE), (1.0, SIDE)):
        made = segmenter_samples(own, 2, 0, also=[f"folder:{tmp_path / 'mine'}"], plain=plain)
        assert [max(picture.image.shape) for picture in made.people if picture.name == "large"] == [side]


@pytest.mark.parametrize("kind", [SegmenterTask, FillerTask])
def test_where_nothing_is_kept_back_there_are_no_figures(own: Path, kind: Any) -> None:
    task = kind(own, pretrained=False)
    assert task.evaluate(task.network) == {}


def test_holes_of_nobodys_shape_are_not_measured(own: Path) -> None:
    kept = next(name for name in (f"place_{number}" for number in count()) if chosen_on(name))
    write(own / "backgrounds" / "train" / f"{kept}.jpg", np.full((*SIZE, 3), 90, np.uint8))
    task = FillerTask(own, pretrained=False)
    assert task.evaluate(task.network) == {}


def engine(**answers: Any) -> Any:
    """Stands for a network: functions of its inputs by the name of its outputs."""

    def run(**inputs: np.ndarray) -> dict[str, np.ndarray]:
        return {name: answer(**inputs) for name, answer in answers.items()}

    return SimpleNamespace(run=run, card=SimpleNamespace(sizes=[SIZE], threshold=0.5))


def finds_bright(image: np.ndarray, **guidance: np.ndarray) -> np.ndarray:
    return (image[:, :1] > 0.5).astype(np.float32)[..., ::2, ::2]


def test_close_ups_are_told_from_others_where_there_are_both(own: Path) -> None:
    segmenter = engine(matte=finds_bright, object=finds_bright)
    figures = measure_segmenter(segmenter, own)
    assert figures["iou"] == figures["iou_mine"] > 0.9
    assert not any("cmask" in name for name in figures)
    for name in ("cmask_0", "cmask_1"):
        add_person(own / "people" / "val", name)
        write(own / "people" / "val" / "images" / f"{name}.jpg", np.zeros((*SIZE, 3), np.uint8))
    figures = measure_segmenter(segmenter, own)
    assert figures["iou_without_cmask"] == pytest.approx(figures["iou_mine"])
    assert figures["iou"] < 0.7


def test_a_filler_is_measured_on_pictures_of_ones_own(own: Path) -> None:
    filler = engine(image_filled=lambda image, mask: image + mask * np.float32(90 / 255))
    assert measure_filler(filler, own)["hole_psnr"] > 40
