from __future__ import annotations

import gc
import math
import tracemalloc

import cv2
import numpy as np
import pytest

from realtime import ops
from realtime.background import memory
from realtime.background.memory import Shelf, ShotMemory
from realtime.background.plate import SEEN, UNSEEN, Evidence, Plate
from realtime.edits import Erase, Move
from realtime.eraser import Eraser
from realtime.errors import EraserError
from realtime.ops import Region
from realtime.rehearsal import Rehearsal
from realtime.selection import Selection
from realtime.settings import Settings
from realtime.shots import Shot
from tests.realtime.fakes import PaintingFiller, late_segmenter, red_segmenter
from tests.realtime.pictures import disc, frame, look, psnr, put, texture

HEIGHT, WIDTH = 180, 320
NOTHING = Selection(classes=())
ROOM = (texture(HEIGHT, WIDTH) * 0.6 + 60).astype(np.uint8)
STANDING = disc(HEIGHT, WIDTH, 160, 90, 40)
STANDS_THEN_LEAVES = [STANDING] * 20 + [STANDING * 0] * 5


def eraser(filler=None, segmenter=None, selection=NOTHING):
    return Eraser(segmenter, filler or PaintingFiller(), selection, Settings(dilate=2))


def rehearsed(folder, pictures, masks=None, core=None, shots=()):
    rehearsal, core = Rehearsal(folder, shots), core or eraser()
    for index, picture in enumerate(pictures):
        rehearsal.watch(core, frame(picture, index), None if masks is None else masks[index])
    rehearsal.end()
    return rehearsal


def seconds(index):
    return frame(ROOM, index).time


def replayed(rehearsal, pictures, core=None):
    core = core or eraser()
    return [core.render(rehearsal.replay(core, frame(picture, index))) for index, picture in enumerate(pictures)]


def test_what_shows_long_after_an_object_stood_before_it_is_shown_from_the_first_frame_on(tmp_path):
    pictures = [put(ROOM, mask) for mask in STANDS_THEN_LEAVES]
    filler = PaintingFiller()
    results = replayed(rehearsed(tmp_path, pictures, STANDS_THEN_LEAVES), pictures, eraser(filler))
    assert all(psnr(result.image, ROOM, STANDING) > 40 for result in results[:20])
    assert filler.asked == []


def test_the_past_is_shown_before_what_the_whole_shot_knows(tmp_path):
    after = ROOM.copy()
    after[60:120, 150:170] = 240
    masks = [STANDING * 0] * 6 + [STANDING] * 10 + [STANDING * 0] * 40
    pictures = [ROOM] * 6 + [put(after, mask) for mask in masks[6:16]] + [after] * 40
    results = replayed(rehearsed(tmp_path, pictures, masks), pictures)
    assert psnr(results[10].image, ROOM, STANDING) > 40


def test_a_second_pass_finds_nothing_again_and_erases_the_same(tmp_path):
    pictures = [put(ROOM, disc(HEIGHT, WIDTH, 40 + 8 * index, 90, 24)) for index in range(25)]
    people = Selection()
    one_pass = eraser(segmenter=red_segmenter(), selection=people)
    expected = [one_pass.observe(frame(picture, index)).hole for index, picture in enumerate(pictures)]
    rehearsal = rehearsed(tmp_path, pictures, core=eraser(segmenter=red_segmenter(), selection=people))
    second = red_segmenter()
    second.engine.run = None  # it would raise
    core = eraser(segmenter=second, selection=people)
    for index, picture in enumerate(pictures):
        hole = rehearsal.replay(core, frame(picture, index)).hole
        assert np.array_equal(hole.inside, expected[index].inside)


def test_every_shot_has_its_own_memory(tmp_path):
    other = (255 - ROOM[::-1]).copy()
    pictures = [put(ROOM, mask) for mask in STANDS_THEN_LEAVES] + [put(other, mask) for mask in STANDS_THEN_LEAVES]
    core = eraser()
    results = replayed(rehearsed(tmp_path, pictures, STANDS_THEN_LEAVES * 2), pictures, core)
    assert core.stats.cuts == 1
    assert all(psnr(result.image, ROOM, STANDING) > 40 for result in results[:20])
    assert all(psnr(result.image, other, STANDING) > 40 for result in results[25:45])


def test_a_dissolve_shows_both_backgrounds_and_neither_plate_learns_from_it(tmp_path):
    other = (255 - ROOM[::-1]).copy()
    faded = [cv2.addWeighted(ROOM, 1 - share, other, share, 0) for share in np.linspace(0, 1, 12)[1:-1]]
    standing = [put(picture, STANDING) for picture in (*[ROOM] * 10, *faded, *[other] * 10)]
    backgrounds = [*[ROOM] * 5, *[ROOM] * 10, *faded, *[other] * 10, *[other] * 5]
    pictures = [*[ROOM] * 5, *standing, *[other] * 5]
    masks = [STANDING * (5 <= index < 35) for index in range(40)]
    core = eraser()
    shots = [Shot(0, seconds(15)), Shot(seconds(25), math.inf)]
    results = replayed(rehearsed(tmp_path, pictures, masks, shots=shots), pictures, core)
    assert (core.stats.cuts, core.stats.fills) == (1, 0)
    assert all(psnr(results[i].image, backgrounds[i], STANDING) > 36 for i in range(5, 35))


def plain_room(grey):
    """A plain wall with a picture on it, which an object may hide."""
    wall = np.full_like(ROOM, grey)
    wall[80:100, 150:170] = texture(20, 20, grey)
    return wall


@pytest.mark.parametrize("noise", [0, 3])
def test_plain_walls_dissolve_into_each_other_as_they_do_around_the_object(tmp_path, noise):
    one, other = plain_room(100), plain_room(160)
    faded = [cv2.addWeighted(one, 1 - share, other, share, 0) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
    backgrounds = [*[one] * 10, *faded, *[other] * 10]
    masks = [STANDING * (5 <= index < 20) for index in range(25)]
    rng = np.random.default_rng(0)
    noisy = [np.clip(each + rng.normal(0, noise, ROOM.shape), 0, 255).astype(np.uint8) for each in backgrounds]
    pictures = [put(*each) for each in zip(noisy, masks, strict=True)]
    shots = [Shot(0, seconds(10)), Shot(seconds(15), math.inf)]
    results = replayed(rehearsed(tmp_path, pictures, masks, shots=shots), pictures)
    assert all(psnr(results[i].image, backgrounds[i], STANDING) > 36 for i in range(10, 15))


def test_what_one_shot_never_shows_does_not_stay_while_it_dissolves_into_the_next(tmp_path):
    other = np.clip(ROOM[::-1].astype(int) - 70, 0, 255).astype(np.uint8)
    faded = [cv2.addWeighted(ROOM, 1 - share, other, share, 0) for share in np.linspace(0, 1, 12)[1:-1]]
    pictures = [put(picture, STANDING) for picture in (*[ROOM] * 10, *faded, *[other] * 5)] + [other] * 5
    masks = [STANDING * (index < 25) for index in range(30)]
    shots = [Shot(0, seconds(10)), Shot(seconds(20), math.inf)]
    results = replayed(rehearsed(tmp_path, pictures, masks, shots=shots), pictures)
    assert psnr(results[19].image, faded[-1], STANDING) > 25


def test_what_faded_out_or_fades_in_is_erased_throughout_a_dissolve(tmp_path):
    pictures, nothing = [ROOM] * 30, STANDING * 0
    masks = [nothing] * 9 + [STANDING] + [nothing] * 20
    shots = [Shot(0, seconds(10)), Shot(seconds(15), math.inf)]
    results = replayed(rehearsed(tmp_path, pictures, masks, shots=shots), pictures)
    assert [bool(result.hole[90, 160]) for result in results[8:17]] == [False, *[True] * 6, False, False]


def test_a_film_may_fade_in_from_black(tmp_path):
    standing = put(ROOM, STANDING)
    pictures = (
        [cv2.convertScaleAbs(standing, alpha=share) for share in (0.2, 0.4, 0.6, 0.8)] + [standing] * 5 + [ROOM] * 5
    )
    masks = [STANDING] * 9 + [STANDING * 0] * 5
    shots = [Shot(seconds(4), math.inf)]
    results = replayed(rehearsed(tmp_path, pictures, masks, shots=shots), pictures)
    for result, share in zip(results, (0.2, 0.4, 0.6, 0.8), strict=False):
        assert psnr(result.image, cv2.convertScaleAbs(ROOM, alpha=share), STANDING) > 36


@pytest.mark.parametrize("grey", [0, 255])
def test_a_fade_through_a_plain_picture_shows_both_backgrounds_as_dark_or_bright_as_it_is(tmp_path, grey):
    other, plain = (255 - ROOM[::-1]).copy(), np.full_like(ROOM, grey)
    faded = [cv2.addWeighted(ROOM, 1 - share, plain, share, 0) for share in (0.25, 0.5, 0.75)] + [plain]
    faded += [cv2.addWeighted(plain, 1 - share, other, share, 0) for share in (0.25, 0.5, 0.75)]
    backgrounds = [*[ROOM] * 10, *faded, *[other] * 10]
    masks = [STANDING * (5 <= index < 22) for index in range(27)]
    pictures = [put(*each) if each[0] is not plain else plain for each in zip(backgrounds, masks, strict=True)]
    shots = [Shot(0, seconds(10)), Shot(seconds(17), math.inf)]
    results = replayed(rehearsed(tmp_path, pictures, masks, shots=shots), pictures)
    assert all(psnr(results[i].image, backgrounds[i], STANDING) > 36 for i in range(10, 17))


@pytest.mark.parametrize("grey", [0, 255])
def test_a_film_may_begin_and_end_in_a_plain_picture(tmp_path, grey):
    shares = np.minimum(np.linspace(0, 3, 14), 1)
    shares = [*shares, *shares[::-1]]
    plain, masks = np.full_like(ROOM, grey), [STANDING] * 12 + [STANDING * 0] * 4 + [STANDING] * 12
    backgrounds = [cv2.addWeighted(plain, 1 - share, ROOM, share, 0) for share in shares]
    pictures = [
        cv2.addWeighted(plain, 1 - share, put(ROOM, mask), share, 0) for share, mask in zip(shares, masks, strict=True)
    ]
    shots = [Shot(seconds(5), seconds(23))]
    results = replayed(rehearsed(tmp_path, pictures, masks, shots=shots), pictures)
    assert all(psnr(results[i].image, backgrounds[i], STANDING) > 36 for i in (*range(5), *range(23, 28)))


@pytest.mark.parametrize("dissolves", [False, True])
def test_memory_does_not_grow_with_the_number_of_shots(tmp_path, monkeypatch, dissolves):
    monkeypatch.setattr(memory, "HELD_BYTES", 0)
    few, many = (held_after(tmp_path / str(shots), shots, dissolves) for shots in (4, 8))
    assert many < few + ROOM.nbytes


def held_after(folder, shots, dissolves):
    """Bytes that both passes over so many shots leave in memory; dissolves: the last frame of each is one."""
    folder.mkdir()
    rooms = [(texture(HEIGHT, WIDTH, seed) * 0.6 + 60).astype(np.uint8) for seed in range(shots)]
    masks = ([STANDING] * 3 + [disc(HEIGHT, WIDTH, 220, 90, 40)] * 3) * shots
    pictures = [put(rooms[index // 6], mask) for index, mask in enumerate(masks)]
    between = [Shot(seconds(6 * shot), seconds(6 * shot + 5)) for shot in range(shots)] if dissolves else ()
    tracemalloc.start()
    rehearsal = rehearsed(folder, pictures, masks, shots=between)
    replayed(rehearsal, pictures)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held


def test_a_moved_object_is_drawn_by_the_second_pass_too(tmp_path):
    first = eraser(segmenter=red_segmenter(), selection=Selection())
    first.edit(Erase(60, 90))
    first.edit(Move(60, 90, 120, 0))
    person = disc(HEIGHT, WIDTH, 60, 90, 24)
    pictures = [put(ROOM, person)] * 4
    results = replayed(rehearsed(tmp_path, pictures, core=first), pictures)
    assert (results[-1].image[85:95, 175:185] == (20, 20, 230)).all()


def test_somebody_who_was_found_late_is_erased_from_the_frames_before_too(tmp_path):
    pictures = [put(ROOM, disc(HEIGHT, WIDTH, 60 + 4 * (index - 10), 90, 24) * (index >= 10)) for index in range(24)]
    settings = Settings(dilate=2, segment_interval=0)
    first = Eraser(late_segmenter(14), PaintingFiller(), Selection(), settings)
    rehearsal = rehearsed(tmp_path, pictures, core=first)
    core = Eraser(red_segmenter(), PaintingFiller(), Selection(), settings)
    results = replayed(rehearsal, pictures, core)
    for index in range(11, 20):
        assert results[index].hole[90, 60 + 4 * (index - 10)]
    assert not any(result.hole.any() for result in results[:9])


def test_masks_from_outside_are_never_carried_back(tmp_path):
    pictures = [put(ROOM, STANDING)] * 10
    masks = [STANDING * 0] * 5 + [STANDING] * 5
    results = replayed(rehearsed(tmp_path, pictures, masks), pictures)
    assert [bool(result.hole.any()) for result in results] == [False] * 5 + [True] * 5


def test_an_input_that_is_longer_the_second_time_is_refused(tmp_path):
    rehearsal = rehearsed(tmp_path, [ROOM] * 2)
    with pytest.raises(EraserError, match="changed"):
        replayed(rehearsal, [ROOM] * 3)


def test_a_place_that_only_a_distant_epoch_saw_is_recalled_through_those_between(tmp_path):
    world = texture(HEIGHT, 3 * WIDTH)
    shot, region = ShotMemory(tmp_path, "shot", Shelf()), Region(0, HEIGHT, 0, WIDTH)
    everywhere, nowhere = np.full((HEIGHT, WIDTH), 255, np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    for step in range(3):
        plate = Plate(HEIGHT, WIDTH)
        view = look(world, ops.translation(-step * 100, 0), HEIGHT, WIDTH)
        plate.update(view, np.eye(3), Evidence(everywhere, nowhere, nowhere))
        shot.store(plate, ops.translation(-100, 0))
    color, trust = shot.recall(0, ops.translation(-200, 0), region)
    assert np.array_equal(color[:, :200], world[:, 200:400])
    assert (trust[:, :300] == SEEN).all()
    _, behind = shot.recall(2, ops.translation(200 - 400, 0), region)
    assert (behind[:, 130:] == UNSEEN).all()


def stored(folder, seen):
    """The memory of a shot whose epochs lie upon each other; seen: for each, (H, W) uint8, where it shows the room."""
    shot, nowhere = ShotMemory(folder, "shot", Shelf()), np.zeros((HEIGHT, WIDTH), np.uint8)
    for where in seen:
        plate = Plate(HEIGHT, WIDTH)
        plate.update(ROOM, np.eye(3), Evidence(where, nowhere, nowhere))
        shot.store(plate, np.eye(3))
    return shot


def test_plates_that_were_looked_up_are_not_read_from_disk_again_while_memory_allows(tmp_path):
    discs = [disc(HEIGHT, WIDTH, 160, 90, 40 * epoch) for epoch in range(1, 6)]
    shot = stored(tmp_path, discs)
    shot.recall(0, np.eye(3), Region(0, HEIGHT, 0, WIDTH))
    for path in tmp_path.iterdir():
        path.unlink()
    color, trust = shot.recall(0, np.eye(3), Region(0, HEIGHT, 0, WIDTH))
    assert np.array_equal(trust == SEEN, discs[-1] > 0)
    assert np.array_equal(color[trust == SEEN], ROOM[trust == SEEN])


def test_a_plate_that_knows_nothing_better_is_not_read_from_disk(tmp_path):
    shot = stored(tmp_path, [~STANDING] * 3)
    for path in tmp_path.glob("shot-[02].plate"):
        path.unlink()
    _, trust = shot.recall(1, np.eye(3), Region(0, HEIGHT, 0, WIDTH))
    assert (trust[STANDING > 0] == UNSEEN).all()
