"""What a task is to the toolkit: its answers, its teacher's pairs and its bounds. Calibration, evaluation and packing
know a task only through this; a `recipe` says which tasks a student is taught.

Holds no task of its own: each stands with its teacher in `teachers`.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .pair import LANGUAGES, PROMPT, Pair
from .readings import Readings


@dataclass(frozen=True)
class Choice:
    """One member of the closed answer set. `text` is what the student writes."""

    code: int
    text: str
    label: Mapping[str, str]  # by language
    abstains: bool  # does this choice mean "ask a person"?

    def manifest(self) -> dict[str, Any]:
        return {"code": self.code, "text": self.text, "label": dict(self.label), "person": self.abstains}


@dataclass(frozen=True)
class ClosedChoices:
    """The answer is one of a few choices."""

    choices: tuple[Choice, ...]
    tokens_max = 1  # of an answer: the first one tells the choices apart

    @property
    def texts(self) -> list[str]:
        return [choice.text for choice in self.choices]

    def is_answer(self, text: str) -> bool:
        """Is `text` an answer, and no call for a person?"""
        return bool(text) and not any(choice.abstains for choice in self.choices if choice.text == text)

    def index(self, answer: str) -> int:
        """Place of an answer in the set. Raises `ValueError` where it is not in it."""
        if answer not in self.texts:
            raise ValueError(f"expected one of {', '.join(self.texts)} for an answer, got {answer!r}")
        return self.texts.index(answer)

    def check(self, answer: str) -> None:
        """Raises `ValueError` at an answer that cannot be taught."""
        self.index(answer)

    def manifest(self) -> dict[str, Any]:
        """The answers as a bundle's manifest says them."""
        return {"choices": [choice.manifest() for choice in self.choices]}

    def golden(self, answer: str) -> dict[str, Any]:
        """An answer as a golden question says it."""
        return {"code": self.choices[self.index(answer)].code}


@dataclass(frozen=True)
class FreeText:
    """The answer is any text up to a length."""

    tokens_max: int
    texts = ()

    def is_answer(self, text: str) -> bool:
        return bool(text)

    def check(self, answer: str) -> None:
        """Any text can be taught."""

    def manifest(self) -> dict[str, Any]:
        return {"free": {"tokens_max": self.tokens_max}}

    def golden(self, answer: str) -> dict[str, Any]:
        return {"answer": answer}


Answers = ClosedChoices | FreeText


@dataclass(frozen=True)
class ClosedBook:
    """Questions whose answers stand nowhere in them, so that only who knows them by heart is right."""

    pairs: list[Pair]
    floors: dict[str, float]  # how many are right who know nothing, by how they guess


@dataclass(frozen=True)
class Group:
    """Questions whose risk is controlled by itself, with thresholds of their own. The first that fits is taken."""

    name: str  # for people
    near_limit: bool | None = None  # near a limit of the task's readings, or not; None: both
    language: str | None = None
    think_first: bool = False  # however sure the first answer is

    def fits(self, near: bool, language: str) -> bool:
        return self.near_limit in (None, near) and self.language in (None, language)

    def manifest(self) -> dict[str, Any]:
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}


def _groups(near: bool | None, name: str, think_first: bool = False) -> tuple[Group, ...]:
    said = {"en": "English", "ja": "Japanese"}
    return tuple(Group(f"{name}{said[lang]}", near, lang, think_first) for lang in LANGUAGES)


BY_LANGUAGE = _groups(None, "")
NEAR_AND_FAR = (*_groups(True, "near a limit, ", think_first=True), *_groups(False, "not near a limit, "))


@dataclass(frozen=True)
class Task(abc.ABC):
    """Each teacher makes a subclass at the top of its module, so that tasks can be sent between processes."""

    id: str
    title: Mapping[str, str]  # by language
    teacher: str  # who taught it: one sentence
    licence: str  # of the pairs, with credit
    answers: Answers
    question_tokens_max: int  # of the whole prompt
    rationale_tokens_max: int
    readings: Readings | None = dataclasses.field(default=None, kw_only=True)  # else the student reads the question
    groups: tuple[Group, ...] = dataclasses.field(default=(), kw_only=True)
    taught: bool = dataclasses.field(default=True, kw_only=True)  # False where pairs only ask a student, and teach none

    @abc.abstractmethod
    def stream(self, seed: int | str) -> Iterator[Pair]:
        """Teacher pairs without end, made from a seed."""

    @abc.abstractmethod
    def golden(self, seed: int | str) -> list[Iterator[Pair]]:
        """Candidates for each golden question, made from a seed."""

    @abc.abstractmethod
    def tests(self, seed: int | str, count: int) -> dict[str, list[Pair]]:
        """`count` test pairs of each way to ask, by its name; of rare ways a third."""

    @abc.abstractmethod
    def is_hard(self, pair: Pair) -> bool:
        """Is reasoning needed: is the pair close to a limit, or of many steps?"""

    @abc.abstractmethod
    def oracle(self, pair: Pair) -> str:
        """What the teacher's rules answer to a pair's reading, whoever answered it; the ceiling beside every
        measure."""

    @abc.abstractmethod
    def check_rationale(self, pair: Pair, rationale: str) -> list[str] | None:
        """What is wrong in a rationale written to a pair's question; empty when all is right, None where nothing exact
        is known of it."""

    def of_group(self, group: Group, seed: int | str) -> Iterator[Pair]:
        """Teacher pairs without end to calibrate a group on; a task may draw them more evenly than they come."""
        return (pair for pair in self.stream(seed) if group.fits(self.is_near(pair), pair.lang))

    def is_near(self, pair: Pair) -> bool:
        """Is a limit of the task's readings near, as the runtime sees it?"""
        return False

    def real_data(self, path: Path) -> dict[str, list[Pair]] | None:
        """Real rows of the task's own table, by the way to ask; None where the task knows no table."""
        return None

    def closed_book(self, path: Path) -> dict[str, ClosedBook]:
        """Questions of that table, by what they ask about."""
        return {}

    @property
    def texts(self) -> list[str]:
        """Of the choices; none where answers are free text."""
        return list(self.answers.texts)

    @property
    def template(self) -> str:
        """What the student reads, with `{question}` where the question goes."""
        return PROMPT.format(task=self.id, question="{question}")

    def is_answer(self, text: str) -> bool:
        """Is `text` an answer, and no call for a person?"""
        return self.answers.is_answer(text)

    def index(self, answer: str) -> int:
        """Place of an answer in the closed set. Raises `ValueError` where there is no such set, or not this answer in
        it."""
        if not isinstance(self.answers, ClosedChoices):
            raise ValueError(f"task {self.id} has free answers, and a closed answer set is needed here")
        try:
            return self.answers.index(answer)
        except ValueError as err:
            raise ValueError(f"task {self.id}: {err}") from err
