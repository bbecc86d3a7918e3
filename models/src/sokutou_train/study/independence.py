"""Does an answer depend on its rationale? The student's own rationale is replaced by another question's, or corrupted,
and the answer is looked at again.

Thinking first, the answer comes after the rationale and may change. Answering first it stands before it, and nothing
that comes later can reach it; that is computed here all the same, not assumed. Trains nothing.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..distil.student import Student
from ..distil.vocabulary import ANSWER, END, WHY
from ..pair import Pair
from ..ship.decode import ThinkingFailed
from .asking import Asker

QUESTIONS_MAX = 100  # of a trial and a way to ask, spread over the tasks
CORRUPTED_SHARE = 0.3  # of the tokens that say something


@dataclass(frozen=True)
class Case:
    pair: Pair
    question: list[int]
    answer: list[int]  # of an answer that stands before its rationale
    rationale: list[int]


def measure(
    asker: Asker, student: Student, way: str, pairs: list[Pair], answers: dict[str, tuple[str, ...]]
) -> list[dict]:
    """A row for each task: of `n` answers, how many change when the rationale is `swapped` or `corrupted`, and the
    largest `difference` of a logit of an answer that stands first."""
    cases = _cases(asker, way, _spread(pairs, QUESTIONS_MAX), answers)
    corruption = Corruption(asker.encoder.tokenizer, [case.rationale for case in cases])
    others: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        others[case.pair.task, case.pair.lang].append(case)
    rows: dict[str, dict] = {}
    for case in cases:
        same = others[case.pair.task, case.pair.lang]
        if len(same) < 2:
            continue
        swapped = same[(same.index(case) + 1) % len(same)].rationale
        corrupted = corruption.of(case.rationale, case.pair.id)
        row = rows.setdefault(
            case.pair.task,
            {"task": case.pair.task, "way": way, "n": 0, "swapped": 0, "corrupted": 0, "difference": 0.0},
        )
        row["n"] += 1
        for name, other in (("swapped", swapped), ("corrupted", corrupted)):
            if way == "first":
                own, again = (_answer_logits(asker, student, case, rationale) for rationale in (case.rationale, other))
                row[name] += int(not torch.equal(own.argmax(-1), again.argmax(-1)))
                row["difference"] = max(row["difference"], float((own - again).abs().max()))
            else:
                closed = answers.get(case.pair.task, ())
                said, changed = (
                    asker.after(case.question, rationale, case.pair, closed) for rationale in (case.rationale, other)
                )
                row[name] += int(said != changed)
    return list(rows.values())


class Corruption:
    """Replaces what says something, each such token with probability `CORRUPTED_SHARE`: a digit by another digit, a
    token that has letters by another such token of these rationales. Spaces, points and marks stay."""

    def __init__(self, tokenizer: Tokenizer, rationales: list[list[int]]):
        self.pools: dict[str, list[int]] = defaultdict(list)
        self.kinds = {}
        for token in sorted({token for rationale in rationales for token in rationale}):
            text = tokenizer.decode([token])
            self.kinds[token] = (
                "digit" if text.strip().isdigit() else "letters" if any(c.isalpha() for c in text) else ""
            )
            self.pools[self.kinds[token]].append(token)

    def of(self, rationale: list[int], seed: str) -> list[int]:
        rng, made = random.Random(seed), []
        for token in rationale:
            pool = [other for other in self.pools[self.kinds[token]] if other != token] if self.kinds[token] else []
            made.append(rng.choice(pool) if pool and rng.random() < CORRUPTED_SHARE else token)
        return made


def _cases(asker: Asker, way: str, pairs: list[Pair], answers: dict[str, tuple[str, ...]]) -> list[Case]:
    """Each question with the student's own rationale; one that does not end in time is left out."""
    cases = []
    for pair in pairs:
        question = asker.encoder.text(pair.prompt)
        try:
            if way == "first":
                said = asker.ask(pair, "first", answers.get(pair.task, ())).answer
                answer = asker.encoder.answer(replace(pair, answer=said))
                cases.append(Case(pair, question, answer, asker.reason(question, answer)))
            else:
                cases.append(Case(pair, question, [], asker.thought(question)))
        except ThinkingFailed:
            continue
    return cases


@torch.no_grad()
def _answer_logits(asker: Asker, student: Student, case: Case, rationale: list[int]) -> Tensor:
    """(answer and its end, vocabulary), from a reading of question, answer and rationale together."""
    control = asker.encoder.control
    tokens = [*case.question, control[ANSWER], *case.answer, control[WHY], *rationale, control[END]]
    at = len(case.question)
    return student(torch.tensor([tokens[: student.g.max_len]]))[0, at : at + len(case.answer) + 1]


def _spread(pairs: list[Pair], most: int) -> list[Pair]:
    """The first of each task and language in turn."""
    groups: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.task, pair.lang].append(pair)
    share = most // max(1, len(groups))
    return [pair for group in groups.values() for pair in group[:share]]
