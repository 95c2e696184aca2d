"""How kernels of convolutions move by Muon, and all else by AdamW."""

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.optim import AdamW, Optimizer  # noqa: E402

from engines.muon import MuonAdamW  # noqa: E402

RATE = 0.01


def convolution(groups: int = 1) -> nn.Conv2d:
    torch.manual_seed(3)
    return nn.Conv2d(8, 8, 3, groups=groups).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def stepped(network: nn.Conv2d, optimizer: Optimizer) -> dict[str, Tensor]:
    """One step of a loss that looks in one direction far more than in others; how far each parameter moved."""
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    torch.manual_seed(4)
    image = torch.rand(2, 8, 8, 8)
    image[:, 0] *= 100
    optimizer.zero_grad()
    network(image).square().mean().backward()
    optimizer.step()
    return {name: p.detach() - before[name] for name, p in network.named_parameters()}


def muon(network: nn.Module, **group: bool) -> MuonAdamW:
    return MuonAdamW([{"params": list(network.parameters()), "lr": RATE, **group}], RATE, (0.9, 0.999), 0.0)


def test_a_kernel_moves_as_far_in_every_direction() -> None:
    network = convolution()
    moved = stepped(network, muon(network, muon=True))["weight"]
    lengths = torch.linalg.svdvals(moved.flatten(1)) / (RATE * 0.2 * (8 * 9) ** 0.5)
    assert lengths.min() > 0.5
    assert lengths.max() < 1.5


def test_biases_and_depthwise_kernels_move_by_adamw() -> None:
    for groups, names in ((1, ["bias"]), (8, ["bias", "weight"])):
        one, other = convolution(groups), convolution(groups)
        moved = stepped(one, muon(one, muon=True))
        expected = stepped(other, AdamW(other.parameters(), RATE, (0.9, 0.999), weight_decay=0.0))
        for name in names:
            torch.testing.assert_close(moved[name], expected[name])


def test_a_group_that_does_not_ask_for_it_moves_by_adamw() -> None:
    one, other = convolution(), convolution()
    moved = stepped(one, muon(one))
    expected = stepped(other, AdamW(other.parameters(), RATE, (0.9, 0.999), weight_decay=0.0))
    assert all(torch.equal(moved[name], expected[name]) for name in expected)


def test_a_rate_of_nothing_moves_nothing() -> None:
    network = convolution()
    optimizer = muon(network, muon=True)
    optimizer.param_groups[0]["lr"] = 0.0
    assert all(not moved.any() for moved in stepped(network, optimizer).values())
