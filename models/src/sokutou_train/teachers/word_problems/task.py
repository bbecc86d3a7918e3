"""Teacher pairs of the task `word_problems`: short arithmetic word problems with answer and rationale, made from a
seed.

All of it is generated from stories of our own; no question of a published set is read but to test on. Difficulty is the
steps that the reckoning takes, or 3 where a number is told that nothing needs.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from ... import calculator, pair_files
from ...pair import LANGUAGES, Pair, Probe
from ...task import FreeText, Task
from ..generator import Generator, Said, having
from ..marks import evaluated
from ..probing import one_of
from . import reckoning, telling
from .reckoning import Reckoning
from .telling import STORIES, Story

TASK_ID = "word_problems"
PUBLISHED = ("addsub", "single_eq", "multiarith", "svamp")  # sets of such questions, by the names of their folders
HARD_DIFFICULTY = 2
DIFFICULTIES = range(1, 4)
ANSWER_MAGNITUDE = 3  # of the margin: log10 of a thousand
PROBED_DIGITS = 4  # few answers have more
_STEPS = {
    "en": {"+": "Sum", "-": "Difference", "*": "Product", "/": "Quotient"},
    "ja": {"+": "和", "-": "差", "*": "積", "/": "商"},
}
_EQUATION = re.compile(r"(<<)?([0-9.]+[-+*/][0-9.]+)=([0-9.]*[0-9])(?:>>)?")


def draw(rng: random.Random, lang: str, difficulty: int) -> Said:
    """A question as in training: stories alike within a difficulty. Of those with a number that is not needed, half
    bring it and half are given it."""
    stories = _trained(lang, difficulty)
    return from_story(rng, rng.choice(rng.choice(stories)), difficulty)


def from_story(rng: random.Random, story: Story, difficulty: int) -> Said:
    question, numbers = telling.tell(rng, story, aside=difficulty == max(DIFFICULTIES) and not story.spare)
    reckoned = Reckoning(story.expression, numbers)
    magnitude = math.log10(1 + float(reckoned.answer)) / ANSWER_MAGNITUDE
    return Said(
        question,
        reckoned.answer,
        rationale(reckoned, story.lang),
        kind=story.kind,
        reading=reckoned,
        margins=(min(1.0, round(magnitude, 4)),),
        probes=_steps(question, reckoned),
    )


def _steps(question: str, reckoned: Reckoning) -> tuple[Probe, ...]:
    """At the end of the question, of the first step and of the last: its sign and the last digits of what it comes
    to."""

    def told(step: str, result: str) -> tuple[float, ...]:
        digits = result.replace(".", "")[-PROBED_DIGITS:].rjust(PROBED_DIGITS, "0")
        signs = [float(sign == _sign(step)) for sign in _STEPS["en"]]
        return *signs, *itertools.chain.from_iterable(one_of(10, int(digit)) for digit in digits)

    return tuple(
        Probe(kind, len(question), told(*reckoned.steps[at])) for kind, at in (("first step", 0), ("last step", -1))
    )


def _sign(step: str) -> str:
    return next(character for character in step if character in _STEPS["en"])


def rationale(reckoned: Reckoning, lang: str) -> str:
    """The numbers that are needed, in the order of their use, then each step. The calculator's marks hold one decimal;
    a step that needs more is written without."""
    stop, colon, comma = ("。", "：", "、") if lang == "ja" else (".", ": ", ", ")
    said = [comma.join(reckoned.told) + stop]
    for step, result in reckoned.steps:
        marked = f"<<{step}={result}>>" if calculator.evaluate(step) == result else f"{step}={result}"
        said.append(f"{_STEPS[lang][_sign(step)]}{colon}{marked}{stop}")
    return ("" if lang == "ja" else " ").join(said)


@functools.cache
def _trained(lang: str, difficulty: int) -> list[list[Story]]:
    """The stories to train on: those as they are, and those that take an aside."""
    stories = [
        story for story in STORIES if story.lang == lang and difficulty in story.difficulties and not story.held_out
    ]
    return [
        some for some in ([story for story in stories if bool(story.spare) == own] for own in (True, False)) if some
    ]


def _by_kind(stories: list[Story]) -> dict[str, list[Story]]:
    return {kind: [story for story in stories if story.kind == kind] for kind in {story.kind for story in stories}}


GENERATOR = Generator(draw, DIFFICULTIES)


def _same(one: str, other: str) -> bool:
    try:
        return Decimal(one) == Decimal(other)
    except ArithmeticError:
        return one == other


class WordProblems(Task):
    def stream(self, seed: int | str) -> Iterator[Pair]:
        return GENERATOR.stream(TASK_ID, seed)

    def golden(self, seed: int | str) -> list[Iterator[Pair]]:
        """Each difficulty in each language."""
        return [
            GENERATOR.golden(TASK_ID, seed, having(lang=lang, difficulty=difficulty))
            for lang, difficulty in itertools.product(LANGUAGES, DIFFICULTIES)
        ]

    def tests(self, seed: int | str, count: int) -> dict[str, list[Pair]]:
        """Fresh pairs as in training, then pairs told by stories never trained on, every kind of them alike."""

        def held_out(rng: random.Random, lang: str, difficulty: int) -> Said:
            kinds = _by_kind(
                [
                    story
                    for story in STORIES
                    if story.lang == lang and difficulty in story.difficulties and story.held_out
                ]
            )
            return from_story(rng, rng.choice(kinds[rng.choice(sorted(kinds))]), difficulty)

        generators = {"generated": GENERATOR, "generated, held-out wording": Generator(held_out, DIFFICULTIES)}
        return {name: generator.tests(TASK_ID, f"{seed}-{name}", count) for name, generator in generators.items()}

    def is_hard(self, pair: Pair) -> bool:
        return (pair.difficulty or 1) >= HARD_DIFFICULTY

    def oracle(self, pair: Pair) -> str:
        """What the reading comes to; a published question has none, and its answer stands."""
        return pair.reading.answer if isinstance(pair.reading, Reckoning) else pair.answer

    def check_rationale(self, pair: Pair, rationale: str) -> list[str]:
        """What is wrong in a rationale: an equation that does not hold, none at all, other steps than the question's,
        or an end that is not the answer."""
        equations = _EQUATION.findall(rationale)
        if not equations:
            return ["nothing is reckoned"]
        found = [
            f"{step} is not {result}"
            for _, step, result in equations
            if evaluated(step, reckoning.ANSWER_DECIMALS) != result
        ]
        if not _same(equations[-1][2], pair.answer):
            found.append(f"reckoned {equations[-1][2]}, expected {pair.answer}")
        if isinstance(pair.reading, Reckoning):
            expected = [step for step, _ in pair.reading.steps]
            if (steps := [step for _, step, _ in equations]) != expected:
                found.append(f"reckoned {steps}, expected {expected}")
        return found

    def real_data(self, path: Path) -> dict[str, list[Pair]]:
        """The test questions of published sets, set by set, asked as questions of this task: a file of pairs, or a
        folder of files or of the sets' own folders."""
        files = [path]
        if path.is_dir():
            files = [file for name in PUBLISHED if (file := path / name / "test.jsonl").is_file()] or sorted(
                path.glob("*.jsonl")
            )
        by_set: dict[str, list[Pair]] = {}
        for pair in pair_files.read(*files).pairs:
            by_set.setdefault(pair.task, []).append(replace(pair, task=TASK_ID))
        return by_set


TASK = WordProblems(
    id=TASK_ID,
    title={"en": "Word problems", "ja": "文章題"},
    teacher="a program that tells arithmetic word problems and reckons them",
    licence="MIT OR Apache-2.0",
    answers=FreeText(12),
    question_tokens_max=208,  # what is generated has 98 at most, published questions up to 193
    rationale_tokens_max=80,
)
