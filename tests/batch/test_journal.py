"""The journal says what is done, whatever happened while it was written."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from realtime.batch.journal import NAME, Journal, Made
from realtime.errors import EraserError

BEGUN = {"time": "now", "input": "/in", "arguments": ["--batch", "in"], "folder": "/", "options": "o", "files": 2}
MADE = Made("/in/a.mp4", (5, 7), "o", 9)
DONE = asdict(MADE)


def test_it_remembers_the_latest_of_every_file_and_whether_the_run_has_ended(tmp_path):
    with Journal(tmp_path) as journal:
        assert journal.last is None
        journal.write(begin=BEGUN | {"workshop": "w"})
        journal.write(start="a.mp4")
        journal.write(done="a.mp4", **DONE)
        journal.write(start="b.mp4")
    with Journal(tmp_path) as journal:
        assert journal.last is not None
        assert (journal.last.arguments, journal.last.workshop) == (("--batch", "in"), "w")
        assert journal.interrupted
        done, started = journal.entries["a.mp4"], journal.entries["b.mp4"]
        assert (done.state, done.outputs) == ("done", (MADE,))
        assert started.state == "started"
        journal.write(start="a.mp4")
        journal.write(failed="a.mp4", why="bad")
        journal.write(end={})
    with Journal(tmp_path) as journal:
        assert not journal.interrupted
        assert (journal.entries["a.mp4"].state, journal.entries["a.mp4"].outputs) == ("failed", (MADE,))


@pytest.mark.parametrize("torn", [1, 10, 40])
def test_a_torn_last_line_never_happened(tmp_path, torn):
    with Journal(tmp_path) as journal:
        journal.write(start="a.mp4")
        journal.write(done="a.mp4", **DONE)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-torn])
    with Journal(tmp_path) as journal:
        assert journal.entries["a.mp4"].state == "started"
        journal.write(done="a.mp4", **DONE)
    with Journal(tmp_path) as journal:
        assert journal.entries["a.mp4"].state == "done"


def test_a_line_that_the_disk_spoilt_is_passed_over(tmp_path):
    spoilt = b'\0\0\0\n5\n{"done": "c.mp4"}\n{"begin": {"of": "another version"}}\n'
    (tmp_path / NAME).write_bytes(b'{"start": "a.mp4"}\n' + spoilt + b'{"start": "b.mp4"}\n')
    with Journal(tmp_path) as journal:
        assert journal.entries.keys() == {"a.mp4", "b.mp4"}


def test_names_may_be_of_any_bytes(tmp_path):
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    for _ in range(2):
        with Journal(tmp_path) as journal:
            journal.write(start=name)
            assert journal.entries.keys() == {name}


def test_a_folder_takes_one_batch_at_a_time(tmp_path):
    with Journal(tmp_path), pytest.raises(EraserError, match="another batch is writing"):
        Journal(tmp_path)
    Journal(tmp_path).close()


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    with pytest.raises(EraserError, match="cannot be written to"):
        Journal(tmp_path / "none")


def test_what_was_about_to_be_placed_may_be_there_until_something_is_done(tmp_path):
    output = tmp_path / "a.mp4"
    output.write_bytes(bytes(12))
    with Journal(tmp_path) as journal:
        journal.write(done="a.mp4", **DONE)
        for size in (12, 15):  # two crashes
            journal.write(start="a.mp4")
            journal.write(placing="a.mp4", **DONE | {"size": size})
    with Journal(tmp_path) as journal:
        assert journal.entries["a.mp4"].made(output) == replace(MADE, size=12)
        journal.write(done="a.mp4", **DONE)
        assert journal.entries["a.mp4"].made(output) is None


@pytest.mark.parametrize("listed", [False, True])
def test_an_old_line_is_of_the_folder_that_its_batch_was_begun_with(tmp_path, listed):
    source = tmp_path / "list.txt"
    if listed:
        source.touch()
    with Journal(tmp_path) as journal:
        journal.write(begin=BEGUN | {"workshop": "w", "input": str(source)})
        journal.write(done="b/a.mp4", input=(5, 7), options="o", size=9)
        (made,) = journal.entries["b/a.mp4"].outputs
    assert made.source == (None if listed else str(source / "b" / "a.mp4"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk here is always full")
def test_a_full_disk_is_told_and_the_folder_let_go(tmp_path):
    with pytest.raises(EraserError, match="cannot be written: No space left"), Journal(tmp_path) as journal:
        journal._file.close()
        journal._file = open("/dev/full", "ab")  # noqa: SIM115 - the journal closes it
        journal.write(start="a.mp4")
    assert not journal.locked
