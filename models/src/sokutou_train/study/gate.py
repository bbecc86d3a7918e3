"""(R2) The logistic gate: from the state at `<|answer|>`, before anything is decoded, will the first answer be right?

Its labels are the student's own first answers on one half of the dev split, which is never trained on; the threshold is
set on the other half, by `table`. The student stays as it is, and nothing is decoded here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from ..distil.student import Student
from ..distil.train import pad
from ..pair import Pair

# of the squared weights over standardised states, beside the summed loss: there are hardly more labels than weights
PENALTY = 10.0
CERTAIN = 20.0  # log odds; a bias without any answer of the other kind would grow for ever
ROWS = 32  # questions read at once


@dataclass(frozen=True)
class Gate:
    weights: Tensor  # (width,)
    bias: float

    def chances(self, states: Tensor) -> Tensor:
        """(n, width) states to (n,) probabilities that the first answer is right."""
        return torch.sigmoid(states @ self.weights + self.bias)


def in_fit_half(pair: Pair) -> bool:
    """The half of the dev split that routers learn from, by the question."""
    return hashlib.sha256(f"half {pair.asked}".encode()).digest()[0] % 2 == 0


def fit(states: Tensor, right: Tensor, penalty: float = PENALTY) -> Gate:
    """Logistic regression: least summed cross entropy plus `penalty`/2 times the squared weights, over (n, width)
    states that are standardised for it; the bias is free. Where all answers are right, or all wrong, the bias alone
    says so."""
    if right.all() or not right.any():
        return Gate(torch.zeros(states.shape[1]), CERTAIN if right.all() else -CERTAIN)
    mean, spread = states.mean(0), states.std(0).clamp_min(1e-6)
    x = ((states - mean) / spread).double().numpy()
    fitted = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10).fit(x, right.numpy())
    weights = torch.from_numpy(fitted.coef_[0]) / spread
    return Gate(weights.float(), float(fitted.intercept_[0] - weights @ mean.double()))


@torch.no_grad()
def last_states(student: Student, prompts: list[list[int]]) -> Tensor:
    """(n, width), the state at each prompt's last token."""
    return _read(student, prompts, lambda states, length: states[length - 1])


@torch.no_grad()
def mean_states(student: Student, prompts: list[list[int]]) -> Tensor:
    """(n, width), the mean over each prompt's tokens."""
    return _read(student, prompts, lambda states, length: states[:length].mean(0))


def _read(student: Student, prompts: list[list[int]], pooled: Callable[[Tensor, int], Tensor]) -> Tensor:
    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    found = torch.empty(len(prompts), student.g.width)
    for start in range(0, len(order), ROWS):
        rows = order[start : start + ROWS]
        for at, states in zip(rows, student.hidden(pad([prompts[at] for at in rows])), strict=True):
            found[at] = pooled(states, len(prompts[at]))
    return found
