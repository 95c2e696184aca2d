"""The networks of the first wave have their papers' shapes, learn, and are exported unchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
cv2 = pytest.importorskip("cv2")

from torch import Tensor, nn  # noqa: E402

from engines import data, samples  # noqa: E402
from engines.catalog import CLASSICS, NAMES, make_task, recipe_of  # noqa: E402
from engines.classics import camvid, dcgan, deepfill, maskrcnn, pix2pix, tasks, unet34, vanisher  # noqa: E402
from engines.classics.recipes import CLASSIC_RECIPES  # noqa: E402
from engines.corruptions import CORRUPTIONS  # noqa: E402
from engines.errors import EngineError  # noqa: E402
from engines.recipes import Recipe  # noqa: E402
from engines.search import main as search_command  # noqa: E402
from engines.study import main as study_command  # noqa: E402

NOWHERE = Path("nowhere")
THIN = (8, 8, 16, 16)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def place() -> data.Picture:
    rng = np.random.default_rng(0)
    stripes = 120 + 80 * np.sin(np.arange(96) / 5)[None, :, None] + rng.normal(0, 3, (64, 96, 3))
    return data.Picture("place_0", stripes.astype(np.uint8))


def person() -> data.Picture:
    mask = np.zeros((80, 60), np.uint8)
    cv2.circle(mask, (30, 40), 20, 255, -1)
    return data.Picture("disc_0", np.full((80, 60, 3), 200, np.uint8), mask)


def holes(side: int, count: int = 2) -> list[Tensor]:
    """A batch of stripes with holes."""
    made = samples.FillerSamples([place()], [person()], batch=count, shapes=((side, side),))
    return [torch.stack(parts) for parts in zip(*(made[index] for index in range(count)), strict=True)]


def people(side: int) -> list[Tensor]:
    """A batch of a bright box, and its label."""
    label = torch.zeros(2, 1, side, side, dtype=torch.uint8)
    label[..., side // 4 : -side // 4, side // 4 : -side // 4] = 255
    return [(60 + label.float() / 2).to(torch.uint8).expand(-1, 3, -1, -1).clone(), label]


def thin_rcnn(classes: int = 1) -> maskrcnn.MaskRCNN:
    few = {"rpn_post_nms_top_n_train": 8, "rpn_post_nms_top_n_test": 8, "box_batch_size_per_image": 8}
    try:
        return maskrcnn.MaskRCNN(classes, depth=18, sides=(64, 64), box_score_thresh=0.0, **few)
    except EngineError as error:
        pytest.skip(str(error))


def streets() -> list[Tensor]:
    image, label = people(32)
    return [image, label // 255]


TRAINED: dict[str, tuple[Callable[[], Any], Callable[[], list[Tensor]], float]] = {
    "vanisher-segmenter": (
        lambda: tasks.VanisherSegmenterTask(NOWHERE, vanisher.VanisherSegmenter(THIN)),
        lambda: people(32),
        1e-2,
    ),
    "vanisher-filler": (
        lambda: tasks.VanisherFillerTask(NOWHERE, vanisher.VanisherFiller(THIN)),
        lambda: holes(32),
        1e-2,
    ),
    "unet34-segmenter": (
        lambda: tasks.UNet34SegmenterTask(NOWHERE, unet34.UNet34Segmenter(12, THIN, (1, 1, 1, 1))),
        streets,
        1e-2,
    ),
    "unet34-filler": (
        lambda: tasks.UNet34FillerTask(NOWHERE, unet34.UNet34Filler(THIN, (1, 1, 1, 1)), pretrained=False),
        lambda: holes(32),
        3e-3,
    ),
    "deepfill": (
        lambda: tasks.DeepFillTask(NOWHERE, deepfill.DeepFill(8), deepfill.Critics(64, 4)),
        lambda: holes(64),
        1e-3,
    ),
    "dcgan": (lambda: tasks.DCGANTask(NOWHERE, dcgan.DCGAN((32, 16, 16, 8))), lambda: holes(64, 4), 1e-3),
    "pix2pix": (
        lambda: tasks.Pix2PixTask(NOWHERE, pix2pix.Pix2Pix((8,) * 6), pix2pix.PatchGAN(THIN)),
        lambda: holes(64),
        2e-3,
    ),
    "maskrcnn": (lambda: tasks.MaskRCNNTask(NOWHERE, thin_rcnn()), lambda: people(64), 3e-4),
}


def descend(parameters: Any, loss: Callable[[], dict[str, Tensor]], rate: float, steps: int) -> tuple[float, float]:
    """The loss before and after a few steps of Adam."""
    optimizer = torch.optim.Adam(parameters, rate)
    values = []
    for _ in range(steps + 1):
        total = torch.stack(list(loss().values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    return values[0], values[-1]


def test_every_classic_network_can_be_trained_and_exported() -> None:
    assert set(TRAINED) == set(CLASSICS) == set(CLASSIC_RECIPES)
    assert {recipe_of(name).role for name in NAMES} == {"segmenter", "filler"}


def test_what_learns_from_pictures_that_forbid_commerce_is_under_their_licence() -> None:
    streets = recipe_of("unet34-segmenter")
    assert [streets.licence] == list(streets.data.values())
    assert "CC BY-NC" in streets.licence
    assert {recipe_of(name).licence for name in NAMES} == {"Apache-2.0", streets.licence}


@pytest.mark.parametrize("name", CLASSICS)
def test_a_few_steps_lower_the_loss_of_a_small_batch(name: str) -> None:
    make, batch, rate = TRAINED[name]
    task, pictures = make(), batch()
    assert task.name == name
    task.network.train()
    before, after = descend(task.groups(rate), lambda: task.loss(pictures, 0.0), rate, 4)
    assert after < before
    if task.rival is not None:
        before, after = descend(task.rival.network.parameters(), task.rival.loss, rate, 6)
        assert after < before


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("vanisher-segmenter", lambda: vanisher.VanisherSegmenter(THIN)),
        ("vanisher-filler", lambda: vanisher.VanisherFiller(THIN)),
        ("unet34-segmenter", lambda: unet34.UNet34Segmenter(12, THIN, (1, 1, 1, 1))),
        ("unet34-filler", lambda: unet34.UNet34Filler(THIN, (1, 1, 1, 1))),
        ("deepfill", lambda: deepfill.DeepFill(8)),
        ("pix2pix", lambda: pix2pix.Pix2Pix((4,) * 8)),
        ("pix2pix", lambda: pix2pix.Pix2Pix((4,) * 8, noise=True)),
    ],
)
def test_the_exported_model_is_the_trained_one(name: str, network: Callable[[], nn.Module]) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")
    from engines.card import Card
    from engines.export import TOLERANCE, parity, to_onnx
    from engines.onnx_engine import OnnxEngine

    size = (256, 256) if name == "pix2pix" else (64, 96)
    recipe: Recipe = replace(recipe_of(name), sizes=(size,))
    module = recipe.wrap(network()).eval()
    values: dict[str, Any] = dict.fromkeys(("name", "licence", "sha256", "author", "date"), "")
    card = Card(
        **values,
        task=recipe.role,
        runtime="onnx",
        inputs={},
        outputs={},
        multiple=recipe.multiple,
        sizes=(),
        training_data=(),
        metrics={},
    )
    engine = OnnxEngine(to_onnx(module, recipe), card, threads=1)
    assert parity(engine, module, recipe) < TOLERANCE
    image, mask = np.full((1, 3, *size), 0.5, np.float32), np.zeros((1, 1, *size), np.float32)
    if recipe.role == "filler":
        mask[..., :32, :32] = 1
        outputs = engine.run(image=image * (1 - mask), mask=mask)
        assert outputs["drawn"].shape == image.shape
        np.testing.assert_array_equal(outputs["image_filled"][..., 32:, 32:], image[..., 32:, 32:])
    else:
        assert engine.run(image=image)["matte"].shape == (1, len(recipe.classes), size[0] // 2, size[1] // 2)


def test_a_quick_export_is_a_model_without_figures(tmp_path: Path, monkeypatch: Any) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")
    from engines import export
    from engines.runtime import load_engine

    thin = vanisher.VanisherFiller(THIN)
    checkpoint = tmp_path / "checkpoint.pt"
    torch.save({"task": "vanisher-filler", "mean": thin.state_dict(), **SAVED}, checkpoint)
    recipe = replace(recipe_of("vanisher-filler"), network=lambda: vanisher.VanisherFiller(THIN), sizes=((64, 64),))
    recipe = replace(recipe, licence="for study alone")
    monkeypatch.setattr(export, "recipe_of", lambda task, size: recipe)
    what = ["vanisher-filler", str(checkpoint), "--out", str(tmp_path / "mine"), "--data", "nowhere", "--quick"]
    assert export.main(what) == 0
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["card.json", "model.onnx"]
    engine = load_engine(tmp_path / "mine", "filler", device="cpu", threads=1)
    assert engine.card.name == "mine"
    assert engine.card.licence == "for study alone"
    assert set(engine.card.metrics) == {"parity"}


def test_the_networks_have_their_papers_sizes() -> None:
    with torch.device("meta"):
        networks = {
            "vanisher": vanisher.VanisherSegmenter(),
            "unet34": unet34.UNet34Segmenter(12),
            "deepfill": deepfill.DeepFill(),
            "pix2pix": pix2pix.Pix2Pix(),
            "patches": pix2pix.PatchGAN(),
            "dcgan": dcgan.Generator(),
        }
    millions = {name: sum(p.numel() for p in network.parameters()) / 1e6 for name, network in networks.items()}
    assert millions == pytest.approx(
        {"vanisher": 5.4, "unet34": 38.7, "deepfill": 3.8, "pix2pix": 54.4, "patches": 2.8, "dcgan": 5.1}, abs=0.1
    )


def test_imagenet_weights_see_what_they_were_trained_to_see() -> None:
    published, encoder = (unet34.ResNet34(inputs, THIN, (1, 1, 1, 1)).eval() for inputs in (3, 4))
    published.bn1.running_mean = torch.randn(THIN[0])
    encoder.adopt(published.state_dict() | {"fc.bias": torch.zeros(1000)})
    image = torch.rand(1, 3, 96, 96)
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (unet34.MEAN, unet34.DEVIATION))
    wanted = published((image - mean) / deviation)[0]
    found = encoder(torch.cat([image * 2 - 1, torch.rand(1, 1, 96, 96)], 1))[0]
    torch.testing.assert_close(found[..., 2:-2, 2:-2], wanted[..., 2:-2, 2:-2])  # what lies beyond the edge differs


def test_without_imagenet_weights_the_line_says_where_they_belong(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    wanted = r"fetch https://download.pytorch.org/models/resnet34-b627a593.pth \(83 MB\) and put it at .*checkpoints"
    for name in ("unet34-segmenter", "unet34-filler"):
        with pytest.raises(EngineError, match=wanted):
            make_task(name, NOWHERE, imagenet=True)
    place = tmp_path / "hub" / "checkpoints" / unet34.FILE
    place.parent.mkdir(parents=True)
    place.write_bytes(b"half a file")
    with pytest.raises(EngineError, match="does not hold ResNet34's weights"):
        make_task("unet34-segmenter", NOWHERE, imagenet=True)


def test_what_a_network_learns_as_paint_is_what_it_paints_with() -> None:
    seen: list[Tensor] = []
    image, mask = torch.full((1, 3, 64, 64), 0.5), torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1
    for noise in (False, True):
        network = tasks.Pix2PixTask(NOWHERE, noise=noise).network if noise else pix2pix.Pix2Pix((8,) * 6)
        network.generator.register_forward_hook(lambda _, args, made: seen.append(args[0] * 0.5 + 0.5))
        network.generator.forward = lambda x: x  # type: ignore[method-assign]
        network(image, mask)
    hue, noisy = (painted[0] for painted in seen)
    assert torch.equal(hue[:, :, :32], torch.tensor(pix2pix.HUE).view(3, 1, 1).expand(3, 64, 32))
    assert noisy[:, :, :32].std() > 0.25
    for painted in (hue, noisy):
        assert torch.equal(painted[:, :, 32:], image[0, :, :, 32:])


def test_each_score_of_the_patch_critic_sees_70_pixels() -> None:
    critic = pix2pix.PatchGAN(THIN).eval()
    pair = torch.rand(1, 6, 256, 256, requires_grad=True)
    scores = critic(pair)
    (slope,) = torch.autograd.grad(scores[0, 0, 15, 15], pair)
    seen = slope[0].abs().sum(0) > 0
    assert scores.shape == (1, 1, 30, 30)
    assert (int(seen.any(0).sum()), int(seen.any(1).sum())) == (70, 70)


def test_pixel_shuffle_begins_as_nearest_neighbour() -> None:
    enlarged = unet34.Enlarge(4, 3)(torch.rand(1, 4, 5, 6))
    assert torch.equal(enlarged[..., ::2, ::2], enlarged[..., 1::2, 1::2])


def test_attention_copies_what_is_known_and_looks_alike() -> None:
    """Stripes of two kinds, a hole in one: it is filled with its own kind, in phase."""
    x = torch.zeros(1, 4, 32, 32)
    x[:, 0, :, ::4] = 1
    x[:, 1, :, 16:] = 1
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 12:18, 4:10] = 1
    rebuilt = deepfill.contextual_attention(x, mask)
    inside = rebuilt[0, :, 12:18, 4:10]
    assert inside[1].max() < 0.05
    assert (inside[0] > 0.5).equal(x[0, 0, 12:18, 4:10] > 0.5)


def test_pixels_count_less_the_farther_they_are_from_what_is_known() -> None:
    hole = torch.zeros(1, 1, 16, 16)
    hole[..., 4:12, 4:12] = 1
    weight = tasks.discounted(hole, 0.9)
    assert weight[..., 0, 0] == 0
    assert weight[0, 0, 4, 4] == pytest.approx(0.9, abs=0.01)
    assert weight[0, 0, 7, 7] == pytest.approx(0.9**4, abs=0.01)


def test_the_local_critic_sees_the_surroundings_of_the_hole() -> None:
    image, mask = torch.zeros(2, 3, 32, 32), torch.zeros(2, 1, 32, 32)
    mask[0, :, 10:14, 20:24] = image[0, :, 10:14, 20:24] = 1
    mask[1, :, 28:, 28:] = image[1, :, 28:, 28:] = 1
    parts = deepfill.around_hole(image, mask)
    assert parts.shape == (2, 3, 16, 16)
    assert parts.sum((1, 2, 3)).tolist() == [48, 48]
    assert parts[0, 0, 6:10, 6:10].sum() == 16


def test_the_search_finds_a_picture_that_fits_and_keeps_what_is_known() -> None:
    network = dcgan.DCGAN((32, 16, 16, 8)).eval()
    with torch.no_grad():
        image = network.generator(torch.rand(1, dcgan.LATENT) * 2 - 1)[0]
    mask = torch.zeros(1, 64, 64)
    mask[:, 20:40, 20:40] = 1
    losses: list[Tensor] = []
    search = dcgan.Search(steps=30, rate=0.1, starts=3)
    fills = network.complete(image, mask, search, lambda step, loss: losses.append(loss))
    assert fills.shape == (3, 3, 64, 64)
    assert torch.equal(fills[0] * (1 - mask), image * (1 - mask))
    assert losses[-1].mean() < 0.7 * losses[0].mean()
    assert not torch.equal(fills[0], fills[1])
    assert torch.equal(fills, network.complete(image, mask, search))


def test_known_pixels_count_by_their_missing_neighbours() -> None:
    mask = torch.zeros(1, 9, 9)
    mask[0, 4, 4] = 1
    weight = dcgan.missing_neighbours(mask, 3)
    assert weight[0, 4, 4] == 0
    assert weight[0, 3, 3] == pytest.approx(1 / 9)
    assert weight[0, 0, 0] == 0


def test_masks_become_one_target_per_person() -> None:
    mask = np.zeros((60, 80), bool)
    mask[10:40, 5:25] = mask[20:50, 40:70] = True
    target = tasks.target_of(mask)
    assert sorted(target["boxes"].tolist()) == [[5, 10, 25, 40], [40, 20, 70, 50]]
    assert target["masks"].sum((1, 2)).tolist() == [900, 600]
    assert tasks.target_of(np.zeros((4, 4), bool))["boxes"].shape == (0, 4)


ELSEWHERE = torch.device("meta")  # stands for a GPU


class Elsewhere(nn.Module):
    """Stands for Mask R-CNN, or a DCGAN, on a GPU: takes what lies there, and finds nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, device=ELSEWHERE))

    def forward(self, image: Tensor) -> maskrcnn.Instances:
        assert image.device == ELSEWHERE
        nobody = torch.zeros(0)
        return maskrcnn.Instances(torch.zeros(0, 4), nobody, nobody, torch.zeros(0, *image.shape[1:]))

    def losses(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        assert {part.device for part in (*images, *targets[0].values())} == {ELSEWHERE}
        return {"loss": self.weight}


def test_pictures_and_targets_go_where_the_network_is(monkeypatch: Any) -> None:
    def complete(network: nn.Module, image: Tensor, mask: Tensor, search: dcgan.Search) -> Tensor:
        assert image.device == mask.device == ELSEWHERE
        return torch.zeros(image.shape)

    monkeypatch.setattr(tasks, "read_people", lambda data, part, keep: [person()])
    monkeypatch.setattr(tasks, "read_backgrounds", lambda data, part, keep: [place()])
    monkeypatch.setattr(dcgan, "complete_any", complete)
    monkeypatch.setattr(dcgan, "DCGAN", Elsewhere)
    network: Any = Elsewhere()
    rcnn, image = tasks.MaskRCNNTask(NOWHERE, network), people(32)
    assert rcnn.loss([image[0].to(ELSEWHERE), image[1]], 0.0)
    assert rcnn.evaluate(network)["iou"] == 0
    assert tasks.DCGANTask.evaluate(SimpleNamespace(data=NOWHERE, judged=(1, dcgan.Search())), network)  # type: ignore[arg-type]


def test_streets_are_judged_by_the_classes_that_occur() -> None:
    label = np.full((4, 4), 3, np.uint8)
    label[0], label[1] = 8, camvid.UNLABELLED
    found = label.copy()
    found[1] = 5
    found[2] = 8
    score = camvid.mean_iou([found], [data.Picture("a", np.zeros((4, 4, 3), np.uint8), label)])
    assert score == pytest.approx((0.5 + 0.5) / 2)


def test_options_of_another_network_are_refused() -> None:
    with pytest.raises(EngineError, match="maskrcnn takes no --weigh"):
        make_task("maskrcnn", NOWHERE, weigh={"l1": 2.0})
    with pytest.raises(EngineError, match="the loss of deepfill has no l2"):
        make_task("deepfill", NOWHERE, weigh={"l2": 2.0})


def test_the_search_is_a_command_that_draws_its_fills_and_its_losses(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(dcgan, "DCGAN", lambda: NETWORK)
    torch.save({"task": "dcgan", "mean": NETWORK.state_dict(), **SAVED}, tmp_path / "checkpoint.pt")
    cv2.imwrite(str(tmp_path / "photo.png"), place().image)
    what = [str(tmp_path / "checkpoint.pt"), str(tmp_path / "photo.png"), "--corrupt", "scratches", "--starts", "2"]
    assert search_command([*what, "--steps", "3", "--trace", "--out", str(tmp_path / "out")]) == 0
    assert cv2.imread(str(tmp_path / "out" / "fills.png")).shape == (256, 4 * 256, 3)
    assert cv2.imread(str(tmp_path / "out" / "trace.png")).shape == (2 * 160, 640, 3)
    (tmp_path / "mask.png").write_bytes(b"")
    assert search_command([what[0], what[1], "--mask", str(tmp_path / "mask.png"), "--out", str(tmp_path)]) == 1


NETWORK = dcgan.DCGAN((32, 16, 16, 8))
SAVED = {"step": 1, "elapsed": 1.0, "seed": 0, "figures": {}, "history": []}


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_corruptions_leave_a_part_of_the_picture(kind: str) -> None:
    masks = [CORRUPTIONS[kind](np.random.default_rng(1), (64, 64)) for _ in range(2)]
    assert np.array_equal(masks[0], masks[1])
    assert 0.02 < (masks[0] > 0).mean() < 0.8


def test_a_study_sets_its_trainings_side_by_side(tmp_path: Path, monkeypatch: Any) -> None:
    first: list[Tensor] = []

    class Task(tasks.VanisherFillerTask):
        def __init__(self, data: Path, **options: Any) -> None:
            super().__init__(data, vanisher.VanisherFiller(THIN), **options)

        def samples(self, batch: int, seed: int) -> samples.FillerSamples:
            return samples.FillerSamples([place()], [person()], batch=batch, shapes=((32, 32),))

        def evaluate(self, network: nn.Module) -> dict[str, float]:
            return {"weight": self.weights["l2"]}

        def groups(self, rate: float) -> list[dict[str, Any]]:
            first.append(next(self.network.parameters()).detach().clone())
            return super().groups(rate)

    monkeypatch.setattr(tasks, "VanisherFillerTask", Task)
    what = ["vanisher-filler", "--data", "nowhere", "--out", str(tmp_path), "--steps", "1", "--batch", "2"]
    assert study_command([*what, "--vary", "l2=1.2,2.0"]) == 0
    assert "| 1.2 | 1.2 |\n| 2.0 | 2 |" in (tmp_path / "study.md").read_text()
    assert study_command([*what, "--vary", "rate=1e-5,1e-4"]) == 0
    assert (tmp_path / "rate=1e-5" / "checkpoint.pt").exists()
    assert all(torch.equal(weights, first[0]) for weights in first)
    assert study_command([*what, "--vary", "rate=fast"]) == 1
    assert study_command([*what, "--vary", "rate"]) == 1
