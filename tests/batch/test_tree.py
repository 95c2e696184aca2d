"""Which files a batch takes, and where they go."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.batch.tree import EXTENSIONS, find_work
from realtime.errors import EraserError, UsageError
from realtime.media.target import Target
from realtime.media.video_sink import VideoFile


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_a_folder_is_mirrored_in_natural_order_and_other_files_are_counted(tmp_path):
    folder = made(tmp_path / "in", "b/clip10.mp4", "b/clip9.MOV", "a.mkv", "notes.txt", "b/pic.jpg", "._a.mkv")
    work = find_work(folder, tmp_path / "out")
    assert [video.name for video in work.videos] == ["a.mkv", "b/clip9.MOV", "b/clip10.mp4"]
    assert work.videos[1].output == tmp_path / "out" / "b" / "clip9.MOV"
    assert work.others == 3


@pytest.mark.parametrize("extension", sorted(EXTENSIONS))
def test_what_counts_as_a_video_can_be_written_too(tmp_path, extension):
    VideoFile(Target(str(tmp_path / f"out{extension}"), source_path=None, overwrite=False)).abort()


def test_hidden_folders_and_the_output_itself_are_not_entered(tmp_path):
    folder = made(tmp_path / "in", "a.mp4", "out/a.mp4", ".cache/b.mp4")
    assert [video.name for video in find_work(folder, folder / "out").videos] == ["a.mp4"]


def test_what_another_batch_has_written_is_not_entered_but_told(tmp_path):
    folder = made(tmp_path / "in", "a.mp4", "sub/out/.erase-video.journal", "sub/out/a.mp4", "sub/b.mp4")
    work = find_work(folder, tmp_path / "out")
    assert [video.name for video in work.videos] == ["a.mp4", "sub/b.mp4"]
    assert (work.others, work.outputs) == (0, (folder / "sub" / "out",))


def test_the_outputs_of_a_batch_may_be_the_input_of_another(tmp_path):
    folder = made(tmp_path / "in", ".erase-video.journal", "a.mp4")
    assert [video.name for video in find_work(folder, tmp_path / "out").videos] == ["a.mp4"]


def test_a_list_gives_its_files_below_what_they_have_in_common(tmp_path):
    made(tmp_path, "x/1/a.mp4", "x/2/b.mp4")
    listed = tmp_path / "list.txt"
    listed.write_text(f"# both\nx/1/a.mp4\n\n{tmp_path}/x/2/b.mp4\nx/1/a.mp4\n")
    work = find_work(listed, tmp_path / "out")
    assert [video.name for video in work.videos] == ["1/a.mp4", "2/b.mp4"]


@pytest.mark.parametrize(
    ("text", "said"), [("# nothing\n", "lists no files"), ("rtsp://camera/1\n", "address"), ("\0\xff", "no list")]
)
def test_a_list_that_is_none_is_told(tmp_path, text, said):
    listed = tmp_path / "list.txt"
    listed.write_bytes(text.encode("latin-1"))
    with pytest.raises(EraserError, match=said):
        find_work(listed, tmp_path / "out")


def test_outputs_never_lie_on_inputs(tmp_path):
    folder = made(tmp_path / "in", "a.mp4")
    with pytest.raises(UsageError, match="replace an input"):
        find_work(folder, folder)


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(EraserError, match="no folder and no list"):
        find_work(tmp_path / "none", tmp_path / "out")
