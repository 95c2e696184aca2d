"""What is small is looked at closer: through a part of the picture, enlarged, and the answer lies where it belongs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engines.measure import iou
from realtime.segment import Segmenter
from realtime.tracking import looker
from realtime.tracking.looker import Cue, Looker
from realtime.tracking.track import Click
from tests.realtime.fakes import ColourEngine, GuidedEngine, RedEngine
from tests.realtime.pictures import disc, put, texture

HEIGHT, WIDTH = 288, 480
INPUT, HALF = (96, 160), (48, 80)
ROOM = texture(HEIGHT, WIDTH).clip(60)
BLUE = (255, 40, 0)
WHOLE = (1, 3, *INPUT)


class Seen(GuidedEngine):
    """Answers with what it is told, and remembers the shapes of what it was shown."""

    def __init__(self):
        super().__init__()
        self.guided = []

    def run(self, image, guidance=None):
        if guidance is not None:
            self.guided.append(guidance.shape)
            count, planes, height, width = guidance.shape
            guidance = (
                guidance.reshape(count, planes, height // 2, 2, width // 2, 2).mean((3, 5)).repeat(2, 2).repeat(2, 3)
            )
        return super().run(image, guidance)


def matte_of(mask):
    """A (H, W) mask as a matte of half the input's size."""
    return cv2.resize(mask, HALF[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)


def middle(matte):
    """The matte's centre of mass, pixels."""
    return np.array([(grid * matte).sum() / matte.sum() for grid in np.indices(matte.shape)])


def looked(engine, *cues):
    return Looker(Segmenter(engine)).look(ROOM, ["person"], cues)[1]


@pytest.mark.parametrize(
    ("x", "y", "radius"), [(200, 90, 20), (1, 2, 30), (470, 280, 20), (300, 280, 25), (250, 140, 60)]
)
def test_an_answer_comes_back_to_where_the_object_is(x, y, radius):
    matte = matte_of(disc(HEIGHT, WIDTH, x, y, radius))
    engine = Seen()
    (answer,) = looked(engine, Cue(matte))
    assert len(engine.sizes) == 2  # all of the picture, and the part
    assert answer.shape == HALF
    assert iou(answer >= 0.5, matte >= 0.5) > 0.9
    assert np.abs(middle(answer) - middle(matte)).max() < 0.1


def test_a_small_object_is_outlined_more_exactly_than_the_whole_picture_allows():
    mask = disc(HEIGHT, WIDTH, 203, 91, 21)
    picture, click = put(ROOM, mask, BLUE), [Click(33, 15, True, 0.0)]
    ask = Looker(Segmenter(ColourEngine()))
    cue = Cue(np.zeros(HALF, np.float32), click, sure=False)
    _, (answer,) = ask.look(picture, [], [cue])
    nearer = ask.again(picture, cue, answer)
    assert np.abs(nearer - matte_of(mask)).sum() < 0.7 * np.abs(answer - matte_of(mask)).sum()


def test_what_fills_the_picture_or_may_be_anywhere_goes_through_in_one_batch():
    engine = Seen()
    large, small = matte_of(disc(HEIGHT, WIDTH, 250, 144, 140)), matte_of(disc(HEIGHT, WIDTH, 60, 60, 20))
    answers = looked(engine, Cue(large), Cue(small, sure=False))
    assert engine.guided == [(2, 3, *INPUT)]
    assert all(iou(a >= 0.5, told >= 0.5) > 0.9 for a, told in zip(answers, (large, small), strict=True))


def test_answers_keep_the_order_of_the_objects():
    cues = [Cue(matte_of(disc(HEIGHT, WIDTH, x, 144, radius))) for x, radius in ((250, 140), (60, 20), (430, 30))]
    answers = looked(Seen(), *cues)
    assert all(iou(answer >= 0.5, cue.matte >= 0.5) > 0.9 for answer, cue in zip(answers, cues, strict=True))


def test_clicks_count_in_the_part_too():
    matte = matte_of(disc(HEIGHT, WIDTH, 200, 90, 30))
    (plain,) = looked(Seen(), Cue(matte))
    (clicked,) = looked(Seen(), Cue(matte, [Click(36, 15, False, 0.0)]))
    row, column = np.unravel_index((plain - clicked).argmax(), HALF)
    assert max(abs(row - 15), abs(column - 36)) <= 1
    assert (plain - clicked).max() > 0.25
    assert np.allclose(plain[:, :32], clicked[:, :32])


def test_all_of_the_picture_is_not_looked_at_where_nothing_is_sought_in_it():
    engine = Seen()
    matte, (answer,) = Looker(Segmenter(engine)).look(ROOM, [], [Cue(matte_of(disc(HEIGHT, WIDTH, 200, 90, 20)))])
    assert matte is None
    assert len(engine.sizes) == 1
    assert answer.max() > 0.5


@pytest.mark.parametrize("objects", [1, 2, 4, 8])
def test_all_parts_together_have_the_pixels_of_two_pictures_at_most(objects):
    engine = Seen()
    cues = [Cue(matte_of(disc(HEIGHT, WIDTH, 40 + 60 * index, 60 + 20 * index, 12))) for index in range(objects)]
    looked(engine, *cues)
    assert len(engine.guided) == objects
    assert sum(height * width for _, _, height, width in engine.guided) <= 1.1 * looker.LOOKS * INPUT[0] * INPUT[1]


def test_parts_shrink_with_the_network_when_time_is_short():
    engine = Seen()
    segmenter = Segmenter(engine)
    smaller = segmenter.size(ROOM, 0.7)
    matte = cv2.resize(matte_of(disc(HEIGHT, WIDTH, 200, 90, 20)), (smaller[1] // 2, smaller[0] // 2))
    Looker(segmenter).look(ROOM, ["person"], [Cue(matte)], 0.7)
    ((_, _, height, width),) = engine.guided
    assert height * width <= 1.3 * smaller[0] * smaller[1]


def test_parts_come_in_three_shapes():
    engine = Seen()
    for x in range(20, 470, 30):
        for wide, tall in ((8, 40), (20, 20), (60, 10), (90, 30)):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            cv2.ellipse(mask, (x, 100), (wide, tall), 0, 0, 360, 255, -1)
            looked(engine, Cue(matte_of(mask)))
    assert 1 < len(set(engine.guided)) <= 3


def test_nothing_is_looked_for_where_nothing_was():
    engine = Seen()
    (answer,) = looked(engine, Cue(np.zeros(HALF, np.float32)))
    assert engine.guided == [WHOLE]
    assert not answer.any()


class Specks(GuidedEngine):
    """Sees red, but nothing that is smaller than a disc of seven pixels."""

    def run(self, image, guidance=None):
        outputs = super().run(image, guidance)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
        outputs["matte"] = np.stack(
            [[cv2.morphologyEx(m, cv2.MORPH_OPEN, kernel) for m in one] for one in outputs["matte"]]
        )
        return outputs


def test_a_closer_look_finds_what_the_whole_picture_lacks_of_somebody():
    person = disc(HEIGHT, WIDTH, 200, 100, 24)
    person[115:150, 194:206] = 255  # a leg, too thin to be seen from afar
    picture = put(ROOM, person, (0, 0, 255))
    ask, truth = Looker(Segmenter(Specks())), matte_of(person) >= 0.5
    far, near = (ask.look(picture, ["person"], closer=closer)[0] >= 0.5 for closer in (False, True))
    assert iou(far, truth) < 0.8
    assert iou(near, truth) > 0.85


def test_no_more_than_three_people_are_looked_at_closer_and_none_where_that_is_switched_off():
    engine = Seen()
    people = sum(
        (disc(HEIGHT, WIDTH, x, 100, 20) for x in (60, 160, 260, 360, 440)), np.zeros((HEIGHT, WIDTH), np.uint8)
    )
    ask, picture = Looker(Segmenter(engine)), put(ROOM, people, (0, 0, 255))
    ask.look(picture, ["person"])
    assert len(engine.sizes) == 1 + looker.PARTS
    ask.look(picture, ["person"], closer=False)
    assert len(engine.sizes) == 2 + looker.PARTS


def test_a_network_that_was_not_made_for_parts_sees_whole_pictures_alone():
    engine = RedEngine()
    Looker(Segmenter(engine)).look(put(ROOM, disc(HEIGHT, WIDTH, 60, 100, 20), (0, 0, 255)), ["person"])
    assert engine.sizes == [WHOLE]


def test_who_is_followed_is_not_looked_at_twice():
    engine, person = Seen(), disc(HEIGHT, WIDTH, 100, 100, 24)
    Looker(Segmenter(engine)).look(put(ROOM, person, (0, 0, 255)), ["person"], [Cue(matte_of(person))])
    assert len(engine.sizes) == 2


def test_a_carried_matte_is_renewed_around_the_objects_alone():
    engine = Seen()
    person = disc(HEIGHT, WIDTH, 100, 100, 24)
    carried = np.full(HALF, 0.7, np.float32)
    cue = Cue(matte_of(person))
    matte, _ = Looker(Segmenter(engine)).look(put(ROOM, person, (0, 0, 255)), ["person"], [cue], carried=carried)
    assert len(engine.sizes) == 1
    assert (matte[:, 50:] == np.float32(0.7)).all()
    assert matte[16, 16] > 0.9
    assert matte.min() < 0.1
    assert (carried == np.float32(0.7)).all()
