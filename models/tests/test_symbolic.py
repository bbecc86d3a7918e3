"""Generated questions answered again by other means than their teacher's, from nothing but their text."""

import datetime
import itertools
import re
from collections import Counter

import pytest

from sokutou_train.pair import LANGUAGES
from sokutou_train.teachers import symbolic
from sokutou_train.teachers.symbolic import GENERATORS

COUNT = 1500


def drawn(task, lang, seed="again"):
    return [pair for pair in itertools.islice(GENERATORS[task].pairs(task, seed), 2 * COUNT) if pair.lang == lang]


def coin_flip(pair, lang):
    turns = len(re.findall("turns the coin over|flips the coin|裏返す", pair.question))
    leaves = len(re.findall("leaves the coin as it is|does not flip|裏返さない", pair.question))
    assert turns + leaves == pair.difficulty
    return "no" if turns % 2 else "yes"


def last_letters(pair, lang):
    words = re.search('["「](.*)["」]', pair.question)[1].split("、" if lang == "ja" else " ")
    assert len(words) == pair.difficulty
    return "".join(word[-1:] for word in words)


def shuffled_objects(pair, lang):
    """Follows each object from hand to hand, where the teacher follows each hand."""
    told = re.findall(
        r"(\w+) (?:has the|has a|gets|is playing|is dancing with) ([\w -]+?)[,.]"
        if lang == "en"
        else "(?:はじめに|、)(.+?)さんは(.+?)(?=、|を持つ)",
        pair.question,
    )
    swaps = re.findall(
        r"(\w+) and (\w+) (?:swap|trade|switch)\b" if lang == "en" else "([^。]+?)さんと([^。]+?)さんが交換する。",
        pair.question,
    )
    assert (len(told), len(swaps)) == (3, pair.difficulty)
    asked = re.search(
        r"the end (?:of the \w+, )?(\w+) (?:has|is)" if lang == "en" else "最後に(.+)さんが持つのは", pair.question
    )[1]
    for person, thing in told:
        for a, b in swaps:
            person = {a: b, b: a}.get(person, person)
        if person == asked:
            return "ABC"[pair.choices.index(thing)]
    raise AssertionError("nobody holds anything")


def dates(pair, lang):
    if lang == "ja":
        start = datetime.date(*map(int, re.match(r"(\d+)年(\d+)月(\d+)日", pair.question).groups()))
        shifts = re.findall("(翌日|前日|[0-9]+(?:日|週間)[前後])", pair.question)
        days = sum(
            {"翌日": 1, "前日": -1}.get(shift)
            or int(re.match(r"\d+", shift)[0]) * (7 if "週" in shift else 1) * (-1 if shift.endswith("前") else 1)
            for shift in shifts
        )
        wanted = start + datetime.timedelta(days)
        written = f"{wanted.year}年{wanted.month}月{wanted.day}日"
    elif said := re.match(r"(.+) What is the date (.+) in MM/DD/YYYY\?$", pair.question):
        written, shifts = date_of_today(*said.groups())
    else:
        month, day, year = map(int, re.search(r"(\d+)/(\d+)/(\d+)\?", pair.question).groups())
        shifts = re.findall(r"(the|one|two|ten) (day|days|week) (before|after)", pair.question)
        days = sum(
            {"the": 1, "one": 1, "two": 2, "ten": 10}[count]
            * (7 if unit == "week" else 1)
            * (1 if way == "after" else -1)
            for count, unit, way in shifts
        )
        written = (datetime.date(year, month, day) + datetime.timedelta(days)).strftime("%m/%d/%Y")
    assert len(shifts) == pair.difficulty
    return "ABCDEF"[pair.choices.index(written)]


def date_of_today(told, asked):
    """The date asked for, and the shifts that lead to it."""
    date = re.search(r"(\d+)/(\d+)/(\d{4})", told)
    if date:
        month, day, year = map(int, date.groups())
    else:
        date = re.search(r"([A-Z][a-z]{2})[a-z]* (\d+), (\d{4})", told)
        month, day, year = "JanFebMarAprMayJunJulAugSepOctNovDec".index(date[1]) // 3 + 1, int(date[2]), int(date[3])
    days = {
        "day before yesterday": 2,
        "Yesterday": 1,
        "delayed by one day": 1,
        "Today is": 0,
        "It is": 0,
        "omorrow": -1,
        "2 days away": -2,
    }
    (off,) = {days[words] for words in days if words in told}
    today = datetime.date(year, month, day) + datetime.timedelta(off)
    if asked in ("a month ago", "one year ago from today"):
        month, year = (
            (today.month, today.year - 1)
            if "year" in asked
            else ((today.month - 2) % 12 + 1, today.year - (today.month == 1))
        )
        meant = datetime.date(year, month, today.day)
    else:
        meant = today + datetime.timedelta(
            {
                "today": 0,
                "tomorrow": 1,
                "24 hours later": 1,
                "yesterday": -1,
                "10 days ago": -10,
                "one week ago from today": -7,
                "one week from today": 7,
            }[asked]
        )
    return meant.strftime("%m/%d/%Y"), [shift for shift in (off, meant != today) if shift]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("solve", [coin_flip, last_letters, shuffled_objects, dates], ids=lambda solve: solve.__name__)
def test_the_answer_follows_from_the_question(solve, lang):
    pairs = drawn(solve.__name__, lang)
    assert len(pairs) > COUNT / 2
    for pair in pairs:
        assert solve(pair, lang) == pair.answer, pair.question


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("task", GENERATORS)
def test_a_rationale_ends_in_its_answer_and_grows_with_difficulty(task, lang):
    ends = (
        {"yes": ("heads.", "表。"), "no": ("tails.", "裏。")} if task == "coin_flip" else {}
    )  # last letters may join to "no"
    pairs = drawn(task, lang)
    for pair in pairs:
        meant = pair.choices[ord(pair.answer) - ord("A")] if pair.choices else pair.answer
        assert pair.rationale.endswith(ends.get(pair.answer, (f"{meant}.", f"{meant}。")))
    lengths = [max(len(p.rationale) for p in pairs if p.difficulty == d) for d in GENERATORS[task].difficulties]
    assert lengths == sorted(lengths) and len(set(lengths)) == len(lengths)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_about_half_of_the_words_are_made_up(lang):
    known = set(symbolic._NAMES[lang])
    words = [
        word
        for pair in drawn("last_letters", lang)
        for word in re.search('["「](.*)["」]', pair.question)[1].split("、" if lang == "ja" else " ")
    ]
    assert 0.4 < sum(word in known for word in words) / len(words) < 0.6
    made = set(words) - known
    assert len(made) > 300 and len({word[-1] for word in made}) > 15
    assert (
        all(2 <= len(word) <= 5 for word in made)
        if lang == "ja"
        else all(word.istitle() and 3 <= len(word) <= 8 for word in made)
    )


def test_choices_do_not_stand_in_the_order_of_the_story():
    pairs = drawn("shuffled_objects", "en")
    told = sum(list(pair.choices) == sorted(pair.choices, key=pair.question.index) for pair in pairs)
    assert told < len(pairs) / 3  # one of six orders


@pytest.mark.parametrize("task", GENERATORS)
def test_draws_are_made_by_their_seed_and_spread(task):
    one, same, other = (list(itertools.islice(GENERATORS[task].pairs(task, seed), 600)) for seed in (1, 1, 2))
    assert one == same and one != other
    assert len({pair.id for pair in one}) == 600
    difficulties = Counter(pair.difficulty for pair in one)
    assert set(difficulties) == set(GENERATORS[task].difficulties)
    answers = Counter(pair.answer for pair in one)
    if one[0].choices:  # no letter is a way to guess
        assert max(answers.values()) < 1.4 * 600 / len(one[0].choices)
    assert all(len(set(pair.choices)) == len(pair.choices) for pair in one if pair.choices)
