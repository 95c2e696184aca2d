"""Masks are judged by their overlap and their edges; objects to click on are whole and large enough."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.clicked import laid_over, people
from benchmarks.mask_tables import check, click_means
from benchmarks.peers import Peer, teachers
from benchmarks.scored import boundary_f, score
from engines.data import Picture


def box(x0: int, x1: int, size: int = 256) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[60:200, x0:x1] = True
    return mask


def test_an_edge_counts_within_two_pixels():
    true = box(60, 200)
    assert boundary_f(true, true) == 1
    assert boundary_f(box(62, 202), true) == 1
    assert 0.4 < boundary_f(box(66, 206), true) < 0.8
    assert boundary_f(np.zeros_like(true), true) == 0
    assert boundary_f(np.zeros_like(true), np.zeros_like(true)) == 1


def test_an_edge_is_judged_at_one_scale():
    true, found = (box(x, x + 560, 1024) for x in (240, 247))
    assert boundary_f(found, true) == 1


def test_scores_are_means_by_source():
    def bright(image: np.ndarray) -> np.ndarray:
        return (image[..., 0] > 127).astype(np.float32)

    mask = box(60, 200)
    right = np.where(mask[..., None], np.uint8(255), np.uint8(0)).repeat(3, 2)
    dark = np.zeros_like(right)
    peer = Peer("bright", bright, lambda x: x, lambda x: x)
    pictures = [
        Picture("a_1", right, mask.astype(np.uint8) * 255),
        Picture("cmask_2", dark, mask.astype(np.uint8) * 255),
    ]
    boxed = [Picture("b_1", right, boxes=np.array([[60, 60, 200, 200]], np.float32))]
    scores = score(peer, pictures, [Picture("c_1", dark)], boxed)
    assert scores.iou == {"a": 1.0, "cmask": 0.0}
    assert (scores.iou_all, scores.iou_free) == (0.5, 1.0)
    assert (scores.false_all, scores.projection, scores.outside) == (0.0, 1.0, 0.0)
    met = {target.name: target.met for target in check({"bright": scores}, {}, [])}
    assert met["projection IoU"]
    assert not met["person IoU"]
    assert met["one click on a person"] is None
    asked = {name: {target.name: target.wanted for target in check({name: scores}, {}, [])} for name in ("a", "sharp")}
    assert (asked["a"]["person IoU"], asked["sharp"]["person IoU"]) == (">= 0.9", ">= 0.92")
    assert "ms, 2 threads, 288x512" not in asked["sharp"]


def test_each_large_piece_of_a_mask_is_clicked_on():
    mask = np.zeros((100, 100), np.uint8)
    mask[10:40, 10:40] = mask[60:90, 60:80] = mask[2:4, 2:4] = 255
    things = [found.thing.sum() for found in people([Picture("a_1", np.zeros((100, 100, 3), np.uint8), mask)])]
    assert things == [900, 600]


def test_a_cut_out_is_laid_over_a_picture_whole():
    cutout = Picture("a_1", np.full((60, 40, 3), 200, np.uint8), np.full((60, 40), 255, np.uint8))
    for number in range(20):
        image, shows = laid_over(np.random.default_rng(number), np.zeros((120, 160, 3), np.uint8), cutout)
        rows, columns = np.flatnonzero(shows.any(1)), np.flatnonzero(shows.any(0))
        assert 0.18 * 120 <= len(rows) <= 0.82 * 120
        assert len(columns) / len(rows) == pytest.approx(40 / 60, abs=0.1)
        assert shows[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.95
        assert image[shows].mean() > 180
        assert image[~shows].mean() < 5


def test_clicks_are_averaged_one_by_one():
    assert click_means([[0.2, 0.4, 0.6], [0.4, 0.6, 0.8]]) == pytest.approx({"one": 0.3, "two": 0.5, "three": 0.7})


def test_teachers_that_are_not_there_are_named(tmp_path):
    made, missing = teachers(tmp_path, 1)
    assert made == []
    assert "not in the reference data" in missing["sinet_softmax.onnx"]
    assert "definition" in missing["extremec3_naver.pth"]
