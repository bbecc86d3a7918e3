"""Muon (Jordan et al. 2024): momentum whose directions are made orthogonal, for the matrices inside the blocks.

PyTorch's own does that in bfloat16 on every machine; a processor that must imitate it took 3.8 s a step for six layers
of width 192, and 0.08 s in float32. Elsewhere the two are the same, step for step.
"""

from __future__ import annotations

from collections import defaultdict
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
    def step(self) -> None:  # type: ignore[override]  # without a closure, which nothing here passes
        for group in self.param_groups:
            alike = defaultdict(list)  # by shape: a GPU works as long on one small matrix as on all of a kind
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for (rows, columns), matrices in alike.items():
                gradients, means = [matrix.grad for matrix in matrices], [self._mean(matrix) for matrix in matrices]
                torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
                ahead = torch._foreach_lerp(gradients, means, group["momentum"])
                size = group["lr"] * max(1.0, rows / columns) ** 0.5
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(matrices, orthogonal(torch.stack(ahead)).unbind(), alpha=-size)

    def _mean(self, matrix: Tensor) -> Tensor:
        """Of its gradients, the newest the most."""
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        return state["momentum_buffer"]


def orthogonal(matrices: Tensor) -> Tensor:
    """Nearly the closest matrices whose rows, or columns where they have fewer of them, are orthonormal; (..., rows,
    columns)."""
    x = matrices.bfloat16() if compute.multiplies_bfloat16(matrices.device) else matrices
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        square = x @ x.mT
        x = a * x + (b * square + c * (square @ square)) @ x
    return (x if wide else x.mT).to(matrices.dtype)
