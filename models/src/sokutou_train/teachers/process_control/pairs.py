"""Draws questions of the task `process-control` with answer and rationale, in the language and difficulty asked for.

All of it is generated from the rules; no row of a real table is read here. Difficulty says how a series was drawn:

    1   eight readings, scattered plainly
    2   eight to ten readings, scattered plainly
    3   eight to ten readings, beside the edge of a rule on purpose
"""

from __future__ import annotations

import random

from ...pair import Probe
from ..generator import Generator, Said
from ..probing import at_parts
from . import phrasing, sampling
from .normal import TooFineError, normal
from .phrasing import Chart, Form
from .rules import (
    READINGS_MAX,
    READINGS_MIN,
    RULES,
    Answer,
    GeneratedText,
    Series,
    impossible,
    margins,
    progress,
    progress_alone,
    rationale,
    verdict,
)

IN_SCOPE = (Answer.NONE, *RULES)
FEW, _, NEAR = DIFFICULTIES = range(1, 4)
# Longer rationales, of many three-digit numbers that come close to several rules, are drawn again. It is some 250 of a
# student's tokens, near what one can write.
RATIONALE_LEN_MAX = {"en": 405, "ja": 340}  # characters
TRIES_MAX = 100


def draw(rng: random.Random, lang: str, difficulty: int) -> Said:
    """A question as in training: answers balanced, in the one form that the runtime asks."""
    return in_scope(rng, rng.choice(IN_SCOPE), difficulty, phrasing.CANONICAL[lang])


def in_scope(rng: random.Random, answer: Answer, difficulty: int, form: Form) -> Said:
    """A question with this answer in this form, which may be one of `phrasing.HELD_OUT`."""
    for _ in range(TRIES_MAX):
        count = (
            READINGS_MIN if difficulty == FEW else rng.choice((READINGS_MIN, *range(READINGS_MIN, READINGS_MAX + 1)))
        )
        try:
            series = normal(sampling.draw(rng, answer, count, near=difficulty == NEAR))
        except TooFineError:
            continue
        said = from_series(rng, series, form, phrasing.NORMAL)
        if len(said.rationale) <= RATIONALE_LEN_MAX[form.lang]:
            return said
    raise RuntimeError(f"no short rationale for {answer} in {TRIES_MAX} draws")


def from_series(rng: random.Random, series: Series, form: Form, about: Chart) -> Said:
    """What the rules say to a series of at least `READINGS_MIN` readings, asked in this form."""
    written = phrasing.write(series, about.decimals)
    question = phrasing.ask(rng, form, about, written)
    if not series.possible:
        return Said(question, Answer.PERSON.value, impossible(written, form.lang), kind=form.name)
    return Said(
        question,
        verdict(series).value,
        rationale(series, written, form.lang),
        kind=form.name,
        reading=series,
        margins=margins(series),
        probes=_read(question, form, written, series),
    )


def _read(question: str, form: Form, written: GeneratedText, series: Series) -> tuple[Probe, ...]:
    """Behind each reading what the rules make of the readings so far; where the lines come only after it, less is known
    there."""
    told = form.separator.join(written.readings)
    known = form.question.index("{lines}") < form.question.index("{readings}")
    kind, so_far = ("reading", progress) if known else ("reading alone", progress_alone)
    values = (so_far(series, at) for at in range(len(written.readings)))
    return at_parts(kind, question, written.readings, values, question.index(told))


GENERATOR = Generator(draw, DIFFICULTIES)
