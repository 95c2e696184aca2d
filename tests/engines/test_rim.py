"""How the rims of mattes are drawn along the edges of their picture."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra `train`)")

from engines.half import is_full  # noqa: E402
from engines.models import find_model  # noqa: E402
from engines.rim import RADIUS, Rim  # noqa: E402
from engines.segmenter import Matte, Segmenter  # noqa: E402

HEIGHT, WIDTH = 128, 192


def disc(radius=22):
    rows, columns = np.indices((HEIGHT // 2, WIDTH // 2))
    return (rows - 32) ** 2 + (columns - 48) ** 2 < radius**2


def picture(shape, seed=0):
    """(1, 3, H, W) float32: the shape in one colour before another, with some noise."""
    noise = np.random.default_rng(seed).normal(0, 0.03, (HEIGHT, WIDTH, 3))
    large = cv2.resize(shape.astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)[..., None]
    colours = np.where(large > 0, (0.7, 0.4, 0.3), (0.5, 0.5, 0.4)) + noise
    return torch.from_numpy(colours.clip(0, 1).transpose(2, 0, 1)[None].astype(np.float32))


def logits_of(shape, blur=3.0):
    """(1, 1, h, w) float32: sure inside and outside, and unsure about where the rim is, which is off a little."""
    matte = cv2.GaussianBlur(np.roll(shape, 1, 1).astype(np.float32), (0, 0), blur)
    return torch.logit(torch.from_numpy(matte)[None, None], eps=1e-4)


def iou(matte, shape):
    found = matte.numpy()[0, 0] > 0.5
    return (found & shape).sum() / (found | shape).sum()


def test_a_rim_that_was_off_is_drawn_along_the_edge():
    logits = logits_of(disc())
    before, (after,) = torch.sigmoid(logits), Rim()(picture(disc()), logits)
    assert iou(before, disc()) < 0.97
    assert iou(after, disc()) > 0.99


def test_a_matte_that_is_sure_stays_as_it_is():
    sure = torch.where(torch.from_numpy(disc())[None, None], 30.0, -30.0)
    assert torch.allclose(Rim()(picture(disc(10)), sure)[0], torch.sigmoid(sure), atol=1e-6)


def test_where_the_picture_is_plain_a_matte_stays_smooth_and_between_0_and_1():
    plain = torch.full((1, 3, HEIGHT, WIDTH), 0.3)
    (found,) = Rim()(plain, logits_of(disc()))
    assert 0 <= found.min() <= found.max() <= 1
    assert (found - torch.sigmoid(logits_of(disc()))).abs().max() < 0.25


def test_what_lies_further_than_twice_the_radius_changes_nothing():
    image, logits = picture(disc()), logits_of(disc())
    other = image.clone()
    other[..., : 2 * (48 - 4 * RADIUS)] = 0.9
    assert torch.equal(Rim()(image, logits)[0][..., 48:], Rim()(other, logits)[0][..., 48:])


def test_every_picture_and_every_class_has_its_own_rim():
    images = torch.cat([picture(disc(), 1), picture(disc(14), 2)])
    logits = torch.cat([torch.cat([logits_of(disc()), logits_of(disc(14))], 1)] * 2)
    (together,) = Rim()(images, logits)
    for number in range(2):
        for channel in range(2):
            (alone,) = Rim()(images[number : number + 1], logits[number : number + 1, channel : channel + 1])
            assert torch.allclose(together[number, channel], alone[0, 0], atol=1e-5)


def test_objects_of_one_picture_are_drawn_as_if_each_had_it_for_itself():
    logits = torch.cat([logits_of(disc()), logits_of(disc(14))])
    (together,) = Rim()(picture(disc()), logits)
    for number in range(2):
        (alone,) = Rim()(picture(disc()), logits[number : number + 1])
        assert torch.allclose(together[number], alone[0], atol=1e-5)


def test_only_the_size_for_gpus_has_one():
    assert Matte(Segmenter("swift")).rim_in_full is None
    assert isinstance(Matte(Segmenter("sharp")).rim_in_full, Rim)


@pytest.mark.parametrize("precision", ["fp16", "mixed"])
def test_it_computes_in_fp32_in_graphs_of_fp16(precision):
    path = find_model("sharp", "segmenter").graph(precision)
    assert path is not None
    model = onnx.load(path)
    kinds = {
        item.name: item.type.tensor_type.elem_type for item in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    theirs = [node for node in model.graph.node if is_full(node) and node.op_type in ("AveragePool", "Mul", "Div")]
    assert len(theirs) > 100  # of people and of objects
    assert {kinds[node.output[0]] for node in theirs} == {onnx.TensorProto.FLOAT}
