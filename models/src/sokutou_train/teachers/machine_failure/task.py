"""Teacher pairs of the task `machine-failure`: question, answer, rationale. An endless stream, made from a seed.

All of it is generated from the rules; no row of a real table is read here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ...pair import Pair
from ...task import Choice, ClosedChoices, Task
from ..generator import endless
from . import ai4i, out_of_scope, phrasing, rationale_check
from .phrasing import EN_MAIN, FORMS, HELD_OUT, JA_MAIN, PLAIN, Form
from .rules import CHOICES, TASK_ID, Answer, Reading, margins, near_limit, rationale
from .rules import answer as rule_answer
from .sampling import NEAR_SHARE, draw, draw_near, draw_worn

TEACHER = "rules of AI4I 2020"
PERSON_SHARE = 0.22  # of the questions belong to a person
IN_SCOPE = tuple(a for a in Answer if a is not Answer.PERSON)


def in_scope(rng: random.Random, answer: Answer, form: Form | None = None, near: float = NEAR_SHARE) -> Pair:
    return from_reading(rng, draw(rng, answer, near), answer, form or phrasing.pick(rng))


def from_reading(rng: random.Random, reading: Reading, answer: Answer, form: Form) -> Pair:
    parts, written = phrasing.write(rng, form, reading)
    why = rationale(reading, written, form.lang)
    return Pair(
        task=TASK_ID,
        question=phrasing.ask(rng, form, parts),
        answer=answer.value,
        rationale=why,
        teacher=TEACHER,
        lang=form.lang,
        kind=form.name,
        reading=reading,
        margins=margins(reading),
    )


OUT_OF_SCOPE: dict[str, Callable[[random.Random], tuple[str, str, str]]] = {
    "incomplete": out_of_scope.incomplete,
    "impossible": out_of_scope.impossible_reading,
    "other": out_of_scope.other,
}
_OUT_WEIGHTS = (0.35, 0.5, 0.15)


def person(rng: random.Random, kind: str | None = None) -> Pair:
    kind = kind or rng.choices(list(OUT_OF_SCOPE), _OUT_WEIGHTS)[0]
    question, lang, why = OUT_OF_SCOPE[kind](rng)
    return Pair(
        task=TASK_ID,
        question=question,
        answer=Answer.PERSON.value,
        rationale=why,
        teacher=TEACHER,
        lang=lang,
        kind=kind,
    )


FIRST_PAGE = Reading(
    "M", air_dk=2981, process_dk=3086, speed_rpm=1551, torque_dnm=428, wear_min=0
)  # README's own question


class MachineFailure(Task):
    def stream(self, seed: int | str) -> Iterator[Pair]:
        """Training pairs without end: answers balanced, `PERSON_SHARE` of them out of scope."""
        rng = random.Random(seed)
        while True:
            yield person(rng) if rng.random() < PERSON_SHARE else in_scope(rng, rng.choice(IN_SCOPE))

    def golden(self, seed: int | str) -> list[Iterator[Pair]]:
        """One endless stream for each golden question: every answer in English, Japanese and terse, and every way out
        of scope."""
        rng = random.Random(seed)
        terse = next(form for form in FORMS if form.name == "terse-equals")
        forms = [(answer, form) for form in (EN_MAIN, JA_MAIN, terse) for answer in IN_SCOPE]

        def out(kind: str, lang: str) -> Iterator[Pair]:
            return (pair for pair in endless(lambda: person(rng, kind)) if pair.lang == lang)

        return [
            *(iter([from_reading(PLAIN, FIRST_PAGE, Answer.NONE, form)]) for form in (EN_MAIN, JA_MAIN)),
            *(endless(partial(in_scope, rng, answer, form)) for answer, form in forms),
            *(out(kind, lang) for kind in OUT_OF_SCOPE for lang in ("en", "ja")),
        ]

    def tests(self, seed: int | str, count: int) -> dict[str, list[Pair]]:
        """Fresh pairs as in training; by a wording never trained on; all near a limit; with several modes; with a tool
        in the band in which it may fail, or a little short of it; then each way out of scope."""
        rng = random.Random(seed)

        def asked(draw: Callable[[random.Random, Answer], Reading]) -> Pair:
            answer = rng.choice(IN_SCOPE)
            return from_reading(rng, draw(rng, answer), answer, phrasing.pick(rng))

        held_out = [in_scope(rng, rng.choice(IN_SCOPE), rng.choice(HELD_OUT)) for _ in range(count)]
        out = {f"generated, {kind}": [person(rng, kind) for _ in range(count // 3)] for kind in OUT_OF_SCOPE}
        in_forms = [in_scope(rng, rng.choice(IN_SCOPE)) for _ in range(count)]
        near = [asked(draw_near) for _ in range(count)]
        several = [in_scope(rng, Answer.SEVERAL) for _ in range(count // 3)]
        worn = [asked(draw_worn) for _ in range(count // 3)]
        return {
            "generated, in scope": in_forms,
            "generated, held-out wording": held_out,
            "generated, near a limit": near,
            "generated, several modes": several,
            "generated, tool wear band": worn,
            **out,
        }

    def is_hard(self, pair: Pair) -> bool:
        return isinstance(pair.reading, Reading) and near_limit(pair.reading)

    def oracle(self, pair: Pair) -> str:
        """What the rules say to a pair's reading, whoever answered it."""
        if not isinstance(pair.reading, Reading):
            return Answer.PERSON.value
        return rule_answer(pair.reading).value

    def real_data(self, path: Path) -> dict[str, list[Pair]]:
        """The rows of a real table in the two main forms."""
        read = ai4i.read(path)
        return {
            f"AI4I rows, {form.name}": [from_reading(PLAIN, reading, answer, form) for reading, answer in read]
            for form in (EN_MAIN, JA_MAIN)
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
)
