"""Muon (Jordan et al. 2024): momentum whose directions are made orthogonal, for the matrices inside the blocks.

PyTorch's own does that in bfloat16 on every machine; a processor that must imitate it took 3.8 s a step for six layers of width 192,
and 0.08 s in float32. Elsewhere the two are the same, step for step.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from . import compute

# Newton-Schulz: an odd polynomial that takes singular values from 0 to 1 to between 0.7 and 1.2 in so many rounds.
COEFFICIENTS, ROUNDS = (3.4445, -4.7750, 2.0315), 5


class Muon(torch.optim.Optimizer):
    def __init__(self, matrices: Iterable[Tensor], lr: float, weight_decay: float, momentum: float = 0.95):
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            momentum = group["momentum"]
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix)
                mean = state["momentum_buffer"]
                mean.lerp_(matrix.grad, 1 - momentum)
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                rows, columns = matrix.shape
                size = group["lr"] * max(1.0, rows / columns) ** 0.5
                matrix.add_(orthogonal(matrix.grad.lerp(mean, momentum)), alpha=-size)


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly the closest matrix whose rows, or columns where it has fewer of them, are orthonormal; (rows, columns)."""
    x = matrix.bfloat16() if compute.multiplies_bfloat16(matrix.device) else matrix
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    x = x / x.norm().clamp_min(1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.T).to(matrix.dtype)
