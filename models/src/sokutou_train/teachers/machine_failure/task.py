"""Teacher pairs of the task `machine-failure`: question, answer, rationale. An endless stream, made from a seed.

All of it is generated from the rules; no row of a real table is read here. Every question is canonical, since the
runtime reads a question exactly and asks the student in that wording alone.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

from ...pair import LANGUAGES, Pair
from ...task import NEAR_AND_FAR, Choice, ClosedChoices, Group, Task
from ..generator import endless
from . import ai4i, rationale_check
from .readings import READINGS, asked
from .rules import CHOICES, NEAR, TASK_ID, Answer, Reading, margins, near_limit, rationale
from .rules import answer as rule_answer
from .sampling import draw, draw_anywhere, draw_near, draw_worn

TEACHER = "rules of AI4I 2020"
IN_SCOPE = tuple(a for a in Answer if a is not Answer.PERSON)
CLOSE = Fraction(5, 1000)  # of a limit: so near that only its own arithmetic tells the sides apart
SHORT = Fraction(15, 100)  # of a limit: what calibrates questions that are not near one comes so close at times


def pair(reading: Reading, lang: str) -> Pair:
    question, written = asked(reading, lang)
    return Pair(
        task=TASK_ID,
        question=question,
        answer=rule_answer(reading).value,
        rationale=rationale(reading, written, lang),
        teacher=TEACHER,
        lang=lang,
        kind=lang,
        reading=reading,
        margins=margins(reading),
    )


def drawn(rng: random.Random, answer: Answer | None = None, lang: str | None = None) -> Pair:
    """As in training: answers balanced, many beside a limit."""
    return pair(draw(rng, answer or rng.choice(IN_SCOPE)), lang or rng.choice(LANGUAGES))


FIRST_PAGE = Reading(
    "M", air_dk=2981, process_dk=3086, speed_rpm=1551, torque_dnm=428, wear_min=0
)  # README's own question


class MachineFailure(Task):
    def stream(self, seed: int | str) -> Iterator[Pair]:
        rng = random.Random(seed)
        return endless(lambda: drawn(rng))

    def of_group(self, group: Group, seed: int | str) -> Iterator[Pair]:
        """Near a limit: beside each alike, every second one so near that only its own arithmetic tells the sides apart.
        Not near: as in training, anywhere in the range, and short of a limit, a third each."""
        rng = random.Random(f"{group.name}-{seed}")

        def near() -> Reading:
            return draw_near(rng, rng.choice((NEAR, CLOSE)))

        def far() -> Reading:
            kind = rng.randrange(3)
            if kind == 0:
                return draw(rng, rng.choice(IN_SCOPE))
            return draw_anywhere(rng) if kind == 1 else draw_near(rng, SHORT)

        readings = iter(near if group.near_limit else far, None)
        lang = group.language
        return (pair(r, lang or rng.choice(LANGUAGES)) for r in readings if near_limit(r) == group.near_limit)

    def is_near(self, pair: Pair) -> bool:
        return isinstance(pair.reading, Reading) and near_limit(pair.reading)

    def golden(self, seed: int | str) -> list[Iterator[Pair]]:
        """README's question and every other answer, in each language; overstrain near its limit, where the student
        thinks first, which takes a device seconds."""
        rng = random.Random(seed)

        def of(answer: Answer, lang: str) -> Iterator[Pair]:
            pairs = endless(lambda: drawn(rng, answer, lang))
            return (pair for pair in pairs if self.is_near(pair) == (answer is Answer.STRAIN))

        return [
            *(iter([pair(FIRST_PAGE, lang)]) for lang in LANGUAGES),
            *(of(answer, lang) for lang in LANGUAGES for answer in IN_SCOPE if answer is not Answer.NONE),
        ]

    def tests(self, seed: int | str, count: int) -> dict[str, list[Pair]]:
        """Fresh pairs as in training; near a limit, and within half a percent of one; with several modes; with a tool
        in the band in which it may fail, or a little short of it."""
        rng = random.Random(seed)

        def suite(draw: Callable[[], Reading], n: int) -> list[Pair]:
            return [pair(draw(), rng.choice(LANGUAGES)) for _ in range(n)]

        return {
            "generated, in scope": [drawn(rng) for _ in range(count)],
            "generated, near a limit": suite(lambda: draw_near(rng, NEAR), count // 3),
            "generated, within half a percent of a limit": suite(lambda: draw_near(rng, CLOSE), count // 3),
            "generated, several modes": suite(lambda: draw(rng, Answer.SEVERAL), count // 3),
            "generated, tool wear band": suite(lambda: draw_worn(rng, rng.choice(IN_SCOPE)), count // 3),
        }

    def is_hard(self, pair: Pair) -> bool:
        return self.is_near(pair)

    def oracle(self, pair: Pair) -> str:
        """What the rules say to a pair's reading, whoever answered it."""
        return (rule_answer(pair.reading) if isinstance(pair.reading, Reading) else Answer.PERSON).value

    def real_data(self, path: Path) -> dict[str, list[Pair]]:
        """The rows of a real table, with its own verdicts."""
        read = ai4i.read(path)
        return {
            f"AI4I rows, {lang}": [
                dataclasses.replace(pair(reading, lang), answer=answer.value) for reading, answer in read
            ]
            for lang in LANGUAGES
        }

    def check_rationale(self, pair: Pair, rationale: str) -> list[str]:
        return rationale_check.faults(pair, rationale)


TASK = MachineFailure(
    id=TASK_ID,
    title={"en": "Machine failure", "ja": "機械の故障判定"},
    teacher="the documented rules of the AI4I 2020 data set (heat dissipation, power, overstrain), written as a "
    "program",
    licence="MIT OR Apache-2.0; the rules are from AI4I 2020 (Matzka 2020), CC BY 4.0",
    answers=ClosedChoices(
        tuple(Choice(code, answer.value, {"en": en, "ja": ja}, person) for code, answer, en, ja, person in CHOICES)
    ),
    question_tokens_max=120,
    rationale_tokens_max=256,
    readings=READINGS,
    groups=NEAR_AND_FAR,
)
