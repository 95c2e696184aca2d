"""Small networks with known answers, as model folders that GPUs could run; needs the onnx package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines.card import Card

SIZE = (64, 96)
WIDE = 32  # channels
Layer = tuple[str, np.ndarray, str | None]  # name, weights, activation after it


def model(inputs: Sequence[tuple[str, int]], output: str, layers: Sequence[Layer]) -> bytes:
    """Convolutions over the inputs, one upon the other."""
    nodes, value = [], inputs[0][0]
    if len(inputs) > 1:
        nodes.append(helper.make_node("Concat", [name for name, _ in inputs], ["all"], "join", axis=1))
        value = "all"
    weights = []
    for name, kernel, activation in layers:
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f"{name}.weight"))
        pads = [kernel.shape[2] // 2] * 2 + [kernel.shape[3] // 2] * 2
        nodes.append(helper.make_node("Conv", [value, f"{name}.weight"], [name], name, pads=pads))
        value = name
        if activation:
            nodes.append(helper.make_node(activation, [value], [f"{name}.{activation}"], f"{name}.{activation}"))
            value = f"{name}.{activation}"
    nodes.append(helper.make_node("Identity", [value], [output], "last"))
    sizes = {**dict(inputs), output: layers[-1][1].shape[0]}
    ends = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", count, "h", "w"])
        for name, count in sizes.items()
    }
    graph = helper.make_graph(nodes, "small", [ends[name] for name, _ in inputs], [ends[output]], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def save(folder: Path, task: str, content: bytes, inputs: Sequence[str], output: str) -> Path:
    """A model folder with its card and its graphs for GPUs, which are the model itself; returns it."""
    folder.mkdir(parents=True)
    checksum = hashlib.sha256(content).hexdigest()
    for name in ("model.onnx", "gpu.fp32.onnx", "gpu.fp16.onnx"):
        (folder / name).write_bytes(content)
    card = Card(
        name="small",
        task=task,
        runtime="onnx",
        inputs=dict.fromkeys(inputs, "float32"),
        outputs={output: "float32"},
        multiple=32,
        sizes=(SIZE,),
        licence="none",
        training_data=(),
        metrics={},
        sha256=checksum,
        author="tests",
        date="2026-01-01",
        classes=("person",) if task == "segmenter" else (),
        graphs={"fp32": checksum, "fp16": checksum},
    )
    (folder / "card.json").write_text(card.to_json())
    return folder


def passing_on(channels: int) -> np.ndarray:
    """Weights of a convolution that leaves its inputs as they are."""
    return np.eye(channels).reshape(channels, channels, 1, 1)


def brightness_segmenter(folder: Path) -> Path:
    """Marks what is bright: matte = sigmoid of a multiple of the mean. As wide as quantisers find worth their while."""
    mean, edge = np.full((WIDE, 3, 1, 1), 1 / 3), np.full((1, WIDE, 1, 1), 12.0 / WIDE)
    layers: list[Layer] = [("mean", mean, None), ("middle", passing_on(WIDE), "Relu"), ("edge", edge, "Sigmoid")]
    return save(folder, "segmenter", model([("image", 3)], "matte", layers), ["image"], "matte")


def touchy_segmenter(folder: Path, calm: int) -> Path:
    """Marks by faint channels beside loud ones: in the layer "touchy" one scale for both loses them.

    calm: layers after it that INT8 does little harm to.
    """
    colour = np.array([1.0, 0.0, -1.0]).reshape(1, 3, 1, 1)
    channels = np.concatenate([np.full((WIDE, 3, 1, 1), 300.0), (0.1 * colour).repeat(WIDE, axis=0)])
    touchy = np.concatenate([np.zeros((WIDE, WIDE, 1, 1)), np.full((WIDE, WIDE, 1, 1), 400.0 / WIDE)], axis=1)
    layers: list[Layer] = [("channels", channels, None), ("touchy", touchy, "Sigmoid")]
    layers += [(f"calm{number}", passing_on(WIDE), None) for number in range(calm)]
    layers.append(("end", np.full((1, WIDE, 1, 1), 1 / WIDE), None))
    return save(folder, "segmenter", model([("image", 3)], "matte", layers), ["image"], "matte")


def copying_filler(folder: Path) -> Path:
    """Gives back the picture that it is shown."""
    there, back = np.zeros((WIDE, 4, 1, 1)), np.zeros((3, WIDE, 1, 1))
    there[range(3), range(3)] = back[range(3), range(3)] = 1
    layers: list[Layer] = [("there", there, None), ("middle", passing_on(WIDE), None), ("back", back, None)]
    content = model([("image", 3), ("mask", 1)], "image_filled", layers)
    return save(folder, "filler", content, ["image", "mask"], "image_filled")


def pictures(folder: Path, count: int = 8) -> Path:
    """A folder of smooth random pictures."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = rng.integers(0, 256, (8, 12, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC))
    return folder
