"""Teacher pairs of the task `sensor-modes`: which failure mode fits what the sensors did, and which sensor tells of which mode.

All of it is generated: names, rows and observations are drawn, and hold for no real machine. Difficulty is the number of
comparisons, `Case.compared`: 2 to 5 rows, or choices where they are sensors. Real rows are read in `failuresensoriq`.
"""

from __future__ import annotations

import random

from ...pair import Pair, Probe
from ..generator import Generator, Said
from . import phrasing, sampling, words
from .phrasing import Form
from ..probing import at_choices, at_parts, sign
from .rules import TASK_ID, Case, answer, fits, fitting, rationale, texts


def draw(rng: random.Random, lang: str, difficulty: int, form: Form | None = None, names: words.Words = words.TRAINED) -> Said:
    kind = rng.choices(list(sampling.KINDS), list(sampling.KINDS.values()))[0]
    drawn = words.name(rng, names, lang, sensors=sampling.SENSORS_MAX, modes=difficulty)
    case = sampling.draw(rng, kind, drawn.modes, drawn.sensors, difficulty)
    return said(rng, case, form or phrasing.pick(rng, lang), lang, drawn.asset)


def said(rng: random.Random, case: Case, form: Form, lang: str, asset: str) -> Said:
    """A case as a question with its answer. The kind says which form asks what, and where rows are missing."""
    question, choices, found = phrasing.write(rng, form, asset, case), texts(case, lang), fitting(case)
    right = [name in found for name in case.choices]
    return Said(question, answer(case), rationale(case, lang), choices,
                f"{form.name}/{'no rows' if case.lacks_rows else case.kind.value}", reading=case,
                probes=_seen(question, form, case) + at_choices(question, choices, [*right, sum(right) != 1]))


def _seen(question: str, form: Form, case: Case) -> tuple[Probe, ...]:
    """Behind each sensor that is told of after the rows: which row still fits what was told so far?"""
    told = phrasing.seen(form.seen, case).strip()
    if not (told and case.rows):
        return ()

    def left(count: int) -> tuple[float, ...]:
        responded, quiet = case.responded[:count], case.quiet[: max(0, count - len(case.responded))]
        values = [sign(fits(row, responded, quiet)) for row in case.rows]
        return *values, *[-1.0] * (sampling.ROWS[-1] - len(values))

    sensors = case.responded + case.quiet  # in this order in every form
    return at_parts("rows", question, sensors, map(left, range(1, len(sensors) + 1)), question.index(told))


GENERATOR = Generator(draw, sampling.ROWS)


def tests(seed: int | str, count: int) -> dict[str, list[Pair]]:
    """So many fresh pairs as in training, in a wording never trained on, and of names never trained on."""

    def worded(rng: random.Random, lang: str, difficulty: int) -> Said:
        return draw(rng, lang, difficulty, rng.choice([*phrasing.HELD_OUT[lang], *phrasing.HELD_OUT[""]]))

    def named(rng: random.Random, lang: str, difficulty: int) -> Said:
        return draw(rng, lang, difficulty, names=words.HELD_OUT)

    drawn = {"": draw, "held-out wording": worded, "held-out names": named}
    return {f"generated{name and ', '}{name}": Generator(of, sampling.ROWS).tests(TASK_ID, f"{name or 'test'}-{seed}", count)
            for name, of in drawn.items()}
