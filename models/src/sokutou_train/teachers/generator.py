"""What a teacher that is a program looks like: draws without end, each a question with its answer and exact rationale.

Tells questions to train on from those to test with (`held_out`). Knows no task; each generator stands in a module of
its own, their list in `catalogue`.
"""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..held_out import tested
from ..pair import LANGUAGES, Pair, Probe
from ..task import Choice

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
    probes: tuple[Probe, ...] = ()


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
            yield Pair(
                id=f"{task}-{seed}-{lang}-{number:06}-1",
                task=task,
                question=said.question,
                choices=said.choices,
                answer=said.answer,
                rationale=said.rationale,
                teacher=TEACHER,
                difficulty=difficulty,
                lang=lang,
                kind=said.kind,
                reading=said.reading,
                margins=said.margins,
                probes=said.probes,
            )

    def stream(self, task: str, seed: int | str) -> Iterator[Pair]:
        """As `pairs`, to train on: none that is kept for tests."""
        return itertools.filterfalse(tested, self.pairs(task, seed))

    def tests(self, task: str, seed: int | str, count: int) -> list[Pair]:
        """So many of `pairs` that no `stream` of the task has, whatever its seed."""
        return list(itertools.islice(filter(tested, self.pairs(task, seed)), count))

    def golden(self, task: str, seed: int | str, wanted: Callable[[Pair], bool]) -> Iterator[Pair]:
        """Candidates for a golden question, each named by its kind, or else by its language and difficulty."""
        for pair in filter(wanted, self.pairs(task, f"golden-{seed}")):
            yield pair if pair.kind else replace(pair, kind=f"{pair.lang}-{pair.difficulty}")

    @property
    def hardest(self) -> range:
        """The highest third of the difficulties, rounded up."""
        return self.difficulties[len(self.difficulties) * 2 // 3 :]


def endless(make: Callable[[], Pair]) -> Iterator[Pair]:
    """One pair after the other."""
    while True:
        yield make()


def having(**fields: object) -> Callable[[Pair], bool]:
    """Does a pair have these?"""
    return lambda pair: all(getattr(pair, name) == value for name, value in fields.items())


def letters(count: int) -> tuple[Choice, ...]:
    """The answer set where each question brings its own choices: their letters, coded by their place from 1. None of
    them calls a person: what a letter means stands in the question."""
    return tuple(
        Choice(place, letter, dict.fromkeys(LANGUAGES, letter), False)
        for place, letter in enumerate(string.ascii_uppercase[:count], 1)
    )
