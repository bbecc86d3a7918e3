"""The run rules on both sides of every edge, the questions answered again from their text alone, the checker of
rationales, and the reader of measured series.
"""

import dataclasses
import itertools
import random
import re
from collections import Counter
from fractions import Fraction

import pytest

from sokutou_train.pair import Pair
from sokutou_train.teachers.catalogue import GENERATORS
from sokutou_train.teachers.process_control import grinding, sampling
from sokutou_train.teachers.process_control.pairs import (
    DIFFICULTIES,
    IN_SCOPE,
    RATIONALE_LEN_MAX,
    asked,
)
from sokutou_train.teachers.process_control.rationale_check import faults
from sokutou_train.teachers.process_control.rules import (
    CHOICES,
    MARGIN_SCALES,
    READINGS_MAX,
    READINGS_MIN,
    RULES,
    TASK_ID,
    Answer,
    Series,
    fired,
    margins,
    near_edge,
    verdict,
)

LIMIT, RUN, TREND, ZONE = RULES
QUESTION_LEN_MAX = 205  # characters, of a question with readings; the longest has some 100 of the student's tokens


def chart(*readings, centre=50, upper=80, lower=20):  # two sigma lines at 70 and 30
    return Series(centre, upper, lower, readings)


@pytest.mark.parametrize(
    ("readings", "rules"),
    [
        ((52, 48, 55, 45, 51, 49, 53, 47), ()),
        ((52, 80, 55, 20, 51, 49, 53, 47), ()),  # on a limit is within
        ((52, 81, 55, 45, 51, 49, 53, 47), (LIMIT,)),
        ((52, 48, 55, 19, 51, 49, 53, 47), (LIMIT,)),
        ((81, 48, 55, 45, 51, 49, 53, 47, 52, 48), (LIMIT,)),  # wherever it stands
        ((52, 48, 55, 45, 51, 49, 53, 81), (LIMIT,)),
        ((51, 52, 51, 60, 55, 51, 53, 52), (RUN,)),
        ((49, 48, 49, 40, 45, 49, 47, 48), (RUN,)),
        ((49, 52, 51, 60, 55, 51, 53, 52), ()),  # seven
        ((50, 52, 51, 60, 55, 51, 53, 52), ()),  # one on the centre line is on neither side
        ((51, 52, 51, 60, 50, 51, 53, 52), ()),
        ((50, 50, 50, 50, 50, 50, 50, 50), ()),
        ((49, 49, 51, 52, 51, 60, 55, 51, 53, 52), (RUN,)),  # the last eight of ten
        ((51, 52, 51, 60, 55, 51, 53, 52, 49), ()),  # ended
        ((55, 48, 42, 46, 49, 51, 53, 58), (TREND,)),
        ((55, 62, 58, 53, 51, 49, 46, 42), (TREND,)),
        (
            (55, 48, 47, 46, 49, 51, 53, 58),
            (),
        ),  # five
        (
            (55, 48, 46, 46, 49, 51, 53, 58),
            (),
        ),  # equal readings break it
        (
            (55, 48, 42, 46, 49, 51, 51, 58),
            (),
        ),
        (
            (55, 48, 42, 46, 49, 51, 53, 53),
            (),
        ),
        (
            (42, 46, 49, 51, 53, 58, 52, 51),
            (),
        ),  # ended
        ((55, 48, 41, 43, 46, 49, 51, 52, 58), (TREND,)),  # seven are a trend too
        ((52, 48, 55, 45, 51, 71, 53, 71), (ZONE,)),
        ((52, 48, 55, 45, 51, 49, 71, 71), (ZONE,)),
        ((52, 48, 55, 45, 51, 29, 53, 29), (ZONE,)),
        ((52, 48, 55, 45, 51, 70, 53, 71), ()),  # on a two sigma line is inside
        ((52, 48, 55, 45, 51, 71, 53, 70), ()),
        ((52, 48, 55, 45, 51, 29, 53, 71), ()),  # on two sides
        ((52, 48, 55, 45, 71, 49, 53, 71), ()),  # two of four
        ((52, 48, 55, 45, 51, 71, 71, 53), ()),  # not the latest
        ((51, 52, 53, 54, 55, 71, 72, 81), (LIMIT, RUN, TREND, ZONE)),
        ((51, 52, 53, 54, 55, 71, 72, 73), (RUN, TREND, ZONE)),
        ((55, 48, 29, 51, 53, 55, 71, 72), (TREND, ZONE)),
        ((49, 48, 29, 51, 53, 55, 71, 81), (LIMIT, TREND, ZONE)),
    ],
)
def test_each_rule_on_both_sides_of_its_edge_and_the_most_urgent_first(readings, rules):
    series = chart(*readings)
    assert fired(series) == rules
    assert verdict(series) is (rules[0] if rules else Answer.NONE)


def test_two_sigma_is_two_thirds_of_the_way_to_the_limit_of_its_side_and_never_rounded():
    steady = (50, 51, 49, 50, 51)
    assert fired(chart(*steady, 54, 50, 54, upper=55)) == (ZONE,)  # the line is at 53 1/3
    assert fired(chart(*steady, 53, 50, 54, upper=55)) == ()
    assert fired(chart(*steady, 46, 50, 46, upper=95, lower=45)) == (ZONE,)
    assert fired(chart(*steady, 46, 50, 47, upper=95, lower=45)) == ()


def test_a_person_is_asked_where_the_lines_are_impossible_or_the_readings_too_few():
    eight = (52, 48, 55, 45, 51, 49, 53, 47)
    for lines in ({"upper": 50}, {"lower": 50}, {"upper": 20, "lower": 80}, {"centre": 81}, {"centre": 19}):
        assert verdict(chart(*eight, **lines)) is Answer.PERSON
    assert (
        verdict(chart(*eight, upper=51)) is not Answer.PERSON and verdict(chart(*eight, lower=49)) is not Answer.PERSON
    )
    assert verdict(chart(*eight[1:])) is Answer.PERSON and verdict(chart(*eight)) is Answer.NONE


def test_margins_tell_which_rules_fire():
    rng = random.Random(5)
    for answer, near in itertools.product(IN_SCOPE, (False, True)):
        for _ in range(60):
            series = sampling.draw(rng, answer, rng.randint(READINGS_MIN, READINGS_MAX), near)
            found = margins(series)
            assert len(found) == 2 * len(RULES) * len(MARGIN_SCALES) and all(-1 <= margin <= 1 for margin in found)
            for scale in range(len(MARGIN_SCALES)):
                sides = found[scale :: len(MARGIN_SCALES)]
                assert tuple(rule for at, rule in enumerate(RULES) if max(sides[2 * at : 2 * at + 2]) > 0) == fired(
                    series
                )


def test_codes_and_texts_are_a_closed_set():
    assert [answer for _, answer, *_ in CHOICES] == list(Answer)
    assert len({code for code, *_ in CHOICES}) == len(CHOICES) and [person for *_, person in CHOICES].count(True) == 1
    assert all(0 <= code < 1 << 16 for code, *_ in CHOICES)


# The questions answered again from their text alone, rules by counting.

_NUMBER = r"\d+"


def parsed(question):
    lines = {line: int(re.search(rf"\b{label} (\d+)", question)[1]) for line, label in LABELS.items()}
    readings = re.search(r"(?:Readings|測定値) ([\d, 、]+)", question)[1]
    return lines, [int(number) for number in re.findall(_NUMBER, readings)]


LABELS = {"centre": "CL", "upper": "UCL", "lower": "LCL"}


def longest_to_the_end(signs):
    return next((at for at, sign in enumerate(reversed(signs)) if sign != signs[-1]), len(signs)) if signs[-1] else 0


def solved(question):
    lines, readings = parsed(question)
    assert lines == {"centre": 50, "upper": 80, "lower": 20} and 8 <= len(readings) <= 10

    def sign(number):
        return (number > 0) - (number < 0)

    zones = []
    for reading in readings[-3:]:
        off = reading - lines["centre"]
        way = lines["upper"] - lines["centre"] if off > 0 else lines["centre"] - lines["lower"]
        zones.append(sign(off) if abs(off) / way > Fraction(2, 3) else 0)
    if any(reading > lines["upper"] or reading < lines["lower"] for reading in readings):
        return "LIM"
    if longest_to_the_end([sign(reading - lines["centre"]) for reading in readings]) >= 8:
        return "RUN"
    if longest_to_the_end([sign(after - before) for before, after in itertools.pairwise(readings)]) >= 5:
        return "TRD"
    return "TWO" if zones[-1] and zones.count(zones[-1]) >= 2 else "OK"


def drawn(seed, count=1500):
    return list(itertools.islice(GENERATORS[TASK_ID].pairs(TASK_ID, seed), count))


@pytest.fixture(scope="module")
def pairs():
    return drawn("again", 3000)


def test_the_answer_follows_from_the_question(pairs):
    for pair in pairs:
        assert solved(pair.question) == pair.answer, pair.question


def test_answers_are_balanced(pairs):
    answers = Counter(pair.answer for pair in pairs)
    assert answers.keys() == {answer.value for answer in IN_SCOPE} and max(answers.values()) < 1.3 * min(
        answers.values()
    )


def test_difficulty_sets_how_many_readings_and_how_near_an_edge(pairs):
    near = {}
    for difficulty in DIFFICULTIES:
        series = [pair.reading for pair in pairs if pair.difficulty == difficulty and pair.reading]
        counts = {len(s.readings) for s in series}
        assert counts == ({READINGS_MIN} if difficulty == 1 else set(range(READINGS_MIN, READINGS_MAX + 1)))
        near[difficulty] = sum(map(near_edge, series)) / len(series)
    assert near[3] > 0.85 and near[3] > near[1] + 0.15


def test_edges_are_drawn_on_purpose():
    """Near misses stand among the series in control, and each rule fires by a single unit often enough to learn
    from."""
    rng = random.Random(2)
    calm = [sampling.draw(rng, Answer.NONE, 8, near=True) for _ in range(400)]
    assert sum(s.upper in s.readings or s.lower in s.readings for s in calm) > 20
    assert sum(longest_to_the_end([(r > s.centre) - (r < s.centre) for r in s.readings]) == 7 for s in calm) > 20
    assert (
        sum(
            longest_to_the_end([(b > a) - (b < a) for a, b in zip(s.readings, s.readings[1:], strict=False)]) == 4
            for s in calm
        )
        > 20
    )
    assert sum(0 in s.steps for s in calm) > 20 and sum(s.centre in s.run for s in calm) > 20
    calm = [sampling.draw(rng, Answer.NONE, 10, near=True) for _ in range(400)]
    ended = [dataclasses.replace(s, readings=s.readings[:-1]) for s in calm]
    assert min(sum(rule in fired(s) for s in ended) for rule in RULES[1:]) > 5
    limit = [sampling.draw(rng, LIMIT, 8, near=True) for _ in range(200)]
    assert sum(max(s.readings) == s.upper + 1 or min(s.readings) == s.lower - 1 for s in limit) > 100
    run = [sampling.draw(rng, RUN, 8, near=True) for _ in range(200)]
    assert sum(min(abs(r - s.centre) for r in s.run) == 1 for s in run) > 100
    trend = [sampling.draw(rng, TREND, 8, near=True) for _ in range(200)]
    assert sum(min(map(abs, s.steps)) == 1 for s in trend) > 100


def test_some_plain_series_are_coarse_and_some_fire_several_rules():
    rng = random.Random(4)
    plain = [sampling.draw(rng, answer, 8, near=False) for answer in IN_SCOPE * 80]
    assert sum(not any(reading % 5 for reading in s.readings) for s in plain) > 0.1 * len(plain)
    beyond = [fired(s) for s in plain if verdict(s) is LIMIT]
    assert sum(len(rules) > 1 for rules in beyond) > 0.2 * len(beyond)


def test_questions_and_rationales_keep_their_length(pairs):
    for pair in pairs:
        assert len(pair.question) <= QUESTION_LEN_MAX, pair.question
        assert len(pair.rationale) <= RATIONALE_LEN_MAX[pair.lang], pair.rationale


def test_draws_are_made_by_their_seed():
    one, same, other = drawn(1, 300), drawn(1, 300), drawn(2, 300)
    assert one == same and one != other and len({pair.id for pair in one}) == 300


def test_the_first_sentence_repeats_what_was_asked(pairs):
    for pair in pairs:
        recital = re.split(r"(?<=\.)\s|(?<=。)", pair.rationale)[0]
        lines, readings = parsed(pair.question)
        assert [int(n) for n in re.findall(_NUMBER, recital)] == [*lines.values(), *readings]


# The checker.

CALM = chart(52, 48, 55, 45, 51, 49, 71, 72)  # rises twice, two of three
STEADY = chart(52, 48, 80, 45, 51, 49, 53, 71)
RISING = chart(55, 48, 42, 46, 49, 51, 53, 58)
ABOVE = chart(49, 49, 51, 52, 51, 60, 55, 51, 53, 52)
OUT = chart(52, 48, 55, 19, 51, 49, 53, 47)
ON = chart(52, 48, 80, 20, 50, 49, 53, 47)  # each line has a reading on it


def about(series, lang):
    said = asked(series, lang)
    return Pair(
        task=TASK_ID, question=said.question, answer=said.answer, rationale=said.rationale, lang=lang, reading=series
    )


def test_a_rationale_word_for_word():
    assert about(STEADY, "en").rationale == (
        "Read CL 50, UCL 80, LCL 20: a52 b48 c80 d45 e51 f49 g53 h71. "
        "Sides a+ b- c+ d- e+ f- g+ h+: within. From a: no run. Steps back h<<71-53=18>> g<<53-49=4>> f<<49-51=-2>>: 3 "
        "rising. "
        "Past two sigma, times 3, h<<3*71-2*80-50=3>> g<<3*53-2*80-50=-51>> f<<3*49-2*80-50=-63>>: 1 beyond. In "
        "control."
    )
    assert about(RISING, "ja").rationale == (
        "読み取り CL 50、UCL 80、LCL 20、測定値 a55 b48 c42 d46 e49 f51 g53 h58。"
        "側 a+ b- c- d- e- f+ g+ h+、限界内。aから、連なし。後ろから差 h<<58-53=5>> g<<53-51=2>> f<<51-49=2>> "
        "e<<49-46=3>> d<<46-42=4>>、6点上昇。傾向。"
    )


@pytest.mark.parametrize(
    ("series", "old", "new"),
    [
        (STEADY, "a52", "a53"),
        (STEADY, "CL 50", "CL 51"),
        (STEADY, " h71", ""),  # read wrong
        (STEADY, "a+", "a-"),
        (STEADY, "a+", "a0"),
        (STEADY, "c+", "c^"),
        (STEADY, " h+", ""),
        (STEADY, "a+ b-", "b- a+"),
        (OUT, "d_", "d-"),
        (OUT, "d_", "d^"),
        (ON, "d-", "d_"),
        (ON, "e0", "e+"),
        (ON, "e0", "e-"),
        (STEADY, "<<71-53=18>>", "<<71-53=19>>"),
        (STEADY, "<<71-53=18>>", "<<71-53=-18>>"),  # miscalculated, wrong sign
        (STEADY, "<<71-53=18>>", "<<71-50=21>>"),
        (STEADY, "<<71-53=18>>", "<<71+53=124>>"),
        (STEADY, "<<71-53=18>>", "<<71-=18>>"),
        (STEADY, "within", "beyond"),
        (STEADY, "限界内", "限界外"),
        (OUT, "beyond", "within"),
        (OUT, "限界外。管", "限界内。管"),
        (ABOVE, "From c", "From a"),
        (ABOVE, "cから", "bから"),
        (ABOVE, "8 above", "8 below"),
        (ABOVE, "8 above", "7 above"),
        (ABOVE, "8 above", "no run"),
        (ABOVE, "8点上側", "連なし"),
        (STEADY, "no run", "8 above"),
        (STEADY, "連なし", "8点下側"),
        (STEADY, "<<53-49=4>>", "<<49-53=-4>>"),
        (STEADY, " f<<49-51=-2>>", ""),
        (STEADY, "g<<53-49=4>>", "f<<53-49=4>>"),
        (STEADY, "3 rising", "2 rising"),
        (STEADY, "3 rising", "3 falling"),
        (STEADY, "3点上昇", "3点下降"),
        (STEADY, "3 rising", "level"),
        (RISING, "6 rising", "5 rising"),
        (RISING, "6点上昇", "横ばい"),
        (RISING, "h<<58-53=5>> ", ""),
        (RISING, " Trend.", " In control."),
        (RISING, "傾向。", "管理状態。"),
        (STEADY, "<<3*71-2*80-50=3>>", "<<3*71-2*80-50=-3>>"),
        (STEADY, "<<3*71-2*80-50=3>>", "<<2*71-2*80-50=-68>>"),
        (STEADY, "h<<3*71-2*80-50=3>>", "h<<3*71-2*20-50=123>>"),  # the line on the other side
        (STEADY, " f<<3*49-2*80-50=-63>>", ""),
        (STEADY, "1 beyond", "2 beyond"),
        (STEADY, "1点外", "内側"),
        (CALM, "2 beyond", "1 beyond"),
        (CALM, "2点外。3", "1点外。3"),
        (CALM, "Two of three beyond two sigma.", "In control."),
        (STEADY, "In control.", "Trend."),
        (STEADY, "管理状態。", "片側の連。"),
        (OUT, "Beyond a limit.", "Run on one side."),
        (STEADY, " In control.", ""),
        (STEADY, "Sides", "Side"),
        (
            STEADY,
            " Past two sigma, times 3, h<<3*71-2*80-50=3>> g<<3*53-2*80-50=-51>> f<<3*49-2*80-50=-63>>: 1 beyond.",
            "",
        ),
    ],
)
def test_a_planted_fault_is_found(series, old, new):
    planted = [
        (pair, pair.rationale.replace(old, new, 1))
        for pair in (about(series, "en"), about(series, "ja"))
        if old in pair.rationale
    ]
    assert planted, "no rationale holds what should be changed"
    for pair, rationale in planted:
        assert faults(pair, rationale)


def test_a_wrong_reading_is_named():
    pair = about(STEADY, "en")
    assert faults(pair, pair.rationale.replace("a52", "a53"))[0].startswith("read 'Read CL 50, UCL 80, LCL 20: a53 ")


def test_the_two_sigma_line_of_the_other_side_hides_nothing():
    """Inside of the lower line is true of a reading beyond the upper one."""
    pair = about(CALM, "en")
    hidden = re.sub("times 3, .*", "times 3, h<<3*72-2*20-50=126>>: inside. In control.", pair.rationale)
    assert faults(pair, hidden) == ["latest beyond the other two sigma line said as False, expected True"]


def test_a_rule_that_fired_ends_the_rationale():
    """A less urgent verdict is wrong, though every sentence of it is true."""
    pair = about(chart(51, 52, 51, 60, 55, 51, 53, 82), "en")
    further = pair.rationale.replace("Beyond a limit.", "From a: 8 above. Run on one side.")
    assert further != pair.rationale and faults(pair, pair.rationale) == [] != faults(pair, further)


def test_the_teacher_has_no_faults_and_the_other_language_is_one(pairs):
    for pair in pairs:
        assert faults(pair, pair.rationale) == []
    for series in (CALM, STEADY, RISING, ABOVE, OUT):
        one, other = about(series, "en"), about(series, "ja")
        assert faults(one, other.rationale) and faults(other, one.rationale)


# Measured series. The table is made up.

HEAD = "Replicate,x1,x2,x3,x4,z1,z2,T1,T2,T3\n"


def row(number, setting, t1, t2="50.00", t3="15.00"):
    return f"{number},0.1,50,33,0.02,{1 + setting % 2},{'AB'[setting // 2 % 2]},{t1},{t2},{t3}\n"


def table(tmp_path, rows, head=HEAD):
    path = tmp_path / "rings.csv"
    path.write_text(head + "".join(rows), encoding="utf-8")
    return path


def one_run():
    """T1 sways by 2 about 6 in the first two settings, then lies above; T2 never moves; T3 rises by 1."""
    return [
        row(number, setting, f"{5 + 2 * (number % 2) + (setting > 1) * 3}.00", t3=f"{10 + number + setting % 2}.00")
        for setting in range(4)
        for number in range(1, 11)
    ]


def test_series_are_held_to_the_limits_of_the_setting_before(tmp_path):
    measured = grinding.read(table(tmp_path, one_run() * 2))
    assert [(m.of, m.line) for m in measured] == [
        (of, line) for line in (12, 22, 32, 52, 62, 72) for of in ("T1", "T2", "T3")
    ]
    first = measured[0].series  # mean 6, nine ranges of 2: 6 +- 5.32
    assert first == Series(60, 113, 7, (70, 50) * 5) and verdict(first) is Answer.NONE
    assert measured[3].series == Series(60, 113, 7, (100, 80) * 5) and verdict(measured[3].series) is RUN
    assert measured[1].series == Series(500, 500, 500, (500,) * 10)  # nothing moved, so no limits
    assert measured[2].series.readings == tuple(range(120, 220, 10)) and fired(measured[2].series) == (
        LIMIT,
        TREND,
        ZONE,
    )
    assert measured[2].series.upper == 182 and measured[2].series.lower == 128  # 15.5 +- 2.66


def test_limits_are_rounded_half_up_and_never_below_zero():
    assert grinding.limits([10, 11]) == (11, 13, 8)  # 10.5 +- 2.66
    assert grinding.limits([0, 100] * 5) == (50, 316, 0)


def test_measured_series_are_asked_in_both_languages(tmp_path):
    found = grinding.pairs(table(tmp_path, one_run()))
    assert list(found) == ["grinding series, en", "grinding series, ja"]
    for pairs, lang in zip(found.values(), ("en", "ja"), strict=False):
        assert Counter(pair.answer for pair in pairs) == {"OK": 2, "RUN": 1, "LIM": 3}
        assert len({pair.id for pair in pairs}) == 6
        for pair in pairs:
            assert pair.lang == lang and solved(pair.question) == pair.answer and faults(pair, pair.rationale) == []
    assert found["grinding series, en"][0].question == (
        "CL 50, UCL 80, LCL 20. Readings 56, 44, 56, 44, 56, 44, 56, 44, 56, 44. In control?"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], r"rings\.csv: expected whole runs of 40 rows, got 39 rows"),
        (lambda rows: [], r"rings\.csv: expected whole runs of 40 rows, got 0 rows"),
        (lambda rows: [*rows[:4], row(5, 0, "abc"), *rows[5:]], r"rings\.csv:6: expected T1 to be a number, got 'abc'"),
        (lambda rows: [*rows[:4], row(5, 0, ""), *rows[5:]], r"rings\.csv:6: expected T1 to be a number, got ''"),
        (lambda rows: [*rows[:4], row(5, 0, "5,5"), *rows[5:]], r"rings\.csv:6: expected 10 values"),
        (
            lambda rows: [*rows[:4], row(5, 0, "5.25"), *rows[5:]],
            r"rings\.csv:6: expected T1 .* 1 decimal, got '5\.25'",
        ),
        (lambda rows: [*rows[:4], row(5, 0, "-5.0"), *rows[5:]], r"rings\.csv:6: expected T1 to be a size"),
        (lambda rows: [*rows[:4], row(5, 0, "nan"), *rows[5:]], r"rings\.csv:6: expected T1 to be a size"),
        (lambda rows: [*rows[:4], "5,0.1,50\n", *rows[5:]], r"rings\.csv:6: expected 10 values"),
        (lambda rows: [*rows[:4], row(5, 1, "5.0"), *rows[5:]], r"rings\.csv:6: expected the noise setting 1 A of"),
        (lambda rows: [*rows[1:], rows[0]], r"rings\.csv:2: expected replicate 1, got '2'"),
    ],
)
def test_a_table_of_another_shape_is_refused_by_file_and_line(tmp_path, change, message):
    with pytest.raises(grinding.TableError, match=message):
        grinding.read(table(tmp_path, change(one_run())))


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(grinding.TableError, match=r"rings\.csv:1: expected the columns .*, T3 is missing"):
        grinding.read(table(tmp_path, one_run(), HEAD.replace(",T3", "")))
    with pytest.raises(FileNotFoundError):
        grinding.read(tmp_path / "none.csv")


def test_a_setting_that_repeats_the_one_before_is_refused(tmp_path):
    rows = one_run()
    with pytest.raises(
        grinding.TableError, match=r"rings\.csv:12: expected a noise setting that its run has not had, got 1 A"
    ):
        grinding.read(table(tmp_path, [*rows[:10], *rows[:10], *rows[20:]]))


def test_a_pair_file_holds_no_series(pairs):
    assert all(
        "reading" not in field.metadata or field.metadata["file"] is False
        for field in dataclasses.fields(pairs[0])
        if field.name in ("reading", "margins")
    )
