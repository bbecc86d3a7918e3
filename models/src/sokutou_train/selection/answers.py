"""Answers as the tasks score them, and whether a rationale arrives at its answer. Knows no task by name: an answer is a
choice's letter, yes or no, a number, or another text.

Says `CONTRADICTS` only where the rationale plainly concludes something else; where it states nothing that can be read,
it is `SILENT`.
"""

from __future__ import annotations

import enum
import re
import string
from collections.abc import Iterator
from decimal import Decimal

from ..pair import Pair
from .arithmetic import CONVERSIONS, decimals_of

TOLERANCE = Decimal("1e-6")  # of two numbers that are the same answer

_NUMBER = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\w.])-?\.\d+")
_FRACTION = re.compile(r"(?<![\w./])(\d+)/(\d+)(?![\w/])")
_WORDS = {
    word: Decimal(at)
    for at, word in enumerate(
        """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty""".split()
    )
}
_WORDS |= {"none": Decimal(0), "once": Decimal(1), "twice": Decimal(2), "half": Decimal("0.5"), "dozen": Decimal(12)}
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”')]*\s+(?!\d+\s*$)|(?<=[。！？])|\n+")
_SUMS_UP = re.compile(
    r"\b(?:therefore|thus|hence|finally|answer|in conclusion|at the end|in the end)\b|答え|よって|したがって|最後", re.I
)
_ANSWER_IS = re.compile(r"\banswer is\b|答えは", re.I)
_LISTED = re.compile(r"^\W*[A-Z]\) ")  # "(F) 10/13/1923": choices that are gone through
# A result that nobody has worked out: "= 1,800 + 600", "= 50(CP)", "2x + 6 = 46".
_UNFINISHED = re.compile(r"[\d)] *[-+*/x×÷] *[$(\d]|\d[(A-Za-z]")
_UNSOLVED = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z]) *[-+*/^(]|[-+*/)\d] *[A-Za-z](?![A-Za-z])")
CONTRARY_LETTERS_MIN = 3  # of a choice's text, to be known for a conclusion: "x" stands in every second equation
_DENIES = re.compile(
    r"\b(?:not|no|never|incorrect|wrong|false|rather|instead|neither|nor|cannot|unlike|except)\b|n't|ない|ません", re.I
)
_LETTER = re.compile(r"\(([A-Z])\)|\b(?:[Aa]nswer|[Oo]ption|[Cc]hoice)(?: is|:)? *\(?([A-Z])(?![\w'’]| [a-z])")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DATE = re.compile(rf"\b({'|'.join(_MONTHS)})[a-z]*\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})\b", re.I)
_DATE_NUMBERS = re.compile(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b")
_YES_NO = re.compile(
    r"""
    answer\ (?:to\ .{0,80}\ )?(?:is|would\ be|must\ be):?\ *["“]?(yes|no)\b(?!\ \w)
  | ^["“]?(?:(?:so|therefore|thus|hence),?\ )?(yes|no)[,.] | ^(yes|no)[.!]?$ | 答えは「?(はい|いいえ)
""",
    re.I | re.X,
)
_ENDS_IN_WORD = re.compile(r"(?:[\"“「]([^\s\"“”「」]+?)\.?[\"”」]|: (\w+))\W*$")
# "Not given: torque." ends in a word, too.
_RESULT = re.compile(r"\b(?:result|answer|together|join|concatenat|we get)|答え|つなげ", re.I)


class Conclusion(enum.Enum):
    IMPLIES = "implies it"
    CONTRADICTS = "contradicts it"
    SILENT = "says nothing"


def same(one: str, other: str) -> bool:
    """Are two answers one? Numbers without commas and within `TOLERANCE`, everything else in lower case, exactly."""
    first, second = number(one), number(other)
    if first is not None and second is not None:
        return abs(first - second) <= TOLERANCE
    return one.strip().lower() == other.strip().lower()


def number(answer: str) -> Decimal | None:
    text = answer.strip().replace(",", "")
    return Decimal(text) if re.fullmatch(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)", text) else None


def sentences(text: str) -> list[str]:
    return [said for part in _SENTENCE_END.split(text) if (said := part.strip()) and any(c.isalnum() for c in said)]


def conclusion(pair: Pair) -> Conclusion:
    """Where the pair's rationale arrives. A pair without one is silent."""
    said = sentences(pair.rationale or "")
    if not said:
        return Conclusion.SILENT
    if pair.choices is not None:
        return _choice(pair, [_dates(sentence) for sentence in said])
    if pair.answer.strip().lower() in ("yes", "no", "はい", "いいえ"):
        return _yes_no(pair.answer.strip().lower(), said[-1])
    if (wanted := number(pair.answer)) is not None:
        return _numeric(wanted, said)
    return _text(pair.answer, said)


def _numeric(wanted: Decimal, said: list[str]) -> Conclusion:
    last = said[-1]
    _before, equals, result = last.rpartition("=")
    stated = list(_numbers(last))
    final = list(_numbers(result))
    if (equals and any(_close(n, wanted) for n in final)) or (not equals and any(_close(n, wanted) for n in stated)):
        return Conclusion.IMPLIES
    if stated and _close(stated[-1], wanted):
        return Conclusion.IMPLIES
    # One result, said as a result: "67 rowed and 4 hiked" stops before the sum, "34 of them" is none.
    if len(final) != 1 or not _arrives(last):
        return Conclusion.SILENT
    if any(
        _related(n, wanted) for sentence in said for n in _numbers(re.sub(r"(?<=\d) (?=\d{3}\b)", "", sentence))
    ):  # 3 400
        return Conclusion.SILENT
    return Conclusion.CONTRADICTS


def _arrives(sentence: str) -> bool:
    """Does a sentence say what something comes to?"""
    before, equals, result = sentence.rpartition("=")
    left = before.rpartition("=")[2].strip()
    if _UNFINISHED.search(result) or (equals and (not left or _UNSOLVED.search(left))):
        return False
    return bool(equals) or _ANSWER_IS.search(sentence) is not None


def _numbers(text: str) -> Iterator[Decimal]:
    """In the order of their ends; a fraction also as what it is worth, a percentage also as a share."""
    found = [(m.end(), Decimal(m[0].replace(",", ""))) for m in _NUMBER.finditer(text)]
    found += [(m.end() + 1, Decimal(m[1]) / Decimal(m[2])) for m in _FRACTION.finditer(text) if int(m[2])]
    found += [(m.end(), _WORDS[m[0].lower()]) for m in re.finditer(r"[A-Za-z]+", text) if m[0].lower() in _WORDS]
    yield from (value for _, value in sorted(found))


def _close(one: Decimal, wanted: Decimal) -> bool:
    """The same, as far as the wanted number is written: 33.33 is 33.333."""
    places = decimals_of(wanted)
    return abs(one - wanted) <= (max(TOLERANCE, Decimal(1).scaleb(-places) / 2) if places else TOLERANCE)


def _related(one: Decimal, wanted: Decimal) -> bool:
    """May be the wanted number after rounding, or in another unit or sign."""
    one, wanted = abs(one), abs(wanted)
    if abs(one - wanted) < 1:
        return one != one.to_integral_value() or wanted != wanted.to_integral_value() or one == wanted
    return bool(one and wanted) and any(
        abs(max(one, wanted) / min(one, wanted) - factor) < TOLERANCE for factor in CONVERSIONS
    )


def _choice(pair: Pair, said: list[str]) -> Conclusion:
    last, right = said[-1], string.ascii_uppercase.index(pair.answer)
    choices = [_dates(choice).casefold().strip(" .") for choice in pair.choices or ()]
    letters = {string.ascii_uppercase.index(one or other) for one, other in _LETTER.findall(last)}
    named = _named(choices, last)
    if right in letters or right in named:
        return Conclusion.IMPLIES
    plain = not (_DENIES.search(last) or _LISTED.search(last))  # says what is, not what is not
    earlier = any(right in _named(choices, sentence) or f"({pair.answer})" in sentence for sentence in said[:-1])
    if plain and len(letters) == 1 and named <= letters and max(letters) < len(choices):
        return Conclusion.CONTRADICTS
    if plain and len(named) == 1:
        (other,) = named
        if _single(choices[other]) is not None:
            # One result that is another choice's number, where the right one stands nowhere.
            wanted = _single(choices[right])
            stated = wanted is None or any(wanted in _numbers(sentence) for sentence in said)
            arrives = not stated and _arrives(last) and len(list(_numbers(last.rpartition("=")[2]))) == 1
        else:
            arrives = bool(_SUMS_UP.search(last)) and sum(c.isalnum() for c in choices[other]) >= CONTRARY_LETTERS_MIN
        if arrives:
            return Conclusion.CONTRADICTS
    return Conclusion.IMPLIES if earlier and not (plain and named) else Conclusion.SILENT


def _named(choices: list[str], sentence: str) -> set[int]:
    """Choices that a sentence names: a number where the sentence arrives, behind its last equals sign, any other text
    anywhere. A choice that is only named within the words of a longer one is not."""
    folded, numbers = sentence.casefold(), None
    named, spans = set(), {}
    for at, choice in enumerate(choices):
        if (value := _single(choice)) is not None:
            numbers = set(_numbers(sentence.rpartition("=")[2])) if numbers is None else numbers
            if value in numbers:
                named.add(at)
        elif choice:
            before, after = (r"(?<!\w)" if choice[0].isascii() else ""), (r"(?!\w)" if choice[-1].isascii() else "")
            spans[at] = [found.span() for found in re.finditer(before + re.escape(choice) + after, folded)]
    every = [span for found in spans.values() for span in found]
    named.update(
        at
        for at, found in spans.items()
        if any(
            not any(start <= first and last <= end and (first, last) != (start, end) for start, end in every)
            for first, last in found
        )
    )
    return named


def _single(choice: str) -> Decimal | None:
    """The number of a choice that is one number, perhaps with a unit."""
    found = _NUMBER.findall(choice)
    return (
        Decimal(found[0].replace(",", ""))
        if len(found) == 1 and not re.search(r"\d[/:^]|\d *[a-z]\b", choice)
        else None
    )


def _dates(text: str) -> str:
    """Every date in one spelling, 01/31/2020."""
    text = _DATE.sub(lambda m: f"{_MONTHS.index(m[1].lower()) + 1:02}/{int(m[2]):02}/{m[3]}", text)
    return _DATE_NUMBERS.sub(lambda m: f"{int(m[1]):02}/{int(m[2]):02}/{m[3]}", text)


def _yes_no(wanted: str, last: str) -> Conclusion:
    stated = {word.lower() for found in _YES_NO.findall(last) for word in found if word}
    yes, no = not stated.isdisjoint(("yes", "はい")), not stated.isdisjoint(("no", "いいえ"))
    if yes == no:
        return Conclusion.SILENT
    return Conclusion.IMPLIES if yes == (wanted in ("yes", "はい")) else Conclusion.CONTRADICTS


def _text(wanted: str, said: list[str]) -> Conclusion:
    last, folded = said[-1].casefold(), wanted.strip().casefold()
    if folded in last or _letters(folded) in re.findall(r"\w+", _spelt(last)):
        return Conclusion.IMPLIES
    ends = _ENDS_IN_WORD.search(said[-1])
    stated = any(folded in text or folded in _spelt(text) for text in (sentence.casefold() for sentence in said))
    return Conclusion.CONTRADICTS if ends and _RESULT.search(said[-1]) and not stated else Conclusion.SILENT


def _letters(text: str) -> str:
    return "".join(re.findall(r"\w", text))


def _spelt(text: str) -> str:
    """Letters that stand alone, "o n o k" or "o-n-o-k", put together."""
    return re.sub(r"(?<!\w)(\w)(?:[\s,+-]+\w(?!\w))+", lambda m: _letters(m[0]), text)
