"""The tasks of the student `toy`, which is small enough to distil within a minute, so that a test walks the whole way:
which of two numbers is larger, from a closed set, and what their last digits are, in free text.

Never shipped. They use every part of a recipe: both orders, the calculator, two languages, a question that belongs to
a person.
"""

from __future__ import annotations

import itertools
import operator
import random
from collections.abc import Iterator
from functools import partial

from ..calculator import mark
from ..pair import LANGUAGES, Pair
from ..task import Choice, ClosedChoices, FreeText, Task
from .generator import endless

NUMBER_MAX = 99
PERSON_SHARE = 0.2
QUESTIONS = {
    "en": ("Which is larger, {a} or {b}?", "{a} against {b}"),
    "ja": ("{a} と {b}、大きいのは？", "{a} 対 {b}"),
}
_REASONS = {
    "en": {
        "A": "Read {a} and {b}. {m} is above 0.",
        "B": "Read {a} and {b}. {m} is not above 0.",
        "ASK": "A number is missing.",
    },
    "ja": {"A": "{a} と {b}。{m} は 0 より上。", "B": "{a} と {b}。{m} は 0 以下。", "ASK": "数が足りない。"},
}


def larger(rng: random.Random, answer: str, lang: str) -> Pair:
    template = rng.choice(QUESTIONS[lang])
    if answer == "ASK":
        question = (
            template.format(a=rng.randint(0, NUMBER_MAX), b="?")
            if rng.random() < 0.5
            else template.format(a="?", b="?")
        )
        return Pair(
            task="toy", question=question, answer=answer, rationale=_REASONS[lang][answer], lang=lang, kind="missing"
        )
    low, high = sorted(rng.sample(range(NUMBER_MAX + 1), 2))
    a, b = (high, low) if answer == "A" else (low, high)
    why = _REASONS[lang][answer].format(a=a, b=b, m=mark(f"{a}-{b}"))
    return Pair(
        task="toy",
        question=template.format(a=a, b=b),
        answer=answer,
        rationale=why,
        lang=lang,
        kind="numbers",
        reading=(a, b),
        margins=((a - b) / NUMBER_MAX,),
    )


class Larger(Task):
    def stream(self, seed: int | str) -> Iterator[Pair]:
        rng = random.Random(seed)
        while True:
            answer = "ASK" if rng.random() < PERSON_SHARE else rng.choice("AB")
            yield larger(rng, answer, rng.choice(LANGUAGES))

    def golden(self, seed: int | str) -> list[Iterator[Pair]]:
        rng = random.Random(seed)
        return [endless(partial(larger, rng, answer, lang)) for answer in ("A", "B", "ASK") for lang in QUESTIONS]

    def tests(self, seed: int | str, count: int) -> dict[str, list[Pair]]:
        rng = random.Random(seed)
        return {
            "numbers": [larger(rng, rng.choice("AB"), rng.choice(LANGUAGES)) for _ in range(count)],
            "missing": [larger(rng, "ASK", rng.choice(LANGUAGES)) for _ in range(count // 3)],
        }

    def is_hard(self, pair: Pair) -> bool:
        return pair.reading is not None and abs(operator.sub(*_numbers(pair))) <= 3

    def oracle(self, pair: Pair) -> str:
        return "ASK" if pair.reading is None else "A" if operator.gt(*_numbers(pair)) else "B"

    def check_rationale(self, pair: Pair, rationale: str) -> list[str]:
        return _faults(pair, rationale)


def _numbers(pair: Pair) -> tuple[int, int]:
    assert isinstance(pair.reading, tuple)
    return pair.reading


def _faults(pair: Pair, rationale: str) -> list[str]:
    return [] if rationale == pair.rationale else [f"expected `{pair.rationale}`"]


TASK = Larger(
    id="toy",
    title={"en": "Larger number", "ja": "大きい数"},
    teacher="subtraction",
    licence="MIT OR Apache-2.0",
    answers=ClosedChoices(
        (
            Choice(0, "A", {"en": "the first", "ja": "前の数"}, False),
            Choice(1, "B", {"en": "the second", "ja": "後の数"}, False),
            Choice(9, "ASK", {"en": "not two numbers", "ja": "判定対象外"}, True),
        )
    ),
    question_tokens_max=40,
    rationale_tokens_max=40,
)

_DIGITS = {
    "en": ("Last digits of {a} and {b}?", "Read {a} and {b}. They end in {x} and {y}."),
    "ja": ("{a} と {b} の下一桁は？", "{a} と {b}。{x} と {y} で終わる。"),
}


def digits(rng: random.Random, lang: str) -> Pair:
    a, b = rng.randint(0, NUMBER_MAX), rng.randint(0, NUMBER_MAX)
    question, why = (said.format(a=a, b=b, x=a % 10, y=b % 10) for said in _DIGITS[lang])
    return Pair(
        task="toy-digits",
        question=question,
        answer=f"{a % 10}{b % 10}",
        rationale=why,
        lang=lang,
        kind="digits",
        reading=(a, b),
    )


class Digits(Task):
    def stream(self, seed: int | str) -> Iterator[Pair]:
        rng = random.Random(seed)
        return endless(lambda: digits(rng, rng.choice(LANGUAGES)))

    def golden(self, seed: int | str) -> list[Iterator[Pair]]:
        rng = random.Random(seed)
        return [endless(partial(digits, rng, lang)) for lang in LANGUAGES]

    def tests(self, seed: int | str, count: int) -> dict[str, list[Pair]]:
        return {"digits": list(itertools.islice(self.stream(seed), count))}

    def is_hard(self, pair: Pair) -> bool:
        return False

    def oracle(self, pair: Pair) -> str:
        return "".join(str(number % 10) for number in _numbers(pair))

    def check_rationale(self, pair: Pair, rationale: str) -> list[str]:
        return _faults(pair, rationale)


DIGITS = Digits(
    id="toy-digits",
    title={"en": "Last digits", "ja": "下一桁"},
    teacher="remainders",
    licence="MIT OR Apache-2.0",
    answers=FreeText(4),
    question_tokens_max=40,
    rationale_tokens_max=40,
)
