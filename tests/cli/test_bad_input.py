"""Whatever is wrong, `erase-video` says it in one line, ends with the right code and destroys nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.cli import media
from tests.cli.command import ROOT, environment, fail, run, snapshot, succeed

FRAMES = 20
SELECT = ("--box", "20,30,40,24", "--fill", "telea")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    media.clip(tmp_path / "in.mp4", FRAMES)
    return tmp_path


def refuse(folder: Path, *options, code: int = 1, input: str = "in.mp4", output: str = "out.mp4") -> str:
    return fail(folder, folder / input, folder / output, *SELECT, *options, code=code)


def test_a_missing_file(folder):
    assert "nowhere.mp4" in refuse(folder, input="nowhere.mp4")


@pytest.mark.parametrize(("name", "content"), [("notes.txt", b"dear diary"), ("noise.mp4", bytes(range(256)) * 40)])
def test_a_file_that_is_no_media(folder, name, content):
    (folder / name).write_bytes(content)
    assert name in refuse(folder, input=name)


def test_an_empty_file(folder):
    (folder / "empty.mp4").touch()
    assert "empty.mp4" in refuse(folder, input="empty.mp4")


def test_a_file_without_video(folder):
    with av.open(str(folder / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        samples.rate = 8000
        container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    assert "video" in refuse(folder, input="sound.wav", output="out.mp4")


def test_a_video_without_frames(folder):
    with av.open(str(folder / "none.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    refuse(folder, input="none.mkv")


def test_an_empty_folder(folder):
    (folder / "pictures").mkdir()
    refuse(folder, input="pictures")


def test_a_truncated_video_is_finished_with_what_decodes(tmp_path):
    whole = media.clip(tmp_path / "whole.mkv", 60)
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    lines = succeed(tmp_path / "cut.mkv", tmp_path / "out.mkv", *SELECT, code=3)
    frames = len(media.read_video(tmp_path / "out.mkv"))
    assert 20 < frames < 60
    assert len([line for line in lines if "lost" in line]) == 1


def test_a_corrupt_video_is_finished_and_its_lost_frames_are_counted(tmp_path):
    content = bytearray(media.clip(tmp_path / "whole.mkv", 60).read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 8] = bytes(len(content) // 8)
    (tmp_path / "bad.mkv").write_bytes(content)
    lines = succeed(tmp_path / "bad.mkv", tmp_path / "out.mkv", *SELECT, "--quiet", code=3)
    assert len(lines) == 1
    assert "lost" in lines[0]
    assert any(character.isdigit() for character in lines[0])
    assert len(media.read_video(tmp_path / "out.mkv")) > 20


@pytest.mark.parametrize("spelling", ["in.mp4", "./in.mp4", "link.mp4"])
def test_the_output_may_not_be_the_input(folder, spelling):
    (folder / "link.mp4").symlink_to(folder / "in.mp4")
    line = refuse(folder, "--overwrite", output=spelling, code=2)
    assert "another name" in line


def test_a_folder_that_does_not_exist(folder):
    assert "not a folder" in refuse(folder, output="nowhere/out.mp4")
    assert "not a folder" in refuse(folder, output="in.mp4/out.mp4")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root can write to")
def test_a_folder_that_cannot_be_written_to(folder):
    line = fail(folder, folder / "in.mp4", "/proc/out.mp4", *SELECT, code=1)
    assert "/proc/out.mp4" in line


def test_an_extension_that_is_no_container(folder):
    assert "out.xyz" in refuse(folder, output="out.xyz", code=2)


def test_an_unknown_codec(folder):
    assert "nonsense" in refuse(folder, "--codec", "nonsense", code=2)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--lookahead", "-1"], "lookahead"),
        (["--lookahead", "nan"], "lookahead"),
        (["--lookahead", "soon"], "lookahead"),
        (["--start", "2", "--end", "1"], "end"),
        (["--start", "-1"], "time"),
        (["--end", "0"], "end"),
        (["--end", "noon"], "time"),
        (["--box", "1,2,3"], "box"),
        (["--keep-box", "1,2,0,5"], "box"),
        (["--dilate", "-3"], "dilate"),
        (["--dilate", "much"], "dilate"),
        (["--crf", "-3"], "crf"),
        (["--device", "toaster"], "device"),
        (["--runtime", "steam"], "runtime"),
        (["--fill", "nobody"], "telea"),
        (["--target", ","], "target"),
        (["--nonsense"], "nonsense"),
    ],
)
def test_a_bad_value_is_wrong_usage(folder, options, says):
    assert says in refuse(folder, *options, code=2).lower()


def test_arguments_may_not_be_missing(folder):
    assert "OUTPUT" in fail(folder, folder / "in.mp4", code=2)


def test_an_unknown_segmenter_names_those_there_are(folder):
    line = refuse(folder, "--target", "person", "--segmenter", "nobody", code=2)
    assert "swift" in line


def test_segmenters_that_must_be_fetched_first_are_marked(folder):
    line = refuse(folder, "--target", "person", "--segmenter", "nobody", code=2)
    assert "there are maskrcnn (a 170 MB download), sharp, swift, or" in line


@pytest.mark.parametrize("model", ["gone.onnx", "gone/model"])
def test_a_missing_file_of_a_model_is_told_as_one(folder, model):
    line = refuse(folder, "--target", "person", "--segmenter", model, code=2)
    assert f"there is no segmenter {model}: check the path" in line


def test_an_unknown_target_names_the_classes_there_are(folder):
    line = refuse(folder, "--target", "unicorn", code=2)
    assert "unicorn" in line
    assert "person" in line


def test_a_box_outside_the_picture_names_its_size(folder):
    assert "128x96" in refuse(folder, "--box", "500,10,20,20")


def test_masks_that_end_before_the_video(folder):
    media.write_folder(folder / "masks", media.square_masks(FRAMES - 3))
    line = refuse(folder, "--mask", folder / "masks")
    assert "end before the video" in line
    assert "frame 17" in line


def test_masks_of_another_size(folder):
    cv2.imwrite(str(folder / "mask.png"), np.zeros((50, 50), np.uint8))
    line = refuse(folder, "--mask", folder / "mask.png")
    assert "50x50" in line
    assert "128x96" in line


def test_a_missing_mask(folder):
    assert "nowhere.png" in refuse(folder, "--mask", folder / "nowhere.png")


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is a GPU")
def test_a_gpu_that_is_not_there(folder):
    assert "cpu" in refuse(folder, "--target", "person", "--device", "cuda").lower()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only on Linux can there be no display")
def test_without_a_display_select_says_how_else_to_choose(folder, monkeypatch):
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    line = refuse(folder, "--select")
    assert "give --click or --box" in line
    assert "--headless" not in line


def test_debug_shows_where_an_error_comes_from(folder):
    done = run(folder / "in.mp4", folder / "nowhere" / "out.mp4", *SELECT, "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("erase-video: ")


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that keeps the command busy for many seconds."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    still = media.background(180, 320)
    return media.write_video(path, [still] * 1200, rate=30, crf=30)


# The command as it is installed; it says when it can be interrupted.
READY = """
import sys
from realtime import console
interrupt_once = console.interrupt_once
console.interrupt_once = lambda: (interrupt_once(), print("ready", file=sys.stderr, flush=True))
from realtime.cli import main
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", ["10 %", "ready"])
def test_an_interrupt_leaves_nothing(tmp_path, long_clip, number, after):
    (tmp_path / "out.mp4").write_bytes(b"precious")
    extras = ["--preview", str(tmp_path / "p.mp4"), "--save-mask", str(tmp_path / "m.mkv"), "--overwrite"]
    process = subprocess.Popen(
        [sys.executable, "-c", READY, str(long_clip), str(tmp_path / "out.mp4"), *SELECT, *extras],
        stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stderr is not None
    while after not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, rest = process.communicate(timeout=100)
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "erase-video: interrupted, nothing was written"
    assert "Traceback" not in rest
    assert snapshot(tmp_path) == {"out.mp4": b"precious"}


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that takes far more room than there is."""
    frames = np.random.default_rng(1).integers(0, 256, (40, media.HEIGHT, media.WIDTH, 3), np.uint8)
    return media.write_video(tmp_path_factory.mktemp("noise") / "noise.mp4", list(frames))


@pytest.mark.skipif(os.name == "nt", reason="limits are of POSIX")
def test_a_file_that_cannot_grow_is_a_full_disk(folder, noise):
    """The limit on a file's size stands for a disk that fills up: it fails in the same system call."""
    import resource

    line = fail(
        folder, noise, folder / "out.mp4", *SELECT, "--crf", 1, code=1,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )  # fmt: skip
    assert "out.mp4" in line


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode
    ):
        pytest.skip("needs the right to mount a small file system")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk(small_disk, noise):
    line = fail(small_disk, noise, small_disk / "out.mp4", *SELECT, "--crf", 1, code=1)
    assert "full" in line.lower() or "space" in line.lower()


def peak_memory(*arguments: object) -> int:
    """KiB that the command needs at most, in a process of its own."""
    code = (
        "import resource, sys; from realtime.cli import run; code = run(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, env=environment(), cwd=ROOT, timeout=120, check=True,
    )  # fmt: skip
    return int(done.stdout)


@pytest.mark.skipif(os.name == "nt", reason="getrusage is of POSIX")
def test_memory_does_not_grow_with_the_length_of_the_video(tmp_path):
    """60 frames fill every queue and the lookahead (30 frames); 360 frames may need 10 % more, for the allocator.

    One BGR picture of each of the 300 further frames would be 52 MB, several times as much.
    """
    peaks = []
    cv2.imwrite(str(tmp_path / "mask.png"), media.square_masks(3, 180, 320)[1])
    for frames in (60, 360):
        path = tmp_path / f"{frames}.mp4"
        media.write_video(path, media.pictures(60, 180, 320) * (frames // 60), rate=30)
        peaks.append(
            peak_memory(path, tmp_path / f"out{frames}.mp4", "--mask", tmp_path / "mask.png", "--fill", "telea")
        )
    assert peaks[1] <= 1.1 * peaks[0]
