"""Reads FailureSensorIQ (IBM, CC BY 4.0), given by path: its rule base, which sensor responds to which failure mode of
an asset, and its single-answer questions. Makes pairs to measure a finished student on; nothing is trained on them and
none is part of this repository.

    rules, questions = read_rules(visible.json), read_questions(visible.jsonl, rules)
    matching(rules["pump"], "en", 500, seed)       the task's own questions on an asset's real rows
    closed_book(question), open_book(question, rules)
    by_asset(questions, rules)                     closed book, and what guessing gives: `uniform_floor`, `copy_floor`
"""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...pair import Pair
from ...task import ClosedBook
from . import phrasing, sampling
from .pairs import said
from .rules import CANNOT_TELL, OF_SENSORS, TASK_ID, Case, Kind, Row, rationale
from .translation import JA

TEACHER = "FailureSensorIQ"
MISSES_MAX = 1000  # outcomes drawn in vain before an asset is called too small
_KINDS = {
    "relevant_sensors_for_failure_mode": Kind.SENSOR,
    "irrelevant_sensors_for_failure_mode": Kind.NOT_SENSOR,
    "relevant_failure_modes_for_sensor": Kind.MODE,
    "irrelevant_failure_modes_for_sensor": Kind.NOT_MODE,
}


class RuleBaseError(ValueError):
    """A file is not what it should be; says which file and entry."""


@dataclass(frozen=True)
class Asset:
    name: str
    sensors: tuple[str, ...]
    rows: tuple[Row, ...]

    def row(self, mode: str) -> Row:
        return next(row for row in self.rows if row.mode == mode)


@dataclass(frozen=True)
class Question:
    """A question of the set as it stands there; `asked` is the failure mode or sensor that it names."""

    id: str
    asset: str
    kind: Kind
    text: str
    options: tuple[str, ...]
    right: int
    asked: str


def read_rules(path: Path) -> dict[str, Asset]:
    """The assets by name. An entry lists all sensors of a mode or all modes of a sensor, each with 1 where one responds
    to the other; the second kind must agree with the first."""
    entries = _json(path.read_text(encoding="utf-8"), str(path))
    if not isinstance(entries, list) or not entries:
        raise RuleBaseError(f"{path}: expected a list of entries, got {_shown(entries)}")
    by_mode: dict[str, dict[str, dict[str, int]]] = {}
    by_sensor: list[tuple[str, str, str, dict[str, int]]] = []
    for number, entry in enumerate(entries):
        place = f"{path}: entry {number}"
        asset = _text(entry, "asset_class", place)
        targets = entry.get("mc_targets")
        if not (isinstance(targets, dict) and targets):
            raise RuleBaseError(
                f"{place}: expected 'mc_targets' to be an object that is not empty, got {_shown(targets)}"
            )
        for name, value in targets.items():
            if isinstance(value, bool) or value not in (0, 1):
                raise RuleBaseError(f"{place}: expected {name!r} of 'mc_targets' to be 0 or 1, got {_shown(value)}")
        if "failure_mode" not in entry and "sensor" not in entry:
            raise RuleBaseError(f"{place}: expected the key 'failure_mode' or 'sensor', both are missing")
        if "failure_mode" not in entry:
            by_sensor.append((place, asset, _text(entry, "sensor", place), targets))
            continue
        mode, modes = _text(entry, "failure_mode", place), by_mode.setdefault(asset, {})
        if mode in modes:
            raise RuleBaseError(f"{place}: {mode!r} of {asset!r} has an entry already")
        if modes and set(targets) != set(first := next(iter(modes.values()))):
            raise RuleBaseError(
                f"{place}: expected the sensors of the first entry of {asset!r}, "
                f"{sorted(set(targets) ^ set(first))} stand in one of them only"
            )
        modes[mode] = targets
    for place, asset, sensor, targets in by_sensor:
        for mode, value in targets.items():
            if (told := by_mode.get(asset, {}).get(mode, {}).get(sensor)) != value:
                raise RuleBaseError(
                    f"{place}: {sensor!r} and {mode!r} of {asset!r} are {value}, their entry by mode says {told}"
                )
    return {
        asset: Asset(
            asset,
            tuple(next(iter(modes.values()))),
            tuple(Row(mode, tuple(s for s, value in targets.items() if value)) for mode, targets in modes.items()),
        )
        for asset, modes in by_mode.items()
    }


def read_questions(path: Path, rules: dict[str, Asset]) -> list[Question]:
    """The single-answer questions, of assets that `rules` holds."""
    questions = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        place = f"{path}:{number}"
        entry = _json(line, place)
        asset, kind, text = (_text(entry, key, place) for key in ("asset_name", "relevancy", "question"))
        if asset not in rules:
            raise RuleBaseError(f"{place}: no rows of {asset!r}")
        if kind not in _KINDS:
            raise RuleBaseError(f"{place}: expected 'relevancy' to be one of {', '.join(_KINDS)}, got {kind!r:.60}")
        options, correct = entry.get("options"), entry.get("correct")
        if not (
            isinstance(options, list) and len(options) >= 2 and all(isinstance(one, str) and one for one in options)
        ):
            raise RuleBaseError(f"{place}: expected 'options' to be 2 texts or more, got {_shown(options)}")
        if not (
            isinstance(correct, list)
            and len(correct) == len(options)
            and all(isinstance(one, bool) for one in correct)
            and sum(correct) == 1
        ):
            raise RuleBaseError(
                f"{place}: expected 'correct' to be one true among {len(options)}, got {_shown(correct)}"
            )
        names = {"failure mode": [row.mode for row in rules[asset].rows], "sensor": rules[asset].sensors}
        named, chosen = names if _KINDS[kind] in OF_SENSORS else reversed(names)
        if unknown := [option for option in options if option not in names[chosen]]:
            raise RuleBaseError(f"{place}: {unknown[0]!r} is no {chosen} of {asset!r}")
        # Names hold each other ("oil leakage", "leakage"), and an asset's may hold one: the longest that stands outside
        # it.
        bare = text.replace(asset, "")
        asked = max((name for name in names[named] if name in bare), key=len, default=None)
        if asked is None:
            raise RuleBaseError(f"{place}: the question names no {named} of {asset!r}")
        id_, right = str(entry.get("id", number)), correct.index(True)
        questions.append(Question(id_, asset, _KINDS[kind], text, tuple(options), right, asked))
    if not questions:
        raise RuleBaseError(f"{path}: expected one question a line, the file has none")
    return questions


def left_out(rules: dict[str, Asset], asset: str) -> dict[str, Asset]:
    """The assets but one, as if it had never been seen."""
    if asset not in rules:
        raise RuleBaseError(f"expected one of {', '.join(rules)}, got {asset!r}")
    return {name: other for name, other in rules.items() if name != asset}


def matching(asset: Asset, lang: str, count: int, seed: int | str) -> tuple[list[Pair], list[str]]:
    """So many of the task's questions on rows of an asset, in its main form; and the failure modes and sensors that
    were left out since no Japanese is known for them. Rows are sampled to the length of generated ones, so that long
    rows are rarer here than in the asset, and an outcome that its rows do not yield is drawn again."""
    rng = random.Random(f"{TASK_ID}-{asset.name}-{lang}-{seed}")
    asset, unknown = translated(asset) if lang == "ja" else (asset, [])
    rows = [row for row in asset.rows if row.sensors]  # nothing shows the others
    kinds, misses = list(sampling.KINDS), 0
    pairs: list[Pair] = []
    while len(pairs) < count:
        kind, difficulty = rng.choices(kinds, list(sampling.KINDS.values()))[0], rng.choice(sampling.ROWS)
        case = sampling.from_rows(rng, kind, rows, asset.sensors, difficulty)
        if case is None:
            misses += 1
            if misses > MISSES_MAX and not pairs:
                raise RuleBaseError(f"{asset.name}: {len(rows)} rows of {len(asset.sensors)} sensors yield no question")
            continue
        one = said(rng, case, phrasing.FORMS[lang][0], lang, asset.name)
        pairs.append(
            Pair(
                id=f"{asset.name}-{seed}-{lang}-{len(pairs):06}-1",
                task=TASK_ID,
                question=one.question,
                choices=one.choices,
                answer=one.answer,
                rationale=one.rationale,
                teacher=TEACHER,
                difficulty=difficulty,
                lang=lang,
                kind=one.kind,
                reading=one.reading,
            )
        )
    return pairs, unknown


def translated(asset: Asset) -> tuple[Asset, list[str]]:
    """An asset in Japanese, and its modes and sensors without a translation, which are left out."""
    unknown = [name for name in [*asset.sensors, *(row.mode for row in asset.rows)] if name not in JA]
    if asset.name not in JA:
        raise RuleBaseError(f"no Japanese is known for the asset {asset.name!r}")
    rows = tuple(
        Row(JA[row.mode], tuple(JA[sensor] for sensor in row.sensors if sensor in JA))
        for row in asset.rows
        if row.mode in JA
    )
    return Asset(JA[asset.name], tuple(JA[sensor] for sensor in asset.sensors if sensor in JA), rows), unknown


def closed_book(question: Question) -> Pair:
    """The question as it stands, with its options and no rows."""
    return Pair(
        id=f"closed-{question.id}-1",
        task=TASK_ID,
        question=question.text,
        choices=question.options,
        answer=string.ascii_uppercase[question.right],
        teacher=TEACHER,
        difficulty=len(question.options),
        kind=f"closed book/{question.kind.value}",
    )


def by_asset(questions: list[Question], rules: dict[str, Asset]) -> dict[str, ClosedBook]:
    """The questions without rows, asset by asset, each as if it had never been seen."""
    assets = {}
    for name in rules:
        if own := [question for question in questions if question.asset == name]:
            floors = {
                "a guess": uniform_floor(own),
                "the rows of the other assets": copy_floor(own, left_out(rules, name)),
            }
            assets[name] = ClosedBook([closed_book(question) for question in own], floors)
    return assets


def open_book(question: Question, rules: dict[str, Asset], cannot_tell: bool = True) -> Pair:
    """The rows that decide the question, then the question: the row of its mode, or one for each option. `cannot_tell`
    adds that choice, which all generated questions have and the set has not; it is never right here."""
    asset, form = rules[question.asset], phrasing.FORMS["en"][0]
    modes = [question.asked] if question.kind in OF_SENSORS else question.options
    rows = tuple(asset.row(mode) for mode in modes)
    case = Case(question.kind, rows, question.options, asked=question.asked)
    last = (CANNOT_TELL["en"],) if cannot_tell else ()
    text = f"{phrasing.rows(form.table, asset.name, case)} {question.text}"
    return Pair(
        id=f"open-{question.id}-1",
        task=TASK_ID,
        question=text,
        choices=(*question.options, *last),
        answer=string.ascii_uppercase[question.right],
        rationale=rationale(case, "en"),
        teacher=TEACHER,
        difficulty=len(question.options),
        kind=f"open book/{question.kind.value}",
        reading=case,
    )


def uniform_floor(questions: list[Question]) -> float:
    """How many are right by chance."""
    return sum(1 / len(question.options) for question in questions) / len(questions)


def copy_floor(questions: list[Question], others: dict[str, Asset]) -> float:
    """How many are right by the rows of other assets: takes the option whose sensor responds to the mode in the largest
    share of those that know both, and where none does in the share of all modes (sensors) there. Ties count as a
    chance."""
    pairs: dict[tuple[str, str], list[bool]] = {}
    for asset in others.values():
        for row in asset.rows:
            for sensor in asset.sensors:
                for key in ((row.mode, sensor), ("", sensor), (row.mode, ""), ("", "")):
                    pairs.setdefault(key, []).append(sensor in row.sensors)

    def share(mode: str, sensor: str, option: str) -> float:
        alone = ("", sensor) if option == sensor else (mode, "")
        told = next(pairs[key] for key in ((mode, sensor), alone, ("", "")) if key in pairs)
        return sum(told) / len(told)

    right = 0.0
    for question in questions:
        sign = 1 if question.kind in (Kind.SENSOR, Kind.MODE) else -1
        shares = [
            sign
            * (
                share(question.asked, option, option)
                if question.kind in OF_SENSORS
                else share(option, question.asked, option)
            )
            for option in question.options
        ]
        best = [place for place, value in enumerate(shares) if value == max(shares)]
        right += (question.right in best) / len(best)
    return right / len(questions)


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as err:
        raise RuleBaseError(f"{place}: expected JSON: {err.msg} at line {err.lineno}, column {err.colno}") from err


def _text(entry: object, key: str, place: str) -> str:
    if not isinstance(entry, dict):
        raise RuleBaseError(f"{place}: expected an object, got {_shown(entry)}")
    if not (isinstance(value := entry.get(key), str) and value):
        raise RuleBaseError(f"{place}: expected {key!r} to be a text that is not empty, got {_shown(value)}")
    return value


def _shown(value: object) -> str:
    return f"{value!r:.60}"
