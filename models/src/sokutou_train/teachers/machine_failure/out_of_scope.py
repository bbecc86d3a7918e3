"""Questions a person must answer: incomplete, impossible, or of another kind. Generated, and called so.

A closed answer set alone would be confidently wrong on these; here the student learns to say so.
"""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from .. import unrelated
from . import phrasing
from .phrasing import FIELDS
from .rules import IMPOSSIBLE, Answer, Reading, impossible, missing, other_kind, wrong_unit
from .sampling import draw

READING_FIELD = {
    "grade": "grade",
    "air": "air_dk",
    "process": "process_dk",
    "speed": "speed_rpm",
    "torque": "torque_dnm",
    "wear": "wear_min",
}
FARTHEST = {
    "air_dk": (0, 9999),
    "process_dk": (0, 9999),
    "speed_rpm": (0, 99999),
    "torque_dnm": (-900, 99999),
    "wear_min": (-300, 9999),
}
UNKNOWN = {
    "en": ("?", "-", "unknown", "n/a", "", "error", "---"),
    "ja": ("?", "-", "不明", "未測定", "", "エラー", "---"),
}
GAPS_DK = ((-250, -20), (250, 700))  # process below air, or far above it: sensors swapped, or a slip of the keyboard


def incomplete(rng: random.Random) -> tuple[str, str, str]:
    """One reading or more left out, or named without a value. Returns question, language, rationale."""
    form = phrasing.pick(rng)
    parts, written = phrasing.write(rng, form, _any_reading(rng))
    count = 1 if rng.random() < 0.6 else rng.randint(2, len(FIELDS) - 1)
    gone = rng.sample(FIELDS, count)
    blank = rng.random() < 0.35
    unknown = rng.choice(UNKNOWN[form.lang])
    for field in gone:
        if blank:
            parts[field] = form.parts[FIELDS.index(field)].format(v=unknown, u="").rstrip()
        else:
            del parts[field]
    question = phrasing.ask(rng, form, parts)
    written = dataclasses.replace(written, **dict.fromkeys(gone, "?"))
    return question, form.lang, missing(written, [READING_FIELD[f] for f in FIELDS if f in gone], form.lang)


def impossible_reading(rng: random.Random) -> tuple[str, str, str]:
    """One reading far outside what such a machine can show, or in a unit not its own. Returns question, language,
    rationale."""
    kind = rng.random()
    if kind < 0.25:
        return _impossible_gap(rng)
    if kind < 0.5:
        return _wrong_unit(rng)
    form = phrasing.pick(rng)
    field = rng.choices(FIELDS, _IMPOSSIBLE_WEIGHTS)[0]
    name = READING_FIELD[field]
    reading = _any_reading(rng)
    if field == "grade":
        reading = dataclasses.replace(reading, grade=rng.choice("ABCDEFGIJKNOPQRSTUVWXYZ"))
        parts, written = phrasing.write(rng, form, reading)
    else:
        value = _impossible_value(rng, name)
        form = dataclasses.replace(form, celsius=False)
        parts, written = phrasing.write(rng, form, _with(reading, name, value))
    return phrasing.ask(rng, form, parts), form.lang, impossible(written, name, getattr(written, field), form.lang)


_IMPOSSIBLE_WEIGHTS = (
    1,
    1,
    1,
    3,
    1.5,
    1.5,
)  # of `FIELDS`; a speed is most often mistaken, a digit lost or another unit meant


def _impossible_value(rng: random.Random, name: str) -> int:
    low, high = IMPOSSIBLE[name]
    lowest, highest = FARTHEST[name]
    if name == "speed_rpm" and rng.random() < 0.6:  # three digits: nearest to what can be, and easiest to overlook
        return rng.randint(100, low)
    if rng.random() < 0.35:
        return rng.randint(lowest, low)
    # Half of the high ones stay close, where a slip of the keyboard lands.
    return rng.randint(high, min(highest, 3 * high) if rng.random() < 0.5 else highest)


# Units that each reading is not taken in. Some are honest units of the same quantity: a person, not the student,
# converts them.
WRONG_UNITS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "speed": ("rad/s", "Hz", "rps", "m/s", "1/s", "kHz", "m/min"),
        "torque": ("kNm", "Ncm", "kgf", "lb-ft", "N", "kW", "mNm"),
        "wear": ("h", "hours", "s", "seconds", "days", "mm", "um"),
    },
    "ja": {
        "speed": ("rad/s", "Hz", "rps", "m/s", "1/s", "回/秒", "m/min"),
        "torque": ("kNm", "Ncm", "kgf", "N", "kW", "mNm"),
        "wear": ("時間", "秒", "h", "日", "mm", "um"),
    },
}
_CONVERTED = {
    "rad/s": 0.10472,
    "Hz": 1 / 60,
    "rps": 1 / 60,
    "1/s": 1 / 60,
    "回/秒": 1 / 60,  # from rpm
    "h": 1 / 60,
    "hours": 1 / 60,
    "時間": 1 / 60,
    "s": 60,
    "seconds": 60,
    "秒": 60,  # from min
}


def _wrong_unit(rng: random.Random) -> tuple[str, str, str]:
    """One reading in a foreign unit, its number converted or not; or both temperatures in °C called K, or K called °C
    or °F."""
    field = rng.choice(("air", "speed", "speed", "torque", "wear"))
    form = _form_with_unit(rng, field)
    reading = _any_reading(rng)
    if field == "air":
        unit = rng.choice(("K", rng.choice(("°C", "℃")), rng.choice(("°F", "℉"))))
        if unit == "K":
            offset = phrasing.CELSIUS_OFFSET_DK
            reading = dataclasses.replace(
                reading, air_dk=reading.air_dk - offset, process_dk=reading.process_dk - offset
            )
        units: dict[str, tuple[str, ...]] = {"K": (unit,)}
    else:
        unit = rng.choice(WRONG_UNITS[form.lang][field])
        name = READING_FIELD[field]
        factor = _CONVERTED.get(unit, 1) if rng.random() < 0.6 else 1
        value = max(1, round(getattr(reading, name) * factor))  # nothing is nothing in every unit
        reading = _with(reading, name, value)
        units = {field: (unit,)}
    form = dataclasses.replace(form, celsius=False, units=form.units | units)
    parts, written = phrasing.write(rng, form, reading)
    why = wrong_unit(written, READING_FIELD[field], getattr(written, field), unit, form.lang)
    return phrasing.ask(rng, form, parts), form.lang, why


def _form_with_unit(rng: random.Random, field: str) -> phrasing.Form:
    """A form that writes the field's unit, and no unit in its name."""
    while True:
        form = phrasing.pick(rng)
        part = form.parts[FIELDS.index(field)]
        if "{u}" in part and "rpm" not in part.lower():
            return form


def _impossible_gap(rng: random.Random) -> tuple[str, str, str]:
    """Two temperatures that cannot stand together: process below air, far above it, or one in K and the other in °C."""
    form = phrasing.pick(rng)
    reading = _any_reading(rng)
    if rng.random() < 0.5:
        mixed = rng.choice(("air_dk", "process_dk"))
        reading = dataclasses.replace(reading, **{mixed: getattr(reading, mixed) - phrasing.CELSIUS_OFFSET_DK})
        form = dataclasses.replace(form, celsius=False)
    else:
        reading = dataclasses.replace(reading, process_dk=reading.air_dk + rng.randint(*rng.choice(GAPS_DK)))
    parts, written = phrasing.write(rng, form, reading)
    return phrasing.ask(rng, form, parts), form.lang, impossible(written, "process_dk", written.process, form.lang)


def other(rng: random.Random) -> tuple[str, str, str]:
    """A question of another kind, or none at all. Returns question, language, rationale."""
    question, lang = unrelated.draw(rng)
    return question, lang, other_kind(lang)


def _with(reading: Reading, name: str, value: int) -> Reading:
    fields: dict[str, Any] = {name: value}
    return dataclasses.replace(reading, **fields)


def _any_reading(rng: random.Random) -> Reading:
    return draw(rng, rng.choice([a for a in Answer if a is not Answer.PERSON]))
