"""The task `sensor-modes` as the toolkit knows it: which pairs it trains on, its tests, its answers and its bounds.

Draws and judges nothing itself. What a letter means stands in the question; the last choice of every question is
`cannot tell`, which is an answer like the others: no letter calls a person, only too little confidence does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from ...pair import LANGUAGES, Pair
from ...task import ClosedBook, ClosedChoices, Task
from .. import generator
from . import failuresensoriq, pairs, rationale_check, sampling
from . import rules as teacher
from .rules import TASK_ID, Case

CHOICES = generator.letters(sampling.ROWS[-1] + 1)  # as many as a question has at most, `cannot tell` among them
MATCHING = 60  # questions of the task's own on the rows of each real asset and language


def _read(path: Path) -> tuple[dict[str, failuresensoriq.Asset], list[failuresensoriq.Question]]:
    assets = failuresensoriq.read_rules(_only(path, ".json"))
    return assets, failuresensoriq.read_questions(_only(path, ".jsonl"), assets)


def _only(folder: Path, suffix: str) -> Path:
    found = [path for path in folder.iterdir() if path.suffix == suffix] if folder.is_dir() else []
    if len(found) != 1:
        raise failuresensoriq.RuleBaseError(f"{folder}: expected a folder with one {suffix} file, got {len(found)}")
    return found[0]


class SensorModes(Task):
    def stream(self, seed: int | str) -> Iterator[Pair]:
        return pairs.GENERATOR.stream(TASK_ID, seed)

    def golden(self, seed: int | str) -> list[Iterator[Pair]]:
        """Every letter in each language."""
        return [
            pairs.GENERATOR.golden(TASK_ID, seed, generator.having(lang=lang, answer=answer))
            for lang, answer in itertools.product(LANGUAGES, (choice.text for choice in CHOICES))
        ]

    def is_hard(self, pair: Pair) -> bool:
        return pair.difficulty in pairs.GENERATOR.hardest

    def oracle(self, pair: Pair) -> str:
        """What the rules say to a pair's case, whoever answered it."""
        if not isinstance(pair.reading, Case):
            raise ValueError(f"expected a pair with rows that were drawn or read, got {pair.id!r}")
        return teacher.answer(pair.reading)

    def real_data(self, path: Path) -> dict[str, list[Pair]]:
        """FailureSensorIQ, from the folder that holds its rule base (the one `.json`) and its questions (the one
        `.jsonl`): its questions with the rows that decide them, and the task's own on the rows of its assets. Every
        asset is out of training, which knows generated names only. Its questions stand as they are, also those whose
        rows are too long to be asked."""
        assets, asked = _read(path)
        own = {
            lang: [
                pair for asset in assets.values() for pair in failuresensoriq.matching(asset, lang, MATCHING, "rows")[0]
            ]
            for lang in LANGUAGES
        }
        return {
            "FailureSensorIQ, its questions": [failuresensoriq.open_book(question, assets) for question in asked],
            **{f"FailureSensorIQ, its rows, {lang}": of for lang, of in own.items()},
        }

    def closed_book(self, path: Path) -> dict[str, ClosedBook]:
        """FailureSensorIQ's questions as they stand there, by asset, from the same folder."""
        assets, asked = _read(path)
        return failuresensoriq.by_asset(asked, assets)

    def tests(self, seed: int | str, count: int) -> dict[str, list[Pair]]:
        return pairs.tests(seed, count)

    def check_rationale(self, pair: Pair, rationale: str) -> list[str]:
        return rationale_check.faults(pair, rationale)


TASK = SensorModes(
    id=TASK_ID,
    title={"en": "Failure mode from sensors", "ja": "センサからの故障モード判定"},
    teacher="a program that compares the rows of the question with what its sensors did",
    licence="MIT OR Apache-2.0; questions of the kinds of FailureSensorIQ (IBM), none of which is taken over",
    answers=ClosedChoices(CHOICES),
    question_tokens_max=256,
    rationale_tokens_max=240,
)
