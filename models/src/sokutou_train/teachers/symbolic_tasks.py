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
from ..task import Choice, Task
from . import generator, symbolic
from .generator import Generator, letters

CHARACTER_TOKENS_MAX = 3  # bytes of a kana, should the vocabulary have joined none of them

YES_NO = (Choice(0, "no", {"en": "no", "ja": "いいえ"}, False), Choice(1, "yes", {"en": "yes", "ja": "はい"}, False))

_SENTENCE_END = re.compile(r"(?<=\.)\s|(?<=。)(?=.)")


def faults(pair: Pair, rationale: str) -> list[str] | None:
    """Names the first sentence that is not the exact rationale's; empty when all are. Of published questions none is
    known."""
    if pair.rationale is None:
        return None
    said, exact = (_SENTENCE_END.split(text) for text in (rationale, pair.rationale))
    return [
        f"sentence {number} said as {one!r:.80}, expected {other!r:.80}"
        for number, (one, other) in enumerate(itertools.zip_longest(said, exact, fillvalue=""), 1)
        if one != other
    ][:1]


def made(
    id_: str,
    title: dict[str, str],
    question_tokens_max: int,
    rationale_tokens_max: int,
    choices: tuple[Choice, ...] = (),
) -> Task:
    """The task of the generator of this name; without choices its answers are free text."""
    of: Generator = symbolic.GENERATORS[id_]

    def stream(seed: int | str) -> Iterator[Pair]:
        return of.stream(id_, seed)

    def golden(seed: int | str) -> list[Iterator[Pair]]:
        """Every answer in each language; of free ones each difficulty but the hardest, where a student may never be
        sure."""
        if choices:
            return [
                of.golden(id_, seed, lambda pair, asked=asked: (pair.lang, pair.answer) == asked)
                for asked in itertools.product(LANGUAGES, (choice.text for choice in choices))
            ]
        return [
            of.golden(id_, seed, lambda pair, asked=asked: (pair.lang, pair.difficulty) == asked)
            for asked in itertools.product(LANGUAGES, (d for d in of.difficulties if d not in of.hardest))
        ]

    def tests(seed: int | str, count: int) -> dict[str, list[Pair]]:
        return {"generated": of.tests(id_, f"test-{seed}", count)}

    def rows(path: Path) -> dict[str, list[Pair]]:
        """Published pairs, whatever their file calls the task."""
        return {
            f"published, {path.parent.name}": [
                dataclasses.replace(pair, task=id_) for pair in pair_files.read(path).pairs
            ]
        }

    return Task(
        id=id_,
        title=title,
        teacher="a program that draws the question and works it out step by step",
        licence="MIT OR Apache-2.0; the kind of question is from Wei et al. 2022 and BIG-bench, none of whose own is "
        "taken over",
        choices=choices,
        stream=stream,
        golden=golden,
        tests=tests,
        near=lambda pair: pair.difficulty in of.hardest,
        rules=lambda pair: pair.answer,
        faults=faults,
        rows=rows,
        sources=tuple(Path(module.__file__) for module in (generator, symbolic)),
        question_tokens_max=question_tokens_max,
        rationale_tokens_max=rationale_tokens_max,
        answer_tokens_max=0 if choices else of.difficulties[-1] * CHARACTER_TOKENS_MAX,
    )


# Bounds hold the published questions too, whose stories are longer than the generated ones.
COIN_FLIP = made("coin_flip", {"en": "Coin flip", "ja": "コインの表裏"}, 128, 96, YES_NO)
LAST_LETTERS = made("last_letters", {"en": "Last letters", "ja": "最後の文字"}, 64, 64)
SHUFFLED_OBJECTS = made("shuffled_objects", {"en": "Shuffled objects", "ja": "物の交換"}, 288, 192, letters(3))
DATES = made("dates", {"en": "Dates", "ja": "日付の計算"}, 224, 112, letters(6))

TASKS = (COIN_FLIP, LAST_LETTERS, SHUFFLED_OBJECTS, DATES)
