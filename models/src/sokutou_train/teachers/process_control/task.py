"""The task `process-control` as the toolkit knows it: which pairs it trains on, its tests, its answers and its bounds.

Draws and judges nothing itself. The real series of `grinding` only measure a finished student.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ...pair import LANGUAGES, Pair
from ...task import Choice, ClosedChoices, Task
from ..generator import Generator, Said, having
from . import grinding, out_of_scope, phrasing, rationale_check
from .pairs import DIFFICULTIES, GENERATOR, IN_SCOPE, NEAR, in_scope
from .phrasing import EN_MAIN, JA_MAIN, Form
from .rules import CHOICES, TASK_ID, Answer, Series, near_edge, verdict


def _always(form: Form, rng: random.Random, lang: str) -> Form:
    return form


def _held_out(rng: random.Random, lang: str) -> Form:
    return rng.choice([form for form in phrasing.HELD_OUT if form.lang == lang])


def _in_scope(
    rng: random.Random,
    lang: str,
    difficulty: int,
    form: Callable[[random.Random, str], Form] = phrasing.pick,
    answers: tuple[Answer, ...] = IN_SCOPE,
) -> Said:
    return in_scope(rng, rng.choice(answers), difficulty, form(rng, lang))


def _person(rng: random.Random, lang: str, difficulty: int, kind: str) -> Said:
    return out_of_scope.draw(rng, lang, difficulty == NEAR, kind)


class ProcessControl(Task):
    def stream(self, seed: int | str) -> Iterator[Pair]:
        return GENERATOR.stream(TASK_ID, seed)

    def golden(self, seed: int | str) -> list[Iterator[Pair]]:
        """Every verdict in the English and the Japanese main form and in a terse one, and every way out of scope in
        each language."""
        terse = next(form for form in phrasing.FORMS if form.name == "terse-equals")
        forms = [(answer, form) for form in (EN_MAIN, JA_MAIN, terse) for answer in IN_SCOPE]
        ways = [(kind, lang) for kind in out_of_scope.KINDS for lang in LANGUAGES]
        return [
            *(
                Generator(partial(_in_scope, form=partial(_always, form), answers=(answer,)), DIFFICULTIES).golden(
                    TASK_ID, seed, having(lang=form.lang)
                )
                for answer, form in forms
            ),
            *(
                Generator(partial(_person, kind=kind), DIFFICULTIES).golden(TASK_ID, seed, having(lang=lang))
                for kind, lang in ways
            ),
        ]

    def tests(self, seed: int | str, count: int) -> dict[str, list[Pair]]:
        """Fresh pairs as in training, by a wording never trained on, beside the edge of a rule, then each way out of
        scope. Half of them are English and half Japanese."""
        suites: dict[str, Generator] = {
            "in scope": Generator(_in_scope, DIFFICULTIES),
            "held-out wording": Generator(partial(_in_scope, form=_held_out), DIFFICULTIES),
            "near an edge": Generator(_in_scope, range(NEAR, NEAR + 1)),
        }
        ways = {kind: Generator(partial(_person, kind=kind), DIFFICULTIES) for kind in out_of_scope.KINDS}
        return {
            **{f"generated, {name}": of.tests(TASK_ID, f"{name}-{seed}", count) for name, of in suites.items()},
            **{f"generated, {kind}": of.tests(TASK_ID, f"{kind}-{seed}", count // 3) for kind, of in ways.items()},
        }

    def is_hard(self, pair: Pair) -> bool:
        """Was it drawn beside an edge? A measured series was not drawn: does it stand there?"""
        if pair.difficulty is None:
            return isinstance(pair.reading, Series) and near_edge(pair.reading)
        return pair.difficulty == NEAR

    def oracle(self, pair: Pair) -> str:
        """What the rules say to a pair's reading, whoever answered it."""
        return (verdict(pair.reading) if isinstance(pair.reading, Series) else Answer.PERSON).value

    def check_rationale(self, pair: Pair, rationale: str) -> list[str]:
        return rationale_check.faults(pair, rationale)

    def real_data(self, path: Path) -> dict[str, list[Pair]]:
        return grinding.pairs(path)


TASK = ProcessControl(
    id=TASK_ID,
    title={"en": "Control chart", "ja": "管理図の判定"},
    teacher="the run rules of Western Electric 1956 and Nelson 1984, written as a program",
    licence="MIT OR Apache-2.0; the rules are published ones, and no table is read",
    answers=ClosedChoices(
        tuple(Choice(code, answer.value, {"en": en, "ja": ja}, person) for code, answer, en, ja, person in CHOICES)
    ),
    question_tokens_max=176,
    rationale_tokens_max=280,
)
