"""Draws questions of the task `process-control` with answer and rationale, in the language and difficulty asked for.

All of it is generated from the rules; no row of a real table is read here. Difficulty says how a series was drawn:

    1   eight readings, scattered plainly
    2   eight to ten readings, scattered plainly
    3   eight to ten readings, beside the edge of a rule on purpose
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..generator import Generator, Said
from ..probing import at_parts
from . import sampling
from .normal import TooFineError, normal
from .readings import CANONICAL, SEPARATOR
from .rules import (
    READINGS_MAX,
    READINGS_MIN,
    RULES,
    Answer,
    GeneratedText,
    Series,
    margins,
    progress,
    rationale,
    verdict,
)

IN_SCOPE = (Answer.NONE, *RULES)
FEW, _, NEAR = DIFFICULTIES = range(1, 4)
# Longer rationales, of many three-digit numbers that come close to several rules, are drawn again. It is some 250 of a
# student's tokens, near what one can write.
RATIONALE_LEN_MAX = {"en": 405, "ja": 340}  # characters
TRIES_MAX = 100


def draw(rng: random.Random, lang: str, difficulty: int, answers: Sequence[Answer] = IN_SCOPE) -> Said:
    """A canonical question, its answer one of these alike."""
    answer = rng.choice(answers)
    for _ in range(TRIES_MAX):
        count = (
            READINGS_MIN if difficulty == FEW else rng.choice((READINGS_MIN, *range(READINGS_MIN, READINGS_MAX + 1)))
        )
        try:
            series = normal(sampling.draw(rng, answer, count, near=difficulty == NEAR))
        except TooFineError:
            continue
        said = asked(series, lang)
        if len(said.rationale) <= RATIONALE_LEN_MAX[lang]:
            return said
    raise RuntimeError(f"no short rationale for {answer} in {TRIES_MAX} draws")


def asked(series: Series, lang: str) -> Said:
    """The canonical question about a series that `normal` has scaled, and what the rules say to it."""
    readings = tuple(map(str, series.readings))
    written = GeneratedText(str(series.centre), str(series.upper), str(series.lower), readings)
    before, _ = CANONICAL[lang].split("{readings}")
    question = CANONICAL[lang].format(readings=SEPARATOR[lang].join(readings))
    values = (progress(series, at) for at in range(len(readings)))
    return Said(
        question,
        verdict(series).value,
        rationale(series, written, lang),
        kind=lang,
        reading=series,
        margins=margins(series),
        probes=at_parts("reading", question, readings, values, len(before)),  # what the rules make of them so far
    )


GENERATOR = Generator(draw, DIFFICULTIES)
