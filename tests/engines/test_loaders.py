"""Pictures of people are read from every layout alike, and every fault is named."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

from engines.augment import UNKNOWN, UNSURE  # noqa: E402
from engines.errors import EngineError  # noqa: E402
from engines.loaders import FORMATS, decode_rle, read_format  # noqa: E402

HEIGHT, WIDTH = 40, 60
RECTANGLE = [[10, 5], [29, 5], [29, 34], [10, 34]]  # x, y


def truth() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5:35, 10:30] = True
    return mask


def save_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def save_mask(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), mask)


def runs(mask: np.ndarray) -> list[int]:
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat.astype(int))) + 1
    return np.diff([0, *edges, flat.size]).tolist()


def pack(counts: list[int]) -> str:
    """COCO's packed run lengths, the other way round."""
    text = ""
    for index, count in enumerate(counts):
        value, more = count - (counts[index - 2] if index > 2 else 0), True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr(48 + (bits | 32 if more else bits))
    return text


def make_folder(folder: Path) -> str:
    save_image(folder / "images" / "a.jpg")
    save_mask(folder / "masks" / "a.png", truth().astype(np.uint8) * 255)
    return f"folder:{folder}"


def make_coco(folder: Path, segmentation: Any, **changes: Any) -> str:
    save_image(folder / "images" / "a.jpg")
    content = {
        "categories": [{"id": 7, "name": "person"}, {"id": 8, "name": "dog"}],
        "images": [{"id": 1, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}],
        "annotations": [
            {"image_id": 1, "category_id": 7, "segmentation": segmentation, **changes},
            {"image_id": 1, "category_id": 8, "segmentation": [[0, 0, 5, 0, 5, 5]]},
        ],
    }
    (folder / "instances.json").write_text(json.dumps(content))
    return f"coco:{folder / 'instances.json'}"


def make_voc(folder: Path) -> str:
    save_image(folder / "JPEGImages" / "a.jpg")
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[truth()] = (128, 128, 192)  # 15, person, in BGR
    colours[0] = (192, 224, 224)  # unsure
    colours[38:, 40:] = (0, 0, 128)  # 1, aeroplane
    save_mask(folder / "SegmentationClass" / "a.png", colours)
    return f"voc:{folder}"


def make_camvid(folder: Path) -> str:
    save_image(folder / "train" / "a.png")
    save_mask(folder / "train_labels" / "a.png", np.where(truth(), 9, 8).astype(np.uint8))
    return f"camvid:{folder}"


def polygon(title: str = "person_poly", **more: Any) -> dict[str, Any]:
    return {"classTitle": title, "points": {"exterior": RECTANGLE, "interior": []}, **more}


def bitmap(x: int, y: int, height: int, width: int) -> dict[str, Any]:
    _, png = cv2.imencode(".png", np.full((height, width), 255, np.uint8))
    data = base64.b64encode(zlib.compress(png.tobytes())).decode()
    return {"classTitle": "person_bmp", "bitmap": {"origin": [x, y], "data": data}}


def make_supervisely(folder: Path, *items: dict[str, Any]) -> str:
    save_image(folder / "ds1" / "img" / "a.jpg")
    content = {"size": {"height": HEIGHT, "width": WIDTH}, "objects": items}
    (folder / "ds1" / "ann").mkdir()
    (folder / "ds1" / "ann" / "a.jpg.json").write_text(json.dumps(content))
    return f"supervisely:{folder}"


MAKERS = {
    "folder": make_folder,
    "coco polygon": lambda folder: make_coco(folder, [np.ravel(RECTANGLE).tolist()]),
    "coco runs": lambda folder: make_coco(folder, {"size": [HEIGHT, WIDTH], "counts": runs(truth())}),
    "coco packed": lambda folder: make_coco(folder, {"size": [HEIGHT, WIDTH], "counts": pack(runs(truth()))}),
    "voc": make_voc,
    "camvid": make_camvid,
    "supervisely polygon": lambda folder: make_supervisely(folder, polygon(geometryType="polygon")),
    "supervisely bitmap": lambda folder: make_supervisely(folder, bitmap(10, 5, 30, 20)),
    "supervisely person and bag": lambda folder: make_supervisely(
        folder, bitmap(10, 5, 30, 20), bitmap(0, 0, 9, 9) | {"classTitle": "personal_bag"}
    ),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_person_is_where_the_labels_say(tmp_path: Path, name: str) -> None:
    (picture,) = read_format(MAKERS[name](tmp_path))
    assert picture.name == "a"
    assert picture.mask is not None
    np.testing.assert_array_equal(picture.mask == 255, truth())


def test_a_bitmap_that_reaches_out_of_the_picture_is_cut(tmp_path: Path) -> None:
    items = bitmap(-5, -4, 10, 12), bitmap(WIDTH - 3, HEIGHT - 2, 10, 12), bitmap(-20, 0, 10, 12)
    (picture,) = read_format(make_supervisely(tmp_path, *items))
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[:6, :7] = expected[-2:, -3:] = True
    assert picture.mask is not None
    np.testing.assert_array_equal(picture.mask == 255, expected)


@pytest.mark.parametrize("kind", ["rectangle", "line", "point"])
def test_what_is_no_outline_of_somebody_is_refused(tmp_path: Path, kind: str) -> None:
    spec = make_supervisely(tmp_path, polygon(geometryType=kind))
    with pytest.raises(EngineError, match=rf"a\.jpg: an object of it is a {kind}, neither a bitmap nor a polygon"):
        read_format(spec)


def test_unsure_pixels_are_neither(tmp_path: Path) -> None:
    (voc,) = read_format(make_voc(tmp_path / "voc"))
    assert voc.mask is not None
    assert (voc.mask[0] == UNSURE).all()
    crowd = make_coco(tmp_path / "coco", {"size": [HEIGHT, WIDTH], "counts": runs(truth())}, iscrowd=1)
    (coco,) = read_format(crowd)
    assert coco.mask is not None
    np.testing.assert_array_equal(coco.mask == UNKNOWN, truth())


def test_boxes_scale_with_their_picture(tmp_path: Path) -> None:
    save_image(tmp_path / "images" / "a.jpg")
    (tmp_path / "boxes.json").write_text(json.dumps({"a": [[10, 5, 30, 35]]}))
    (picture,) = FORMATS["boxes"](tmp_path, 30)
    assert picture.mask is None
    assert picture.boxes is not None
    assert picture.boxes.tolist() == [[5, 2.5, 15, 17.5]]


def test_nobody_is_anywhere_in_pictures_of_nobody(tmp_path: Path) -> None:
    save_image(tmp_path / "a.webp")
    (picture,) = read_format(f"nobody:{tmp_path}")
    assert picture.mask is not None
    assert picture.mask.shape == (HEIGHT, WIDTH)
    assert not picture.mask.any()
    (tmp_path / "b.webp").write_bytes(b"RIFF")
    with pytest.raises(EngineError, match=r"1 pictures can't be used.*b\.webp"):
        read_format(f"nobody:{tmp_path}")


def test_things_are_where_they_are_opaque(tmp_path: Path) -> None:
    rgba = np.dstack([np.full((HEIGHT, WIDTH, 3), 90, np.uint8), truth().astype(np.uint8) * 200])
    (tmp_path / "animals" / "dogs").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "animals" / "dogs" / "a.png"), rgba)
    (picture,) = read_format(f"things:{tmp_path}")
    assert picture.mask is picture.boxes is None
    np.testing.assert_array_equal(picture.things, truth())
    cv2.imwrite(str(tmp_path / "animals" / "b.png"), rgba[..., :3])
    with pytest.raises(EngineError, match=r"1 pictures can't be used.*b\.png: it has no alpha channel"):
        read_format(f"things:{tmp_path}")


@pytest.mark.parametrize("seed", range(5))
def test_packed_runs_are_unpacked(seed: int) -> None:
    mask = np.random.default_rng(seed).random((13, 17)) < 0.5
    np.testing.assert_array_equal(decode_rle(pack(runs(mask) if not mask[0, 0] else [0, *runs(mask)]), 13, 17), mask)


def test_every_faulty_file_is_named(tmp_path: Path) -> None:
    spec = make_folder(tmp_path)
    for stem in ("b", "c", "d"):
        save_image(tmp_path / "images" / f"{stem}.jpg")
    save_mask(tmp_path / "masks" / "b.png", np.zeros((10, 10), np.uint8))
    (tmp_path / "images" / "d.jpg").write_bytes(b"no picture")
    save_mask(tmp_path / "masks" / "d.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    with pytest.raises(EngineError, match="3 pictures can't be used") as caught:
        read_format(spec)
    for fault in ("b.jpg: its mask is 10x10, not 60x40", "c.png is missing", "d.jpg is missing or not a picture"):
        assert fault in str(caught.value)


def test_an_annotation_that_is_missing_is_named(tmp_path: Path) -> None:
    spec = make_supervisely(tmp_path, polygon())
    (tmp_path / "ds1" / "ann" / "a.jpg.json").unlink()
    with pytest.raises(EngineError, match=r"1 pictures can't be used.*a\.jpg\.json"):
        read_format(spec)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [HEIGHT, WIDTH], "counts": [5, 5]}, "hold 10 pixels, not 2400"),
        ({"size": [1, 2], "counts": [2]}, r"are for \[1, 2\]"),
        ({"size": [HEIGHT, WIDTH], "counts": "o"}, "end in the middle of a number"),
        ([], r"a\.jpg: somebody in it has no outline"),
        (None, "somebody in it has no outline"),
        ([[1, 1, 5, 5]], r"a\.jpg: a polygon of it has 2 corners"),
    ],
)
def test_outlines_that_make_no_sense_are_refused(tmp_path: Path, segmentation: Any, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        read_format(make_coco(tmp_path, segmentation))


def test_a_coco_file_lists_each_picture_once_and_people_in_these_alone(tmp_path: Path) -> None:
    spec, file = make_coco(tmp_path, [np.ravel(RECTANGLE).tolist()]), tmp_path / "instances.json"
    content = json.loads(file.read_text())
    (image,), (person, _) = content["images"], content["annotations"]
    file.write_text(json.dumps({**content, "images": [image, image | {"id": 2}]}))
    with pytest.raises(EngineError, match=r"instances.json lists a\.jpg 2 times"):
        read_format(spec)
    file.write_text(json.dumps({**content, "annotations": [person | {"image_id": 77}]}))
    with pytest.raises(EngineError, match=r"instances.json has people in a picture with the id 77"):
        read_format(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("people", "is not FORMAT:PATH; the formats are folder, coco"),
        ("zip:people", "is not FORMAT:PATH"),
        ("folder:{}", "no pictures in"),
        ("coco:{}/gone.json", "gone.json can't be read"),
        ("supervisely:{}", "a Supervisely project has"),
        ("voc:{}", r"no \*.png in"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, spec: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        read_format(spec.format(tmp_path))


def test_a_coco_file_without_people_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dogs.json").write_text(json.dumps({"categories": [], "images": [], "annotations": []}))
    with pytest.raises(EngineError, match="no category named person"):
        read_format(f"coco:{tmp_path / 'dogs.json'}")
    (tmp_path / "dogs.json").write_text("{}")
    with pytest.raises(EngineError, match="not a COCO instances file"):
        read_format(f"coco:{tmp_path / 'dogs.json'}")
