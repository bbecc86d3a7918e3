"""Recomputes the equations of a rationale: calculator marks `<<6*7=42>>`, and plain ones such as "$5 x 3 = $15" or "10%
of 50 = 5".

Judges only what it can read whole; an equation with a unit, a letter, a power or a date in it is passed over, never
guessed. Decimal through the calculator, never binary floating point.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from .. import calculator

DECIMALS = 12  # of a recomputed value: more than anybody writes, few enough for the calculator's 28 digits
ROUNDED_DECIMALS = 2  # a factor written with so many may stand for a longer one: 0.33 * 300 = 100
# A result off by one of these has changed its unit: 4 * 25 = $1.
CONVERSIONS = frozenset(map(Decimal, (7, 12, 24, 60, 100, 365, 1000, 3600)))

# Words after which a number belongs to something that was not read: "twice 3 + 4", "5 more than 3 * 2", "weeks 1-2 = 96
# - 70".
_OPENS = frozenset(
    """
    of times plus minus by over twice thrice half double triple quarter third thirds log sqrt root sin cos tan mod
    squared than from and or per into to less more add adding subtract subtracting subtracted multiplying dividing
    week weeks day days month months year years step steps
""".split()
)
# Words that make the number before them another one: "3 dozen", "3 remainder 1", "3 and 1/3".
_GOES_ON = frozenset(
    """
    dozen dozens hundred hundreds thousand thousands million millions billion percent cents pair pairs
    halves thirds quarters fifths squared cubed remainder remaining left
    times plus minus divided multiplied over mod and or with more less of per
""".split()
)

_MARK = re.compile(r"<<([^<>]*)>>")
_NUMBER = r"(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d++)?|\.\d++"
_TOKEN = re.compile(
    rf"""
    (?P<number>[$£€¥]?\ ?(?:{_NUMBER})(?!\.?\d)(?:\ ?%)?(?![^\W\d_])     # 1,200.50  $3  20%
      |[$£€¥]?\ ?(?:{_NUMBER})(?=[xX]\ ?[$£€¥]?\d)                        # 5x3
      |[$£€¥]?\ ?(?:{_NUMBER})(?=[\u3040-\u30ff\u3400-\u9fff]))           # 8個
    |(?P<power>\*\*|\^)
    |(?P<operator>[-+*/×÷−]|(?<=[\d)])[xX](?=\ ?[$£€¥]?\d))
    |(?P<equals>(?<![<>=!:])=(?![=>]))
    |(?P<paren>[()])
    |(?P<word>[A-Za-z\u00c0-\u024f][\w'’]*|[\u3040-\u30ff\u3400-\u9fff]+)
    |(?P<other>\S|\n)
""",
    re.VERBOSE,
)
_DATE = re.compile(r"\d+/\d+/\d{2,4}|\b0\d")
_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-", "x": "*", "X": "*"})
_WIDE = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}  # full-width signs and digits of Japanese text


@dataclass(frozen=True)
class Equation:
    """Two sides that could both be read. `right` is what the rationale says, `value` what the left side is."""

    left: str
    right: str
    value: Decimal
    holds: bool


def equations(rationale: str) -> Iterator[Equation]:
    """Every equation that can be judged, in the order in which they stand."""
    text = rationale.translate(_WIDE)
    for mark in _MARK.finditer(text):
        yield from _chain([side.replace(" ", "").replace(",", "") for side in mark[1].split("=")])
    for run in _runs(_MARK.sub(" ", text)):
        yield from _chain(run)


def _runs(text: str) -> Iterator[list[str]]:
    """Sides of each stretch of numbers, operators and equals signs whose neighbours do not reach into it."""
    run: list[tuple[str, str]] = []  # (kind, text) of its tokens
    before: tuple[str, str, bool] | None = (
        None  # the token in front of the run, and whether it stands apart from what it follows
    )
    tokens = list(_TOKEN.finditer(text))
    for at, token in enumerate([*tokens, None]):
        kind, said = (token.lastgroup or "", token[0]) if token else ("end", "")
        if kind == "word" and run and run[-1][0] == "number" and at + 1 < len(tokens):
            follows = tokens[at + 1].lastgroup == "number" or tokens[at + 1][0] == "("
            if said in "xX" and follows:
                kind = "operator"
            elif said == "of" and follows and (run[-1][1].endswith("%") or [said for _, said in run[-2:-1]] == ["/"]):
                kind = "of"
            elif said == "is" and follows and any(kind == "of" for kind, _ in run):
                kind, said = "equals", "="
        elif kind == "word" and run and run[-1] == ("paren", ")") and said in "xX" and at + 1 < len(tokens):
            kind = "operator"
        if kind in ("number", "operator", "equals", "paren", "of"):
            run.append((kind, said))
            continue
        if any(kind == "equals" for kind, _ in run) and _opens(before) and _closes(kind, said, text, token):
            yield _sides(run)
        ratio = said == ":" and bool(run)  # "3 : 4"
        before = (kind, said, token is not None and text[token.end() : token.end() + 1].isspace() and not ratio)
        run = []


def decimals_of(number: Decimal) -> int:
    """With how many decimals it is written."""
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _opens(before: tuple[str, str, bool] | None) -> bool:
    """May an equation begin after this token?"""
    if before is None:
        return True
    kind, said, spaced = before
    if kind == "word":
        if said[-1] >= "\u3040":
            return said[-1] in "はでと"
        return spaced and len(said) > 1 and said.lower() not in _OPENS
    return said in '\n"“「。、' or (spaced and said in ".,;:!?")


def _closes(kind: str, said: str, text: str, token: re.Match[str] | None) -> bool:
    """May an equation end before this token?"""
    if token is None:
        return True
    if kind == "word":
        if said[0] >= "\u3040":
            return said[0] not in "万億千百十割分倍余あ"
        return (len(said) > 1 or said in "aI") and said.lower() not in _GOES_ON
    after = text[token.end() : token.end() + 2]
    return said in '\n"”」。、.,;?:' and not (after.lstrip(" ") if said == ":" else after)[:1].isdigit()


def _sides(run: list[tuple[str, str]]) -> list[str]:
    sides: list[str] = [""]
    for kind, said in run:
        if kind == "equals":
            sides.append("")
        elif kind == "of":
            sides[-1] += "of"
        else:
            sides[-1] += re.sub(r"[$£€¥, ]", "", said).translate(_SIGNS) + (" " if kind == "number" else "")
    # "(3 + 4 = 7)" stands in brackets that are not its own.
    sides[0] = sides[0][1:] if sides[0].startswith("(") and sides[0].count("(") > sides[0].count(")") else sides[0]
    if sides[-1].count(")") > sides[-1].count("("):
        sides[-1] = sides[-1].partition(")")[0]
    # A lone number in front names something, "Day 2 = 5 * 3 = 15", and a sign belongs to a word, "9 books - 5 + 3 = 7".
    return sides[1:] if _plain(sides[0]) or sides[0][:1] in tuple("-+*/") else sides


def _chain(sides: list[str]) -> Iterator[Equation]:
    for left, right in itertools.pairwise(sides):
        if (_plain(left) and _plain(right)) or _DATE.search(left) or _DATE.search(right):
            continue
        value, said = _value(left), _value(right)
        if value is None or said is None:
            continue
        # "5 + 3 = 8 * 2 = 16" is how people write on: the left side is the next one's first number.
        first = None if _plain(right) else _value(re.split(r"(?<=[\d% ])[-+*/]", right, maxsplit=1)[0])
        holds = _holds(left, value, right, said) or (first is not None and _holds(left, value, "", first))
        if (
            right.rstrip().endswith("%") and "%" not in left
        ):  # "6 / 52 * 100 = 11.5%" counts the hundred twice, and is meant well
            holds = holds or _holds(left, value, right.rstrip(" %"), said * 100)
        ratio = max(abs(value), abs(said)) / min(abs(value), abs(said)) if value and said else Decimal(0)
        if holds or not any(abs(ratio - factor) <= factor / 100 for factor in CONVERSIONS):
            yield Equation(left.replace(" ", ""), right.replace(" ", ""), value, holds)


def _plain(side: str) -> bool:
    return re.fullmatch(r"-? ?[\d.]+ ?%? ?", side) is not None


def _value(side: str) -> Decimal | None:
    """What a side is worth, or nothing if it cannot be read for sure."""
    if "%" in side or "of" in side:
        terms = re.findall(r"[\d.]+ ?%?", side)
        sums = re.search(r"(?<=[\d% )])[-+]", side)
        # "$100 + 10% = $110" means another thing than it says, "1/2 of 10 + 6 = 8" may.
        if sums and ("of" in side or not all("%" in term for term in terms)):
            return None
        side = re.sub(r"([\d.]+) ?%", r"(\1/100)", side).replace("of", "*")
    if re.search(r"\d \(?\d|/ *[\d.]+ */", side):  # "2 1/2", and "6 / 3/4", which may mean 8
        return None
    side = re.sub(r"(?<!\d)\.(?=\d)", "0.", side.replace(" ", ""))
    try:
        return Decimal(calculator.evaluate(side, DECIMALS))
    except calculator.CalculatorError:
        return None


def _holds(left: str, value: Decimal, right: str, said: Decimal) -> bool:
    """Exactly right, or right as far as it is written: 100 / 3 = 33.33, and 66.66 or 66.67 for 200 / 3."""
    off = abs(value - said)
    if off <= Decimal("1e-6"):
        return True
    decimals = max((len(places) for places in re.findall(r"\.(\d+)", right)), default=0) + 2 * ("%" in right)
    unit = Decimal(1).scaleb(-decimals)
    if value % unit and off < unit:  # it cannot be written exactly; people round, cut off, or round up
        return True
    if not _plain(right) and "." in left + right:  # 1/3 * 300 = 0.33 * 300
        return off <= abs(value) / 50
    if "*" in left or "/" in left:
        factors = [Decimal(factor) for factor in re.findall(r"\d*\.\d+", left)]
        slack = max(
            (
                Decimal(1).scaleb(-decimals_of(factor)) / 2 / factor
                for factor in factors
                if factor and decimals_of(factor) >= ROUNDED_DECIMALS
            ),
            default=Decimal(0),
        )
        return off <= abs(value) * slack + (unit if value % unit else 0)
    return False
