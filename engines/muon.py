"""Muon for convolutions: each step of a kernel is as large along one direction as along any other.

Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024) replaces a matrix's momentum by
the nearest orthogonal matrix. A convolution's kernel is one of its output channels over all that each of them sees. The
steps are as large in the mean as AdamW's (Liu et al., "Muon is Scalable for LLM Training", 2025), so that both take the
same learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Muon


class MuonAdamW(AdamW):
    """AdamW, but kernels of dense convolutions in groups that say {"muon": True} move by Muon.

    groups: as AdamW takes them, kernels (O, I, H, W) float32, channels last in memory.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, betas: tuple[float, float], weight_decay: float):
        rest, matrices = [], []
        self.kernels: list[tuple[Tensor, Tensor]] = []  # and the same memory as a matrix
        for group in groups:
            kernels = [p for p in group["params"] if group.get("muon") and p.ndim == 4 and p.shape[1] > 1]
            views = [_matrix(kernel) for kernel in kernels]
            self.kernels += zip(kernels, views, strict=True)
            chosen = {id(kernel) for kernel in kernels}
            rest.append({**group, "params": [p for p in group["params"] if id(p) not in chosen]})
            matrices.append({"params": views})
        super().__init__(rest, lr=lr, betas=betas, weight_decay=weight_decay)
        self._muon = Muon(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for kernel, _ in self.kernels:
            kernel.grad = None

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = super().step(closure)
        for kernel, view in self.kernels:
            view.grad = None if kernel.grad is None else _matrix(kernel.grad)
        for group, mine in zip(self._muon.param_groups, self.param_groups, strict=True):
            group["lr"] = mine["lr"]
        self._muon.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """AdamW's, with Muon's under "muon" where there are kernels."""
        return super().state_dict() | ({"muon": self._muon.state_dict()} if self.kernels else {})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "muon"})
        if self.kernels:
            self._muon.load_state_dict(state_dict["muon"])


def _matrix(kernel: Tensor) -> Tensor:
    """(O, I, H, W), channels last in memory -> (O, H * W * I), the same memory."""
    return kernel.detach().permute(0, 2, 3, 1).view(kernel.shape[0], -1)
