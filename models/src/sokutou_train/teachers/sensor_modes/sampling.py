"""Draws cases: rows with controlled overlap, what responded, and choices in an order of their own. Words nothing.

Each of a case's choices, `cannot tell` among them, is the answer equally often, so that no letter is a way to guess.
Rows are often near misses of each other, one sensor apart, and so are observations that no row fits.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

from .rules import OF_MODES, OF_SENSORS, Case, Kind, Row, fitting

ROWS = range(2, 6)  # of a question about modes; as many choices has one about sensors
SENSORS_MAX = 10  # that a question knows of
ROW_SENSORS_MAX = (4, 4, 8, 10)  # of one question's rows, drawn alike; those of real assets hold up to eleven
LONG, LONG_SHARE = (
    5,
    0.4,
)  # of the questions whose rows may be long hold none shorter than this, or than there is room for
BESIDE = (2, 2, 3)  # rows of a question about sensors, that of the mode asked for among them
ALONE_SHARE = 0.4  # of the generated ones have that row alone: else one row would tell that it is another's
NAMED_MAX = 26  # names in a question, see `named`: what keeps it and its rationale within 200 tokens
NEAR_SHARE = 0.6  # of the rows after the first are another row with one sensor changed
UNREPORTED_SHARE = 0.3  # of the observations leave a sensor out
NO_ROWS_SHARE = 0.1  # of the observations that no one mode fits stand without rows
NO_ROW_SHARE = 0.3  # of the questions about sensors that cannot be told lack the row of the mode

KINDS = {
    Kind.SIGNATURE: 0.5,
    Kind.SENSOR: 0.11,
    Kind.NOT_SENSOR: 0.11,
    Kind.MODE: 0.11,
    Kind.NOT_MODE: 0.11,
    Kind.OTHER: 0.06,
}


def draw(rng: random.Random, kind: Kind, modes: Sequence[str], sensors: Sequence[str], choices: int) -> Case:
    """A case of so many choices. `modes` must name `choices` modes at least, `sensors` `SENSORS_MAX`."""
    told, row_max = _told(rng, choices), rng.choice(ROW_SENSORS_MAX)
    room = min(LONG, NAMED_MAX // choices - 3)
    sizes = range(room if row_max > 4 and rng.random() < LONG_SHARE else 1, row_max + 1)
    while True:
        if kind in OF_SENSORS:
            if kind is Kind.NOT_SENSOR:
                sizes = range(sizes.start, max(choices, row_max) + 1)
            count = 1 if rng.random() < ALONE_SHARE else rng.choice(BESIDE)
            known, rows = sensors, matrix(rng, modes[:count], sensors, sizes)
        else:
            known = rng.sample(sensors, rng.randint(3, SENSORS_MAX - 1))
            rows = matrix(rng, modes[:choices], known, sizes)
        if case := ask(rng, kind, rows, known, choices, told):
            return case


def from_rows(
    rng: random.Random,
    kind: Kind,
    table: Sequence[Row],
    sensors: Sequence[str],
    choices: int,
    tries: int = 200,
) -> Case | None:
    """As `draw`, but of rows that are given; None where they yield no case of the outcome drawn."""
    told = _told(rng, choices)
    count = min(rng.choice(BESIDE), len(table)) if kind in OF_SENSORS else choices
    if count > len(table) or (kind in OF_SENSORS and choices > len(sensors)):
        return None
    for _ in range(tries):
        rows = tuple(Row(row.mode, _shuffled(rng, row.sensors)) for row in rng.sample(table, count))
        known = sensors
        if kind not in OF_SENSORS:  # what the rows name, and at times a sensor that none of them does
            inside = [sensor for sensor in sensors if any(sensor in row.sensors for row in rows)]
            outside = [sensor for sensor in sensors if sensor not in inside]
            known = inside + rng.sample(outside, min(len(outside), rng.randint(0, 2)))
        if case := ask(rng, kind, rows, known, choices, told):
            return case
    return None


def ask(
    rng: random.Random, kind: Kind, rows: tuple[Row, ...], sensors: Sequence[str], choices: int, told: bool
) -> Case | None:
    """A question about rows and sensors, one that they tell or do not; None where they yield none, or too long a
    one."""
    if kind in OF_SENSORS:
        case = of_sensors(rng, kind, rows, sensors, choices, told)
    elif kind in OF_MODES:
        case = of_modes(rng, kind, rows, sensors, told)
    elif kind is Kind.OTHER:
        case = other(rng, rows, sensors)
    else:
        case = signature(rng, rows, sensors, told)
    return case if case and named(case) <= NAMED_MAX else None


def _told(rng: random.Random, choices: int) -> bool:
    """Is one of the choices right, and not `cannot tell`? So that each of them is, equally often."""
    return rng.randrange(choices + 1) > 0


def named(case: Case) -> int:
    """Names that the question writes, those of choices twice: most stand in its rows too."""
    return sum(len(row.sensors) for row in case.rows) + len(case.responded) + len(case.quiet) + 2 * len(case.choices)


def matrix(rng: random.Random, modes: Sequence[str], sensors: Sequence[str], sizes: range) -> tuple[Row, ...]:
    """A row for each mode, in any order."""
    drawn: list[set[str]] = []
    for _ in modes:
        if drawn and rng.random() < NEAR_SHARE:
            drawn.append(changed(rng, rng.choice(drawn), sensors, sizes[-1]))
        else:
            drawn.append(set(rng.sample(sensors, min(rng.choice(sizes), len(sensors)))))
    rows = [Row(mode, tuple(rng.sample(sorted(row), len(row)))) for mode, row in zip(modes, drawn, strict=True)]
    return tuple(rng.sample(rows, len(rows)))


def changed(rng: random.Random, row: set[str], sensors: Sequence[str], row_max: int) -> set[str]:
    """The row with one sensor more, one less, or one for another."""
    absent = [sensor for sensor in sensors if sensor not in row]
    more, less = bool(absent) and rng.random() < 0.67, rng.random() < 0.67
    added = {rng.choice(absent)} if more and (less or len(row) < row_max) else set()
    removed = {rng.choice(sorted(row))} if less and (added or len(row) > 1) else set()
    return row - removed | added


def signature(
    rng: random.Random, rows: tuple[Row, ...], sensors: Sequence[str], told: bool, tries: int = 50
) -> Case | None:
    """What responded as one of the rows has it, or nearly; None where the rows do not yield the outcome drawn."""
    wanted = 1 if told else rng.choice((0, 2))  # 2 for several
    modes = _shuffled(rng, [row.mode for row in rows])
    for _ in range(tries):
        seen = set(rng.choice(rows).sensors)
        if wanted == 0:
            seen = changed(rng, seen, sensors, len(sensors))
        reported = _shuffled(rng, sensors)
        if rng.random() < UNREPORTED_SHARE:
            reported = reported[1:]
        responded = tuple(sensor for sensor in reported if sensor in seen)
        quiet = tuple(sensor for sensor in reported if sensor not in seen)
        case = Case(Kind.SIGNATURE, rows, modes, responded, quiet)
        if responded and min(len(fitting(case)), 2) == wanted:
            return (
                Case(Kind.SIGNATURE, (), modes, responded, quiet) if not told and rng.random() < NO_ROWS_SHARE else case
            )
    return None


def of_modes(rng: random.Random, kind: Kind, rows: tuple[Row, ...], sensors: Sequence[str], told: bool) -> Case | None:
    """Which of the rows holds a sensor, or does not, for a sensor that yields the outcome drawn; None where there is
    none."""
    modes = _shuffled(rng, [row.mode for row in rows])
    cases = [Case(kind, rows, modes, asked=sensor) for sensor in sensors]
    cases = [case for case in cases if (len(fitting(case)) == 1) == told]
    return rng.choice(cases) if cases else None


def of_sensors(
    rng: random.Random,
    kind: Kind,
    rows: tuple[Row, ...],
    sensors: Sequence[str],
    choices: int,
    told: bool,
) -> Case | None:
    """Which of so many sensors one of the rows holds, or does not; None where the rows do not yield the outcome
    drawn."""
    row = rng.choice(rows)
    if not told and len(rows) > 1 and rng.random() < NO_ROW_SHARE:
        return Case(
            kind,
            tuple(other for other in rows if other is not row),
            tuple(rng.sample(sensors, choices)),
            asked=row.mode,
        )
    fit = [sensor for sensor in sensors if (sensor in row.sensors) == (kind is Kind.SENSOR)]
    unfit = [sensor for sensor in sensors if sensor not in fit]
    count = 1 if told else rng.choice([0, *range(2, choices + 1)])
    if len(fit) < count or len(unfit) < choices - count:
        return None
    return Case(
        kind, rows, _shuffled(rng, [*rng.sample(fit, count), *rng.sample(unfit, choices - count)]), asked=row.mode
    )


def other(rng: random.Random, rows: tuple[Row, ...], sensors: Sequence[str]) -> Case | None:
    """Something asked of a mode that no row says. At times what responded stands there too, and would fit one."""
    case = signature(rng, rows, sensors, told=True)
    if case is None:
        return None
    case = dataclasses.replace(case, kind=Kind.OTHER, asked=rng.choice(case.choices))
    return case if rng.random() < 0.5 else dataclasses.replace(case, responded=(), quiet=())


def _shuffled(rng: random.Random, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(rng.sample(names, len(names)))
