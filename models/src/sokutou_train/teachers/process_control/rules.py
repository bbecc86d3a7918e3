"""The rule teacher of the task `process-control`: limits and readings of a control chart in, verdict and exact
rationale out.

The rules are the run rules of the Western Electric *Statistical Quality Control Handbook* (1956) and of L. S. Nelson,
"The Shewhart control chart: tests for special causes", Journal of Quality Technology 16(4), 237-239 (1984), on a chart
of single readings:

    beyond a limit   a reading beyond a control limit (Western Electric test 1, Nelson test 1)
    run              8 in a row on one side of the centre line (Western Electric test 4; Nelson's test 2 waits for 9)
    trend            6 in a row, each above the one before it, or each below (Nelson test 3)
    two of three     2 of 3 in a row beyond two sigma on one side (Western Electric test 2, Nelson test 5)

A limit stands three sigma from the centre. When several fire, the first in this order is the verdict: a reading beyond
a limit is there already; a run has moved the level and a trend goes on moving it; two of three Nelson adds where
earlier warning is wanted. `fired` names all of them.

A chart is read whenever a reading comes, so a run, a trend and two of three count when the latest reading belongs to
them; one that has ended was called while it stood. A reading beyond a limit counts wherever it stands among those
shown, since missing it costs most. Beyond means beyond: on a limit is within, on a two sigma line is inside. A reading
on the centre line is on neither side and breaks a run; one equal to the reading before it breaks a trend.

This module never samples and never words a question: `sampling` draws series, `readings` names their words.
"""

from __future__ import annotations

import enum
import itertools
import math
import string
from collections.abc import Iterable
from dataclasses import dataclass

from ...calculator import mark

TASK_ID = "process-control"

RUN_LEN = 8  # readings in a row on one side of the centre line
TREND_LEN = 6  # readings in a row that rise, or fall
ZONE_OF, ZONE_LEN = 2, 3  # so many of so many in a row
ZONE_SIGMAS, LIMIT_SIGMAS = 2, 3  # where the warning line and the control limit stand

READINGS_MIN = RUN_LEN  # with fewer a run cannot be seen
READINGS_MAX = 10  # taught; each reading costs a question and its rationale some five tokens
LABELS = string.ascii_lowercase  # of the readings in a rationale, oldest first: tells equal readings apart


class Answer(enum.Enum):
    """The closed answer set, most urgent rule first; the value is the text the student writes."""

    NONE = "OK"
    LIMIT = "LIM"
    RUN = "RUN"
    TREND = "TRD"
    ZONE = "TWO"
    PERSON = "ASK"  # taught until 1.2.0; the runtime reads questions and decides this itself now


RULES = (Answer.LIMIT, Answer.RUN, Answer.TREND, Answer.ZONE)  # most urgent first

# code, text, label in English, label in Japanese, does this choice call a person?
CHOICES = (
    (0, Answer.NONE, "in control", "管理状態", False),
    (1, Answer.LIMIT, "beyond a control limit", "管理限界外", False),
    (2, Answer.RUN, "run on one side of the centre line", "中心線の片側に連", False),
    (3, Answer.TREND, "trend", "上昇または下降の傾向", False),
    (4, Answer.ZONE, "two of three beyond two sigma", "3点中2点が2σ外", False),
    (9, Answer.PERSON, "outside what this student knows", "判定対象外", True),
)


@dataclass(frozen=True)
class Series:
    """A chart's lines and latest readings, oldest first: integers in the last decimal place that the question writes
    (5.0 is 50), so that no rule is decided by binary floating point."""

    centre: int
    upper: int  # control limit
    lower: int  # control limit
    readings: tuple[int, ...]

    @property
    def possible(self) -> bool:
        return self.lower < self.centre < self.upper

    @property
    def run(self) -> tuple[int, ...]:
        return self.readings[-RUN_LEN:]

    @property
    def steps(self) -> tuple[int, ...]:
        """From reading to reading, up to as many as a trend takes."""
        last = self.readings[-TREND_LEN:]
        return tuple(after - before for before, after in itertools.pairwise(last))

    def past_zone(self, reading: int, limit: int) -> int:
        """How far a reading lies above the two sigma line on `limit`'s side, times `LIMIT_SIGMAS` to stay whole."""
        return LIMIT_SIGMAS * reading - ZONE_SIGMAS * limit - (LIMIT_SIGMAS - ZONE_SIGMAS) * self.centre


def reaches(s: Series) -> tuple[int, ...]:
    """How far each rule is past its edge, both sides of it one after another, in the order of `RULES`; it fires above
    0. The two of `Answer.ZONE` are in thirds."""
    above = [s.past_zone(reading, s.upper) for reading in s.readings[-ZONE_LEN:]]
    below = [-s.past_zone(reading, s.lower) for reading in s.readings[-ZONE_LEN:]]
    return (
        max(s.readings) - s.upper,
        s.lower - min(s.readings),
        min(s.run) - s.centre,
        s.centre - max(s.run),
        min(s.steps),
        -max(s.steps),
        min(above[-1], max(above[:-1])),
        min(below[-1], max(below[:-1])),
    )


def fired(s: Series) -> tuple[Answer, ...]:
    """Every rule that fires on a series of at least `READINGS_MIN` readings, most urgent first."""
    reached = reaches(s)
    return tuple(rule for place, rule in enumerate(RULES) if max(reached[2 * place : 2 * place + 2]) > 0)


def verdict(s: Series) -> Answer:
    """The most urgent rule that fires; a person, where the lines are impossible or the readings too few."""
    if not s.possible or len(s.readings) < READINGS_MIN:
        return Answer.PERSON
    return next(iter(fired(s)), Answer.NONE)


# A margin is squashed twice: coarsely, to say how far off an edge is, and finely, to tell the two sides of it apart.
MARGIN_SCALES = (0.5, 0.05)  # shares of the way from the centre to a limit


def margins(s: Series) -> tuple[float, ...]:
    """How far each rule is past its edge, in shares of the way from the centre to the limit on its side, each squashed
    by `MARGIN_SCALES` to -1..1. The student learns to predict them beside its first answer."""
    ways = (s.upper - s.centre, s.centre - s.lower)
    shares = [reach / ways[place % 2] for place, reach in enumerate(reaches(s))]
    shares[-2:] = [share / LIMIT_SIGMAS for share in shares[-2:]]
    return _squashed(shares)


def _squashed(shares: Iterable[float]) -> tuple[float, ...]:
    return tuple(math.tanh(share / scale) for share in shares for scale in MARGIN_SCALES)


def progress(s: Series, at: int) -> tuple[float, ...]:
    """What the rules make of the readings up to the one at this place: how far it is above the centre, past either
    limit and past either two sigma line, and its step in shares of the way to the limits, squashed as margins are;
    whether any was past a limit, the run so far, whether it rises or falls, and the trend so far."""
    reading, ways = s.readings[at], (s.upper - s.centre, s.centre - s.lower)
    up = (reading - s.centre) / ways[reading < s.centre]
    step = (reading - s.readings[at - 1]) / min(ways) if at else 0.0
    limits = [(reading - s.upper) / ways[0], (s.lower - reading) / ways[1]]
    zones = [
        s.past_zone(reading, s.upper) / LIMIT_SIGMAS / ways[0],
        -s.past_zone(reading, s.lower) / LIMIT_SIGMAS / ways[1],
    ]
    out = any(r > s.upper or r < s.lower for r in s.readings[: at + 1])
    run = _run_so_far([_sign(r - s.centre) for r in s.readings[: at + 1]], RUN_LEN)
    ways_so_far = [_sign(after - before) for before, after in itertools.pairwise(s.readings[: at + 1])]
    rises = float(ways_so_far[-1]) if ways_so_far else 0.0
    trend = _run_so_far(ways_so_far, TREND_LEN - 1)
    return *_squashed((up, *limits, *zones, step)), 1.0 if out else -1.0, run, rises, trend


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _run_so_far(signs: list[int], whole: int) -> float:
    """How many of the last signs are alike, in shares of a whole run, and with their sign."""
    count = next((count for count, sign in enumerate(reversed(signs)) if sign != signs[-1]), len(signs))
    return signs[-1] * min(count / whole, 1.0) if signs else 0.0


def near_edge(s: Series, share: float = 0.1) -> bool:
    """Within `share` of the way from the centre to a limit of firing a rule, or of not firing the one that fires."""
    way = min(s.upper - s.centre, s.centre - s.lower)
    reached = reaches(s)
    best: list[float] = [max(reached[2 * place : 2 * place + 2]) for place in range(len(RULES))]
    best[-1] /= LIMIT_SIGMAS
    return any(abs(reach) <= share * way for reach in best)


@dataclass(frozen=True)
class GeneratedText:
    """Lines and readings as the question wrote them, for the rationale to quote."""

    centre: str
    upper: str
    lower: str
    readings: tuple[str, ...]


def recital(w: GeneratedText, lang: str) -> str:
    """What the student read, in one fixed order: the first sentence of every rationale about readings. Each reading
    gets a letter, by which the sentences after it quote it."""
    readings = " ".join(letter + reading for letter, reading in zip(LABELS, w.readings, strict=False))
    if lang == "ja":
        return f"読み取り CL {w.centre}、UCL {w.upper}、LCL {w.lower}、測定値 {readings}。"
    return f"Read CL {w.centre}, UCL {w.upper}, LCL {w.lower}: {readings}."


def rationale(s: Series, w: GeneratedText, lang: str) -> str:
    """The recital, on which side of the lines each reading is, then the other rules in order until one fires, then the
    verdict: one comparison at a time, never the extreme of many readings at once. Numbers in differences lose their
    decimal points, all at the same place, so that the calculator stays exact at any number of decimals."""
    said = [recital(w, lang)]
    for rule, sentence in ((Answer.LIMIT, _limits), (Answer.RUN, _run), (Answer.TREND, _trend), (Answer.ZONE, _zone)):
        said.append(sentence(s, w, lang))
        if rule in fired(s):
            break
    said.append(_VERDICTS[verdict(s)][lang == "ja"])
    return ("" if lang == "ja" else " ").join(said)


_VERDICTS = {
    Answer.NONE: ("In control.", "管理状態。"),
    Answer.LIMIT: ("Beyond a limit.", "管理限界外。"),
    Answer.RUN: ("Run on one side.", "片側の連。"),
    Answer.TREND: ("Trend.", "傾向。"),
    Answer.ZONE: ("Two of three beyond two sigma.", "3点中2点が2σ外。"),
}


def _limits(s: Series, w: GeneratedText, lang: str) -> str:
    """`^` is above the upper limit, `+` above the centre line, `0` on it, `-` below it, `_` below the lower limit."""
    sides = " ".join(letter + _side(s, reading) for letter, reading in zip(LABELS, s.readings, strict=False))
    out = Answer.LIMIT in fired(s)
    return (
        f"側 {sides}、限界{'外' if out else '内'}。"
        if lang == "ja"
        else f"Sides {sides}: {'beyond' if out else 'within'}."
    )


def _side(s: Series, reading: int) -> str:
    if reading > s.upper:
        return "^"
    if reading < s.lower:
        return "_"
    return "+" if reading > s.centre else "-" if reading < s.centre else "0"


def _run(s: Series, w: GeneratedText, lang: str) -> str:
    first, up = LABELS[len(s.readings) - RUN_LEN], s.run[-1] > s.centre
    whole = Answer.RUN in fired(s)
    if lang == "ja":
        side = f"{RUN_LEN}点{'上' if up else '下'}側" if whole else "連なし"
        return f"{first}から、{side}。"
    side = f"{RUN_LEN} {'above' if up else 'below'}" if whole else "no run"
    return f"From {first}: {side}."


def _trend(s: Series, w: GeneratedText, lang: str) -> str:
    """Steps back from the latest reading until one is level or goes the other way, or a trend is full."""
    marks, count = [], 1
    for place in range(len(s.readings) - 1, len(s.readings) - TREND_LEN, -1):
        marks.append(LABELS[place] + _less(w.readings[place], w.readings[place - 1]))
        if (s.readings[place] - s.readings[place - 1]) * s.steps[-1] <= 0:
            break
        count += 1
    steps = " ".join(marks)
    if lang == "ja":
        way = f"{count}点上昇" if s.steps[-1] > 0 else f"{count}点下降" if s.steps[-1] else "横ばい"
        return f"後ろから差 {steps}、{way}。"
    way = f"{count} rising" if s.steps[-1] > 0 else f"{count} falling" if s.steps[-1] else "level"
    return f"Steps back {steps}: {way}."


def _zone(s: Series, w: GeneratedText, lang: str) -> str:
    """The latest reading against the two sigma line on its side; if beyond, those before it until two are beyond."""
    up = s.readings[-1] >= s.centre
    limit, limit_written = (s.upper, w.upper) if up else (s.lower, w.lower)
    marks, beyond = [], 0
    for place in range(len(s.readings) - 1, len(s.readings) - ZONE_LEN - 1, -1):
        expression = f"{LIMIT_SIGMAS}*{_bare(w.readings[place])}-{ZONE_SIGMAS}*{_bare(limit_written)}-{_bare(w.centre)}"
        marks.append(LABELS[place] + mark(expression))
        past = s.past_zone(s.readings[place], limit)
        beyond += past > 0 if up else past < 0
        if beyond in (0, ZONE_OF):
            break
    zones = " ".join(marks)
    if lang == "ja":
        return f"2σ線との差の3倍 {zones}、{f'{beyond}点外' if beyond else '内側'}。"
    return f"Past two sigma, times 3, {zones}: {f'{beyond} beyond' if beyond else 'inside'}."


def _bare(written: str) -> str:
    return written.replace(".", "")


def _less(a: str, b: str) -> str:
    return mark(f"{_bare(a)}-{_bare(b)}")
