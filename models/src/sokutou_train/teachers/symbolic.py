"""Teachers that are always right: coin flip, last letters, shuffled objects and dates, generated with exact rationales.

The tasks are those of the chain-of-thought papers (Wei et al. 2022, BIG-bench), in wording of our own, English and
Japanese; half of the English questions are put the way those papers put them, so that published tests ask what was
taught. Difficulty is the number of steps that the reasoning takes, so that a student's answers can be judged by it.
Everything made here is *generated*, and says so. Reads no file of anybody's questions.
"""

from __future__ import annotations

import datetime
import itertools
import random
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..pair import Probe
from .generator import Generator, Said
from .probing import at_choices, at_parts, one_of, sign

_NAMES = {
    "en": (
        "Aaron",
        "Alice",
        "Beth",
        "Bob",
        "Carla",
        "Claire",
        "Dmitri",
        "Elsa",
        "Farid",
        "Greta",
        "Hugo",
        "Ines",
        "Jonas",
        "Kofi",
        "Lucia",
        "Mehmet",
        "Nora",
        "Otto",
        "Priya",
        "Quentin",
        "Rosa",
        "Stefan",
        "Tamar",
        "Ulrich",
        "Vera",
        "Wendel",
        "Xenia",
        "Yusuf",
        "Zelda",
    ),
    "ja": (
        "さくら",
        "はると",
        "ひなた",
        "みなと",
        "あおい",
        "そうた",
        "ゆうき",
        "めぐみ",
        "けんじ",
        "なおこ",
        "たける",
        "ちひろ",
        "まこと",
        "あきら",
        "しんいち",
        "ようこ",
        "かなえ",
        "ごろう",
        "すみれ",
        "とおる",
        "のぞみ",
        "ふみお",
        "みつき",
        "りく",
    ),
}
_KANA = (
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわ",
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワ",
)
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxyz", "aeiou"


def _names(rng: random.Random, lang: str, count: int) -> list[str]:
    """As many different names, about half of them made up: a list of names can be learned by heart, and letters are not
    read then."""
    names = rng.sample(_NAMES[lang], count)
    for at in range(count):
        if rng.random() < 0.5:
            while (made := made_up(rng, lang)) in names:
                pass
            names[at] = made
    return names


def made_up(rng: random.Random, lang: str) -> str:
    """A word that nobody has seen."""
    if lang == "ja":
        return "".join(rng.choices(rng.choice(_KANA), k=rng.randint(2, 5)))
    first = rng.randrange(2)
    return "".join(rng.choice((_CONSONANTS, _VOWELS)[(first + at) % 2]) for at in range(rng.randint(3, 8))).capitalize()


def coin_flip(rng: random.Random, lang: str, difficulty: int) -> Said:
    """A coin starts heads up; `difficulty` people turn it over or leave it. Is it heads up still?"""
    names = _names(rng, lang, difficulty)
    turns = [rng.random() < 0.5 for _ in names]
    sides = list(itertools.accumulate(turns, lambda heads, turn: heads != turn, initial=True))[1:]
    answer = "yes" if sides[-1] else "no"
    if lang == "ja":
        side = {True: "表", False: "裏"}
        acts = [
            f"{name}さんがコインを裏返{'す' if turn else 'さない'}。" for name, turn in zip(names, turns, strict=True)
        ]
        steps = "".join(f"{name}さんの後は{side[heads]}。" for name, heads in zip(names, sides, strict=True))
        question = f"コインは表向き。{''.join(acts)}コインはまだ表向きか？"
        return Said(question, answer, f"はじめは表。{steps}", probes=_turned(question, acts, sides))
    side = {True: "heads", False: "tails"}
    lies, turned, left = rng.choice(
        (
            ("A coin lies heads up.", "turns the coin over", "leaves the coin as it is"),
            ("A coin is heads up.", "flips the coin", "does not flip the coin"),
        )
    )
    acts = [f"{name} {turned if turn else left}." for name, turn in zip(names, turns, strict=True)]
    steps = " ".join(f"After {name}: {side[heads]}." for name, heads in zip(names, sides, strict=True))
    question = f"{lies} {' '.join(acts)} Is the coin still heads up?"
    return Said(question, answer, f"At first: heads. {steps}", probes=_turned(question, acts, sides))


def _turned(question: str, acts: list[str], sides: list[bool]) -> tuple[Probe, ...]:
    """Behind each act: is the coin heads up?"""
    return at_parts("side", question, acts, ((sign(heads),) for heads in sides))


def last_letters(rng: random.Random, lang: str, difficulty: int) -> Said:
    """The last letters of `difficulty` words, joined."""
    words = _names(rng, lang, difficulty)
    answer = "".join(word[-1] for word in words)
    if lang == "ja":
        steps = "".join(f"{word}は{word[-1]}。" for word in words)
        return Said(f"「{'、'.join(words)}」の最後の文字を順につなげると？", answer, f"{steps}つなげて{answer}。")
    steps = " ".join(f"{word}: {word[-1]}." for word in words)
    put = rng.choice(
        (
            'Join the last letters of the words "{}".',
            'Take the last letters of each words in "{}" and concatenate them.',
        )
    )  # their grammar
    return Said(put.format(" ".join(words)), answer, f"{steps} Joined: {answer}.")


_OBJECTS = {
    "en": ("red ball", "blue ball", "green box", "white cap", "black key", "yellow cup", "brown book", "purple pen"),
    "ja": ("赤い玉", "青い玉", "緑の箱", "白い帽子", "黒い鍵", "黄色いコップ", "茶色の本", "紫のペン"),
}
_PEOPLE = 3
_COLOURS = ("black", "blue", "brown", "green", "orange", "pink", "purple", "red", "white", "yellow")


@dataclass(frozen=True)
class _Story:
    """A kind of the published questions. `{}` stands for the three people."""

    start: str
    held: str  # between a person and what the person holds
    meanwhile: str
    swap: str  # behind two people
    end: str
    kept: str  # between the person asked about and the answer
    objects: tuple[str, ...]


_STORIES = (
    _Story(
        "{} are playing a game. At the start of the game, they are each holding a ball:",
        "has a",
        "As the game progresses, pairs of players trade balls.",
        "swap balls",
        "At the end of the game,",
        "has the",
        tuple(f"{colour} ball" for colour in _COLOURS),
    ),
    _Story(
        "{} are holding a white elephant gift exchange. At the start of the event, they are each holding a present of "
        "a different "
        "color:",
        "has a",
        "As the event progresses, pairs of people swap gifts.",
        "swap their gifts",
        "At the end of the event,",
        "has the",
        tuple(f"{colour} present" for colour in _COLOURS),
    ),
    _Story(
        "{} are dancers at a square dance. At the start of a song, they each have a partner:",
        "is dancing with",
        "Throughout the song, the dancers often trade partners.",
        "switch partners",
        "At the end of the dance,",
        "is dancing with",
        ("Helga", "Izzi", "Jamie", "Karl", "Lola", "Melissa", "Ophelia", "Patrick", "Rodrigo", "Sam"),
    ),
    _Story(
        "{} are friends and avid readers who occasionally trade books. At the start of the semester, they each buy one "
        "new book:",
        "gets",
        "As the semester proceeds, they start trading around the new books.",
        "swap books",
        "At the end of the semester,",
        "has",
        (
            "Catch-22",
            "Frankenstein",
            "Hound of the Baskervilles",
            "Lolita",
            "Moby Dick",
            "The Fellowship of the Ring",
            "The Great Gatsby",
            "The Odyssey",
            "The Pearl",
            "Ulysses",
        ),
    ),
    _Story(
        "{} are on the same team in a soccer match. At the start of the match, they are each assigned to a position:",
        "is playing",
        "As the game progresses, pairs of players occasionally swap positions.",
        "trade positions",
        "At the end of the match,",
        "is playing",
        (
            "benchwarmer",
            "center midfielder",
            "cheerleader",
            "fullback",
            "goalkeeper",
            "left midfielder",
            "left winger",
            "right midfielder",
            "right winger",
            "striker",
        ),
    ),
)


def shuffled_objects(rng: random.Random, lang: str, difficulty: int) -> Said:
    """Three people hold an object each and make `difficulty` swaps. What does one of them hold in the end?"""
    story = rng.choice(_STORIES) if lang == "en" and rng.random() < 0.5 else None
    names, objects = _names(rng, lang, _PEOPLE), rng.sample(story.objects if story else _OBJECTS[lang], _PEOPLE)
    choices = rng.sample(objects, _PEOPLE)
    held = dict(zip(names, objects, strict=True))
    swaps, steps = [], [dict(held)]
    for _ in range(difficulty):
        a, b = rng.sample(names, 2)
        held[a], held[b] = held[b], held[a]
        swaps.append((a, b))
        steps.append(dict(held))
    asked = rng.choice(names)
    answer = string.ascii_uppercase[choices.index(held[asked])]
    named = [*itertools.chain(*swaps), asked]

    def said(question: str, told: list[str], rationale: str) -> Said:
        """Behind what is told of the beginning and behind each swap: which object has each person? Behind each name
        from then on: which person is it? Behind each choice: which object, and is it the answer? People and objects as
        at the beginning."""
        holding = (tuple(float(step[name] == thing) for name in names for thing in objects) for step in steps)
        begun = question.index(told[0]) + len(told[0])
        return Said(
            question,
            answer,
            rationale,
            tuple(choices),
            probes=(
                *at_parts("holding", question, told, holding),
                *at_parts("who", question, named, (one_of(_PEOPLE, names.index(name)) for name in named), begun),
                *at_choices("what", question, choices, (one_of(_PEOPLE, objects.index(thing)) for thing in choices)),
                *at_choices("choice", question, choices, ((sign(thing == held[asked]),) for thing in choices)),
            ),
        )

    if lang == "ja":
        holds = ["、".join(f"{name}さんは{thing}" for name, thing in step.items()) for step in steps]
        acts = [f"{a}さんと{b}さんが交換する。" for a, b in swaps]
        return said(
            f"はじめに{holds[0]}を持つ。{''.join(acts)}最後に{asked}さんが持つのは？",
            [f"{holds[0]}を持つ。", *acts],
            f"{'。'.join(holds)}。{asked}さんは{held[asked]}。",
        )
    kept = " ".join(f"{', '.join(f'{name} {thing}' for name, thing in step.items())}." for step in steps)
    if story:
        a, b, c = names
        holds = [f"{name} {story.held} {thing}" for name, thing in zip(names, objects, strict=True)]
        order = ["First", *["Then"] * (difficulty - 2), "Finally"]
        acts = [f"{when}, {a} and {b} {story.swap}." for when, (a, b) in zip(order, swaps, strict=False)]
        return said(
            f"{story.start.format(f'{a}, {b}, and {c}')} {holds[0]}, {holds[1]}, and {holds[2]}.\n\n{story.meanwhile} "
            f"{' '.join(acts)} {story.end} {asked} {story.kept}",
            [f"and {holds[2]}.", *acts],
            f"{kept} {asked} {story.kept} {held[asked]}.",
        )
    held_first = ", ".join(f"{name} has the {thing}" for name, thing in steps[0].items())
    acts = [f"{a} and {b} swap." for a, b in swaps]
    return said(
        f"{held_first}. {' '.join(acts)} At the end {asked} has which?",
        [f"{held_first}.", *acts],
        f"{kept} {asked} has the {held[asked]}.",
    )


_FIRST_DAY, _DAYS = datetime.date(1970, 1, 1), 25_000
_SHIFTS = {  # days, as the question asks and as the question tells
    -7: ("one week before", "1週間前"),
    -2: ("two days before", "2日前"),
    -1: ("the day before", "前日"),
    1: ("the day after", "翌日"),
    2: ("two days after", "2日後"),
    7: ("one week after", "1週間後"),
    10: ("ten days after", "10日後"),
}
_DATE_CHOICES = 6
_TODAY_FROM = {  # days from the date that is told to today
    0: ("Today is {}.", "It is {} today."),
    1: ("Yesterday was {}.", "The concert was scheduled to be on {}, but was delayed by one day to today."),
    2: ("The day before yesterday was {}.",),
    -1: ("Tomorrow is {}.", "Jane booked a flight for tomorrow, {}."),
    -2: ("The deadline is {}, which is 2 days away from now.",),
}
_ASKED = {
    0: "today",
    1: "tomorrow",
    -1: "yesterday",
    -10: "10 days ago",
    -7: "one week ago from today",
    7: "one week from today",
    "hours": "24 hours later",
    "month": "a month ago",
    "year": "one year ago from today",
}


def dates(rng: random.Random, lang: str, difficulty: int) -> Said:
    """A date, and `difficulty` shifts by days, each from the day before it. Which date is meant?"""
    start = _FIRST_DAY + datetime.timedelta(rng.randrange(_DAYS))
    if lang == "en" and difficulty <= 2 and rng.random() < 0.5:
        return _date_of_today(rng, start, difficulty)
    shifts = [rng.choice(list(_SHIFTS)) for _ in range(difficulty)]
    days = list(itertools.accumulate(shifts, lambda day, shift: day + datetime.timedelta(shift), initial=start))
    written = _date_ja if lang == "ja" else _date_en
    choices = _date_choices(rng, days[-1])
    if lang == "ja":
        told = [written(start), *(_SHIFTS[shift][1] for shift in shifts)]
        steps = "".join(
            f"その{_SHIFTS[shift][1]}は{written(day)}。" for shift, day in zip(shifts, days[1:], strict=True)
        )
        question = f"{'の'.join(told)}は何月何日か？"
        return _dated(
            question, written, choices, days[-1], f"{written(start)}から。{steps}", zip(told, days, strict=False)
        )
    meant = " ".join([*(_SHIFTS[shift][0] for shift in reversed(shifts)), written(start)])
    steps = " ".join(
        f"{_SHIFTS[shift][0].capitalize()}: {written(day)}." for shift, day in zip(shifts, days[1:], strict=True)
    )
    question = f"Which date (MM/DD/YYYY) is {meant}?"
    return _dated(question, written, choices, days[-1], f"From {written(start)}. {steps}", [(question, days[-1])])


def _date_of_today(rng: random.Random, told: datetime.date, difficulty: int) -> Said:
    """As the published questions ask: what today is follows from the date that is told, and the date asked for from
    today."""
    off, shift = rng.choice(
        [(off, shift) for off in _TODAY_FROM for shift in _ASKED if bool(off) + bool(shift) == difficulty]
    )
    today = told + datetime.timedelta(off)
    if shift in ("month", "year"):  # not from a day that the other month may lack
        told -= datetime.timedelta(max(0, today.day - 28))
        today = told + datetime.timedelta(off)
        month, year = (
            (today.month - 1 or 12, today.year - (today.month == 1))
            if shift == "month"
            else (today.month, today.year - 1)
        )
        meant = today.replace(year=year, month=month)
    else:
        meant = today + datetime.timedelta(shift if isinstance(shift, int) else 1)
    month_name, day, year = f"{told:%B}", told.day, told.year
    spelt = rng.choice(
        (f"{month_name} {day}, {year}", f"{month_name[:3]} {day}, {year}", f"{told.month}/{day}/{year}", _date_en(told))
    )
    steps = [
        _date_en(told),
        f"Today: {_date_en(today)}",
        *([f"{_ASKED[shift].capitalize()}: {_date_en(meant)}"] if shift else []),
    ]
    choices, said = _date_choices(rng, meant), rng.choice(_TODAY_FROM[off]).format(spelt)
    asked = f" What is the date {_ASKED[shift]} in MM/DD/YYYY?"
    return _dated(said + asked, _date_en, choices, meant, f"From {'. '.join(steps)}.", [(said, today), (asked, meant)])


def _dated(
    question: str,
    written: Callable[[datetime.date], str],
    choices: list[datetime.date],
    meant: datetime.date,
    rationale: str,
    told: Iterable[tuple[str, datetime.date]],
) -> Said:
    """Behind each part of the question that tells a date: which one? Behind each choice: has it the year, month and day
    that are meant, and is it the answer?"""
    parts, days = zip(*told, strict=False)
    texts, fields = [written(day) for day in choices], [(day.year, day.month, day.day) for day in choices]
    same = [
        tuple(sign(own == right) for own, right in zip(day, (meant.year, meant.month, meant.day), strict=False))
        for day in fields
    ]
    return Said(
        question,
        string.ascii_uppercase[choices.index(meant)],
        rationale,
        tuple(texts),
        probes=(
            *at_parts("date", question, parts, (_fields(day) for day in days)),
            *at_choices("same", question, texts, same),
            *at_choices("choice", question, texts, ((sign(day == meant),) for day in choices)),
        ),
    )


def _fields(day: datetime.date) -> tuple[float, ...]:
    """The year's last digit, the month and the day, each as one of so many."""
    return (*one_of(10, day.year % 10), *one_of(12, day.month - 1), *one_of(31, day.day - 1))


def _date_choices(rng: random.Random, right: datetime.date) -> list[datetime.date]:
    near = [right + datetime.timedelta(off) for off in (-31, -14, -10, -7, -2, -1, 1, 2, 7, 10, 14, 31)]
    return rng.sample([*rng.sample(near, _DATE_CHOICES - 1), right], _DATE_CHOICES)


def _date_en(day: datetime.date) -> str:
    return f"{day:%m/%d/%Y}"


def _date_ja(day: datetime.date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


GENERATORS = {
    "coin_flip": Generator(coin_flip, range(1, 9)),
    "last_letters": Generator(last_letters, range(1, 7)),
    "shuffled_objects": Generator(shuffled_objects, range(1, 7)),
    "dates": Generator(dates, range(1, 5)),
}
