"""Every form gives every reading, as written; questions for a person are what they claim to be."""

import random

import pytest

from workshop.teachers.machine_failure import out_of_scope, phrasing, sampling
from workshop.teachers.machine_failure.rules import Answer
from workshop.teachers.machine_failure.task import FIRST_PAGE, IN_SCOPE, from_reading

ALL = phrasing.FORMS + phrasing.HELD_OUT


@pytest.mark.parametrize("form", [*ALL, None], ids=lambda form: form.name if form else "composed")
def test_every_written_value_appears(form):
    rng = random.Random(str(form))
    fixed = form
    for _ in range(200):
        form = fixed or phrasing.compose(rng)
        reading = sampling.draw(rng, rng.choice(IN_SCOPE))
        parts, written = phrasing.write(rng, form, reading)
        question = phrasing.ask(rng, form, parts)
        assert all(value.lower() in question.lower() for value in vars(written).values())  # a grade may be in lower case
        assert all(part in question for part in parts.values())
        assert reading.grade in parts["grade"].upper()
        kelvin = abs(float(written.air) * 10 - reading.air_dk) < 0.5
        celsius = abs(float(written.air) * 10 + phrasing.CELSIUS_OFFSET_DK - reading.air_dk) < 0.5
        assert kelvin or (celsius and form.celsius)
        assert round(10 * (float(written.process) - float(written.air))) == reading.gap_dk
        assert (int(written.speed), int(written.wear), round(10 * float(written.torque))) == (
            reading.speed_rpm, reading.wear_min, reading.torque_dnm)


def test_forms_enough_and_told_apart():
    for lang in ("en", "ja"):
        assert sum(form.lang == lang for form in phrasing.FORMS) >= 8
    assert len({form.name for form in ALL}) == len({form.parts + (form.separator, form.question) for form in ALL}) == len(ALL)


def test_composed_forms_differ_and_leave_no_empty_unit():
    rng = random.Random(4)
    forms = [phrasing.compose(rng) for _ in range(300)]
    assert len({form.parts + (form.separator, form.question) for form in forms}) > 290
    for form in forms:
        parts, _ = phrasing.write(rng, form, FIRST_PAGE)
        assert not any(empty in part for part in parts.values() for empty in ("[]", "()", "{"))


def test_the_first_page_asks_as_readme_does():
    main = (phrasing.EN_MAIN, phrasing.JA_MAIN)
    asked = [from_reading(phrasing.PLAIN, FIRST_PAGE, Answer.NONE, form).question for form in main]
    assert asked == [
        "Type M, air 298.1 K, process 308.6 K, speed 1551 rpm, torque 42.8 Nm, tool wear 0 min. Which failure, if any?",
        "M型、空気温度 298.1 K、工程温度 308.6 K、回転数 1551 rpm、トルク 42.8 Nm、工具摩耗 0 分。どの故障か？",
    ]


def test_an_impossible_value_is_named_as_it_was_asked():
    rng = random.Random(5)
    for _ in range(500):
        question, lang, why = out_of_scope.impossible_reading(rng)
        value = why.removesuffix(" はあり得ない。").rsplit(" ", 1)[-1] if lang == "ja" else why.removesuffix(".").rsplit(" ", 1)[-1]
        assert value.lower() in question.lower()  # a grade may be asked in lower case


def test_other_kinds_have_words_and_no_slots_left():
    rng = random.Random(6)
    for _ in range(500):
        question, _, _ = out_of_scope.other(rng)
        assert question and "#" not in question
