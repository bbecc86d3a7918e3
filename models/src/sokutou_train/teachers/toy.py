"""The student `toy`, small enough to distil within a minute, so that a test walks the whole way. Its tasks: which of
two numbers is larger, from a closed set, and what their last digits are, in free text.

Never shipped. It uses every part of the recipe: both orders, the calculator, two languages, a question that belongs to
a person.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from .. import calculator
from ..calculator import mark
from ..pair import LANGUAGES, Pair
from ..recipe import Plan, Recipe, Sizes
from ..task import Choice, Task
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


def pair(rng: random.Random, answer: str, lang: str) -> Pair:
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


def stream(seed: int | str) -> Iterator[Pair]:
    rng = random.Random(seed)
    while True:
        answer = "ASK" if rng.random() < PERSON_SHARE else rng.choice("AB")
        yield pair(rng, answer, rng.choice(LANGUAGES))


def golden(seed: int | str) -> list[Iterator[Pair]]:
    rng = random.Random(seed)
    return [
        endless(lambda answer=answer, lang=lang: pair(rng, answer, lang))
        for answer in ("A", "B", "ASK")
        for lang in QUESTIONS
    ]


def tests(seed: int | str, count: int) -> dict[str, list[Pair]]:
    rng = random.Random(seed)
    return {
        "numbers": [pair(rng, rng.choice("AB"), rng.choice(LANGUAGES)) for _ in range(count)],
        "missing": [pair(rng, "ASK", rng.choice(LANGUAGES)) for _ in range(count // 3)],
    }


def near(asked: Pair) -> bool:
    return asked.reading is not None and abs(asked.reading[0] - asked.reading[1]) <= 3


def rules(asked: Pair) -> str:
    return "ASK" if asked.reading is None else "A" if asked.reading[0] > asked.reading[1] else "B"


def faults(asked: Pair, rationale: str) -> list[str]:
    return [] if rationale == asked.rationale else [f"expected `{asked.rationale}`"]


_HERE = Path(__file__).parent

TASK = Task(
    id="toy",
    title={"en": "Larger number", "ja": "大きい数"},
    teacher="subtraction",
    licence="MIT OR Apache-2.0",
    choices=(
        Choice(0, "A", {"en": "the first", "ja": "前の数"}, False),
        Choice(1, "B", {"en": "the second", "ja": "後の数"}, False),
        Choice(9, "ASK", {"en": "not two numbers", "ja": "判定対象外"}, True),
    ),
    stream=stream,
    golden=golden,
    tests=tests,
    near=near,
    rules=rules,
    faults=faults,
    sources=(Path(calculator.__file__), _HERE / "toy.py"),
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


def digits_stream(seed: int | str) -> Iterator[Pair]:
    rng = random.Random(seed)
    return endless(lambda: digits(rng, rng.choice(LANGUAGES)))


def digits_golden(seed: int | str) -> list[Iterator[Pair]]:
    rng = random.Random(seed)
    return [endless(lambda lang=lang: digits(rng, lang)) for lang in LANGUAGES]


def digits_tests(seed: int | str, count: int) -> dict[str, list[Pair]]:
    return {"digits": list(itertools.islice(digits_stream(seed), count))}


DIGITS = Task(
    id="toy-digits",
    title={"en": "Last digits", "ja": "下一桁"},
    teacher="remainders",
    licence="MIT OR Apache-2.0",
    choices=(),
    stream=digits_stream,
    golden=digits_golden,
    tests=digits_tests,
    near=lambda asked: False,
    rules=lambda asked: "".join(str(number % 10) for number in asked.reading),
    faults=faults,
    sources=(_HERE / "toy.py",),
    question_tokens_max=40,
    rationale_tokens_max=40,
    answer_tokens_max=4,
)

SIZES = Sizes(gate=200, calibration=2700, calibration_max=5000, unsure=300, test=300, explained=60)

RECIPE = Recipe(
    "toy",
    version="0.0.1",
    serial=1,
    tasks=(TASK, DIGITS),
    shares=(0.7, 0.3),
    card=_HERE / "toy.md",
    shipped=False,
    plan=Plan(
        steps=300,
        layers=2,
        width=64,
        hidden=128,
        warmup_steps=20,
        checkpoint_every=50,
        first_tokens=1600,
        whole_tokens=1300,
        reread_tokens=1400,
        read_tokens=1000,
        read_steps_max=10,
        dev_pairs=200,
        vocabulary_pairs=500,
        compiled=False,
    ),
    sizes=SIZES,
    own_sizes={DIGITS.id: dataclasses.replace(SIZES, calibration=1500, calibration_max=1500)},
)
