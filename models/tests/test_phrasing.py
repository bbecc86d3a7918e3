"""Every form gives every reading, as written; questions for a person are what they claim to be."""

import dataclasses
import random
import re

import pytest

from sokutou_train.teachers.machine_failure import out_of_scope, phrasing, sampling
from sokutou_train.teachers.machine_failure.rules import FIELD_NAMES, Answer
from sokutou_train.teachers.machine_failure.task import FIRST_PAGE, IN_SCOPE, from_reading

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
        assert all(
            value.lower() in question.lower() for value in vars(written).values()
        )  # a grade may be in lower case
        assert all(part in question for part in parts.values())
        assert reading.grade in parts["grade"].upper()
        kelvin = abs(float(written.air) * 10 - reading.air_dk) < 0.5
        celsius = abs(float(written.air) * 10 + phrasing.CELSIUS_OFFSET_DK - reading.air_dk) < 0.5
        assert kelvin or (celsius and form.celsius)
        assert round(10 * (float(written.process) - float(written.air))) == reading.gap_dk
        assert (int(written.speed), int(written.wear), round(10 * float(written.torque))) == (
            reading.speed_rpm,
            reading.wear_min,
            reading.torque_dnm,
        )


def test_forms_enough_and_told_apart():
    for lang in ("en", "ja"):
        assert sum(form.lang == lang for form in phrasing.FORMS) >= 8
    assert (
        len({form.name for form in ALL})
        == len({(*form.parts, form.separator, form.question) for form in ALL})
        == len(ALL)
    )


def test_composed_forms_differ_and_leave_no_empty_unit():
    rng = random.Random(4)
    forms = [phrasing.compose(rng) for _ in range(300)]
    assert len({(*form.parts, form.separator, form.question) for form in forms}) > 290
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


def test_what_is_held_out_is_never_trained_on_and_its_words_are():
    rng = random.Random(10)
    forms = [phrasing.pick(rng) for _ in range(20_000)]
    assert not any(phrasing.withheld(form) for form in forms) and all(
        phrasing.withheld(form) for form in phrasing.HELD_OUT
    )
    assert phrasing.withheld(
        dataclasses.replace(phrasing.EN_MAIN, parts=("Running at {v} {u}",) * 6)
    )  # one part will do
    trained = {word for form in forms for text in (form.question, *form.parts) for word in _words(text)}
    held_out = {word for form in phrasing.HELD_OUT for text in (form.question, *form.parts) for word in _words(text)}
    assert held_out <= trained


def _words(text: str) -> set[str]:
    """Runs of one script, so that a Japanese particle stands alone."""
    return set(re.findall(r"[a-z]+|[\u3041-\u309f]+|[\u30a0-\u30ff]+|[\u4e00-\u9fff]+", text.lower()))


def test_an_impossible_value_is_named_as_it_was_asked():
    rng = random.Random(5)
    names = {name for pair in FIELD_NAMES.values() for name in pair}
    units = 0
    for _ in range(1000):
        question, _, why = out_of_scope.impossible_reading(rng)
        said = re.search(r"(?:。|: )([^。:]+?)(?: は(?:あり得ない|単位が違う)。|\.)$", why)[1]  # "speed 162 rad/s"
        name = next(name for name in names if said.startswith(f"{name} "))
        parts = said.removeprefix(name).split()  # the value, and its unit where that is what is wrong
        assert all(part.lower() in question.lower() for part in parts)  # a grade may be asked in lower case
        wrong_unit = "Wrong unit" in why or "単位" in why
        assert len(parts) == 1 + wrong_unit
        units += wrong_unit
    assert 150 < units < 350


def test_speeds_of_three_digits_and_of_other_units_are_among_the_impossible():
    rng = random.Random(11)
    whys = [why for _, lang, why in (out_of_scope.impossible_reading(rng) for _ in range(2000)) if lang == "en"]
    assert sum(bool(re.search(r"Not possible: speed [1-9]\d\d\.$", why)) for why in whys) > 40
    for unit in ("rad/s", "Hz", "rps"):
        assert any(re.search(rf"Wrong unit: speed \d+ {unit}\.$", why) for why in whys)
    for wrong in (r"[23]\d(\.\d)? K", r"[23]\d\d(\.\d)? (°C|℃)", r"[23]\d\d(\.\d)? (°F|℉)"):
        assert any(re.search(rf"Wrong unit: air temperature {wrong}\.$", why) for why in whys)


def test_other_kinds_have_words_and_no_slots_left():
    rng = random.Random(6)
    for _ in range(500):
        question, _, _ = out_of_scope.other(rng)
        assert question and "#" not in question
