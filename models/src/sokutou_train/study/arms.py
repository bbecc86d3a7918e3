"""The ways to teach that are compared, and what one step of each is graded on.

Knows sequences and losses; nothing of tasks, files or budgets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..distil.sequences import ANSWER_WEIGHT, Encoder, Sequence
from ..distil.student import Student
from ..distil.train import graded, pad
from ..pair import Pair

# An amplified answer counts at least and at most so much: one garbled rationale must not rule a step, and none be lost.
AMPLIFIED = (0.25, 4.0)


@dataclass(frozen=True)
class Arm:
    """How pairs are taught, and how the student is asked afterwards."""

    teaches: tuple[Callable[[Encoder, Pair], Sequence], ...]  # each pair's sequences, in turn
    asked: tuple[str, ...]  # "first", "think"
    focal: float = 0.0  # gamma of the focal loss on the answer (Lin et al. 2017); 0 is cross entropy
    amplified: bool = False  # does an answer count more where its rationale is predicted badly?

    @property
    def explains(self) -> bool:
        """Is an answer asked for with its rationale in the same sequence, before it or after it?"""
        return Encoder.why in self.teaches or Encoder.think in self.teaches


ARMS = {
    "answer-only": Arm((Encoder.first,), ("first",)),
    "think-first": Arm((Encoder.think,), ("think",)),
    "answer-first": Arm((Encoder.why,), ("first",)),
    "step-by-step": Arm((Encoder.first, Encoder.reason), ("first",)),
    "answer-first, amplified": Arm((Encoder.why,), ("first",), amplified=True),
    "answer-only, focal": Arm((Encoder.first,), ("first",), focal=2.0),
    "both orders": Arm((Encoder.why, Encoder.think), ("first", "think")),
}


PLAIN = Arm((), ())  # graded in plain cross entropy


@dataclass(frozen=True)
class Batch:
    tokens: Tensor  # (rows, length)
    weights: Tensor  # (rows, length), of predicting the token at the same place
    answers: Tensor  # (rows, length), is the token at the place part of the answer?
    counts: Tensor  # (rows,), how much each pair counts

    def to(self, device: torch.device) -> Batch:
        return Batch(*(getattr(self, part.name).to(device) for part in fields(self)))


def batch(rows: list[tuple[Sequence, float]], length: int) -> Batch:
    """Sequences, each with its pair's weight."""
    sequences = [sequence for sequence, _ in rows]
    places = torch.arange(length)
    return Batch(
        pad([s.tokens for s in sequences], length),
        pad([s.weights for s in sequences], length),
        torch.stack([(places > s.asked) & (places < s.answered) for s in sequences]),
        torch.tensor([weight for _, weight in rows]),
    )


def loss(student: Student, b: Batch, arm: Arm) -> Tensor:
    """Sum over the batch's sequences."""
    _, row, place, losses = graded(student, b.tokens, b.weights)
    answer = b.answers[row, place]
    if arm.focal:
        losses = torch.where(answer, losses * (1 - torch.exp(-losses)) ** arm.focal, losses)
    weighted = losses * b.weights[row, place]
    nothing = b.counts.new_zeros(len(b.tokens))
    answers = nothing.index_add(0, row[answer], weighted[answer])
    rationales = nothing.index_add(0, row[~answer], weighted[~answer])
    if arm.amplified:
        rows = (b.weights > 0).any(-1).sum()  # that are not empty
        answers = answers * amplification(rationales.detach() / (1 - ANSWER_WEIGHT), rows)
    return (b.counts * (answers + rationales)).sum()


def amplification(rationales: Tensor, rows: Tensor) -> Tensor:
    """(rows,) mean losses of the rationales to what each answer counts: its rationale's loss against the mean of so
    many. Batches are cut by length, so that a row is mostly compared with rows of its own task."""
    return (rationales / (rationales.sum() / rows).clamp_min(1e-6)).clamp(*AMPLIFIED)
