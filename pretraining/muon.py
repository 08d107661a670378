"""Muon for the matrices of the hidden layers, on stacks of matrices of one shape.

Orthogonalised momentum by five Newton-Schulz steps (Jordan et al. 2024, kellerjordan.github.io/posts/muon),
scaled so that an update is as large as AdamW's (Liu et al. 2025, arXiv 2502.16982). ``torch.optim.Muon``
takes matrices one by one: with a hundred small ones its launches would cost more than a step; stacked they
are a dozen.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

_QUINTIC = (3.4445, -4.7750, 2.0315)
_STEPS = 5


def orthogonal(stack: torch.Tensor) -> torch.Tensor:
    """Nearly the nearest matrices with all singular values 1; ``(n, rows, columns)`` in and out."""
    a, b, c = _QUINTIC
    x = stack.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(stack.dtype)


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay.

    Args:
        params: matrices, two axes each.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(p.shape, []).append(p)
            for shape, params in shapes.items():
                for p in params:
                    if "momentum" not in self.state[p]:
                        self.state[p]["momentum"] = torch.zeros_like(p)
                moments = [self.state[p]["momentum"] for p in params]
                grads = [p.grad for p in params if p.grad is not None]
                torch._foreach_lerp_(moments, grads, 1 - group["momentum"])
                nesterov = torch._foreach_lerp(grads, moments, group["momentum"])
                update = orthogonal(torch.stack(list(nesterov)))
                scale = 0.2 * max(shape) ** 0.5
                if group["weight_decay"]:
                    torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(params, list(update.unbind()), alpha=-group["lr"] * scale)
