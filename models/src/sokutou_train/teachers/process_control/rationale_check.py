"""Checks a rationale of the task `process-control`: every number in it recomputed, every clause judged again.

Reads a rationale as its reader would, sentence by sentence; what it cannot read is a fault too. Judges by its own
reading of the rules, not by the teacher's code. Never asks the student.
"""

from __future__ import annotations

import itertools
import re

from ...pair import Pair
from ...sentences import first_sentence
from ..marks import miscalculated
from .rules import LABELS, RUN_LEN, TREND_LEN, ZONE_LEN, Series

_MARK = r"<<[^=<>]+=[^=<>]+>>"
_CHAIN = rf"(?:[a-z]{_MARK} ?)+?"
_SENTENCES = {  # in order; a rationale may end after any of them
    "en": (
        r"Sides (?P<sides>[^:]+): (?P<limit>beyond|within)\.",
        r"From (?P<first>[a-z]): (?P<run>no run|\d+ above|\d+ below)\.",
        rf"Steps back (?P<steps>{_CHAIN}): (?P<trend>level|\d+ rising|\d+ falling)\.",
        rf"Past two sigma, times 3, (?P<zones>{_CHAIN}): (?P<zone>inside|\d+ beyond)\.",
    ),
    "ja": (
        r"側 (?P<sides>[^、]+)、限界(?P<limit>外|内)。",
        r"(?P<first>[a-z])から、(?P<run>連なし|\d+点上側|\d+点下側)。",
        rf"後ろから差 (?P<steps>{_CHAIN})、(?P<trend>横ばい|\d+点上昇|\d+点下降)。",
        rf"2σ線との差の3倍 (?P<zones>{_CHAIN})、(?P<zone>内側|\d+点外)。",
    ),
}
_RATIONALE = {
    "en": re.compile(
        f"{_SENTENCES['en'][0]}(?: {_SENTENCES['en'][1]}(?: {_SENTENCES['en'][2]}(?: {_SENTENCES['en'][3]})?)?)?"
        r" (?P<verdict>[^<>]+\.)"
    ),
    "ja": re.compile(
        f"{_SENTENCES['ja'][0]}(?:{_SENTENCES['ja'][1]}(?:{_SENTENCES['ja'][2]}(?:{_SENTENCES['ja'][3]})?)?)?"
        r"(?P<verdict>[^<>]+。)"
    ),
}
_LIMIT = {"beyond": True, "外": True, "within": False, "内": False}
_UNIT = {"above": "上側", "below": "下側", "rising": "上昇", "falling": "下降", "beyond": "外"}  # English, Japanese
_VERDICTS = {  # by how many sentences were needed, and whether the last of them fired
    (1, True): ("Beyond a limit.", "管理限界外。"),
    (2, True): ("Run on one side.", "片側の連。"),
    (3, True): ("Trend.", "傾向。"),
    (4, True): ("Two of three beyond two sigma.", "3点中2点が2σ外。"),
    (4, False): ("In control.", "管理状態。"),
}


def faults(pair: Pair, rationale: str) -> list[str]:
    """What is wrong in `rationale` as a reason about `pair`'s question; empty when all is right."""
    if not isinstance(pair.reading, Series):
        raise ValueError(f"expected a series to judge by, got {pair.reading}")
    recital = first_sentence(pair.known_rationale)
    if first_sentence(rationale) != recital:
        return [f"read {first_sentence(rationale)!r}, expected {recital!r}"]
    said = _RATIONALE[pair.lang].fullmatch(rationale.removeprefix(recital).lstrip())
    if not said:
        return ["not a rationale in the question's language"]
    return [*miscalculated(rationale), *_misjudged(pair.reading, said.groupdict(""), pair.lang)]


def _misjudged(s: Series, said: dict[str, str], lang: str) -> list[str]:
    x, last = s.readings, len(s.readings) - 1
    beyond_limit = any(not s.lower <= reading <= s.upper for reading in x)
    expected: dict[str, tuple[object, object]] = {
        "sides": (
            said["sides"],
            " ".join(label + _side(s, reading) for label, reading in zip(LABELS, x, strict=False)),
        ),
        "beyond a limit": (_LIMIT[said["limit"]], beyond_limit),
    }
    fires = [beyond_limit]
    if said["run"]:
        eight = x[-RUN_LEN:]
        sides = {(reading > s.centre) - (reading < s.centre) for reading in eight}
        side = {1: "above", -1: "below"}.get(sides.pop(), "") if len(sides) == 1 else ""
        fires.append(bool(side))
        expected |= {
            "first of the run": (said["first"], LABELS[len(x) - RUN_LEN]),
            "run": (said["run"], _said(RUN_LEN, side, lang) if side else "連なし" if lang == "ja" else "no run"),
        }
    if said["trend"]:
        steps = [after - before for before, after in itertools.pairwise(x)][:-TREND_LEN:-1]  # the latest first
        way = (steps[0] > 0) - (steps[0] < 0)
        same = sum(1 for _ in itertools.takewhile(lambda step: step * way > 0, steps))
        fires.append(same == TREND_LEN - 1)
        shown = min(same + 1, TREND_LEN - 1)
        count = _said(same + 1, "rising" if way > 0 else "falling", lang)
        expected |= {
            "steps": (
                _chain(said["steps"]),
                [(LABELS[last - at], [x[last - at], x[last - at - 1]]) for at in range(shown)],
            ),
            "trend": (said["trend"], count if way else "横ばい" if lang == "ja" else "level"),
        }
    if said["zone"]:
        chain = _chain(said["zones"])
        limit = s.lower if (chain[0][1] or [])[3:4] == [s.lower] else s.upper
        # Two sigma is two thirds of the way to the limit: multiplied out so that nothing is rounded.
        beyond = [
            abs(3 * (x[last - at] - s.centre)) > 2 * abs(limit - s.centre)
            and (x[last - at] > s.centre) == (limit == s.upper)
            for at in range(ZONE_LEN)
        ]
        shown = 1 if not beyond[0] else 2 if beyond[1] else ZONE_LEN
        fires.append(beyond[0] and (beyond[1] or beyond[2]))
        count = _said(sum(beyond[:shown]), "beyond", lang)
        other = s.lower if limit == s.upper else s.upper  # inside of one line may still be beyond the other
        hidden = abs(3 * (x[last] - s.centre)) > 2 * abs(other - s.centre) and (x[last] > s.centre) == (
            other == s.upper
        )
        expected |= {
            "two sigma line": (
                chain,
                [(LABELS[last - at], [3, x[last - at], 2, limit, s.centre]) for at in range(shown)],
            ),
            "latest beyond the other two sigma line": (False, hidden),
            "beyond two sigma": (said["zone"], count if beyond[0] else "内側" if lang == "ja" else "inside"),
        }
    verdict = _VERDICTS.get((len(fires), fires[-1]), ("a verdict only after the last rule or one that fires",) * 2)
    expected["verdict"] = (said["verdict"], verdict[lang == "ja"])
    if True in fires[:-1]:
        expected["sentences"] = (len(fires), fires.index(True) + 1)
    return [f"{what} said as {got}, expected {truth}" for what, (got, truth) in expected.items() if got != truth]


def _side(s: Series, reading: int) -> str:
    past = (reading >= s.lower) + (reading > s.centre) + (reading > s.upper)
    return "0" if reading == s.centre else "_-+^"[past]


def _said(count: int, what: str, lang: str) -> str:
    return f"{count}点{_UNIT[what]}" if lang == "ja" else f"{count} {what}"


def _terms(mark: str) -> list[int] | None:
    """The numbers of `<<a-b=...>>` or `<<a*b-c*d-e=...>>`; None for any other expression."""
    found = re.fullmatch(r"<<(\d+)-(\d+)=.+|<<(\d+)\*(\d+)-(\d+)\*(\d+)-(\d+)=.+", mark)
    return [int(term) for term in found.groups() if term is not None] if found else None


def _chain(marks: str) -> list[tuple[str, list[int] | None]]:
    return [(label, _terms(mark)) for label, mark in re.findall(rf"([a-z])({_MARK})", marks)]
