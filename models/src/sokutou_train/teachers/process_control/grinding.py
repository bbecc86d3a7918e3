"""Reads measured series from a table of piston ring grinding and asks about each in both languages.

The table (Matheuscp98/Grinding, doi 10.5281/zenodo.17873859, CC BY 4.0) has runs of 40 rows in the order measured: one
setting of the machine x1 to x4, and in it four settings of noise z1 and z2 of ten readings each. T1, T2 and T3 are in
µm. It is used only to measure a finished student; nothing is trained on it, and nothing of it is kept here.

A series is the ten readings of one noise setting. Its limits are those of the readings just before it: the ten of the
preceding noise setting of the same run, so that the first setting of each run sets limits and is not judged. A chart
works that way: limits from the past judge what comes, and what is asked is whether a change that the floor cannot help
moved the process. Limits from the series itself would let each reading widen the limits it is held to; limits across
runs would mark the machine's setting, which was changed on purpose. It is the individuals chart: the centre is the
mean, a limit 2.66 mean moving ranges from it (3 / 1.128; Western Electric 1956, Montgomery, *Introduction to
Statistical Quality Control*). The rings are measured to 1 µm, so lines have one decimal, one more than the readings
need, and readings are written with it too. A limit below zero is 0, as no size is smaller.

Ten readings are few: such limits wander by a quarter, and the whole numbers tie often. So the verdicts say what the
rules say to these lines, and measure whether a student reads charts as they come from a shop, not whether the grinding
was in control.
"""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path

from ...pair import LANGUAGES, Pair
from .normal import normal
from .pairs import asked
from .rules import TASK_ID, Series

COLUMNS = ("Replicate", "x1", "x2", "x3", "x4", "z1", "z2", "T1", "T2", "T3")
MEASURED = ("T1", "T2", "T3")
NOISE = ("z1", "z2")
SERIES_LEN, SERIES_OF_RUN = 10, 4
DECIMALS = 1
TEACHER = "run rules of Western Electric 1956 and Nelson 1984"
LIMIT_MEAN_RANGES = Fraction(266, 100)  # three sigma, estimated from moving ranges of two


class TableError(ValueError):
    """The table is not one of grinding runs."""


@dataclass(frozen=True)
class Measured:
    """A series of the table with the lines it is held to, in tenths of a µm."""

    of: str  # T1, T2 or T3
    line: int  # of the file, where its first reading stands
    series: Series


def read(path: Path) -> list[Measured]:
    """Every series of the table that one of its own run precedes. Raises `TableError` that names file and line."""
    settings, found = _settings(path), []
    for place, (line, readings) in enumerate(settings):
        if place % SERIES_OF_RUN:
            for of in MEASURED:
                lines = limits(settings[place - 1][1][of])
                found.append(Measured(of, line, Series(*lines, tuple(readings[of]))))
    return found


def limits(readings: list[int]) -> tuple[int, int, int]:
    """Centre, upper and lower limit of an individuals chart, rounded half up to the unit of the readings."""
    centre = Fraction(sum(readings), len(readings))
    ranges = [abs(after - before) for before, after in itertools.pairwise(readings)]
    way = LIMIT_MEAN_RANGES * Fraction(sum(ranges), len(ranges))
    return _half_up(centre), _half_up(centre + way), max(_half_up(centre - way), 0)


def pairs(path: Path) -> dict[str, list[Pair]]:
    """The series of the table in both languages, by the language; those whose lines meet are not asked about."""
    measured = [m for m in read(path) if m.series.possible]
    return {f"grinding series, {lang}": [_pair(m, lang) for m in measured] for lang in LANGUAGES}


def _pair(measured: Measured, lang: str) -> Pair:
    said = asked(normal(measured.series), lang)
    return Pair(
        id=f"grinding-{lang}-{measured.line}-{measured.of}-1",
        task=TASK_ID,
        question=said.question,
        answer=said.answer,
        rationale=said.rationale,
        teacher=TEACHER,
        lang=lang,
        kind=said.kind,
        reading=said.reading,
        margins=said.margins,
    )


def _settings(path: Path) -> list[tuple[int, dict[str, list[int]]]]:
    """The noise settings in order: the line of the first reading, and the readings of each measure in tenths."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        columns = table.fieldnames or ()
        absent = [column for column in COLUMNS if column not in columns]
        if absent:
            raise TableError(f"{path}:1: expected the columns {', '.join(COLUMNS)}, {', '.join(absent)} is missing")
        rows = []
        for row in table:
            if None in row or None in row.values():
                raise TableError(f"{path}:{table.line_num}: expected {len(columns)} values")
            rows.append((table.line_num, row))
    if not rows or len(rows) % (SERIES_LEN * SERIES_OF_RUN):
        raise TableError(f"{path}: expected whole runs of {SERIES_LEN * SERIES_OF_RUN} rows, got {len(rows)} rows")
    settings: list[tuple[int, dict[str, list[int]]]] = []
    had: list[list[str]] = []
    for at in range(0, len(rows), SERIES_LEN):
        ten = rows[at : at + SERIES_LEN]
        noise = [ten[0][1][column] for column in NOISE]
        had = [*had, noise] if len(settings) % SERIES_OF_RUN else [noise]
        if noise in had[:-1]:
            raise TableError(
                f"{path}:{ten[0][0]}: expected a noise setting that its run has not had, got {' '.join(noise)}"
            )
        for number, (line, row) in enumerate(ten, 1):
            if row["Replicate"] != str(number):
                raise TableError(f"{path}:{line}: expected replicate {number}, got {row['Replicate']!r:.40}")
            if [row[column] for column in NOISE] != noise:
                raise TableError(
                    f"{path}:{line}: expected the noise setting {' '.join(noise)} of the readings before it"
                )
        settings.append((ten[0][0], {of: [_tenths(path, line, of, row[of]) for line, row in ten] for of in MEASURED}))
    return settings


def _tenths(path: Path, line: int, column: str, text: str | None) -> int:
    try:
        tenths = Decimal(text or "").scaleb(DECIMALS)
    except InvalidOperation:
        raise TableError(f"{path}:{line}: expected {column} to be a number, got {text!r:.40}") from None
    if not (tenths.is_finite() and tenths >= 0 and tenths == tenths.to_integral_value()):
        raise TableError(
            f"{path}:{line}: expected {column} to be a size with at most {DECIMALS} decimal, got {text!r:.40}"
        )
    return int(tenths)


def _half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
