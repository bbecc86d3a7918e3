"""What a task is to the toolkit: its answers, its teacher's pairs and its bounds. Calibration, evaluation and packing
know a task only through this; a `recipe` says which tasks a student is taught.

Holds no task of its own: each stands with its teacher in `teachers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .pair import PROMPT, Pair


@dataclass(frozen=True)
class Choice:
    """One member of the closed answer set. `text` is what the student writes."""

    code: int
    text: str
    label: dict[str, str]  # by language
    person: bool  # does this choice call a person?


@dataclass(frozen=True)
class ClosedBook:
    """Questions whose answers stand nowhere in them, so that only who knows them by heart is right."""

    pairs: list[Pair]
    floors: dict[str, float]  # how many are right who know nothing, by how they guess


@dataclass(frozen=True)
class Task:
    id: str
    title: dict[str, str]  # by language
    teacher: str  # who taught it: one sentence
    licence: str  # of the pairs, with credit
    choices: tuple[Choice, ...]  # the closed answer set; none where answers are free text
    stream: Callable[[int | str], Iterator[Pair]]  # teacher pairs without end, made from a seed
    golden: Callable[[int | str], list[Iterator[Pair]]]  # candidates for each golden question, made from a seed
    tests: Callable[[int | str, int], dict[str, list[Pair]]]  # so many test pairs of each way to ask, by its name
    near: Callable[
        [Pair], bool
    ]  # is the pair a hard one, where reasoning is needed: close to a limit, or of many steps?
    rules: Callable[
        [Pair], str
    ]  # what the teacher's rules answer to a pair's reading; the ceiling beside every measure
    # What is wrong in a rationale written to a pair's question; empty when all is right, None where nothing exact is
    # known of it.
    faults: Callable[[Pair, str], list[str] | None]
    sources: tuple[Path, ...]  # files that generate the pairs, in a fixed order
    question_tokens_max: int  # of the whole prompt
    rationale_tokens_max: int
    answer_tokens_max: int = 0  # of a free answer; 0 where the answer set is closed
    rows: Callable[[Path], dict[str, list[Pair]]] | None = None  # real rows of the task's own table, by the way to ask
    closed_book: Callable[[Path], dict[str, ClosedBook]] | None = (
        None  # questions of that table, by what they ask about
    )

    @property
    def texts(self) -> list[str]:
        return [choice.text for choice in self.choices]

    @property
    def template(self) -> str:
        """What the student reads, with `{question}` where the question goes."""
        return PROMPT.format(task=self.id, question="{question}")

    def answers(self, text: str) -> bool:
        """Is `text` an answer, and no call for a person?"""
        return bool(text) and not any(choice.person for choice in self.choices if choice.text == text)

    def index(self, answer: str) -> int:
        """Place of an answer in the closed set. Raises `ValueError` where there is no such set, or not this answer in
        it."""
        if not self.choices:
            raise ValueError(f"task {self.id} has free answers, and a closed answer set is needed here")
        if answer not in self.texts:
            raise ValueError(f"task {self.id}: expected one of {', '.join(self.texts)} for an answer, got {answer!r}")
        return self.texts.index(answer)
