"""A pair: a question, and what a teacher says to it. The one unit of the toolkit, whoever the teacher is and wherever
it came from.

Holds data, judges nothing. `pair_files` reads and writes it as a line of JSON.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, field

LANGUAGES = ("en", "ja")
PROMPT = "{task}: {question}"


@dataclass(frozen=True)
class Probe:
    """How far the teacher's reasoning has got at one place of the question: what a linear head shall read from the
    student's state there (a probe, Alain and Bengio 2016). For training alone."""

    kind: str  # within a task, probes of one kind mean the same, and have as many values
    end: int  # the place: behind so many characters of the pair's `text`
    values: tuple[float, ...]  # -1..1


@dataclass(frozen=True, kw_only=True)
class Pair:
    # What the fields say to a teacher of any kind stands in `pair_files`.
    id: str = ""  # "" until the pair is put into a file
    task: str
    question: str
    choices: tuple[str, ...] | None = None
    answer: str  # "" where a question waits for a teacher
    rationale: str | None = None
    teacher: str | None = None
    weight: float = 1.0
    difficulty: int | None = None
    lang: str = "en"
    kind: str | None = None
    # Known only to a teacher that is a program; no file holds them.
    reading: object | None = field(default=None, metadata={"file": False})  # what the rules saw
    margins: tuple[float, ...] = field(default=(), metadata={"file": False})  # distances to the limits, -1..1
    probes: tuple[Probe, ...] = field(default=(), metadata={"file": False})

    @property
    def asked(self) -> str:
        """Names the question: pairs that share it give several rationales to one question."""
        return self.id.rpartition("-")[0] or self.id

    @property
    def letters(self) -> str:
        """Of the choices; none where the question brings none."""
        return string.ascii_uppercase[: len(self.choices or ())]

    @property
    def known_rationale(self) -> str:
        """The rationale. Raises `ValueError` where the pair has none."""
        if self.rationale is None:
            raise ValueError(f"pair {self.id or self.question} has no rationale, and one is needed here")
        return self.rationale

    @property
    def answer_text(self) -> str:
        """The answer in words: its choice's, where there are choices."""
        return self.choices[self.letters.index(self.answer)] if self.choices else self.answer

    @property
    def prompt(self) -> str:
        """What the student reads: the task's name, so that one student can tell its tasks apart, and the question."""
        return PROMPT.format(task=self.task, question=self.text)

    @property
    def text(self) -> str:
        """The question, its choices below it, one a line."""
        if self.choices is None:
            return self.question
        return "\n".join([self.question, *listed(self.choices)])


def listed(choices: Sequence[str]) -> list[str]:
    """A line for each choice, as it stands below a question."""
    return [f"{letter}: {text}" for letter, text in zip(string.ascii_uppercase, choices, strict=False)]
