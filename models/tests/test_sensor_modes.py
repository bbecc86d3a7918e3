"""The sensor-modes teacher: what fits and what does not, questions answered again from nothing but their text, the
checker of rationales, the spread of the draws, and the reader of the real rule base on one made up here.
"""

import dataclasses
import functools
import itertools
import json
import random
import re
import string
import unicodedata
from collections import Counter

import pytest

from sokutou_train import pair_files
from sokutou_train.pair import LANGUAGES, Pair
from sokutou_train.sentences import first_sentence
from sokutou_train.teachers.catalogue import GENERATORS
from sokutou_train.teachers.sensor_modes import failuresensoriq, pairs, phrasing, rationale_check, sampling, words
from sokutou_train.teachers.sensor_modes.rules import (
    CANNOT_TELL,
    OF_SENSORS,
    TASK_ID,
    Case,
    Kind,
    Row,
    answer,
    fits,
    fitting,
    rationale,
)

COUNT = 1200
SIGNS = (
    ",",
    ";",
    ":",
    ". ",
    "=",
    " and ",
    " not",
    " - ",
    " | ",
    " -> ",
    "+",
    "・",
    "、",
    "。",
    "は",
    "と",
    "なら",
    "(",
    ")",
    "[",
    "]",
    '"',
    "'",
    "<",
    ">",
    "「",
    "」",
    "【",
    "】",
    "#",
    "@",
    "*",
    "%",
    "^",
    "..",
    "~",
    "{",
    "}",
    "\n",
)  # they separate names in some form, and stand in none
SEAL, UNBALANCE = Row("seal wear", ("vibration", "flow")), Row("unbalance", ("vibration", "speed"))


@functools.cache
def drawn(seed="again", count=COUNT):
    return tuple(itertools.islice(GENERATORS[TASK_ID].pairs(TASK_ID, seed), count))


@functools.cache
def unusual():
    return pairs.tests("tests", 300)


def of_case(case, lang="en"):
    said = pairs.said(random.Random(1), case, phrasing.FORMS[lang][0], lang, "pump")
    return Pair(
        task=TASK_ID,
        question=said.question,
        choices=said.choices,
        answer=said.answer,
        rationale=said.rationale,
        lang=lang,
        kind=said.kind,
    )


@pytest.mark.parametrize(
    ("responded", "quiet", "fit"),
    [
        ("vibration flow", "speed", True),
        ("flow vibration", "", True),
        ("vibration", "speed", True),  # nobody reports the flow
        ("vibration", "speed flow", False),  # flow would have moved
        ("vibration flow speed", "", False),  # the speed is not explained
        ("speed", "vibration flow", False),
    ],
)
def test_a_mode_fits_when_it_explains_all_and_moves_nothing_that_is_still(responded, quiet, fit):
    assert fits(SEAL, tuple(responded.split()), tuple(quiet.split())) is fit


@pytest.mark.parametrize(
    ("change", "letter", "fit"),
    [
        ({"responded": ("vibration", "flow"), "quiet": ("speed",)}, "B", ["seal wear"]),
        ({"responded": ("vibration",)}, "C", ["seal wear", "unbalance"]),
        ({"responded": ("vibration",), "quiet": ("flow", "speed")}, "C", []),
        ({"responded": ("vibration", "flow"), "rows": ()}, "C", []),
        ({"kind": Kind.MODE, "asked": "speed"}, "A", ["unbalance"]),
        ({"kind": Kind.MODE, "asked": "vibration"}, "C", ["seal wear", "unbalance"]),
        ({"kind": Kind.NOT_MODE, "asked": "speed"}, "B", ["seal wear"]),
        ({"kind": Kind.SENSOR, "asked": "seal wear", "choices": ("flow", "speed")}, "A", ["flow"]),
        ({"kind": Kind.NOT_SENSOR, "asked": "seal wear", "choices": ("flow", "speed")}, "B", ["speed"]),
        (
            {"kind": Kind.SENSOR, "asked": "seal wear", "choices": ("flow", "vibration", "speed")},
            "D",
            ["flow", "vibration"],
        ),
        ({"kind": Kind.SENSOR, "asked": "air leak", "choices": ("flow", "speed")}, "C", []),
        ({"kind": Kind.NOT_SENSOR, "asked": "air leak", "choices": ("flow", "speed")}, "C", []),
        ({"kind": Kind.OTHER, "asked": "seal wear", "responded": ("vibration", "flow")}, "C", []),
    ],
)
def test_answers(change, letter, fit):
    case = Case(**({"kind": Kind.SIGNATURE, "rows": (SEAL, UNBALANCE), "choices": ("unbalance", "seal wear")} | change))
    assert (answer(case), fitting(case)) == (letter, fit)


def test_rationales_as_they_stand():
    case = Case(Kind.SIGNATURE, (SEAL, UNBALANCE), ("unbalance", "seal wear"), ("vibration", "speed"), ("flow",))
    assert rationale(case, "en") == (
        "Responded: vibration, speed; quiet: flow. seal wear: vibration, flow; speed not in row, no. "
        "unbalance: vibration, speed; fits. So unbalance, A."
    )
    stray = Case(Kind.SIGNATURE, (SEAL, UNBALANCE), ("seal wear", "unbalance"), ("noise", "speed"))
    assert rationale(stray, "en") == (
        "Responded: noise, speed. seal wear: vibration, flow; noise not in row, no. "
        "unbalance: vibration, speed; noise not in row, no. None fits. So cannot tell, C."
    )
    several = Case(
        Kind.SIGNATURE,
        (Row("漏れ", ("流量", "圧力")), Row("詰まり", ("流量",)), Row("過熱", ("流量", "温度"))),
        ("詰まり", "過熱", "漏れ"),
        ("流量",),
        ("温度",),
    )
    assert rationale(several, "ja") == (
        "反応: 流量; 無反応: 温度。漏れ: 流量、圧力; 該当。詰まり: 流量; 該当。過熱: 流量、温度; 温度は無反応、非該当。"
        "該当: 漏れ、詰まり。よって判別できない、D。"
    )
    sensor = Case(Kind.NOT_SENSOR, (SEAL, UNBALANCE), ("flow", "speed"), asked="seal wear")
    assert (
        rationale(sensor, "en")
        == "Not of seal wear: vibration, flow. flow: in row, no. speed: not in row, fits. So speed, B."
    )


# The text read back by the templates that words were put into, and answered by sets: nothing of the teacher's rules.


@functools.cache
def regex(template, **groups):
    return "".join(
        re.escape(text) + (groups.get(name, "(.+?)") if name else "")
        for text, name, *_ in string.Formatter().parse(template)
    )


@functools.cache
def literals(template):
    """What a text must hold to be of a template: found faster than its `regex` fails."""
    return [text for text, *_ in string.Formatter().parse(template)]


def parts(pair):
    """The tables, ways to say what responded and asks that may have worded a pair."""
    name, lang = pair.kind.split("/")[0], pair.lang
    if name.endswith("composed"):
        return [[*pool[lang], *pool[""]] for pool in (phrasing.TABLES, phrasing.SEEN, phrasing.ASKS)]
    forms = itertools.chain(*phrasing.FORMS.values(), *phrasing.HELD_OUT.values())
    form = next(form for form in forms if form.name == name)
    return [form.table], [form.seen], [form.ask]


def cuts(text):
    """Every place where one part of a question may end and the next begin."""
    return [0, *(match.end() for match in re.finditer("[ \n。？;]", text)), len(text)]


def asked(question, asks):
    """Readings of a question: what is asked, of what, and the rest."""
    for ask in asks:
        for kind, templates in [
            (Kind.SIGNATURE, [ask.signature]),
            (Kind.SENSOR, [ask.sensor]),
            (Kind.NOT_SENSOR, [ask.not_sensor]),
            (Kind.MODE, [ask.mode]),
            (Kind.NOT_MODE, [ask.not_mode]),
            (Kind.OTHER, ask.other),
        ]:
            for template, cut, first in itertools.product(templates, cuts(question), (True, False)):
                head, tail = question[:cut].strip(), question[cut:].strip()
                said, rest = (head, tail) if first else (tail, head)
                if match := re.fullmatch(regex(template, asset=r"(?:(?!\. )[^,:;、。\n])+?"), said):
                    yield kind, "".join(match.groups()), rest


def seen(rest, ways):
    """Readings of what is left: the text before what responded, and the two lists."""
    yield rest, (), ()
    for way, cut in itertools.product(ways, cuts(rest)):
        for template in (way.both, way.alone):
            if match := re.fullmatch(regex(template.strip()), rest[cut:].strip()):
                responded, quiet = (*match.groups(), "")[:2]
                yield (
                    rest[:cut].strip(),
                    tuple(responded.split(way.comma)),
                    tuple(quiet.split(way.comma)) if quiet else (),
                )
                break


def tables(rest, ways, modes, counts):
    """Readings of the rows, as sensors by mode."""
    if not rest:
        yield {}
    for way, count in itertools.product(
        (way for way in ways if all(text in rest for text in literals(way.row))), counts
    ):
        row = regex(way.row, mode=f"({'|'.join(map(re.escape, modes))})" if modes else "(.+?)", sensors="(.+?)")
        rows = re.escape(way.between).join([row] * count)
        if found := re.fullmatch(regex(way.whole.strip(), asset=".+?", rows=rows), rest):
            names = found.groups()
            yield {mode: set(sensors.split(way.comma)) for mode, sensors in zip(names[::2], names[1::2], strict=True)}


def named(*names):
    """Can these be names? None holds a sign that separates names; another test sees to that."""
    return not any(sign in name for name in names for sign in SIGNS)


def solutions(pair):
    """The answer by every reading of the text that its choices allow."""
    *choices, last = pair.choices
    assert last == CANNOT_TELL[pair.lang]
    table_ways, seen_ways, asks = parts(pair)
    for kind, name, rest in asked(pair.question, asks):
        if kind is Kind.OTHER:
            if name in choices:
                yield last
            continue
        of_sensors = kind in (Kind.SENSOR, Kind.NOT_SENSOR)
        for rest_of, responded, quiet in seen(rest, seen_ways):
            if bool(responded) != (kind is Kind.SIGNATURE) or not named(name, *responded, *quiet):
                continue
            for rows in tables(
                rest_of, table_ways, () if of_sensors else choices, (3, 2, 1) if of_sensors else (len(choices),)
            ):
                if (not of_sensors and set(rows) != set(choices) and rows) or not named(
                    *rows, *itertools.chain(*rows.values())
                ):
                    continue
                if kind is Kind.SIGNATURE:
                    right = [
                        mode for mode, row in rows.items() if not set(responded) - row and not row.intersection(quiet)
                    ]
                elif of_sensors:
                    right = [c for c in choices if name in rows and (c in rows[name]) is (kind is Kind.SENSOR)]
                else:
                    right = [mode for mode, row in rows.items() if (name in row) is (kind is Kind.MODE)]
                yield right[0] if len(right) == 1 else last


def check_solved(some):
    for pair in some:
        meant = pair.choices[string.ascii_uppercase.index(pair.answer)]
        assert set(solutions(pair)) == {meant}, pair.text


def test_the_answer_follows_from_the_question():
    check_solved(drawn())
    kinds = Counter(pair.kind for pair in drawn())
    assert {kind.split("/")[1] for kind in kinds} == {*(kind.value for kind in Kind), "no rows"}


def test_the_answer_follows_from_questions_that_training_never_asks():
    for some in unusual().values():
        check_solved(some)


def test_every_form_is_drawn_and_none_that_is_held_out():
    names = {pair.kind.split("/")[0] for pair in drawn()}
    assert names == {form.name for forms in phrasing.FORMS.values() for form in forms} | {"en-composed", "ja-composed"}
    held_out = {pair.kind.split("/")[0] for pair in unusual()["generated, held-out wording"]}
    assert held_out == {form.name for forms in phrasing.HELD_OUT.values() for form in forms}


def test_held_out_names_are_never_trained():
    for field in ("sensors", "modes", "assets"):
        trained, held_out = (set(getattr(table, field)) for table in (words.TRAINED, words.HELD_OUT))
        assert not {name for pair in trained for name in pair} & {name for pair in held_out for name in pair}
    assert not set(words.TRAINED.made_up) & set(words.HELD_OUT.made_up)
    held_out = [mode for lang in (0, 1) for mode in (entry[lang] for entry in words.HELD_OUT.modes)]
    assert not [pair for pair in drawn() if set(pair.choices) & set(held_out)]
    assert [pair for pair in unusual()["generated, held-out names"] if set(pair.choices) & set(held_out)]


def test_names_are_different_and_hold_nothing_that_separates_them():
    for lang in (0, 1):
        names = [
            entry[lang]
            for table in (words.TRAINED, words.HELD_OUT)
            for field in (table.sensors, table.modes, table.assets)
            for entry in field
        ]
        assert len(set(names)) == len(names)
        assert not [(name, sign) for name in names for sign in SIGNS if sign in name]
        rng = random.Random(3)
        made = [
            way(rng, LANGUAGES[lang]) for way in (*words.TRAINED.made_up, *words.HELD_OUT.made_up) for _ in range(200)
        ]
        assert not [(name, sign) for name in made for sign in SIGNS if sign in name]


def untold(some):
    """The share of pairs whose answer is `cannot tell`."""
    return sum(pair.answer == string.ascii_uppercase[pair.difficulty] for pair in some) / len(some)


def test_no_letter_is_a_way_to_guess():
    some = drawn("spread", 8000)
    for difficulty in pairs.GENERATOR.difficulties:
        matching = [
            pair for pair in some if pair.difficulty == difficulty and not pair.kind.endswith(("other", "no rows"))
        ]
        counts = Counter(pair.answer for pair in matching)
        letters = string.ascii_uppercase[: difficulty + 1]
        assert set(counts) == set(letters)
        for letter in letters[:-1]:
            assert abs(counts[letter] / sum(counts[letter] for letter in letters[:-1]) - 1 / difficulty) < 0.05
        # Some that cannot be told are asked without rows, so fewer are left here than one of `difficulty + 1`.
        assert 0.6 / (difficulty + 1) < counts[letters[-1]] / len(matching) < 1.05 / (difficulty + 1)
    assert 0.24 < untold(some) < 0.34


def test_how_many_rows_stand_beside_a_sensor_s_question_tells_nothing():
    of_sensors = [pair for pair in drawn("spread", 8000) if pair.reading.kind in OF_SENSORS]
    for count in (1, 2, 3):
        some = [pair for pair in of_sensors if len(pair.reading.rows) == count]
        assert len(some) > 0.1 * len(of_sensors)
        assert 0.1 < untold(some) < 0.4


def test_the_right_row_stands_anywhere_and_often_beside_a_near_miss():
    rng, places, alike, near, none = random.Random(5), Counter(), 0, 0, 0
    for _ in range(1500):
        case = sampling.draw(rng, Kind.SIGNATURE, ["a", "b", "c", "d"], list("qrstuvwxyz"), 4)
        fit = fitting(case)
        none += not fit and bool(case.rows)
        if len(fit) == 1:
            order = [row.mode for row in case.rows]
            places[order.index(fit[0])] += 1
            alike += order == list(case.choices)
            right = set(case.rows[order.index(fit[0])].sensors)
            near += any(len(right ^ set(row.sensors)) == 1 for row in case.rows)
    total = places.total()
    assert total > 1100 and all(abs(places[place] / total - 1 / 4) < 0.05 for place in range(4))
    assert alike / total < 0.08  # one of 24 orders
    assert near / total > 0.5  # a row one sensor apart
    assert 70 < none < 200  # rows, and none of them fits


def test_rows_may_be_long_and_names_may_hold_each_other_as_in_real_tables():
    rows = [row for pair in drawn("long", 3000) for row in pair.reading.rows]
    assert sum(len(row.sensors) >= 5 for row in rows) / len(rows) > 0.1 and max(len(row.sensors) for row in rows) >= 8
    named = [{name for row in pair.reading.rows for name in (row.mode, *row.sensors)} for pair in drawn("long", 3000)]
    assert (
        sum(any(one != other and one.endswith(other) for one in names for other in names) for names in named)
        / len(named)
        > 0.1
    )


def test_draws_are_made_by_their_seed_and_fit_a_file(tmp_path):
    assert drawn() == tuple(itertools.islice(GENERATORS[TASK_ID].pairs(TASK_ID, "again"), COUNT)) != drawn("other")
    assert len({pair.question for pair in drawn()}) > 0.99 * COUNT
    assert all(
        pair.difficulty == len(pair.choices) - 1 and len(set(pair.choices)) == len(pair.choices) for pair in drawn()
    )
    pair_files.write(tmp_path / "pairs.jsonl", drawn())
    assert pair_files.read(tmp_path / "pairs.jsonl").pairs == [
        dataclasses.replace(pair, reading=None, probes=()) for pair in drawn()
    ]


@pytest.mark.parametrize(("lang", "question", "reason"), [("en", 900, 850), ("ja", 400, 380)])
def test_pairs_are_short_and_can_be_tokenized(lang, question, reason):
    for pair in drawn():
        if pair.lang == lang:
            assert len(pair.text) <= question and len(pair.rationale) <= reason
        assert unicodedata.normalize("NFKC", pair.rationale) == pair.rationale
        assert "=" not in pair.rationale and "<<" not in pair.rationale


def test_a_rationale_begins_by_copying_and_ends_in_its_answer():
    for pair in drawn():
        meant = pair.choices[string.ascii_uppercase.index(pair.answer)]
        assert pair.rationale.endswith((f"So {meant}, {pair.answer}.", f"よって{meant}、{pair.answer}。"))
        if pair.kind.endswith("/signature"):
            copied = re.split(
                "[,;、] ?", re.sub("Responded: |quiet: |反応: |無反応: |無", "", first_sentence(pair.rationale)[:-1])
            )
            assert all(name in pair.question for name in copied)


def test_the_checker_accepts_the_teacher():
    for pair in drawn():
        assert rationale_check.faults(pair, pair.rationale) == []


CASES = {
    "signature": Case(
        Kind.SIGNATURE,
        (SEAL, UNBALANCE, Row("leak", ("flow",))),
        ("leak", "unbalance", "seal wear"),
        ("vibration", "speed"),
        ("flow", "noise"),
    ),
    "several": Case(
        Kind.SIGNATURE, (SEAL, UNBALANCE, Row("leak", ("flow",))), ("leak", "unbalance", "seal wear"), ("vibration",)
    ),
    "sensor": Case(Kind.SENSOR, (SEAL, UNBALANCE), ("noise", "flow"), asked="seal wear"),
    "mode": Case(Kind.MODE, (SEAL, UNBALANCE), ("seal wear", "unbalance"), asked="speed"),
    "no rows": Case(Kind.SIGNATURE, (), ("seal wear", "unbalance"), ("flow",)),
}


@pytest.mark.parametrize(
    ("case", "old", "new"),
    [
        ("signature", "Responded: vibration, speed;", "Responded: vibration;"),
        ("signature", "quiet: flow, noise.", "quiet: noise, flow."),
        ("signature", "seal wear: vibration, flow;", "seal wear: vibration, speed;"),
        ("signature", "seal wear: vibration, flow;", "leak: vibration, flow;"),
        ("signature", "flow; speed not in row, no", "flow; fits"),
        ("signature", "flow; speed not in row, no", "flow; speed quiet, no"),
        ("signature", "flow; speed not in row, no", "flow; vibration not in row, no"),
        ("signature", "flow; speed not in row, no", "flow; noise quiet, no"),
        ("signature", "speed; fits", "speed; speed quiet, no"),
        ("signature", "unbalance: vibration, speed; fits. ", ""),
        ("signature", "So unbalance, B.", "So unbalance, C."),
        ("signature", "So unbalance, B.", "So seal wear, C."),
        ("signature", "So unbalance, B.", "So cannot tell, D."),
        ("signature", " So unbalance, B.", ""),
        ("signature", "So unbalance, B.", "So unbalance, B. So unbalance, B."),
        ("several", "Fit: seal wear, unbalance. ", ""),
        ("several", "Fit: seal wear, unbalance. ", "None fits. "),
        ("several", "Fit: seal wear, unbalance. ", "Fit: seal wear, leak. "),
        ("sensor", "noise: not in row, no", "noise: in row, no"),
        ("sensor", "noise: not in row, no", "noise: not in row, fits"),
        ("sensor", "noise: not in row, no. flow: in row, fits.", "flow: in row, fits. noise: not in row, no."),
        ("sensor", "Of seal wear: vibration, flow.", "Of seal wear: vibration, speed."),
        ("mode", "With speed.", "Without speed."),
        ("mode", "vibration, flow; no", "vibration, flow; fits"),
        ("mode", "vibration, speed; fits", "vibration, speed; no"),
        ("no rows", "No rows given.", "None fits."),
    ],
)
def test_the_checker_catches(case, old, new):
    pair = of_case(CASES[case])
    assert rationale_check.faults(pair, pair.rationale) == [] and pair.rationale.count(old) == 1, pair.rationale
    assert rationale_check.faults(pair, pair.rationale.replace(old, new))


def test_the_checker_takes_any_sensor_that_speaks_against_a_row():
    pair = of_case(CASES["signature"])
    assert "flow; speed not in row, no" in pair.rationale
    assert (
        rationale_check.faults(pair, pair.rationale.replace("flow; speed not in row, no", "flow; flow quiet, no")) == []
    )


@pytest.mark.parametrize(
    "said", ["", "。", "So", "Responded: ", "Responded: vibration, speed; quiet: flow, noise.", "a. " * 50]
)
def test_the_checker_survives_anything(said):
    for case in CASES.values():
        for lang in LANGUAGES:
            assert rationale_check.faults(of_case(case, lang), said)


# A rule base made up here, in the shape of the real one.

ROWS = {
    "press": {
        "belt tear": {"noise": 1, "speed": 1, "oil leakage": 0},
        "oil shortage": {"noise": 1, "speed": 0, "oil leakage": 1},
        "rust": {"noise": 0, "speed": 1, "oil leakage": 0},
    },
    "fan": {"belt tear": {"noise": 1, "speed": 1, "leakage": 0}, "rust": {"noise": 0, "speed": 0, "leakage": 1}},
}


def entries():
    by_mode = [
        {"asset_class": asset, "failure_mode": mode, "mc_targets": dict(targets)}
        for asset, modes in ROWS.items()
        for mode, targets in modes.items()
    ]
    by_sensor = [
        {"asset_class": asset, "sensor": sensor, "mc_targets": {mode: row[sensor] for mode, row in modes.items()}}
        for asset, modes in ROWS.items()
        for sensor in next(iter(modes.values()))
    ]
    return by_mode + by_sensor


def asking(**change):
    return {
        "id": 7,
        "asset_name": "press",
        "relevancy": "relevant_sensors_for_failure_mode",
        "options": ["speed", "oil leakage"],
        "question": "In press, which sensor shows oil shortage?",
        "correct": [False, True],
    } | change


def write(path, value):
    path.write_text(json.dumps(value) if path.suffix == ".json" else "".join(json.dumps(one) + "\n" for one in value))
    return path


@pytest.fixture
def rules(tmp_path):
    return failuresensoriq.read_rules(write(tmp_path / "rules.json", entries()))


def test_the_rule_base_is_read(rules):
    assert list(rules) == ["press", "fan"] and rules["press"].sensors == ("noise", "speed", "oil leakage")
    assert rules["press"].row("oil shortage") == Row("oil shortage", ("noise", "oil leakage"))
    assert list(failuresensoriq.left_out(rules, "press")) == ["fan"]
    with pytest.raises(failuresensoriq.RuleBaseError, match="expected one of press, fan, got 'pump'"):
        failuresensoriq.left_out(rules, "pump")


@pytest.mark.parametrize(
    ("at", "change", "said"),
    [
        (0, {"asset_class": None}, "entry 0: expected 'asset_class' to be a text"),
        (1, {"failure_mode": 3}, "entry 1: expected 'failure_mode' to be a text that is not empty, got 3"),
        (1, {"mc_targets": {}}, "entry 1: expected 'mc_targets' to be an object that is not empty"),
        (1, {"mc_targets": {"noise": 2}}, "entry 1: expected 'noise' of 'mc_targets' to be 0 or 1, got 2"),
        (1, {"mc_targets": {"noise": True}}, "entry 1: expected 'noise' of 'mc_targets' to be 0 or 1, got True"),
        (1, {"mc_targets": {"noise": [1]}}, "entry 1: expected 'noise' of 'mc_targets' to be 0 or 1"),
        (
            1,
            {"mc_targets": {"noise": 1}},
            "entry 1: expected the sensors of the first entry of 'press', .'oil leakage', 'speed'. ",
        ),
        (1, {"failure_mode": "belt tear"}, "entry 1: 'belt tear' of 'press' has an entry already"),
        (5, {"sensor": ""}, "entry 5: expected 'sensor' to be a text that is not empty"),
        (5, {"mc_targets": {"rust": 1}}, "entry 5: 'noise' and 'rust' of 'press' are 1, their entry by mode says 0"),
        (
            5,
            {"mc_targets": {"icing": 1}},
            "entry 5: 'noise' and 'icing' of 'press' are 1, their entry by mode says None",
        ),
    ],
)
def test_a_bad_rule_base_is_named(tmp_path, at, change, said):
    bad = entries()
    bad[at] |= change
    with pytest.raises(failuresensoriq.RuleBaseError, match=f"rules.json: {said}"):
        failuresensoriq.read_rules(write(tmp_path / "rules.json", bad))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected JSON"),
        ("[", "expected JSON"),
        ("[]", "expected a list of entries"),
        ("{}", "expected a list of entries"),
        ("[3]", "entry 0: expected an object, got 3"),
        ('[{"asset_class": "fan", "mc_targets": {"a": 1}}]', "entry 0: expected the key 'failure_mode' or 'sensor'"),
    ],
)
def test_a_file_that_is_no_rule_base_is_named(tmp_path, text, said):
    (tmp_path / "rules.json").write_text(text)
    with pytest.raises(failuresensoriq.RuleBaseError, match=f"rules.json: {said}"):
        failuresensoriq.read_rules(tmp_path / "rules.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"asset_name": "lathe"}, "no rows of 'lathe'"),
        ({"relevancy": "all"}, "expected 'relevancy' to be one of"),
        ({"question": None}, "expected 'question' to be a text"),
        ({"options": ["noise"]}, "expected 'options' to be 2 texts or more"),
        ({"options": ["noise", 3]}, "expected 'options' to be 2 texts or more"),
        ({"options": ["noise", "smell"]}, "'smell' is no sensor of 'press'"),
        ({"options": ["noise", "rust"]}, "'rust' is no sensor of 'press'"),
        ({"correct": [True, True]}, "expected 'correct' to be one true among 2"),
        ({"correct": [True]}, "expected 'correct' to be one true among 2"),
        ({"correct": [0, 1]}, "expected 'correct' to be one true among 2"),
        ({"question": "Which?"}, "the question names no failure mode of 'press'"),
    ],
)
def test_a_bad_question_is_named(tmp_path, rules, change, said):
    path = write(tmp_path / "questions.jsonl", [asking(), asking(**change)])
    with pytest.raises(failuresensoriq.RuleBaseError, match=f"questions.jsonl:2: {said}"):
        failuresensoriq.read_questions(path, rules)


def test_no_questions_are_named(tmp_path, rules):
    (tmp_path / "questions.jsonl").write_text("")
    with pytest.raises(
        failuresensoriq.RuleBaseError, match="questions.jsonl: expected one question a line, the file has none"
    ):
        failuresensoriq.read_questions(tmp_path / "questions.jsonl", rules)


@pytest.fixture
def questions(tmp_path, rules):
    return failuresensoriq.read_questions(
        write(
            tmp_path / "questions.jsonl",
            [
                asking(),
                asking(
                    id=8,
                    question="In press, what can be excluded if oil leakage is abnormal?",
                    options=["rust", "oil shortage"],
                    relevancy="irrelevant_failure_modes_for_sensor",
                    correct=[True, False],
                ),
                asking(
                    id=9,
                    asset_name="fan",
                    question="Which sensor shows belt tear in fan?",
                    options=["noise", "leakage"],
                    correct=[True, False],
                ),
            ],
        ),
        rules,
    )


def test_questions_open_and_closed_book(rules, questions):
    assert [question.asked for question in questions] == ["oil shortage", "oil leakage", "belt tear"]
    closed, opened = failuresensoriq.closed_book(questions[1]), failuresensoriq.open_book(questions[1], rules)
    assert closed.question == "In press, what can be excluded if oil leakage is abnormal?"
    assert closed.choices == ("rust", "oil shortage")
    assert opened.question == (
        "Rows of press: rust: speed; oil shortage: noise, oil leakage. "
        "In press, what can be excluded if oil leakage is abnormal?"
    )
    assert opened.choices == (*closed.choices, "cannot tell") and opened.answer == closed.answer == "A"
    assert opened.rationale.endswith("So rust, A.") and rationale_check.faults(opened, opened.rationale) == []
    assert failuresensoriq.open_book(questions[1], rules, cannot_tell=False).choices == closed.choices
    assert failuresensoriq.open_book(questions[0], rules).kind == "open book/relevant sensor"
    assert closed.kind == "closed book/irrelevant mode"


def test_the_longest_name_is_asked_for(tmp_path):
    rules = failuresensoriq.read_rules(
        write(
            tmp_path / "rules.json",
            [
                {"asset_class": "wear tester", "failure_mode": mode, "mc_targets": {"noise": 1, "speed": 0}}
                for mode in ("wear", "ring wear")
            ],
        )
    )
    questions = [
        asking(asset_name="wear tester", options=["noise", "speed"], correct=[True, False], question=text)
        for text in ("Which shows ring wear in wear tester?", "In wear tester, which shows wear?")
    ]
    read = failuresensoriq.read_questions(write(tmp_path / "questions.jsonl", questions), rules)
    assert [question.asked for question in read] == ["ring wear", "wear"]


def test_floors(rules, questions):
    assert failuresensoriq.uniform_floor(questions) == 1 / 2
    assert (
        failuresensoriq.copy_floor(questions[2:], failuresensoriq.left_out(rules, "fan")) == 1
    )  # the press tears alike
    # A tie: half of the fan's modes move the speed, half of all is 1 there.
    assert failuresensoriq.copy_floor(questions[:1], failuresensoriq.left_out(rules, "press")) == 1 / 2
    assert failuresensoriq.copy_floor(questions, rules) == 1


def test_closed_books_are_read_asset_by_asset_each_as_if_never_seen(rules, questions):
    books = failuresensoriq.by_asset(questions, rules)
    assert {name: [pair.id for pair in book.pairs] for name, book in books.items()} == {
        "press": ["closed-7-1", "closed-8-1"],
        "fan": ["closed-9-1"],
    }
    assert books["fan"].floors == {"a guess": 0.5, "the rows of the other assets": 1}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_real_rows_make_pairs_of_the_task(rules, lang, monkeypatch):
    monkeypatch.setattr(
        failuresensoriq,
        "JA",
        {
            "press": "プレス",
            "noise": "騒音",
            "speed": "速度",
            "belt tear": "ベルト破れ",
            "rust": "さび",
            "oil shortage": "油不足",
        },
    )
    made, unknown = failuresensoriq.matching(rules["press"], lang, 200, 1)
    assert unknown == (["oil leakage"] if lang == "ja" else [])
    again, other = (failuresensoriq.matching(rules["press"], lang, 200, seed)[0] for seed in (1, 2))
    assert made == again != other
    check_solved(made)
    assert not any(rationale_check.faults(pair, pair.rationale) for pair in made)
    assert {pair.kind.split("/")[1] for pair in made} >= {kind.value for kind in Kind}
    assert all("oil leakage" not in pair.text for pair in made) == (lang == "ja")


def test_an_asset_is_translated_but_for_unknown_words(rules, monkeypatch):
    monkeypatch.setattr(
        failuresensoriq,
        "JA",
        {"press": "プレス", "noise": "騒音", "speed": "速度", "belt tear": "ベルト破れ", "rust": "さび"},
    )
    press, unknown = failuresensoriq.translated(rules["press"])
    assert press == failuresensoriq.Asset(
        "プレス", ("騒音", "速度"), (Row("ベルト破れ", ("騒音", "速度")), Row("さび", ("速度",)))
    )
    assert unknown == ["oil leakage", "oil shortage"]


def test_rows_that_yield_no_question_are_named(tmp_path):
    path = write(tmp_path / "rules.json", [{"asset_class": "fan", "failure_mode": "rust", "mc_targets": {"noise": 1}}])
    with pytest.raises(failuresensoriq.RuleBaseError, match="fan: 1 rows of 1 sensors yield no question"):
        failuresensoriq.matching(failuresensoriq.read_rules(path)["fan"], "en", 1, 1)


def test_an_asset_without_japanese_is_named(rules):
    with pytest.raises(failuresensoriq.RuleBaseError, match="no Japanese is known for the asset 'press'"):
        failuresensoriq.matching(rules["press"], "ja", 1, 1)
