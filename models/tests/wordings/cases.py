"""Writes the cases that the runtime's reader and this toolkit share:

    PYTHONPATH=models/src:models/tests models/.venv/bin/python -m wordings.cases

- `tests/data/declarations.json`: what each task reads, as a manifest says it;
- `tests/data/normal_series.json`: series as written decimals, and the places to which both scale them;
- `tests/data/readings.jsonl`: questions in every wording with the canonical question that they are read as, or with the
  reason why they belong to a person; `"canonical": null` where it may be any reason.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
import struct
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from sokutou_train.language import is_japanese
from sokutou_train.pair import LANGUAGES
from sokutou_train.teachers.machine_failure import readings as machine_readings
from sokutou_train.teachers.machine_failure import rules, sampling
from sokutou_train.teachers.machine_failure import task as machine_failure
from sokutou_train.teachers.process_control import pairs, readings
from sokutou_train.teachers.process_control import sampling as series_sampling
from sokutou_train.teachers.process_control import task as process_control
from sokutou_train.teachers.process_control.normal import TooFineError, normal
from sokutou_train.teachers.process_control.rules import READINGS_MAX, READINGS_MIN, Series

from . import machine_failure as machine_words
from . import process_control as chart_words
from . import unrelated

DATA = Path(__file__).parents[3] / "tests" / "data"
DECLARATIONS, NORMAL_SERIES, READINGS = "declarations.json", "normal_series.json", "readings.jsonl"
Case = dict[str, Any]


def main() -> None:
    (DATA / DECLARATIONS).write_text(declarations(), encoding="utf-8")
    (DATA / NORMAL_SERIES).write_text(normal_series(), encoding="utf-8")
    (DATA / READINGS).write_text(question_lines(), encoding="utf-8")


def declarations() -> str:
    """By task."""
    said = {task.id: task.readings.manifest() for task in (machine_failure.TASK, process_control.TASK) if task.readings}
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


# Series


def normal_series() -> str:
    """A JSON list, one case a line."""
    lines = [json.dumps(case) for case in _series_cases(random.Random("normal series"))]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _series_cases(rng: random.Random) -> Iterator[Case]:
    for kind in _SERIES:
        for _ in range(20):
            yield _series_case(kind, *_SERIES[kind](rng))


def _series_case(kind: str, lines: tuple[str, str, str], readings: list[str]) -> Case:
    centre, upper, lower = lines
    scale = 10 ** max(-min(0, int(Decimal(one).as_tuple().exponent)) for one in (*lines, *readings))
    whole = [int(Decimal(one) * scale) for one in (*lines, *readings)]
    try:
        places: list[int] | None = list(normal(Series(*whole[:3], tuple(whole[3:]))).readings)
    except TooFineError:
        places = None
    return {"kind": kind, "centre": centre, "upper": upper, "lower": lower, "readings": readings, "places": places}


def _plain(rng: random.Random) -> tuple[tuple[str, str, str], list[str]]:
    """As a teacher draws them: scattered or beside an edge, often on a line, with ties and outliers."""
    answer, count = rng.choice(pairs.IN_SCOPE), rng.randint(READINGS_MIN, READINGS_MAX)
    s = series_sampling.draw(rng, answer, count, near=rng.random() < 0.5)
    return _written(s, rng.choice((0, 1, 2, 3)))


def _deviations(rng: random.Random) -> tuple[tuple[str, str, str], list[str]]:
    """About zero: the same moved by the centre."""
    s = series_sampling.draw(rng, rng.choice(pairs.IN_SCOPE), READINGS_MAX, near=rng.random() < 0.5)
    moved = tuple(reading - s.centre for reading in s.readings)
    return _written(Series(0, s.upper - s.centre, s.lower - s.centre, moved), rng.choice((0, 2, 4)))


def _fine(rng: random.Random) -> tuple[tuple[str, str, str], list[str]]:
    """Many decimals, as a program computes them."""
    centre, way = rng.uniform(-5, 50), rng.uniform(0.01, 3)
    decimals = rng.randint(4, 12)
    lines = tuple(f"{line:.{decimals}f}" for line in (centre, centre + way, centre - way))
    readings = [f"{rng.gauss(centre, way / 3):.{decimals}f}" for _ in range(rng.randint(READINGS_MIN, READINGS_MAX))]
    return (lines[0], lines[1], lines[2]), readings


def _uneven(rng: random.Random) -> tuple[tuple[str, str, str], list[str]]:
    """A limit much nearer than the other, as where no size is below zero."""
    centre = rng.randint(5, 40)
    upper, lower = centre + rng.randint(40, 90), rng.randint(0, centre - 1)
    readings = [rng.randint(0, upper + 10) for _ in range(READINGS_MAX)]
    return _written(Series(centre, upper, lower, tuple(readings)), rng.choice((0, 1)))


def _on_lines(rng: random.Random) -> tuple[tuple[str, str, str], list[str]]:
    """On the lines, on the two sigma line, and one unit beside them."""
    centre, way = rng.randint(100, 500), 3 * rng.randint(5, 40)
    edges = [centre + edge + off for edge in (0, way, -way, 2 * way // 3, -2 * way // 3) for off in (-1, 0, 1)]
    readings = tuple(rng.choice(edges) for _ in range(READINGS_MAX))
    return _written(Series(centre, centre + way, centre - way, readings), rng.choice((0, 2)))


def _far(rng: random.Random) -> tuple[tuple[str, str, str], list[str]]:
    """Outliers far beyond the limits, some of them beside each other."""
    centre, way = rng.randint(20, 90), rng.randint(3, 20)
    far = [centre + rng.choice((-1, 1)) * rng.randint(way, 400 * way) for _ in range(4)]
    calm = [centre + rng.randint(-way, way) for _ in range(READINGS_MAX - len(far))]
    readings = rng.sample(far + calm, READINGS_MAX)
    return _written(Series(centre, centre + way, centre - way, tuple(readings)), rng.choice((0, 1, 3)))


def _mixed(rng: random.Random) -> tuple[tuple[str, str, str], list[str]]:
    """Each number with decimals of its own: 5, 5.2, 5.20."""
    lines, readings = _written(Series(500, 560, 440, tuple(rng.randint(430, 570) for _ in range(9))), 2)
    shorter = [one.rstrip("0").rstrip(".") if rng.random() < 0.5 else one + "0" for one in readings]
    return ("5", lines[1], lines[2].rstrip("0")), shorter


def _alike(rng: random.Random) -> tuple[tuple[str, str, str], list[str]]:
    """Readings so near each other that their places would meet."""
    centre, way = rng.randint(-2000, 2000), rng.randint(800, 9000)
    start = centre + rng.randint(-way, way)
    readings = [start + rng.randint(-4, 4) for _ in range(READINGS_MAX)]
    return _written(Series(centre, centre + way, centre - way, tuple(readings)), rng.choice((0, 3)))


def _long(rng: random.Random) -> tuple[tuple[str, str, str], list[str]]:
    """The longest that are read; in one zone there may be too many for its places."""
    centre, way = 1000, 300
    zone = rng.choice(((0, 200), (200, 300), (200, 300), (300, 500), (-300, 300)))
    readings = [centre + rng.randint(*zone) for _ in range(readings_count_max())]
    return _written(Series(centre, centre + way, centre - way, tuple(readings)), 1)


def _too_fine(rng: random.Random) -> tuple[tuple[str, str, str], list[str]]:
    """Between two sigma and a limit there are nine places: ten different readings find none."""
    centre, way = rng.randint(-500, 500), 3 * rng.randint(40, 200)
    within = rng.sample(range(2 * way // 3 + 1, way), READINGS_MAX)
    sign = rng.choice((-1, 1))
    readings = tuple(centre + sign * one for one in within)
    return _written(Series(centre, centre + way, centre - way, readings), rng.choice((0, 2)))


_SERIES = {
    "plain": _plain,
    "deviations": _deviations,
    "fine": _fine,
    "uneven": _uneven,
    "on lines": _on_lines,
    "far": _far,
    "mixed decimals": _mixed,
    "alike": _alike,
    "long": _long,
    "too fine": _too_fine,
}


def readings_count_max() -> int:
    return readings.READINGS.count[1]


def _written(s: Series, decimals: int) -> tuple[tuple[str, str, str], list[str]]:
    def said(value: int) -> str:
        return chart_words.number(value, decimals)

    return (said(s.centre), said(s.upper), said(s.lower)), [said(reading) for reading in s.readings]


# Questions

COMPOSED = 100  # of each task and language
PERSONS = 8  # of each kind of question for a person


def question_lines() -> str:
    rng = random.Random("readings")
    cases = itertools.chain(_machine(rng), _converted(rng), _charts(rng), _machine_persons(rng), _chart_persons(rng))
    return "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases)


def _case(task: str, kind: str, question: str, **wanted: str | None) -> Case:
    return {"task": task, "kind": kind, "question": question, **wanted}


def _machine(rng: random.Random) -> Iterator[Case]:
    forms = [form for form in (*machine_words.FORMS, *machine_words.HELD_OUT) for _ in range(3)]
    forms += [_composed(rng, lang) for lang in LANGUAGES for _ in range(COMPOSED)]
    for form in forms:
        yield _machine_case(rng, form)


def _composed(rng: random.Random, lang: str) -> machine_words.Form:
    return next(form for form in iter(lambda: machine_words.compose(rng), None) if form.lang == lang)


def _machine_case(rng: random.Random, form: machine_words.Form) -> Case:
    """In K, or in °C with one decimal where the form tells it by a unit; a half of a tenth is rounded up."""
    reading = _any_reading(rng)
    values = _values(rng, reading)
    inside = reading.air_dk > sampling.RANGES["air_dk"][0]  # half of a tenth colder is in range still
    if form.celsius and inside and all("{u}" in part for part in form.parts[1:3]) and rng.random() < 0.3:
        for name in ("air", "process"):
            celsius = Decimal(values[name]) - Decimal("273.2")
            values[name], kelvin = str(celsius), celsius + Decimal("273.15")
            tenths = _half_up(Fraction(kelvin) * 10)
            reading = dataclasses.replace(reading, **{f"{name}_dk": tenths})
        parts = machine_words.word(rng, form, values, "C")
    else:
        parts = machine_words.word(rng, form, values)
    question = machine_words.ask(rng, form, parts)
    return _case(rules.TASK_ID, form.name, question, canonical=_canonical(reading, question))


def _any_reading(rng: random.Random) -> rules.Reading:
    return sampling.draw(rng, rng.choice(machine_failure.IN_SCOPE))


def _canonical(reading: rules.Reading, question: str) -> str:
    return machine_readings.asked(reading, "ja" if is_japanese(question) else "en")[0]


def _values(rng: random.Random, r: rules.Reading) -> dict[str, str]:
    """298.1; a whole number is written 298.0 or, now and then, 298."""

    def tenths(value: int) -> str:
        return str(value // 10) if value % 10 == 0 and rng.random() < 0.3 else f"{value // 10}.{value % 10}"

    return {
        "type": r.grade,
        "air": tenths(r.air_dk),
        "process": tenths(r.process_dk),
        "speed": str(r.speed_rpm),
        "torque": tenths(r.torque_dnm),
        "wear": str(r.wear_min),
    }


_CONVERTED = (  # field, unit as written, its own unit in it, decimals
    ("speed", "rps", Fraction(1, 60), 4),
    ("speed", "s⁻¹", Fraction(1, 60), 4),
    ("speed", "min⁻¹", Fraction(1), 0),
    ("torque", "kgf·m", 1 / Fraction("9.80665"), 3),
    ("torque", "in-lbf", 1 / Fraction("0.1129848290276167"), 1),
    ("torque", "ft·lbf", 1 / Fraction("1.3558179483314004"), 2),
    ("torque", "N·m", Fraction(1), 1),
    ("wear", "h", Fraction(1, 60), 3),
    ("wear", "s", Fraction(60), 0),
)


def _converted(rng: random.Random) -> Iterator[Case]:
    """One reading in another unit, its number as an instrument shows it, or as a float of a gateway."""
    for (name, unit, factor, decimals), lang in itertools.product(_CONVERTED, LANGUAGES):
        for _ in range(2):
            form = machine_words.EN_MAIN if lang == "en" else machine_words.JA_MAIN
            reading = _any_reading(rng)
            while rules.near_limit(reading):  # else rounding might cross it
                reading = _any_reading(rng)
            values = _values(rng, reading)
            shown = _half_up(Fraction(values[name]) * factor * 10**decimals)
            values[name] = chart_words.number(shown, decimals)
            plain = dataclasses.replace(form, units=form.units | {name: (unit,)})
            question = machine_words.ask(rng, form, machine_words.word(rng, plain, values))
            yield _case(rules.TASK_ID, f"in {unit}", question, canonical=_canonical(reading, question))
    for _ in range(10):
        reading, form = _any_reading(rng), rng.choice((machine_words.EN_MAIN, machine_words.JA_MAIN))
        values = _values(rng, reading)
        values["torque"] = repr(_float32(reading.torque_dnm / 10))
        values["air"], values["process"] = f"{reading.air_dk / 10:.6f}", f"{reading.process_dk / 10:.6f}"
        question = machine_words.ask(rng, form, machine_words.word(rng, form, values))
        yield _case(rules.TASK_ID, "floats", question, canonical=_canonical(reading, question))


def _float32(value: float) -> float:
    """42.79999923706055 for 42.8, as a Modbus gateway prints it."""
    return struct.unpack("f", struct.pack("f", value))[0]


def _charts(rng: random.Random) -> Iterator[Case]:
    forms = [form for form in (*chart_words.FORMS, *chart_words.HELD_OUT) for _ in range(2)]
    forms += [chart_words.compose(rng, lang) for lang in LANGUAGES for _ in range(COMPOSED // 2)]
    for form in forms:
        series, scaled = _any_series(rng)
        question = chart_words.word(rng, form, chart_words.chart(rng, form.lang), series)
        canonical = pairs.asked(scaled, "ja" if is_japanese(question) else "en").question
        yield _case("process-control", form.name, question, canonical=canonical)


def _any_series(rng: random.Random) -> tuple[Series, Series]:
    """As measured, and scaled."""
    while True:
        count = rng.randint(READINGS_MIN, READINGS_MAX)
        series = series_sampling.draw(rng, rng.choice(pairs.IN_SCOPE), count, near=rng.random() < 0.5)
        try:
            return series, normal(series)
        except TooFineError:
            continue


def _machine_persons(rng: random.Random) -> Iterator[Case]:
    for kind, make in _MACHINE_PERSONS.items():
        for form in (machine_words.EN_MAIN, machine_words.JA_MAIN, *rng.sample(_LABELLED, PERSONS - 2)):
            reading = _any_reading(rng)
            question, reason = make(rng, form, reading, machine_words.word(rng, form, _values(rng, reading)))
            wanted = {"reason": reason} if reason else {"canonical": None}
            yield _case(rules.TASK_ID, kind, question, **wanted)
    for _ in range(2 * PERSONS):
        yield _case(rules.TASK_ID, "other", unrelated.draw(rng)[0], canonical=None)


# Forms in which every reading has a name and, but for the type, a unit.
_LABELLED = [
    form
    for form in machine_words.FORMS
    if all("{u}" in part for part in form.parts[1:])
    and form.name not in ("en-short", "en-unit-brackets", "ja-brackets")
]
_Parts = dict[str, str]
_Person = tuple[str, str | None]


def _missing(rng: random.Random, form: machine_words.Form, r: rules.Reading, parts: _Parts) -> _Person:
    for name in rng.sample(machine_words.FIELDS, rng.choice((1, 1, 2, 4))):
        del parts[name]
    return machine_words.ask(rng, form, parts), "missing_reading"


def _blank(rng: random.Random, form: machine_words.Form, r: rules.Reading, parts: _Parts) -> _Person:
    name = rng.choice(machine_words.FIELDS[1:])
    unknown = rng.choice(("?", "-", "---", "n/a", "不明" if form.lang == "ja" else "unknown", "error", ""))
    parts[name] = form.parts[machine_words.FIELDS.index(name)].format(v=unknown, u="").rstrip()
    return machine_words.ask(rng, form, parts), None


def _other_type(rng: random.Random, form: machine_words.Form, r: rules.Reading, parts: _Parts) -> _Person:
    parts["type"] = form.parts[0].format(v=rng.choice("ABDEGQXZ"))
    return machine_words.ask(rng, form, parts), None


_FAR = {"air": "0.0 211.4 387.2", "process": "0.0 241.4 402.3", "speed": "155 999 7420", "torque": "0.0 164.2 999.9"}
_FAR |= {"wear": "271 999 6553"}


def _out_of_range(rng: random.Random, form: machine_words.Form, r: rules.Reading, parts: _Parts) -> _Person:
    name = rng.choice(list(_FAR))
    values = _values(rng, r) | {name: rng.choice(_FAR[name].split())}
    return machine_words.ask(rng, form, machine_words.word(rng, form, values)), "out_of_range"


def _swapped(rng: random.Random, form: machine_words.Form, r: rules.Reading, parts: _Parts) -> _Person:
    """The two temperatures, both in the range of either."""
    swapped = dataclasses.replace(r, air_dk=3051, process_dk=3013)
    return machine_words.ask(rng, form, machine_words.word(rng, form, _values(rng, swapped))), "out_of_range"


_FOREIGN = {"speed": "rad/s Hz m/s kHz m/min", "torque": "kNm Ncm kgf kW mNm % A", "wear": "mm µm % days"}


def _foreign(rng: random.Random, form: machine_words.Form, r: rules.Reading, parts: _Parts) -> _Person:
    name = rng.choice(list(_FOREIGN))
    form = dataclasses.replace(form, units=form.units | {name: (rng.choice(_FOREIGN[name].split()),)})
    return machine_words.ask(rng, form, machine_words.word(rng, form, _values(rng, r))), "foreign_unit"


def _wrong_scale(rng: random.Random, form: machine_words.Form, r: rules.Reading, parts: _Parts) -> _Person:
    """Temperatures in K called °C."""
    form = dataclasses.replace(form, units=form.units | {"K": ("°C", "℃", "°F")})
    return machine_words.ask(rng, form, machine_words.word(rng, form, _values(rng, r))), "out_of_range"


def _twice(rng: random.Random, form: machine_words.Form, r: rules.Reading, parts: _Parts) -> _Person:
    name = rng.choice(("air", "speed", "torque", "wear"))
    other = machine_words.word(rng, form, _values(rng, _any_reading(rng)))[name]
    if other == parts[name]:
        return _twice(rng, form, r, parts)
    parts[name] += form.separator + other
    return machine_words.ask(rng, form, parts), "double_reading"


def _further(rng: random.Random, form: machine_words.Form, r: rules.Reading, parts: _Parts) -> _Person:
    further = "振動 2.31" if form.lang == "ja" else "vibration 2.31"
    parts["wear"] += form.separator + further
    return machine_words.ask(rng, form, parts), "unknown_reading"


def _bad(rng: random.Random, form: machine_words.Form, r: rules.Reading, parts: _Parts) -> _Person:
    name = rng.choice(("air", "speed", "torque", "wear"))
    parts[name] += rng.choice((" (BAD)", " quality=BAD", "(不良)" if form.lang == "ja" else " (uncertain)"))
    return machine_words.ask(rng, form, parts), "bad_quality"


def _negated(rng: random.Random, form: machine_words.Form, r: rules.Reading, parts: _Parts) -> _Person:
    name = rng.choice(("speed", "torque", "wear"))
    parts[name] += "ではない" if form.lang == "ja" else " is not right"
    return machine_words.ask(rng, form, parts), None


_MACHINE_PERSONS = {
    "missing": _missing,
    "blank": _blank,
    "another type": _other_type,
    "out of range": _out_of_range,
    "swapped": _swapped,
    "foreign unit": _foreign,
    "wrong scale": _wrong_scale,
    "twice": _twice,
    "a further reading": _further,
    "bad": _bad,
    "negated": _negated,
}


def _chart_persons(rng: random.Random) -> Iterator[Case]:
    for form, kind in itertools.product((chart_words.EN_MAIN, chart_words.JA_MAIN, None, None), _CHART_PERSONS):
        lang = form.lang if form else rng.choice(LANGUAGES)
        chosen = form or rng.choice([one for one in chart_words.FORMS if one.lang == lang])
        about = chart_words.chart(rng, lang)
        for _ in range(2):
            series, _ = _any_series(rng)
            question, reason = _chart_person(rng, kind, chosen, about, series)
            yield _case("process-control", kind, question, **({"reason": reason} if reason else {"canonical": None}))
    for lang in LANGUAGES:
        for question in rng.sample(chart_words.OTHER[lang], PERSONS):
            series, _ = _any_series(rng)
            about = chart_words.chart(rng, lang)
            yield _case("process-control", "other", chart_words.filled(question, about, series), canonical=None)


_CHART_PERSONS = ("no line", "blank line", "too few", "no number", "limits swapped")


def _chart_person(
    rng: random.Random, kind: str, form: chart_words.Form, about: chart_words.Chart, s: Series
) -> _Person:
    unknown = rng.choice(("?", "-", "---", "欠測" if form.lang == "ja" else "n/a"))
    if kind in ("no line", "blank line"):
        left = tuple(rng.sample(chart_words.LINES, 2))
        question = chart_words.word(rng, form, about, s, left, unknown if kind == "blank line" else None)
        return question, None if kind == "blank line" else "missing_reading"
    if kind == "too few":
        few = dataclasses.replace(s, readings=s.readings[: rng.randint(3, READINGS_MIN - 1)])
        return chart_words.word(rng, form, about, few), "wrong_count"
    if kind == "no number":
        reading = chart_words.number(s.readings[3], about.decimals)
        return chart_words.word(rng, form, about, s).replace(reading, unknown, 1), None
    swapped = dataclasses.replace(s, upper=s.lower, lower=s.upper)
    return chart_words.word(rng, form, about, swapped), None


def _half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


if __name__ == "__main__":
    main()
