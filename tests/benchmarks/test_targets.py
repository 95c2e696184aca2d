"""Targets are held against the figures that the table prints."""

from __future__ import annotations

from benchmarks.tables import markdown_table, number, percent
from benchmarks.targets import check_targets


def test_targets_are_met_missed_or_not_measured():
    scenes = {
        "still": {
            "eraser 0 s": {"psnr_before": 36.0, "psnr_all": 30.0, "flicker_of_telea": 0.2, "leftover": 0.5},
            "eraser 1 s": {"psnr_before": 36.0, "psnr_all": 33.9, "flicker_of_telea": 0.3, "leftover": 0.5},
            "found 1 s": {"leftover": 0.04},
        }
    }
    verdicts = {target.name: target.verdict for target in check_targets(scenes)}
    assert verdicts["masks given, no lookahead, shown before: still"] == "yes"
    assert verdicts["masks given, lookahead 1 s, whole hole: still"] == "NO"
    assert verdicts["flicker, eraser 0 s: still"] == "yes"
    assert verdicts["flicker, eraser 1 s: still"] == "NO"
    assert verdicts["leftover, found 1 s: still"] == "yes"
    assert verdicts["masks given, lookahead 1 s, whole hole: pan"] == "not measured"


def test_two_plates_are_held_against_one_homography():
    scenes = {
        "parallax": {"eraser all": {"psnr_all": 27.0}, "single all": {"psnr_all": 21.0}, "Telea": {"psnr_all": 28.0}}
    }
    verdicts = {target.name: target.verdict for target in check_targets(scenes)}
    assert verdicts["lookahead all against single all: parallax"] == "yes"
    assert verdicts["lookahead all against Telea: parallax"] == "NO"


def test_what_is_invented_is_held_against_telea():
    scenes = {"sway": {"eraser 0 s": {"psnr_all": 12.0}, "eraser 1 s": {"psnr_all": 11.8}, "Telea": {"psnr_all": 10.9}}}
    verdicts = {target.name: target.verdict for target in check_targets(scenes)}
    assert verdicts["above Telea, eraser 0 s: sway"] == "yes"
    assert verdicts["above Telea, eraser 1 s: sway"] == "NO"
    assert verdicts["above Telea, eraser 1 s: zoom"] == "not measured"


def test_a_table_is_aligned_markdown():
    lines = markdown_table(["name", "dB"], [["a", number(3.14159)], ["bcdefg", number(None)], ["x", percent(0.5, 0)]])
    assert lines.splitlines() == [
        "| name   |   dB |",
        "| ------ | ---: |",
        "| a      |  3.1 |",
        "| bcdefg |    - |",
        "| x      | 50 % |",
    ]
