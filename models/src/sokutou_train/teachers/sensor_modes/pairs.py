"""Teacher pairs of the task `sensor-modes`: which failure mode fits what the sensors did, and which sensor tells of
which mode.

All of it is generated: names, rows and observations are drawn, and hold for no real machine. Difficulty is the number
of comparisons, `Case.compared`: 2 to 5 rows, or choices where they are sensors. Real rows are read in
`failuresensoriq`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable

from ...pair import Pair, Probe
from ..generator import Generator, Said
from ..probing import at_choices, sign
from . import phrasing, sampling, words
from .phrasing import Form
from .rules import OF_MODES, OF_SENSORS, TASK_ID, Case, Row, answer, fits, fitting, rationale, texts


def draw(
    rng: random.Random, lang: str, difficulty: int, form: Form | None = None, names: words.Words = words.TRAINED
) -> Said:
    kind = rng.choices(list(sampling.KINDS), list(sampling.KINDS.values()))[0]
    drawn = words.name(rng, names, lang, sensors=sampling.SENSORS_MAX, modes=difficulty)
    case = sampling.draw(rng, kind, drawn.modes, drawn.sensors, difficulty)
    return said(rng, case, form or phrasing.pick(rng, lang), lang, drawn.asset)


def said(rng: random.Random, case: Case, form: Form, lang: str, asset: str) -> Said:
    """A case as a question with its answer. The kind says which form asks what, and where rows are missing."""
    question, named = _located(phrasing.write(rng, form, asset, _marked(case)))
    choices, found = texts(case, lang), fitting(case)
    right = [name in found for name in case.choices]
    return Said(
        question,
        answer(case),
        rationale(case, lang),
        choices,
        f"{form.name}/{'no rows' if case.lacks_rows else case.kind.value}",
        reading=case,
        probes=_probes(form, case, question, named)
        + at_choices("choice", question, choices, [(sign(yes),) for yes in [*right, sum(right) != 1]])
        + (
            at_choices("held", question, choices[:-1], [_held(case.rows, name) for name in case.choices])
            if case.rows
            else ()
        ),
    )


_NAME_STARTS, _NAME_ENDS = "\x02", "\x03"  # no question has these


def _marked(case: Case) -> Case:
    """With every name between marks, so that it is found where it was written: a name may hold another, or be part of a
    word."""

    def mark(name: str) -> str:
        return f"{_NAME_STARTS}{name}{_NAME_ENDS}"

    def marks(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(mark, names))

    return dataclasses.replace(
        case,
        rows=tuple(Row(mark(row.mode), marks(row.sensors)) for row in case.rows),
        choices=marks(case.choices),
        responded=marks(case.responded),
        quiet=marks(case.quiet),
        asked=mark(case.asked) if case.asked else "",
    )


def _located(marked: str) -> tuple[str, list[tuple[str, int]]]:
    """The question without marks, and the names in it, each with where it ends."""
    question, named = "", []
    for part in marked.split(_NAME_STARTS):
        name, ends, rest = part.rpartition(_NAME_ENDS)
        question += name
        if ends:
            named.append((name, len(question)))
        question += rest
    return question, named


def _probes(form: Form, case: Case, question: str, named: list[tuple[str, int]]) -> tuple[Probe, ...]:
    """Behind each name from the first row on that is not a row's mode: which rows hold it, of those that are written by
    then? Behind each sensor that is told of after the rows: which row still fits what was told so far? Behind each row,
    where it is known which sensor is asked for: does it answer? At the end, where a failure mode is asked for: which
    rows answer?"""
    if not case.rows:
        return ()
    probes, names = [], iter(named)
    if form.ask_first and case.asked:
        next(names)
    for count, row in enumerate(case.rows, 1):
        next(names)  # the mode
        for _ in row.sensors:
            sensor, end = next(names)
            probes.append(Probe("held", end, _held(case.rows[:count], sensor)))
        if form.ask_first and case.kind in OF_MODES:
            probes.append(Probe("row", end, (sign(row.mode in fitting(case)),)))
    for count, (name, end) in enumerate(names, 1):
        probes.append(Probe("held", end, _held(case.rows, name)))
        if count <= len(case.responded + case.quiet):  # these come first, in this order
            responded, quiet = case.responded[:count], case.quiet[: max(0, count - len(case.responded))]
            probes.append(Probe("rows", end, _each(fits(row, responded, quiet) for row in case.rows)))
    if case.kind not in OF_SENSORS:
        probes.append(Probe("answers", len(question), _each(row.mode in fitting(case) for row in case.rows)))
    return tuple(probes)


def _held(rows: tuple[Row, ...], name: str) -> tuple[float, ...]:
    return _each(name in (row.mode, *row.sensors) for row in rows)


def _each(values: Iterable[bool]) -> tuple[float, ...]:
    """Row by row, and no for rows that a question might have and this one has not."""
    told = [sign(yes) for yes in values]
    return *told, *[sign(False)] * (sampling.ROWS[-1] - len(told))


GENERATOR = Generator(draw, sampling.ROWS)


def tests(seed: int | str, count: int) -> dict[str, list[Pair]]:
    """So many fresh pairs as in training, in a wording never trained on, and of names never trained on."""

    def worded(rng: random.Random, lang: str, difficulty: int) -> Said:
        return draw(rng, lang, difficulty, rng.choice([*phrasing.HELD_OUT[lang], *phrasing.HELD_OUT[""]]))

    def named(rng: random.Random, lang: str, difficulty: int) -> Said:
        return draw(rng, lang, difficulty, names=words.HELD_OUT)

    drawn = {"": draw, "held-out wording": worded, "held-out names": named}
    return {
        f"generated{name and ', '}{name}": Generator(of, sampling.ROWS).tests(
            TASK_ID, f"{name or 'test'}-{seed}", count
        )
        for name, of in drawn.items()
    }
