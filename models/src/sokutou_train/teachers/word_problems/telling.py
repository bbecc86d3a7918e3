"""Tells a word problem: chooses the wording of a story, its names and things, and how its numbers are written.

Reckons nothing; `reckoning` brings the numbers.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ...pair import LANGUAGES
from . import reckoning, words_en, words_ja

MADE_UP_SHARE = 0.12  # of the English names: nobody's, so that any name will do
SPELLED_SHARE = 0.06  # of the stories, small numbers in words
SPACED_SHARE = 0.3  # of the English stories, punctuation apart from the words, as some test sets have it
MONEY_DECIMALS = 2
_SLOT = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_MEASURES = "|".join(words_en.WORDS["u"] + words_en.WORDS["v"])
_COUNTERS = {"k": "o", "k2": "p", "k3": "q"}


@dataclass(frozen=True)
class Story:
    lang: str
    expression: str
    text: str
    decimals: bool
    held_out: bool

    @property
    def kind(self) -> str:
        return reckoning.kind(self.expression)

    @property
    def spare(self) -> set[str]:
        """Numbers told that nothing needs."""
        return {slot for slot in _SLOT.findall(self.text) if slot in tuple("abcxy")} - reckoning.names(self.expression)

    @property
    def difficulties(self) -> tuple[int, ...]:
        """Steps, or 3 where a number is not needed; a story of none such can be given one by an aside."""
        return (3,) if self.spare else (len(reckoning.signs(self.expression)), 3)


SOURCES = {lang: Path(__file__).parent / f"stories_{lang}.txt" for lang in LANGUAGES}


def _lines(lang: str) -> list[tuple[str, str]]:
    """What stands before ` :: `, and the text behind it."""
    lines = SOURCES[lang].read_text(encoding="utf-8").splitlines()
    parted = (line.partition(" :: ") for line in lines if line and not line.startswith("#"))
    return [(head, text) for head, _, text in parted]


STORIES = [
    Story(lang, head.lstrip("~!"), text, "~" in head, "!" in head)
    for lang in LANGUAGES
    for head, text in _lines(lang)
    if head != "aside"
]
_ASIDES = {lang: [text for head, text in _lines(lang) if head == "aside"] for lang in LANGUAGES}


def tell(rng: random.Random, story: Story, aside: bool) -> tuple[str, dict[str, str]]:
    """The question, and the numbers it tells. With `aside`, one number more than the story has."""
    text = _chosen(rng, story.text)
    if aside:
        said = _chosen(rng, rng.choice(_ASIDES[story.lang]))
        sentences = re.split(r"(?<=[.?]) |(?<=。)", text)
        at = rng.randrange(len(sentences)) if sentences[0] else 0
        sentences.insert(at, said)
        text = (" " if story.lang == "en" else "").join(sentences)
    spare = {*story.spare, "x"} if aside else story.spare
    numbers = reckoning.draw(rng, story.expression, spare, story.spare, story.decimals)
    words = _words_en(rng) if story.lang == "en" else _words_ja(rng)
    spelled = rng.random() < SPELLED_SHARE
    written = {
        name: _written(number, story.lang, spelled and f"${{{name}}}" not in text) for name, number in numbers.items()
    }
    if "${" in text and any("." in number for number in numbers.values()):
        for name in re.findall(r"\$\{(\w)\}", text):  # prices have cents
            places = max(MONEY_DECIMALS, len(numbers[name].partition(".")[2]))
            written[name] = numbers[name] = f"{Decimal(numbers[name]):.{places}f}"
    text = _SLOT.sub(lambda slot: written[slot[1]] if slot[1] in written else words[slot[1]], text)
    return _finished(rng, text, story.lang), numbers


def _chosen(rng: random.Random, text: str) -> str:
    alike = rng.random()  # a verb told in the past is asked for in the present
    while (found := _CHOICE.search(text)) is not None:
        choices = found[1].removeprefix("#").split("|")
        chosen = choices[int(alike * len(choices))] if found[1].startswith("#") else rng.choice(choices)
        text = text[: found.start()] + chosen + text[found.end() :]
    return re.sub(r" +", " ", text).strip()


def _written(number: str, lang: str, spelled: bool) -> str:
    words = words_en.SPELLED if lang == "en" else words_ja.SPELLED
    return words[int(number)] if spelled and number.isdigit() and int(number) < len(words) else number


def _finished(rng: random.Random, text: str, lang: str) -> str:
    if lang == "ja":
        return text
    text = re.sub(r"\ba (?=[aeiou])", "an ", text)
    text = re.sub(r" (?=[.,?])", "", text)
    of = rng.choice(("of a ", ""))
    text = re.sub(
        rf"\b(0\.\d+) ({_MEASURES})\b", lambda found: f"{found[1]} {of}{singular(found[2])}", text
    )  # half of a cup
    text = re.sub(r"(?:^|(?<=[.?] ))[a-z]", lambda first: first[0].upper(), text)
    if rng.random() < SPACED_SHARE:
        text = re.sub(r"(?<! )([.,?]|'s\b)(?=\s|$)", r" \1", text)
        text = text.replace("$", "$ ")
    return text


def _words_en(rng: random.Random) -> dict[str, str]:
    words = words_en.WORDS
    he = rng.random() < 0.5
    people = rng.sample(words_en.HE if he else words_en.SHE, 1) + rng.sample(words_en.HE + words_en.SHE, 3)
    names = list(dict.fromkeys(_made_up(rng) if rng.random() < MADE_UP_SHARE else name for name in people))
    while len(names) < 3:  # two were alike
        names.append(_made_up(rng))
    things = [thing.replace("+", " ") for thing in rng.sample(words["o"], 3)]
    box, thing = rng.choice(words["box"]), rng.choice(words["thing"]).replace("+", " ")
    one = {
        slot: rng.choice(words[slot]).replace("+", " ")
        for slot in ("spot", "staff", "people", "store", "item", "animal", "ride")
    }
    foods = [food.replace("+", " ") for food in rng.sample(words["food"], 3)]
    (sweet, salty), (ripe, unripe) = rng.choice(words_en.TASTES), rng.choice(words_en.RIPENESS)
    two = {
        slot: [word.replace("+", " ") for word in rng.sample(words[slot], 2)]
        for slot in ("kin", "day", "good", "stuff", "c1", "place")
    }
    return {
        "N": names[0],
        "M": names[1],
        "L": names[2],
        "he": "he" if he else "she",
        "his": "his" if he else "her",
        "him": "him" if he else "her",
        "o": things[0],
        "p": things[1],
        "q": things[2],
        "o1": singular(things[0]),
        "box": box,
        "boxes": plural(box),
        "thing": thing,
        "things": plural(thing),
        "u": rng.choice(words["u"]),
        "v": rng.choice(words["v"]),
        "Staff": f"{rng.choice(['The', 'Park', 'Some'])} {one['staff']}",
        **one,
        **{slot: pair[0] for slot, pair in two.items()},
        "kin2": two["kin"][1],
        "day2": two["day"][1],
        "good": _a(two["good"][0]),
        "good2": _a(two["good"][1]),
        "bare": two["good"][0],
        "stuff2": two["stuff"][1],
        "food": foods[0],
        "food2": foods[1],
        "food3": foods[2],
        "sweet": sweet,
        "salty": salty,
        "ripe": ripe,
        "unripe": unripe,
        "c2": two["c1"][1],
        "place2": f"the {two['place'][1]}",
    }


def _made_up(rng: random.Random) -> str:
    return "".join(rng.choices(words_en.SYLLABLES, k=rng.choice((2, 2, 3)))).capitalize()


def _words_ja(rng: random.Random) -> dict[str, str]:
    words, counted = words_ja.WORDS, words_ja.COUNTED
    suffix = rng.choice(("さん", "さん", "君", ""))
    names = [name + suffix for name in rng.sample(words_ja.NAMES, 3)]
    things = rng.sample([(thing, counter) for counter, things in counted.items() for thing in things], 3)
    one = {slot: rng.choice(words[slot]) for slot in ("kin", "spot", "place", "box", "u", "v")}
    two = {slot: rng.sample(words[slot], 2) for slot in ("day", "good", "c1", "stuff")}
    return {
        "N": names[0],
        "M": names[1],
        "L": names[2],
        **one,
        **{slot: pair[0] for slot, pair in two.items()},
        "day2": two["day"][1],
        "good2": two["good"][1],
        "c2": two["c1"][1],
        "stuff2": two["stuff"][1],
        **{slot: thing for slot, (thing, _) in zip("opq", things, strict=True)},
        **{slot: dict(zip("opq", things, strict=True))[of][1] for slot, of in _COUNTERS.items()},
    }


def singular(noun: str) -> str:
    head, _, last = noun.rpartition(" ")
    return f"{head} {_singular(last)}".strip()


def _singular(noun: str) -> str:
    if noun in words_en.IRREGULAR:
        return words_en.IRREGULAR[noun]
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    return noun[:-2] if noun.endswith(("shes", "ches", "xes", "oes", "sses")) else noun.removesuffix("s")


def _a(noun: str) -> str:
    return f"some {noun}" if noun in words_en.WORDS["many"] else f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    if noun in words_en.PLURAL:
        return words_en.PLURAL[noun]
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")
