"""(R1) Soft prompts: a small perceiver reads the question and mixes two learned prompts, and before the mixture the
frozen student itself says which order comes next, `<|answer|>` or `<|think|>`.

A reconstruction: the idea is the method's, while every size here, the labels and the training are ours. The prompts
choose the order and are then taken away: the answer is the student's own, as in every other way to ask. Evaluated in
PyTorch only, and in no graph.
"""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distil import compute
from ..distil.student import Student
from ..distil.train import pad
from .gate import ROWS, mean_states

PROMPT_TOKENS = 16  # of each soft prompt
PERCEIVER_WIDTH = 32
STEPS, STEP_ROWS, LEARNING_RATE = 150, 8, 1e-2  # a tenth of what a trial of 320 steps takes


class SoftPrompts(nn.Module):
    def __init__(self, student: Student):
        super().__init__()
        width = student.g.width
        start = torch.randint(
            student.g.vocabulary, (2 * PROMPT_TOKENS,)
        )  # from tokens of the vocabulary (Lester et al. 2021)
        self.prompts = nn.Parameter(
            student.embedding.weight.detach()[start].view(2, PROMPT_TOKENS, width).clone()
        )  # first, think
        self.perceiver = nn.Sequential(nn.Linear(width, PERCEIVER_WIDTH), nn.GELU(), nn.Linear(PERCEIVER_WIDTH, 2))

    def forward(self, pooled: Tensor) -> Tensor:
        """(n, width) mean states of the questions to (n, prompt, width), each question's mixture of both prompts."""
        return torch.einsum("nk,kpw->npw", self.perceiver(pooled).softmax(-1), self.prompts)


def order_logits(student: Student, mixture: Tensor, questions: list[list[int]]) -> Tensor:
    """(n, vocabulary), of the token after each question, its mixture standing before it."""
    lengths = torch.tensor([len(question) for question in questions])
    embedded = torch.cat([mixture, student.embedding(pad(questions))], 1)
    return student.logits(student.states(embedded)[torch.arange(len(questions)), PROMPT_TOKENS + lengths - 1])


def fit(student: Student, questions: list[list[int]], orders: list[int], seed: int, steps: int = STEPS) -> SoftPrompts:
    """Learns to have the student say `orders`, a control token for each question, after it. Leaves the student as it
    is."""
    torch.manual_seed(seed)
    soft, rng = SoftPrompts(student), random.Random(seed)
    frozen = [p for p in student.parameters() if p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    pooled = mean_states(student, questions)
    adam = torch.optim.Adam(soft.parameters(), LEARNING_RATE)
    for step in range(steps):
        rows = rng.sample(range(len(questions)), min(STEP_ROWS, len(questions)))
        with compute.bfloat16(student.device):
            logits = order_logits(student, soft(pooled[rows]), [questions[at] for at in rows])
        loss = F.cross_entropy(logits.float(), torch.tensor([orders[at] for at in rows]))
        loss.backward()
        for group in adam.param_groups:
            group["lr"] = LEARNING_RATE * (steps - step) / steps
        adam.step()
        adam.zero_grad()
    for parameter in frozen:
        parameter.requires_grad_(True)
    return soft.eval()


@torch.no_grad()
def chances(student: Student, soft: SoftPrompts, questions: list[list[int]], first: int, think: int) -> Tensor:
    """(n,) how much likelier than `think` the student says `first`, as a share of both."""
    found = torch.empty(len(questions))
    order = sorted(range(len(questions)), key=lambda at: len(questions[at]))
    pooled = mean_states(student, questions)
    for start in range(0, len(order), ROWS):
        rows = order[start : start + ROWS]
        logits = order_logits(student, soft(pooled[rows]), [questions[at] for at in rows])
        found[rows] = logits[:, [first, think]].softmax(-1)[:, 0]
    return found
