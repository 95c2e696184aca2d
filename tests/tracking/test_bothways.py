"""Objects followed both ways through a shot from where the user pointed at them."""

from __future__ import annotations

import numpy as np
import pytest

from realtime import ops
from realtime.edits import Add, Erase, Move, Paint, Restore, Subtract, TimedEdit, settled
from realtime.tracking.bothways import follow_both_ways
from realtime.tracking.film import Film, Scraps
from realtime.tracking.found import summed_up
from realtime.tracking.tracing import Plan
from tests.realtime.fakes import colour_segmenter
from tests.realtime.pictures import disc, look, put, texture

HEIGHT, WIDTH = 180, 320
ROOM = (texture(HEIGHT, WIDTH) * 0.35 + 100).astype(np.uint8)
BLUE, GREEN, RED = (230, 30, 20), (20, 230, 30), (20, 20, 230)
FRAMES, RATE = 30, 10


def at(x, y=90, radius=22):
    return disc(HEIGHT, WIDTH, x, y, radius)


def trace(folder, pictures, edits, classes=(), origin=0.0):
    """The shot, traced; edits: with the indices of their frames; origin: the time of the first frame, seconds."""
    film = Film(folder / "film")
    for index, picture in enumerate(pictures):
        film.append(picture, origin + index / RATE)
    segmenter = colour_segmenter()
    segmenter.default_size = HEIGHT, WIDTH
    plan = Plan(segmenter, classes, 0.05, (HEIGHT, WIDTH))
    traced = follow_both_ways(film, lambda: plan.finder(bool(classes), 10), edits, plan.size, Scraps(folder / "scraps"))
    traced.note_losses(0, np.inf, origin)
    return traced


def erased(traced, index):
    """What is erased in a frame, (H, W) uint8."""
    row = traced.rows[index]
    found = summed_up(traced.matte(index), row.people, traced.tracks(index), traced.size)
    return ops.at_least(ops.resize(found.matte, (HEIGHT, WIDTH)), 0.5)


def iou(first, second):
    return np.count_nonzero(first & second) / max(1, np.count_nonzero(first | second))


def test_a_click_in_the_middle_is_followed_as_well_before_it_as_after(tmp_path):
    masks = [at(60 + 6 * index) for index in range(FRAMES)]
    traced = trace(tmp_path, [put(ROOM, mask, BLUE) for mask in masks], [(15, Erase(150, 90, 1))])
    scores = [iou(erased(traced, index), mask) for index, mask in enumerate(masks)]
    assert min(scores) > 0.85
    assert traced.losses == []


def test_several_objects_are_followed_from_clicks_at_different_times(tmp_path):
    blue, green = [at(60 + 6 * i, 50) for i in range(FRAMES)], [at(250 - 6 * i, 130) for i in range(FRAMES)]
    pictures = [put(put(ROOM, one, BLUE), other, GREEN) for one, other in zip(blue, green, strict=True)]
    traced = trace(tmp_path, pictures, [(10, Erase(120, 50, 1)), (20, Erase(130, 130, 2))])
    for index in range(FRAMES):
        assert iou(erased(traced, index), blue[index] | green[index]) > 0.85
        assert {track.number for track in traced.tracks(index)} == {1, 2}


@pytest.mark.parametrize(("chosen", "corrected"), [(22, 6), (6, 22)])
def test_a_correction_wins_near_its_time_be_it_before_or_after_the_click(tmp_path, chosen, corrected):
    left, both = at(80), at(80) | at(240)
    picture = put(ROOM, both, BLUE)
    edits = sorted([(chosen, Erase(80, 90, 1)), (corrected, Add(240, 90, 1))], key=lambda each: each[0])
    traced = trace(tmp_path, [picture] * FRAMES, edits)
    for index in range(FRAMES):
        near = abs(index - corrected) < abs(index - chosen)
        if abs(index - corrected) != abs(index - chosen):
            assert iou(erased(traced, index), both if near else left) > 0.85, index


@pytest.mark.parametrize(("chosen", "corrected"), [(22, 6), (6, 22)])
def test_a_brush_stroke_corrects_an_objects_mask_near_its_time(tmp_path, chosen, corrected):
    left, more, less = at(80), at(240), at(80, 75, 8)
    edits = [
        (chosen, Erase(80, 100, 1)),
        (corrected, Paint(((240.0, 90.0),), 22, True, 1)),
        (corrected, Paint(((80.0, 75.0),), 8, False, 1)),
    ]
    traced = trace(tmp_path, [put(ROOM, left, BLUE)] * FRAMES, sorted(edits, key=lambda each: each[0]))
    assert traced.strokes == []
    for index in range(FRAMES):
        if abs(index - corrected) != abs(index - chosen):
            near = abs(index - corrected) < abs(index - chosen)
            assert iou(erased(traced, index), (left | more) & ~less if near else left) > 0.85, index


def test_what_the_brush_adds_to_an_object_goes_along_with_it(tmp_path):
    bodies, bags = [at(60 + 6 * i, 70) for i in range(FRAMES)], [at(60 + 6 * i, 118, 16) for i in range(FRAMES)]
    pictures = [put(put(ROOM, body, BLUE), bag, GREEN) for body, bag in zip(bodies, bags, strict=True)]
    traced = trace(tmp_path, pictures, [(15, Erase(150, 70, 1)), (15, Paint(((150.0, 118.0),), 16, True, 1))])
    for index in range(5, 26):
        assert iou(erased(traced, index), bodies[index] | bags[index]) > 0.8, index


def test_a_lost_object_is_followed_again_from_where_it_is_painted(tmp_path):
    pictures = [put(ROOM, at(80 if index < 10 else 240), BLUE) for index in range(FRAMES)]
    edits = [(2, Erase(80, 90, 1)), (20, Paint(((232.0, 90.0), (248.0, 90.0)), 10, True, 1))]
    traced = trace(tmp_path, pictures, edits)
    for index in (3, 8, 20, 29):
        assert iou(erased(traced, index), at(80 if index < 10 else 240)) > 0.85, index


def test_what_is_lost_on_the_way_from_one_click_is_seen_on_the_way_back_from_another(tmp_path):
    masks = [at(40 + 8 * index) for index in range(FRAMES)]
    wall = np.zeros((HEIGHT, WIDTH), np.uint8)
    wall[:, 120:190] = 255
    visible = [mask & ~wall for mask in masks]
    pictures = [put(ROOM, mask, BLUE) for mask in visible]
    traced = trace(tmp_path, pictures, [(3, Erase(64, 90, 1)), (25, Add(240, 90, 1))])
    for index, mask in enumerate(visible):
        if (mask == masks[index]).all():
            assert iou(erased(traced, index), mask) > 0.8, index
    assert len(traced.losses) <= 1


def test_a_lost_object_is_told_with_the_times_between_which_its_hole_stays_closed(tmp_path):
    pictures = [put(ROOM, at(100), BLUE) if 8 <= index < 20 else ROOM for index in range(FRAMES)]
    traced = trace(tmp_path, pictures, [(14, Erase(100, 90, 1))])
    assert [loss.what.partition(";")[0] for loss in traced.losses][-1] == "lost to the end of its shot"
    first = traced.losses[0]
    assert first.time == 0
    assert 0.3 <= float(first.what.split()[2]) <= 0.8
    assert all((erased(traced, index) & at(100, 90, 18)).any() for index in (0, 14, 29))


def test_the_times_of_a_loss_count_from_the_inputs_beginning(tmp_path):
    pictures = [put(ROOM, at(100), BLUE) if 8 <= index < 20 else ROOM for index in range(FRAMES)]
    traced = trace(tmp_path, pictures, [(14, Erase(100, 90, 1))], origin=2.0)
    words = traced.losses[0].note(2.0).split()
    assert words[:6] == ["object", "1", "at", "0.00", "s:", "lost"]
    assert 0.3 <= float(words[7]) <= 0.8


@pytest.mark.parametrize("again", [Erase(60 + 6 * 24, 90, 2), Add(60 + 6 * 24, 90, 1)])
def test_an_object_given_back_is_shown_until_it_is_chosen_again(tmp_path, again):
    masks = [at(60 + 6 * index) for index in range(FRAMES)]
    edits = [(4, Erase(84, 90, 1)), (12, Restore(132, 90)), (24, again)]
    traced = trace(tmp_path, [put(ROOM, mask, BLUE) for mask in masks], edits)
    for index, mask in enumerate(masks):
        if 12 <= index < 24:
            assert not erased(traced, index).any(), index
        else:
            assert iou(erased(traced, index), mask) > 0.85, index


def test_an_object_given_back_stays_shown_after_a_correction_before_its_choice(tmp_path):
    mask = at(80)
    edits = [(4, Add(80, 90, 1)), (12, Restore(80, 90)), (24, Erase(80, 90, 1))]
    traced = trace(tmp_path, [put(ROOM, mask, BLUE)] * FRAMES, edits)
    for index in range(FRAMES):
        if 12 <= index < 24:
            assert not erased(traced, index).any(), index
        else:
            assert iou(erased(traced, index), mask) > 0.85, index


def test_a_click_speaks_of_what_is_there_and_not_of_what_was_moved_there(tmp_path):
    blue, green = at(60), at(160)
    picture = put(put(ROOM, blue, BLUE), green, GREEN)
    edits = [
        (4, Erase(60, 90, 1)),
        (4, Move(60, 90, 100, 0)),
        (12, Erase(160, 90, 2)),
        (12, Move(160, 90, 100, 0)),
    ]
    traced = trace(tmp_path, [picture] * FRAMES, edits)
    assert traced.moved == {1: (100, 0), 2: (100, 0)}
    for index in range(FRAMES):
        assert iou(erased(traced, index), blue | green) > 0.85, index


def test_a_move_where_nothing_chosen_is_goes_on_with_what_was_moved_there(tmp_path):
    edits = [(4, Erase(60, 90, 1)), (4, Move(60, 90, 100, 0)), (12, Move(160, 90, 50, 20))]
    traced = trace(tmp_path, [put(ROOM, at(60), BLUE)] * FRAMES, edits)
    assert traced.moved == {1: (150, 20)}


def test_a_person_given_back_is_kept_before_and_after(tmp_path):
    one, other = at(80), at(240)
    picture = put(put(ROOM, one, RED), other, RED)
    traced = trace(tmp_path, [picture] * FRAMES, [(15, Restore(80, 90))], classes=("person",))
    for index in range(FRAMES):
        assert iou(erased(traced, index), other) > 0.85


def test_strokes_stay_with_the_background_before_they_were_painted(tmp_path):
    world = texture(HEIGHT, WIDTH + 4 * FRAMES)
    pictures = [look(world, np.array([[1, 0, -4.0 * i], [0, 1, 0], [0, 0, 1]]), HEIGHT, WIDTH) for i in range(FRAMES)]
    stroke = Paint(((100.0, 90.0),), 8, True)
    traced = trace(tmp_path, pictures, [(20, stroke)])
    for index in (0, 10, 19):
        x, y, scale = traced.rows[index].ways[0] @ (100, 90, 1)
        assert (x / scale, y / scale) == pytest.approx((100 + 4 * (20 - index), 90), abs=1.5)


def test_a_stroke_is_erased_until_it_is_given_back(tmp_path):
    edits = [(10, Paint(((60.0, 90.0),), 8, True)), (20, Restore(60, 90))]
    traced = trace(tmp_path, [ROOM] * FRAMES, edits)
    assert [0 in row.ways for row in traced.rows] == [index < 20 for index in range(FRAMES)]


def test_a_stroke_given_back_in_its_own_frame_was_never_painted(tmp_path):
    edits = [(10, Paint(((60.0, 90.0),), 8, True)), (10, Restore(60, 90))]
    traced = trace(tmp_path, [ROOM] * FRAMES, edits)
    assert not any(row.ways for row in traced.rows)


def test_edits_that_were_taken_back_never_happened_and_objects_are_numbered_in_order():
    edits = [
        TimedEdit(4, Subtract(1, 1)),
        TimedEdit(2, Erase(5, 5)),
        TimedEdit(3, Erase(6, 6)),
        TimedEdit(1, Add(2, 2)),
        TimedEdit(3.5, Add(3, 3, 7)),
    ]
    assert settled(edits) == [
        TimedEdit(1, Add(2, 2, 1)),
        TimedEdit(2, Erase(5, 5, 1)),
        TimedEdit(3, Erase(6, 6, 2)),
        TimedEdit(3.5, Add(3, 3, 7)),
        TimedEdit(4, Subtract(1, 1, 2)),
    ]
