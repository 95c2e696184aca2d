"""The journal says what is done, whatever happened while it was written."""

from __future__ import annotations

import pytest

from realtime.batch.journal import NAME, Journal
from realtime.errors import EraserError

BEGUN = {"time": "now", "input": "/in", "arguments": ["--batch", "in"], "folder": "/", "options": "o", "files": 2}
DONE = {"input": (5, 7), "options": "o", "size": 9}


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
        assert (done.state, done.input, done.options, done.size) == ("done", (5, 7), "o", 9)
        assert started.state == "started"
        journal.write(start="a.mp4")
        journal.write(failed="a.mp4", why="bad")
        journal.write(end={})
    with Journal(tmp_path) as journal:
        assert not journal.interrupted
        assert (journal.entries["a.mp4"].state, journal.entries["a.mp4"].size) == ("failed", 9)


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
