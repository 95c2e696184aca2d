"""What a batch does with each file: once, again, not at all."""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path

import pytest

from realtime.batch import run
from realtime.batch.journal import NAME, Journal
from realtime.batch.outcome import DONE, FAILED, BatchResult, Outcome
from realtime.batch.run import erase_batch
from realtime.errors import UsageError
from realtime.selection import Box
from tests.batch.pools import InlinePool
from tests.cli import media

OPTIONS = {"boxes": [Box(20, 30, 40, 24)], "fill": "telea"}
FRAMES = 6


@pytest.fixture(autouse=True)
def inline(monkeypatch):
    monkeypatch.setattr(run, "LocalPool", InlinePool)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tree with two videos, one that is none, and a text."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    media.clip(tmp_path / "in" / "a.mp4", FRAMES)
    media.clip(tmp_path / "in" / "sub" / "b.mkv", FRAMES)
    (tmp_path / "in" / "sub" / "bad.mp4").write_bytes(b"this is no video")
    (tmp_path / "in" / "notes.txt").write_text("nor this")
    return tmp_path


def erase(folder: Path, **options):
    """States by name."""
    result = erase_batch(folder / "in", folder / "out", **(OPTIONS | options))
    return {outcome.name: outcome.state for outcome in result.outcomes}


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def times(folder: Path) -> list[int]:
    return [(folder / "out" / name).stat().st_mtime_ns for name in ("a.mp4", "sub/b.mkv")]


GOOD = {"a.mp4": "done", "sub/b.mkv": "done", "sub/bad.mp4": "failed"}
AGAIN = {"a.mp4": "skipped", "sub/b.mkv": "skipped", "sub/bad.mp4": "failed"}


@pytest.mark.skipif(os.name == "nt", reason="folders are never synced there")
def test_a_disk_that_cannot_sync_folders_takes_a_batch_as_well(folder, monkeypatch):
    sync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    assert erase(folder) == GOOD


def test_every_file_is_erased_and_a_bad_one_stops_no_other(folder):
    seen = []
    result = erase_batch(
        folder / "in", folder / "out", progress=lambda status: seen.append(len(status.outcomes)), **OPTIONS
    )
    assert {outcome.name: outcome.state for outcome in result.outcomes} == GOOD
    assert (result.others, result.counts) == (1, {"done": 2, "skipped": 0, "failed": 1})
    assert files(folder / "out") == [NAME, "a.mp4", "sub/b.mkv"]
    assert len(media.read_video(folder / "out" / "sub" / "b.mkv")) == FRAMES
    assert seen[-1] == 3
    table = result.table()
    assert any(line.startswith("failed   sub/bad.mp4") and "cannot be opened" in line for line in table)
    assert table[-1].startswith("2 done, 0 skipped, 1 failed")
    assert table[-1].endswith("; 1 other files are no videos")


def test_what_is_done_and_unchanged_is_skipped(folder):
    erase(folder)
    before = times(folder)
    assert erase(folder) == AGAIN
    assert times(folder) == before


@pytest.mark.parametrize("change", ["input", "options", "output lost", "mask"])
def test_what_has_changed_is_done_again(folder, change):
    mask = media.write_folder(folder / "masks", media.square_masks(1)) / "00000.png"
    options = OPTIONS | ({"mask": mask} if change == "mask" else {})
    erase(folder, **options)
    if change == "input":
        os.utime(folder / "in" / "a.mp4", ns=(1, 1))
    elif change == "options":
        options["crf"] = 30
    elif change == "output lost":
        (folder / "out" / "a.mp4").unlink()
    else:
        os.utime(mask, ns=(1, 1))
    states = erase(folder, **options)
    assert states["a.mp4"] == "done"
    assert states["sub/b.mkv"] == ("done" if change in ("options", "mask") else "skipped")


def test_what_no_batch_has_written_is_replaced_only_on_demand(folder):
    (folder / "out").mkdir()
    (folder / "out" / "a.mp4").write_text("mine")
    assert erase(folder)["a.mp4"] == "failed"
    assert (folder / "out" / "a.mp4").read_text() == "mine"
    assert erase(folder, overwrite=True)["a.mp4"] == "done"
    (folder / "out" / "a.mp4").write_text("edited since")
    assert erase(folder)["a.mp4"] == "failed"
    assert erase(folder, overwrite=True)["a.mp4"] == "done"


def test_an_output_that_came_just_before_a_crash_is_made_anew(folder):
    erase(folder)
    journal = folder / "out" / NAME
    lines = journal.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if b'"done": "a.mp4"' not in line and b'"end"' not in line]
    journal.write_bytes(b"".join(kept))
    notes = []
    states = {
        o.name: o.state for o in erase_batch(folder / "in", folder / "out", note=notes.append, **OPTIONS).outcomes
    }
    assert states == {"a.mp4": "done", "sub/b.mkv": "skipped", "sub/bad.mp4": "failed"}
    assert len(notes) == 1
    assert "goes on with the batch of" in notes[0]
    assert "1 of 3 files are done" in notes[0]


def test_a_file_without_pictures_is_skipped(folder):
    silent = folder / "in" / "sound.mp4"
    write_silence(silent)
    assert erase(folder)["sound.mp4"] == "skipped"


def write_silence(path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_folder_that_another_batch_has_written_is_left_out_with_a_note(folder):
    notes = []
    erase_batch(folder / "in", folder / "in" / "out", **OPTIONS)
    result = erase_batch(folder / "in", folder / "out", note=notes.append, **OPTIONS)
    assert {outcome.name: outcome.state for outcome in result.outcomes} == GOOD
    assert notes == [f"{folder / 'in' / 'out'} holds the outputs of another batch: left out"]


def test_a_listed_file_that_is_missing_fails_alone(folder):
    listed = folder / "list.txt"
    listed.write_text("in/a.mp4\nin/gone.mp4\n")
    result = erase_batch(listed, folder / "out", **OPTIONS)
    assert [(outcome.name, outcome.state) for outcome in result.outcomes] == [("a.mp4", "done"), ("gone.mp4", "failed")]


def test_a_table_names_all_of_a_few_files_and_only_the_bad_ones_of_many():
    bad, noted = (
        Outcome("bad.mp4", FAILED, "no video"),
        Outcome("a.mp4", DONE, "9 frames", 9, notes=("a cover is kept",)),
    )
    few = BatchResult((bad, noted), 0, 3.0).table()
    assert few == [
        "failed   bad.mp4  no video",
        "done     a.mp4    9 frames",
        "                  a cover is kept",
        "1 done, 0 skipped, 1 failed in 3.0 s (9 frames, 3.0 frames/s)",
    ]
    many = BatchResult((bad, *[noted] * 4000), 2, 3723.0).table()
    assert [line.split()[0] for line in many] == ["failed", "4000"]
    assert "in 1:02:03" in many[-1]


def test_options_of_a_single_file_are_refused(folder):
    with pytest.raises(UsageError, match="preview is for one file"):
        erase_batch(folder / "in", folder / "out", preview="p.mp4")


def test_the_same_options_said_otherwise_are_the_same(folder, monkeypatch):
    mask = media.write_folder(folder / "masks", media.square_masks(1)) / "00000.png"
    monkeypatch.chdir(folder)
    erase(folder, mask="masks/00000.png", lookahead=1.0, edits=[])
    assert erase(folder, mask=mask) == AGAIN


def test_an_option_that_is_none_is_told(folder):
    with pytest.raises(UsageError, match="no option 'lookahed'"):
        erase_batch(folder / "in", folder / "out", lookahed=2)


def test_the_folder_of_a_dead_batch_goes_where_its_journal_is_held(folder):
    dead = folder / "out" / ".erasing-dead"
    dead.mkdir(parents=True)
    (dead / "half.mp4").write_text("half")
    begun = {"time": "", "input": "", "arguments": [], "folder": "", "options": "", "files": 1, "workshop": dead.name}
    with Journal(folder / "out") as journal:
        journal.write(begin=begun)
    erase(folder)
    assert not dead.exists()


def erase_as(folder: Path, input: str, **options):
    """The only outcome of a batch of `input` into `out`."""
    (outcome,) = erase_batch(folder / input, folder / "out", **(OPTIONS | options)).outcomes
    return outcome


def two_cards(folder: Path) -> None:
    """Two cameras' cards, whose files have the same name."""
    for card, frames in (("card1", FRAMES), ("card2", FRAMES + 3)):
        (folder / card).mkdir()
        media.clip(folder / card / "C0001.MP4", frames)


def test_what_was_made_from_another_input_of_that_name_is_replaced_only_on_demand(folder):
    two_cards(folder)
    assert erase_as(folder, "card1").state == "done"
    outcome = erase_as(folder, "card2")
    assert outcome.state == "failed"
    assert f"was made from {folder / 'card1' / 'C0001.MP4'}: --overwrite" in outcome.detail
    assert len(media.read_video(folder / "out" / "C0001.MP4")) == FRAMES
    assert erase_as(folder, "card2", overwrite=True).state == "done"
    assert len(media.read_video(folder / "out" / "C0001.MP4")) == FRAMES + 3


def test_inputs_that_have_moved_are_done_still(folder):
    two_cards(folder)
    erase_as(folder, "card1")
    (folder / "card1").rename(folder / "archive")
    assert erase_as(folder, "archive").state == "skipped"


def test_a_file_that_came_by_hand_after_a_crash_stays(folder):
    erase(folder)
    journal = folder / "out" / NAME
    lines = journal.read_bytes().splitlines(keepends=True)
    crash = next(number for number, line in enumerate(lines) if b'"placing": "a.mp4"' in line)
    journal.write_bytes(b"".join(lines[:crash]))
    (folder / "out" / "a.mp4").write_text("mine")
    assert erase(folder)["a.mp4"] == "failed"
    assert (folder / "out" / "a.mp4").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_what_is_no_file_fails_before_any_work(folder):
    os.mkfifo(folder / "in" / "pipe.mp4")
    listed = folder / "list.txt"
    listed.write_text("in/sub\nin/pipe.mp4\n")
    result = erase_batch(listed, folder / "out", **OPTIONS)
    assert [outcome.state for outcome in result.outcomes] == ["failed", "failed"]
    assert result.outcomes[0].detail.endswith("pipe.mp4 is no file: a batch is for files; save it to one first")
    assert result.outcomes[1].detail.endswith("sub is a folder: a list names files")
    assert b'"start"' not in (folder / "out" / NAME).read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lookahead": -1}, "the lookahead is -1"),
        ({"start": 3, "end": 2}, "not after the start"),
        ({"segmenter": "nope"}, "unknown segmenter 'nope'"),
        ({"fill": "no/such/model"}, "there is no filler no/such/model"),
        ({"mask": "masks/%03d.png"}, "there is no mask masks/%03d.png"),
        ({"selection": "none.json"}, "there is no selection none.json"),
    ],
)
def test_what_would_fail_every_file_is_refused_before_the_first(folder, options, said):
    with pytest.raises(UsageError, match=said):
        erase(folder, **options)
    assert not (folder / "out").exists()


def test_a_model_in_the_current_folder_is_found_from_everywhere(tmp_path, monkeypatch):
    for name in ("mine", "telea"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert run._checked("in", {"segmenter": "mine"}) == {"segmenter": str(tmp_path / "mine")}
    assert run._checked("in", {"fill": "telea"}) == {"fill": "telea"}


def test_where_an_error_comes_from_is_logged(folder, caplog):
    with caplog.at_level(logging.DEBUG, "realtime"):
        erase(folder)
    (trace,) = [record.message for record in caplog.records if "Traceback" in record.message]
    assert trace.startswith("sub/bad.mp4: ")
    assert "erase_video" in trace
