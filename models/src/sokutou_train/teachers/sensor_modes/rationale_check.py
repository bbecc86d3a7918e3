"""Judges a written rationale against its question, sentence by sentence: what it copied, what it compared and what it
concluded.

Takes the facts from the teacher's own rationale, which copies all that counts of the question, and judges by `rules`
again; what it cannot read is a fault too. A row that does not fit may be refused by any sensor that speaks against it.
Never asks a student.
"""

from __future__ import annotations

import re

from ...pair import Pair
from .rules import OF_MODES, OF_SENSORS, WORDINGS, Case, Kind, Row, Wording, fitting

_STOPS = {"en": r"(?<=\.) ", "ja": "(?<=。)(?=.)"}


def faults(pair: Pair, rationale: str) -> list[str]:
    """What is wrong in `rationale` as a reason about `pair`'s question, one of this task; empty when all is right."""
    asked = (pair.kind or "").rpartition("/")[2]
    if asked in (Kind.OTHER.value, "no rows"):  # nothing to compare, only to name
        return [] if rationale == pair.rationale else [f"said {rationale!r:.80}, expected {pair.rationale!r}"]
    w, kind = WORDINGS[pair.lang], Kind(asked)
    recital, *expected = re.split(_STOPS[pair.lang], pair.known_rationale)
    read, *said = re.split(_STOPS[pair.lang], rationale)
    if read != recital:
        return [f"read {read!r:.80}, expected {recital!r}"]
    compared = [match for sentence in expected if (match := _sentence(kind, w).fullmatch(sentence))]
    case = _case(pair, kind, w, recital, compared)
    found = []
    for sentence, truth in zip(said, compared, strict=False):  # where one is missing, so is the conclusion behind it
        if not (match := _sentence(kind, w).fullmatch(sentence)):
            found.append(f"{sentence!r:.80} compares nothing")
        elif kind in OF_SENSORS:
            found += _of_sensor(case, w, match, truth)
        else:
            found += _of_row(case, w, match, truth)
    return found + _conclusion(pair, case, w, said[len(compared) :])


def _of_sensor(case: Case, w: Wording, match: re.Match, truth: re.Match) -> list[str]:
    name = truth["sensor"]
    held = name in case.asked_row.sensors
    expected = {"sensor": name, "held": w.held[held], "said": w.fits if name in fitting(case) else w.no}
    return [
        f"{name}: {what} said as {match[what]!r:.80}, expected {value!r}"
        for what, value in expected.items()
        if match[what] != value
    ]


def _of_row(case: Case, w: Wording, match: re.Match, truth: re.Match) -> list[str]:
    found = [
        f"{truth['mode']}: {what} copied as {match[what]!r:.80}, expected {truth[what]!r}"
        for what in ("mode", "sensors")
        if match[what] != truth[what]
    ]
    row = next(row for row in case.rows if row.mode == truth["mode"])
    if row.mode in fitting(case):
        against = [w.fits]
    elif case.kind in OF_MODES:
        against = [w.no]
    else:
        against = [w.not_explained.format(sensor=sensor) for sensor in case.responded if sensor not in row.sensors]
        against += [w.is_quiet.format(sensor=sensor) for sensor in row.sensors if sensor in case.quiet]
    if match["said"] not in against:
        found.append(f"{row.mode}: judged {match['said']!r:.80}, expected {' or '.join(map(repr, against))}")
    return found


def _conclusion(pair: Pair, case: Case, w: Wording, said: list[str]) -> list[str]:
    fit, text = fitting(case), pair.answer_text
    expected = [w.so.format(text=text, letter=pair.answer)]
    if len(fit) != 1:
        expected.insert(0, w.several.format(modes=w.comma.join(fit)) if fit else w.none)
    return [] if said == expected else [f"concluded {w.gap.join(said)!r:.80}, expected {w.gap.join(expected)!r}"]


def _sentence(kind: Kind, w: Wording) -> re.Pattern:
    if kind in OF_SENSORS:
        return _pattern(w.choice, held="|".join(map(re.escape, w.held.values())))
    return _pattern(w.signature)


def _asks(kind: Kind, w: Wording, recital: str) -> re.Match[str]:
    if (found := _pattern(w.asks[kind]).fullmatch(recital)) is None:
        raise ValueError(f"the teacher's rationale must begin as one of {kind.value}, got {recital!r:.80}")
    return found


def _case(pair: Pair, kind: Kind, w: Wording, recital: str, compared: list[re.Match]) -> Case:
    """The question's case, as the teacher's rationale copied it."""

    def names(said: str | None) -> tuple[str, ...]:
        return tuple(said.split(w.comma)) if said else ()

    if kind in OF_SENSORS:
        asks = _asks(kind, w, recital)
        row, choices = Row(asks["asked"], names(asks["sensors"])), tuple(choice["sensor"] for choice in compared)
        return Case(kind, (row,), choices, asked=row.mode)
    rows = tuple(Row(row["mode"], names(row["sensors"])) for row in compared)
    modes = tuple(row.mode for row in rows)
    if kind in OF_MODES:
        return Case(kind, rows, modes, asked=_asks(kind, w, recital)["asked"])
    responded, _, quiet = recital.removesuffix(w.stop).partition(w.quiet.format(sensors=""))
    return Case(kind, rows, modes, names(responded.removeprefix(w.responded.format(sensors=""))), names(quiet))


def _pattern(template: str, **groups: str) -> re.Pattern:
    """Reads what `template` writes; a name in braces is any text, the shortest that will do, unless `groups` says
    otherwise."""
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile(
        "".join(
            f"(?P<{part}>{groups.get(part, '.+?')})" if place % 2 else re.escape(part)
            for place, part in enumerate(parts)
        )
    )
