"""What a teacher that is a program looks like: draws without end, each a question with its answer and exact rationale.

Knows no task; each generator stands in a module of its own, their list in `catalogue`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..pair import LANGUAGES, Pair

TEACHER = "generated"


@dataclass(frozen=True)
class Said:
    """What a generator makes of one draw; the fields are a pair's."""

    question: str
    answer: str
    rationale: str
    choices: tuple[str, ...] | None = None
    kind: str | None = None
    reading: object | None = None
    margins: tuple[float, ...] = ()


@dataclass(frozen=True)
class Generator:
    """A task that a program can teach."""

    draw: Callable[[random.Random, str, int], Said]  # by language and difficulty
    difficulties: range

    def pairs(self, task: str, seed: int | str) -> Iterator[Pair]:
        """Pairs without end, languages and difficulties drawn alike; named by task and seed."""
        rng = random.Random(f"{task}-{seed}")
        for number in itertools.count():
            lang, difficulty = rng.choice(LANGUAGES), rng.choice(self.difficulties)
            said = self.draw(rng, lang, difficulty)
            yield Pair(id=f"{task}-{seed}-{lang}-{number:06}-1", task=task, question=said.question, choices=said.choices,
                       answer=said.answer, rationale=said.rationale, teacher=TEACHER, difficulty=difficulty, lang=lang,
                       kind=said.kind, reading=said.reading, margins=said.margins)
