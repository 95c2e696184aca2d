"""An exported model's weights, back in its network: to go on training what was shipped.

The exporter folds batch normalisations into the convolutions before them. Here each convolution takes the folded
weights, and the normalisation after it statistics measured on training samples, with the scale and offset that undo
them: the network answers as the model does, and its normalisations have something to go on from.

What an encoder learnt on a few thousand pictures made it forget what ImageNet had taught it: dogs became people.
Halfway between the two sets of weights lies an encoder that has both (Wortsman et al., "Robust Fine-Tuning of Zero-Shot
Models", CVPR 2022): that is what `remember` is for. What reads its maps has to learn anew.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from engines.backbone import EfficientNetLite
from engines.errors import EngineError


def unfold(model: Path, network: nn.Module, run: Callable[[int], Any], rounds: int = 8, remember: float = 0.0) -> int:
    """Put the weights of a model's folder into `network`; how many of its convolutions were found there.

    run: takes a number and puts that batch of samples through the network. remember: the share of ImageNet's weights in
    the encoder's, 0 to 1; the model's are the rest. Convolutions that the model lacks stay as they are, as do other
    parameters. EngineError where there is no such model, it is of another network, or ImageNet's weights are missing.
    """
    path = model / "model.onnx"
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # onnx raises many kinds for a damaged file
        raise EngineError(f"{path} is not a readable model ({error}); --from takes a checkpoint or a model") from error
    folded = dict(_convolutions(graph, {}))
    convs = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    found = {name: next((w for path, w in folded.items() if _is(path, name)), None) for name in convs}
    known = {name: weights for name, weights in found.items() if weights is not None}
    if not known:
        raise EngineError(f"{path} is of another network; it has none of this one's convolutions")
    for name, (weight, _) in known.items():
        if weight.shape != convs[name].weight.shape:
            raise EngineError(f"{path} is of another network; its {name} has another shape")
    if remember:
        for name, (weight, bias) in _imagenet(network):
            known[name] = torch.lerp(known[name][0], weight, remember), torch.lerp(known[name][1], bias, remember)
    training = network.training
    network.eval()
    with torch.no_grad():
        norms = _norm_after(network)
        used = []
        for name, (weight, bias) in known.items():
            conv = convs[name]
            conv.weight.copy_(weight)
            if conv.bias is not None:
                conv.bias.copy_(bias)
            else:
                norm = norms[conv]
                used.append(norm)
                _only_add(norm, bias, torch.zeros_like(bias), torch.ones_like(bias))
        _measure(used, run, rounds)
    network.train(training)
    return len(known)


def _is(path: str, name: str) -> bool:
    """Whether a node's path in the graph, "/network/mix/mix.0/Conv", is a module's name in the network, "mix.0"."""
    parts: list[str] = []
    for part in path.strip("/").split("/")[:-1]:
        if parts and part.startswith(f"{parts[-1]}."):  # a sequence's own name comes before that of its part
            parts.pop()
        parts.append(part)
    return ".".join(parts) in (name, f"network.{name}")  # `Matte` wraps the segmenter


def _convolutions(graph: onnx.GraphProto, outer: dict[str, np.ndarray]) -> Iterator[tuple[str, tuple[Tensor, Tensor]]]:
    """The path, weight and bias of every convolution, in branches too. outer: constants from around the graph."""
    constants = outer | {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in constants:  # stored in FP16; shared if they agree
            constants[node.output[0]] = constants[node.input[0]]
        elif node.op_type == "Conv":
            weight = constants[node.input[1]]
            bias = constants[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight))
            yield node.name, (torch.from_numpy(weight.astype(np.float32)), torch.from_numpy(bias.astype(np.float32)))
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _convolutions(attribute.g, constants)


def _imagenet(network: nn.Module) -> Iterator[tuple[str, tuple[Tensor, Tensor]]]:
    """ImageNet's weights of the network's encoder by the name of the convolution, their normalisations folded in."""
    for prefix, module in network.named_modules():
        if isinstance(module, EfficientNetLite):
            taught = copy.deepcopy(module).to_empty(device="cpu")  # where the model's weights are
            taught.load_imagenet()
            names = {conv: name for name, conv in taught.named_modules()}
            for conv, norm in _norm_after(taught).items():
                assert norm.running_mean is not None
                assert norm.running_var is not None
                scale = norm.weight / (norm.running_var + norm.eps).sqrt()
                folded = conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
                yield f"{prefix}.{names[conv]}", (folded[0].detach(), folded[1].detach())


def _norm_after(network: nn.Module) -> dict[nn.Conv2d, nn.BatchNorm2d]:
    """Which normalisation each convolution without a bias goes into: the one that its module names next."""
    found: dict[nn.Conv2d, nn.BatchNorm2d] = {}
    last: nn.Conv2d | None = None
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            last = module if module.bias is None else None
        elif isinstance(module, nn.BatchNorm2d) and last is not None:
            found[last], last = module, None
    return found


def _measure(norms: list[nn.BatchNorm2d], run: Callable[[int], Any], rounds: int) -> None:
    """Give normalisations that only add their offset the statistics of what they see, and still the same results."""
    sums: dict[nn.BatchNorm2d, list[Tensor]] = {norm: [] for norm in norms}

    def see(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        x = inputs[0].double()
        sums[norm].append(torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))]))

    hooks = [norm.register_forward_pre_hook(see) for norm in norms]
    for number in range(rounds):
        run(number)
    for hook in hooks:
        hook.remove()
    for norm, seen in sums.items():
        if not seen:  # in a part that is not run, and so not trained either
            continue
        mean, square = torch.stack(seen).mean(0).float()
        _only_add(norm, norm.bias, mean, (square - mean.square()).clamp_min(1e-6))


def _only_add(norm: nn.BatchNorm2d, offset: Tensor, mean: Tensor, variance: Tensor) -> None:
    """Let a normalisation with these statistics add `offset` to what it sees, and do no more."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(offset + mean)
