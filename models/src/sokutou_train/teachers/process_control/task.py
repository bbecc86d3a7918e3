"""The task `process-control` as the toolkit knows it: which pairs it trains on, its tests, its answers and its bounds.

Draws and judges nothing itself. The real series of `grinding` only measure a finished student.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ...pair import LANGUAGES, Pair
from ...task import BY_LANGUAGE, Choice, ClosedChoices, Task
from ..generator import Generator, having
from . import grinding, rationale_check
from .pairs import DIFFICULTIES, GENERATOR, IN_SCOPE, NEAR, draw
from .readings import READINGS
from .rules import CHOICES, TASK_ID, Answer, Series, near_edge, verdict


class ProcessControl(Task):
    def stream(self, seed: int | str) -> Iterator[Pair]:
        return GENERATOR.stream(TASK_ID, seed)

    def golden(self, seed: int | str) -> list[Iterator[Pair]]:
        """Every verdict in each language."""
        return [
            Generator(partial(draw, answers=(answer,)), DIFFICULTIES).golden(TASK_ID, seed, having(lang=lang))
            for answer in IN_SCOPE
            for lang in LANGUAGES
        ]

    def tests(self, seed: int | str, count: int) -> dict[str, list[Pair]]:
        """Fresh pairs as in training, and beside the edge of a rule. Half of them are English and half Japanese."""
        suites: dict[str, Generator] = {
            "in scope": GENERATOR,
            "near an edge": Generator(draw, range(NEAR, NEAR + 1)),
        }
        return {f"generated, {name}": of.tests(TASK_ID, f"{name}-{seed}", count) for name, of in suites.items()}

    def is_hard(self, pair: Pair) -> bool:
        """Was it drawn beside an edge? A measured series was not drawn: does it stand there?"""
        if pair.difficulty is None:
            return isinstance(pair.reading, Series) and near_edge(pair.reading)
        return pair.difficulty == NEAR

    def oracle(self, pair: Pair) -> str:
        """What the rules say to a pair's reading, whoever answered it."""
        return (verdict(pair.reading) if isinstance(pair.reading, Series) else Answer.PERSON).value

    def check_rationale(self, pair: Pair, rationale: str) -> list[str]:
        return rationale_check.faults(pair, rationale)

    def real_data(self, path: Path) -> dict[str, list[Pair]]:
        return grinding.pairs(path)


TASK = ProcessControl(
    id=TASK_ID,
    title={"en": "Control chart", "ja": "管理図の判定"},
    teacher="the run rules of Western Electric 1956 and Nelson 1984, written as a program",
    licence="MIT OR Apache-2.0; the rules are published ones, and no table is read",
    answers=ClosedChoices(
        tuple(Choice(code, answer.value, {"en": en, "ja": ja}, person) for code, answer, en, ja, person in CHOICES)
    ),
    question_tokens_max=176,
    rationale_tokens_max=280,
    readings=READINGS,
    groups=BY_LANGUAGE,
)
