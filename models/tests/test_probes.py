"""What probes tell, held against the questions they stand in, read anew."""

import itertools
import math
import re

import pytest

from sokutou_train.teachers import symbolic_tasks
from sokutou_train.teachers.probing import at_choices, behind
from sokutou_train.teachers.process_control import task as process_control
from sokutou_train.teachers.process_control.rules import MARGIN_SCALES, Series, progress
from sokutou_train.teachers.sensor_modes import pairs
from sokutou_train.teachers.sensor_modes import task as sensor_modes
from sokutou_train.teachers.sensor_modes.rules import Kind
from sokutou_train.teachers.word_problems import task as word_problems

COUNT = 300


def drawn(task, seed="probes"):
    return list(itertools.islice(task.stream(seed), COUNT))


def test_parts_are_found_one_behind_the_other():
    assert list(behind("a b a b", ["a", "b", "a"])) == [1, 3, 5]
    with pytest.raises(ValueError):
        list(behind("a b", ["b", "a"]))


@pytest.mark.parametrize(
    "task", [sensor_modes.TASK, symbolic_tasks.SHUFFLED_OBJECTS, symbolic_tasks.DATES], ids=lambda task: task.id
)
def test_behind_each_choice_stands_whether_it_is_right(task):
    for pair in drawn(task):
        probes = [probe for probe in pair.probes if probe.kind == "choice"]
        lines = [pair.text[: probe.end].splitlines()[-1] for probe in probes]
        assert lines == [f"{letter}: {text}" for letter, text in zip(pair.letters, pair.choices, strict=True)]
        right = [letter for letter, probe in zip(pair.letters, probes, strict=True) if probe.values == (1.0,)]
        if len(right) > 1:  # several modes fit: then, and only then, each of them and "cannot tell"
            assert right[-1] == pair.answer == pair.letters[-1]
        else:
            assert right == [pair.answer]


def test_a_choice_that_looks_like_one_before_it_is_found_behind_it():
    probes = at_choices("k", "A: x?", ["x", "x y"], [(-1.0,), (1.0,)])
    assert [("A: x?\nA: x\nB: x y"[: probe.end], probe.values) for probe in probes] == [
        ("A: x?\nA: x", (-1.0,)),
        ("A: x?\nA: x\nB: x y", (1.0,)),
    ]


def test_a_coin_shows_what_the_turns_before_it_make():
    for pair in drawn(symbolic_tasks.COIN_FLIP):
        heads = True
        for probe in pair.probes:
            sentence = pair.question[: probe.end].rstrip(".。").replace("。", ".").split(".")[-1]
            heads ^= (
                any(word in sentence for word in ("turns the coin over", "flips the coin", "裏返す"))
                and "does not" not in sentence
            )
            assert probe.values == (1.0 if heads else -1.0,)
        assert len(pair.probes) == pair.difficulty and (pair.answer == "yes") == heads


def test_everybody_holds_one_object_and_a_swap_changes_two_hands():
    for pair in drawn(symbolic_tasks.SHUFFLED_OBJECTS):
        holding = [probe.values for probe in pair.probes if probe.kind == "holding"]
        grids = [[values[at : at + 3] for at in range(0, 9, 3)] for values in holding]
        assert grids[0] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)] and len(grids) == pair.difficulty + 1
        for before, after in itertools.pairwise(grids):
            assert sorted(after) == sorted(grids[0]) and sum(a != b for a, b in zip(before, after, strict=False)) == 2


def test_swaps_and_choices_say_whom_and_what_they_name():
    for pair in drawn(symbolic_tasks.SHUFFLED_OBJECTS):
        who, what, holding = (
            [probe for probe in pair.probes if probe.kind == kind] for kind in ("who", "what", "holding")
        )
        assert len(who) == 2 * pair.difficulty + 1 and len(what) == 3
        for a, b, before, after in zip(who[:-1:2], who[1::2], holding[:-1], holding[1:], strict=True):
            hands = [before.values[at : at + 3] != after.values[at : at + 3] for at in range(0, 9, 3)]
            assert [
                x + y > 0 for x, y in zip(a.values, b.values, strict=False)
            ] == hands  # of the two that are named the objects change
        named: dict[tuple, set[str]] = {}
        for probe in who:
            named.setdefault(probe.values, set()).add(pair.text[probe.end - 2 : probe.end])
        assert all(len(endings) == 1 for endings in named.values())  # one person, one name
        person = who[-1].values.index(1.0)
        held = holding[-1].values[3 * person : 3 * person + 3]
        assert [letter for letter, probe in zip(pair.letters, what, strict=True) if probe.values == held] == [
            pair.answer
        ]


def test_dates_say_the_day_they_tell_of():
    for pair in drawn(symbolic_tasks.DATES):
        told, same = ([probe for probe in pair.probes if probe.kind == kind] for kind in ("date", "same"))
        assert all(sum(probe.values) == 3 and len(probe.values) == 53 for probe in told)
        numbers = [int(number) for number in re.findall(r"\d+", pair.answer_text)]
        year, month, day = numbers if pair.lang == "ja" else (numbers[2], *numbers[:2])
        last = told[-1].values
        assert (last[:10].index(1), last[10:22].index(1) + 1, last[22:].index(1) + 1) == (year % 10, month, day)
        for probe, choice in zip(same, pair.choices, strict=True):
            other = [int(number) for number in re.findall(r"\d+", choice)]
            assert probe.values == tuple(
                1.0 if a == b else -1.0
                for a, b in zip(
                    other if pair.lang == "ja" else (other[2], *other[:2]), (year, month, day), strict=False
                )
            )
        if pair.lang == "ja":  # day by day
            assert len(told) == pair.difficulty + 1 and told[0].end == pair.question.index("日") + 1


def test_a_chart_shows_what_the_rules_make_of_the_readings_so_far():
    series = Series(50, 80, 20, (60, 61, 85, 40, 30, 20, 10, 9))
    told = [progress(series, at) for at in range(8)]
    out, run, step, trend = 12, 13, 14, 15
    assert [values[out] for values in told] == [-1, -1, 1, 1, 1, 1, 1, 1]
    assert [values[run] for values in told] == [n / 8 for n in (1, 2, 3, -1, -2, -3, -4, -5)]
    assert [values[step] for values in told] == [0, 1, 1, -1, -1, -1, -1, -1]
    assert [values[trend] for values in told] == [n / 5 for n in (0, 1, 2, -1, -2, -3, -4, -5)]
    above_upper, below_lower, past_two_sigma = 3, 5, 7
    assert [values[above_upper] > 0 for values in told] == [False, False, True] + [False] * 5
    assert [values[below_lower] > 0 for values in told] == [False] * 6 + [True, True]
    assert [values[past_two_sigma] > 0 for values in told] == [False, False, True] + [False] * 5
    past_lower_two_sigma = 9
    assert [values[past_lower_two_sigma] > 0 for values in told] == [False] * 5 + [True] * 3
    uneven = progress(Series(50, 80, 45, (49,)), 0)
    assert uneven[1] == pytest.approx(
        math.tanh(-1 / 5 / MARGIN_SCALES[1])
    )  # in shares of the way to the limit on its side


def test_a_chart_tells_behind_each_reading_what_the_rules_make_of_it():
    for pair in drawn(process_control.TASK):
        readings = [str(reading) for reading in pair.reading.readings]
        assert [pair.question[: probe.end].endswith(one) for probe, one in zip(pair.probes, readings, strict=True)]
        assert {(probe.kind, len(probe.values)) for probe in pair.probes} == {("reading", 16)}


def test_names_say_which_rows_hold_them():
    rows_before = asked_first = 0
    for pair in drawn(sensor_modes.TASK):
        case, held = pair.reading, [probe for probe in pair.probes if probe.kind == "held"]
        names = {name for row in case.rows for name in (row.mode, *row.sensors)} | {
            *case.choices,
            *case.responded,
            *case.quiet,
            case.asked,
        }
        assert bool(held) == bool(case.rows)
        writes = [
            count for count, row in enumerate(case.rows, 1) for _ in row.sensors
        ]  # so many rows are begun behind each sensor
        for probe, begun in itertools.zip_longest(held, writes, fillvalue=len(case.rows)):
            name = max((name for name in names if name and pair.text[: probe.end].endswith(name)), key=len)
            rows_before += begun < len(case.rows)
            yes = [name in (row.mode, *row.sensors) for row in case.rows[:begun]]
            assert probe.values == tuple(1.0 if own else -1.0 for own in [*yes, *[False] * (5 - len(yes))])
        if rows := [probe for probe in pair.probes if probe.kind == "row"]:
            asked_first += 1
            fit = [(case.asked in row.sensors) == (case.kind is Kind.MODE) for row in case.rows]
            assert [probe.values == (1.0,) for probe in rows] == fit
            for probe, row in zip(rows, case.rows, strict=True):
                assert pair.text[: probe.end].endswith(row.sensors[-1])
        if answers := [probe for probe in pair.probes if probe.kind == "answers"]:
            [probe] = answers
            right = [row.mode for row, value in zip(case.rows, probe.values, strict=False) if value > 0]
            assert probe.end == len(pair.question) and (
                pair.answer_text in right if len(right) == 1 else pair.answer == pair.letters[-1]
            )
    assert rows_before > COUNT and asked_first > 2


def test_word_problems_say_how_they_are_reckoned():
    for pair in drawn(word_problems.TASK):
        first, last = pair.probes
        assert first.end == last.end == len(pair.question) and (first.values == last.values or pair.difficulty > 1)
        for probe, (step, result) in zip(pair.probes, (pair.reading.steps[0], pair.reading.steps[-1]), strict=False):
            [sign] = [sign for sign, value in zip("+-*/", probe.values, strict=False) if value]
            assert sign in step
            digits = [probe.values[at : at + 10].index(1.0) for at in range(4, 44, 10)]
            assert int(result.replace(".", "")[-4:]) == int("".join(map(str, digits)))


def test_names_are_found_where_they_were_written():
    """One name holds another, and stands in a word beside it."""
    assert pairs._located("x \x02sh\x03 shows \x02show oil\x03.") == (
        "x sh shows show oil.",
        [("sh", 4), ("show oil", 19)],
    )


def test_rows_fall_out_as_sensors_are_told():
    told = 0
    for pair in drawn(sensor_modes.TASK):
        case, rows = pair.reading, [probe for probe in pair.probes if probe.kind == "rows"]
        left = [1.0] * len(case.rows) + [-1.0] * (5 - len(case.rows))
        for probe in rows:
            sensor = next(
                s
                for s in sorted(case.responded + case.quiet, key=len, reverse=True)
                if pair.text[: probe.end].endswith(s)
            )
            fits = [(sensor in row.sensors) == (sensor in case.responded) for row in case.rows]
            left = [
                1.0 if before > 0 and own else -1.0
                for before, own in itertools.zip_longest(left, fits, fillvalue=False)
            ]
            assert list(probe.values) == left
        if rows and case.kind is Kind.SIGNATURE:
            told += 1
            right = [probe.values == (1.0,) for probe in pair.probes if probe.kind == "choice"][:-1]
            assert sum(right) == sum(value > 0 for value in left)
    assert told > COUNT / 4
