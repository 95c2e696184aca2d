"""What a live loop needs of the core: faults, deferred fills, clean plates, plates in files."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.background.plate import GUESSED, SEEN
from realtime.edits import Erase, Move, Paint, People, Undo
from realtime.eraser import Eraser
from realtime.errors import EraserError
from realtime.selection import Selection
from realtime.settings import Settings
from tests.realtime.fakes import PaintingFiller, red_segmenter
from tests.realtime.pictures import disc, frame, psnr, put, texture

HEIGHT, WIDTH = 180, 320
ROOM = (texture(HEIGHT, WIDTH) * 0.35 + 100).astype(np.uint8)
RED = (20, 20, 230)
PERSON = disc(HEIGHT, WIDTH, 160, 90, 25)
OCCUPIED = put(ROOM, PERSON, RED)
INNER = disc(HEIGHT, WIDTH, 160, 90, 18) > 0


def eraser(defer=None, filler=None, **options):
    segmenter = red_segmenter()
    segmenter.default_size = (HEIGHT, WIDTH)
    settings = Settings(segment_interval=0.0, **options)
    return Eraser(segmenter, filler or PaintingFiller(), Selection(), settings, defer)


def run(core, pictures):
    begin = core.stats.frames
    return [core.step(frame(picture, begin + index)) for index, picture in enumerate(pictures)]


def broken(image):
    raise RuntimeError("out of\nmemory")


def shows_red(image):
    return bool((np.abs(image.astype(int) - RED).max(2) < 60).any())


@pytest.mark.parametrize("seen_before", [True, False])
def test_when_the_network_fails_the_plate_is_shown_and_nobody(seen_before):
    core = eraser()
    run(core, [ROOM] * 5 if seen_before else [])
    core.segmenter.engine.run = broken
    result = run(core, [OCCUPIED])[-1]
    assert result.fault == "the segmenter failed: out of memory"
    assert result.hole.all()
    assert not shows_red(result.image)
    if seen_before:
        assert psnr(result.image, ROOM, PERSON) > 40


def test_fail_open_shows_the_frame_and_says_so():
    core = eraser(fail_open=True)
    run(core, [ROOM] * 5)
    core.segmenter.engine.run = broken
    result = run(core, [OCCUPIED])[-1]
    assert result.fault is not None
    assert np.array_equal(result.image, OCCUPIED)


def test_after_a_fault_the_person_has_not_become_background():
    core = eraser()
    run(core, [ROOM] * 5)
    works, core.segmenter.engine.run = core.segmenter.engine.run, broken
    run(core, [OCCUPIED] * 10)
    core.segmenter.engine.run = works
    result = run(core, [OCCUPIED])[-1]
    assert result.fault is None
    assert psnr(result.image, ROOM, PERSON) > 40


@pytest.mark.parametrize("before", [0, 3])
def test_what_is_shown_while_the_network_fails_has_not_become_background(before):
    core = eraser(fail_open=True)
    run(core, [OCCUPIED] * before)
    works, core.segmenter.engine.run = core.segmenter.engine.run, broken
    assert run(core, [OCCUPIED])[-1].fault is not None
    core.segmenter.engine.run = works
    assert not any(shows_red(result.image) for result in run(core, [OCCUPIED] * 3))


def test_when_no_more_frames_come_the_background_is_as_bright_as_the_last_one():
    core = eraser()
    brighter = np.clip(ROOM * 1.3, 0, 255).astype(np.uint8)
    result = run(core, [ROOM, *(np.clip(ROOM * (1 + 0.03 * i), 0, 255).astype(np.uint8) for i in range(10)), brighter])
    assert psnr(core.backdrop(result[-1]).image, brighter, np.full((HEIGHT, WIDTH), 255, np.uint8)) > 35


def test_erasing_one_person_leaves_what_is_known_behind_another():
    left, right = disc(HEIGHT, WIDTH, 70, 90, 25), disc(HEIGHT, WIDTH, 230, 90, 25)
    both = put(put(ROOM, left, RED), right, RED)
    core = eraser(candidates=True)
    run(core, [ROOM] * 5 + [both] * 5)
    core.edit(Erase(230, 90))
    run(core, [both] * 3)
    core.edit(People(True))
    result = run(core, [both])[-1]
    assert (result.trust[disc(HEIGHT, WIDTH, 70, 90, 18) > 0] == SEEN).all()
    assert psnr(result.image, ROOM, left) > 40


def test_a_deferred_fill_is_bridged_at_once_and_comes_in_when_it_is_done():
    jobs, filler = [], PaintingFiller()
    core = eraser(jobs.append, filler)
    results = run(core, [OCCUPIED] * 3)
    assert len(jobs) == 1
    assert filler.asked == []
    assert all(not shows_red(result.image) for result in results)
    core.filled(jobs[0], filler.fill(jobs[0].image, jobs[0].mask))
    result = run(core, [OCCUPIED] * 45)[-1]
    assert np.abs(result.image[INNER].astype(int) - filler.color).max() <= 2
    assert (result.trust[INNER] == GUESSED).all()
    assert core.stats.fills == 1
    assert len(jobs) == 1


def test_a_deferred_fill_never_covers_what_was_seen_meanwhile():
    jobs, filler = [], PaintingFiller()
    core = eraser(jobs.append, filler)
    run(core, [OCCUPIED] * 2 + [ROOM] * 8)
    core.filled(jobs[0], filler.fill(jobs[0].image, jobs[0].mask))
    assert psnr(run(core, [OCCUPIED])[-1].image, ROOM, PERSON) > 40


def test_a_deferred_fill_that_failed_is_asked_for_again():
    jobs = []
    core = eraser(jobs.append)
    run(core, [OCCUPIED] * 2)
    core.filled(jobs[0], None)
    run(core, [OCCUPIED] * 2)
    assert len(jobs) == 2


def test_a_clean_plate_is_all_background():
    core = eraser()
    run(core, [OCCUPIED] * 5)
    core.learn_clean(frame(ROOM, 5))
    result = run(core, [OCCUPIED])[-1]
    assert psnr(result.image, ROOM, PERSON) > 45
    assert (result.trust[INNER] == SEEN).all()


def test_a_plate_is_saved_and_loaded(tmp_path):
    core = eraser()
    run(core, [ROOM] * 5)
    core.save_plate(tmp_path / "room.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["room.npz"]
    for other in (eraser(), eraser()):
        other.load_plate(tmp_path / "room.npz")
        assert psnr(run(other, [OCCUPIED])[-1].image, ROOM, PERSON) > 40


def test_a_plate_of_another_size_or_a_broken_file_is_refused(tmp_path):
    core = eraser()
    with pytest.raises(EraserError, match="no plate to save"):
        core.save_plate(tmp_path / "nothing.npz")
    run(core, [ROOM] * 5)
    core.save_plate(tmp_path / "room.npz")
    small = eraser()
    run(small, [ROOM[:120, :160]])
    with pytest.raises(EraserError, match=r"320x180.*160x120"):
        small.load_plate(tmp_path / "room.npz")
    (tmp_path / "bad.npz").write_bytes((tmp_path / "room.npz").read_bytes()[:-400])
    (tmp_path / "text.npz").write_text("hello")
    for name in ("bad.npz", "text.npz"):
        with pytest.raises(EraserError, match="damaged"):
            core.load_plate(tmp_path / name)
    whole = (tmp_path / "room.npz").read_bytes()
    for place in range(200, len(whole) - 400, len(whole) // 60):
        (tmp_path / "bad.npz").write_bytes(whole[:place] + bytes(40) + whole[place + 40 :])
        with pytest.raises(EraserError, match="damaged"):
            core.load_plate(tmp_path / "bad.npz")
    with pytest.raises(EraserError, match=r"gone\.npz: No such file"):
        core.load_plate(tmp_path / "gone.npz")
    assert psnr(run(core, [OCCUPIED])[-1].image, ROOM, PERSON) > 40


def test_objects_go_on_at_another_frame_size():
    core = Eraser(None, PaintingFiller(), Selection(()), Settings())
    core.edit(Erase(160, 90))
    run(core, [OCCUPIED] * 4)
    big = np.repeat(np.repeat(OCCUPIED, 2, 0), 2, 1)
    result = run(core, [big] * 2)[-1]
    assert result.hole[180, 320]
    assert result.things[0].number == 1


def test_what_was_painted_and_moved_stays_in_place_when_the_frames_change_their_size():
    core = Eraser(None, PaintingFiller(), Selection(()), Settings(dilate=0))
    run(core, [ROOM])
    core.edit(Move(160, 90, 100, -20))
    core.edit(Paint(((20.0, 20.0), (60.0, 20.0)), 8.0, True))
    before = run(core, [OCCUPIED] * 3)[-1]
    small = run(core, [np.ascontiguousarray(OCCUPIED[::2, ::2])] * 3)[-1]
    assert small.things[0].moved == (50, -10)
    assert np.count_nonzero(small.hole[:, 20]) == pytest.approx(np.count_nonzero(before.hole[:, 40]) / 2, abs=2)
    core.edit(Undo())
    core.edit(Undo())
    assert not run(core, [OCCUPIED] * 3)[-1].hole.any()


@pytest.mark.parametrize("sizes", [[2], [2, 1], [2, 3]])
def test_a_deferred_fill_comes_in_though_the_frames_have_changed_their_size(sizes):
    jobs, filler = [], PaintingFiller()
    core = eraser(jobs.append, filler)
    run(core, [OCCUPIED] * 2)
    for size in sizes:
        run(core, [np.ascontiguousarray(OCCUPIED[::size, ::size])] * 2)
    assert len(jobs) == 1
    core.filled(jobs[0], filler.fill(jobs[0].image, jobs[0].mask))
    result = run(core, [np.ascontiguousarray(OCCUPIED[::size, ::size])] * 45)[-1]
    inner = INNER[::size, ::size]
    assert np.abs(result.image[inner].astype(int) - filler.color).max() <= 2
