"""Each rule at, under and over its limit; rows that hang on rounding; the checker of rationales; the real table's
reader."""

import dataclasses
import itertools
import random
from collections import Counter
from fractions import Fraction

import pytest

from sokutou_train.pair import LANGUAGES
from sokutou_train.teachers.machine_failure import ai4i, sampling
from sokutou_train.teachers.machine_failure.readings import READINGS
from sokutou_train.teachers.machine_failure.rules import (
    MARGIN_SCALES,
    NEAR,
    Answer,
    Reading,
    answer,
    boundary,
    margins,
    modes,
    near_limit,
    quantities,
)
from sokutou_train.teachers.machine_failure.task import CLOSE, FIRST_PAGE, IN_SCOPE, TASK, drawn, pair

FINE = Reading("M", air_dk=2981, process_dk=3086, speed_rpm=1551, torque_dnm=428, wear_min=0)


@pytest.mark.parametrize(
    ("changed", "fired"),
    [
        ({}, set()),
        ({"process_dk": 3066, "speed_rpm": 1379}, {Answer.HEAT}),  # 8.5 K
        ({"process_dk": 3067, "speed_rpm": 1379}, set()),  # 8.6 K is not below 8.6 K
        ({"process_dk": 3066, "speed_rpm": 1380}, set()),
        ({"torque_dnm": 215, "speed_rpm": 1550}, {Answer.POWER}),  # 3489.8 W
        ({"torque_dnm": 216, "speed_rpm": 1550}, set()),  # 3506.0 W
        ({"torque_dnm": 554, "speed_rpm": 1551}, set()),  # 8998.1 W
        ({"torque_dnm": 555, "speed_rpm": 1551}, {Answer.POWER}),  # 9014.4 W
        ({"grade": "L", "torque_dnm": 550, "wear_min": 200}, set()),  # exactly 11000 min Nm
        ({"grade": "L", "torque_dnm": 551, "wear_min": 200}, {Answer.STRAIN}),
        ({"grade": "M", "torque_dnm": 500, "wear_min": 240}, set()),
        ({"grade": "M", "torque_dnm": 501, "wear_min": 240}, {Answer.STRAIN}),
        ({"grade": "H", "torque_dnm": 520, "wear_min": 250}, set()),
        ({"grade": "H", "torque_dnm": 521, "wear_min": 250}, {Answer.STRAIN}),
        ({"process_dk": 3066, "speed_rpm": 1379, "torque_dnm": 700}, {Answer.HEAT, Answer.POWER}),
    ],
)
def test_rules(changed, fired):
    assert modes(dataclasses.replace(FINE, **changed)) == fired


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "OK"),
        ({"wear_min": 199}, "OK"),
        ({"wear_min": 200}, "TWR"),  # 8560 of 12000 min Nm
        ({"wear_min": 240}, "TWR"),  # 10272 of 12000 min Nm
        ({"wear_min": 250}, "TWR"),  # overdue: past the band, 10700 of 12000 min Nm
        ({"process_dk": 3066, "speed_rpm": 1379, "wear_min": 220}, "HDF"),  # 8.5 K; a rule outweighs the risk
        ({"torque_dnm": 215, "speed_rpm": 1550, "wear_min": 220}, "PWF"),  # 3489.8 W
        ({"grade": "L", "torque_dnm": 551, "wear_min": 200}, "OSF"),  # 11020 of 11000 min Nm
        ({"process_dk": 3066, "speed_rpm": 1379, "torque_dnm": 700}, "MULTI"),  # 8.5 K; 10108.8 W
        (
            {"process_dk": 3066, "speed_rpm": 1379, "torque_dnm": 600, "wear_min": 201},
            "MULTI",
        ),  # 8.5 K; 8664.5 W; 12060 min Nm
        ({"torque_dnm": 600, "wear_min": 201}, "MULTI"),  # 9745.2 W; 12060 min Nm
        ({"process_dk": 3066, "speed_rpm": 1379, "torque_dnm": 700, "wear_min": 220}, "MULTI"),  # all three
    ],
)
def test_the_one_answer(changed, expected):
    assert answer(dataclasses.replace(FINE, **changed)).value == expected


def test_boundary_rows_are_those_that_hang_on_rounding():
    assert boundary(dataclasses.replace(FINE, process_dk=3067, speed_rpm=1379))
    assert not boundary(dataclasses.replace(FINE, process_dk=3067, speed_rpm=1380))
    assert not boundary(dataclasses.replace(FINE, process_dk=3066, speed_rpm=1379))
    hair = next(
        r
        for torque in range(30, 800)
        for speed in range(1150, 2950)
        if abs((r := dataclasses.replace(FINE, torque_dnm=torque, speed_rpm=speed)).power_w - 9000) < 0.1
    )
    assert boundary(hair)


def test_near_limit():
    assert not near_limit(FINE)
    assert near_limit(dataclasses.replace(FINE, torque_dnm=546))  # 8868 of 9000 W
    assert not near_limit(dataclasses.replace(FINE, torque_dnm=543))  # 8819.6 W
    assert near_limit(dataclasses.replace(FINE, wear_min=275))  # 11770 of 12000 min Nm
    assert not near_limit(dataclasses.replace(FINE, wear_min=274))  # 11727.2 min Nm
    assert near_limit(dataclasses.replace(FINE, process_dk=3068)) and near_limit(
        dataclasses.replace(FINE, speed_rpm=1407)
    )  # whether they decide or not
    assert not near_limit(dataclasses.replace(FINE, process_dk=3069)) and not near_limit(
        dataclasses.replace(FINE, speed_rpm=1408)
    )
    assert near_limit(dataclasses.replace(FINE, wear_min=200)) and not near_limit(
        dataclasses.replace(FINE, wear_min=205)
    )


def test_what_is_declared_is_near_where_the_rules_say_so():
    """The runtime reckons with the declared expressions."""
    rng, near = random.Random(12), 0
    for _ in range(2000):
        r = sampling.draw_near(rng, CLOSE * rng.randint(1, 8)) if rng.random() < 0.7 else sampling.draw_anywhere(rng)
        values = {"speed": r.speed_rpm, "wear": r.wear_min, "air": Fraction(r.air_dk, 10)}
        values |= {"process": Fraction(r.process_dk, 10), "torque": Fraction(r.torque_dnm, 10)}
        values |= {"factor": Fraction("0.10472")}
        declared = any(
            abs(eval(limit.expression.replace("0.10472", "factor"), dict(values)) - Fraction(limit.at))
            <= Fraction(READINGS.near) * Fraction(limit.at)
            for limit in READINGS.limits
            if limit.when.get("type", r.grade) == r.grade
        )
        assert declared == near_limit(r)
        near += declared
    assert 500 < near < 1500


def test_near_readings_are_beside_every_limit_alike():
    rng = random.Random(13)
    for share in (NEAR, CLOSE):
        counts = Counter()
        for _ in range(600):
            found = quantities(sampling.draw_near(rng, share))
            beside = [at for at, (quantity, limit) in enumerate(found) if abs(quantity - limit) <= share * limit]
            assert beside
            counts.update(beside)
        assert set(counts) == set(range(sampling.LIMITS)) and min(counts.values()) > 70


@pytest.mark.parametrize("group", TASK.groups, ids=lambda group: group.name)
def test_a_group_is_calibrated_on_its_own_questions(group):
    found = list(itertools.islice(TASK.of_group(group, 1), 200))
    assert all(group.fits(TASK.is_near(one), one.lang) for one in found)
    assert {one.answer for one in found} == {answer.value for answer in IN_SCOPE}
    assert (
        found
        == list(itertools.islice(TASK.of_group(group, 1), 200))
        != list(itertools.islice(TASK.of_group(group, 2), 200))
    )


def test_a_question_is_of_one_group():
    for one in itertools.islice(TASK.stream("groups"), 200):
        assert sum(group.fits(TASK.is_near(one), one.lang) for group in TASK.groups) == 1


def test_the_first_page_asks_as_readme_does():
    assert [pair(FIRST_PAGE, lang).question for lang in LANGUAGES] == [
        "Type M, air 298.1 K, process 308.6 K, speed 1551 rpm, torque 42.8 Nm, tool wear 0 min. Which failure, if any?",
        "M型、空気温度 298.1 K、工程温度 308.6 K、回転数 1551 rpm、トルク 42.8 Nm、工具摩耗 0 分。どの故障か？",
    ]
    whole = dataclasses.replace(FIRST_PAGE, air_dk=2980, torque_dnm=50)
    assert "air 298.0 K" in pair(whole, "en").question and "torque 5.0 Nm" in pair(whole, "en").question


def test_margins_tell_the_sides_of_every_limit():
    rng = random.Random(8)
    for wanted in IN_SCOPE:
        for _ in range(100):
            reading = sampling.draw(rng, wanted)
            found = margins(reading)
            assert all(-1 <= margin <= 1 for margin in found)
            for scale in range(len(MARGIN_SCALES)):
                gap, speed, low, high, strain, wear = found[scale :: len(MARGIN_SCALES)]
                fired = {Answer.HEAT} if gap < 0 and speed < 0 else set()
                fired |= {Answer.POWER} if low < 0 or high > 0 else set()
                assert fired | ({Answer.STRAIN} if strain > 0 else set()) == modes(reading)
                assert (wear > 0) == reading.worn


def test_drawn_readings_are_of_their_class_and_never_on_a_boundary():
    rng = random.Random(7)
    for wanted in IN_SCOPE:
        for _ in range(200):
            for reading in (
                sampling.draw(rng, wanted),
                sampling.draw_worn(rng, wanted),
            ):
                assert answer(reading) is wanted and not boundary(reading)


def test_several_modes_come_in_every_combination():
    rng = random.Random(9)
    counts = Counter(frozenset(modes(sampling.draw(rng, Answer.SEVERAL))) for _ in range(600))
    assert len(counts) == 4 and min(counts.values()) > 30


def test_suites_hold_what_their_names_say():
    suites = TASK.tests("suites", 90)
    assert {pair.answer for pair in suites["generated, several modes"]} == {"MULTI"}
    assert all(TASK.is_hard(pair) for pair in suites["generated, near a limit"])
    assert all(near_limit(pair.reading, CLOSE) for pair in suites["generated, within half a percent of a limit"])
    assert all(180 <= pair.reading.wear_min <= 240 for pair in suites["generated, tool wear band"])
    assert all(TASK.oracle(pair) == pair.answer for pairs in suites.values() for pair in pairs)


def test_golden_questions_cover_every_answer():
    golden = [next(candidates) for candidates in TASK.golden("golden")]
    assert {(one.lang, one.answer) for one in golden} == set(itertools.product(LANGUAGES, (a.value for a in IN_SCOPE)))
    assert [TASK.is_near(one) for one in golden].count(True) == len(LANGUAGES) and len(golden) == 12


def test_classes_are_balanced():
    stream = TASK.stream("balance")
    counts = Counter(next(stream).answer for _ in range(3000))
    assert set(counts) == {answer.value for answer in IN_SCOPE}
    assert max(counts.values()) < 1.3 * min(counts.values())


def test_a_stream_is_made_by_its_seed():
    one, same, other = (list(itertools.islice(TASK.stream(seed), 50)) for seed in ("a", "a", "b"))
    assert one == same != other


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("308.6-298.1=10.5", "308.6-298.1=10.4"),  # a wrong result
        ("308.6-298.1=10.5", "308.6-298.2=10.4"),  # a reading that the question does not give
        ("308.6-298.1=10.5", "308.6-=10.5"),  # no expression at all
        ("10.5-8.6=1.9", "10.5-8.5=2"),
        ("10.5-8.6=1.9", "10.4-8.6=1.8"),  # another limit, another gap
        ("1551-1380=171", "1515-1380=135"),
        ("1551-1380=171", "1551-1390=161"),
        ("1551-1380=171", "1551-1380=17"),
        ("6951.6-9000=-2048.4", "6951.6-9500=-2548.4"),
        ("6951.6-9000=-2048.4", "6951.6-3500=3451.6"),  # a side of the other limit
        ("6951.6-9000=-2048.4", "6951.6+9000=15951.6"),
        ("6951.6-9000=-2048.4", "6915.6-9000=-2084.4"),
        ("0-12000=-12000", "0-11000=-11000"),
        ("0-12000=-12000", "1-12000=-11999"),
        ("not below; speed", "below; speed"),
        ("1.9>>、以上", "1.9>>、未満"),
        ("not below; heat", "below; heat"),
        ("not above. Wear", "above. Wear"),
        ("2048.4>>、以下", "2048.4>>、超"),
        ("not above. Wear", "not above, power failure. Wear"),
        ("2048.4>>、以下", "2048.4>>、以下、電力異常"),
        ("heat is fine", "heat failure"),
        ("放熱は正常", "放熱不良"),
        ("type M limit", "type L limit"),
        ("M型の限界", "L型の限界"),
        ("not above. Wear less", "not above, overstrain. Wear less"),
        ("not above. Wear less", "above. Wear less"),
        ("12000>>、以下", "12000>>、以下、過負荷"),
        ("0-200=-200", "0-240=-240"),
        ("0-200=-200", "1-200=-199"),
        ("0-200=-200", "0-200=200"),
        ("below, no failure", "not below, no failure"),
        ("below, no failure", "below, about 5% fail"),
        ("no failure", "about 50% fail"),
        ("未満、故障なし", "以上、故障なし"),
        ("未満、故障なし", "未満、約5%が故障"),
        ("Wear less limit <<0-200=-200>> min, below, no failure.", "Failure: heat."),
        ("Wear less limit <<0-200=-200>> min, below, no failure.", ""),
        ("摩耗の基準との差 <<0-200=-200>> 分、未満、故障なし。", "故障 放熱不良。"),
    ],
)
def test_a_planted_fault_is_found(old, new):
    _plant(FINE, old, new)


WORN = dataclasses.replace(FINE, wear_min=214)
SEVERAL = dataclasses.replace(FINE, process_dk=3066, speed_rpm=1379, torque_dnm=700)  # heat and power


@pytest.mark.parametrize(
    ("reading", "old", "new"),
    [
        (WORN, "not below, about 5% fail", "below, about 5% fail"),
        (WORN, "about 5% fail", "no failure"),
        (WORN, "about 5%", "about 15%"),
        (WORN, "以上、約5%が故障", "未満、約5%が故障"),
        (WORN, "約5%が故障", "故障なし"),
        (WORN, "214-200=14", "214-200=24"),
        (WORN, "Wear less limit <<214-200=14>> min, not below, about 5% fail.", "Failure: overstrain."),
        (SEVERAL, "Failure: heat, power.", "Failure: heat."),
        (SEVERAL, "Failure: heat, power.", "Failure: heat, power, overstrain."),
        (SEVERAL, "Failure: heat, power.", "Failure: power, heat."),
        (SEVERAL, "Failure: heat, power.", "Failure: heat, overstrain."),
        (SEVERAL, "Failure: heat, power.", "Wear less limit <<0-200=-200>> min, below, no failure."),
        (SEVERAL, "故障 放熱不良、電力異常。", "故障 電力異常。"),
        (SEVERAL, "above, power failure", "above"),
        (SEVERAL, "heat failure", "heat is fine"),
        (SEVERAL, "超、電力異常", "超"),
        (SEVERAL, " 放熱不良、電力異常。", "なし。"),
    ],
)
def test_a_planted_fault_in_the_wear_or_in_several_modes_is_found(reading, old, new):
    _plant(reading, old, new)


def _plant(reading, old, new):
    pairs = [pair(reading, lang) for lang in LANGUAGES]
    planted = [(of, head + new + tail) for of in pairs for head, found, tail in [of.rationale.rpartition(old)] if found]
    assert planted, "no rationale holds what should be changed"
    for of, rationale in planted:
        assert TASK.check_rationale(of, rationale)


def test_a_rationale_names_every_mode_and_the_risk():
    def said(reading):
        return [pair(reading, lang).rationale for lang in LANGUAGES]

    for reading, en, ja in (
        (
            FINE,
            "Wear less limit <<0-200=-200>> min, below, no failure.",
            "摩耗の基準との差 <<0-200=-200>> 分、未満、故障なし。",
        ),
        (
            WORN,
            "Wear less limit <<214-200=14>> min, not below, about 5% fail.",
            "摩耗の基準との差 <<214-200=14>> 分、以上、約5%が故障。",
        ),
        (SEVERAL, "Failure: heat, power.", "故障 放熱不良、電力異常。"),
        (
            dataclasses.replace(SEVERAL, wear_min=220),
            "Failure: heat, power, overstrain.",
            "故障 放熱不良、電力異常、過負荷。",
        ),
        (dataclasses.replace(FINE, torque_dnm=555, wear_min=210), "Failure: power.", "故障 電力異常。"),
    ):
        assert [why.endswith(end) for why, end in zip(said(reading), (en, ja), strict=True)] == [True, True]


def test_either_power_limit_may_be_named_when_what_is_said_of_it_is_right():
    fine = pair(FINE, "en")
    other = fine.rationale.replace("<<6951.6-9000=-2048.4>>, not above", "<<6951.6-3500=3451.6>>, not below")
    assert other != fine.rationale and TASK.check_rationale(fine, other) == []


def test_the_teacher_has_no_faults_and_the_other_language_is_one():
    rng = random.Random(3)
    for _ in range(400):
        found = drawn(rng)
        assert TASK.check_rationale(found, found.rationale) == []
    one, other = (pair(FINE, lang) for lang in LANGUAGES)
    assert TASK.check_rationale(one, other.rationale) and TASK.check_rationale(other, one.rationale)


def test_the_table_gives_only_rows_that_the_rules_decide(tmp_path):
    table = tmp_path / "rows.csv"
    head = (
        "UDI,Product ID,Type,Air temperature [K],Process temperature [K],Rotational speed [rpm],Torque [Nm],Tool wear "
        "[min],"
        "Machine_failure,TWF,HDF,PWF,OSF,RNF\n"
    )
    table.write_text(
        head
        + "".join(
            f"1,M1,M,{row}\n"
            for row in (
                "298.1,308.6,1551,42.8,0,0,0,0,0,0,0",  # kept: no failure
                "298.1,306.6,1370,42.8,0,1,0,1,0,0,0",  # kept: heat
                "298.1,306.6,1370,70.0,0,1,0,1,1,0,0",  # kept: two modes
                "298.1,308.6,1551,42.8,214,0,0,0,0,0,0",  # kept: worn
                "298.1,308.6,1551,42.8,214,1,1,0,0,0,0",  # kept: worn, and failed by chance
                "298.1,306.6,1370,42.8,214,1,1,1,0,0,0",  # kept: heat outweighs the risk
                "298.1,308.6,1551,42.8,0,1,1,0,0,0,0",  # tool wear failure of a tool that is not worn
                "298.1,308.6,1551,42.8,0,0,0,0,0,0,1",  # random
                "298.1,308.6,1551,42.8,214,1,1,0,0,0,1",  # random too
                "298.1,308.6,1551,42.8,0,1,0,0,0,0,0",  # failed for no mode
                "298.1,306.6,1370,42.8,0,0,0,1,0,0,0",  # flagged and not failed
                "300.8,309.4,1370,42.8,0,1,0,1,0,0,0",  # 8.6 K to a hair
            )
        )
    )
    hot = dataclasses.replace(FINE, process_dk=3066, speed_rpm=1370)
    assert ai4i.read(table) == [
        (FINE, Answer.NONE),
        (hot, Answer.HEAT),
        (dataclasses.replace(hot, torque_dnm=700), Answer.SEVERAL),
        (WORN, Answer.WEAR),
        (WORN, Answer.WEAR),
        (dataclasses.replace(hot, wear_min=214), Answer.HEAT),
    ]
