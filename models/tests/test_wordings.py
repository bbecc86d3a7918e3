"""The cases that the runtime's reader shares are as the teachers have them, and they are what they claim to be."""

import json
import random
import re
from collections import Counter

import pytest
from wordings import cases, machine_failure, process_control, unrelated

from sokutou_train.readings import Quantity
from sokutou_train.teachers.machine_failure.readings import READINGS


@pytest.mark.parametrize(
    "name, text",
    [
        (cases.DECLARATIONS, cases.declarations),
        (cases.NORMAL_SERIES, cases.normal_series),
        (cases.READINGS, cases.question_lines),
    ],
)
def test_the_files_are_as_they_are_drawn(name, text):
    assert (cases.DATA / name).read_text(encoding="utf-8") == text(), "run `wordings.cases` again"


def questions():
    return [json.loads(line) for line in cases.question_lines().splitlines()]


def test_every_form_is_asked_and_every_kind_of_question_for_a_person():
    kinds = Counter(case["kind"] for case in questions())
    forms = [form.name for words in (machine_failure, process_control) for form in (*words.FORMS, *words.HELD_OUT)]
    assert kinds.keys() >= {*forms, "en-composed", "ja-composed", *cases._MACHINE_PERSONS, *cases._CHART_PERSONS}
    asked = [case["question"] for case in questions()]
    assert not any("#" in question or re.search(r"\{[vlu]\}|\[\]", question) for question in asked)


def test_a_canonical_question_has_the_numbers_of_the_question_in_its_own_unit():
    """Wherever every number is in the field's own unit, as in half of the forms."""
    same = 0
    for case in questions():
        if case["task"] == "machine-failure" and case.get("canonical"):
            told, read = (
                sorted(float(one) for one in re.findall(r"(?<![\d.-])\d+(?:\.\d+)?", re.sub("min-1", "", text)))
                for text in (case["question"], case["canonical"])
            )
            same += told == read
    assert same > 200


def test_a_series_keeps_every_comparison():
    found = Counter()
    for case in json.loads(cases.normal_series()):
        places = case["places"]
        found[places is None] += 1
        if places is None:
            continue
        centre, upper, lower = (float(case[line]) for line in ("centre", "upper", "lower"))
        readings = [float(reading) for reading in case["readings"]]
        lines = [(centre, 50), (upper, 80), (lower, 20)]
        for reading, place in [*zip(readings, places, strict=True)]:
            assert 1 <= place <= 99
            for other, at in (*lines, *zip(readings, places, strict=True)):
                assert (reading > other) == (place > at) and (reading < other) == (place < at)
    assert found[False] >= 150 and found[True] >= 20


def test_every_label_of_the_wordings_is_declared():
    """Type words that stand without a label are not names."""
    for lang, labels in machine_failure._LABELS.items():
        for field, names in zip(READINGS.fields, labels, strict=True):
            known = {name.lower() for name in (field.id, *field.name.values(), *field.aliases)}
            assert {name.lower() for name in names} <= known, (lang, field.id)


def test_every_unit_of_the_wordings_is_declared():
    for field in READINGS.fields:
        if isinstance(field.value, Quantity):
            names = {name for unit in field.value.units for name in unit.names}
            for units in machine_failure._LOOSE_UNITS.values():
                written = {*units.get(field.id, ())} if field.id in units else {*units["K"], *units["C"]}
                assert written - {"℃"} <= names | {name.lower() for name in names} | {"RPM"}


def test_unrelated_questions_leave_no_slots():
    rng = random.Random(6)
    assert all("#" not in unrelated.draw(rng)[0] for _ in range(500))
