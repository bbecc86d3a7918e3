"""The symbolic tasks as the toolkit knows them, all made from their generators in one way. Draws and judges nothing
itself.

Real rows are files of published pairs (`pair_files`), which only measure a finished student. Their rationales, where
they have any, are a model's own words, and no exact ones.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from .. import pair_files
from ..pair import LANGUAGES, Pair
from ..task import Choice, ClosedChoices, FreeText, Task
from . import symbolic
from .generator import Generator, having, letters

CHARACTER_TOKENS_MAX = 3  # bytes of a kana, should the vocabulary have joined none of them

YES_NO = (Choice(0, "no", {"en": "no", "ja": "いいえ"}, False), Choice(1, "yes", {"en": "yes", "ja": "はい"}, False))

_SENTENCE_END = re.compile(r"(?<=\.)\s|(?<=。)(?=.)")


class Symbolic(Task):
    """The task of the generator of its name."""

    @property
    def generator(self) -> Generator:
        return symbolic.GENERATORS[self.id]

    def stream(self, seed: int | str) -> Iterator[Pair]:
        return self.generator.stream(self.id, seed)

    def golden(self, seed: int | str) -> list[Iterator[Pair]]:
        """Every answer in each language; of free ones each difficulty but the hardest, where a student may never be
        sure."""
        of = self.generator
        if isinstance(self.answers, ClosedChoices):
            return [
                of.golden(self.id, seed, having(lang=lang, answer=answer))
                for lang, answer in itertools.product(LANGUAGES, self.texts)
            ]
        return [
            of.golden(self.id, seed, having(lang=lang, difficulty=difficulty))
            for lang, difficulty in itertools.product(LANGUAGES, (d for d in of.difficulties if d not in of.hardest))
        ]

    def tests(self, seed: int | str, count: int) -> dict[str, list[Pair]]:
        return {"generated": self.generator.tests(self.id, f"test-{seed}", count)}

    def is_hard(self, pair: Pair) -> bool:
        return pair.difficulty in self.generator.hardest

    def oracle(self, pair: Pair) -> str:
        return pair.answer

    def check_rationale(self, pair: Pair, rationale: str) -> list[str] | None:
        """Names the first sentence that is not the exact rationale's; empty when all are. Of published questions none
        is known."""
        if pair.rationale is None:
            return None
        said, exact = (_SENTENCE_END.split(text) for text in (rationale, pair.rationale))
        return [
            f"sentence {number} said as {one!r:.80}, expected {other!r:.80}"
            for number, (one, other) in enumerate(itertools.zip_longest(said, exact, fillvalue=""), 1)
            if one != other
        ][:1]

    def real_data(self, path: Path) -> dict[str, list[Pair]]:
        """Published pairs, whatever their file calls the task."""
        return {
            f"published, {path.parent.name}": [
                dataclasses.replace(pair, task=self.id) for pair in pair_files.read(path).pairs
            ]
        }


def made(
    id_: str,
    title: dict[str, str],
    question_tokens_max: int,
    rationale_tokens_max: int,
    choices: tuple[Choice, ...] = (),
) -> Task:
    """Without choices the answers are free text."""
    difficulties = symbolic.GENERATORS[id_].difficulties
    return Symbolic(
        id=id_,
        title=title,
        teacher="a program that draws the question and works it out step by step",
        licence="MIT OR Apache-2.0; the kind of question is from Wei et al. 2022 and BIG-bench, none of whose own is "
        "taken over",
        answers=ClosedChoices(choices) if choices else FreeText(difficulties[-1] * CHARACTER_TOKENS_MAX),
        question_tokens_max=question_tokens_max,
        rationale_tokens_max=rationale_tokens_max,
    )


# Bounds hold the published questions too, whose stories are longer than the generated ones.
COIN_FLIP = made("coin_flip", {"en": "Coin flip", "ja": "コインの表裏"}, 128, 96, YES_NO)
LAST_LETTERS = made("last_letters", {"en": "Last letters", "ja": "最後の文字"}, 64, 64)
SHUFFLED_OBJECTS = made("shuffled_objects", {"en": "Shuffled objects", "ja": "物の交換"}, 288, 192, letters(3))
DATES = made("dates", {"en": "Dates", "ja": "日付の計算"}, 224, 112, letters(6))

TASKS = (COIN_FLIP, LAST_LETTERS, SHUFFLED_OBJECTS, DATES)
