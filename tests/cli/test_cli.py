"""`erase-video` as a user runs it, on tiny media."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines.gpu import find_gpus
from realtime import cli
from realtime.pipeline import Progress
from tests.cli import media
from tests.cli.command import COMMAND, environment, fail, run, succeed

FRAMES = 20
BOX = "20,30,40,24"
ROWS, COLUMNS = slice(30, 54), slice(20, 60)
FAR = slice(70, None)  # rows that neither the box's hole nor its feather reaches
CLASSICAL = ("--fill", "telea")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    media.clip(tmp_path / "in.mp4", FRAMES)
    return tmp_path


def erase(folder: Path, *options, output: str = "out.mp4") -> list[str]:
    return succeed(folder / "in.mp4", folder / output, *CLASSICAL, *options)


def test_a_box_is_erased_and_the_rest_stays(folder):
    erase(folder, "--box", BOX, "--crf", 10)
    before, after = media.read_video(folder / "in.mp4"), media.read_video(folder / "out.mp4")
    assert len(after) == FRAMES
    for original, erased in zip(before, after, strict=True):
        assert media.difference(original[FAR], erased[FAR]) < 4
    square = before[5]
    assert square[ROWS, COLUMNS].max() > 250  # the white square is inside the box
    assert media.difference(media.background()[ROWS, COLUMNS], after[5][ROWS, COLUMNS]) < media.difference(
        media.background()[ROWS, COLUMNS], square[ROWS, COLUMNS]
    )
    assert not [path for path in folder.iterdir() if path.name not in ("in.mp4", "out.mp4")]


@pytest.mark.skipif(os.name == "nt", reason="permissions are of POSIX")
def test_an_output_has_ordinary_permissions(folder):
    erase(folder, "--box", BOX, "--preview", folder / "p.mp4", "--report", folder / "r.json")
    umask = os.umask(0)
    os.umask(umask)
    for name in ("out.mp4", "p.mp4", "r.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("kind", ["folder", "video", "scaled folder"])
def test_masks_are_given_for_each_frame(folder, kind):
    masks = media.square_masks(FRAMES)
    path = folder / "masks"
    if kind == "video":
        path = media.write_video(folder / "masks.mp4", masks)
    elif kind == "folder":
        media.write_folder(path, masks)
    else:
        media.write_folder(path, [np.ascontiguousarray(mask[::2, ::2]) for mask in masks])
    erase(folder, "--mask", path, "--crf", 10, "--no-shadow")
    for mask, erased in zip(masks, media.read_video(folder / "out.mp4"), strict=True):
        assert np.percentile(erased[mask > 0].min(axis=1), 75) < 250  # hardly anything of the white square is left
        assert media.difference(erased[FAR], media.background()[FAR]) < 6


def test_one_mask_serves_all_frames_and_adds_to_boxes(folder):
    mask = np.zeros((media.HEIGHT, media.WIDTH), np.uint8)
    mask[5:15, 5:15] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    erase(folder, "--mask", folder / "mask.png", "--box", BOX, "--save-mask", f"{folder}/holes/")
    for path in sorted((folder / "holes").iterdir()):
        hole = media.read_picture(path)
        assert (hole[5:15, 5:15] == 255).all()
        assert (hole[ROWS, COLUMNS] == 255).all()
        assert (hole[FAR] == 0).all()


def test_a_kept_box_is_not_touched(folder):
    erase(folder, "--box", "0,0,128,96", "--keep-box", "64,0,64,96", "--save-mask", f"{folder}/holes/")
    hole = media.read_picture(sorted((folder / "holes").iterdir())[0])
    assert (hole[:, :64] == 255).all()
    assert (hole[:, 64:] == 0).all()


@pytest.mark.parametrize(("dilate", "grown"), [("0", 0), ("5", 5)])
def test_the_mask_grows_by_what_is_asked(folder, dilate, grown):
    erase(folder, "--box", BOX, "--dilate", dilate, "--no-shadow", "--save-mask", f"{folder}/holes/")
    hole = media.read_picture(sorted((folder / "holes").iterdir())[0])
    rows, columns = np.nonzero(hole)
    assert (rows.min(), rows.max()) == (30 - grown, 53 + grown)
    assert (columns.min(), columns.max()) == (20 - grown, 59 + grown)


def test_saved_masks_of_a_video_are_black_and_white_and_can_be_given_again(folder):
    media.write_folder(folder / "masks", media.square_masks(FRAMES))
    erase(folder, "--mask", folder / "masks", "--dilate", 0, "--no-shadow", "--save-mask", folder / "hole.mkv")
    holes = media.read_video(folder / "hole.mkv")
    for hole, mask in zip(holes, media.square_masks(FRAMES), strict=True):
        assert (hole.max(axis=2) == mask).all()
        assert (hole.min(axis=2) == mask).all()
    erase(folder, "--mask", folder / "hole.mkv", output="again.mp4")


def test_a_preview_shows_before_mask_and_after(folder):
    erase(folder, "--box", BOX, "--preview", folder / "side-by-side.mp4")
    previews, originals = media.read_video(folder / "side-by-side.mp4"), media.read_video(folder / "in.mp4")
    assert len(previews) == FRAMES
    assert previews[0].shape == (media.HEIGHT, 3 * media.WIDTH + 8, 3)
    assert media.difference(previews[9][:, : media.WIDTH], originals[9]) < 6
    tinted = previews[9][ROWS, media.WIDTH + 4 :][:, COLUMNS].astype(int)
    assert (tinted[..., 2] - tinted[..., 1]).mean() > 20


def test_start_and_end_cut_the_video_and_masks_count_from_its_first_frame(folder):
    media.write_folder(folder / "masks", media.square_masks(FRAMES))
    erase(
        folder, "--start", "0.5", "--end", "0:00:01.5", "--mask", folder / "masks", "--dilate", 0, "--no-shadow",
        "--save-mask", folder / "hole.mkv",
    )  # fmt: skip
    assert len(media.read_video(folder / "out.mp4")) == 10
    assert float(media.duration(folder / "out.mp4")) == pytest.approx(1.0, abs=0.11)
    holes = media.read_video(folder / "hole.mkv")
    assert (holes[0].max(axis=2) == media.square_masks(FRAMES)[5]).all()


def test_a_picture_gives_a_picture(tmp_path):
    cv2.imwrite(str(tmp_path / "in.png"), media.pictures(3)[1])
    lines = succeed(
        tmp_path / "in.png", tmp_path / "out.png", *CLASSICAL, "--box", BOX,
        "--save-mask", tmp_path / "hole.png", "--preview", tmp_path / "preview.png",
    )  # fmt: skip
    assert len(lines) == 1
    before = media.read_picture(tmp_path / "in.png")
    after = media.read_picture(tmp_path / "out.png")
    hole = media.read_picture(tmp_path / "hole.png")
    assert (before[FAR] == after[FAR]).all()
    assert (before[ROWS, COLUMNS] != after[ROWS, COLUMNS]).any()
    assert hole.shape[:2] == before.shape[:2]
    assert (hole[ROWS, COLUMNS] == 255).all()
    assert media.read_picture(tmp_path / "preview.png").shape == (media.HEIGHT, 3 * media.WIDTH + 8, 3)


@pytest.mark.parametrize("source", ["folder", "pattern"])
@pytest.mark.parametrize("target", ["folder", "pattern"])
def test_a_sequence_gives_a_sequence(tmp_path, source, target):
    frames = media.pictures(6)
    media.write_folder(tmp_path / "in", frames)
    (tmp_path / "out").mkdir(exist_ok=True)
    succeed(
        tmp_path / "in" / ("%05d.png" if source == "pattern" else ""),
        tmp_path / "out" / ("%05d.png" if target == "pattern" else ""),
        *CLASSICAL, "--box", BOX,
    )  # fmt: skip
    written = sorted((tmp_path / "out").iterdir())
    assert len(written) == 6
    for path, before in zip(written, frames, strict=True):
        assert (media.read_picture(path)[FAR] == before[FAR]).all()


def test_the_report_says_who_decoded_and_encoded_where_a_gpu_was_asked_for(folder):
    erase(folder, "--box", BOX, "--hwaccel", "auto", "--report", folder / "report.json")
    notes = json.loads((folder / "report.json").read_text(encoding="utf-8"))["notes"]
    assert any("PU decodes the video" in note for note in notes)
    assert any("GPU" in note and "encodes" in note for note in notes)


def test_a_report_is_complete(folder):
    erase(folder, "--box", BOX, "--report", folder / "report.json")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["frames"] == FRAMES
    assert report["lost"] == 0
    assert (report["width"], report["height"]) == (media.WIDTH, media.HEIGHT)
    assert report["fps"] == pytest.approx(FRAMES / report["seconds"], rel=0.05)
    assert report["fills"] >= 1
    assert 0 <= report["coverage"] <= 1
    assert (report["segmenter"], report["filler"]) == (None, "telea")
    assert report["device"] == "cpu"
    for key in ("input", "output", "version", "cuts", "anchors", "parallax", "runtime", "notes"):
        assert key in report
    assert {"decode", "motion", "mask", "read", "fill", "composite", "update", "encode"} <= report["stages"].keys()
    for times in report["stages"].values():
        assert times["p50"] <= times["p90"] <= times["p99"] <= times["max"]
        assert 0 < times["count"] <= FRAMES


def test_progress_is_a_line_for_each_tenth(folder):
    lines = erase(folder, "--box", BOX)
    percents = [line.split()[1] for line in lines if " %, " in line]
    assert percents == [str(10 * tenth) for tenth in range(1, 11)]
    assert all("frames/s" in line for line in lines)
    assert lines[-1].startswith(f"erase-video: {folder / 'out.mp4'}: {FRAMES} frames in ")
    assert " frames/s on the " in lines[-1]  # CPU or GPU: what runs where is told once


def test_progress_of_several_passes_tells_the_pass(folder):
    lines = [line for line in erase(folder, "--box", BOX, "--lookahead", "all") if " %, " in line]
    assert [line.split(", ")[:2] for line in lines] == [
        [f"erase-video: {10 * tenth} %", f"pass {(tenth * 6 - 1) // FRAMES + 1} of 3"] for tenth in range(1, 11)
    ]
    assert all(line.endswith(" frames/s") for line in lines)


def test_the_rate_is_that_of_the_present_pass(monkeypatch, capsys):
    times = iter([0.0, *(0.1 * frame for frame in range(1, 11)), *(1.0 + frame for frame in range(1, 11))])
    monkeypatch.setattr(cli.time, "monotonic", lambda: next(times))
    display = cli._Display(quiet=False)
    for frame in range(1, 21):
        display.update(Progress(frame, 20, (), number=1 + (frame > 10), passes=2))
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "erase-video: 10 %, pass 1 of 2, 10.0 frames/s"
    assert last == "erase-video: 100 %, pass 2 of 2, 1.0 frames/s"


@pytest.mark.skipif(not find_gpus().lack, reason="there is a GPU, which is used")
def test_debug_tells_why_no_better_runtime_is_used(folder):
    lines = succeed(folder / "in.mp4", folder / "out.mp4", "--box", BOX, "--debug")
    assert [line for line in lines if "filler swift" in line] == [
        *(f"erase-video: filler swift: not {runtime} on cuda: {find_gpus().lack}"
          for runtime in ("tensorrt", "onnxruntime", "torch")),
        "erase-video: filler swift: onnxruntime on cpu (asked for: auto on auto)",
    ]  # fmt: skip


def test_quiet_prints_nothing(folder):
    assert erase(folder, "--box", BOX, "--quiet") == []


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo terminal")
def test_progress_is_a_bar_on_a_terminal(folder):
    import pty

    terminal, end = pty.openpty()
    arguments = [str(folder / "in.mp4"), str(folder / "out.mp4"), *CLASSICAL, "--box", BOX]
    done = subprocess.Popen([*COMMAND, *arguments], stderr=end, env={**environment(), "TERM": "xterm"})
    os.close(end)
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux: the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(terminal)
    assert done.wait(60) == 0
    assert b"\x1b[" in shown
    assert b"frames/s" in shown
    assert b"20/20" in shown


def test_help_tells_every_option_and_a_version_exists(tmp_path):
    text = run("--help").stdout
    options = (
        "target mask box keep-box lookahead fill segmenter device runtime start end codec crf dilate no-shadow preview "
        "save-mask report quiet overwrite debug version"
    )
    for option in options.split():
        assert f"--{option} " in text, option
    assert "Exit codes" in text
    assert run("--version").stdout.startswith("erase-video ")


def test_help_does_not_load_what_a_job_needs():
    heavy = ("av", "cv2", "numpy", "onnxruntime", "rich")
    code = f"import sys, realtime.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout.strip() == "[]"


def test_an_output_that_exists_is_only_replaced_when_asked(folder):
    (folder / "out.mp4").write_bytes(b"precious")
    line = fail(folder, folder / "in.mp4", folder / "out.mp4", "--box", BOX, *CLASSICAL, code=1)
    assert "exists" in line
    assert "--overwrite (overwrite=True)" in line
    erase(folder, "--box", BOX, "--overwrite")
    assert len(media.read_video(folder / "out.mp4")) == FRAMES


@pytest.mark.parametrize("option", ["--preview", "--save-mask", "--report"])
def test_other_outputs_that_exist_are_only_replaced_when_asked(folder, option):
    (folder / "other.mkv").write_bytes(b"precious")
    command = (folder / "in.mp4", folder / "out.mp4", "--box", BOX, *CLASSICAL, option, folder / "other.mkv")
    assert "exists" in fail(folder, *command, code=1)
    succeed(*command, "--overwrite")
    assert (folder / "other.mkv").read_bytes() != b"precious"


def test_remarks_are_a_line_each(folder):
    lines = erase(folder, "--box", "100,80,60,40")
    assert any("reaches over the edge of the 128x96 picture" in line for line in lines)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of a person, half size."""
    skimage_data = pytest.importorskip("skimage.data")
    path = tmp_path_factory.mktemp("portrait") / "astronaut.png"
    cv2.imwrite(str(path), cv2.resize(skimage_data.astronaut()[..., ::-1], (256, 256), interpolation=cv2.INTER_AREA))
    return path


FACE = (slice(30, 90), slice(90, 140))


def test_people_are_erased_unless_something_else_is_asked_for(portrait, tmp_path):
    succeed(portrait, tmp_path / "out.png", "--save-mask", tmp_path / "hole.png", "--report", tmp_path / "report.json")
    hole = media.read_picture(tmp_path / "hole.png")
    assert (hole[FACE] == 255).mean() > 0.95
    assert (hole == 255).mean() < 0.9
    before, after = media.read_picture(portrait), media.read_picture(tmp_path / "out.png")
    assert (before[hole == 0] == after[hole == 0]).mean() > 0.9  # all but the feather
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["segmenter"], report["filler"], report["runtime"]) == ("swift", "swift", "onnxruntime")
    assert report["stages"]["segment"]["count"] == 1


def test_a_job_imports_neither_torch_nor_tensorrt(portrait, tmp_path):
    code = (
        "import sys; from realtime.cli import run; code = run(sys.argv[1:]);"
        "print(code, [name for name in ('torch', 'tensorrt', 'torchvision') if name in sys.modules])"
    )
    arguments = [portrait, tmp_path / "out.png"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, env=environment(), check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "0 []"


def test_a_box_replaces_the_default_target(portrait, tmp_path):
    succeed(portrait, tmp_path / "out.png", "--box", "0,0,20,20", "--save-mask", tmp_path / "hole.png")
    assert not media.read_picture(tmp_path / "hole.png")[FACE].any()


def test_a_box_adds_to_a_target_that_is_named(portrait, tmp_path):
    succeed(
        portrait, tmp_path / "out.png", "--box", "0,0,20,20", "--target", "person", "--save-mask", tmp_path / "hole.png"
    )
    hole = media.read_picture(tmp_path / "hole.png")
    assert (hole[FACE] == 255).mean() > 0.95
    assert (hole[:20, :20] == 255).all()


def test_a_real_clip_with_its_masks(eraser_data, tmp_path):
    clip, masks = eraser_data / "videos" / "tennis.mp4", eraser_data / "videos" / "tennis_masks"
    succeed(clip, tmp_path / "out.mp4", "--mask", masks, "--end", "0.5", "--report", tmp_path / "report.json")
    before, after = media.read_video(clip)[:12], media.read_video(tmp_path / "out.mp4")
    assert len(after) == 12
    mask = media.read_picture(sorted(masks.iterdir())[6]) > 127
    assert media.difference(before[6][mask], after[6][mask]) > 15
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["coverage"] > 0.1
