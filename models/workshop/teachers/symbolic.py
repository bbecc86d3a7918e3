"""Teachers that are always right: coin flip, last letters, shuffled objects and dates, generated with exact rationales.

The tasks are those of the chain-of-thought papers (Wei et al. 2022, BIG-bench), in wording of our own, English and Japanese.
Difficulty is the number of steps that the reasoning takes, so that a student's answers can be judged by it. Everything
made here is *generated*, and says so. Reads no file of anybody's questions.
"""

from __future__ import annotations

import datetime
import itertools
import random
import string

from .generator import Generator, Said

_NAMES = {
    "en": ("Aaron", "Beth", "Carla", "Dmitri", "Elsa", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kofi", "Lucia", "Mehmet", "Nora",
           "Otto", "Priya", "Quentin", "Rosa", "Stefan", "Tamar", "Ulrich", "Vera", "Wendel", "Xenia", "Yusuf", "Zelda"),
    "ja": ("さくら", "はると", "ひなた", "みなと", "あおい", "そうた", "ゆうき", "めぐみ", "けんじ", "なおこ", "たける", "ちひろ", "まこと", "あきら",
           "しんいち", "ようこ", "かなえ", "ごろう", "すみれ", "とおる", "のぞみ", "ふみお", "みつき", "りく"),
}
_KANA = ("あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわ",
         "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワ")
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxyz", "aeiou"


def _names(rng: random.Random, lang: str, count: int) -> list[str]:
    """As many different names, about half of them made up: a list of names can be learned by heart, and letters are not read then."""
    names = rng.sample(_NAMES[lang], count)
    for at in range(count):
        if rng.random() < 0.5:
            while (made := _made_up(rng, lang)) in names:
                pass
            names[at] = made
    return names


def _made_up(rng: random.Random, lang: str) -> str:
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
        told = "".join(f"{name}さんがコインを裏返{'す' if turn else 'さない'}。" for name, turn in zip(names, turns, strict=True))
        steps = "".join(f"{name}さんの後は{side[heads]}。" for name, heads in zip(names, sides, strict=True))
        return Said(f"コインは表向き。{told}コインはまだ表向きか？", answer, f"はじめは表。{steps}")
    side = {True: "heads", False: "tails"}
    told = " ".join(f"{name} {'turns the coin over' if turn else 'leaves the coin as it is'}."
                    for name, turn in zip(names, turns, strict=True))
    steps = " ".join(f"After {name}: {side[heads]}." for name, heads in zip(names, sides, strict=True))
    return Said(f"A coin lies heads up. {told} Is the coin still heads up?", answer, f"At first: heads. {steps}")


def last_letters(rng: random.Random, lang: str, difficulty: int) -> Said:
    """The last letters of `difficulty` words, joined."""
    words = _names(rng, lang, difficulty)
    answer = "".join(word[-1] for word in words)
    if lang == "ja":
        steps = "".join(f"{word}は{word[-1]}。" for word in words)
        return Said(f"「{'、'.join(words)}」の最後の文字を順につなげると？", answer, f"{steps}つなげて{answer}。")
    steps = " ".join(f"{word}: {word[-1]}." for word in words)
    return Said(f'Join the last letters of the words "{" ".join(words)}".', answer, f"{steps} Joined: {answer}.")


_OBJECTS = {
    "en": ("red ball", "blue ball", "green box", "white cap", "black key", "yellow cup", "brown book", "purple pen"),
    "ja": ("赤い玉", "青い玉", "緑の箱", "白い帽子", "黒い鍵", "黄色いコップ", "茶色の本", "紫のペン"),
}
_PEOPLE = 3


def shuffled_objects(rng: random.Random, lang: str, difficulty: int) -> Said:
    """Three people hold an object each and make `difficulty` swaps. What does one of them hold in the end?"""
    names, objects = _names(rng, lang, _PEOPLE), rng.sample(_OBJECTS[lang], _PEOPLE)
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
    if lang == "ja":
        holds = ["、".join(f"{name}さんは{thing}" for name, thing in step.items()) for step in steps]
        told = "".join(f"{a}さんと{b}さんが交換する。" for a, b in swaps)
        return Said(f"はじめに{holds[0]}を持つ。{told}最後に{asked}さんが持つのは？", answer,
                    f"{'。'.join(holds)}。{asked}さんは{held[asked]}。", tuple(choices))
    holds = ", ".join(f"{name} has the {thing}" for name, thing in steps[0].items())
    told = " ".join(f"{a} and {b} swap." for a, b in swaps)
    kept = " ".join(f"{', '.join(f'{name} {thing}' for name, thing in step.items())}." for step in steps)
    return Said(f"{holds}. {told} At the end {asked} has which?", answer,
                f"{kept} {asked} has the {held[asked]}.", tuple(choices))


_FIRST_DAY, _DAYS = datetime.date(1970, 1, 1), 25_000
_SHIFTS = {  # days, as the question asks and as the question tells
    -7: ("one week before", "1週間前"), -2: ("two days before", "2日前"), -1: ("the day before", "前日"),
    1: ("the day after", "翌日"), 2: ("two days after", "2日後"), 7: ("one week after", "1週間後"), 10: ("ten days after", "10日後"),
}
_DATE_CHOICES = 6


def dates(rng: random.Random, lang: str, difficulty: int) -> Said:
    """A date, and `difficulty` shifts by days, each from the day before it. Which date is meant?"""
    start = _FIRST_DAY + datetime.timedelta(rng.randrange(_DAYS))
    shifts = [rng.choice(list(_SHIFTS)) for _ in range(difficulty)]
    days = list(itertools.accumulate(shifts, lambda day, shift: day + datetime.timedelta(shift), initial=start))
    written = _date_ja if lang == "ja" else _date_en
    near = [days[-1] + datetime.timedelta(off) for off in (-31, -14, -10, -7, -2, -1, 1, 2, 7, 10, 14, 31)]
    choices = [written(day) for day in rng.sample([*rng.sample(near, _DATE_CHOICES - 1), days[-1]], _DATE_CHOICES)]
    answer = string.ascii_uppercase[choices.index(written(days[-1]))]
    if lang == "ja":
        meant = "の".join([written(start), *(_SHIFTS[shift][1] for shift in shifts)])
        steps = "".join(f"その{_SHIFTS[shift][1]}は{written(day)}。" for shift, day in zip(shifts, days[1:], strict=True))
        return Said(f"{meant}は何月何日か？", answer, f"{written(start)}から。{steps}", tuple(choices))
    meant = " ".join([*(_SHIFTS[shift][0] for shift in reversed(shifts)), written(start)])
    steps = " ".join(f"{_SHIFTS[shift][0].capitalize()}: {written(day)}." for shift, day in zip(shifts, days[1:], strict=True))
    return Said(f"Which date (MM/DD/YYYY) is {meant}?", answer, f"From {written(start)}. {steps}", tuple(choices))


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
